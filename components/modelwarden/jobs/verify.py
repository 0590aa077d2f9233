"""Re-check a decision, and everything it rests on, before the model is used."""

from dataclasses import dataclass

from modelwarden.checks import cards
from modelwarden.documents import MAX_DOCUMENT
from modelwarden.errors import EvidenceError, Rejected
from modelwarden.evidence import Verdict, read_time, read_verdict
from modelwarden.jobs.filing import open_claim
from modelwarden.jobs.session import Connections, Session
from modelwarden.policy import Policy, judge
from modelwarden.signing import DECISION, Trust
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
    envelope : File
        The signed decision.
    """

    verdict: Verdict
    policy: Policy
    model: File
    envelope: File


def verify(
    decision: str, *, model: str, policy: str, trust: str, connections: Connections | None = None
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
    connections : Connections, optional
        Where data and evidence are.

    Returns
    -------
    Verdict
        An allowing one.

    Raises
    ------
    Rejected
        If the decision denies.
    EvidenceError
        If the model, the policy, the decision, a statement or a report is not what was signed, or
        the decision does not follow from its statements.
    """
    with Session(connections) as session:
        return verify_in(session, decision, model=model, policy=policy, trust=trust).verdict


def verify_in(session: Session, decision: str, *, model: str, policy: str, trust: str) -> Verified:
    """Do what `verify` does inside a session, and keep hold of the very bytes that were checked."""
    roles, rules = session.trust(trust), session.policy(policy)
    envelope = session.records.get(decision, max_bytes=MAX_DOCUMENT)
    statement, signers = roles.open(envelope.path.read_bytes(), decision)
    if roles.who_may(DECISION, signers) is None:
        who = ", ".join(sorted(signers))
        raise EvidenceError(decision, "a signer who may decide", f"the role {who}")
    verdict = read_verdict(statement, decision)
    if verdict.policy != rules.sha256:
        raise _changed(policy, "policy", verdict.policy, rules.sha256)
    file = session.data.get(model)
    if verdict.model != file.sha256:
        raise _changed(model, "model", verdict.model, file.sha256)
    if not verdict.decision.allowed:
        raise Rejected(model, verdict.decision.reasons, decision)
    _recompute(session, verdict, rules, roles, decision)
    return Verified(verdict, rules, file, envelope)


def _recompute(session: Session, verdict: Verdict, rules: Policy, roles: Trust, where: str) -> None:
    """Judge the statements again, as they are now."""
    claims = [
        open_claim(session.records, roles, uri, sha256) for uri, sha256 in verdict.attestations
    ]
    try:
        moment = read_time(verdict.decided)
        again = judge(rules, verdict.model, claims, cards(), moment)
    except (ValueError, TypeError) as error:
        raise EvidenceError(where, "a decision with a time", repr(verdict.decided)) from error
    if (again.results, again.used) != (verdict.decision.results, verdict.decision.used):
        raise EvidenceError(where, "a decision that follows from its statements", "another one")


def _changed(where: str, what: str, decided: str, found: str) -> EvidenceError:
    return EvidenceError(
        where,
        f"the {what} that was decided about ({decided[:12]}...)",
        f"other bytes ({found[:12]}...)",
        "it changed after the decision: run the gate again",
    )
