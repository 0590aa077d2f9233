"""Kubeflow components: a typed signature and one call each.

Sources and evidence are URIs that go through the store; artifacts are read at their path, and
outputs are copies for the user interface. A task that fails loses its outputs, so checks and the
gate always succeed and record; ``require_allow`` is the task that turns a run red.

Set ``MODELWARDEN_IMAGE`` to an image that holds this package and kfp, and nothing is installed when
a task starts. Signatures follow what the compiler can read: no ``X | None``, no tuples, literal
defaults; ``""``, and None for an artifact, stands for "not given".
"""

import os
from collections import namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

from modelwarden import __version__

IMAGE = os.environ.get("MODELWARDEN_IMAGE", "")


def _component(extra: str = "checks") -> Callable[[Callable[..., Any]], Any]:
    """Return kfp's decorator with our image, or with pip and the extra that a check needs."""
    decorate: Callable[[Callable[..., Any]], Any] = dsl.component(
        base_image=IMAGE or "python:3.11-slim",
        packages_to_install=None if IMAGE else [f"modelwarden[{extra}]=={__version__}"],
        install_kfp_package=not IMAGE,
    )
    return decorate


@_component()
def load_artifact(uri: str, artifact: Output[Artifact], sha256: str = ""):
    """Bring an object of any S3-compatible store into the pipeline.

    Args:
        uri: Where it is.
        artifact: Its copy.
        sha256: Digest that it must have; "" accepts any.
    """
    from modelwarden.store import Store

    with Store() as store:
        file = store.get(uri, sha256=sha256)
        store.put_once(artifact.path, file.path)
        artifact.metadata["sha256"] = file.sha256


@_component("checks,gx")
def integrity(
    data: Input[Dataset],
    report: Output[HTML],
    metrics: Output[Metrics],
    suite: str = "",
    profile: str = "",
    sample: str = "",
    target: str = "",
    ignore: str = "",
    engine: str = "pandas",
    data_docs: str = "",
    evidence: str = "",
    key: str = "",
):
    """Hold a table against a Great Expectations suite, trusted data's profile, or both.

    Args:
        data: The table.
        report: The report as a page.
        metrics: Its metrics.
        suite: URI of the suite; it or a profile must be given.
        profile: URI of what modelwarden profile wrote.
        sample: URI of the sample that it wrote beside it; "" compares no rows.
        target: Label column, to compare labels with the profile; "" leaves labels alone.
        ignore: Columns that the profile is not held against, separated by commas.
        engine: Engine of Great Expectations, pandas or spark.
        data_docs: URI for Great Expectations' own page about the suite; "" writes none.
        evidence: Prefix for report and signed statement.
        key: Signing key, a PEM file or env:NAME; "" signs nothing.
    """
    from modelwarden.jobs.check import check
    from modelwarden.kubeflow_artifacts import show

    outcome = check(
        "integrity",
        inputs={"data": data.path, "suite": suite, "profile": profile, "sample": sample},
        options={"target": target, "ignore": ignore, "engine": engine},
        tables={"data_docs": data_docs},
        evidence=evidence,
        key=key,
    )
    show(outcome, report=report, metrics=metrics)


@_component()
def roni(
    train: Input[Dataset],
    kept: Output[Dataset],
    quarantine: Output[Dataset],
    rows: Output[Dataset],
    report: Output[HTML],
    metrics: Output[Metrics],
    target: str,
    trusted: Input[Dataset] = None,
    estimator: str = "",
    alpha: float = 0.05,
    fdr: float = 0.0,
    max_rejected: float = 0.25,
    group: str = "",
    weight: str = "",
    trigger: str = "neutralise",
    seed: int = 0,
    evidence: str = "",
    key: str = "",
):
    """Reject training rows with a negative impact (RONI).

    Args:
        train: Rows under suspicion.
        kept: Rows that passed, in the format they came in.
        quarantine: Rows that were rejected.
        rows: What was measured of each row, and decided.
        report: The report as a page.
        metrics: Its metrics.
        target: Label column.
        trusted: Rows that people have reviewed; may be left out.
        estimator: Your own estimator, a model file's URI or python:module:name; "" takes ours.
        alpha: Share of clean rows that may be rejected on average.
        fdr: Largest expected share of clean rows among the rejected; 0 to use alpha alone.
        max_rejected: Share of rejected rows above which the check fails and keeps all.
        group: Column that names who contributed a row; not a feature.
        weight: Column of sample weights; not a feature.
        trigger: What to do with trigger values left in kept rows: neutralise, drop or keep.
        seed: Seed of everything random.
        evidence: Prefix for report and signed statement.
        key: Signing key, a PEM file or env:NAME; "" signs nothing.
    """
    from modelwarden.jobs.check import check
    from modelwarden.kubeflow_artifacts import show

    outcome = check(
        "roni",
        inputs={
            "train": train.path,
            "trusted": trusted.path if trusted else "",
            "estimator": estimator,
        },
        options={
            "target": target,
            "alpha": alpha,
            "fdr": fdr,
            "max_rejected": max_rejected,
            "group": group,
            "weight": weight,
            "trigger": trigger,
            "seed": seed,
        },
        tables={"kept": kept.path, "quarantine": quarantine.path, "rows": rows.path},
        evidence=evidence,
        key=key,
    )
    show(outcome, report=report, metrics=metrics)


