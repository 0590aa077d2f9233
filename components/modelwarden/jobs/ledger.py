"""Releases and revocations, as they are written down beside the evidence."""

from collections.abc import Mapping
from dataclasses import dataclass

from modelwarden.errors import EvidenceError, InputError
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.filing import Filed, file_statement
from modelwarden.jobs.session import Connections, Session, now
from modelwarden.jobs.shelf import Shelf
from modelwarden.releases import (
    MAY_RELEASE,
    MAY_REVOKE,
    Release,
    Revocation,
    current_release,
    read_release,
    read_revocation,
    releases_folder,
    revocation_statement,
    revocations_folder,
)
from modelwarden.report import Json
from modelwarden.signing import Signer, Trust
from modelwarden.store import Store


@dataclass(frozen=True)
class Listed:
    """A release and what became of it: ``current``, ``superseded`` or ``revoked: reason``."""

    release: Release
    state: str

    def as_json(self) -> dict[str, Json]:
        """Return it as JSON values."""
        entry = self.release
        return {
            "number": entry.number,
            "state": self.state,
            "action": entry.action,
            "model": entry.model,
            "decision": entry.decision,
            "released": entry.released.isoformat(),
            "run": entry.run,
            "manifest": entry.manifest,
            "signer": entry.signer,
        }


@naming
def list_releases(
    evidence: str, *, trust: str, action: str, connections: Connections | None = None
) -> list[Listed]:
    """Return the releases of an action, the oldest first.

    Parameters
    ----------
    evidence : str
        Evidence prefix.
    trust : str
        URI of the trust file.
    action : str
        What the policy calls its action.
    connections : Connections, optional
        Where data and evidence are.
    """
    with Session(connections) as session:
        roles = session.trust(trust)
        shelf = Shelf(session.records, evidence)
        entries = releases(shelf, action, roles)
        revoked = {entry.model: revocation(shelf, entry.model, roles) for entry in entries}
        gone = {model: said for model, said in revoked.items() if said}
        last = current_release(entries, frozenset(gone))
        return [Listed(entry, _state(entry, last, gone)) for entry in entries]


@naming
def revoke(
    model: str,
    *,
    evidence: str,
    reason: str,
    key: str,
    connections: Connections | None = None,
) -> Filed:
    """Call a model back: from now on `verify` and `release` refuse it, whatever was decided.

    Parameters
    ----------
    model : str
        SHA-256 of the model.
    evidence : str
        Evidence prefix.
    reason : str
        Why; everybody who is refused reads it.
    key : str
        A key whose role may ``revoke``.
    connections : Connections, optional
        Where data and evidence are.
    """
    digest = model.removeprefix("sha256:")
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise InputError("model", "the SHA-256 of a model", repr(model), "see `release list`")
    if not reason.strip():
        raise InputError("reason", "a sentence", "nothing")
    signer = Signer.open(key)
    with Session(connections) as session:
        statement = revocation_statement(digest, reason=reason.strip(), at=now().isoformat())
        folder = revocations_folder(evidence, digest)
        return file_statement(session.records, signer, statement, [folder], "revoked")


def releases(shelf: Shelf, action: str, trust: Trust) -> list[Release]:
    """Return the entries that a role signed which may release, in their order."""
    found = []
    for uri, statement, signers, _ in shelf.signed(releases_folder(shelf.place, action), trust):
        entry = _if_may(MAY_RELEASE, statement, signers, trust, uri)
        if isinstance(entry, Release) and entry.action == action:
            found.append(entry)
    return sorted(found, key=lambda entry: (entry.number, entry.uri))


def revocation(shelf: Shelf, model: str, trust: Trust) -> Revocation | None:
    """Return why a model was called back, if a role did so that may."""
    for uri, statement, signers, _ in shelf.signed(revocations_folder(shelf.place, model), trust):
        said = _if_may(MAY_REVOKE, statement, signers, trust, uri)
        if isinstance(said, Revocation) and said.model == model:
            return said
    return None


def find_current(store: Store, evidence: str, action: str, trust: Trust) -> str:
    """Return the SHA-256 of the model that is released now, or nothing."""
    last = last_release(Shelf(store, evidence), action, trust)
    return last.model if last else ""


def last_release(shelf: Shelf, action: str, trust: Trust) -> Release | None:
    """Return the current release of an action."""
    entries = releases(shelf, action, trust)
    models = {entry.model for entry in entries}
    revoked = frozenset(model for model in models if revocation(shelf, model, trust))
    return current_release(entries, revoked)


def _if_may(
    right: str, statement: Mapping[str, Json], signers: frozenset[str], trust: Trust, uri: str
) -> Release | Revocation | None:
    """Return what a statement says if its signer has the right to say so, and it is well-formed."""
    signer = trust.who_may(right, signers)
    if signer is None:
        return None
    read = read_release if right == MAY_RELEASE else read_revocation
    try:
        return read(statement, signer, uri)
    except EvidenceError:
        return None


def _state(entry: Release, last: Release | None, gone: Mapping[str, Revocation | None]) -> str:
    called_back = gone.get(entry.model)
    if called_back:
        return f"revoked: {called_back.reason}"
    return "current" if entry == last else "superseded"
