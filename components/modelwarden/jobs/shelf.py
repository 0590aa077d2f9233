"""The evidence that a decision names: where it was signed, or in a folder copied from there."""

from collections.abc import Iterator, Mapping

from modelwarden.documents import MAX_DOCUMENT
from modelwarden.errors import EvidenceError
from modelwarden.evidence import SUFFIX, Blob, envelope_digest
from modelwarden.report import Json
from modelwarden.signing import Trust
from modelwarden.store import Store

MAX_PAPERS = 1000  # envelopes in one folder; more is an attack on whoever reads them


class Shelf:
    """What lies below an evidence prefix, read with its digests; it remembers what it gave out.

    Parameters
    ----------
    store : Store
        Where to read.
    evidence : str
        The evidence prefix, as a signed decision names it; or a folder that was copied from it,
        with the same names below.
    copied : bool, default=False
        Whether `evidence` is such a copy: then nothing outside of it is asked.
    """

    def __init__(self, store: Store, evidence: str, *, copied: bool = False) -> None:
        self._store, self._copied = store, copied
        self.place = evidence.rstrip("/")
        self.taken: dict[str, bytes] = {}

    def blob(self, blob: Blob, max_bytes: int = MAX_DOCUMENT) -> bytes:
        """Return a blob whose digest is the one that the signed link names."""
        name = f"sha256/{blob.uri.rpartition('/')[2]}"
        uri = f"{self.place}/{name}" if self._copied else blob.uri
        self.taken[name] = self._store.read(uri, sha256=blob.sha256, max_bytes=max_bytes)
        return self.taken[name]

    def signed(
        self, folder: str, trust: Trust
    ) -> Iterator[tuple[str, Mapping[str, Json], frozenset[str], str]]:
        """Yield URI, statement, signers and digest of every envelope below that somebody signed.

        Whoever may write there can put junk there; it is passed over and locks nobody out.
        """
        uris = [u for u in self._store.list(f"{folder}/") if u.endswith(SUFFIX)]
        if len(uris) > MAX_PAPERS:
            raise EvidenceError(folder, f"at most {MAX_PAPERS} envelopes", str(len(uris)))
        for uri in sorted(uris):
            envelope = self._store.read(uri, max_bytes=MAX_DOCUMENT)
            try:
                statement, signers = trust.open(envelope, uri)
                _, sha256 = envelope_digest(envelope, uri)
            except EvidenceError:
                continue
            self.taken[uri.removeprefix(f"{self.place}/")] = envelope
            yield uri, statement, signers, sha256