@_component()
def restore(
    filtered: Input[Dataset],
    train: Input[Dataset],
    rows: Input[Dataset],
    kept: Output[Dataset],
    report: Output[HTML],
    metrics: Output[Metrics],
    restore: str,
    evidence: str = "",
    key: str = "",
):
    """Put rows back that RONI rejected and people found clean.

    Args:
        filtered: Rows that RONI kept.
        train: Rows that RONI read.
        rows: RONI's table of rows and decisions.
        kept: Kept and restored rows, in the order in which they were submitted.
        report: The report as a page.
        metrics: Its metrics.
        restore: Numbers and ranges of rejected rows, such as 17,20-25.
        evidence: Prefix for report and signed statement.
        key: Signing key, a PEM file or env:NAME; "" signs nothing.
    """
    from modelwarden.jobs.check import check
    from modelwarden.kubeflow_artifacts import show

    outcome = check(
        "restore",
        inputs={"filtered": filtered.path, "train": train.path, "rows": rows.path},
        options={"restore": restore},
        tables={"kept": kept.path},
        evidence=evidence,
        key=key,
    )
    show(outcome, report=report, metrics=metrics)


@_component()
def drift(
    batch: Input[Dataset],
    profile: Input[Artifact],
    sample: Input[Dataset],
    report: Output[HTML],
    metrics: Output[Metrics],
    tests: Output[Dataset],
    predictor: Input[Model] = None,
    alpha: float = 0.05,
    ignore: str = "",
    seed: int = 0,
    evidence: str = "",
    key: str = "",
):
    """Hold a batch against the profile of trusted data.

    Args:
        batch: Rows to judge.
        profile: What modelwarden profile wrote.
        sample: The sample that it wrote beside it.
        report: The report as a page.
        metrics: Its metrics.
        tests: Each test with its p and its effect.
        predictor: Model whose predictions are judged as one more column.
        alpha: Share of unchanged batches that alert all the same.
        ignore: Columns that always move, separated by commas.
        seed: Seed of samples and classifiers.
        evidence: Prefix for report and signed statement.
        key: Signing key, a PEM file or env:NAME; "" signs nothing.
    """
    from modelwarden.jobs.check import check
    from modelwarden.kubeflow_artifacts import show

    outcome = check(
        "drift",
        inputs={
            "batch": batch.path,
            "profile": profile.path,
            "sample": sample.path,
            "predictor": predictor.path if predictor else "",
        },
        options={"alpha": alpha, "ignore": ignore, "seed": seed},
        tables={"tests": tests.path},
        evidence=evidence,
        key=key,
    )
    show(outcome, report=report, metrics=metrics)


@_component()
def backdoor(
    train: Input[Dataset],
    profile: Input[Artifact],
    sample: Input[Dataset],
    report: Output[HTML],
    metrics: Output[Metrics],
    triggers: Output[Dataset],
    target: str,
    predictor: Input[Model] = None,
    alpha: float = 0.01,
    ignore: str = "",
    seed: int = 0,
    evidence: str = "",
    key: str = "",
):
    """Look for columns and rare values that steer a model.

    Args:
        train: Rows that a model is trained on.
        profile: What modelwarden profile wrote about trusted rows.
        sample: The sample that it wrote beside it, labels included.
        report: The report as a page.
        metrics: Its metrics.
        triggers: Each trigger, how well it works, and who sees it.
        target: Label column.
        predictor: Model that was trained on these rows.
        alpha: Chance that clean rows have a trigger.
        ignore: Columns that are no features, separated by commas.
        seed: Seed of everything random.
        evidence: Prefix for report and signed statement.
        key: Signing key, a PEM file or env:NAME; "" signs nothing.
    """
    from modelwarden.jobs.check import check
    from modelwarden.kubeflow_artifacts import show

    outcome = check(
        "backdoor",
        inputs={
            "train": train.path,
            "profile": profile.path,
            "sample": sample.path,
            "predictor": predictor.path if predictor else "",
        },
        options={"target": target, "alpha": alpha, "ignore": ignore, "seed": seed},
        tables={"triggers": triggers.path},
        evidence=evidence,
        key=key,
    )
    show(outcome, report=report, metrics=metrics)


