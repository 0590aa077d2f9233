"""The scheduled audit: yesterday's log, an alarm that nothing waits for, and no names in XCom."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelwarden.keys import new_key
from modelwarden.limits import Budget
from querylogs import nginx
from s3 import ENVIRONMENT, serve

ROOT = Path(__file__).parents[1]
RUN = """\
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.utils.db import initdb
initdb()
bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
for given in json.loads(sys.argv[2]):
    run = bag.dags["monitor"].test(run_conf=given)
    states = {task.task_id: str(task.state) for task in run.get_task_instances()}
    print("RESULT", json.dumps(states))
"""


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """Run the DAG with a usual and with a low limit; return states of tasks, and what was kept."""
    folder = tmp_path_factory.mktemp("monitor")
    (folder / "dags").mkdir()
    (folder / "dags/monitor.py").write_bytes((ROOT / "dags/monitor.py").read_bytes())
    (folder / "run.py").write_text(RUN)
    environment = {**os.environ, **ENVIRONMENT, "AIRFLOW_HOME": str(folder)}
    environment |= {"AIRFLOW__CORE__LOAD_EXAMPLES": "False", "OMP_NUM_THREADS": "1"}
    environment |= {"AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags")}
    environment |= {"MODELWARDEN_MODEL_KEY": new_key()[0].decode()}
    now = datetime.now(UTC)
    with serve() as server:
        environment["AWS_ENDPOINT_URL"] = server.endpoint
        server.empty("logs", "releases", "governance", "security", "evidence")
        server.overwrite("s3://releases/model.joblib", b"model")
        budget = Budget("0" * 64, 100, 1, "labels", 0.95, -1)
        server.overwrite("s3://governance/budget.json", budget.as_bytes())
        for days, queries in ((0, 1000), (1, 30), (2, 1000)):  # only yesterday's count
            day = (now - timedelta(days=days)).strftime("%Y/%m/%d")
            time = (now - timedelta(days=days)).strftime("%d/%b/%Y:12:00:00 +0000")
            server.overwrite(
                f"s3://logs/model/{day}/access.log", f"{nginx(time=time)}\n".encode() * queries
            )
        tight = {"limits": {"max_budget_used": 0.29, "flagged_fraction": 1.0, "queries": 30}}
        conf = json.dumps([{}, tight])
        done = subprocess.run(
            [sys.executable, "run.py", str(folder / "dags"), conf],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    return [json.loads(line.removeprefix("RESULT ")) for line in lines], done.stdout + done.stderr


def test_a_usual_day_is_green(states):
    assert states[0][0] == {"audit": "success", "alarm": "success"}


def test_a_figure_beyond_its_limit_turns_only_the_alarm_red(states):
    assert states[0][1] == {"audit": "success", "alarm": "failed"}
    assert "max_budget_used is 0.3, at most 0.29 is usual" in states[1]
    assert "flagged_fraction is None" in states[1]  # what was not measured is an alarm, too
    assert "queries is" not in states[1]


def test_no_client_is_named_in_the_run(states):
    assert "10.0.0.1" not in states[1]
