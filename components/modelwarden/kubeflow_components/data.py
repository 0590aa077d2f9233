"""Components: rows in, and checks of data."""

from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

from modelwarden.kubeflow_components.component import component


@component()
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


@component("checks,gx")
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


@component()
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


@component()
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


@component()
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


@component()
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
