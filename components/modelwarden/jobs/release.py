"""Publish a model whose decision holds, once."""

from dataclasses import dataclass

from modelwarden.errors import ConflictError, Rejected
from modelwarden.evidence import read_time
from modelwarden.jobs.session import Connections, Session, now
from modelwarden.jobs.verify import Verified, verify_in
from modelwarden.policy import CLOCK_SKEW
from modelwarden.report import Json, canonical


@dataclass(frozen=True)
class Released:
    """A published model.

    Parameters
    ----------
    uri : str
        The manifest, written last: ``model``, ``decision`` and their digests.
    model : str
        The published copy, below the model's digest.
    sha256 : str
        Digest of the model.
    """

    uri: str
    model: str
    sha256: str

    def as_json(self) -> dict[str, Json]:
        """Return the release as a small JSON value, fit for an XCom."""
        return {"release": self.uri, "model": self.model, "sha256": self.sha256}


def release(
    decision: str,
    *,
    model: str,
    policy: str,
    trust: str,
    evidence: str,
    to: str,
    run: str,
    connections: Connections | None = None,
) -> Released:
    """Verify a decision, consume it, and publish the very bytes that were verified.

    A decision is consumed by one run; the same run may try again after a fault. What is published
    lies under the model's digest and is never overwritten, the manifest last.

    Parameters
    ----------
    decision, model, policy, trust : str
        As in :func:`modelwarden.jobs.verify.verify`.
    evidence : str
        Prefix where it is noted that the decision was used.
    to : str
        Prefix of published models.
    run : str
        Name of this run, the same when it is tried again.
    connections : Connections, optional
        Where data and evidence are.

    Returns
    -------
    Released

    Raises
    ------
    Rejected
        If the decision denies, is too old, or was consumed by another run.
    EvidenceError
        If anything is not what was signed.
    """
    with Session(connections) as session:
        verified = verify_in(session, decision, model=model, policy=policy, trust=trust)
        _refuse_an_old_one(verified, decision)
        _consume(session, evidence, verified, decision, run)
        digest = verified.model.sha256
        folder = f"{to.rstrip('/')}/{digest}"
        session.data.put_once(f"{folder}/model", verified.model.path)
        session.data.put_once(f"{folder}/decision.intoto.jsonl", verified.envelope.path)
        manifest = {
            "action": verified.verdict.action,
            "model": {"uri": f"{folder}/model", "sha256": digest},
            "decision": {
                "uri": f"{folder}/decision.intoto.jsonl",
                "sha256": verified.envelope.sha256,
            },
        }
        uri = f"{folder}/release.json"
        session.data.put_once(uri, canonical(manifest))
        return Released(uri, f"{folder}/model", digest)


def _refuse_an_old_one(verified: Verified, decision: str) -> None:
    age = now() - read_time(verified.verdict.decided)
    allowed = verified.policy.decision_age
    if not -CLOCK_SKEW <= age <= allowed:
        raise Rejected(decision, (f"its age is {age}, the policy allows {allowed}",), decision)


def _consume(session: Session, evidence: str, verified: Verified, decision: str, run: str) -> None:
    marker = f"{evidence.rstrip('/')}/consumed/{verified.envelope.sha256}"
    try:
        session.records.put_once(marker, run.encode())
    except ConflictError as error:
        other = session.records.read(marker).decode(errors="replace")
        raise Rejected(decision, (f"it was consumed by run {other}",), decision) from error
