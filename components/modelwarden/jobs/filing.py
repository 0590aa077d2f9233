"""Statements in and out of the evidence prefix."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from modelwarden.documents import MAX_DOCUMENT, read_json
from modelwarden.errors import ConflictError, EvidenceError, NotFoundError
from modelwarden.evidence import (
    SUFFIX,
    Blob,
    envelope_digest,
    made_on,
    read_claim,
    report_of,
    same_answer,
    statements_folder,
    with_attempt,
)
from modelwarden.report import TRAINED, Claim, Json, finite
from modelwarden.signing import Signer, Trust, sigstore_bundle
from modelwarden.store import Store

MAX_ATTEMPTS = 100  # answers to one question; more is a loop, not a re-run
REUSE = timedelta(days=1)  # how long a statement answers for its own re-run
MAX_STATEMENTS = 1000  # statements about one model and its data that the gate reads
MAX_BUNDLE = MAX_STATEMENTS * 8192  # bytes of all statements of a decision
SIGSTORE = ".sigstore.json"


@dataclass(frozen=True)
class Filed:
    """Where a statement lies.

    Parameters
    ----------
    uri, sha256 : str
        Its place, and the digest of its envelope.
    attempt : int
        1 unless the same question got another answer before.
    """

    uri: str
    sha256: str
    attempt: int


def file_statement(
    store: Store,
    signer: Signer,
    statement: Mapping[str, Json],
    folders: Sequence[str],
    name: str,
    reuse: timedelta = REUSE,
) -> Filed:
    """Sign a statement and put it into every folder, once; beside it, as a sigstore bundle.

    A re-run with the same answer finds the envelope that is there, if it is no older than `reuse`.
    Anything else keeps its place, and the new statement gets the next number.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        file = f"{name}.{attempt}{SUFFIX}"
        uri = f"{folders[0]}/{file}"
        envelope = _put_or_find(store, uri, signer, with_attempt(statement, attempt), reuse)
        if envelope is not None:
            for folder in folders[1:]:
                store.put_once(f"{folder}/{file}", envelope)
            beside = f"{uri.removesuffix(SUFFIX)}{SIGSTORE}"
            if store.head(beside) is None:
                store.put_once(beside, sigstore_bundle(envelope))
            return Filed(uri, hashlib.sha256(envelope).hexdigest(), attempt)
    raise EvidenceError(
        folders[0], f"at most {MAX_ATTEMPTS} answers to one question", "more", "use a fixed seed"
    )


def _put_or_find(
    store: Store, uri: str, signer: Signer, statement: dict[str, Json], reuse: timedelta
) -> bytes | None:
    """Return the envelope at `uri` when it may stand for `statement`, else None."""
    try:
        there = store.read(uri, max_bytes=MAX_DOCUMENT)
    except NotFoundError:
        envelope = signer.seal(statement)
        try:
            store.put_once(uri, envelope)
        except ConflictError:  # another run of the same task was faster
            there = store.read(uri, max_bytes=MAX_DOCUMENT)
        else:
            return envelope
    try:
        earlier = signer.unseal(there, uri)
        age = made_on(statement, uri) - made_on(earlier, uri)
    except EvidenceError:
        return None
    return there if age <= reuse and same_answer(earlier, statement) else None


@dataclass(frozen=True)
class Found:
    """What the evidence prefix says about a model and its data.

    Parameters
    ----------
    claims : tuple of Claim
        What trusted roles said within their rights, and whose reports are as they were.
    ignored : tuple of str
        One sentence for each statement that counts for nothing.
    lines : mapping of str to bytes
        The envelopes of the claims by their digests.
    """

    claims: tuple[Claim, ...]
    ignored: tuple[str, ...]
    lines: Mapping[str, bytes]


def find_claims(store: Store, evidence: str, models: Sequence[str], trust: Trust) -> Found:
    """Collect the statements about `models`, their data, and what that was filtered from."""
    claims: dict[str, Claim] = {}
    lines: dict[str, bytes] = {}
    ignored: list[str] = []
    waiting, seen = list(models), set(models)

    def fetch(report: Blob) -> bytes:
        return store.read(report.uri, sha256=report.sha256, max_bytes=MAX_DOCUMENT)

    while waiting:
        digest = waiting.pop()
        for uri in store.list(f"{statements_folder(evidence, digest)}/"):
            if uri.endswith(SIGSTORE):
                continue
            if len(claims) + len(ignored) >= MAX_STATEMENTS:
                raise EvidenceError(uri, f"at most {MAX_STATEMENTS} statements", "more")
            try:
                envelope = store.read(uri, max_bytes=MAX_DOCUMENT)
                claim, line = _open_claim(fetch, trust, envelope, uri)
            except (EvidenceError, NotFoundError) as error:
                ignored.append(f"ignored: {error}")
                continue
            claims[claim.sha256], lines[claim.sha256] = claim, line
            for near in _leads_to(claim, digest) - seen:
                seen.add(near)
                waiting.append(near)
    return Found(tuple(claims.values()), tuple(ignored), lines)


def _leads_to(claim: Claim, digest: str) -> set[str]:
    """Return the data behind a trained model, or the table from which a filter kept `digest`."""
    if claim.check == TRAINED:
        return {claim.inputs.get("data", digest)}
    if claim.outputs.get("kept") == digest:
        return set(claim.inputs.values()) & set(claim.subjects.values())
    return set()


def reopen_claims(
    fetch: Callable[[Blob], bytes], trust: Trust, bundle: Blob, body: bytes
) -> list[Claim]:
    """Read the statements that a decision rests on, one envelope a line; `fetch` their reports.

    Raises
    ------
    EvidenceError
        If one of them does not hold, as in the first place.
    """
    lines = body.splitlines(keepends=True)
    return [
        _open_claim(fetch, trust, line, f"{bundle.uri}#{number}")[0]
        for number, line in enumerate(lines, start=1)
    ]


def _open_claim(
    fetch: Callable[[Blob], bytes], trust: Trust, envelope: bytes, uri: str
) -> tuple[Claim, bytes]:
    """Read one statement: its signature, its signer's right to speak, and its report."""
    statement, roles = trust.open(envelope, uri)
    line, sha256 = envelope_digest(envelope, uri)
    claim = read_claim(statement, "", uri, sha256)
    signer = trust.who_may(claim.check, roles)
    if signer is None:
        who = ", ".join(sorted(roles))
        raise EvidenceError(uri, f"a signer who may speak for {claim.check}", f"the role {who}")
    if claim.check != TRAINED:
        _compare_report(fetch, statement, claim)
    return replace(claim, signer=signer), line


def _compare_report(
    fetch: Callable[[Blob], bytes], statement: Mapping[str, Json], claim: Claim
) -> None:
    link = report_of(statement, claim.uri)
    try:
        report = read_json(fetch(link), link.uri)["report"]
        metrics = {name: finite(value) for name, value in report["metrics"].items()}
        failed = bool(report["failures"])
    except (KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(link.uri, "the report of a check", "another document") from error
    if metrics != claim.metrics or failed is not claim.failed:
        raise EvidenceError(link.uri, "the report that the statement speaks for", "another report")
