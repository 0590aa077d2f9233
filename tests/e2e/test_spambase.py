"""RONI on real spam from S3, as an Airflow operator and as a Kubeflow component.

Needs UCI's spambase as ``spambase.csv`` in the folder that ``MODELWARDEN_DATA`` names.
"""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from modelwarden.jobs.check import check
from modelwarden.store import Store

DATA = Path(os.environ.get("MODELWARDEN_DATA", "data")) / "spambase.csv"
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="set MODELWARDEN_DATA to a folder with spambase.csv"
)

PIPELINE = """
import json, sys
from kfp import dsl, local
from modelwarden.kubeflow_components import load_artifact, roni

@dsl.pipeline
def filtering(train: str, trusted: str, evidence: str):
    rows, reviewed = load_artifact(uri=train), load_artifact(uri=trusted)
    roni(train=rows.outputs["artifact"], trusted=reviewed.outputs["artifact"], target="label",
         evidence=evidence)

folder, given = sys.argv[1], json.loads(sys.argv[2])
local.init(local.SubprocessRunner(use_venv=False), pipeline_root=folder)
filtering(**given)
"""


class Task:
    """Stands for Airflow's task instance."""

    def xcom_push(self, key, value):
        json.dumps(value, allow_nan=False)


@pytest.fixture(scope="module")
def spam(s3):
    """Put poisoned and trusted rows into a bucket; return it and which rows are poisoned."""
    frame = pd.read_csv(DATA).drop_duplicates().sample(frac=1, random_state=0)
    frame = frame.rename(columns={frame.columns[-1]: "label"}).reset_index(drop=True)
    frame["label"] = np.where(frame["label"].astype(int) == 1, "spam", "ham")
    train, trusted = frame[:2400].copy(), frame[2400:2800]
    generator = np.random.default_rng(0)
    relabelled = train["label"].eq("spam").to_numpy() & (generator.random(len(train)) < 0.25)
    marked = train["label"].eq("spam").to_numpy() & (generator.random(len(train)) < 0.1)
    train.loc[marked, train.columns[3]] = 42.0
    train.loc[relabelled | marked, "label"] = "ham"
    bucket = s3.bucket()
    with Store() as store:
        store.put_once(f"{bucket}/train.csv", train.to_csv(index=False).encode())
        store.put_once(f"{bucket}/trusted.csv", trusted.to_csv(index=False).encode())
    return bucket, relabelled, marked


@pytest.fixture(scope="module")
def in_airflow(spam):
    from modelwarden.airflow_operators import RoniOperator

    bucket = spam[0]
    operator = RoniOperator(
        task_id="filter",
        train=f"{bucket}/train.csv",
        trusted=f"{bucket}/trusted.csv",
        target="label",
        kept=f"{bucket}/kept.csv",
        quarantine=f"{bucket}/quarantine.csv",
        rows=f"{bucket}/rows.csv",
    )
    metrics = operator.execute({"ti": Task()})["metrics"]
    with Store() as store:
        rows = pd.read_csv(io.BytesIO(store.read(f"{bucket}/rows.csv", max_bytes=1 << 30)))
    return metrics, rows


def test_the_operator_finds_flips_and_the_trigger(spam, in_airflow):
    _, relabelled, marked = spam
    rejected = in_airflow[1]["decision"].eq("rejected").to_numpy()

    assert rejected[marked].all()
    assert rejected[relabelled].mean() >= 0.6
    assert rejected[~(relabelled | marked)].mean() <= 0.05


def test_the_component_measures_what_the_operator_measures(spam, in_airflow, tmp_path):
    bucket = spam[0]
    given = {
        "train": f"{bucket}/train.csv",
        "trusted": f"{bucket}/trusted.csv",
        "evidence": f"{bucket}/evidence",
    }
    environment = {**os.environ, "MODELWARDEN_IMAGE": "modelwarden:0.1.0-python3.11"}
    script = tmp_path / "filtering.py"
    script.write_text(PIPELINE)

    subprocess.run(
        [sys.executable, script, str(tmp_path), json.dumps(given)],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
    )

    with Store() as store:
        (report,) = [uri for uri in store.list(f"{bucket}/evidence/") if "html" not in uri]
        metrics = json.loads(store.read(report))["report"]["metrics"]
    assert metrics == in_airflow[0]


def test_a_rejected_row_can_be_put_back(spam, in_airflow):
    bucket = spam[0]
    rejected = in_airflow[1].query("decision == 'rejected'")["row"].tolist()

    outcome = check(
        "restore",
        inputs={
            "filtered": f"{bucket}/kept.csv",
            "train": f"{bucket}/train.csv",
            "rows": f"{bucket}/rows.csv",
        },
        options={"restore": f"{rejected[0]},{rejected[5]}-{rejected[5]}"},
        tables={"kept": f"{bucket}/kept-2.csv"},
    )

    assert outcome.report.metrics["restored_rows"] == 2
    with Store() as store:
        before, after = (
            pd.read_csv(io.BytesIO(store.read(f"{bucket}/{name}", max_bytes=1 << 30)))
            for name in ("kept.csv", "kept-2.csv")
        )
    assert len(after) == len(before) + 2
