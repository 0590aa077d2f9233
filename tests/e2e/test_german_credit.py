"""German credit from table to decision: categories, a space file, attack, report, gate, verify.

Needs the UCI data as ``german_credit.csv`` in the folder that ``MODELWARDEN_DATA`` names.
"""

import os
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import joblib
import pandas as pd
import pytest
import yaml
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelwarden.jobs.check import check
from modelwarden.jobs.gate import gate
from modelwarden.jobs.trained import trained
from modelwarden.jobs.verify import verify
from modelwarden.keys import new_key
from modelwarden.store import Store

DATA = Path(os.environ.get("MODELWARDEN_DATA", "data")) / "german_credit.csv"
SPACE = Path(__file__).parents[2] / "expectations" / "spaces" / "german_credit.yaml"
ROLES = {"model": ["evasion"], "builder": ["trained"], "gate": ["decision"]}
FIXED = ["age", "personal_status", "foreign_worker", "month"]

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="set MODELWARDEN_DATA to a folder with german_credit.csv"
)


@pytest.fixture(scope="module")
def bank(s3, tmp_path_factory):
    """Return a bucket's URI with both tables in it, keys, and what puts things there."""
    folder, bucket = tmp_path_factory.mktemp("bank"), s3.bucket()
    frame = pd.read_csv(DATA).rename(columns={"credit": "label"})
    frame["label"] = frame["label"].map({1: "good", 2: "bad"})
    train = frame.sample(frac=0.6, random_state=0)
    signers, keys = {}, {}
    for role, may in ROLES.items():
        private, public = new_key()
        (folder / f"{role}.pem").write_bytes(private)
        keys[role] = str(folder / f"{role}.pem")
        signers[role] = {"may": may, "keys": [public.decode()]}
    files = {
        "train.csv": train.to_csv(index=False).encode(),
        "held_out.csv": frame.drop(train.index).to_csv(index=False).encode(),
        "space.yaml": SPACE.read_bytes(),
        "trust.yaml": yaml.safe_dump({"signers": signers}).encode(),
    }

    def put(name, body):
        with Store() as store:
            store.put_once(f"{bucket}/{name}", body)

    for name, body in files.items():
        put(name, body)
    return bucket, train, files, keys, put


def pipeline(estimator):
    numbers = make_column_selector(dtype_include="number")
    words = make_column_selector(dtype_exclude="number")
    encoder = OneHotEncoder(handle_unknown="ignore")
    return make_pipeline(
        make_column_transformer((StandardScaler(), numbers), (encoder, words)), estimator
    )


def policy(files, least):
    return f"""\
version: 1
action: deploy:credit
rules:
  - check: evasion
    metric: certified_accuracy_low
    op: ">="
    value: {least}
    options: {{target: label, epsilon: 0.2, examples: 3}}
    inputs:
      evaluation: {sha256(files["held_out.csv"]).hexdigest()}
      space: {sha256(files["space.yaml"]).hexdigest()}
"""


@pytest.mark.parametrize(
    ("name", "estimator"),
    [
        ("regression", LogisticRegression(C=0.1, max_iter=1000)),
        ("forest", RandomForestClassifier(30, min_samples_leaf=5, random_state=0)),
    ],
)
def test_a_credit_model_is_attacked_within_its_space_and_judged_by_proof(bank, name, estimator):
    bucket, train, files, keys, put = bank
    model = f"{bucket}/{name}.joblib"
    body = BytesIO()
    joblib.dump(pipeline(estimator).fit(train.drop(columns="label"), train["label"]), body)
    put(f"{name}.joblib", body.getvalue())

    outcome = check(
        "evasion",
        inputs={
            "model": model,
            "evaluation": f"{bucket}/held_out.csv",
            "space": f"{bucket}/space.yaml",
        },
        options={"target": "label", "epsilon": 0.2, "examples": 3},
        tables={"broken": f"{bucket}/{name}-broken.csv"},
        evidence=f"{bucket}/evidence-{name}",
        key=keys["model"],
    )

    measured = outcome.report.metrics
    assert outcome.success
    assert 0 < measured["certified_accuracy"] <= measured["robust_accuracy"] < measured["accuracy"]
    assert measured["unknown_fraction"] <= 0.05
    with Store() as store:
        broken = pd.read_csv(BytesIO(store.read(f"{bucket}/{name}-broken.csv")))
    assert broken["row"].nunique() == 3
    assert not set(broken["column"]) & set(FIXED)

    trained(
        model,
        data=f"{bucket}/train.csv",
        evidence=f"{bucket}/evidence-{name}",
        key=keys["builder"],
    )
    floor = measured["certified_accuracy_low"]
    for least, allowed in ((floor - 0.01, True), (floor + 0.01, False)):
        rules = f"{bucket}/{name}-{allowed}.yaml"
        put(f"{name}-{allowed}.yaml", policy(files, least).encode())
        judged = {"policy": rules, "trust": f"{bucket}/trust.yaml"}
        ruling = gate(model, evidence=f"{bucket}/evidence-{name}", key=keys["gate"], **judged)
        assert ruling.decision.allowed is allowed
        if allowed:
            verify(ruling.statement.uri, model=model, **judged)