@_component()
def evasion(
    model: Input[Model],
    evaluation: Input[Dataset],
    report: Output[HTML],
    metrics: Output[Metrics],
    target: str,
    space: str = "",
    epsilon: float = 0.1,
    norm: str = "auto",
    rows: int = 300,
    queries: int = 400,
    distance_queries: int = 1000,
    nodes: int = 10000,
    examples: int = 0,
    seed: int = 0,
    broken: str = "",
    pictures: str = "",
    evidence: str = "",
    key: str = "",
):
    """Attack a model with small perturbations.

    Args:
        model: The model file.
        evaluation: Rows to attack; the training run should not know them.
        report: The report as a page.
        metrics: Its metrics.
        target: Label column.
        space: URI of what an attacker may change; "" lets every number move within its range.
        epsilon: Largest change, in units of each column's scale; columns with l0, and of a text
            the share of words.
        norm: How changes of columns are joined: linf, l2, l1 or l0; auto is l0 for texts, linf for
            tables.
        rows: Rows to attack, chosen by seed.
        queries: Predictions that the attack may ask for, per row.
        distance_queries: The same for the smallest change that breaks a row; 0 to leave that out.
        nodes: Steps of exact search per row, for linear models and trees; 0 to prove nothing.
        examples: Broken rows to write to the tables broken and pictures.
        seed: Seed of everything random.
        broken: URI for the table of examples, which are rows of data; "" writes none.
        pictures: URI for a page of them, where the space file says that rows are images.
        evidence: Prefix for report and signed statement.
        key: Signing key, a PEM file or env:NAME; "" signs nothing.
    """
    from modelwarden.jobs.check import check
    from modelwarden.kubeflow_artifacts import show

    outcome = check(
        "evasion",
        inputs={"model": model.path, "evaluation": evaluation.path, "space": space},
        options={
            "target": target,
            "epsilon": epsilon,
            "norm": norm,
            "rows": rows,
            "queries": queries,
            "distance_queries": distance_queries,
            "nodes": nodes,
            "examples": examples,
            "seed": seed,
        },
        tables={"broken": broken, "pictures": pictures},
        evidence=evidence,
        key=key,
    )
    show(outcome, report=report, metrics=metrics)


@_component()
def extraction(
    model: Input[Model],
    evaluation: Input[Dataset],
    report: Output[HTML],
    metrics: Output[Metrics],
    budget: Output[Artifact],
    target: str,
    space: str = "",
    limit: float = 0.95,
    outputs: str = "auto",
    queries: int = 10000,
    days: int = 30,
    public_rows: int = 300,
    epsilon: float = 0.1,
    seed: int = 0,
    evidence: str = "",
    key: str = "",
):
    """Steal the model, and derive a query budget per client.

    Args:
        model: The model file.
        evaluation: Labelled rows like customers'; half are the thieves', half judge copies.
        report: The report as a page.
        metrics: Its metrics.
        budget: Query budget per client (JSON).
        target: Label column.
        space: URI of what an attacker may change; "" lets every number move within its range.
        limit: Fidelity that a copy has to stay below.
        outputs: What the endpoint answers with: labels or probabilities; auto is all that the
            model can say.
        queries: The most that are tried.
        days: Length of the budget's period.
        public_rows: Labelled rows that a thief has without asking.
        epsilon: How far rows are moved against the copy, in units of each column's scale.
        seed: Seed of everything random.
        evidence: Prefix for report and signed statement.
        key: Signing key, a PEM file or env:NAME; "" signs nothing.
    """
    from modelwarden.jobs.check import check
    from modelwarden.kubeflow_artifacts import show

    outcome = check(
        "extraction",
        inputs={"model": model.path, "evaluation": evaluation.path, "space": space},
        options={
            "target": target,
            "limit": limit,
            "outputs": outputs,
            "queries": queries,
            "days": days,
            "public_rows": public_rows,
            "epsilon": epsilon,
            "seed": seed,
        },
        tables={"budget": budget.path},
        evidence=evidence,
        key=key,
    )
    show(outcome, report=report, metrics=metrics)


