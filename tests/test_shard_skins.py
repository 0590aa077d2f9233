"""Shards from the command line, from Airflow and from Kubeflow."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from click.testing import CliRunner

from modelwarden.airflow_shards import JoinOperator, ShardOperator
from modelwarden.cli import cli
from modelwarden.jobs.check import check
from modelwarden.keys import new_key
from modelwarden.limits import Budget
from querylogs import nginx

COUNT = 3


@pytest.fixture
def asked(tmp_path):
    (tmp_path / "logs").mkdir()
    for name in "abcd":
        lines = [nginx(f"10.0.0.{n % 4}") for n in range(7)]
        (tmp_path / "logs" / name).write_text("\n".join(lines))
    (tmp_path / "model").write_bytes(b"model")
    (tmp_path / "budget").write_bytes(Budget("0" * 64, 5, 1, "labels", 0.95, -1).as_bytes())
    inputs = {name: str(tmp_path / name) for name in ("model", "budget")}
    inputs["logs"] = f"{tmp_path}/logs/"
    return {"inputs": inputs, "options": {"min_queries": "20"}, "parts": str(tmp_path / "parts")}


@pytest.fixture
def alone(asked):
    return check("traffic", inputs=asked["inputs"], options=asked["options"]).as_json()


class Task:
    def __init__(self):
        self.pushed = {}

    def xcom_push(self, key, value):
        self.pushed[key] = json.loads(json.dumps(value, allow_nan=False))


def execute(operator):
    task = Task()
    operator.execute({"ti": task})
    return task.pushed["return_value"]


def test_airflow_maps_the_shards_and_joins_them(asked, alone):
    given = {"check": "traffic", **asked}
    mapped = ShardOperator.partial(task_id="shards", count=str(COUNT), **given)
    mapped.expand(index=[*range(COUNT)])  # what is mapped is known before anything runs
    shares = [
        execute(ShardOperator(task_id=f"s{n}", index=str(n), count=str(COUNT), **given))
        for n in range(COUNT)
    ]

    assert [share["done"] for share in shares] == [2, 1, 1]
    joined = execute(JoinOperator(task_id="join", **given))
    assert joined == {**alone, "severity": "info", "evidence": ""}  # as the check's own operator


def test_airflow_never_retries_a_missing_block(asked):
    with pytest.raises(AirflowFailException, match="4 missing"):
        execute(JoinOperator(task_id="join", check="traffic", **asked))


@pytest.mark.parametrize("given", [{"index": "x"}, {"count": None}, {"index": 9}])
def test_airflow_says_which_number_is_none(asked, given):
    operator = ShardOperator(
        task_id="s", check="traffic", **{**asked, "index": 0, "count": 2, **given}
    )
    with pytest.raises(AirflowFailException, match=next(iter(given))):
        execute(operator)


def test_the_command_line_shards_and_joins(asked, alone, tmp_path):
    inputs = [word for name, uri in asked["inputs"].items() for word in (f"--{name}", uri)]
    given = ["traffic", *inputs, "--parts", asked["parts"], "--min-queries", "20"]
    for index in range(COUNT):
        words = ["shard", *given, "--index", str(index), "--count", str(COUNT)]
        result = CliRunner().invoke(cli, words)
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["blocks"] == 4
    joined = CliRunner().invoke(cli, ["join", *given, "--output", "json"])

    assert json.loads(joined.stdout) == alone


PIPELINE = """
import json, runpy, sys
from kfp import local
local.init(local.SubprocessRunner(use_venv=False), pipeline_root="root")
runpy.run_path("snippet.py")["shared_audit"](**json.loads(sys.argv[1]))
"""


def test_the_pages_pipeline_says_what_one_machine_says(asked, alone, tmp_path):
    (tmp_path / "snippet.py").write_text(page("python", "pipelines/shared.py"))
    given = {"inputs": asked["inputs"], "parts": asked["parts"], "evidence": f"{tmp_path}/evidence"}
    done = subprocess.run(
        [sys.executable, "-c", PIPELINE, json.dumps(given)],
        cwd=tmp_path,
        env={**os.environ, "MODELWARDEN_IMAGE": "modelwarden:0.1.0-python3.11"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (report,) = (
        json.loads(file.read_bytes())["report"]
        for file in Path(tmp_path, "evidence", "sha256").iterdir()
        if file.suffix != ".html"
    )
    assert report["metrics"] == alone["metrics"]


def test_the_pages_dag_maps_and_joins():
    namespace = {}
    exec(
        page("python", "dags/shared.py").replace("\nshared_audit()", "\nd = shared_audit()"),
        namespace,
    )
    shards, joined = (namespace["d"].get_task(name) for name in ("shards", "traffic"))

    assert shards.downstream_task_ids == {"traffic"}
    assert (shards.operator_class, type(joined)) == (ShardOperator, JoinOperator)
    assert shards.expand_input.value == {"index": [0, 1, 2]}


def test_the_pages_session_runs(asked, alone, tmp_path, monkeypatch):
    script = page("sh", "shards.sh").replace("s3://logs/", asked["inputs"]["logs"])
    for bucket in ("data", "evidence"):
        script = script.replace(f"s3://{bucket}", str(tmp_path / bucket))
    (tmp_path / "data").mkdir()
    for name in ("model", "budget"):
        shutil.copy(asked["inputs"][name], tmp_path / "data" / name)
    (tmp_path / "data.pem").write_bytes(new_key()[0])
    monkeypatch.chdir(tmp_path)
    words = dict(line.split("=", 1) for line in script.splitlines() if '="' in line)
    for line in script.splitlines():
        if line.startswith("modelwarden "):
            filled = line.replace("$asked", words["asked"].strip('"'))
            result = CliRunner().invoke(cli, filled.split()[1:])
            assert result.exit_code == 0, result.output

    assert f"max_budget_used         {alone['metrics']['max_budget_used']:.6g}" in result.output
    assert "statement" in result.output
    assert "unsigned" not in result.output


def page(language, name):
    """Return a snippet of the page, by its first line."""
    text = Path(__file__).parents[1].joinpath("docs/sharding.md").read_text()
    found = re.findall(rf"```{language}\n(.*?)```", text, re.S)
    return next(code for code in found if code.startswith(f"# {name}\n"))
