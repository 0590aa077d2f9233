"""The scheduled DAG: silent for four weeks, loud once for an attack of three, and no names."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from modelwarden.jobs.profile import profile
from modelwarden.keys import new_key
from modelwarden.limits import Budget
from querylogs import nginx
from receivers import receiving
from s3 import ENVIRONMENT, serve

ROOT = Path(__file__).parents[1]
RUN = """\
import json, sys
import boto3
from airflow.dag_processing.dagbag import DagBag
from airflow.utils.db import initdb
initdb()
bag = DagBag("dags")
assert not bag.import_errors, bag.import_errors
for week, kind in enumerate(sys.argv[1].split()):
    if kind == "lost":
        given = {"suite": "s3://governance/nothing.json"}
    else:
        given = {}
    if kind != "none":
        body = open("attacked.csv" if kind == "attacked" else f"clean-{week % 4}.csv", "rb").read()
        boto3.client("s3").put_object(Bucket="incoming", Key=f"batches/week-{week}.csv", Body=body)
    run = bag.dags["monitor"].test(run_conf=given)
    states = {}
    for task in run.get_task_instances():
        states.setdefault(task.task_id, []).append(str(task.state))
    print("RESULT", json.dumps(states), flush=True)
"""
HISTORY = "none clean clean clean clean attacked attacked attacked clean lost"


def rows(n, seed):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(n, 3)), columns=["age", "income", "debt"])
    return frame.assign(city=random.choice(["Oslo", "Rome", "Bern"], n)).round(6)


def attacked():
    """One batch in which 5 % of the rows crowd together in a column."""
    frame = rows(200, 99)
    frame.loc[::20, "income"] = 1.5 + 0.001 * np.arange(len(frame.loc[::20]))
    return frame


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Run the history; return states of tasks, what was received, and all that was printed."""
    folder = tmp_path_factory.mktemp("monitor")
    (folder / "dags").mkdir()
    (folder / "run.py").write_text(RUN)
    rows(4000, 0).to_parquet(folder / "trusted.parquet", index=False)
    attacked().to_csv(folder / "attacked.csv", index=False)
    for week in range(4):
        rows(200, week + 1).to_csv(folder / f"clean-{week}.csv", index=False)
    profile(
        str(folder / "trusted.parquet"),
        out=str(folder / "profile.json"),
        sample=str(folder / "sample.parquet"),
        suite=str(folder / "suite.json"),
    )
    environment = {**os.environ, **ENVIRONMENT, "AIRFLOW_HOME": str(folder)}
    environment |= {"AIRFLOW__CORE__LOAD_EXAMPLES": "False", "OMP_NUM_THREADS": "1"}
    environment |= {"AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"), "HOOK": "h" * 32}
    environment |= {"MODELWARDEN_MODEL_KEY": new_key()[0].decode()}
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with serve() as server, receiving() as receiver:
        environment["AWS_ENDPOINT_URL"] = server.endpoint
        channel = {"kind": "json", "url": receiver.url, "secret": "env:HOOK"}
        dag = (ROOT / "dags/monitor.py").read_text()
        assert dag.count("CHANNELS: list = []") == 1
        dag = dag.replace("CHANNELS: list = []", f"CHANNELS: list = [{channel}]")
        (folder / "dags/monitor.py").write_text(dag)
        server.empty("logs", "releases", "governance", "security", "evidence", "incoming")
        server.overwrite("s3://releases/model.joblib", b"model")
        for name in ("profile.json", "sample.parquet", "suite.json"):
            server.overwrite(f"s3://governance/{name}", (folder / name).read_bytes())
        budget = Budget("0" * 64, 100, 1, "labels", 0.95, -1)
        server.overwrite("s3://governance/budget.json", budget.as_bytes())
        for day in (yesterday, yesterday + timedelta(days=1)):
            line = nginx(time=day.strftime("%d/%b/%Y:12:00:00 +0000"))
            uri = f"s3://logs/model/{day:%Y/%m/%d}/access.log"
            server.overwrite(uri, f"{line}\n".encode() * 30)
        done = subprocess.run(
            [sys.executable, "run.py", HISTORY],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
        )
        got = [json.loads(body) for _, body in receiver.got]
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    states = [json.loads(line.removeprefix("RESULT ")) for line in lines]
    return states, got, done.stdout + done.stderr


def test_four_clean_weeks_are_silent_and_an_attack_of_three_is_told_once(world):
    """And what did not run is told in the message of the recovery: one message a run at most."""
    said = [[(a["check"], a["column"], a["state"]) for a in n["alerts"]] for n in world[1]]

    assert said == [
        [("drift", "income", "alert")],
        [("integrity", "", "alert"), ("drift", "income", "recovered")],
    ]


def test_a_check_that_did_not_run_is_an_alert(world):
    states, got, _ = world

    assert states[-1]["integrity"] == ["failed"]
    assert "there is no verdict" in got[-1]["alerts"][0]["words"]


def test_every_run_is_green_and_looks_only_at_what_is_new(world):
    states, _, _ = world

    assert {run["alert"][0] for run in states} == {"success"}
    assert [run["drift"] for run in states] == [["skipped"]] + [["success"]] * 9


def test_no_client_is_named_in_the_run(world):
    assert "10.0.0.1" not in world[2]
    assert "10.0.0.1" not in json.dumps(world[1])
