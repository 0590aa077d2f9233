"""Components: tell people what changed."""

from kfp import dsl
from kfp.dsl import HTML, Input, Output

from modelwarden.kubeflow_components.component import component


@component("checks,gx,logs")
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


@component()
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
    done = alert_of_task(
        model,
        check,
        problems=problems,
        state=state,
        run=run,
        channels=channels,
        key=key,
    )
    done.require_delivery()


@component()
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
