"""Run DAGs in a process of their own, with a database of their own, and tell what became of them.

``dag.test()`` needs an empty ``AIRFLOW_HOME`` before Airflow is imported, so it is no use in the
process of the tests.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s3 import ENVIRONMENT

SCRIPT = """\
import json, sys
try:
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
except ImportError:  # Airflow 3.1
    from airflow.models.dagbag import DagBag, sync_bag_to_db
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.models.asset import AssetDagRunQueue, AssetEvent
from airflow.models.xcom import XComModel
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from sqlalchemy import select

initdb()
bag = DagBag("dags")
assert not bag.import_errors, bag.import_errors
DagBundlesManager().sync_bundles_to_db()
sync_bag_to_db(bag, "dags-folder", None)
for dag_id, conf in json.loads(sys.argv[1]):
    print("START", flush=True)
    run = bag.dags[dag_id].test(run_conf=conf)
    told = {"state": str(run.state), "run_id": run.run_id, "tasks": {}, "tries": {}, "xcoms": {}}
    for task in run.get_task_instances():
        name = task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]"
        told["tasks"][name], told["tries"][name] = str(task.state), task.try_number
    with create_session() as session:
        for found in session.scalars(select(XComModel).where(XComModel.run_id == run.run_id)):
            end = "" if found.map_index < 0 else f"[{found.map_index}]"
            told["xcoms"][f"{found.task_id}{end}.{found.key}"] = found.value
        told["events"] = [
            {"asset": event.asset.name, "by": event.source_task_id, "extra": event.extra}
            for event in session.scalars(
                select(AssetEvent).where(AssetEvent.source_run_id == run.run_id))
        ]
        told["queued"] = [row.target_dag_id for row in session.scalars(select(AssetDagRunQueue))]
    print("RESULT " + json.dumps(told), flush=True)
"""


@dataclass(frozen=True)
class Told:
    """What became of a run: its state, its tasks' states and tries, XComs, events, and its log."""

    state: str
    run_id: str
    tasks: dict[str, str]
    tries: dict[str, int]
    xcoms: dict[str, Any]
    events: list[dict[str, Any]]
    queued: list[str]
    log: str


def run_dags(
    folder: Path, dags: str, runs: list[tuple[str, dict[str, Any]]], **environment: str
) -> list[Told]:
    """Write `dags` to a file, test each of `runs`, a name and a configuration, one after another.

    Everything is written below `folder`; `environment` adds to this process's variables.
    """
    (folder / "dags").mkdir()
    (folder / "dags/suite.py").write_text(dags)
    (folder / "run.py").write_text(SCRIPT)
    given = {
        **os.environ,
        **ENVIRONMENT,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "OMP_NUM_THREADS": "1",
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "run.py", json.dumps(runs)],
        cwd=folder,
        env=given,
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-5000:]
    parts = done.stdout.split("START\n")[1:]
    assert len(parts) == len(runs), said[-5000:]
    told = []
    for part in parts:
        log, _, line = part.partition("RESULT ")
        told.append(Told(**json.loads(line.partition("\n")[0]), log=log))
    return told
