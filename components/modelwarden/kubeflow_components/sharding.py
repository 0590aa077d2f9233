"""Components: a check that many tasks share."""

from kfp.dsl import HTML, Metrics, Output

from modelwarden.kubeflow_components.component import component


@component("checks,logs")
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


@component("checks,logs")
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
