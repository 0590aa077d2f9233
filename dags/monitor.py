"""Analyse every new batch and yesterday's query log; tell people what changed, and only that.

Only wiring. Runs every morning, and whenever a task with the outlet ``new-batch`` has written one.
`drift` and `integrity` judge each new batch, `audit` holds the log against the query budget, and
`alert` tells people: a fault once, its recovery once, a verdict that is missing like a fault. Who
is told is yours: put channels into `CHANNELS`, or notifiers, such as those of the Slack, SMTP or
PagerDuty provider, into `NOTIFIERS`.

`alert` runs whatever became of the checks, so a run is green once people have been told. `prefix`
is a pattern of strftime below `logs`, filled with yesterday's date. A budget of a month needs the
logs of a month: "%Y/%m/" instead of "%Y/%m/%d/".
"""

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, Param, dag

from modelwarden.airflow_alerts import AlertOperator, NewBatchesOperator
from modelwarden.airflow_operators import DriftOperator, IntegrityOperator, TrafficOperator

S3 = "^s3://[^/]+/.+"
CHANNELS: list = []  # such as {"kind": "slack", "url": "env:SLACK_URL"}
NOTIFIERS: list = []  # called when something changed
NEW_BATCH = Asset("new-batch")
YESTERDAY = "(dag_run.run_after - macros.timedelta(days=1))"
DAY = f"{{{{ params.logs }}}}/{{{{ {YESTERDAY}.strftime(params.prefix) }}}}"
OUT = "{{ params.work }}/{{ run_id | replace(':', '-') | replace('+', '-') }}"
SIGNED = {"evidence": "{{ params.evidence }}", "key": "env:MODELWARDEN_MODEL_KEY"}


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 6 * * *", timezone="UTC"), assets=[NEW_BATCH]
    ),
    catchup=False,
    max_active_runs=1,
    tags=["security"],
    doc_md=__doc__,
    params={
        "model": Param("s3://releases/model.joblib", type="string", pattern=S3),
        "batches": Param("s3://incoming/batches/", type="string", pattern=S3),
        "profile": Param("s3://governance/profile.json", type="string", pattern=S3),
        "sample": Param("s3://governance/sample.parquet", type="string", pattern=S3),
        "suite": Param("s3://governance/suite.json", type="string", pattern=S3),
        "ignore": Param("", type="string", description="Columns that always move."),
        "logs": Param("s3://logs/model", type="string", pattern=S3),
        "prefix": Param("%Y/%m/%d/", type="string", pattern="/$"),
        "budget": Param("s3://governance/budget.json", type="string", pattern=S3),
        "reference": Param("", type="string", description="Rows like honest clients'; optional."),
        "target": Param("", type="string", description="Label column of reference."),
        "work": Param("s3://security/traffic", type="string", pattern=S3),
        "evidence": Param("s3://evidence/monitor", type="string", pattern=S3),
        "state": Param("s3://evidence/alerts", type="string", pattern=S3),
        "limits": Param(
            {"traffic": {"unreadable_fraction": 0.01}},
            type="object",
            description="For each check, the largest usual value of metrics.",
        ),
    },
)
def monitor() -> None:
    """Measure, then tell people what changed."""
    new = NewBatchesOperator(
        task_id="new",
        prefix="{{ params.batches }}",
        state="{{ params.state }}",
        key=SIGNED["key"],
    )
    drift = DriftOperator.partial(
        task_id="drift",
        profile="{{ params.profile }}",
        sample="{{ params.sample }}",
        ignore="{{ params.ignore }}",
        max_active_tis_per_dagrun=2,
        **SIGNED,
    ).expand(batch=new.output)
    integrity = IntegrityOperator.partial(
        task_id="integrity",
        suite="{{ params.suite }}",
        max_active_tis_per_dagrun=2,
        **SIGNED,
    ).expand(data=new.output)
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
        **SIGNED,
    )
    AlertOperator(
        task_id="alert",
        model="{{ params.model }}",
        outcomes={"drift": drift.output, "integrity": integrity.output, "traffic": audit.output},
        batches=new.output,
        state="{{ params.state }}",
        channels=CHANNELS,
        notifiers=NOTIFIERS,
        limits="{{ params.limits | tojson }}",
        key=SIGNED["key"],
    )


monitor()
