"""The approval task: what an answer with a one-time code does, and what it cannot do."""

import json
from datetime import UTC, datetime

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.providers.standard.operators.hitl import HITLOperator

import shop
from authenticator import ORIGIN, RP_ID, Authenticator
from modelwarden.airflow_approval import ApprovalGateOperator
from modelwarden.errors import InputError, Rejected
from modelwarden.jobs.approve import approvers_of
from modelwarden.jobs.confirm import confirm_assertion
from own_checks import install

POLICY = """\
version: 1
approvals: {required: 2}
rules:
  - {check: weigh, metric: bytes, op: "<=", value: 100}
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Install the cheap checks for the tests of this file."""
    from modelwarden.checks import cards

    install(tmp_path_factory.mktemp("site"))
    cards.cache_clear()
    yield
    cards.cache_clear()


@pytest.fixture
def stall(own, tmp_path, monkeypatch):
    stall = shop.open_stall(tmp_path, POLICY)
    stall.decision = stall.gate().statement.uri
    for person in ("alice", "bob"):
        connection = json.dumps({"conn_type": "generic", "password": shop.SECRETS[person]})
        monkeypatch.setenv(f"AIRFLOW_CONN_TOTP_{person.upper()}", connection)
    return stall


@pytest.fixture
def task(stall, monkeypatch):
    """The task, and how often it has asked; Airflow's own parking is left out."""
    asked = []
    monkeypatch.setattr(HITLOperator, "execute", lambda self, _: asked.append(self.body))
    operator = ApprovalGateOperator(
        task_id="approve", decision=stall.decision, key=stall.keys["desk"], **stall.judged_by
    )
    return operator, asked


def answer(operator, person, code, option="Approve"):
    event = {
        "chosen_options": [option],
        "params_input": {"code": code} if code else {},
        "responded_at": datetime.now(UTC),
        "responded_by_user": {"id": person, "name": person} if person else None,
    }
    return operator.execute_complete({}, event)


def test_shows_the_decision_and_how_to_sign(task):
    operator, asked = task
    operator.execute({})

    assert "weigh.bytes <= 100" in asked[0]
    assert f"modelwarden approve {operator.decision}" in asked[0]


def test_two_people_with_codes_finish_the_task(task, stall):
    operator, asked = task
    for person in ("alice", "bob"):
        stall.approve(stall.decision, person)
    assert answer(operator, "alice", shop.code_of("alice")) is None
    done = answer(operator, "bob", shop.code_of("bob"))

    assert done["approvers"] == ["alice", "bob"]
    assert len(asked) == 1
    assert stall.verify(stall.decision).decision.allowed


def test_a_wrong_code_asks_again_and_the_third_fails(task, stall):
    operator, asked = task
    stall.approve(stall.decision, "alice")
    for _ in range(2):
        answer(operator, "alice", "12345")
    assert len(asked) == 2
    with pytest.raises(AirflowFailException, match="it was the last try"):
        answer(operator, "alice", "12345")
    with pytest.raises(AirflowFailException, match="3 codes were tried"):
        answer(operator, "alice", shop.code_of("alice"))


def test_a_code_that_was_used_asks_again(task, stall):
    operator, asked = task
    code = shop.code_of("alice")
    stall.approve(stall.decision, "alice")
    answer(operator, "alice", code)
    shop.restock(stall, b"another model")
    operator.decision = stall.gate().statement.uri
    stall.approve(operator.decision, "alice")
    answer(operator, "alice", code)

    assert len(asked) == 2
    assert approvers_of(operator.decision, **stall.judged_by) == ((), 2)


@pytest.mark.parametrize("person", ["alice", "eve", "", None, "../bob"])
def test_whoever_has_not_signed_is_asked_again(task, person):
    operator, asked = task
    answer(operator, person, "123456")

    assert len(asked) == 1


def test_an_answer_without_a_code_approves_nothing(task, stall):
    operator, _ = task
    stall.approve(stall.decision, "alice")
    answer(operator, "alice", "")

    assert approvers_of(stall.decision, **stall.judged_by) == ((), 2)


def test_who_has_a_security_key_is_confirmed_elsewhere_and_counted_here(task, stall, tmp_path):
    operator, asked = task
    key, trust = Authenticator(), json.loads(stall.read(stall.judged_by["trust"]))
    trust["webauthn"] = {"rp_id": RP_ID, "origin": ORIGIN}
    trust["approvers"]["bob"] |= {
        "second_factor": "webauthn",
        "security_keys": {key.id: key.public},
    }
    stall.overwrite(stall.judged_by["trust"], json.dumps(trust).encode())
    approval = stall.approve(stall.decision, "bob")
    stall.approve(stall.decision, "alice")
    answer(operator, "bob", shop.code_of("bob"))
    (tmp_path / "bob.json").write_bytes(key.answer(bytes.fromhex(approval.sha256)))
    confirm_assertion(
        stall.decision,
        approver="bob",
        assertion=str(tmp_path / "bob.json"),
        key=stall.keys["desk"],
        trust=stall.judged_by["trust"],
    )

    assert len(asked) == 1  # a code is not what bob is asked for
    assert answer(operator, "alice", shop.code_of("alice"))["approvers"] == ["alice", "bob"]


def test_a_rejection_is_final(task):
    with pytest.raises(AirflowFailException, match="rejected by alice"):
        answer(task[0], "alice", "", option="Reject")


def test_nobody_answering_is_final(task):
    with pytest.raises(AirflowFailException, match="timeout"):
        task[0].execute_complete({}, {"error": "late", "error_type": "timeout"})


@pytest.mark.parametrize(
    "given", [{"defaults": "Approve"}, {"options": ["Approve"]}, {"params": {"code": 1}}]
)
def test_nothing_may_approve_in_place_of_people(stall, given):
    with pytest.raises(InputError, match="only people who answer may approve"):
        ApprovalGateOperator(task_id="a", decision="d", key="k", **stall.judged_by, **given)


def test_marking_the_task_green_releases_nothing(stall):
    for person in ("alice", "bob"):
        stall.approve(stall.decision, person)
    with pytest.raises(Rejected, match="0 of 2 approvals"):
        stall.release(stall.decision)
