"""The only door to storage: write once, and read with the digest of exactly what was read.

A :class:`Store` speaks to S3 (``s3://bucket/key``) and, because Kubeflow hands out local paths, to
files (``/data/train.csv``, ``file:///data/train.csv``), with the same promises:

- **Nothing is overwritten or deleted.** Every write creates a new key or fails. S3 is asked with
  ``If-None-Match: *``; a file gets its name by a hard link, once it is complete.
- **A retry is harmless.** A write that was cut off may have arrived, and then refuses itself. So
  when a key is taken, its bytes are compared: the same bytes are a success.
- **What is read is what was hashed.** Bytes are copied to a private directory while they are
  hashed, counted while they arrive, and read again when they broke off or were damaged.

To commit several things at once, put content-addressed blobs first and the object that names them
last: whoever reads the last one finds the others.

botocore repeats requests. What it does not is repeated here: a body that breaks off (botocore hands
out bodies before they have arrived), a 409 that asks for a repetition, a damaged upload, and a 200
that no S3 store would give.
"""

import builtins
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from modelwarden import __version__
from modelwarden.aws import session
from modelwarden.errors import ConflictError, EvidenceError, InputError, StoreError
from modelwarden.places import (
    OWN,
    URIS,
    LocalFile,
    Place,
    S3Object,
    Upload,
    file_errors,
    join,
    persist,
    refuse_more,
)
from modelwarden.s3_errors import WRITE_ONCE, WRITE_ONCE_STORES, Again, line

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from modelwarden.buckets import Bucket

MAX_BYTES = 16 * 2**30
"""What `Store.get` accepts unless told otherwise: 16 GiB."""

MAX_PUT_BYTES = 5 * 2**30
"""What S3 accepts in one request, and only one request is atomic everywhere: 5 GiB."""

CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 4.0, 60.0, 4
"""Bounds of one request; an address that never answers fails in about 20 s."""


@dataclass(frozen=True)
class Connection:
    """How to reach S3; what is None comes from boto3's own chain (environment, profile, role).

    Parameters
    ----------
    endpoint_url : str, optional
        The store, such as ``https://s3.internal:9000``; else ``AWS_ENDPOINT_URL``, else Amazon.
    region_name, profile_name : str, optional
        Region to sign for; profile of the shared AWS configuration.
    aws_access_key_id, aws_secret_access_key, aws_session_token : str, optional
        Credentials.
    sse_kms_key_id : str, optional
        KMS key that encrypts what is written; else the bucket's default.
    """

    endpoint_url: str | None = None
    region_name: str | None = None
    profile_name: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: str | None = field(default=None, repr=False)
    aws_session_token: str | None = field(default=None, repr=False)
    sse_kms_key_id: str | None = None


@dataclass(frozen=True)
class File:
    """Something read from storage, on local disk until its store closes.

    Parameters
    ----------
    uri : str
        Where it was read.
    path : Path
        The private copy.
    sha256 : str
        Digest of exactly the bytes at `path`.
    size : int
        Their number.
    """

    uri: str
    path: Path
    sha256: str
    size: int


def blob_folder(prefix: str) -> str:
    """Return the folder below `prefix` that blobs lie in, under their digest."""
    return join(prefix, "sha256")


