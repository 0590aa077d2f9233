"""Analyse every new batch and yesterday's query log; tell people what changed, and only that.

The same job as ``dags/monitor.py``, in one task: what is watched and who is told stands in the file
at `plan`. The exit task tells people when that task itself did not get through. Make it a recurring
run: docs/monitoring.md shows how.
"""

from kfp import dsl

from modelwarden.kubeflow_components import alert, monitor


@dsl.pipeline(name="monitor")
def monitor_pipeline(plan: str, model: str, state: str, channels: list):
    """Watch, and tell people if even that fails."""
    run = dsl.PIPELINE_JOB_ID_PLACEHOLDER
    failed = alert(model=model, state=state, channels=channels, run=run, check="monitor")
    with dsl.ExitHandler(failed, name="watch"):
        monitor(plan=plan, run=run).set_caching_options(False)
