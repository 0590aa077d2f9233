"""What was released, in which order, and what was called back.

Both are statements beside the evidence, so that a gate knows the current release and a deployer
learns of a revocation without asking whoever trains. Only those count that a role signed which may
``release`` or ``revoke``. Below an evidence prefix::

    releases/<action hex>/<number>.<attempt>.intoto.jsonl
    revocations/<model hex>/revoked.<attempt>.intoto.jsonl
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from modelwarden.documents import read_time
from modelwarden.errors import EvidenceError
from modelwarden.report import Json
from modelwarden.signing import STATEMENT_TYPE

RELEASE = "urn:modelwarden:release:v1"
REVOCATION = "urn:modelwarden:revocation:v1"
MAY_RELEASE, MAY_REVOKE = "release", "revoke"
"""What the trust file calls the rights to record a release and to call one back."""


@dataclass(frozen=True)
class Release:
    """One entry of the record of releases.

    Parameters
    ----------
    number : int
        Its place; entries of one action count from 1.
    model, decision : str
        SHA-256 of the model and of the decision's envelope.
    action, run, manifest : str
        What was released where by which run.
    released : datetime
        When, by the releaser's clock.
    signer, uri : str
        Who recorded it, and where.
    """

    number: int
    model: str
    decision: str
    action: str
    run: str
    manifest: str
    released: datetime
    signer: str = ""
    uri: str = ""


@dataclass(frozen=True)
class Revocation:
    """A model that must not be used any more: since when, and why."""

    model: str
    reason: str
    revoked: datetime
    signer: str = ""


def releases_folder(evidence: str, action: str) -> str:
    """Return where the releases of an action are recorded."""
    name = hashlib.sha256(action.encode()).hexdigest()[:16]
    return f"{evidence.rstrip('/')}/releases/{name}"


def revocations_folder(evidence: str, model: str) -> str:
    """Return where the revocations of a model lie."""
    return f"{evidence.rstrip('/')}/revocations/{model}"


def release_statement(entry: Release) -> dict[str, Json]:
    """Return what the releaser signs."""
    said = {
        "number": entry.number,
        "action": entry.action,
        "run": entry.run,
        "manifest": entry.manifest,
        "finishedOn": entry.released.isoformat(),
    }
    predicate = {"decision": {"digest": {"sha256": entry.decision}}, "modelwarden": said}
    return _statement(RELEASE, entry.model, predicate)


def revocation_statement(model: str, *, reason: str, at: str) -> dict[str, Json]:
    """Return what calls a model back."""
    return _statement(REVOCATION, model, {"modelwarden": {"reason": reason, "finishedOn": at}})


def read_release(statement: Mapping[str, Json], signer: str, uri: str) -> Release:
    """Read a verified entry of the record; an EvidenceError if it is none."""
    try:
        predicate, said = _said(statement, RELEASE, uri)
        return Release(
            number=_number(said["number"]),
            model=_model(statement),
            decision=str(predicate["decision"]["digest"]["sha256"]),
            action=str(said["action"]),
            run=str(said["run"]),
            manifest=str(said["manifest"]),
            released=read_time(said["finishedOn"]),
            signer=signer,
            uri=uri,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EvidenceError(uri, "an entry of releases", f"a malformed one ({error})") from error


def read_revocation(statement: Mapping[str, Json], signer: str, uri: str) -> Revocation:
    """Read a verified revocation; an EvidenceError if it is none."""
    try:
        _, said = _said(statement, REVOCATION, uri)
        moment = read_time(said["finishedOn"])
        return Revocation(_model(statement), str(said["reason"]), moment, signer)
    except (KeyError, TypeError, ValueError) as error:
        raise EvidenceError(uri, "a revocation", f"a malformed one ({error})") from error


def current_release(entries: Sequence[Release], revoked: frozenset[str]) -> Release | None:
    """Return the last release whose model was not called back."""
    standing = [entry for entry in entries if entry.model not in revoked]
    return max(standing, key=lambda entry: (entry.number, entry.uri), default=None)


def superseding(last: Release | None, model: str, decided: datetime) -> str:
    """Return which release replaced `model` after it was decided about, or nothing."""
    if last is None or last.model == model or last.released < decided:
        return ""
    return f"superseded by release {last.number} ({last.model[:12]}...)"


def _said(statement: Mapping[str, Json], kind: str, uri: str) -> tuple[Json, Json]:
    if statement["predicateType"] != kind:
        raise EvidenceError(uri, kind, str(statement["predicateType"]))
    return statement["predicate"], statement["predicate"]["modelwarden"]


def _model(statement: Mapping[str, Json]) -> str:
    (subject,) = statement["subject"]
    return str(subject["digest"]["sha256"])


def _number(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("no number")
    return value


def _statement(kind: str, model: str, predicate: Json) -> dict[str, Json]:
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": "model", "digest": {"sha256": model}}],
        "predicateType": kind,
        "predicate": predicate,
    }
