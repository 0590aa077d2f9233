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

botocore repeats requests. This module repeats what botocore does not: a body that breaks off (it
hands out bodies before they have arrived), a 409 that asks for a repetition, a damaged upload, and
a 200 that no S3 store would give.
"""

import base64
import builtins
import hashlib
import mimetypes
import os
import random
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar
from urllib.parse import quote_from_bytes, unquote_to_bytes

from modelwarden import __version__
from modelwarden.errors import (
    ConflictError,
    EvidenceError,
    InputError,
    ModelWardenError,
    NotFoundError,
    StoreError,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_BYTES = 16 * 2**30
"""What `Store.get` accepts unless told otherwise: 16 GiB."""

MAX_PUT_BYTES = 5 * 2**30
"""What S3 accepts in one request, and only one request is atomic everywhere: 5 GiB."""

CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 4.0, 60.0, 4
"""Bounds of one request; an address that never answers fails in about 20 s."""

REPEATS, PAUSE_SECONDS = 5, 0.05
"""How often this module tries what botocore does not repeat; the first pause, which doubles."""

CHUNK_BYTES = 2**18  # stays in the cache between being read, hashed and written

_OWN = ".modelwarden-"  # names of the probe and of unfinished files; never listed
_URIS = "s3://bucket/key, file:///path or a local path"
_T = TypeVar("_T")


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
        with _file_errors("temporary directory"):
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
            digest, size = _persist(partial(_copy, place, path, max_bytes))
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
            _persist(partial(_create_or_match, place, upload))
            return upload.sha256

    def put_blob(self, prefix: str, body: bytes | Path, *, suffix: str = "") -> str:
        """Create ``{prefix}/sha256/{digest}{suffix}`` and return its URI; see `put_once`."""
        with _opened(body) as upload:
            uri = _join(prefix, f"sha256/{upload.sha256}{suffix}")
            _persist(partial(_create_or_match, self._at(uri), upload))
            return uri

    def head(self, uri: str) -> int | None:
        """Return the size of an object in bytes, or None when there is nothing."""
        return _persist(self._at(uri).size)

    def list(self, prefix: str) -> builtins.list[str]:
        """Return the sorted URIs of everything in the folder `prefix` and its folders."""
        place = self._at(prefix, folder=True)
        uris = _persist(lambda: builtins.list(place.below()))
        return sorted(uri for uri in uris if not uri.rpartition("/")[2].startswith(_OWN))

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
        place = self._at(_join(prefix, f"{_OWN}write-once"))
        if place.volume in self._proven:
            return
        created = [self._create(place, body) for body in (b"first", b"second")]
        if created[1]:  # the first may find the key taken, by an earlier probe
            raise StoreError(prefix, _WRITE_ONCE, "a store that overwrites", _WRITE_ONCE_STORES)
        self._proven.add(place.volume)

    def _create(self, place: "_Place", body: bytes) -> bool:
        with _opened(body) as upload:
            return _persist(partial(place.create, upload))

    def _at(self, uri: str, *, folder: bool = False) -> "_Place":
        scheme, separator, rest = uri.partition("://")
        bucket, _, key = rest.partition("/")
        if uri and "\0" not in uri:
            if not separator:
                return _LocalFile(uri, Path(uri))
            if scheme == "file" and rest.startswith("/"):
                return _LocalFile(uri, Path(os.fsdecode(unquote_to_bytes(rest))))
            if scheme == "s3" and bucket and (key or folder) and _is_unicode(key):
                return _S3Object(self._client, bucket, key, self._connection.sse_kms_key_id)
        raise InputError("URI", _URIS, repr(uri), "correct it")

    @cached_property
    def _client(self) -> "S3Client":
        from boto3.session import Session
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
            return Session(**options).client("s3", endpoint_url=endpoint, config=config)
        except (BotoCoreError, ValueError) as error:
            way_out = "correct the connection or the AWS_* environment"
            raise InputError("S3 connection", "usable settings", _line(error), way_out) from error


class _Upload(NamedTuple):
    """Bytes on their way out: where to read them, how many they are, and their digest."""

    stream: BinaryIO
    size: int
    sha256: str


class _Again(Exception):  # noqa: N818 - a request, which only `_persist` hears
    """Do that once more; `reason` is what to raise when it was too often."""

    def __init__(self, reason: StoreError) -> None:
        super().__init__(reason)
        self.reason = reason


def _persist(attempt: Callable[[], _T]) -> _T:
    """Return what `attempt` returns; repeat it, after growing random pauses, while it asks to."""
    for n in range(REPEATS):
        if n:
            time.sleep(random.uniform(0, PAUSE_SECONDS * 2**n))
        try:
            return attempt()
        except _Again as again:
            reason = again.reason
    raise reason


class _LocalFile:
    """A file or folder; it does the same four things as `_S3Object`."""

    def __init__(self, uri: str, path: Path) -> None:
        self.uri, self._path = uri, path
        self.volume = str(path.parent)

    def create(self, upload: _Upload) -> bool:
        draft = self._path.parent / f"{_OWN}{secrets.token_hex(8)}"
        with _file_errors(self.uri):
            draft.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._write(draft, upload)
                os.link(draft, self._path)  # unlike a rename, this never replaces
            except FileExistsError:
                if self._path.is_file():
                    return False
                got = "a folder, pipe or broken link"
                way_out = "choose another path"
                raise InputError(self.uri, "a file or nothing", got, way_out) from None
            finally:
                draft.unlink(missing_ok=True)
        return True

    def chunks(self, max_bytes: int) -> Generator[memoryview]:
        with _file_errors(self.uri):
            if not self._path.is_file():  # opening a pipe would wait for ever
                got = "something else" if self._path.exists() else "nothing"
                raise NotFoundError(self.uri, "a file", got, "correct the path")
            with self._path.open("rb", buffering=0) as source:
                _refuse_more(self.uri, os.fstat(source.fileno()).st_size, max_bytes)
                buffer = memoryview(bytearray(CHUNK_BYTES))
                while count := source.readinto(buffer):
                    yield buffer[:count]

    def size(self) -> int | None:
        with _file_errors(self.uri):
            return self._path.stat().st_size if self._path.is_file() else None

    def _write(self, draft: Path, upload: _Upload) -> None:
        with draft.open("x+b") as sink:
            upload.stream.seek(0)
            shutil.copyfileobj(upload.stream, sink, CHUNK_BYTES)
            sink.flush()
            os.fsync(sink.fileno())  # or a power cut may leave the name without the bytes
            sink.seek(0)
            if hashlib.file_digest(sink, "sha256").hexdigest() != upload.sha256:
                changed = ("a body that stays as it is", "one that changed", "try again")
                raise StoreError(self.uri, *changed, retryable=True)

    def below(self) -> Iterator[str]:
        with _file_errors(self.uri):
            if not self._path.is_dir():
                return
            for folder, _, names in os.walk(self._path, onerror=_raise):
                for name in names:
                    path = os.path.relpath(os.path.join(folder, name), self._path)
                    coded = quote_from_bytes(os.fsencode(path))
                    yield _join(self.uri, coded if self.uri.startswith("file://") else path)


class _S3Object:
    """A key of a bucket, or a folder of keys; it does the four things that storage can do.

    - `create` writes and returns True, or returns False when there is something already;
    - `chunks` yields the bytes, each chunk valid until the next; it may refuse early when there
      seem to be more than `max_bytes`, but counting is up to the reader;
    - `size` returns the number of bytes, or None when there is nothing;
    - `below` yields the URIs of everything in a folder and its folders.

    Each may raise `_Again`, so they are called through `_persist`.
    """

    def __init__(self, client: "S3Client", bucket: str, key: str, kms_key: str | None) -> None:
        self._client, self._bucket, self._key, self._kms_key = client, bucket, key, kms_key
        self.uri = f"s3://{bucket}/{key}"
        self.volume = bucket

    def create(self, upload: _Upload) -> bool:
        encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self._kms_key}
        upload.stream.seek(0)
        try:
            self._ask(
                self._client.put_object,
                Body=upload.stream,
                IfNoneMatch="*",
                # or a browser offers to save a page instead of showing it
                ContentType=mimetypes.guess_type(self._key)[0] or "application/octet-stream",
                ChecksumAlgorithm="SHA256",
                # of the bytes that were hashed here: a store that checks it refuses any others
                ChecksumSHA256=base64.b64encode(bytes.fromhex(upload.sha256)).decode(),
                **(encryption if self._kms_key else {}),
            )
        except ConflictError:
            return False
        return True

    def chunks(self, max_bytes: int) -> Generator[bytes]:
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        answer = self._ask(self._client.get_object)
        with closing(answer["Body"]) as body:
            _refuse_more(self.uri, answer.get("ContentLength", 0), max_bytes)
            try:
                while chunk := body.read(4 * CHUNK_BYTES):
                    yield chunk
            except (BotoCoreError, HTTPError) as error:
                broken = ("the whole, undamaged object", _line(error), "try again")
                raise _Again(StoreError(self.uri, *broken, retryable=True)) from error

    def size(self) -> int | None:
        try:
            return int(self._ask(self._client.head_object)["ContentLength"])
        except NotFoundError:
            return None

    def below(self) -> Iterator[str]:
        folder = f"{self._key.removesuffix('/')}/" if self._key else ""
        pages = self._client.get_paginator("list_objects_v2")
        with _s3_errors(self.uri):
            for page in pages.paginate(Bucket=self._bucket, Prefix=folder):
                _check_answer(self.uri, page, "IsTruncated")
                for item in page.get("Contents", ()):
                    yield f"s3://{self._bucket}/{item['Key']}"

    def _ask(self, call: Callable[..., Any], **arguments: Any) -> Mapping[str, Any]:
        with _s3_errors(self.uri):
            answer: Mapping[str, Any] = call(Bucket=self._bucket, Key=self._key, **arguments)
        _check_answer(self.uri, answer, "ETag")
        return answer


_Place = _LocalFile | _S3Object


def _copy(place: _Place, path: Path | str, max_bytes: int) -> tuple[str, int]:
    """Write the bytes of `place` to `path`; return their SHA-256 and number."""
    digest, size = hashlib.sha256(), 0
    with (
        _file_errors(str(path)),
        open(path, "wb") as sink,
        closing(place.chunks(max_bytes)) as chunks,
    ):
        for chunk in chunks:
            size += len(chunk)  # the declared size is never believed
            _refuse_more(place.uri, size, max_bytes)
            digest.update(chunk)
            sink.write(chunk)
    return digest.hexdigest(), size


def _create_or_match(place: _Place, upload: _Upload) -> None:
    """Create an object, or make sure that the same bytes are there."""
    if place.create(upload):
        return
    size = place.size()
    if size is None:
        vanished = ("the object that was there a moment ago", "nothing", "try again")
        raise _Again(StoreError(place.uri, *vanished, retryable=True))
    if size != upload.size or _copy(place, os.devnull, size)[0] != upload.sha256:
        raise ConflictError(
            place.uri,
            f"nothing, or the same bytes (sha256 {upload.sha256})",
            "other bytes",
            "nothing was overwritten: choose another key",
        )


@contextmanager
def _opened(body: bytes | Path) -> Iterator[_Upload]:
    """Open and hash what is to be written."""
    name = str(body) if isinstance(body, Path) else "body"
    with (
        _file_errors(name),
        body.open("rb") if isinstance(body, Path) else BytesIO(body) as stream,
    ):
        size = stream.seek(0, os.SEEK_END)
        _refuse_more(name, size, MAX_PUT_BYTES)
        stream.seek(0)
        yield _Upload(stream, size, hashlib.file_digest(stream, "sha256").hexdigest())


def _join(prefix: str, name: str) -> str:
    if not prefix:
        raise InputError("prefix", _URIS, "nothing", "name a folder")
    return f"{prefix.removesuffix('/')}/{name}"


def _is_unicode(text: str) -> bool:
    return text == text.encode(errors="ignore").decode()  # no lone surrogates


def _refuse_more(where: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise InputError(where, f"at most {max_bytes} bytes", "more", "check what it is")


def _check_answer(uri: str, answer: Mapping[str, Any], mark: str) -> None:
    """Refuse a 200 without what S3 always sends: a gateway or a login page spoke in its place."""
    if mark not in answer:
        strange = ("an answer of S3", f"one without {mark}", "check what stands in between")
        raise _Again(StoreError(uri, *strange, retryable=True))


def _line(error: object) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")


def _raise(error: OSError) -> None:
    raise error


@contextmanager
def _file_errors(where: str) -> Iterator[None]:
    try:
        yield
    except ModelWardenError:  # a StoreError is an OSError too
        raise
    except FileNotFoundError as error:
        raise NotFoundError(where, "a file", "nothing", "correct the path") from error
    except OSError as error:
        way_out = "check permissions, free space and the kind of file system"
        raise StoreError(where, "usable local storage", _line(error), way_out) from error


@contextmanager
def _s3_errors(uri: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, RecursionError, ValueError) as error:
        raise _explained(error, uri) from error


class _Meaning(NamedTuple):
    """What errors of S3 mean: their names, our words, our class, and whether to try again."""

    names: str
    expected: str
    fix: str
    kind: type[StoreError] | type[InputError] = StoreError
    again: str = ""  # "here", by this module, or "later", by whoever called


_WRITE_ONCE = "a store that creates an object only once (If-None-Match: *)"
_WRITE_ONCE_STORES = "this store cannot hold evidence: use Amazon S3, Ceph RGW or their equal"
_OTHER = _Meaning("", "success", "see the message")
_MEANINGS = (
    # by S3's code or botocore's exception
    _Meaning(
        "ExpiredToken InvalidAccessKeyId InvalidToken SignatureDoesNotMatch NoCredentialsError "
        "PartialCredentialsError CredentialRetrievalError TokenRetrievalError SSOError",
        "valid credentials for {action} on {arn}",
        "renew or correct them",
    ),
    _Meaning("NoSuchBucket", "a bucket {bucket!r}", "correct the URI", NotFoundError),
    _Meaning(
        "InvalidBucketName KeyTooLongError ParamValidationError",
        "a usable bucket and key",
        "correct the URI",
        InputError,
    ),
    _Meaning("InvalidObjectState", "an object that is not archived", "restore it first"),
    _Meaning("RequestTimeTooSkewed", "equal clocks", "set the clock of this machine"),
    _Meaning("SSLError", "a certificate that is trusted", "set AWS_CA_BUNDLE"),
    _Meaning(
        "BadDigest XAmzContentSHA256Mismatch",
        "the bytes that were sent",
        "they changed on the way: try again",
        again="here",
    ),
    _Meaning(
        # botocore asks whoever redirects without naming a region until RecursionError
        "AuthorizationHeaderMalformed RecursionError 3xx",
        "the address and region of bucket {bucket!r}",
        "set endpoint_url and region_name",
    ),
    _Meaning(
        # botocore's parser lets a ValueError through
        "ConnectionError HTTPClientError ValueError RequestTimeout 429 5xx",
        "an answer of the store",
        "check its address, then try again",
        again="later",
    ),
    # by status alone, which is all that a HEAD tells
    _Meaning("400", "a valid request", "see its words; a HEAD with expired credentials has none"),
    _Meaning(
        "403",
        "permission for {action} on {arn}",
        "check the policies of role, bucket and KMS key; without s3:ListBucket, "
        "what does not exist looks forbidden too",
    ),
    _Meaning("404", "an object {key!r} in bucket {bucket!r}", "correct the URI", NotFoundError),
    _Meaning("409", "no other write at the same time", "try again", again="here"),
    _Meaning("412", "nothing at this key", "choose another key", ConflictError),
    _Meaning("501", _WRITE_ONCE, _WRITE_ONCE_STORES),
)
_BY_NAME = {name: meaning for meaning in _MEANINGS for name in meaning.names.split()}
_ACTIONS = {
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
}


def _explained(error: Exception, uri: str) -> Exception:
    """Return botocore's error in our words, or the wish to try again."""
    operation, response = getattr(error, "operation_name", ""), getattr(error, "response", None)
    if response is None:
        names, got = [kind.__name__ for kind in type(error).__mro__], _line(error)
    else:
        status = str(response["ResponseMetadata"]["HTTPStatusCode"])
        names = [response["Error"].get("Code", ""), status, f"{status[0]}xx"]
        got = _line(f"{names[0]}: {response['Error'].get('Message', '')}")
    meaning = next((_BY_NAME[name] for name in names if name in _BY_NAME), _OTHER)
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    arn = f"arn:aws:s3:::{bucket}" + (f"/{key}" if operation != "ListObjectsV2" else "")
    action = _ACTIONS.get(operation, operation or "any request")
    expected = meaning.expected.format(bucket=bucket, key=key, action=action, arn=arn)
    if issubclass(meaning.kind, InputError):
        return meaning.kind(uri, expected, got, meaning.fix)
    reason = meaning.kind(uri, expected, got, meaning.fix, bool(meaning.again))
    return _Again(reason) if meaning.again == "here" else reason
