"""Publish a model whose decision holds, once."""

from dataclasses import dataclass

from modelwarden.documents import read_time
from modelwarden.errors import ConflictError, InputError, Rejected
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.filing import file_statement
from modelwarden.jobs.ledger import releases
from modelwarden.jobs.session import Connections, Session, now
from modelwarden.jobs.shelf import Shelf
from modelwarden.jobs.verify import Verified, verify_in
from modelwarden.policy import CLOCK_SKEW
from modelwarden.releases import Release, release_statement, releases_folder
from modelwarden.report import Json, canonical
from modelwarden.signing import Signer


@dataclass(frozen=True)
class Released:
    """A published model.

    Parameters
    ----------
    uri : str
        The manifest, written last: ``model``, ``decision`` and their digests.
    model : str
        The published copy, below the model's digest.
    sha256, decision : str
        Digests of the model and of the decision.
    """

    uri: str
    model: str
    sha256: str
    decision: str

    def as_json(self) -> dict[str, Json]:
        """Return the release as a small JSON value, fit for an XCom."""
        return {"release": self.uri, "model": self.model, "sha256": self.sha256}


@naming
def release(
    decision: str,
    *,
    model: str,
    policy: str,
    trust: str,
    evidence: str,
    to: str,
    run: str,
    key: str = "",
    connections: Connections | None = None,
) -> Released:
    """Verify a decision, consume it, and publish the very bytes that were verified.

    A decision is consumed by one run; the same run may try again after a fault. What is published
    lies under the model's digest and is never overwritten, the manifest last. Beside the model lies
    all that `verify` read, so that the folder of a release can be verified offline.

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
    key : str, default=""
        A key whose role may ``release``: the release is then recorded as the current one. Policies
        that compare with the current release, or refuse superseded ones, need it.
    connections : Connections, optional
        Where data and evidence are.

    Returns
    -------
    Released

    Raises
    ------
    Rejected
        If the decision or its approvals do not hold, are too old, or were consumed by another run.
    EvidenceError
        If anything is not what was signed.
    """
    signer = Signer.open(key) if key else None
    with Session(connections) as session:
        verified = verify_in(
            session, decision, model=model, policy=policy, trust=trust, fresh_at=now()
        )
        if signer is None and (verified.policy.compares or verified.policy.refuse_superseded):
            fix = "the policy looks at the current release"
            raise InputError("key", "a key that may release", "nothing", fix)
        _refuse_an_old_one(verified, decision)
        _consume(session, evidence, verified, decision, run)
        published = _publish(session, verified, to)
        if signer is not None:
            _record(session, signer, trust, evidence, verified, published, run)
        return published


def _publish(session: Session, verified: Verified, to: str) -> Released:
    """Write the model, the decision and all it rests on; the manifest, which names them, last."""
    digest = verified.model.sha256
    model = f"{to.rstrip('/')}/{digest}/model"
    folder = f"{to.rstrip('/')}/{digest}/{verified.sha256}"
    session.data.put_once(model, verified.model.path)
    session.data.put_once(f"{folder}/decision.intoto.jsonl", verified.envelope)
    for name, body in verified.evidence.items():
        session.data.put_once(f"{folder}/{name}", body)
    manifest = {
        "action": verified.verdict.action,
        "model": {"uri": model, "sha256": digest},
        "decision": {"uri": f"{folder}/decision.intoto.jsonl", "sha256": verified.sha256},
    }
    uri = f"{folder}/release.json"
    session.data.put_once(uri, canonical(manifest))
    return Released(uri, model, digest, verified.sha256)


def _record(
    session: Session,
    signer: Signer,
    trust: str,
    evidence: str,
    verified: Verified,
    published: Released,
    run: str,
) -> None:
    """Sign an entry of the record of releases, unless this decision has one."""
    action = verified.verdict.action
    shelf = Shelf(session.records, evidence)
    entries = releases(shelf, action, session.trust(trust))
    if any(entry.decision == verified.sha256 for entry in entries):
        return
    entry = Release(
        number=max((entry.number for entry in entries), default=0) + 1,
        model=verified.model.sha256,
        decision=verified.sha256,
        action=action,
        run=run,
        manifest=published.uri,
        released=now(),
    )
    folder = releases_folder(shelf.place, action)
    statement = release_statement(entry)
    file_statement(session.records, signer, statement, [folder], f"{entry.number:08d}")


def _refuse_an_old_one(verified: Verified, decision: str) -> None:
    age = now() - read_time(verified.verdict.decided)
    allowed = verified.policy.decision_age
    if not -CLOCK_SKEW <= age <= allowed:
        raise Rejected(decision, (f"its age is {age}, the policy allows {allowed}",), decision)


def _consume(session: Session, evidence: str, verified: Verified, decision: str, run: str) -> None:
    marker = f"{evidence.rstrip('/')}/consumed/{verified.sha256}"
    try:
        session.records.put_once(marker, run.encode())
    except ConflictError as error:
        other = session.records.read(marker).decode(errors="replace")
        raise Rejected(decision, (f"it was consumed by run {other}",), decision) from error