@_component()
def membership(
    model: Input[Model],
    train: Input[Dataset],
    evaluation: Input[Dataset],
    report: Output[HTML],
    metrics: Output[Metrics],
    target: str,
    rows: int = 5000,
    seed: int = 0,
    evidence: str = "",
    key: str = "",
):
    """Tell training rows from others by what the model says of them.

    Args:
        model: The model file.
        train: Rows that the model was trained on.
        evaluation: Rows of the same kind that it was not trained on.
        report: The report as a page.
        metrics: Its metrics.
        target: Label column.
        rows: Rows of each kind at most, chosen by seed.
        seed: Seed of the draw.
        evidence: Prefix for report and signed statement.
        key: Signing key, a PEM file or env:NAME; "" signs nothing.
    """
    from modelwarden.jobs.check import check
    from modelwarden.kubeflow_artifacts import show

    inputs = {"model": model.path, "train": train.path, "evaluation": evaluation.path}
    options = {"target": target, "rows": rows, "seed": seed}
    outcome = check("membership", inputs=inputs, options=options, evidence=evidence, key=key)
    show(outcome, report=report, metrics=metrics)


@_component()
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


@_component()
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


@_component()
def model_file(
    model: Input[Model],
    report: Output[HTML],
    metrics: Output[Metrics],
    evidence: str = "",
    key: str = "",
):
    """Refuse a model file that could execute code.

    Args:
        model: The model file.
        report: The report as a page.
        metrics: Its metrics.
        evidence: Prefix for report and signed statement.
        key: Signing key, a PEM file or env:NAME; "" signs nothing.
    """
    from modelwarden.jobs.check import check
    from modelwarden.kubeflow_artifacts import show

    outcome = check("model_file", inputs={"model": model.path}, evidence=evidence, key=key)
    show(outcome, report=report, metrics=metrics)


@_component("checks,logs")
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


@_component("checks,logs")
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


@_component("checks,gx,logs")
def monitor(plan: str, page: Output[HTML], run: str = "") -> bool:
    """Analyse the new batches and yesterday's query log; tell people what changed.

    Args:
        plan: URI of the file that says what is watched and who is told.
        page: The trend of the last runs.
        run: Name of this run, such as dsl.PIPELINE_JOB_ID_PLACEHOLDER; "" for one by the time.

    Returns:
        Whether no fault of the channel alert lasts.
    """
    from pathlib import Path

    from modelwarden.jobs.monitor import monitor as job
    from modelwarden.store import Store

    done = job(plan, run=run)
    if done.alerted.page:
        with Store() as store:
            Path(page.path).write_bytes(store.read(done.alerted.page))
    done.alerted.require_delivery()
    return done.alerted.quiet


@_component()
def alert(
    status: dsl.PipelineTaskFinalStatus,
    model: str,
    state: str,
    channels: list[dict[str, str]],
    run: str,
    check: str = "pipeline",
    key: str = "",
):
    """Tell people, once, that a pipeline failed, and once that it works again; an exit task.

    Args:
        status: What became of the tasks in the ExitHandler.
        model: What the alert is about.
        state: Prefix for what is known about alerts.
        channels: Who is told; see docs/monitoring.md.
        run: Name of the run, such as dsl.PIPELINE_JOB_ID_PLACEHOLDER.
        check: What the alert calls the pipeline.
        key: Key that signs the state, a PEM file or env:NAME; "" signs nothing.
    """
    from modelwarden.jobs.alert import alert_of_task

    problems = [] if status.state == "SUCCEEDED" else [f"it ended as {status.state}"]
    told = {"state": state, "run": run, "channels": channels, "key": key}
    alert_of_task(model, check, problems=problems, **told).require_delivery()


