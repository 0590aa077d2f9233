"""Approvals whose second factor is a security key: the desk sees it, and everybody checks again."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from fido2.hid import CtapHidDevice

from authenticator import ORIGIN, PRESENT, RP_ID, Authenticator
from modelwarden.approval import Approval, confirmation_statement
from modelwarden.cli import cli
from modelwarden.errors import EvidenceError, InputError, PolicyError, Rejected
from modelwarden.jobs.approve import approve, touch
from modelwarden.jobs.confirm import confirm_assertion
from modelwarden.signing import Signer
from modelwarden.webauthn import Assertion, encode
from shop import code_of, open_stall, restock

POLICY = """\
version: 1
action: deploy:test
approvals: {required: 2, max_age: 12h}
rules:
  - {check: weigh, metric: bytes, op: "<=", value: 100}
"""


def trust_of(stall):
    return json.loads(stall.read(stall.judged_by["trust"]))


def write_trust(stall, document):
    stall.overwrite(stall.judged_by["trust"], json.dumps(document).encode())


@pytest.fixture
def stall(own, tmp_path):
    """A stall where alice has a security key and bob has a one-time code, which he has used."""
    stall = open_stall(tmp_path, POLICY)
    stall.touched = Authenticator()
    trust = trust_of(stall)
    trust["webauthn"] = {"rp_id": RP_ID, "origin": ORIGIN}
    trust["approvers"]["alice"]["second_factor"] = "webauthn"
    trust["approvers"]["alice"]["security_keys"] = {stall.touched.id: stall.touched.public}
    write_trust(stall, trust)
    stall.decision = stall.gate().statement.uri
    stall.approve(stall.decision, "bob")
    assert stall.confirm(stall.decision, "bob").accepted
    return stall


def signed(stall, decision=""):
    return stall.approve(decision or stall.decision, "alice")


def confirmed(stall, answer, decision="", approver="alice", key="desk"):
    """Let the desk see an answer."""
    file = Path(stall.uri) / "answer.json"
    file.write_bytes(answer)
    return confirm_assertion(
        decision or stall.decision,
        approver=approver,
        assertion=str(file),
        key=stall.keys[key],
        trust=stall.judged_by["trust"],
    )


def forged(stall, approval, key="desk", decision="", **changes):
    """File a confirmation that says what its signer wants."""
    about = Approval(
        "alice", "deploy:test", decision or stall.gate().statement.sha256, {}, approval.sha256
    )
    statement = confirmation_statement(about, at=datetime.now(UTC).isoformat())
    said = statement["predicate"]["modelwarden"]
    said.update({name: value for name, value in changes.items() if value is not ...})
    for name, value in changes.items():
        if value is ...:
            del said[name]
    folder = Path(approval.uri).parent
    (folder / "confirmed-forged.1.intoto.jsonl").write_bytes(
        Signer.open(stall.keys[key]).seal(statement)
    )


def json_of(answer):
    return Assertion.read(answer, "answer").as_json()


def refused(stall, why="alice: no second factor was confirmed"):
    with pytest.raises(Rejected, match=why):
        stall.verify(stall.decision)


def test_a_security_key_and_a_one_time_code_release_a_model(stall):
    approval = signed(stall)
    refused(stall)
    assert confirmed(stall, stall.touched.answer(bytes.fromhex(approval.sha256))).accepted

    assert stall.verify(stall.decision).decision.allowed
    assert stall.release(stall.decision).sha256


def test_the_answer_lies_in_the_statement_with_its_counter(stall):
    approval = signed(stall)
    confirmed(stall, stall.touched.answer(bytes.fromhex(approval.sha256)))
    (paper,) = Path(approval.uri).parent.glob("confirmed-*.intoto.jsonl")
    said = stall.payload(str(paper))["predicate"]["modelwarden"]

    assert (said["factor"], said["signCount"]) == ("webauthn", stall.touched.count)
    assert said["assertion"]["id"] == stall.touched.id


def test_it_verifies_offline_with_the_trust_files_public_key(stall, tmp_path):
    approval = signed(stall)
    confirmed(stall, stall.touched.answer(bytes.fromhex(approval.sha256)))
    released = Path(stall.release(stall.decision).uri).parent
    copy = tmp_path / "copy"
    shutil.copytree(released, copy)
    shutil.rmtree(stall.evidence)

    allowed = stall.verify(str(copy / "decision.intoto.jsonl"), offline=str(copy))
    assert allowed.decision.allowed


HOSTILE = {
    "without user verification": {"flags": PRESENT},
    "for another relying party": {"rp_id": "example.com"},
    "at another origin": {"origin": "https://evil.example.com"},
    "to another challenge": {"challenge": encode(bytes(32))},
    "as a registration": {"type": "webauthn.create"},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_an_answer_of_another_kind_is_refused_by_the_desk_and_by_everybody_else(stall, what):
    approval = signed(stall)
    answer = stall.touched.answer(bytes.fromhex(approval.sha256), **HOSTILE[what])

    assert not confirmed(stall, answer).accepted
    forged(stall, approval, factor="webauthn", assertion=json_of(answer))
    refused(stall)


def test_an_answer_is_worth_nothing_for_another_decision(stall):
    first = signed(stall)
    answer = stall.touched.answer(bytes.fromhex(first.sha256))
    assert confirmed(stall, answer).accepted
    restock(stall, b"another model")
    stall.decision = stall.gate().statement.uri
    stall.approve(stall.decision, "bob")
    stall.confirm(stall.decision, "bob", code_of("bob", 1))
    second = signed(stall)

    done = confirmed(stall, answer)
    assert (done.accepted, "the challenge" in done.why) == (False, True)
    forged(stall, second, factor="webauthn", assertion=json_of(answer))
    refused(stall)


def test_the_desk_cannot_stand_in_for_a_security_key(stall):
    approval = signed(stall)
    forged(stall, approval)  # "I saw a code"
    refused(stall)
    forged(stall, approval, factor="webauthn")
    refused(stall)
    forged(stall, approval, factor="webauthn", assertion={})
    refused(stall)
    other = Authenticator().answer(bytes.fromhex(approval.sha256))
    forged(stall, approval, factor="webauthn", assertion=json_of(other))
    refused(stall)


def test_a_right_answer_needs_the_desk_as_well(stall):
    """Its clock says when; the approver's own signature does not."""
    approval = signed(stall)
    answer = json_of(stall.touched.answer(bytes.fromhex(approval.sha256)))
    forged(stall, approval, key="alice", factor="webauthn", assertion=answer)

    refused(stall)


