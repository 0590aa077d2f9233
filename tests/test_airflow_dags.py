"""Operators in runs of DAGs: verdicts and retries, XCom, gates, mapping, events, and the log."""

import json
import sys
from hashlib import sha256
from pathlib import Path

import pytest

import own_checks
import shop
from dag_runs import run_dags
from modelwarden.checks import cards
from s3 import FaultProxy

POLICY = """\
version: 1
rules:
  - {check: weigh, metric: bytes, op: "<=", value: 100}
"""
MAPPED_POLICY = """\
version: 1
rules:
  - {check: integrity, metric: failed_expectations, op: "<=", value: 0, inputs: {suite: any}}
"""
SUITE = {
    "name": "s",
    "expectations": [
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "a"}},
    ],
}
DAGS = """\
from airflow.sdk import Asset, chain, dag, task, task_group
from modelwarden.airflow_operators import (
    CheckOperator, DeploymentGateOperator, IntegrityOperator, RecordTrainingOperator,
    RestoreOperator, RoniOperator, VerifyDecisionOperator,
)
from modelwarden.report import Report

AT, KEYS = {uri!r}, {keys!r}
RULES = dict(policy=AT + "/policy.yaml", trust=AT + "/trust.yaml")
MODEL, EVIDENCE = AT + "/model.joblib", AT + "/evidence"
FILED = dict(evidence=EVIDENCE, key=KEYS["model"])


class WeighOperator(CheckOperator):
    check = "weigh"
    template_fields = (*CheckOperator.template_fields, "model")

    def __init__(self, *, model, **kwargs):
        super().__init__(**kwargs)
        self.model = model


@dag(schedule=None)
def verdicts():
    @task.security_check(reads={{"model": "file"}}, **FILED)
    def numbers(model, limit=3, params=None) -> dict:
        import numpy as np
        more = {{f"metric_{{n}}": n for n in range(1000)}}
        return {{"bytes": model.size, "limit": np.int64(limit), "nan": float("nan"),
                "inf": np.float64("inf"), "given": len(params), **more}}

    def refuse(model):
        return Report("refuse", {{"bytes": model.size}}, failures=("too heavy",))

    def refusing(name, **more):
        return task.security_check(
            task_id=name, reads={{"model": "file"}}, evidence=EVIDENCE, **more)(refuse)(MODEL)

    @task.security_check
    def plain(rows):
        return {{"rows": len(rows)}}

    @task.security_check
    def wordy():
        return {{"holds": True}}

    numbers(MODEL)
    plain([1, 2])
    wordy()
    refusing("recorded", retries=3)
    refusing("warned", on_fail="warn", outlets=[Asset("checked")])
    refusing("failed", on_fail="fail", retries=3, retry_delay=0.1)
    WeighOperator(task_id="elsewhere", model=MODEL, python=AT + "/python")
    WeighOperator(task_id="flaky", model="s3://data/model", aws_conn_id="flaky",
                  retries=1, retry_delay=0.1)


@dag(schedule=None, params={{"model": MODEL, "on_block": "fail"}})
def gated():
    model = "{{{{ params.model }}}}"
    check = WeighOperator(task_id="check", model=AT + "/nothing", **FILED)
    gate = DeploymentGateOperator(
        task_id="gate", model=model, evidence=EVIDENCE, key=KEYS["gate"],
        on_block="{{{{ params.on_block }}}}", outlets=[Asset("decided")], **RULES)
    verify = VerifyDecisionOperator(
        task_id="verify", decision=gate.output["decision"], model=model,
        outlets=[Asset("approved model")], **RULES)

    @task
    def deploy():
        pass

    @task(trigger_rule="all_done")
    def careless():
        pass

    @task
    def cleanup():
        pass

    chain(check, gate, verify, deploy())
    gate >> careless()
    gate >> cleanup().as_teardown()


@dag(schedule=[Asset("approved model")])
def downstream():
    VerifyDecisionOperator(
        task_id="verify", model=MODEL, **RULES,
        decision="{{{{ (triggering_asset_events.values() | first | first).extra.decision }}}}")


@dag(schedule=None)
def mapped():
    JUDGED = dict(policy=AT + "/mapped.yaml", trust=AT + "/mapped-trust.yaml")
    IntegrityOperator.partial(
        task_id="validate", suite=AT + "/suite.json", evidence=EVIDENCE, key=KEYS["data"],
        map_index_template="{{{{ task.data }}}}",
    ).expand(data=[AT + "/good.csv", AT + "/bad.csv"]) >> one.partial(
        judged=JUDGED).expand_kwargs([
            {{"data": AT + f"/{{n}}.csv", "model": AT + f"/{{n}}.model"}} for n in ("good", "bad")])


@task_group
def one(data, model, judged):
    record = RecordTrainingOperator(
        task_id="record", model=model, data=data, evidence=EVIDENCE, key=KEYS["builder"])
    gate = DeploymentGateOperator(
        task_id="gate", model=model, evidence=EVIDENCE, key=KEYS["gate"],
        policy=AT + "/mapped.yaml", trust=AT + "/mapped-trust.yaml")
    verify = VerifyDecisionOperator(
        task_id="verify", model=model, decision=gate.output["decision"],
        policy=AT + "/mapped.yaml", trust=AT + "/mapped-trust.yaml")
    chain(record, gate, verify)


@dag(schedule=None, params={{"alpha": "much"}})
def faults():
    RoniOperator(task_id="wrong_type", train="t", target="label", alpha="{{{{ params.alpha }}}}")
    WeighOperator(task_id="no_connection", model=MODEL, aws_conn_id="nowhere")
    WeighOperator(task_id="no_evidence_connection", model=MODEL, evidence_conn_id="nowhere")
    WeighOperator(task_id="no_bucket", model="s3:///model.joblib")
    WeighOperator(task_id="no_such_evidence", model=MODEL, evidence="s3://", key=KEYS["model"])
    WeighOperator(task_id="no_python", model=MODEL, python="/nowhere/python")
    VerifyDecisionOperator(
        task_id="other_run", decision=AT + "/decision", model=AT + "/good.model", **RULES)
    VerifyDecisionOperator(task_id="no_decision", decision=MODEL, model=MODEL, **RULES)
    RestoreOperator(task_id="other_rows", filtered=AT + "/kept.csv", train=AT + "/good.csv",
                    rows=AT + "/rows.csv", restore="1")
    DeploymentGateOperator.partial(
        task_id="mapped_skip", evidence=EVIDENCE, key=KEYS["gate"], on_block="skip", **RULES,
    ).expand(model=[MODEL])


verdicts(), gated(), downstream(), mapped(), faults()
"""
ON_BLOCK = ("fail", "skip", "record")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Run every DAG once; return what became of each, and the stall."""
    folder = tmp_path_factory.mktemp("dags")
    site = folder / "site"
    site.mkdir()
    own_checks.install(site)
    cards.cache_clear()
    stall = shop.open_stall(folder / "shop", POLICY)
    trust = json.loads(stall.read(f"{stall.uri}/trust.yaml"))
    trust["signers"]["data"]["may"].append("integrity")
    given = {
        "mapped.yaml": MAPPED_POLICY.encode(),
        "mapped-trust.yaml": json.dumps(trust).encode(),
        "suite.json": json.dumps(SUITE).encode(),
        "good.csv": b"a,label\n1,0\n2,1\n",
        "bad.csv": b"a,label\n1,0\n,1\n",
        "good.model": b"good",
        "bad.model": b"bad",
        "rows.csv": b"row,decision\n1,kept\n",
    }
    for name, body in given.items():
        stall.put(name, body)
    path = ":".join([str(site), *filter(None, sys.path)])
    script = f'echo used > {stall.uri}/used; PYTHONPATH="{path}" exec {sys.executable} "$@"'
    Path(stall.put("python", f"#!/bin/sh\n{script}\n".encode())).chmod(0o700)
    decision = stall.gate().statement.uri
    stall.put("decision", stall.read(decision))
    runs = [("verdicts", {}), ("gated", {})]
    bad = f"{stall.uri}/bad.model"
    runs += [("gated", {"model": bad, "on_block": on_block}) for on_block in ON_BLOCK]
    runs += [("mapped", {}), ("faults", {})]
    proxy = FaultProxy("http://127.0.0.1:9")
    proxy.always = "500_before"
    extra = {"endpoint_url": proxy.endpoint, "region_name": "us-east-1"}
    flaky = {"conn_type": "aws", "login": "k", "password": "secret", "extra": extra}
    told = run_dags(
        folder,
        DAGS.format(uri=stall.uri, keys=stall.keys),
        runs,
        PYTHONPATH=path,
        AIRFLOW_CONN_FLAKY=json.dumps(flaky),
    )
    proxy.close()
    names = ["verdicts", "allowed", *ON_BLOCK, "mapped", "faults"]
    yield {**dict(zip(names, told, strict=True)), "stall": stall}
    sys.path.remove(str(site))
    cards.cache_clear()


@pytest.fixture
def stall(world):
    return world["stall"]


def test_what_on_fail_does_to_a_task(world):
    told = world["verdicts"]
    found = {name: told.xcoms[f"{name}.return_value"] for name in ("recorded", "warned", "failed")}

    assert [told.tasks[name] for name in found] == ["success", "success", "failed"]
    assert [result["severity"] for result in found.values()] == ["error", "warn", "error"]
    assert not any(result["success"] for result in found.values())
    warnings = [line for line in told.log.splitlines() if "[warning" in line]
    assert any("refuse: rejected: too heavy" in line for line in warnings)


def test_a_verdict_is_never_retried_and_trouble_with_storage_is(world):
    told = world["verdicts"]

    assert (told.tasks["failed"], told.tries["failed"]) == ("failed", 1)
    assert (told.tasks["flaky"], told.tries["flaky"]) == ("failed", 2)


def test_what_goes_to_xcom_is_small_and_finite(world):
    result = world["verdicts"].xcoms["numbers.return_value"]

    assert {"check", "success", "severity", "evidence", "sha256"} <= set(result)
    assert len(json.dumps(result, allow_nan=False)) < 4096
    numbers = {"bytes": 7, "limit": 3, "nan": None, "inf": None, "given": 0}
    assert {name: result["metrics"][name] for name in numbers} == numbers
    assert (result["severity"], result["evidence"]) == ("info", result["statement"])


def test_a_check_runs_in_another_interpreter(world, stall):
    result = world["verdicts"].xcoms["elsewhere.return_value"]

    assert result["metrics"] == {"bytes": 7}
    assert Path(stall.uri, "used").exists()


def test_a_function_of_the_dag_files_evidence_under_its_name(world, stall):
    result = world["verdicts"].xcoms["numbers.return_value"]
    statement = stall.payload(result["evidence"])

    assert statement["subject"][0]["digest"]["sha256"] == sha256(b"a model").hexdigest()
    assert "/numbers/" in result["evidence"]
    assert statement["predicate"]["modelwarden"]["options"] == {"limit": 3}
    assert sha256(stall.read(result["evidence"])).hexdigest() != ""
    assert world["verdicts"].xcoms["plain.return_value"]["metrics"] == {"rows": 2}


def test_a_function_that_returns_no_numbers_is_told_so(world):
    told = world["verdicts"]

    assert told.tasks["wordy"] == "failed"
    assert "what wordy returned: holds: expected a number, got True" in told.log


def test_an_allowed_model_is_deployed_although_a_check_crashed(world):
    told = world["allowed"]

    assert told.tasks["check"] == "failed"
    assert [told.tasks[n] for n in ("gate", "verify", "deploy")] == ["success"] * 3


@pytest.mark.parametrize("on_block", ON_BLOCK)
def test_a_denied_model_is_never_deployed(world, on_block):
    told = world[on_block]
    gate = {"fail": "failed", "skip": "success", "record": "success"}[on_block]
    verify = {"fail": "upstream_failed", "skip": "skipped", "record": "failed"}[on_block]

    assert (told.tasks["gate"], told.tasks["verify"]) == (gate, verify)
    assert told.tasks["deploy"] in ("skipped", "upstream_failed")
    assert told.state == ("success" if on_block == "skip" else "failed")
    assert told.xcoms["gate.return_value"]["allow"] is False


def test_a_gate_that_skips_also_skips_careless_tasks_but_no_teardown(world):
    assert world["skip"].tasks["careless"] == "skipped"
    assert {told.tasks["cleanup"] for told in map(world.get, ON_BLOCK)} == {"success"}


def test_an_event_says_which_decision_approved_and_wakes_who_waits(world, stall):
    told = world["allowed"]
    decision = told.xcoms["gate.decision"]
    digest = told.xcoms["gate.return_value"]["sha256"]
    said = {"decision": decision, "sha256": digest, "model": f"{stall.uri}/model.joblib"}

    assert told.events == [
        {"asset": "decided", "by": "gate", "extra": said},
        {"asset": "approved model", "by": "verify", "extra": said},
    ]
    assert told.queued == ["downstream"]


@pytest.mark.parametrize("run", [*ON_BLOCK, "verdicts"])
def test_no_event_speaks_for_a_denial_or_for_a_failed_check(world, run):
    assert world[run].events == []


def test_mapped_checks_file_evidence_each_and_a_gate_judges_each_model(world):
    told = world["mapped"]
    results = [told.xcoms[f"validate[{n}].return_value"] for n in (0, 1)]

    assert [result["success"] for result in results] == [True, False]
    assert results[0]["evidence"] != results[1]["evidence"]
    assert told.tasks["one.gate[0]"] == told.tasks["one.verify[0]"] == "success"
    assert (told.tasks["one.gate[1]"], told.tasks["one.verify[1]"]) == ("failed", "upstream_failed")


@pytest.mark.parametrize(
    "line",
    [
        "option alpha: expected a value of type float, got 'much'",
        "aws_conn_id: expected a connection 'nowhere', got none",
        "evidence_conn_id: expected a connection 'nowhere', got none",
        "model: expected s3://bucket/key, file:///path or a local path, got 's3:///model",
        "evidence: expected s3://bucket/key, file:///path or a local path, got 's3://'",
        "python /nowhere/python: expected a Python interpreter",
        "good.model: expected the model that was decided about",
        "model.joblib: expected a JSON document",
        "rows.csv, column 'row': expected the rows 1 to 2",
        "on_block: expected fail or record in a mapped gate, got 'skip'",
    ],
)
def test_bad_input_is_one_line_in_the_log_that_names_the_argument(world, line):
    told = world["faults"]
    lines = [entry for entry in told.log.splitlines() if "[error" in entry and line in entry]

    assert len(lines) == 1, line
    assert set(told.tasks.values()) == {"failed"}
    assert set(told.tries.values()) == {1}