@_component()
def alert_findings(
    model: str,
    state: str,
    channels: list[dict[str, str]],
    run: str,
    drift: Input[HTML] = None,
    integrity: Input[HTML] = None,
    traffic: Input[HTML] = None,
    owed: list[str] = ["drift", "integrity", "traffic"],  # noqa: B006 - kfp reads it
    key: str = "",
) -> bool:
    """Tell people what changed in what checks found: a fault once, and its recovery once.

    Args:
        model: What alerts are about.
        state: Prefix for what is known about alerts.
        channels: Who is told; see docs/monitoring.md.
        run: Name of the run, such as dsl.PIPELINE_JOB_ID_PLACEHOLDER.
        drift: Report of the component drift.
        integrity: Report of the component integrity.
        traffic: Report of the component traffic.
        owed: Checks that have to have a verdict; one that is missing alerts.
        key: Key that signs the state, a PEM file or env:NAME; "" signs nothing.

    Returns:
        Whether no fault of the channel alert lasts.
    """
    from modelwarden.jobs.alert import alert as job

    given = {"drift": drift, "integrity": integrity, "traffic": traffic}
    wired = {name: dict(one.metadata) for name, one in given.items() if one}
    outcomes = {name: wired.get(name) for name in {*owed, *wired}}
    done = job(model, outcomes, state=state, run=run, channels=channels, key=key)
    done.require_delivery()
    return done.quiet


@_component()
def record_training(
    model: Input[Model],
    data: Input[Dataset],
    evidence: str,
    key: str,
    author: str = "",
) -> str:
    """Sign which table a model was trained on.

    Args:
        model: The model file.
        data: The table.
        evidence: Prefix for the statement.
        key: The builder's key, a PEM file or env:NAME.
        author: Who built the model; must not be who approves it.

    Returns:
        URI of the statement.
    """
    from modelwarden.jobs.trained import trained

    return trained(model.path, data=data.path, evidence=evidence, key=key, author=author).uri


@_component()
def deployment_gate(
    model: Input[Model],
    report: Output[HTML],
    policy: str,
    evidence: str,
    trust: str,
    key: str,
) -> NamedTuple("Ruling", decision=str, allow=bool):
    """Decide whether a model may be deployed; succeeds either way.

    Args:
        model: The model file.
        report: The decision as a page.
        policy: URI of the policy.
        evidence: Prefix below which statements lie and the decision goes.
        trust: URI of the trust file.
        key: The gate's key, a PEM file or env:NAME.

    Returns:
        URI of the signed decision, and whether it allows.
    """
    from pathlib import Path

    from modelwarden.jobs.gate import gate

    ruling = gate(model.path, policy=policy, evidence=evidence, trust=trust, key=key)
    Path(report.path).write_text(ruling.page, encoding="utf-8")
    return (ruling.statement.uri, ruling.decision.allowed)


@_component()
def require_allow(model: Input[Model], decision: str, policy: str, trust: str) -> str:
    """Re-check a decision and all it rests on; fail unless it allows exactly this model.

    Args:
        model: The model file that is about to be used.
        decision: URI of the signed decision.
        policy: URI of the policy.
        trust: URI of the trust file.

    Returns:
        SHA-256 of the model that may be used.
    """
    from modelwarden.jobs.verify import verify

    return verify(decision, model=model.path, policy=policy, trust=trust).model


@_component()
def release(
    model: Input[Model],
    decision: str,
    policy: str,
    trust: str,
    evidence: str,
    to: str,
    run: str,
    key: str = "",
) -> str:
    """Publish a model whose decision holds, once.

    Args:
        model: The model file.
        decision: URI of the signed decision.
        policy: URI of the policy.
        trust: URI of the trust file.
        evidence: Prefix where it is noted that the decision was used.
        to: Prefix of published models.
        run: Name of this run, such as dsl.PIPELINE_JOB_ID_PLACEHOLDER.
        key: A key that may release, which records it as the current one; "" for none.

    Returns:
        URI of the release's manifest.
    """
    from modelwarden.jobs.release import release

    return release(
        decision,
        model=model.path,
        policy=policy,
        trust=trust,
        evidence=evidence,
        to=to,
        run=run,
        key=key,
    ).uri


@_component("checks,logs")
def shard(
    check: str,
    inputs: dict[str, str],
    parts: str,
    index: int,
    count: int,
    options: dict[str, str] = {},  # noqa: B006 - kfp copies it
    evidence: str = "",
    key: str = "",
) -> int:
    """Do one shard's blocks of a check; in a ParallelFor over 0 to count - 1.

    Args:
        check: A check that is done in blocks.
        inputs: URI of each of its inputs.
        parts: Prefix for what blocks come to, in the data bucket.
        index: Which shard this is, from 0.
        count: How many there are.
        options: Its options, as text.
        evidence: Prefix where a builder's word for a model with code of its own is found.
        key: The key that will sign the result, a PEM file or env:NAME; "" for none.

    Returns:
        How many blocks the shard has.
    """
    from modelwarden.jobs.shard import shard as job

    share = job(
        check,
        inputs=inputs,
        options=options,
        parts=parts,
        index=index,
        count=count,
        evidence=evidence,
        key=key,
    )
    return share.done + share.found


