"""Two people, two factors: what an approval says, and which approvals count.

An approval is a statement about one decision, signed with the approver's own key. A second
statement confirms it: somebody who is not the approver, the desk, saw a one-time code of that
person, or the answer of their security key. A stolen key has no code; a stolen session or telephone
has no key; the desk alone can approve nothing. Below an evidence prefix::

    approvals/<decision hex>/<approver>/signed.<attempt>.intoto.jsonl
    approvals/<decision hex>/<approver>/confirmed-<approval hex>.<attempt>.intoto.jsonl
    approvals/<decision hex>/<approver>/try-<number>      one of three codes was tried
    consumed/codes/<approver>/<step>                      that code was used, for which approval
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from modelwarden.documents import read_time
from modelwarden.errors import EvidenceError
from modelwarden.report import Json
from modelwarden.signing import STATEMENT_TYPE
from modelwarden.webauthn import Assertion

APPROVAL = "urn:modelwarden:approval:v1"
SECOND_FACTOR = "urn:modelwarden:second-factor:v1"
CONFIRM = "second_factor"
"""What the trust file calls the desk's right to confirm."""


@dataclass(frozen=True)
class Approval:
    """What a person signed.

    Parameters
    ----------
    approver, action : str
        Who approves of what.
    decision : str
        SHA-256 of the decision's envelope.
    subjects : mapping of str to str
        SHA-256 by name of what is approved.
    sha256 : str
        Digest of the approval's own envelope.
    """

    approver: str
    action: str
    decision: str
    subjects: Mapping[str, str]
    sha256: str


@dataclass(frozen=True)
class Confirmation:
    """What the desk signed: it saw a second factor of `approver`, for the approval `approval`.

    `assertion` is the answer of a security key, which anybody can verify again; None where the desk
    compared a one-time code.
    """

    approver: str
    approval: str
    decision: str
    confirmed: datetime
    assertion: Assertion | None = None


@dataclass(frozen=True)
class Wanted:
    """What approvals must be about to count.

    Parameters
    ----------
    decision, model, action : str
        The decision's envelope, the model (SHA-256 both), and what was decided about.
    authors : frozenset of str
        People who built the model; their approvals do not count.
    since, until : datetime
        When confirmations must have been made, by the desk's clock.
    """

    decision: str
    model: str
    action: str
    authors: frozenset[str]
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Tally:
    """Who approved, and why other approvals do not count; both sorted."""

    people: tuple[str, ...]
    refused: tuple[str, ...]


def approval_statement(
    approver: str, *, decision: str, model: str, action: str, at: str
) -> dict[str, Json]:
    """Return what an approver signs about a decision and its model."""
    said = {"approver": approver, "action": action, "finishedOn": at}
    predicate = {"decision": {"digest": {"sha256": decision}}, "modelwarden": said}
    return _statement(APPROVAL, {"model": model}, predicate)


def confirmation_statement(
    approval: Approval, *, at: str, assertion: Assertion | None = None, count: int = 0
) -> dict[str, Json]:
    """Return what the desk signs after it saw the approver's code, or their security key's answer.

    Parameters
    ----------
    approval : Approval
        What is confirmed.
    at : str
        When, RFC 3339.
    assertion : Assertion, optional
        What a security key answered; a one-time code where it is left out.
    count : int, default=0
        The security key's counter, which goes down when the key was copied.
    """
    said: dict[str, Json] = {"approver": approval.approver, "factor": "totp", "finishedOn": at}
    if assertion is not None:
        said = {**said, "factor": "webauthn", "signCount": count, "assertion": assertion.as_json()}
    predicate = {"decision": {"digest": {"sha256": approval.decision}}, "modelwarden": said}
    return _statement(SECOND_FACTOR, {"approval": approval.sha256}, predicate)


