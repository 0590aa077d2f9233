"""A live Airflow that watches: silent on clean data, loud once for an attack of three runs.

``MODELWARDEN_LIVE=1 pytest tests/e2e/test_live_monitor.py`` starts ``airflow standalone`` on a free
port. The first run is set off by an asset event, as by a task that has written a batch; the others
by hand, because nobody waits for tomorrow morning. It takes minutes, so nothing else runs it.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from e2e.test_live_airflow import Airflow, free_port, until
from modelwarden.jobs.profile import profile
from modelwarden.keys import new_key
from modelwarden.limits import Budget
from querylogs import nginx
from receivers import receiving
from s3 import ENVIRONMENT, serve
from test_monitor_dag import ROOT, attacked, rows

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        os.environ.get("MODELWARDEN_LIVE") != "1",
        reason="starts a whole Airflow, which takes minutes: set MODELWARDEN_LIVE=1",
    ),
]
RUNS = "/api/v2/dags/monitor/dagRuns"
HISTORY = ("clean", "attacked", "attacked", "attacked", "clean", "clean")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A bucket with everything that the DAG reads, somebody who hears, and a running Airflow."""
    home = tmp_path_factory.mktemp("airflow")
    rows(4000, 0).to_parquet(home / "trusted.parquet", index=False)
    names = {n: str(home / n) for n in ("profile.json", "sample.parquet", "suite.json")}
    profile(
        str(home / "trusted.parquet"),
        out=names["profile.json"],
        sample=names["sample.parquet"],
        suite=names["suite.json"],
    )
    with serve() as server, receiving() as receiver:
        server.empty("logs", "releases", "governance", "security", "evidence", "incoming")
        server.overwrite("s3://releases/model.joblib", b"model")
        budget = Budget("0" * 64, 100, 1, "labels", 0.95, -1).as_bytes()
        server.overwrite("s3://governance/budget.json", budget)
        for name, path in names.items():
            server.overwrite(f"s3://governance/{name}", Path(path).read_bytes())
        for ago in range(2):
            day = datetime.now(UTC) - timedelta(days=ago)
            line = nginx(time=day.strftime("%d/%b/%Y:12:00:00 +0000"))
            server.overwrite(f"s3://logs/model/{day:%Y/%m/%d}/a.log", f"{line}\n".encode() * 30)
        (home / "dags").mkdir()
        channel = {"kind": "json", "url": receiver.url, "secret": "env:HOOK"}
        dag = (ROOT / "dags/monitor.py").read_text()
        dag = dag.replace("CHANNELS: list = []", f"CHANNELS: list = [{channel}]")
        (home / "dags/monitor.py").write_text(dag)
        with standalone(home, server.endpoint) as airflow:
            yield server, receiver, airflow


@contextmanager
def standalone(home, endpoint):
    """Run ``airflow standalone``; end it with everything that it started."""
    (home / "passwords.json").write_text(json.dumps({"admin": "admin-password"}))
    port = free_port()
    environment = {
        **os.environ,
        **ENVIRONMENT,
        "AWS_ENDPOINT_URL": endpoint,
        "HOOK": "h" * 32,
        "MODELWARDEN_MODEL_KEY": new_key()[0].decode(),
        "OMP_NUM_THREADS": "1",
        "AIRFLOW_HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "120",  # the machine has other things to do
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
    }

    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            ["airflow", "standalone"],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        airflow = Airflow(port)
        until(lambda: airflow.ask("", "GET", "/api/v2/monitor/health"))
        until(lambda: airflow.ask("admin", "GET", "/api/v2/dags/monitor"))
        yield airflow
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def by_asset(airflow):
    """Let Airflow know of a new batch, and return the run that it starts."""
    before = {run["dag_run_id"] for run in airflow.ask("admin", "GET", RUNS)["dag_runs"]}
    (asset,) = airflow.ask("admin", "GET", "/api/v2/assets?name_pattern=new-batch")["assets"]
    airflow.ask("admin", "POST", "/api/v2/assets/events", {"asset_id": asset["id"], "extra": {}})

    def started():
        runs = airflow.ask("admin", "GET", RUNS)["dag_runs"]
        new = [r for r in runs if r["dag_run_id"] not in before and "asset" in r["run_type"]]
        return new and new[0]["dag_run_id"]

    return until(started)


def by_hand(airflow):
    return airflow.ask("admin", "POST", RUNS, {"logical_date": None, "conf": {}})["dag_run_id"]


def test_clean_weeks_are_silent_and_an_attack_of_three_runs_is_told_once(world):
    server, receiver, airflow = world
    heard = []
    for week, kind in enumerate(HISTORY):
        frame = attacked() if kind == "attacked" else rows(200, week + 1)
        body = frame.to_csv(index=False).encode()
        server.overwrite(f"s3://incoming/batches/week-{week}.csv", body)
        run = by_asset(airflow) if week == 0 else by_hand(airflow)

        def ended(run=run):
            state = airflow.ask("admin", "GET", f"{RUNS}/{run}")["state"]
            return state in ("success", "failed") and state

        assert until(ended, 900) == "success", (week, kind)
        said = [a for _, b in receiver.got for a in json.loads(b)["alerts"]]
        heard.append([(a["check"], a["column"], a["state"]) for a in said])
        print(week, kind, run, heard[-1], flush=True)

    begun, over = ("drift", "income", "alert"), ("drift", "income", "recovered")
    assert heard == [[], [begun], [begun], [begun], [begun], [begun, over]]
