"""Places where bytes are: a file or folder of this machine, a key or folder of a bucket.

Both do the same four things, and everything else is up to :mod:`modelwarden.store`.
"""

import base64
import hashlib
import mimetypes
import os
import random
import secrets
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar
from urllib.parse import quote_from_bytes

from modelwarden.errors import (
    ConflictError,
    InputError,
    ModelWardenError,
    NotFoundError,
    StoreError,
)
from modelwarden.s3_errors import Again, line, s3_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REPEATS, PAUSE_SECONDS = 5, 0.05
"""How often this module tries what botocore does not repeat; the first pause, which doubles."""

CHUNK_BYTES = 2**18  # stays in the cache between being read, hashed and written

OWN = ".modelwarden-"  # names of the probe and of unfinished files; never listed
URIS = "s3://bucket/key, file:///path or a local path"
_T = TypeVar("_T")


class Upload(NamedTuple):
    """Bytes on their way out: where to read them, how many they are, and their digest."""

    stream: BinaryIO
    size: int
    sha256: str


def persist(attempt: Callable[[], _T]) -> _T:
    """Return what `attempt` returns; repeat it, after growing random pauses, while it asks to."""
    for n in range(REPEATS):
        if n:
            time.sleep(random.uniform(0, PAUSE_SECONDS * 2**n))
        try:
            return attempt()
        except Again as again:
            reason = again.reason
    raise reason


class LocalFile:
    """A file or folder; it does the same four things as `S3Object`."""

    def __init__(self, uri: str, path: Path) -> None:
        self.uri, self._path = uri, path
        self.volume = str(path.parent)

    def create(self, upload: Upload) -> bool:
        """Write; False when there is something already."""
        draft = self._path.parent / f"{OWN}{secrets.token_hex(8)}"
        with file_errors(self.uri):
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
        """Yield the bytes, each chunk valid until the next."""
        with file_errors(self.uri):
            if not self._path.is_file():  # opening a pipe would wait for ever
                got = "something else" if self._path.exists() else "nothing"
                raise NotFoundError(self.uri, "a file", got, "correct the path")
            with self._path.open("rb", buffering=0) as source:
                refuse_more(self.uri, os.fstat(source.fileno()).st_size, max_bytes)
                buffer = memoryview(bytearray(CHUNK_BYTES))
                while count := source.readinto(buffer):
                    yield buffer[:count]

    def size(self) -> int | None:
        """Return the number of bytes, or None when there is nothing."""
        with file_errors(self.uri):
            return self._path.stat().st_size if self._path.is_file() else None

    def _write(self, draft: Path, upload: Upload) -> None:
        with draft.open("x+b") as sink:
            upload.stream.seek(0)
            shutil.copyfileobj(upload.stream, sink, CHUNK_BYTES)
            sink.flush()
            os.fsync(sink.fileno())  # or a power cut may leave the name without the bytes
            sink.seek(0)
            if hashlib.file_digest(sink, "sha256").hexdigest() != upload.sha256:
                changed = ("a body that stays as it is", "one that changed", "try again")
                raise StoreError(self.uri, *changed, retryable=True)

    def below(self) -> Iterator[tuple[str, str]]:
        """Yield the URI and version of everything below."""
        with file_errors(self.uri):
            if not self._path.is_dir():
                return
            for folder, _, names in os.walk(self._path, onerror=_raise):
                for name in names:
                    path = os.path.relpath(os.path.join(folder, name), self._path)
                    coded = quote_from_bytes(os.fsencode(path))
                    uri = join(self.uri, coded if self.uri.startswith("file://") else path)
                    yield uri, _version(os.path.join(folder, name))


