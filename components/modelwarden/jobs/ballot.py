"""A decision that people are asked about, and what they and the desk have signed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from modelwarden.approval import (
    CONFIRM,
    Approval,
    Confirmation,
    Tally,
    Wanted,
    read_approval,
    read_confirmation,
    tally,
)
from modelwarden.documents import MAX_DOCUMENT, read_time
from modelwarden.errors import EvidenceError, Rejected
from modelwarden.evidence import Verdict, envelope_digest, read_verdict
from modelwarden.jobs.session import Session
from modelwarden.jobs.shelf import Shelf
from modelwarden.policy import CLOCK_SKEW, Policy
from modelwarden.signing import APPROVE, DECISION, Trust
from modelwarden.webauthn import verify_assertion


@dataclass(frozen=True)
class Case:
    """A decision that somebody wants to approve."""

    sha256: str
    verdict: Verdict
    shelf: Shelf
    roles: Trust

    @property
    def folder(self) -> str:
        """Return where what is signed about it goes."""
        return f"{self.shelf.place}/approvals/{self.sha256}"


def open_case(session: Session, decision: str, trust: str) -> Case:
    """Read a decision and the trust file by which it is one."""
    roles = session.trust(trust)
    envelope = session.records.read(decision, max_bytes=MAX_DOCUMENT)
    shelf = Shelf(session.records, "")
    verdict = open_verdict(shelf, roles, envelope, decision)
    shelf.place = verdict.ruling.evidence
    return Case(envelope_digest(envelope, decision)[1], verdict, shelf, roles)


def open_verdict(shelf: Shelf, roles: Trust, envelope: bytes, where: str) -> Verdict:
    """Read a decision that somebody signed who may decide."""
    statement, signers = roles.open(envelope, where)
    if roles.who_may(DECISION, signers) is None:
        who = ", ".join(sorted(signers))
        raise EvidenceError(where, "a signer who may decide", f"the role {who}")
    return read_verdict(statement, where, shelf.blob)


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
    return tally(*papers(shelf, roles, sha256), wanted)


def papers(shelf: Shelf, roles: Trust, sha256: str) -> tuple[list[Approval], list[Confirmation]]:
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
