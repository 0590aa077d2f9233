"""The store against a real S3 server, a proxy with faults, local files and SIGKILL.

F1 to F16 and F20 are numbered as in the table of faults of the documentation.
"""

import hashlib
import inspect
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwarden import places
from modelwarden import store as module
from modelwarden.errors import (
    ConflictError,
    EvidenceError,
    InputError,
    NotFoundError,
    StoreError,
)
from modelwarden.store import Connection, File, Store
from s3 import S3, Answer, FaultProxy, refusal

BODY = b"age,label\n41,0\n17,1\n" * 50


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "PAUSE_SECONDS", 0.002)


@pytest.fixture(scope="module")
def store(s3: S3) -> Iterator[Store]:
    """The server without a proxy, found as users find it: through the environment."""
    with Store() as store:
        yield store


@pytest.fixture
def faulty(proxy: FaultProxy) -> Iterator[Store]:
    with Store(Connection(endpoint_url=proxy.endpoint)) as store:
        yield store


@pytest.fixture(params=["s3", "path", "file"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder on each kind of storage: what follows must hold on all of them."""
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/folder"
    folder = tmp_path / "a folder"
    return str(folder) if request.param == "path" else folder.as_uri()


# What holds on every kind of storage


def test_what_was_put_is_what_is_read(store: Store, root: str) -> None:
    sha256 = store.put_once(f"{root}/train.csv", BODY)

    file = store.get(f"{root}/train.csv")

    assert file == File(f"{root}/train.csv", file.path, digest(BODY), len(BODY))
    assert (sha256, file.path.read_bytes()) == (digest(BODY), BODY)


def test_an_empty_body_is_a_body(store: Store, root: str) -> None:
    store.put_once(f"{root}/empty", b"")

    assert (store.read(f"{root}/empty"), store.head(f"{root}/empty")) == (b"", 0)


def test_a_file_can_be_put(store: Store, root: str, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(BODY)

    store.put_once(f"{root}/model", tmp_path / "model")

    assert store.read(f"{root}/model") == BODY


def test_nothing_is_overwritten(store: Store, root: str) -> None:
    store.put_once(f"{root}/decision", b"deny")

    with pytest.raises(ConflictError, match="nothing was overwritten: choose another key"):
        store.put_once(f"{root}/decision", b"alow")

    assert store.read(f"{root}/decision") == b"deny"


def test_a_longer_body_is_a_conflict_too(store: Store, root: str) -> None:
    store.put_once(f"{root}/decision", b"deny")

    with pytest.raises(ConflictError):
        store.put_once(f"{root}/decision", b"deny, but")


def test_putting_the_same_bytes_again_is_no_error(store: Store, root: str) -> None:
    assert store.put_once(f"{root}/a", BODY) == store.put_once(f"{root}/a", BODY)


def test_a_blob_is_named_by_its_bytes(store: Store, root: str) -> None:
    uri = store.put_blob(f"{root}/", BODY)

    assert uri == store.put_blob(root, BODY) == f"{root}/sha256/{digest(BODY)}"
    assert store.read(uri, sha256=digest(BODY)) == BODY


def test_what_is_not_there_has_no_size_and_cannot_be_read(store: Store, root: str) -> None:
    assert store.head(f"{root}/nothing") is None
    with pytest.raises(NotFoundError, match="nothing"):
        store.get(f"{root}/nothing")


def test_f16_an_object_that_changed_is_refused(store: Store, root: str, tmp_path: Path) -> None:
    store.put_once(f"{root}/model", BODY)

    with pytest.raises(EvidenceError, match=f"{digest(b'reviewed')}.*{digest(BODY)}.*changed"):
        store.get(f"{root}/model", sha256=digest(b"reviewed"))


def test_a_refused_object_leaves_no_copy(store: Store, root: str) -> None:
    store.put_once(f"{root}/a", BODY)
    copies = store.get(f"{root}/a").path.parent
    before = list(copies.iterdir())

    with pytest.raises(EvidenceError):
        store.get(f"{root}/a", sha256=digest(b""))

    assert list(copies.iterdir()) == before


@pytest.mark.parametrize("size", [10, 5 * 2**20])
def test_an_object_above_the_bound_is_refused(store: Store, root: str, size: int) -> None:
    store.put_once(f"{root}/large", bytes(size))

    assert store.get(f"{root}/large", max_bytes=size).size == size
    with pytest.raises(InputError, match=f"at most {size - 1} bytes"):
        store.get(f"{root}/large", max_bytes=size - 1)


def test_a_list_is_sorted_and_holds_what_is_in_the_folder_only(store: Store, root: str) -> None:
    names = ["runs/b", "runs/a b", "runs/deep/er/ü", "runs2/other", "run"]
    for name in names:
        store.put_once(f"{root}/{name}", b"")

    listed = store.list(f"{root}/runs")

    assert [store.read(uri) for uri in listed] == [b"", b"", b""]
    assert listed == store.list(f"{root}/runs/") == sorted(listed)
    assert [uri.removeprefix(f"{root}/runs/")[:1] for uri in listed] == ["a", "b", "d"]


def test_a_folder_that_is_not_there_is_empty(store: Store, root: str) -> None:
    assert store.list(f"{root}/nothing") == []


@pytest.mark.parametrize("name", ["a b+c", "ünï/çødé", "per%25cent", "q?a=b#c", "'\"<&>", "a//b"])
def test_odd_names_are_kept(store: Store, root: str, name: str) -> None:
    if root.startswith("file:"):
        name = quote(name)
    store.put_once(f"{root}/{name}", name.encode())

    assert store.read(f"{root}/{name}") == name.encode()
    if "//" not in name:  # a file system makes one slash of two
        assert store.list(root) == [f"{root}/{name}"]


def test_of_sixteen_racing_writers_one_wins(store: Store, root: str) -> None:
    start, wins, conflicts = threading.Barrier(16), [], []

    def write(n: int) -> None:
        start.wait()
        try:
            wins.append(store.put_once(f"{root}/decision", b"%d" % n))
        except ConflictError as conflict:
            conflicts.append(conflict)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (wins, len(conflicts)) == ([digest(store.read(f"{root}/decision"))], 15)


def test_a_store_that_honours_write_once_passes_every_time(store: Store, root: str) -> None:
    store.probe(root)
    store.probe(root)
    with Store() as another:
        another.probe(root)

    assert store.list(root) == []


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.binary(max_size=2**16))
def test_any_bytes_survive_the_round_trip(store: Store, root: str, body: bytes) -> None:
    uri = store.put_blob(root, body)

    assert (store.read(uri), store.head(uri)) == (body, len(body))


def test_the_copies_are_gone_when_the_store_closes(root: str, store: Store) -> None:
    store.put_once(f"{root}/a", BODY)
    with Store() as another:
        path = another.get(f"{root}/a").path
        assert path.exists()

    assert not path.parent.exists()


# What was asked for wrongly


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "s3://",
        "s3://bucket",
        "s3://bucket/",
        "s3:///key",
        "s3a://bucket/key",
        "http://host/key",
        "file://host/key",
        "/a\0b",
        "s3://bucket/\udcff",
        "s3://bad bucket/key",
    ],
)
def test_a_uri_that_means_nothing_is_refused(store: Store, uri: str) -> None:
    for verb in (store.get, store.head, lambda uri: store.put_once(uri, b"")):
        with pytest.raises(InputError, match=r"s3://bucket/key|usable bucket"):
            verb(uri)


@pytest.mark.parametrize("verb", ["list", "probe", "put_blob"])
def test_a_folder_needs_a_name(store: Store, verb: str) -> None:
    with pytest.raises(InputError):
        getattr(store, verb)("", *([b""] if verb == "put_blob" else []))


def test_a_whole_bucket_is_a_folder(store: Store, bucket: str) -> None:
    store.probe(bucket)

    assert [store.put_blob(bucket, BODY)] == store.list(bucket) == store.list(f"{bucket}/")


def test_an_object_too_large_for_one_request_is_refused(
    store: Store, bucket: str, tmp_path: Path
) -> None:
    with (tmp_path / "large").open("wb") as sparse:
        sparse.truncate(5 * 2**30 + 1)

    with pytest.raises(InputError, match="at most 5368709120 bytes"):
        store.put_once(f"{bucket}/large", tmp_path / "large")


def test_a_body_that_is_not_there_is_named(store: Store, bucket: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="gone"):
        store.put_once(f"{bucket}/a", tmp_path / "gone")


def test_a_body_that_changes_while_it_is_put_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="one that changed"):
        store.put_once(f"{tmp_path}/a", Path("/proc/sys/kernel/random/uuid"))

    assert store.list(str(tmp_path)) == []


def test_what_is_no_file_is_refused_at_once(store: Store, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "file").touch()

    for name in ("pipe", "link", "."):
        with pytest.raises(NotFoundError):
            store.get(str(tmp_path / name))
        with pytest.raises(InputError, match="folder, pipe or broken link"):
            store.put_once(f"{tmp_path}/{name}", b"")
    with pytest.raises(StoreError, match="usable local storage"):
        store.put_once(f"{tmp_path}/file/below", b"")


def test_a_full_disk_is_a_store_error(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(BODY)
    copies = store.get(str(tmp_path / "a")).path.parent
    (copies / "full").symlink_to("/dev/full")
    monkeypatch.setattr("secrets.token_hex", lambda _: "full")

    with pytest.raises(StoreError, match=r"No space left on device.*free space"):
        store.get(str(tmp_path / "a"))


def test_a_bucket_that_is_not_there_is_named(store: Store, s3: S3) -> None:
    for verb in (store.list, store.get, lambda uri: store.put_once(uri, b"")):
        with pytest.raises(NotFoundError, match="a bucket 'no-such-bucket'"):
            verb("s3://no-such-bucket/key")


# Connections


def test_a_connection_never_shows_its_secrets() -> None:
    connection = Connection(aws_secret_access_key="hunter2", aws_session_token="hunter3")

    assert "hunter" not in f"{connection} {connection!r}"


def test_importing_the_store_does_not_import_boto3() -> None:
    code = "import modelwarden.store, sys; sys.exit('boto3' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "connection", [Connection(endpoint_url="not a url"), Connection(profile_name="nobody")]
)
def test_a_connection_that_cannot_be_used_is_refused(s3: S3, connection: Connection) -> None:
    with Store(connection) as store, pytest.raises(InputError, match="correct the connection"):
        store.head("s3://bucket/key")


def test_an_empty_setting_is_an_absent_one(bucket: str) -> None:
    with Store(Connection(**dict.fromkeys(Connection.__dataclass_fields__, ""))) as store:
        assert store.head(f"{bucket}/a") is None


def test_missing_credentials_are_named(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with Store() as store, pytest.raises(StoreError, match="valid credentials") as caught:
        store.head(f"{bucket}/a")

    assert not caught.value.retryable


def test_encryption_and_user_agent_reach_the_server(proxy: FaultProxy, bucket: str) -> None:
    connection = Connection(endpoint_url=proxy.endpoint, sse_kms_key_id="alias/evidence")
    with Store(connection) as store:
        store.put_once(f"{bucket}/a", BODY)

    sent = proxy.log[-1].headers
    assert sent["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/evidence"
    assert "modelwarden/" in sent["User-Agent"]


@pytest.mark.parametrize("listening", [False, True])
def test_an_endpoint_that_nobody_answers_at_fails_soon(
    s3: S3, monkeypatch: pytest.MonkeyPatch, listening: bool
) -> None:
    monkeypatch.setattr(module, "READ_SECONDS", 0.1)
    before = time.monotonic()

    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:
        connection = Connection(endpoint_url=f"http://127.0.0.1:{server.getsockname()[1]}")
        if not listening:
            server.close()
        store = stack.enter_context(Store(connection))
        with pytest.raises(StoreError, match="check its address") as caught:
            store.get("s3://bucket/key")

    assert caught.value.retryable
    assert time.monotonic() - before < 15


# Faults between here and the server


def put_and_read_back(faulty: Store, store: Store, uri: str) -> None:
    """Put through the proxy; the server must hold the very bytes."""
    assert faulty.put_once(uri, BODY) == digest(BODY)
    assert store.read(uri) == BODY


def test_f1_a_500_before_the_write(
    proxy: FaultProxy, faulty: Store, store: Store, bucket: str
) -> None:
    proxy.plan("500_before")

    put_and_read_back(faulty, store, f"{bucket}/a")


def test_f2_a_500_after_the_write_is_found_to_be_written(
    proxy: FaultProxy, faulty: Store, store: Store, bucket: str
) -> None:
    proxy.plan("500_after")

    put_and_read_back(faulty, store, f"{bucket}/a")
    assert [request.method for request in proxy.log] == ["PUT", "PUT", "HEAD", "GET"]


def test_f2_a_500_after_the_write_of_another_is_a_conflict(
    proxy: FaultProxy, faulty: Store, store: Store, bucket: str
) -> None:
    store.put_once(f"{bucket}/a", b"another")
    proxy.plan("500_after")

    with pytest.raises(ConflictError):
        faulty.put_once(f"{bucket}/a", BODY)


def test_f3_a_reset_before_the_write(
    proxy: FaultProxy, faulty: Store, store: Store, bucket: str
) -> None:
    proxy.plan("reset_before")

    put_and_read_back(faulty, store, f"{bucket}/a")


def test_f4_a_reset_after_the_write(
    proxy: FaultProxy, faulty: Store, store: Store, bucket: str
) -> None:
    proxy.plan("reset_after")

    put_and_read_back(faulty, store, f"{bucket}/a")


def test_f5_a_timeout_after_the_write(
    proxy: FaultProxy,
    faulty: Store,
    store: Store,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "READ_SECONDS", 1.0)
    proxy.plan("stall")

    put_and_read_back(faulty, store, f"{bucket}/a")


def test_f6_a_burst_of_503(proxy: FaultProxy, faulty: Store, store: Store, bucket: str) -> None:
    proxy.plan("503x2")

    put_and_read_back(faulty, store, f"{bucket}/a")


def test_f6_a_store_that_stays_overloaded_may_be_tried_later(
    proxy: FaultProxy, faulty: Store, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ATTEMPTS", 2)
    proxy.always = "503"

    with pytest.raises(StoreError, match="SlowDown") as caught:
        faulty.put_once(f"{bucket}/a", BODY)

    assert caught.value.retryable
    assert len(proxy.log) == 2


def test_f7_a_409_is_tried_again(
    proxy: FaultProxy, faulty: Store, store: Store, bucket: str
) -> None:
    proxy.plan("409", "409")

    put_and_read_back(faulty, store, f"{bucket}/a")


def test_f7_a_409_that_stays_may_be_tried_later(
    proxy: FaultProxy, faulty: Store, bucket: str
) -> None:
    proxy.always = "409"

    with pytest.raises(StoreError, match="ConditionalRequestConflict") as caught:
        faulty.put_once(f"{bucket}/a", BODY)

    assert caught.value.retryable
    assert len(proxy.log) == places.REPEATS


@pytest.mark.parametrize(
    ("verb", "action"),
    [
        ("put_once", "PutObject"),
        ("get", "GetObject"),
        ("head", "GetObject"),
        ("list", "ListBucket"),
    ],
)
def test_f8_a_403_names_action_and_resource_and_is_not_retried(
    proxy: FaultProxy, faulty: Store, bucket: str, verb: str, action: str
) -> None:
    proxy.always = "403"
    arn = bucket.replace("s3://", "arn:aws:s3:::") + ("" if verb == "list" else "/a")

    with pytest.raises(StoreError, match=f"permission for s3:{action} on {arn}, got") as caught:
        getattr(faulty, verb)(f"{bucket}/a", *([BODY] if verb == "put_once" else []))

    assert not caught.value.retryable
    assert len(proxy.log) == 1


@pytest.mark.parametrize(
    ("status", "code", "words", "retryable"),
    [
        (403, "InvalidAccessKeyId", "valid credentials for s3:GetObject", False),
        (403, "SignatureDoesNotMatch", "valid credentials", False),
        (400, "ExpiredToken", "valid credentials", False),
        (403, "RequestTimeTooSkewed", "clock", False),
        (403, "InvalidObjectState", "restore", False),
        (400, "AuthorizationHeaderMalformed", "region", False),
        (400, "KMS.DisabledException", "KMS.DisabledException", False),
        (418, "Teapot", "Teapot", False),
        (500, "InternalError", "try again", True),
    ],
)
def test_what_s3_refuses_is_put_into_words(
    proxy: FaultProxy,
    faulty: Store,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    code: str,
    words: str,
    retryable: bool,
) -> None:
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    proxy.always = refusal(status, code)

    with pytest.raises(StoreError, match=words) as caught:
        faulty.get(f"{bucket}/a")

    assert caught.value.retryable is retryable
    assert f"{code}: injected" in str(caught.value)


def test_a_redirect_to_elsewhere_asks_for_the_address(
    proxy: FaultProxy, faulty: Store, bucket: str
) -> None:
    proxy.always = Answer(301, (("Location", "https://elsewhere/"),))

    with pytest.raises(StoreError, match="set endpoint_url") as caught:
        faulty.get(f"{bucket}/a")

    assert not caught.value.retryable


def test_a_head_that_is_refused_without_words_hints_at_the_credentials(
    proxy: FaultProxy, faulty: Store, bucket: str
) -> None:
    proxy.always = refusal(400, "ExpiredToken")

    with pytest.raises(StoreError, match="expired credentials") as caught:
        faulty.head(f"{bucket}/a")

    assert not caught.value.retryable


def test_f9_a_missing_object_is_named(store: Store, bucket: str) -> None:
    with pytest.raises(NotFoundError, match=f"object 'runs/a' in bucket '{bucket[5:]}'"):
        store.get(f"{bucket}/runs/a")


@pytest.mark.parametrize("fault", ["truncate", "reset_during", "flip"])
def test_f10_f11_a_broken_body_is_read_again(
    proxy: FaultProxy, faulty: Store, store: Store, bucket: str, fault: str
) -> None:
    body = BODY * 3000  # more than a chunk: half of it is on disk when the rest fails to come
    store.put_once(f"{bucket}/a", body)
    proxy.plan(fault, fault)

    file = faulty.get(f"{bucket}/a")

    assert (file.sha256, file.path.read_bytes()) == (digest(body), body)


@pytest.mark.parametrize("fault", ["truncate", "reset_during", "flip"])
def test_f10_f11_a_body_that_stays_broken_is_refused(
    proxy: FaultProxy, faulty: Store, store: Store, bucket: str, fault: str
) -> None:
    store.put_once(f"{bucket}/a", BODY)
    proxy.always = fault

    with pytest.raises(StoreError, match="the whole, undamaged object") as caught:
        faulty.get(f"{bucket}/a")

    assert caught.value.retryable
    assert len(proxy.log) == places.REPEATS


def test_f11_an_upload_that_was_damaged_is_sent_again(
    proxy: FaultProxy, faulty: Store, store: Store, bucket: str
) -> None:
    proxy.plan("bad_digest")

    put_and_read_back(faulty, store, f"{bucket}/a")
    assert proxy.log[0].headers["x-amz-checksum-sha256"]


def test_f12_an_empty_200_is_no_answer(
    proxy: FaultProxy, faulty: Store, store: Store, bucket: str
) -> None:
    proxy.plan("empty200")
    put_and_read_back(faulty, store, f"{bucket}/a")

    proxy.plan("empty200", "", "empty200", "", "empty200")

    assert faulty.head(f"{bucket}/a") == len(BODY)
    assert faulty.read(f"{bucket}/a") == BODY
    assert faulty.list(bucket) == [f"{bucket}/a"]


@pytest.mark.parametrize(
    "page",
    [
        Answer(200),
        Answer(200, body=b"<html>log in</html>"),
        Answer(200, body=b"log in<"),
        Answer(200, (("ETag", "a"), ("Last-Modified", "never")), b"{}"),
        Answer(502, body=b"<h1>Bad gateway"),
    ],
)
def test_f12_a_login_page_is_no_store(
    proxy: FaultProxy, faulty: Store, bucket: str, monkeypatch: pytest.MonkeyPatch, page: Answer
) -> None:
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    proxy.always = page

    for verb in (faulty.get, faulty.head, faulty.list, lambda uri: faulty.put_once(uri, BODY)):
        with pytest.raises(StoreError) as caught:
            verb(f"{bucket}/a")
        assert caught.value.retryable


def test_f13_a_request_that_arrives_twice(
    proxy: FaultProxy, faulty: Store, store: Store, bucket: str
) -> None:
    proxy.plan("dup_put")

    put_and_read_back(faulty, store, f"{bucket}/a")


def test_an_object_that_vanished_is_put_again(
    proxy: FaultProxy, faulty: Store, store: Store, bucket: str
) -> None:
    proxy.plan(refusal(412, "PreconditionFailed"), "404")

    put_and_read_back(faulty, store, f"{bucket}/a")


def test_f15_of_two_runs_that_decide_one_wins(store: Store, bucket: str) -> None:
    with Store() as another:
        store.put_once(f"{bucket}/decision", b"allow")
        with pytest.raises(ConflictError, match=digest(b"deny")):
            another.put_once(f"{bucket}/decision", b"deny")


def test_f16_an_object_that_was_overwritten_between_check_and_deploy(
    s3: S3, store: Store, bucket: str
) -> None:
    checked = store.put_once(f"{bucket}/model", BODY)
    s3.overwrite(f"{bucket}/model", b"swapped")

    with pytest.raises(EvidenceError, match=digest(b"swapped")):
        store.get(f"{bucket}/model", sha256=checked)


def test_f20_a_store_that_ignores_write_once_is_refused(
    proxy: FaultProxy, faulty: Store, bucket: str
) -> None:
    proxy.always = "ignore_if_none_match"

    for _ in range(2):  # a failure is not remembered as a success
        with pytest.raises(StoreError, match="overwrites; this store cannot hold evidence"):
            faulty.probe(bucket)


def test_f20_a_store_that_knows_write_once_now_and_then_is_refused(
    proxy: FaultProxy, faulty: Store, store: Store, bucket: str
) -> None:
    store.probe(bucket)
    proxy.plan("", "ignore_if_none_match")

    with pytest.raises(StoreError, match="cannot hold evidence"):
        faulty.probe(bucket)


def test_f20_a_store_without_write_once_is_refused(
    proxy: FaultProxy, faulty: Store, bucket: str
) -> None:
    proxy.always = "not_implemented"

    with pytest.raises(StoreError, match="cannot hold evidence: use") as caught:
        faulty.probe(bucket)

    assert not caught.value.retryable


def test_f20_a_success_is_remembered_for_its_bucket_only(
    proxy: FaultProxy, faulty: Store, s3: S3, bucket: str
) -> None:
    faulty.probe(bucket)
    faulty.probe(f"{bucket}/elsewhere")
    assert len(proxy.log) == 2

    faulty.probe(s3.bucket())
    assert len(proxy.log) == 4


def test_a_body_that_never_ends_is_refused_while_it_comes(
    proxy: FaultProxy, faulty: Store, store: Store, bucket: str
) -> None:
    store.put_once(f"{bucket}/a", BODY)
    proxy.always = "endless"

    with pytest.raises(InputError, match="at most 3000000 bytes"):
        faulty.get(f"{bucket}/a", max_bytes=3_000_000)


def test_a_size_that_is_too_large_is_refused_before_the_body(
    proxy: FaultProxy, faulty: Store, bucket: str
) -> None:
    proxy.always = Answer(200, (("ETag", '"a"'),), length=10**15)

    with pytest.raises(InputError, match="at most"):
        faulty.get(f"{bucket}/a")


def test_every_page_is_listed(
    store: Store, bucket: str, monkeypatch: pytest.MonkeyPatch, proxy: FaultProxy, faulty: Store
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    uris = sorted(store.put_once(f"{bucket}/{n}", b"") and f"{bucket}/{n}" for n in range(8))

    assert faulty.list(bucket) == uris
    assert len(proxy.log) == 3


# A process that dies


PARTS = {"kept": b"41,0\n", "report": b"{}"}


def commit(store: Store, folder: str, parts: dict[str, bytes]) -> None:
    """Put two blobs, then the manifest that names them."""
    uris = {name: store.put_blob(folder, body) for name, body in parts.items()}
    names = {name: uri.removeprefix(folder) for name, uri in uris.items()}
    store.put_once(f"{folder}/manifest", json.dumps(names, sort_keys=True).encode())


def is_committed(store: Store, folder: str) -> bool:
    """Return whether a commit is visible; what is visible must be whole."""
    if store.head(f"{folder}/manifest") is None:
        return False
    names = json.loads(store.read(f"{folder}/manifest"))
    assert {part: store.read(folder + name) for part, name in names.items()} == PARTS
    return True


def content(store: Store, folder: str) -> dict[str, bytes]:
    return {uri.removeprefix(folder): store.read(uri) for uri in store.list(folder)}


COMMIT = f"""
import json, os, signal, sys
from modelwarden.store import Connection, Store
PARTS = {PARTS!r}
{inspect.getsource(commit)}
"""

KILLED_AT_A_REQUEST = f"""
{COMMIT}
with Store(Connection(endpoint_url=sys.argv[1])) as store:
    commit(store, sys.argv[2], PARTS)
"""

KILLED_AT_EVERY_FILE_OPERATION = f"""
{COMMIT}
def run(folder, step):
    left = iter(range(step))
    def watch(event, arguments):
        if event in ("open", "os.mkdir", "os.link", "os.remove") and folder in str(arguments[0]):
            next(left, None) is None and os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)
    with Store() as store:
        commit(store, folder, PARTS)
    os._exit(0)

step, status = -1, 1
while status:
    step += 1
    child = os.fork() or run(f"{{sys.argv[1]}}/{{step:02}}", step)
    status = os.waitpid(child, 0)[1]
print(step)
"""


@pytest.mark.parametrize("fault", ["stall_before", "stall"])
@pytest.mark.parametrize("puts", [0, 1, 2])
def test_f14_killed_at_a_request_a_rerun_ends_the_same(
    proxy: FaultProxy, store: Store, bucket: str, tmp_path: Path, puts: int, fault: str
) -> None:
    proxy.plan(*[""] * puts, fault)
    command = [sys.executable, "-c", KILLED_AT_A_REQUEST, proxy.endpoint, f"{bucket}/run"]
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)}) as child:
        assert proxy.stalled.wait(60)
        child.send_signal(signal.SIGKILL)

    assert len(proxy.log) == puts + 1
    assert is_committed(store, f"{bucket}/run") is (puts == 2 and fault == "stall")
    for folder in ("run", "undisturbed"):
        commit(store, f"{bucket}/{folder}", PARTS)
    assert content(store, f"{bucket}/run") == content(store, f"{bucket}/undisturbed")


def test_f14_killed_at_any_file_operation_a_rerun_ends_the_same(
    store: Store, tmp_path: Path
) -> None:
    folder = str(tmp_path / "runs")
    command = [sys.executable, "-c", KILLED_AT_EVERY_FILE_OPERATION, folder]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}

    killed = int(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)

    assert killed >= 10
    undisturbed = f"{folder}/{killed:02}"
    seen = {is_committed(store, f"{folder}/{step:02}") for step in range(killed)}
    assert seen == {False, True}
    for step in range(killed):
        commit(store, f"{folder}/{step:02}", PARTS)
        assert content(store, f"{folder}/{step:02}") == content(store, undisturbed)
