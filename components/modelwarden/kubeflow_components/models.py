"""Components: checks of models."""

from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

from modelwarden.kubeflow_components.component import component


@component()
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


@component()
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


@component()
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


@component()
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
