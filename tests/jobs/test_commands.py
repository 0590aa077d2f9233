"""The gate from a shell: exit codes, and answers that programs read."""

import json
import sys
from pathlib import Path

import pytest

import shop
from modelwarden.cli import main

POLICY = """\
version: 1
action: deploy:test
approvals: {required: 1}
rules:
  - {check: weigh, metric: bytes, op: "<=", value: 100}
"""


@pytest.fixture
def stall(own, tmp_path):
    return shop.open_stall(tmp_path, POLICY)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command in this process; return exit code, output and errors."""

    def command(*words):
        monkeypatch.setattr(sys, "argv", ["modelwarden", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        return code, *capsys.readouterr()

    return command


def rules(stall):
    return ["--policy", stall.judged_by["policy"], "--trust", stall.judged_by["trust"]]


def decide(run, stall):
    model = f"{stall.uri}/model.joblib"
    given = ["--evidence", stall.evidence, "--key", stall.keys["gate"], "--output", "json"]
    code, out, _ = run("gate", model, *given, *rules(stall))
    return code, json.loads(out)["decision"]


def approve(run, stall, decision, code=""):
    trust = ["--trust", stall.judged_by["trust"]]
    signed = run("approve", decision, "--as", "alice", "--key", stall.keys["alice"], *trust)
    secret = Path(stall.uri) / "secret"
    secret.write_text(shop.SECRETS["alice"])
    given = ["--as", "alice", "--secret", secret, "--key", stall.keys["desk"], *trust]
    code = code or shop.code_of("alice")
    return signed[0], run("confirm", decision, *given, "--code", code)


def verify(run, stall, decision, *more):
    return run("verify", decision, "--model", f"{stall.uri}/model.joblib", *rules(stall), *more)


def test_the_whole_way_exits_with_0(run, stall):
    code, decision = decide(run, stall)
    assert code == 0
    assert approve(run, stall, decision)[1][0] == 0
    code, out, _ = verify(run, stall, decision)
    assert (code, out.count("ok  ")) == (0, 2)
    assert "ok    weigh.bytes <= 100  (7)" in out
    code, out, _ = verify(run, stall, decision, "--output", "json")
    assert (code, json.loads(out)["allow"]) == (0, True)
    model = json.loads(out)["model"]

    given = ["--evidence", stall.evidence, "--to", f"{stall.uri}/out", "--run", "r"]
    given += ["--key", stall.keys["releaser"], "--model", f"{stall.uri}/model.joblib"]
    assert run("release", decision, *given, *rules(stall))[0] == 0
    place = ["--evidence", stall.evidence, "--trust", stall.judged_by["trust"]]
    place += ["--action", "deploy:test"]
    assert run("release", "list", *place)[1].endswith("current\n")
    assert json.loads(run("release", "show", "1", *place)[1])["model"] == model
    assert run("release", "show", "2", *place)[0] == 2
    called = ["--evidence", stall.evidence, "--reason", "it leaks", "--key", stall.keys["releaser"]]
    assert run("release", "revoke", model, *called)[0] == 0
    code, out, err = verify(run, stall, decision, "--output", "json")
    assert (code, json.loads(out)["allow"]) == (1, False)
    assert "it leaks" in err
    assert "revoked: it leaks" in run("release", "list", *place)[1]


def test_a_denial_exits_with_1(run, stall):
    shop.restock(stall, b"x" * 101)
    code, decision = decide(run, stall)
    verified, _, err = verify(run, stall, decision)

    assert (code, verified) == (1, 1)
    assert "rejected: " in err


def test_missing_approvals_exit_with_1_and_say_so_in_json(run, stall):
    _, decision = decide(run, stall)
    code, out, _ = verify(run, stall, decision, "--output", "json")

    assert code == 1
    assert json.loads(out) == {"allow": False, "reasons": ["0 of 1 approvals"]}


def test_a_wrong_code_exits_with_1(run, stall):
    _, decision = decide(run, stall)
    code, _, err = approve(run, stall, decision, "12345")[1]

    assert code == 1
    assert "the code is wrong (2 tries left)" in err


def test_a_broken_policy_exits_with_2(run, stall):
    _, decision = decide(run, stall)
    stall.overwrite(stall.judged_by["policy"], b"version: 1\nruls: []\n")
    code, _, err = verify(run, stall, decision)

    assert code == 2
    assert "did you mean rules?" in err


@pytest.mark.parametrize("what", ["decision", "model"])
def test_tampering_exits_with_3(run, stall, what):
    _, decision = decide(run, stall)
    approve(run, stall, decision)
    stall.flip(decision if what == "decision" else f"{stall.uri}/model.joblib")

    assert verify(run, stall, decision)[0] == 3


def test_what_is_not_there_exits_with_4(run, stall):
    assert verify(run, stall, f"{stall.uri}/none")[0] == 4


def test_shows_the_public_half_of_a_key(run, stall):
    assert "PUBLIC KEY" in run("keys", "public", stall.keys["gate"])[1]


def test_makes_ed25519_keys(run, tmp_path):
    assert run("keys", "new", "k", "--to", tmp_path, "--kind", "ed25519")[0] == 0
    assert len((tmp_path / "k.pem").read_bytes()) < 130


def test_explains_a_policy(run, stall):
    assert "1 person other than the author" in run("policy", "explain", rules(stall)[1])[1]


def test_prints_the_schema_of_the_checks_that_are_installed(run, own):
    schema = json.loads(run("policy", "schema")[1])

    assert "weigh" in schema["$defs"]["Rule"]["properties"]["check"]["enum"]