@pytest.mark.parametrize("factor", ["sms", "", None, ...])
def test_an_unknown_factor_in_a_confirmation_counts_for_nothing(stall, factor):
    approval = signed(stall)
    answer = json_of(stall.touched.answer(bytes.fromhex(approval.sha256)))
    forged(stall, approval, factor=factor, assertion=answer)

    refused(stall)


def test_an_answer_does_not_replace_a_code(stall, tmp_path):
    """For somebody whose second factor is a code, as the trust file says."""
    approval = stall.approve(stall.decision, "carol")
    answer = stall.touched.answer(bytes.fromhex(approval.sha256))

    with pytest.raises(InputError, match="approver carol: expected a security key"):
        confirmed(stall, answer, approver="carol")


@pytest.mark.parametrize("factor", ["webauthn", "sms", None])
def test_for_somebody_with_codes_only_a_code_counts(stall, factor):
    approval = signed(stall)
    answer = json_of(stall.touched.answer(bytes.fromhex(approval.sha256)))
    trust = trust_of(stall)
    for key in ("second_factor", "security_keys"):
        del trust["approvers"]["alice"][key]
    write_trust(stall, trust)
    forged(stall, approval, factor=factor, assertion=answer)
    refused(stall)

    forged(stall, approval)
    assert stall.verify(stall.decision).decision.allowed


def test_a_code_does_not_replace_an_answer(stall):
    signed(stall)

    with pytest.raises(InputError, match="their security key's answer, got a code"):
        stall.confirm(stall.decision, "alice")


def test_nothing_is_confirmed_before_it_is_signed(stall):
    with pytest.raises(InputError, match="alice runs `modelwarden approve` first"):
        confirmed(stall, stall.touched.answer(bytes(32)))


def test_a_confirmed_answer_is_confirmed_once(stall):
    approval = signed(stall)
    answer = stall.touched.answer(bytes.fromhex(approval.sha256))
    confirmed(stall, answer)

    assert confirmed(stall, answer).why == "it was confirmed before"


def test_a_lost_security_key_counts_no_more_once_it_is_taken_out(stall):
    approval = signed(stall)
    confirmed(stall, stall.touched.answer(bytes.fromhex(approval.sha256)))
    trust, new = trust_of(stall), Authenticator("ed25519")
    trust["approvers"]["alice"]["security_keys"] = {new.id: new.public}
    write_trust(stall, trust)
    refused(stall)

    assert confirmed(stall, new.answer(bytes.fromhex(approval.sha256))).accepted
    assert stall.verify(stall.decision).decision.allowed


