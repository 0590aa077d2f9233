"""Hold yesterday's query log against the query budget, every day.

Only wiring: `audit` measures and signs, `alarm` goes red when a figure exceeds its limit. Nothing
waits for `alarm`, so the audit of the next day runs whatever today's said. Who is told is yours:
put notifiers into `NOTIFIERS`, such as those of the Slack, SMTP or PagerDuty provider.

`prefix` is a pattern of strftime below `logs`, filled with yesterday's date. A budget of a month
needs the logs of a month: "%Y/%m/" instead of "%Y/%m/%d/".
"""

from airflow.sdk import Param, dag, task

from modelwarden.airflow_operators import TrafficOperator

S3 = "^s3://[^/]+/.+"
NOTIFIERS: list = []  # called when `alarm` goes red
YESTERDAY = "(dag_run.run_after - macros.timedelta(days=1))"
DAY = f"{{{{ params.logs }}}}/{{{{ {YESTERDAY}.strftime(params.prefix) }}}}"
OUT = "{{ params.work }}/{{ run_id | replace(':', '-') | replace('+', '-') }}"


@task(on_failure_callback=NOTIFIERS)
def alarm(measured: dict, params: dict | None = None) -> None:
    """Fail when a figure exceeds its limit, or was not measured."""
    from airflow.sdk.exceptions import AirflowFailException

    metrics = measured["metrics"]
    over = [
        f"{name} is {metrics.get(name)}, at most {limit} is usual"
        for name, limit in params["limits"].items()
        if metrics.get(name) is None or not metrics[name] <= limit
    ]
    if over:
        raise AirflowFailException(f"{'; '.join(over)}. Report: {measured['page']}")


@dag(
    schedule="@daily",
    catchup=False,
    max_active_runs=1,
    tags=["security"],
    doc_md=__doc__,
    params={
        "model": Param("s3://releases/model.joblib", type="string", pattern=S3),
        "logs": Param("s3://logs/model", type="string", pattern=S3),
        "prefix": Param("%Y/%m/%d/", type="string", pattern="/$"),
        "budget": Param("s3://governance/budget.json", type="string", pattern=S3),
        "reference": Param("", type="string", description="Rows like honest clients'; optional."),
        "target": Param("", type="string", description="Label column of reference."),
        "work": Param("s3://security/traffic", type="string", pattern=S3),
        "evidence": Param("s3://evidence/traffic", type="string", pattern=S3),
        "limits": Param(
            {"max_budget_used": 0.5, "max_pool_used": 1, "unreadable_fraction": 0.01},
            type="object",
            description="Largest usual value of each metric.",
        ),
    },
)
def monitor() -> None:
    """Measure, then raise the alarm."""
    audit = TrafficOperator(
        task_id="audit",
        model="{{ params.model }}",
        logs=DAY,
        budget="{{ params.budget }}",
        reference="{{ params.reference }}",
        target="{{ params.target }}",
        clients=f"{OUT}/clients.csv",
        alerts=f"{OUT}/alerts.jsonl",
        block=f"{OUT}/block.csv",
        evidence="{{ params.evidence }}",
        key="env:MODELWARDEN_MODEL_KEY",
    )
    alarm(audit.output)


monitor()
