"""A live Airflow, and a user who may operate it: what that user cannot get released.

``MODELWARDEN_LIVE=1 pytest tests/e2e/test_live_airflow.py`` starts ``airflow standalone`` on a free
port, with files for storage. It takes minutes, so nothing else runs it.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import own_checks
import shop
from modelwarden.checks import cards

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        os.environ.get("MODELWARDEN_LIVE") != "1",
        reason="starts a whole Airflow, which takes minutes: set MODELWARDEN_LIVE=1",
    ),
]
USERS = {"admin": "admin", "alice": "op", "bob": "op", "mallory": "op"}
POLICY = """\
version: 1
approvals: {required: 2}
rules:
  - {check: weigh, metric: bytes, op: "<=", value: 100}
"""
DAG = """\
from airflow.sdk import Asset, chain, dag
from modelwarden.airflow_approval import ApprovalGateOperator
from modelwarden.airflow_operators import (
    DeploymentGateOperator, ReleaseOperator, VerifyDecisionOperator,
)
RULES = dict(policy="{uri}/policy.yaml", trust="{uri}/trust.yaml")
MODEL, EVIDENCE = "{uri}/model.joblib", "{uri}/evidence"

@dag(schedule=None)
def gated():
    gate = DeploymentGateOperator(
        task_id="gate", model=MODEL, evidence=EVIDENCE, key="{gate}", **RULES)
    decision = gate.output["decision"]
    approve = ApprovalGateOperator(
        task_id="approve", decision=decision, key="{desk}", **RULES)
    verify = VerifyDecisionOperator(
        task_id="verify", decision=decision, model=MODEL, outlets=[Asset("approved model")],
        **RULES)
    release = ReleaseOperator(
        task_id="release", decision=decision, model=MODEL, evidence=EVIDENCE,
        to="{uri}/releases", **RULES)
    chain(gate, approve, verify, release)

@dag(schedule=[Asset("approved model")])
def deployment():
    event = "{{{{ (triggering_asset_events.values() | first | first).extra.%s }}}}"
    VerifyDecisionOperator(
        task_id="verify", decision=event % "decision", model=event % "model", **RULES)

gated(), deployment()
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def until(what, seconds=400):
    """Wait for something true; what is not there yet may raise."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if answer := what():
                return answer
        except (OSError, KeyError) as error:
            last = error
        time.sleep(1)
    raise TimeoutError(f"{what}: {last}")


class Airflow:
    """The REST interface of a running Airflow, as one user or another."""

    def __init__(self, port):
        self.root, self.tokens = f"http://127.0.0.1:{port}", {}

    def ask(self, user, method, path, body=None):
        headers = {"Content-Type": "application/json"}
        if user:
            if user not in self.tokens:
                login = {"username": user, "password": f"{user}-password"}
                self.tokens[user] = self.ask("", "POST", "/auth/token", login)["access_token"]
            headers["Authorization"] = f"Bearer {self.tokens[user]}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.root + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer) if answer.status != 204 else {}

    def start(self):
        body = {"logical_date": None, "conf": {}}
        run = self.ask("admin", "POST", "/api/v2/dags/gated/dagRuns", body)["dag_run_id"]
        return Run(self, f"/api/v2/dags/gated/dagRuns/{run}", run)

    def runs(self, dag):
        return [
            run["state"]
            for run in self.ask("admin", "GET", f"/api/v2/dags/{dag}/dagRuns")["dag_runs"]
        ]


class Run:
    """One run of the DAG."""

    def __init__(self, airflow, path, name):
        self.airflow, self.path, self.name = airflow, path, name

    def state(self, task=""):
        path = f"{self.path}/taskInstances/{task}" if task else self.path
        return self.airflow.ask("admin", "GET", path)["state"]

    def ends(self):
        return until(lambda: (s := self.state()) in ("success", "failed") and s)

    def waits(self):
        until(lambda: self.state("approve") in ("awaiting_input", "deferred"))
        time.sleep(8)  # a task that has just parked may be failed by an answer that is too quick

    def mark(self, user, task):
        self.airflow.ask(
            user, "PATCH", f"{self.path}/taskInstances/{task}", {"new_state": "success"}
        )

    def edit(self, user, key, value):
        path = f"{self.path}/taskInstances/gate/xcomEntries/{key}"
        self.airflow.ask(user, "PATCH", path, {"value": value, "map_index": -1})

    def again(self, user, *tasks):
        body = {"dry_run": False, "dag_run_id": self.name, "task_ids": tasks}
        body |= {"only_failed": False, "reset_dag_runs": True}
        self.airflow.ask(user, "POST", "/api/v2/dags/gated/clearTaskInstances", body)

    def answer(self, user, code):
        body = {"chosen_options": ["Approve"], "params_input": {"code": code}}
        path = f"{self.path}/taskInstances/approve/-1/hitlDetails"
        self.airflow.ask(user, "PATCH", path, body)
        time.sleep(3)


@pytest.fixture(scope="module")
def stall(tmp_path_factory):
    """A model with evidence, whose policy wants two people."""
    site = tmp_path_factory.mktemp("site")
    own_checks.install(site)
    cards.cache_clear()
    stall = shop.open_stall(tmp_path_factory.mktemp("live"), POLICY)
    stall.site = site
    return stall


@pytest.fixture(scope="module")
def airflow(stall, tmp_path_factory):
    """Start ``airflow standalone``; end it with everything that it started."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "dags").mkdir()
    (home / "dags/gated.py").write_text(DAG.format(uri=stall.uri, **stall.keys))
    passwords = {user: f"{user}-password" for user in USERS}
    (home / "passwords.json").write_text(json.dumps(passwords))
    port = free_port()
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": ":".join([str(stall.site), *filter(None, sys.path)]),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{u}:{r}" for u, r in USERS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",  # for a machine with other things to do
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
    }
    for person in ("alice", "bob"):
        connection = json.dumps({"conn_type": "generic", "password": shop.SECRETS[person]})
        environment[f"AIRFLOW_CONN_TOTP_{person.upper()}"] = connection
    # a run in the background ignores this signal, and so would everything that it starts
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            ["airflow", "standalone"],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        running = Airflow(port)
        until(lambda: running.ask("", "GET", "/api/v2/monitor/health"))
        until(lambda: running.ask("admin", "GET", "/api/v2/dags/gated"))
        until(lambda: running.ask("admin", "GET", "/api/v2/dags/deployment"))
        yield running
    finally:
        process.send_signal(signal.SIGINT)  # it ends scheduler, triggerer and API server itself
        try:
            process.wait(60)
        finally:
            left = members(process.pid)
            if left:
                os.killpg(process.pid, signal.SIGKILL)
    assert not left, left