@_component("checks,logs")
def join(
    check: str,
    inputs: dict[str, str],
    parts: str,
    shards: list[int],
    report: Output[HTML],
    metrics: Output[Metrics],
    options: dict[str, str] = {},  # noqa: B006 - kfp copies it
    tables: dict[str, str] = {},  # noqa: B006 - kfp copies it
    evidence: str = "",
    key: str = "",
):
    """Put all shards of a check together: its report and statement, as of one machine.

    Args:
        check: A check that is done in blocks.
        inputs: URI of each of its inputs.
        parts: Prefix where the shards left what blocks came to.
        shards: What the shards returned, dsl.Collected, so that this task waits for them.
        report: The report as a page.
        metrics: Its metrics.
        options: Its options, as text.
        tables: URIs for the tables that the check writes.
        evidence: Prefix for report and signed statement.
        key: Signing key, a PEM file or env:NAME; "" signs nothing.
    """
    from modelwarden.jobs.join import join as job
    from modelwarden.kubeflow_artifacts import show

    outcome = job(
        check,
        inputs=inputs,
        options=options,
        parts=parts,
        evidence=evidence,
        key=key,
        tables=tables,
    )
    show(outcome, report=report, metrics=metrics)


@dsl.pipeline(name="data-defence")
def data_defence(
    train: Input[Dataset],
    trusted: Input[Dataset],
    suite: str,
    profile: str,
    sample: str,
    target: str,
    max_rejected: float = 0.25,
    evidence: str = "",
    key: str = "",
) -> NamedTuple("Defended", kept=Dataset, quarantine=Dataset, rows=Dataset, triggers=Dataset):
    """Validate training rows, filter them (RONI), look for backdoors; never from cache.

    Checks record what they find and succeed; the gate is who refuses.

    Args:
        train: Rows under suspicion.
        trusted: Rows that people have reviewed.
        suite: URI of the suite.
        profile: URI of what modelwarden profile wrote about trusted rows.
        sample: URI of the sample that it wrote beside it.
        target: Label column.
        max_rejected: Share of rejected rows above which the filter fails and keeps all.
        evidence: Prefix for reports and signed statements.
        key: Signing key of the data checks, a PEM file or env:NAME; "" signs nothing.

    Returns:
        Rows to train on, rows that were rejected, what was measured of each row, and triggers that
        are left in the rows to train on.
    """
    asked = {"target": target, "evidence": evidence, "key": key}
    validate = integrity(data=train, suite=suite, profile=profile, sample=sample, **asked)
    filtered = roni(train=train, trusted=trusted, max_rejected=max_rejected, **asked)
    known, rows = load_artifact(uri=profile), load_artifact(uri=sample)
    searched = backdoor(
        train=filtered.outputs["kept"],
        profile=known.outputs["artifact"],
        sample=rows.outputs["artifact"],
        **asked,
    )
    for task in (validate, filtered, known, rows, searched):
        task.set_caching_options(False)  # the cache knows artifacts by their ids, not by bytes
    tables = [filtered.outputs[name] for name in ("kept", "quarantine", "rows")]
    tables.append(searched.outputs["triggers"])
    return namedtuple("Defended", ["kept", "quarantine", "rows", "triggers"])(*tables)


@dsl.pipeline(name="security-gate")
def security_gate(model: Input[Model], policy: str, evidence: str, trust: str, key: str) -> str:
    """Decide, and fail the run unless the decision allows; never from cache.

    Args:
        model: The model file.
        policy: URI of the policy.
        evidence: Prefix below which statements lie and the decision goes.
        trust: URI of the trust file.
        key: The gate's key, a PEM file or env:NAME.

    Returns:
        URI of the signed decision.
    """
    gate = deployment_gate(model=model, policy=policy, evidence=evidence, trust=trust, key=key)
    gate.set_caching_options(False)
    enforce = require_allow(
        model=model,
        decision=gate.outputs["decision"],
        policy=policy,
        trust=trust,
    )
    enforce.set_caching_options(False)
    decision: str = gate.outputs["decision"]
    return decision
