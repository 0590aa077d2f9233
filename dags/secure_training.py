"""Train a model, and let it out only with evidence.

``validate -> filter (RONI) -> train -> search (backdoor), attack -> gate -> verify -> release``,
the same job as ``pipelines/secure_training.py``. Only wiring: `train` stands for your own training.
Keys come from the environment, one per role; policy and trust file lie where this run cannot write.
"""

from airflow.sdk import Param, chain, dag, task

from modelwarden.airflow_operators import (
    BackdoorOperator,
    DeploymentGateOperator,
    EvasionOperator,
    IntegrityOperator,
    ModelFileOperator,
    RecordTrainingOperator,
    ReleaseOperator,
    RoniOperator,
    VerifyDecisionOperator,
)

S3 = "^s3://[^/]+/.+"
RUN = "{{ params.work }}/{{ run_id | replace(':', '-') | replace('+', '-') }}"
DATA_CHECKS = {"evidence": "{{ params.evidence }}", "key": "env:MODELWARDEN_DATA_KEY"}
MODEL_CHECKS = {"evidence": "{{ params.evidence }}", "key": "env:MODELWARDEN_MODEL_KEY"}
JUDGED_BY = {"policy": "{{ params.policy }}", "trust": "{{ params.trust }}"}


@task
def train(kept: str, raw: str, model: str, params: dict | None = None) -> str:
    """Fit the model and store it; return the table it was trained on. Yours to replace."""
    from io import BytesIO

    import joblib
    import pandas as pd
    from sklearn.utils import all_estimators

    from modelwarden.store import Store

    rows = raw if params["unfiltered"] else kept
    with Store() as store:
        table = pd.read_csv(store.get(rows).path)
        labels = table.pop(params["target"])
        estimator = dict(all_estimators("classifier"))[params["estimator"]](**params["arguments"])
        body = BytesIO()
        joblib.dump(estimator.fit(table, labels), body)
        store.put_once(model, body.getvalue())
    return rows


@task.short_circuit
def release_here(params: dict | None = None) -> bool:
    """Stop after the decision if another run, with its own identity, releases (dags/release.py)."""
    return params["release"]


@dag(
    schedule=None,
    tags=["security"],
    doc_md=__doc__,
    params={
        "data": Param("s3://training/train.csv", type="string", pattern=S3),
        "trusted": Param("s3://governance/trusted.csv", type="string", pattern=S3),
        "evaluation": Param("s3://governance/evaluation.csv", type="string", pattern=S3),
        "profile": Param("s3://governance/profile.json", type="string", pattern=S3),
        "sample": Param("s3://governance/sample.parquet", type="string", pattern=S3),
        "suite": Param("expectations/suites/breast_cancer.json", type="string"),
        "target": Param("target", type="string"),
        "work": Param("s3://training/runs", type="string", pattern=S3),
        "evidence": Param("s3://evidence/secure-training", type="string", pattern=S3),
        "releases": Param("s3://releases/breast-cancer", type="string", pattern=S3),
        "policy": Param("expectations/policies/demo.yaml", type="string"),
        "trust": Param("trust.yaml", type="string"),
        "estimator": Param("RandomForestClassifier", type="string"),
        "arguments": Param({"n_estimators": 100, "random_state": 0}, type="object"),
        "unfiltered": Param(False, type="boolean", description="Train on the rows as they came."),
        "release": Param(True, type="boolean", description="False leaves it to dags/release.py."),
    },
)
def secure_training() -> None:
    """Wire the checks around the training."""
    model = f"{RUN}/model.joblib"
    validate = IntegrityOperator(
        task_id="validate", data="{{ params.data }}", suite="{{ params.suite }}", **DATA_CHECKS
    )
    filter_rows = RoniOperator(
        task_id="filter",
        train="{{ params.data }}",
        trusted="{{ params.trusted }}",
        target="{{ params.target }}",
        kept=f"{RUN}/kept.csv",
        quarantine=f"{RUN}/quarantine.csv",
        **DATA_CHECKS,
    )
    rows = train(kept=f"{RUN}/kept.csv", raw="{{ params.data }}", model=model)
    record = RecordTrainingOperator(
        task_id="record_training",
        model=model,
        data=rows,
        evidence="{{ params.evidence }}",
        key="env:MODELWARDEN_BUILDER_KEY",
    )
    search = BackdoorOperator(
        task_id="search",
        train=rows,
        profile="{{ params.profile }}",
        sample="{{ params.sample }}",
        target="{{ params.target }}",
        predictor=model,
        **DATA_CHECKS,
    )
    attack = EvasionOperator(
        task_id="attack",
        model=model,
        evaluation="{{ params.evaluation }}",
        target="{{ params.target }}",
        distance_queries=0,  # the policy asks for no distances, which take most of the time
        **MODEL_CHECKS,
    )
    inspect = ModelFileOperator(task_id="inspect", model=model, **MODEL_CHECKS)
    gate = DeploymentGateOperator(
        task_id="gate",
        model=model,
        evidence="{{ params.evidence }}",
        key="env:MODELWARDEN_GATE_KEY",
        **JUDGED_BY,
    )
    verify = VerifyDecisionOperator(
        task_id="verify", decision=gate.output["decision"], model=model, **JUDGED_BY
    )
    release = ReleaseOperator(
        task_id="release",
        decision=gate.output["decision"],
        model=model,
        evidence="{{ params.evidence }}",
        to="{{ params.releases }}",
        **JUDGED_BY,
    )
    chain(validate, filter_rows, rows, record, [search, inspect, attack], gate)
    chain(gate, release_here(), verify, release)


secure_training()