def read_approval(statement: Mapping[str, Json], uri: str, sha256: str) -> Approval:
    """Read what a verified approval says; an EvidenceError if it is none."""
    predicate, subjects = _parts(statement, uri, APPROVAL)
    try:
        said = predicate["modelwarden"]
        return Approval(
            approver=_text(said["approver"]),
            action=_text(said["action"]),
            decision=_text(predicate["decision"]["digest"]["sha256"]),
            subjects=subjects,
            sha256=sha256,
        )
    except (KeyError, TypeError) as error:
        raise EvidenceError(uri, "an approval", f"a malformed one ({error})") from error


def read_confirmation(statement: Mapping[str, Json], uri: str) -> Confirmation:
    """Read what a verified confirmation says; an EvidenceError if it is none."""
    predicate, subjects = _parts(statement, uri, SECOND_FACTOR)
    try:
        said = predicate["modelwarden"]
        if said["factor"] not in ("totp", "webauthn"):
            raise EvidenceError(uri, "a second factor that is known", repr(said["factor"])[:100])
        answer = said["assertion"] if said["factor"] == "webauthn" else None
        return Confirmation(
            approver=_text(said["approver"]),
            approval=subjects["approval"],
            decision=_text(predicate["decision"]["digest"]["sha256"]),
            confirmed=read_time(said["finishedOn"]),
            assertion=None if answer is None else Assertion.from_json(answer, uri),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EvidenceError(uri, "a confirmation", f"a malformed one ({error})") from error


def tally(
    approvals: Iterable[Approval], confirmations: Iterable[Confirmation], wanted: Wanted
) -> Tally:
    """Count people, not papers: each with an approval that fits and a confirmation of just that.

    Parameters
    ----------
    approvals, confirmations : iterable
        Whatever was signed by those who may; order does not matter.
    wanted : Wanted
        What they must be about.
    """
    seen = list(confirmations)
    people, refused = set(), set()
    for approval in approvals:
        why = _why_not(approval, wanted) or _unconfirmed(approval, seen, wanted)
        if why:
            refused.add(f"{approval.approver}: {why}")
        else:
            people.add(approval.approver)
    return Tally(tuple(sorted(people)), tuple(sorted(refused)))


def _why_not(approval: Approval, wanted: Wanted) -> str:
    if approval.decision != wanted.decision:
        return "approved another decision"
    if approval.subjects != {"model": wanted.model}:
        return "approved other subjects"
    if approval.action != wanted.action:
        return f"approved {approval.action}"
    if approval.approver in wanted.authors:
        return "built the model"
    return ""


def _unconfirmed(approval: Approval, confirmations: list[Confirmation], wanted: Wanted) -> str:
    """Return why no confirmation stands behind the approval, or nothing."""
    own = [
        entry
        for entry in confirmations
        if (entry.approver, entry.approval, entry.decision)
        == (approval.approver, approval.sha256, approval.decision)
    ]
    if not own:
        return "no second factor was confirmed"
    if any(wanted.since <= entry.confirmed <= wanted.until for entry in own):
        return ""
    return f"confirmed {max(entry.confirmed for entry in own).isoformat()}, which is out of time"


def _parts(statement: Mapping[str, Json], uri: str, kind: str) -> tuple[Json, dict[str, str]]:
    try:
        if statement["predicateType"] != kind:
            raise EvidenceError(uri, kind, str(statement["predicateType"]))
        subjects = {s["name"]: _text(s["digest"]["sha256"]) for s in statement["subject"]}
        if len(subjects) != len(statement["subject"]):
            raise EvidenceError(uri, "subjects with different names", "one name twice")
        return statement["predicate"], subjects
    except (KeyError, TypeError) as error:
        raise EvidenceError(uri, kind, f"a malformed one ({error})") from error


def _statement(kind: str, subjects: Mapping[str, str], predicate: Json) -> dict[str, Json]:
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": n, "digest": {"sha256": d}} for n, d in subjects.items()],
        "predicateType": kind,
        "predicate": predicate,
    }


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value
