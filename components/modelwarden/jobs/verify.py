"""Re-check a decision, and everything it rests on, before the model is used."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from modelwarden.checks import cards
from modelwarden.documents import MAX_DOCUMENT, read_time
from modelwarden.errors import EvidenceError, Rejected
from modelwarden.evidence import Verdict, envelope_digest
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.ballot import count, open_verdict
from modelwarden.jobs.filing import MAX_BUNDLE, reopen_claims
from modelwarden.jobs.ledger import last_release, revocation
from modelwarden.jobs.session import Connections, Session
from modelwarden.jobs.shelf import Shelf
from modelwarden.policy import Policy, judge
from modelwarden.releases import superseding
from modelwarden.report import TRAINED, Claim
from modelwarden.signing import Trust
from modelwarden.store import File


@dataclass(frozen=True)
class Verified:
    """A decision that holds.

    Parameters
    ----------
    verdict : Verdict
        What was decided about what.
    policy : Policy
        The policy, with the digest that the decision names.
    model : File
        The model as it was hashed; gone when the session ends.
    envelope : bytes
        The signed decision.
    sha256 : str
        Digest of the decision.
    approvers : tuple of str
        People whose approvals count.
    evidence : mapping of str to bytes
        All that was read to verify it, by its name below the evidence prefix.
    """

    verdict: Verdict
    policy: Policy
    model: File
    envelope: bytes
    sha256: str
    approvers: tuple[str, ...]
    evidence: Mapping[str, bytes]


@naming
def verify(
    decision: str,
    *,
    model: str,
    policy: str,
    trust: str,
    offline: str = "",
    connections: Connections | None = None,
) -> Verdict:
    """Re-check a decision; read-only, and the same answer every time.

    Parameters
    ----------
    decision : str
        URI of the signed decision.
    model : str
        URI of the model that is about to be used.
    policy, trust : str
        URIs of policy and trust file, from where the deployer keeps them.
    offline : str, default=""
        A folder that was copied from the evidence prefix, or from a release. Then only files are
        read; revocations and later releases are known as far as the folder knows them.
    connections : Connections, optional
        Where data and evidence are.

    Returns
    -------
    Verdict
        An allowing one.

    Raises
    ------
    Rejected
        If the decision denies, people have not approved it, or the model was called back.
    EvidenceError
        If the model, the policy, the decision, a statement or a report is not what was signed, or
        the decision does not follow from its statements.
    """
    with Session(connections, offline=bool(offline)) as session:
        return verify_in(
            session, decision, model=model, policy=policy, trust=trust, offline=offline
        ).verdict


@naming
def verify_in(
    session: Session,
    decision: str,
    *,
    model: str,
    policy: str,
    trust: str,
    offline: str = "",
    fresh_at: datetime | None = None,
) -> Verified:
    """Do what `verify` does inside a session, and keep hold of the very bytes that were checked.

    With `fresh_at`, approvals must also be fresh at that moment.
    """
    session.require_local(decision, model, policy, trust, offline)
    roles, rules = session.trust(trust), session.policy(policy)
    envelope = session.records.read(decision, max_bytes=MAX_DOCUMENT)
    shelf = Shelf(session.records, offline, copied=bool(offline))
    verdict = open_verdict(shelf, roles, envelope, decision)
    if not offline:
        shelf.place = verdict.ruling.evidence
    if verdict.policy != rules.sha256:
        raise _changed(policy, "policy", verdict.policy, rules.sha256)
    file = session.data.get(model)
    if verdict.model != file.sha256:
        raise _changed(model, "model", verdict.model, file.sha256)
    if not verdict.decision.allowed:
        raise Rejected(model, verdict.decision.reasons, decision)
    claims = _recompute(shelf, verdict, rules, roles, decision)
    sha256 = envelope_digest(envelope, decision)[1]
    people: tuple[str, ...] = ()
    if rules.approvals:
        authors = [c.options.get("author", "") for c in claims if _built(c, verdict.model)]
        tally = count(shelf, roles, rules, verdict, sha256, authors, fresh_at)
        people = tally.people
        if len(people) < rules.approvals:
            why = f"{len(people)} of {rules.approvals} approvals"
            raise Rejected(model, (why, *tally.refused), decision)
    taken = dict(shelf.taken)
    _refuse_what_is_gone(shelf, roles, rules, verdict, model)
    return Verified(verdict, rules, file, envelope, sha256, people, taken)


def _recompute(
    shelf: Shelf, verdict: Verdict, rules: Policy, roles: Trust, where: str
) -> list[Claim]:
    """Judge the statements again, as they are now."""
    body = shelf.blob(verdict.statements, MAX_BUNDLE)
    claims = reopen_claims(shelf.blob, roles, verdict.statements, body)
    moment = read_time(verdict.decided)
    again = judge(rules, verdict.model, claims, cards(), moment, verdict.current)
    if (again.results, again.used) != (verdict.decision.results, verdict.decision.used):
        raise EvidenceError(where, "a decision that follows from its statements", "another one")
    return claims


def _built(claim: Claim, model: str) -> bool:
    return claim.check == TRAINED and model in claim.subjects.values()


def _refuse_what_is_gone(
    shelf: Shelf, roles: Trust, rules: Policy, verdict: Verdict, where: str
) -> None:
    """Refuse a model that was called back, or replaced where the policy minds."""
    revoked = revocation(shelf, verdict.model, roles)
    if revoked:
        when = revoked.revoked.isoformat()
        raise Rejected(where, (f"revoked by {revoked.signer} at {when}: {revoked.reason}",))
    if rules.refuse_superseded:
        last = last_release(shelf, verdict.action, roles)
        why = superseding(last, verdict.model, read_time(verdict.decided))
        if why:
            raise Rejected(where, (why,))


def _changed(where: str, what: str, decided: str, found: str) -> EvidenceError:
    return EvidenceError(
        where,
        f"the {what} that was decided about ({decided[:12]}...)",
        f"other bytes ({found[:12]}...)",
        "it changed after the decision: run the gate again",
    )
