"""Components: checks of how a model is served and kept."""

from kfp.dsl import HTML, Dataset, Input, Metrics, Model, Output

from modelwarden.kubeflow_components.component import component


@component()
def endpoint(
    model: Input[Model],
    report: Output[HTML],
    metrics: Output[Metrics],
    serving: str,
    budget: str,
    requests: int = 200,
    seconds: int = 120,
    evidence: str = "",
    key: str = "",
):
    """Probe a staging endpoint: authentication, second factor, limits per client.

    Args:
        model: The model file that the endpoint serves.
        report: The report as a page.
        metrics: Its metrics.
        serving: URI of the serving file; it names the variables that hold the credentials.
        budget: URI of the query budget.
        requests: Requests in all, however the endpoint answers.
        seconds: Seconds in all.
        evidence: Prefix for report and signed statement.
        key: Signing key, a PEM file or env:NAME; "" signs nothing.
    """
    from modelwarden.jobs.check import check
    from modelwarden.kubeflow_artifacts import show

    outcome = check(
        "endpoint",
        inputs={"model": model.path, "serving": serving, "budget": budget},
        options={"requests": requests, "seconds": seconds},
        evidence=evidence,
        key=key,
    )
    show(outcome, report=report, metrics=metrics)


@component("checks,logs")
def traffic(
    model: Input[Model],
    report: Output[HTML],
    metrics: Output[Metrics],
    logs: str,
    budget: str,
    reference: Input[Dataset] = None,
    target: str = "",
    format: str = "auto",  # noqa: A002
    client: str = "",
    alpha: float = 0.01,
    min_queries: int = 40,
    seed: int = 0,
    clients: str = "",
    alerts: str = "",
    block: str = "",
    evidence: str = "",
    key: str = "",
):
    """Hold query logs against a query budget.

    Args:
        model: The model that is judged.
        report: The report as a page.
        metrics: Its metrics.
        logs: URI of the query logs; with a / at its end everything below it.
        budget: URI of the query budget.
        reference: Rows like those that honest clients ask about; may be left out.
        target: Label column of reference.
        format: Format of text files; auto tells it by their first lines.
        client: Column, JSON key or header that names the client; "" for the format's own.
        alpha: Share of honest clients that may be flagged by what they ask.
        min_queries: Distinct rows below which a client is not judged by what it asks.
        seed: Seed of which queries are looked at.
        clients: URI for the volumes of each client, which names clients; "" writes nothing.
        alerts: URI for the alarms, which name clients; "" writes nothing.
        block: URI for the clients that exceeded their budget; "" writes nothing.
        evidence: Prefix for report and signed statement.
        key: Signing key, a PEM file or env:NAME; "" signs nothing.
    """
    from modelwarden.jobs.check import check
    from modelwarden.kubeflow_artifacts import show

    outcome = check(
        "traffic",
        inputs={
            "model": model.path,
            "logs": logs,
            "budget": budget,
            "reference": reference.path if reference else "",
        },
        options={
            "target": target,
            "format": format,
            "client": client,
            "alpha": alpha,
            "min_queries": min_queries,
            "seed": seed,
        },
        tables={"clients": clients, "alerts": alerts, "block": block},
        evidence=evidence,
        key=key,
    )
    show(outcome, report=report, metrics=metrics)


@component("checks,logs")
def access(
    model: Input[Model],
    report: Output[HTML],
    metrics: Output[Metrics],
    logs: str,
    model_prefix: str,
    training_prefix: str,
    readers: str = "",
    writers: str = "",
    access: str = "",
    evidence: str = "",
    key: str = "",
):
    """Count who read a model's file and who changed its training data.

    Args:
        model: The model that is judged.
        report: The report as a page.
        metrics: Its metrics.
        logs: URI of S3 server access logs or CloudTrail; with a / at its end everything below it.
        model_prefix: Bucket and beginning of the key of the model's objects.
        training_prefix: Bucket and beginning of the key of training data.
        readers: Who may read the model, ARNs separated by commas; * stands for anything.
        writers: Who may change training data, ARNs separated by commas.
        access: URI for who did what, which names clients; "" writes nothing.
        evidence: Prefix for report and signed statement.
        key: Signing key, a PEM file or env:NAME; "" signs nothing.
    """
    from modelwarden.jobs.check import check
    from modelwarden.kubeflow_artifacts import show

    outcome = check(
        "access",
        inputs={"model": model.path, "logs": logs},
        options={
            "model_prefix": model_prefix,
            "training_prefix": training_prefix,
            "readers": readers,
            "writers": writers,
        },
        tables={"access": access},
        evidence=evidence,
        key=key,
    )
    show(outcome, report=report, metrics=metrics)


@component()
def bucket(
    model: Input[Model],
    report: Output[HTML],
    metrics: Output[Metrics],
    bucket: str,
    evidence: str = "",
    key: str = "",
):
    """Report how a bucket is kept: versions, object lock, encryption, public access.

    Args:
        model: The model that the statement is about.
        report: The report as a page.
        metrics: Its metrics.
        bucket: The bucket of the model, of its data or of the evidence, such as s3://name/.
        evidence: Prefix for report and signed statement.
        key: Signing key, a PEM file or env:NAME; "" signs nothing.
    """
    from modelwarden.jobs.check import check
    from modelwarden.kubeflow_artifacts import show

    inputs = {"model": model.path, "bucket": bucket}
    outcome = check("bucket", inputs=inputs, evidence=evidence, key=key)
    show(outcome, report=report, metrics=metrics)