def test_a_person_who_changes_to_a_security_key_has_their_codes_forgotten(stall):
    approval = signed(stall)
    confirmed(stall, stall.touched.answer(bytes.fromhex(approval.sha256)))
    trust, key = trust_of(stall), Authenticator()
    trust["approvers"]["bob"] |= {
        "second_factor": "webauthn",
        "security_keys": {key.id: key.public},
    }
    write_trust(stall, trust)

    refused(stall, "bob: no second factor was confirmed")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.pop("webauthn"), "webauthn: with rp_id and origin"),
        (lambda t: t["approvers"]["alice"].pop("security_keys"), "second_factor"),
        (lambda t: t["approvers"]["alice"].update(second_factor="totp"), "second_factor"),
        (lambda t: t["webauthn"].update(origin="https://evil.com"), "not within"),
        (lambda t: t["webauthn"].update(origin="https://evilapprovals.example.com"), "not within"),
        (lambda t: t["webauthn"].update(origin="http://approvals.example.com"), "origin"),
        (lambda t: t["webauthn"].update(rp_id="*.com"), "rp_id"),
        (lambda t: t["approvers"]["alice"].update(security_keys={"short": "k"}), "security_keys"),
        (
            lambda t: t["approvers"]["alice"]["security_keys"].update(
                {"A" * 22: t["approvers"]["alice"]["keys"][0]}
            ),
            "one role per key",
        ),
        (
            lambda t: t["approvers"]["bob"].update(
                second_factor="webauthn",
                security_keys=t["approvers"]["alice"]["security_keys"],
            ),
            "one role per key",
        ),
    ],
)
def test_refuses_a_trust_file_that_contradicts_itself(stall, change, says):
    trust = trust_of(stall)
    change(trust)
    write_trust(stall, trust)

    with pytest.raises(PolicyError, match=says):
        stall.approve(stall.decision, "alice")


def test_what_is_no_assertion_is_refused(stall):
    signed(stall)

    with pytest.raises(EvidenceError, match="an assertion of a security key"):
        confirmed(stall, b"{}")


def test_the_command_line_asks_the_key_and_shows_the_desk(stall, tmp_path, monkeypatch):
    monkeypatch.setattr(CtapHidDevice, "list_devices", lambda: iter([stall.touched]))
    trust, answer = stall.judged_by["trust"], str(tmp_path / "alice.json")
    first = ["approve", stall.decision, "--as", "alice", "--key", stall.keys["alice"]]
    second = ["confirm", stall.decision, "--as", "alice", "--key", stall.keys["desk"]]
    runner = CliRunner()
    asked = runner.invoke(cli, [*first, "--trust", trust, "--assertion", answer])
    shown = runner.invoke(cli, [*second, "--trust", trust, "--assertion", answer])

    assert (asked.exit_code, shown.exit_code) == (0, 0), (asked.output, shown.output)
    assert stall.verify(stall.decision).decision.allowed


def test_the_command_line_enrols_a_key_once(tmp_path, monkeypatch):
    key = Authenticator()
    monkeypatch.setattr(CtapHidDevice, "list_devices", lambda: iter([key]))
    words = ["keys", "security-key", "alice", "--rp-id", RP_ID, "--origin", ORIGIN]
    done = CliRunner().invoke(cli, [*words, "--to", str(tmp_path)])
    again = CliRunner().invoke(cli, [*words, "--to", str(tmp_path)])

    assert done.exit_code == 0, done.output
    assert key.id in done.output
    assert (tmp_path / "alice.pub").read_text() == key.public
    assert isinstance(again.exception, InputError)


@pytest.mark.parametrize("given", [[], ["--secret", "env:X", "--assertion", "a.json"]])
def test_the_desk_is_shown_a_code_or_an_answer_and_not_both(stall, given):
    words = ["confirm", stall.decision, "--as", "alice", "--key", stall.keys["desk"]]
    done = CliRunner().invoke(cli, [*words, "--trust", stall.judged_by["trust"], *given])

    assert isinstance(done.exception, InputError)


def test_only_people_with_a_security_key_are_asked_for_a_touch(stall):
    approval = approve(
        stall.decision, approver="bob", key=stall.keys["bob"], trust=stall.judged_by["trust"]
    )

    with pytest.raises(InputError, match="approver bob: expected a security key"):
        touch(approval, approver="bob", trust=stall.judged_by["trust"])