class S3Object:
    """A key of a bucket, or a folder of keys; it does the four things that storage can do.

    - `create` writes and returns True, or returns False when there is something already;
    - `chunks` yields the bytes, each chunk valid until the next; it may refuse early when there
      seem to be more than `max_bytes`, but counting is up to the reader;
    - `size` returns the number of bytes, or None when there is nothing;
    - `below` yields the URIs of everything in a folder and its folders, each with a text that
      changes when the object does.

    Each may raise `Again`, so they are called through `persist`.
    """

    def __init__(self, client: "S3Client", bucket: str, key: str, kms_key: str | None) -> None:
        self._client, self._bucket, self._key, self._kms_key = client, bucket, key, kms_key
        self.uri = f"s3://{bucket}/{key}"
        self.volume = bucket

    def create(self, upload: Upload) -> bool:
        """Write; False when there is something already."""
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
        """Yield the bytes, each chunk valid until the next."""
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        answer = self._ask(self._client.get_object)
        with closing(answer["Body"]) as body:
            refuse_more(self.uri, answer.get("ContentLength", 0), max_bytes)
            try:
                while chunk := body.read(4 * CHUNK_BYTES):
                    yield chunk
            except (BotoCoreError, HTTPError) as error:
                broken = ("the whole, undamaged object", line(error), "try again")
                raise Again(StoreError(self.uri, *broken, retryable=True)) from error

    def size(self) -> int | None:
        """Return the number of bytes, or None when there is nothing."""
        try:
            return int(self._ask(self._client.head_object)["ContentLength"])
        except NotFoundError:
            return None

    def below(self) -> Iterator[tuple[str, str]]:
        """Yield the URI and version of everything below."""
        folder = f"{self._key.removesuffix('/')}/" if self._key else ""
        pages = self._client.get_paginator("list_objects_v2")
        with s3_errors(self.uri):
            for page in pages.paginate(Bucket=self._bucket, Prefix=folder):
                _check_answer(self.uri, page, "IsTruncated")
                for item in page.get("Contents", ()):
                    version = f"{item.get('Size')} {item.get('ETag')} {item.get('LastModified')}"
                    yield f"s3://{self._bucket}/{item['Key']}", version

    def _ask(self, call: Callable[..., Any], **arguments: Any) -> Mapping[str, Any]:
        with s3_errors(self.uri):
            answer: Mapping[str, Any] = call(Bucket=self._bucket, Key=self._key, **arguments)
        _check_answer(self.uri, answer, "ETag")
        return answer


Place = LocalFile | S3Object


def join(prefix: str, name: str) -> str:
    """Return the URI of what is called `name` in a folder."""
    if not prefix:
        raise InputError("prefix", URIS, "nothing", "name a folder")
    if "://" in prefix and not prefix.partition("://")[2].strip("/"):
        raise InputError("URI", URIS, repr(prefix), "name the bucket")  # or `name` would be one
    return f"{prefix.removesuffix('/')}/{name}"


def refuse_more(where: str, size: int, max_bytes: int) -> None:
    """Refuse more bytes than were asked for."""
    if size > max_bytes:
        raise InputError(where, f"at most {max_bytes} bytes", "more", "check what it is")


def _check_answer(uri: str, answer: Mapping[str, Any], mark: str) -> None:
    """Refuse a 200 without what S3 always sends: a gateway or a login page spoke in its place."""
    if mark not in answer:
        strange = ("an answer of S3", f"one without {mark}", "check what stands in between")
        raise Again(StoreError(uri, *strange, retryable=True))


@contextmanager
def file_errors(where: str) -> Iterator[None]:
    """Raise errors of the file system as ours."""
    try:
        yield
    except ModelWardenError:  # a StoreError is an OSError too
        raise
    except FileNotFoundError as error:
        raise NotFoundError(where, "a file", "nothing", "correct the path") from error
    except OSError as error:
        way_out = "check permissions, free space and the kind of file system"
        raise StoreError(where, "usable local storage", line(error), way_out) from error


def _version(path: str) -> str:
    """Return what changes with a file; "" when it is gone, or leads nowhere."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def _raise(error: OSError) -> None:
    raise error
