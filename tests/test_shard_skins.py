"""Shards from the command line, from Airflow and from Kubeflow."""

import json
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from click.testing import CliRunner
from kfp import dsl, local

from modelwarden import kubeflow_components
from modelwarden.airflow_shards import JoinOperator, ShardOperator
from modelwarden.cli import cli
from modelwarden.jobs.check import check
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
    assert execute(JoinOperator(task_id="join", **given)) == alone


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


def test_kubeflow_maps_the_shards_and_joins_them(asked, alone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"check": "traffic", **asked}

    @dsl.pipeline
    def audit():
        with dsl.ParallelFor([*range(COUNT)]) as index:
            shards = kubeflow_components.shard(index=index, count=COUNT, **given)
        kubeflow_components.join(shards=dsl.Collected(shards.output), **given)

    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"))
    audit()
    found = [json.loads(file.read_text()) for file in Path(tmp_path).rglob("executor_output.json")]
    metrics = [
        artifact["metadata"]
        for output in found
        for listed in output.get("artifacts", {}).values()
        for artifact in listed["artifacts"]
        if "clients" in artifact.get("metadata", {})
    ]

    assert len(metrics) == 1
    known = {name: value for name, value in alone["metrics"].items() if value is not None}
    assert {name: metrics[0][name] for name in known} == known
