"""Approvals: two people, two factors, one decision, once."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelwarden.approval import Approval, Confirmation, Wanted, approval_statement, tally
from modelwarden.errors import EvidenceError, InputError, PolicyError, Rejected
from modelwarden.jobs import confirm as desk
from modelwarden.jobs.approve import approvers_of, describe
from modelwarden.signing import Signer
from modelwarden.store import Store
from shop import code_of, open_stall, restock

POLICY = """\
version: 1
action: deploy:test
approvals: {required: 2, max_age: 12h}
rules:
  - {check: weigh, metric: bytes, op: "<=", value: 100}
"""


@pytest.fixture
def stall(own, tmp_path):
    stall = open_stall(tmp_path, POLICY)
    stall.decision = stall.gate().statement.uri
    return stall


def both(stall, people=("alice", "bob")):
    for person in people:
        stall.approve(stall.decision, person)
        assert stall.confirm(stall.decision, person).accepted


def paper(stall, person, kind="signed"):
    (found,) = Path(stall.evidence).glob(f"approvals/*/{person}/{kind}*.intoto.jsonl")
    return found


def at(monkeypatch, later):
    moment = datetime.now(UTC).replace(microsecond=0) + later
    for module in ("approve", "confirm", "release", "gate"):
        monkeypatch.setattr(f"modelwarden.jobs.{module}.now", lambda: moment)


def forge(stall, key, **changes):
    """File an approval that says what its signer wants."""
    case = {"decision": stall.gate().statement.sha256, "action": "deploy:test", "person": "bob"}
    case = {**case, "model": stall.verdict_model, **changes}
    statement = approval_statement(
        case["person"],
        decision=case["decision"],
        model=case["model"],
        action=case["action"],
        at=datetime.now(UTC).isoformat(),
    )
    if "subject" in changes:
        statement["subject"] = changes["subject"]
    folder = Path(stall.evidence) / "approvals" / stall.gate().statement.sha256 / "bob"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "signed.1.intoto.jsonl").write_bytes(Signer.open(stall.keys[key]).seal(statement))


@pytest.fixture
def forging(stall):
    stall.approve(stall.decision, "alice")
    stall.confirm(stall.decision, "alice")
    stall.verdict_model = stall.payload(stall.decision)["subject"][0]["digest"]["sha256"]
    return stall


def test_two_people_with_two_factors_release_a_model(stall):
    both(stall)

    assert stall.verify(stall.decision).decision.allowed
    assert stall.release(stall.decision).sha256


def test_nothing_is_released_without_approvals(stall):
    with pytest.raises(Rejected, match="0 of 2 approvals"):
        stall.verify(stall.decision)
    with pytest.raises(Rejected, match="0 of 2 approvals"):
        stall.release(stall.decision)


def test_one_person_is_not_two(stall):
    both(stall, ["alice"])
    stall.approve(stall.decision, "alice")
    with pytest.raises(Rejected, match="1 of 2 approvals"):
        stall.verify(stall.decision)


def test_a_signature_without_a_second_factor_does_not_count(stall):
    both(stall, ["alice"])
    stall.approve(stall.decision, "bob")
    with pytest.raises(Rejected, match="bob: no second factor was confirmed"):
        stall.verify(stall.decision)


def test_the_author_does_not_count(stall):
    both(stall, ["alice", "carol"])
    with pytest.raises(Rejected, match="carol: built the model"):
        stall.verify(stall.decision)


def test_an_author_in_capitals_is_the_same_person(own, tmp_path):
    stall = open_stall(tmp_path, POLICY, author=" Carol ")
    stall.decision = stall.gate().statement.uri
    both(stall, ["alice", "carol"])
    with pytest.raises(Rejected, match="carol: built the model"):
        stall.verify(stall.decision)


def test_without_an_author_nobody_can_be_another_person(own, tmp_path):
    stall = open_stall(tmp_path, POLICY, author="")
    stall.decision = stall.gate().statement.uri
    both(stall)
    with pytest.raises(Rejected, match="names no author"):
        stall.verify(stall.decision)


def test_an_approval_of_one_decision_is_none_of_another(stall):
    both(stall)
    restock(stall, b"another model")
    second = stall.gate().statement
    for person in ("alice", "bob"):
        for kind in ("signed", "confirmed"):
            source = paper(stall, person, kind)
            target = Path(stall.evidence) / "approvals" / second.sha256 / person / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())

    with pytest.raises(Rejected, match="alice: approved another decision"):
        stall.verify(second.uri)


@pytest.mark.parametrize(
    ("key", "changes", "problem"),
    [
        ("bob", {"action": "deploy:dev"}, "bob: approved deploy:dev"),
        ("bob", {"model": "0" * 64}, "bob: approved other subjects"),
        ("bob", {"subject": []}, "bob: approved other subjects"),
        ("bob", {"decision": "0" * 64}, "bob: approved another decision"),
        ("bob", {"person": "carol"}, "1 of 2 approvals"),
        ("alice", {}, "1 of 2 approvals"),
        ("desk", {}, "1 of 2 approvals"),
        ("gate", {}, "1 of 2 approvals"),
        ("stranger", {}, "1 of 2 approvals"),
    ],
)
def test_refuses_an_approval_that_is_about_something_else(forging, key, changes, problem):
    forge(forging, key, **changes)
    with pytest.raises(Rejected, match=problem):
        forging.verify(forging.decision)


@pytest.mark.parametrize("forger", ["gate", "alice", "bob", "stranger", "releaser"])
def test_only_the_desk_confirms(stall, forger):
    both(stall, ["alice"])
    stall.approve(stall.decision, "bob")
    assert stall.confirm(stall.decision, "bob", key=forger).accepted
    with pytest.raises(Rejected, match="bob: no second factor was confirmed"):
        stall.verify(stall.decision)


@pytest.mark.parametrize("key", ["bob", "gate", "desk"])
def test_nobody_signs_for_another(stall, key):
    with pytest.raises(EvidenceError, match="approver alice: expected their own key"):
        stall.approve(stall.decision, "alice", key=key)


def test_a_strangers_key_is_refused_at_once(stall):
    with pytest.raises(EvidenceError, match="by none of them"):
        stall.approve(stall.decision, "alice", key="stranger")


def test_a_denial_cannot_be_approved(own, tmp_path):
    stall = open_stall(tmp_path, POLICY, model=b"x" * 101)
    with pytest.raises(Rejected, match="measured 101"):
        stall.approve(stall.gate().statement.uri, "alice")


def test_a_code_is_good_once(own, tmp_path):
    stall = open_stall(tmp_path, POLICY)
    first = stall.gate().statement.uri
    code = code_of("alice")
    stall.approve(first, "alice")
    assert stall.confirm(first, "alice", code).accepted
    restock(stall, b"another model")
    second = stall.gate().statement.uri
    stall.approve(second, "alice")
    again = stall.confirm(second, "alice", code)

    assert (again.accepted, again.why) == (False, "the code was used before; wait for the next one")
    assert stall.confirm(second, "alice", code_of("alice", 1)).accepted


def test_a_retry_after_success_needs_no_code(stall):
    both(stall)

    assert stall.confirm(stall.decision, "bob", "000000").why == "it was confirmed before"


@pytest.mark.parametrize("steps", [-3, -2, 2, 3])
def test_a_code_of_another_time_is_wrong(stall, steps):
    stall.approve(stall.decision, "alice")

    assert not stall.confirm(stall.decision, "alice", code_of("alice", steps)).accepted


def test_three_wrong_codes_are_the_last(stall):
    stall.approve(stall.decision, "alice")
    left = [stall.confirm(stall.decision, "alice", "12345").left for _ in range(3)]

    assert left == [2, 1, 0]
    with pytest.raises(Rejected, match="3 codes were tried"):
        stall.confirm(stall.decision, "alice")


def test_a_try_is_taken_before_the_code_is_looked_at(stall, monkeypatch):
    stall.approve(stall.decision, "alice")
    looked = []
    monkeypatch.setattr(
        desk,
        "matching_step",
        lambda *_: looked.append(len(list(Path(stall.evidence).glob("approvals/*/alice/try-*")))),
    )
    stall.confirm(stall.decision, "alice", "123456")

    assert looked == [1]


def test_the_third_code_may_be_right(stall):
    stall.approve(stall.decision, "alice")
    stall.confirm(stall.decision, "alice", "000")
    stall.confirm(stall.decision, "alice", "wrong")

    assert stall.confirm(stall.decision, "alice", code_of("alice", 1)).accepted


def test_a_code_without_a_signature_is_refused_before_it_is_tried(stall):
    with pytest.raises(InputError, match="alice runs `modelwarden approve` first"):
        stall.confirm(stall.decision, "alice")


@pytest.mark.parametrize("secret", ["", "  ", "not base32 !", "SHORTKEY"])
def test_a_missing_secret_accepts_no_code(stall, secret):
    stall.approve(stall.decision, "alice")
    given = {"secret": secret, "key": stall.keys["desk"], "trust": stall.judged_by["trust"]}
    with pytest.raises(InputError, match="secret of alice: expected a base32 secret"):
        desk.confirm(stall.decision, approver="alice", code="000000", **given)


def test_an_approval_that_came_too_late_does_not_count(stall, monkeypatch):
    both(stall, ["alice"])
    at(monkeypatch, timedelta(hours=12, minutes=1))
    stall.approve(stall.decision, "bob")
    half_days = 12 * 3600 // 30 + 2  # in steps of a code

    assert stall.confirm(stall.decision, "bob", code_of("bob", half_days)).accepted
    with pytest.raises(Rejected, match=r"bob: confirmed .+ out of time"):
        stall.verify(stall.decision)


def test_an_old_approval_still_verifies_but_is_not_released(stall, monkeypatch):
    both(stall)
    at(monkeypatch, timedelta(hours=13))

    assert stall.verify(stall.decision).decision.allowed
    with pytest.raises(Rejected, match=r"alice: confirmed .* out of time"):
        stall.release(stall.decision)


def test_a_person_who_left_the_trust_file_does_not_count(stall):
    both(stall)
    trust = json.loads(stall.read(stall.judged_by["trust"]))
    del trust["approvers"]["bob"]
    stall.overwrite(stall.judged_by["trust"], json.dumps(trust).encode())
    with pytest.raises(Rejected, match="1 of 2 approvals"):
        stall.verify(stall.decision)


def test_one_flipped_byte_of_an_approval_and_it_does_not_count(stall):
    both(stall)
    stall.flip(str(paper(stall, "bob")))
    with pytest.raises(Rejected, match="1 of 2 approvals"):
        stall.verify(stall.decision)


def test_junk_among_the_approvals_locks_nobody_out(stall):
    both(stall)
    for name in ("junk", "more"):
        (paper(stall, "bob").parent / f"{name}.intoto.jsonl").write_bytes(b"{")

    assert stall.verify(stall.decision).decision.allowed


def test_approvals_are_used_once(stall):
    both(stall)
    stall.release(stall.decision, run="one")
    with pytest.raises(Rejected, match="consumed by run one"):
        stall.release(stall.decision, run="two")


def test_says_who_approved_so_far(stall):
    both(stall, ["alice"])

    assert approvers_of(stall.decision, **stall.judged_by) == (("alice",), 2)


def test_shows_the_decision_to_whoever_approves_it(stall):
    said = describe(stall.decision, trust=stall.judged_by["trust"])

    assert "- ok: weigh.bytes <= 100, measured 7.0" in said
    assert "deploy:test: model" in said


def test_verifying_approvals_writes_nothing(stall):
    both(stall)
    with Store() as store:
        before = store.list(stall.uri + "/")
        stall.verify(stall.decision)

        assert store.list(stall.uri + "/") == before


def test_one_approval_filed_twice_is_one(stall):
    both(stall, ["alice"])
    source = paper(stall, "alice")
    for place in (
        source.with_name("signed.2.intoto.jsonl"),
        source.parents[1] / "bob" / "x.intoto.jsonl",
    ):
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(source.read_bytes())
    with pytest.raises(Rejected, match="1 of 2 approvals"):
        stall.verify(stall.decision)


@pytest.mark.parametrize("role", ["gate", "desk", "model", "builder"])
def test_what_a_revoked_key_signed_no_longer_counts(stall, role):
    both(stall)
    trust = json.loads(stall.read(stall.judged_by["trust"]))
    trust["signers"][role]["keys"] = trust["signers"].pop("releaser")["keys"]
    stall.overwrite(stall.judged_by["trust"], json.dumps(trust).encode())
    with pytest.raises((EvidenceError, Rejected)):
        stall.verify(stall.decision)


@pytest.mark.parametrize("factor", ["webauthn", "none", "", None])
def test_only_a_factor_that_is_known_is_accepted(stall, factor):
    trust = json.loads(stall.read(stall.judged_by["trust"]))
    trust["approvers"]["bob"]["second_factor"] = factor  # and no security key
    stall.overwrite(stall.judged_by["trust"], json.dumps(trust).encode())
    with pytest.raises(PolicyError, match="second_factor"):
        stall.approve(stall.decision, "bob")


@pytest.mark.parametrize(
    ("approver", "approval", "decision", "people"),
    [
        ("bob", "a", "d", ("bob",)),
        ("alice", "a", "d", ()),
        ("bob", "b", "d", ()),
        ("bob", "a", "e", ()),
    ],
)
def test_a_confirmation_is_of_one_person_one_approval_and_one_decision(
    approver, approval, decision, people
):
    now = datetime.now(UTC)
    signed = Approval("bob", "deploy", "d", {"model": "m"}, "a")
    wanted = Wanted("d", "m", "deploy", frozenset({"carol"}), now, now)

    assert (
        tally([signed], [Confirmation(approver, approval, decision, now)], wanted).people == people
    )


@pytest.mark.parametrize("key", ["alice", "gate"])
def test_the_desk_confirms_nothing_that_somebody_else_signed(forging, key):
    forge(forging, key)
    with pytest.raises(InputError, match="bob runs `modelwarden approve` first"):
        forging.confirm(forging.decision, "bob")
