"""Approve a decision: a person signs, and a desk that sees the person's second factor confirms."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from modelwarden.approval import (
    CONFIRM,
    Approval,
    Confirmation,
    Tally,
    Wanted,
    approval_statement,
    confirmation_statement,
    read_approval,
    read_confirmation,
    tally,
)
from modelwarden.documents import MAX_DOCUMENT, read_time
from modelwarden.errors import ConflictError, EvidenceError, InputError, Rejected
from modelwarden.evidence import Verdict, envelope_digest, read_verdict
from modelwarden.jobs.filing import Filed, file_statement
from modelwarden.jobs.session import Connections, Session, now
from modelwarden.jobs.shelf import Shelf
from modelwarden.one_time_code import matching_step
from modelwarden.policy import CLOCK_SKEW, Policy
from modelwarden.report import Json
from modelwarden.signing import APPROVE, DECISION, Signer, Trust
from modelwarden.store import Store
from modelwarden.webauthn import Assertion, verify_assertion

MAX_TRIES = 3
"""Codes that the desk takes from one person about one decision, right ones included."""


@dataclass(frozen=True)
class Confirmed:
    """What became of a one-time code.

    Parameters
    ----------
    accepted : bool
        Whether the code was right and the approval is now confirmed.
    left : int
        Tries that are left about this decision.
    why : str
        The reason when it was not accepted.
    """

    accepted: bool
    left: int
    why: str = ""


@dataclass(frozen=True)
class _Case:
    """A decision that somebody wants to approve."""

    sha256: str
    verdict: Verdict
    shelf: Shelf
    roles: Trust

    @property
    def folder(self) -> str:
        return f"{self.shelf.place}/approvals/{self.sha256}"


def approve(
    decision: str,
    *,
    approver: str,
    key: str,
    trust: str,
    connections: Connections | None = None,
) -> Filed:
    """Sign that a person approves of a decision; it counts once the desk confirms it.

    Parameters
    ----------
    decision : str
        URI of an allowing decision.
    approver : str
        The person, as the trust file calls them.
    key : str
        The person's own key.
    trust : str
        URI of the trust file.
    connections : Connections, optional
        Where data and evidence are.

    Raises
    ------
    Rejected
        If the decision denies.
    EvidenceError
        If the decision or the key is not what the trust file says.
    """
    signer = Signer.open(key)
    with Session(connections) as session:
        case = _open(session, decision, trust)
        if not case.verdict.decision.allowed:
            raise Rejected(decision, case.verdict.decision.reasons, decision)
        statement = approval_statement(
            approver,
            decision=case.sha256,
            model=case.verdict.model,
            action=case.verdict.action,
            at=now().isoformat(),
        )
        _, signers = case.roles.open(signer.seal(statement), f"key of {approver}")
        if case.roles.who_may(f"{APPROVE}{approver}", signers) is None:
            who = ", ".join(sorted(signers))
            raise EvidenceError(f"approver {approver}", "their own key", f"a key of {who}")
        folder = f"{case.folder}/{approver}"
        return file_statement(session.records, signer, statement, [folder], "signed")


def confirm(
    decision: str,
    *,
    approver: str,
    code: str,
    secret: str,
    key: str,
    trust: str,
    connections: Connections | None = None,
) -> Confirmed:
    """Compare a person's one-time code, and sign that it was right.

    Run it where the approver is not the administrator: whoever holds the desk's key and the shared
    secrets is one of the two factors. A try is noted before the code is looked at, so that nobody
    can try more than three; a code is good once.

    Parameters
    ----------
    decision : str
        URI of the decision.
    approver : str
        The person, who must have signed an approval before.
    code : str
        Six digits.
    secret : str
        The person's shared secret, in base32.
    key : str
        The desk's key, whose role may confirm a ``second_factor``.
    trust : str
        URI of the trust file.
    connections : Connections, optional
        Where data and evidence are.

    Raises
    ------
    InputError
        If the person has not signed an approval, or there is no secret.
    """
    signer = Signer.open(key)
    with Session(connections) as session:
        case = _open(session, decision, trust)
        if approver in case.roles.security_keys:
            fix = f"give the file that `modelwarden approve --as {approver} --assertion FILE` wrote"
            raise InputError(f"approver {approver}", "their security key's answer", "a code", fix)
        waiting = _waiting(case, approver)
        if not waiting:
            return Confirmed(accepted=True, left=0, why="it was confirmed before")
        left = _take_a_try(session.records, f"{case.folder}/{approver}")
        why = _use_code(session.records, case, waiting[-1], secret, code)
        if why:
            return Confirmed(accepted=False, left=left, why=why)
        statement = confirmation_statement(waiting[-1], at=now().isoformat())
        _file_confirmation(session.records, signer, case, waiting[-1], statement)
        return Confirmed(accepted=True, left=left)


def confirm_assertion(
    decision: str,
    *,
    approver: str,
    assertion: str,
    key: str,
    trust: str,
    connections: Connections | None = None,
) -> Confirmed:
    """Verify what a person's security key answered, and sign when that was seen.

    The answer goes into the statement: whoever verifies the decision later verifies it again, with
    the public key of the trust file. The desk adds its clock, and cannot make an answer up.

    Parameters
    ----------
    decision : str
        URI of the decision.
    approver : str
        The person, who must have signed an approval before.
    assertion : str
        URI of the answer, in WebAuthn's JSON.
    key : str
        The desk's key, whose role may confirm a ``second_factor``.
    trust : str
        URI of the trust file.
    connections : Connections, optional
        Where data and evidence are.

    Raises
    ------
    InputError
        If the person has no security key in the trust file, or has not signed an approval.
    """
    signer = Signer.open(key)
    with Session(connections) as session:
        case = _open(session, decision, trust)
        known = case.roles.security_keys.get(approver)
        if known is None:
            got = "none in the trust file"
            raise InputError(f"approver {approver}", "a security key", got, "give --code")
        answer = Assertion.read(session.data.read(assertion, max_bytes=MAX_DOCUMENT), assertion)
        waiting = _waiting(case, approver)
        if not waiting:
            return Confirmed(accepted=True, left=0, why="it was confirmed before")
        why = ""
        for approval in reversed(waiting):
            try:
                counted = verify_assertion(answer, bytes.fromhex(approval.sha256), known, assertion)
            except EvidenceError as error:
                why = why or str(error)
                continue
            statement = confirmation_statement(
                approval, at=now().isoformat(), assertion=answer, count=counted
            )
            _file_confirmation(session.records, signer, case, approval, statement)
            return Confirmed(accepted=True, left=0)
        return Confirmed(accepted=False, left=0, why=why)


def touch(
    approval: Filed, *, approver: str, trust: str, connections: Connections | None = None
) -> bytes:
    """Ask the security key that is plugged in here to stand behind an approval.

    Parameters
    ----------
    approval : Filed
        What `approve` returned.
    approver : str
        The person.
    trust : str
        URI of the trust file.
    connections : Connections, optional
        Where data and evidence are.

    Returns
    -------
    bytes
        Its answer in WebAuthn's JSON, for the desk.
    """
    with Session(connections) as session:
        known = session.trust(trust).security_keys.get(approver)
    if known is None:
        raise InputError(f"approver {approver}", "a security key in the trust file", "none")
    from modelwarden.security_key import ask

    return ask(known, bytes.fromhex(approval.sha256))


def describe(decision: str, *, trust: str, connections: Connections | None = None) -> str:
    """Return what a decision says, rule by rule, as Markdown for whoever approves it."""
    with Session(connections) as session:
        verdict = _open(session, decision, trust).verdict
    rules = [
        f"- {'ok' if r.passed else r.severity}: {r.rule}, measured {r.measured}, "
        f"at the current release {r.current} {r.why}".replace(", at the current release None", "")
        for r in verdict.decision.results
    ]
    head = f"{verdict.action}: model {verdict.model[:12]}, decided {verdict.decided}"
    return "\n".join([head, "", *rules, *(f"- note: {note}" for note in verdict.decision.notes)])


def approvers_of(
    decision: str, *, policy: str, trust: str, connections: Connections | None = None
) -> tuple[tuple[str, ...], int]:
    """Return who has approved of a decision so far, and how many people the policy wants.

    Whether one of them built the model is left to `verify`, which knows the statements.
    """
    with Session(connections) as session:
        case, rules = _open(session, decision, trust), session.policy(policy)
        seen = count(case.shelf, case.roles, rules, case.verdict, case.sha256, ["-"], None)
        return seen.people, rules.approvals


def count(
    shelf: Shelf,
    roles: Trust,
    rules: Policy,
    verdict: Verdict,
    sha256: str,
    authors: Sequence[str],
    fresh_at: datetime | None,
) -> Tally:
    """Return who approved of a decision in time, and why other approvals do not count.

    Parameters
    ----------
    shelf : Shelf
        Where the approvals lie.
    roles, rules, verdict, sha256 : Trust, Policy, Verdict, str
        The decision and what it is judged by.
    authors : sequence of str
        Who built the model, by each statement of a builder.
    fresh_at : datetime, optional
        A moment at which the approvals must not be older than the policy allows.

    Raises
    ------
    Rejected
        If a builder's statement names no author: then nobody can be told from the author.
    """
    if not authors or not all(authors):
        why = "the builder's statement names no author, so nobody can be another person"
        raise Rejected(verdict.model, (why,))
    decided = read_time(verdict.decided)
    since = decided - CLOCK_SKEW
    if fresh_at is not None:
        since = max(since, fresh_at - rules.approval_age)
    wanted = Wanted(
        decision=sha256,
        model=verdict.model,
        action=verdict.action,
        authors=frozenset(name.casefold() for name in authors),
        since=since,
        until=decided + rules.approval_age,
    )
    return tally(*_papers(shelf, roles, sha256), wanted)


def open_verdict(shelf: Shelf, roles: Trust, envelope: bytes, where: str) -> Verdict:
    """Read a decision that somebody signed who may decide."""
    statement, signers = roles.open(envelope, where)
    if roles.who_may(DECISION, signers) is None:
        who = ", ".join(sorted(signers))
        raise EvidenceError(where, "a signer who may decide", f"the role {who}")
    return read_verdict(statement, where, shelf.blob)


def _open(session: Session, decision: str, trust: str) -> _Case:
    roles = session.trust(trust)
    envelope = session.records.read(decision, max_bytes=MAX_DOCUMENT)
    shelf = Shelf(session.records, "")
    verdict = open_verdict(shelf, roles, envelope, decision)
    shelf.place = verdict.ruling.evidence
    return _Case(envelope_digest(envelope, decision)[1], verdict, shelf, roles)


def _papers(shelf: Shelf, roles: Trust, sha256: str) -> tuple[list[Approval], list[Confirmation]]:
    """Return the approvals that their approvers signed, and the confirmations that a desk did."""
    approvals, confirmations = [], []
    for uri, statement, signers, digest in shelf.signed(f"{shelf.place}/approvals/{sha256}", roles):
        try:
            if roles.who_may(CONFIRM, signers):
                confirmation = read_confirmation(statement, uri)
                _expect_factor(confirmation, roles, uri)
                confirmations.append(confirmation)
                continue
            approval = read_approval(statement, uri, digest)
        except EvidenceError:
            continue
        if roles.who_may(f"{APPROVE}{approval.approver}", signers):
            approvals.append(approval)
    return approvals, confirmations


def _expect_factor(confirmation: Confirmation, roles: Trust, uri: str) -> None:
    """Refuse another second factor than the trust file wants of a person, or one that is none."""
    known, answer = roles.security_keys.get(confirmation.approver), confirmation.assertion
    if (known is None) is not (answer is None):
        raise EvidenceError(uri, "the second factor that the trust file names", "another one")
    if known is not None and answer is not None:
        try:
            challenge = bytes.fromhex(confirmation.approval)
        except ValueError as error:
            raise EvidenceError(uri, "the SHA-256 of an approval", "another thing") from error
        verify_assertion(answer, challenge, known, uri)


def _waiting(case: _Case, approver: str) -> list[Approval]:
    """Return a person's approvals that nobody has confirmed; an InputError if there is none."""
    approvals, confirmations = _papers(case.shelf, case.roles, case.sha256)
    own = [entry for entry in approvals if entry.approver == approver]
    if not own:
        fix = f"{approver} runs `modelwarden approve` first"
        raise InputError(f"approver {approver}", "a signed approval", "none", fix)
    done = {entry.approval for entry in confirmations if entry.approver == approver}
    return [entry for entry in own if entry.sha256 not in done]


def _file_confirmation(
    store: Store, signer: Signer, case: _Case, approval: Approval, statement: dict[str, Json]
) -> None:
    folder, name = f"{case.folder}/{approval.approver}", f"confirmed-{approval.sha256[:16]}"
    file_statement(store, signer, statement, [folder], name)


def _take_a_try(store: Store, folder: str) -> int:
    """Note that a code is tried, before it is looked at; return how many tries are left."""
    for number in range(1, MAX_TRIES + 1):
        try:
            store.put_once(f"{folder}/try-{number}", secrets.token_hex(16).encode())
        except ConflictError:
            continue
        return MAX_TRIES - number
    why = f"{MAX_TRIES} codes were tried; ask for a new decision"
    raise Rejected(folder, (why,))


def _use_code(store: Store, case: _Case, approval: Approval, secret: str, code: str) -> str:
    """Return why a code does not count, or nothing; a code that counts is used up."""
    step = matching_step(secret, code, now(), f"secret of {approval.approver}")
    if step is None:
        return "the code is wrong"
    try:
        marker = f"{case.shelf.place}/consumed/codes/{approval.approver}/{step}"
        store.put_once(marker, secrets.token_hex(16).encode())
    except ConflictError:
        return "the code was used before; wait for the next one"
    return ""
