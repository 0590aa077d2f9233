"""Train a model, and let it out only with evidence.

``validate -> filter (RONI) -> train -> search (backdoor), attack -> gate -> verify -> release``,
the same job as ``dags/secure_training.py``. Only wiring: `train` stands for your own training. Keys
come from the environment, one per role; policy and trust file lie where this run cannot write.
"""

import os

from kfp import dsl
from kfp.dsl import Dataset, Input, Model, Output

from modelwarden.kubeflow_components import (
    backdoor,
    evasion,
    integrity,
    load_artifact,
    model_file,
    record_training,
    release,
    roni,
    security_gate,
)

IMAGE = os.environ.get("MODELWARDEN_IMAGE", "")


@dsl.component(
    base_image=IMAGE or "python:3.11-slim",
    packages_to_install=None if IMAGE else ["scikit-learn", "pandas"],
    install_kfp_package=not IMAGE,
)
def train(
    kept: Input[Dataset],
    raw: Input[Dataset],
    model: Output[Model],
    rows: Output[Dataset],
    target: str,
    estimator: str,
    arguments: dict,
    unfiltered: bool,
):
    """Fit the model; hand on the table it was trained on. Yours to replace."""
    import shutil

    import joblib
    import pandas as pd
    from sklearn.utils import all_estimators

    shutil.copyfile(raw.path if unfiltered else kept.path, rows.path)
    table = pd.read_csv(rows.path)
    labels = table.pop(target)
    # JSON knows no integers in Kubeflow: 100 arrives as 100.0
    given = {n: int(v) if isinstance(v, float) and v == int(v) else v for n, v in arguments.items()}
    joblib.dump(
        dict(all_estimators("classifier"))[estimator](**given).fit(table, labels), model.path
    )


@dsl.pipeline(name="secure-training")
def secure_training(
    trust: str,
    data: str = "s3://training/train.csv",
    trusted: str = "s3://governance/trusted.csv",
    evaluation: str = "s3://governance/evaluation.csv",
    profile: str = "s3://governance/profile.json",
    sample: str = "s3://governance/sample.parquet",
    suite: str = "expectations/suites/breast_cancer.json",
    target: str = "target",
    evidence: str = "s3://evidence/secure-training",
    releases: str = "s3://releases/breast-cancer",
    policy: str = "expectations/policies/demo.yaml",
    estimator: str = "RandomForestClassifier",
    arguments: dict = {"n_estimators": 100, "random_state": 0},  # noqa: B006 - kfp reads it
    unfiltered: bool = False,
    publish: bool = True,
) -> str:
    """Wire the checks around the training; `publish` False leaves it to pipelines/release.py."""
    data_key, model_key = "env:MODELWARDEN_DATA_KEY", "env:MODELWARDEN_MODEL_KEY"
    table = load_artifact(uri=data)
    reviewed = load_artifact(uri=trusted)
    held_out = load_artifact(uri=evaluation)
    known = load_artifact(uri=profile)
    known_rows = load_artifact(uri=sample)
    for source in (table, reviewed, held_out, known, known_rows):
        source.set_caching_options(False)  # the cache knows URIs, not bytes
    validate = integrity(
        data=table.outputs["artifact"], suite=suite, evidence=evidence, key=data_key
    )
    filtered = roni(
        train=table.outputs["artifact"],
        trusted=reviewed.outputs["artifact"],
        target=target,
        evidence=evidence,
        key=data_key,
    ).after(validate)
    fit = train(
        kept=filtered.outputs["kept"],
        raw=table.outputs["artifact"],
        target=target,
        estimator=estimator,
        arguments=arguments,
        unfiltered=unfiltered,
    )
    model = fit.outputs["model"]
    record = record_training(
        model=model,
        data=fit.outputs["rows"],
        evidence=evidence,
        key="env:MODELWARDEN_BUILDER_KEY",
    )
    search = backdoor(
        train=fit.outputs["rows"],
        profile=known.outputs["artifact"],
        sample=known_rows.outputs["artifact"],
        target=target,
        predictor=model,
        evidence=evidence,
        key=data_key,
    )
    inspect = model_file(model=model, evidence=evidence, key=model_key)
    attack = evasion(
        model=model,
        evaluation=held_out.outputs["artifact"],
        target=target,
        distance_queries=0,  # the policy asks for no distances, which take most of the time
        evidence=evidence,
        key=model_key,
    )
    gate = security_gate(
        model=model,
        policy=policy,
        evidence=evidence,
        trust=trust,
        key="env:MODELWARDEN_GATE_KEY",
    ).after(record, search, inspect, attack)
    with dsl.If(publish == True):  # noqa: E712 - kfp builds a condition from it
        release(
            model=model,
            decision=gate.output,
            policy=policy,
            trust=trust,
            evidence=evidence,
            to=releases,
            run=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
        ).set_caching_options(False)
    return gate.output
