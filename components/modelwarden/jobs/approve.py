"""Approve a decision: a person reads it, and signs with their own key."""

from modelwarden.approval import approval_statement
from modelwarden.errors import EvidenceError, InputError, Rejected
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.ballot import count, open_case
from modelwarden.jobs.filing import Filed, file_statement
from modelwarden.jobs.session import Connections, Session, now
from modelwarden.signing import APPROVE, Signer


@naming
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
        case = open_case(session, decision, trust)
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


@naming
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


@naming
def describe(decision: str, *, trust: str, connections: Connections | None = None) -> str:
    """Return what a decision says, rule by rule, as Markdown for whoever approves it."""
    with Session(connections) as session:
        verdict = open_case(session, decision, trust).verdict
    rules = [
        f"- {'ok' if r.passed else r.severity}: {r.rule}, measured {r.measured}, "
        f"at the current release {r.current} {r.why}".replace(", at the current release None", "")
        for r in verdict.decision.results
    ]
    head = f"{verdict.action}: model {verdict.model[:12]}, decided {verdict.decided}"
    return "\n".join([head, "", *rules, *(f"- note: {note}" for note in verdict.decision.notes)])


@naming
def approvers_of(
    decision: str, *, policy: str, trust: str, connections: Connections | None = None
) -> tuple[tuple[str, ...], int]:
    """Return who has approved of a decision so far, and how many people the policy wants.

    Whether one of them built the model is left to `verify`, which knows the statements.
    """
    with Session(connections) as session:
        case, rules = open_case(session, decision, trust), session.policy(policy)
        seen = count(case.shelf, case.roles, rules, case.verdict, case.sha256, ["-"], None)
        return seen.people, rules.approvals
