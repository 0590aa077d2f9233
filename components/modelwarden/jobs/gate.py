"""Decide whether a model may be deployed."""

from dataclasses import dataclass, replace
from hashlib import sha256

from modelwarden.checks import cards
from modelwarden.evidence import (
    SUFFIX,
    Blob,
    Verdict,
    decision_statement,
    decisions_folder,
    ruling_document,
)
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.filing import Filed, file_statement, find_claims
from modelwarden.jobs.ledger import find_current
from modelwarden.jobs.session import Connections, Session, now
from modelwarden.page import decision_page
from modelwarden.policy import Policy, judge
from modelwarden.report import Decision, Json
from modelwarden.signing import Signer


@dataclass(frozen=True)
class Ruling:
    """A signed decision.

    Parameters
    ----------
    decision : Decision
        Rule by rule.
    page, page_uri : str
        The decision as an HTML page, and its place.
    statement : Filed
        The signed decision.
    """

    decision: Decision
    page: str
    page_uri: str
    statement: Filed

    def as_json(self) -> dict[str, Json]:
        """Return the ruling as a small JSON value, fit for an XCom."""
        return {
            "allow": self.decision.allowed,
            "decision": self.statement.uri,
            "sha256": self.statement.sha256,
            "reasons": [reason[:200] for reason in self.decision.reasons[:20]],
            "page": self.page_uri,
        }


@naming
def gate(
    model: str,
    *,
    policy: str,
    evidence: str,
    trust: str,
    key: str,
    connections: Connections | None = None,
) -> Ruling:
    """Judge all that is known about a model and sign the decision; deny by default.

    The gate trusts no task state: it hashes the model as it is now, finds the statements about it
    and its data by digest, verifies each signature and role, and reads each report again.

    Parameters
    ----------
    model : str
        URI of the model file.
    policy : str
        URI of the policy.
    evidence : str
        Prefix below which statements lie and the decision goes.
    trust : str
        URI of the trust file; keep it where the training run cannot write.
    key : str
        The gate's key: a PEM file or ``env:NAME``.
    connections : Connections, optional
        Where data and evidence are.

    Returns
    -------
    Ruling
        Allowed or not; both are results. A fault raises instead, and decides nothing.
    """
    signer = Signer.open(key)
    with Session(connections) as session:
        session.records.probe(evidence)
        rules, roles = session.policy(policy), session.trust(trust)
        digest = session.data.get(model).sha256
        last = (
            find_current(session.records, evidence, rules.action, roles) if rules.compares else ""
        )
        found = find_claims(session.records, evidence, [digest, *filter(None, [last])], roles)
        moment = now()
        decision = judge(rules, digest, found.claims, cards(), moment, last)
        decision = replace(decision, notes=(*decision.notes, *sorted(found.ignored)[:20]))
        lines = b"".join(found.lines[used] for used in decision.used)
        verdict = Verdict(
            model=digest,
            policy=rules.sha256,
            action=rules.action,
            decided=moment.isoformat(),
            ruling=_put(session, evidence, ruling_document(decision)),
            statements=_put(session, evidence, lines, SUFFIX),
            decision=decision,
            current=last,
        )
        return _record(session, signer, evidence, verdict, rules, model, policy)


def _put(session: Session, evidence: str, body: bytes, suffix: str = "") -> Blob:
    uri = session.records.put_blob(evidence, body, suffix=suffix)
    return Blob(uri, sha256(body).hexdigest())


def _record(
    session: Session,
    signer: Signer,
    evidence: str,
    verdict: Verdict,
    rules: Policy,
    model: str,
    policy: str,
) -> Ruling:
    """Write the page, then the decision: whoever finds the decision finds all of it."""
    facts = {
        "action": verdict.action,
        "model": model,
        "SHA-256 of model": verdict.model,
        "policy": policy,
        "SHA-256 of policy": verdict.policy,
        "decided": verdict.decided,
    }
    page = decision_page(verdict.decision, facts=facts)
    page_uri = session.records.put_blob(evidence, page.encode(), suffix=".html")
    statement = decision_statement(verdict, model_uri=model, policy_uri=policy)
    folder = decisions_folder(evidence, verdict.model)
    name = verdict.policy[:16]
    filed = file_statement(
        session.records, signer, statement, [folder], name, reuse=rules.decision_age
    )
    return Ruling(verdict.decision, page, page_uri, filed)