class Store:
    """Read and create objects; there is no verb that deletes or overwrites.

    Use it as a context manager: the files that `get` returned are removed when it closes. Threads
    may share a store.

    Parameters
    ----------
    connection : Connection, optional
        How to reach S3; boto3's own chain by default. Nothing is contacted before the first call.

    Raises
    ------
    InputError
        From every verb: a URI or connection that cannot be used.
    StoreError
        From every verb: storage did not do what was asked; its ``retryable`` says whether to try
        again.
    """

    def __init__(self, connection: Connection | None = None) -> None:
        self._connection = connection or Connection()
        self._proven: set[str] = set()
        with file_errors("temporary directory"):
            self._directory = tempfile.TemporaryDirectory(prefix="modelwarden-")

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the files that `get` returned."""
        self._directory.cleanup()

    def get(self, uri: str, *, sha256: str = "", max_bytes: int = MAX_BYTES) -> File:
        """Copy an object to local disk and hash it on the way.

        Parameters
        ----------
        uri : str
            The object.
        sha256 : str, default=""
            The digest that it must have, in lower-case hex; "" accepts any.
        max_bytes : int, default=16 GiB
            Larger objects are refused.

        Raises
        ------
        NotFoundError
            If there is nothing at `uri`.
        InputError
            If the object is larger than `max_bytes`.
        EvidenceError
            If the object has another digest.
        """
        place = self._at(uri)
        path = Path(self._directory.name, secrets.token_hex(8))
        try:
            # a local file is copied too: it could change between being hashed and being used
            digest, size = persist(partial(_copy, place, path, max_bytes))
            if sha256 and digest != sha256:
                way_out = "the object changed: find out who wrote it"
                raise EvidenceError(uri, f"sha256 {sha256}", f"sha256 {digest}", way_out)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return File(uri, path, digest, size)

    def read(self, uri: str, *, sha256: str = "", max_bytes: int = 2**20) -> bytes:
        """Return the bytes of a small object; otherwise like `get`."""
        path = self.get(uri, sha256=sha256, max_bytes=max_bytes).path
        try:
            return path.read_bytes()
        finally:
            path.unlink()

    def put_once(self, uri: str, body: bytes | Path) -> str:
        """Create an object and return its SHA-256; the same bytes being there is a success.

        Raises
        ------
        ConflictError
            If other bytes are already at `uri`; nothing was overwritten.
        InputError
            If `body` is larger than 5 GiB.
        """
        place = self._at(uri)
        with _opened(body) as upload:
            persist(partial(_create_or_match, place, upload))
            return upload.sha256

    def put_blob(self, prefix: str, body: bytes | Path, *, suffix: str = "") -> str:
        """Create ``{prefix}/sha256/{digest}{suffix}`` and return its URI; see `put_once`."""
        with _opened(body) as upload:
            uri = f"{blob_folder(prefix)}/{upload.sha256}{suffix}"
            persist(partial(_create_or_match, self._at(uri), upload))
            return uri

    def head(self, uri: str) -> int | None:
        """Return the size of an object in bytes, or None when there is nothing."""
        return persist(self._at(uri).size)

    def list(self, prefix: str) -> builtins.list[str]:
        """Return the sorted URIs of everything in the folder `prefix` and its folders."""
        return [*self.versions(prefix)]

    def versions(self, prefix: str) -> dict[str, str]:
        """Return what `list` does, each with a text that changes when the object is written."""
        place = self._at(prefix, folder=True)
        found = persist(lambda: dict(place.below()))
        own = {uri for uri in found if uri.rpartition("/")[2].startswith(OWN)}
        return {uri: found[uri] for uri in sorted(found.keys() - own)}

    def settings(self, uri: str) -> "Bucket":
        """Return how the bucket of a URI is kept.

        Raises
        ------
        InputError
            If it is no bucket.
        """
        from modelwarden.buckets import read

        place = self._at(uri, folder=True)
        if not isinstance(place, S3Object):
            raise InputError(uri, "a bucket, such as s3://name/", "a local path", "name the bucket")
        return persist(lambda: read(self._client, place.volume))

    def probe(self, prefix: str) -> None:
        """Refuse a store that would let evidence be overwritten.

        One fixed key in the folder `prefix` is put twice with different bytes; the second must be
        refused. This proves that the store knows write-once, not that it is free of races. A
        success is remembered, per bucket.

        Raises
        ------
        StoreError
            If the store ignores or does not know ``If-None-Match``.
        """
        place = self._at(join(prefix, f"{OWN}write-once"))
        if place.volume in self._proven:
            return
        created = [self._create(place, body) for body in (b"first", b"second")]
        if created[1]:  # the first may find the key taken, by an earlier probe
            raise StoreError(prefix, WRITE_ONCE, "a store that overwrites", WRITE_ONCE_STORES)
        self._proven.add(place.volume)

    def _create(self, place: "Place", body: bytes) -> bool:
        with _opened(body) as upload:
            return persist(partial(place.create, upload))

    def _at(self, uri: str, *, folder: bool = False) -> "Place":
        scheme, separator, rest = uri.partition("://")
        bucket, _, key = rest.partition("/")
        if uri and "\0" not in uri:
            if not separator:
                return LocalFile(uri, Path(uri))
            if scheme == "file" and rest.startswith("/"):
                return LocalFile(uri, Path(os.fsdecode(unquote_to_bytes(rest))))
            if scheme == "s3" and bucket and (key or folder) and _is_unicode(key):
                return S3Object(self._client, bucket, key, self._connection.sse_kms_key_id)
        raise InputError("URI", URIS, repr(uri), "correct it")

    @cached_property
    def _client(self) -> "S3Client":
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        options: dict[str, Any] = {k: v or None for k, v in asdict(self._connection).items()}
        endpoint, _ = options.pop("endpoint_url"), options.pop("sse_kms_key_id")
        config = Config(
            user_agent_extra=f"modelwarden/{__version__}",
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        )
        try:
            return session(**options).client("s3", endpoint_url=endpoint, config=config)
        except (BotoCoreError, ValueError) as error:
            way_out = "correct the connection or the AWS_* environment"
            raise InputError("S3 connection", "usable settings", line(error), way_out) from error


def _copy(place: Place, path: Path | str, max_bytes: int) -> tuple[str, int]:
    """Write the bytes of `place` to `path`; return their SHA-256 and number."""
    digest, size = hashlib.sha256(), 0
    with (
        file_errors(str(path)),
        open(path, "wb") as sink,
        closing(place.chunks(max_bytes)) as chunks,
    ):
        for chunk in chunks:
            size += len(chunk)  # the declared size is never believed
            refuse_more(place.uri, size, max_bytes)
            digest.update(chunk)
            sink.write(chunk)
    return digest.hexdigest(), size


def _create_or_match(place: Place, upload: Upload) -> None:
    """Create an object, or make sure that the same bytes are there."""
    if place.create(upload):
        return
    size = place.size()
    if size is None:
        vanished = ("the object that was there a moment ago", "nothing", "try again")
        raise Again(StoreError(place.uri, *vanished, retryable=True))
    if size != upload.size or _copy(place, os.devnull, size)[0] != upload.sha256:
        raise ConflictError(
            place.uri,
            f"nothing, or the same bytes (sha256 {upload.sha256})",
            "other bytes",
            "nothing was overwritten: choose another key",
        )


@contextmanager
def _opened(body: bytes | Path) -> Iterator[Upload]:
    """Open and hash what is to be written."""
    name = str(body) if isinstance(body, Path) else "body"
    with (
        file_errors(name),
        body.open("rb") if isinstance(body, Path) else BytesIO(body) as stream,
    ):
        size = stream.seek(0, os.SEEK_END)
        refuse_more(name, size, MAX_PUT_BYTES)
        stream.seek(0)
        yield Upload(stream, size, hashlib.file_digest(stream, "sha256").hexdigest())


def _is_unicode(text: str) -> bool:
    return text == text.encode(errors="ignore").decode()  # no lone surrogates