def members(session):
    """Return the commands of a session's processes."""
    words = ["ps", "-o", "args=", "-s", str(session)]
    listed = subprocess.run(words, capture_output=True, text=True).stdout.splitlines()
    return [line[:80] for line in listed if "<defunct>" not in line]


def published(stall):
    return list(Path(stall.uri, "releases").rglob("*"))


def test_an_operator_gets_nothing_released(airflow, stall):
    run = airflow.start()
    run.waits()
    run.mark("mallory", "approve")
    assert run.ends() == "failed"
    assert run.state("approve") == "success"
    assert (run.state("verify"), published(stall)) == ("failed", [])

    run.edit("mallory", "return_value", {"allow": True, "decision": "", "reasons": []})
    run.again("mallory", "verify", "release")
    assert (run.ends(), published(stall)) == ("failed", [])

    run.mark("mallory", "verify")
    run.again("mallory", "release")
    assert (run.ends(), run.state("release"), published(stall)) == ("failed", "failed", [])


def test_a_model_that_breaks_a_rule_is_denied_before_anybody_is_asked(airflow, stall):
    shop.restock(stall, b"x" * 200)
    run = airflow.start()

    assert run.ends() == "failed"
    assert [run.state(t) for t in ("gate", "approve")] == ["failed", "upstream_failed"]
    denied = airflow.ask("admin", "GET", f"{run.path}/taskInstances/gate/xcomEntries/return_value")
    assert denied["value"]["reasons"] == ["weigh.bytes <= 100: measured 200"]
    assert airflow.runs("deployment") == []
    shop.restock(stall, b"a model")


def test_two_people_with_codes_get_it_released(airflow, stall):
    decision = stall.gate().statement.uri
    for person in ("alice", "bob"):
        stall.approve(decision, person)
    run = airflow.start()
    run.waits()
    run.answer("alice", "12345")
    run.waits()
    run.answer("alice", shop.code_of("alice"))
    run.waits()
    assert published(stall) == []
    run.answer("bob", shop.code_of("bob"))

    assert run.ends() == "success"
    assert any(path.name == "release.json" for path in published(stall))
    links = airflow.ask("admin", "GET", f"{run.path}/taskInstances/gate/links")
    assert "Evidence" in links["extra_links"]
    # the approved model woke the deployment, which verifies the decision for itself
    assert until(lambda: airflow.runs("deployment") == ["success"])
