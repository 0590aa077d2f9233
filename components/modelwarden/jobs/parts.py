"""What shards leave for the join: one signed receipt per block, and the part that it speaks for.

Below a prefix of the data bucket::

    sha256/<hex>                        the part: numbers, texts and no code
    parts/<task>/<block>.intoto.jsonl   its receipt, signed by the key that signs the result
    parts/<task>/<block>.json           the same without a key; then the result is unsigned, too

``<task>`` is a digest of check, options, inputs, versions and the number of blocks. How many shards
there are is no part of it: blocks are the same, whoever does them.
"""

import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from modelwarden.documents import MAX_DOCUMENT, read_json
from modelwarden.errors import ConflictError, EvidenceError, NotFoundError
from modelwarden.evidence import SUFFIX
from modelwarden.jobs.session import environment
from modelwarden.report import Json, canonical
from modelwarden.signing import STATEMENT_TYPE, Signer
from modelwarden.store import Store

PART = "urn:modelwarden:part:v1"
MAX_BLOCKS = 100_000

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Task:
    """A question that is answered in blocks.

    Parameters
    ----------
    check : str
        Name of the check.
    options : mapping of str to JSON
        Every option, defaults included.
    inputs : mapping of str to str
        SHA-256 by name.
    blocks : int
        How many blocks there are.
    """

    check: str
    options: Mapping[str, Json]
    inputs: Mapping[str, str]
    blocks: int

    def as_json(self) -> dict[str, Json]:
        """Return the task with the versions that take part: others may round otherwise."""
        return {
            "check": self.check,
            "options": dict(self.options),
            "inputs": dict(self.inputs),
            "blocks": self.blocks,
            "environment": {**environment(), "machine": platform.machine()},
        }

    @property
    def key(self) -> str:
        """Return a name for the task: equal tasks, equal names."""
        return sha256(canonical(self.as_json())).hexdigest()


class Parts:
    """The parts of one task.

    Parameters
    ----------
    store : Store
        Where they lie.
    prefix : str
        Below which.
    task : Task
        What they belong to.
    signer : Signer or None
        Signs and verifies receipts; without one nobody vouches for them.
    """

    def __init__(self, store: Store, prefix: str, task: Task, signer: Signer | None) -> None:
        self._store, self._prefix, self._signer = store, prefix.rstrip("/"), signer
        self._task, self._blocks = task.as_json(), task.blocks
        self._folder = f"{self._prefix}/parts/{task.key}"
        self._suffix = ".json" if signer is None else SUFFIX

    def has(self, number: int) -> bool:
        """Whether a block is done.

        Raises
        ------
        EvidenceError
            If its receipt cannot be trusted.
        """
        try:
            digest = self._read(number)
        except NotFoundError:
            return False
        return self._store.head(self._blob(digest)) is not None

    def put(self, number: int, body: bytes) -> None:
        """Write what a block came to; its receipt last.

        Raises
        ------
        EvidenceError
            If somebody else had another result for the same block.
        """
        digest = self._store.put_blob(self._prefix, body).rpartition("/")[2]
        receipt = self._receipt(number, digest)
        sealed = canonical(receipt) if self._signer is None else self._signer.seal(receipt)
        try:
            self._store.put_once(self._uri(number), sealed)
        except ConflictError:  # signatures differ each time
            there = self._read(number)
            if there != digest:
                uri, fix = self._uri(number), "use machines of one kind, and a model that repeats"
                raise EvidenceError(uri, f"the result {there}", f"another, {digest}", fix) from None

    def all(self) -> list[bytes]:
        """Return the parts of all blocks, in their order.

        Raises
        ------
        EvidenceError
            If one is missing, if there is anything else among them, or if a receipt or part is not
            what it was.
        """
        names = {self._uri(number) for number in range(self._blocks)}
        there = set(self._store.list(f"{self._folder}/"))
        if there - names:
            raise EvidenceError(min(there - names), "nothing", "a file that is no part of this")
        if names - there:
            missing = [number for number in range(self._blocks) if self._uri(number) not in there]
            fix = "run all shards, with the same inputs, options, key and versions"
            got = f"{len(missing)} missing, the first of them {missing[0]}"
            raise EvidenceError(self._folder, f"{self._blocks} blocks", got, fix)
        digests = [self._read(number) for number in range(self._blocks)]
        return [self._part(digest) for digest in digests]

    def _part(self, digest: str) -> bytes:
        uri = self._blob(digest)
        try:
            return self._store.get(uri, sha256=digest).path.read_bytes()
        except NotFoundError as error:
            raise EvidenceError(uri, "a part", "nothing", "run its shard again") from error

    def _read(self, number: int) -> str:
        """Return the digest that a block's receipt names."""
        uri = self._uri(number)
        body = self._store.read(uri, max_bytes=MAX_DOCUMENT)
        found = read_json(body, uri) if self._signer is None else self._signer.unseal(body, uri)
        try:
            digest = found["subject"][0]["digest"]["sha256"]
            told = bool(_SHA256.fullmatch(digest))
        except (KeyError, IndexError, TypeError) as error:
            raise EvidenceError(uri, "the receipt of a block", "another document") from error
        if not told or canonical(found) != canonical(self._receipt(number, digest)):
            expected = f"the receipt of block {number} of this very task"
            raise EvidenceError(uri, expected, "another", "find out who put it there")
        return str(digest)

    def _receipt(self, number: int, digest: str) -> dict[str, Json]:
        return {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": f"block {number}", "digest": {"sha256": digest}}],
            "predicateType": PART,
            "predicate": {**self._task, "block": number},
        }

    def _uri(self, number: int) -> str:
        return f"{self._folder}/{number:06d}{self._suffix}"

    def _blob(self, digest: str) -> str:
        return f"{self._prefix}/sha256/{digest}"
