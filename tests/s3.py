"""S3 for tests: moto's server, and in front of it a proxy that misbehaves as it is told.

moto honours ``If-None-Match`` and is atomic. It accepts every credential and every checksum, so
what a strict store would answer is asked of the proxy.
"""

import http.client
import logging
import socket
import struct
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

import boto3
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}
"""What boto3 needs to use such a server, and nothing of its surroundings."""


class S3:
    """A running S3 server."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    @cached_property
    def client(self) -> "S3Client":
        """A plain client, which may do what a store refuses to: overwrite and delete."""
        session = boto3.session.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
        )
        return session.client("s3", endpoint_url=self.endpoint)

    def bucket(self) -> str:
        """Create a bucket and return its URI, without a slash at the end."""
        name = f"test-{uuid.uuid4().hex}"
        self.client.create_bucket(Bucket=name)
        return f"s3://{name}"

    def empty(self, *names: str) -> None:
        """Create buckets, or empty them: all servers of a process share one memory."""
        for name in names:
            self.client.create_bucket(Bucket=name)
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=name):
                for item in page.get("Contents", ()):
                    self.client.delete_object(Bucket=name, Key=item["Key"])

    def overwrite(self, uri: str, body: bytes) -> None:
        """Put an object over whatever is there, as an attacker would."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.client.put_object(Bucket=bucket, Key=key, Body=body)


@contextmanager
def serve() -> Iterator[S3]:
    """Run a server on a free port."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield S3(f"http://{host}:{port}")
    finally:
        server.stop()


class Answer(NamedTuple):
    """What comes back over HTTP; `length` is what it declares, if not the truth."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    length: int | None = None


class Request(NamedTuple):
    """What arrived at the proxy, and what became of it."""

    method: str
    path: str
    headers: Message
    fault: "str | Answer"


def refusal(status: int, code: str) -> Answer:
    """Return an error as S3 words it."""
    body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>"
    return Answer(status, (("Content-Type", "application/xml"),), body.encode())


BEFORE: dict[str, Answer] = {
    "500_before": refusal(500, "InternalError"),
    "503": refusal(503, "SlowDown"),
    "409": refusal(409, "ConditionalRequestConflict"),
    "403": refusal(403, "AccessDenied"),
    "404": refusal(404, "NoSuchKey"),
    "bad_digest": refusal(400, "BadDigest"),
    "empty200": Answer(200),
}
"""Answers that are given without asking the server."""


class FaultProxy(ThreadingHTTPServer):
    """A proxy that spoils the requests it was told to, in the order of their arrival.

    Faults, besides an `Answer` to give instead of the server's and the keys of `BEFORE`:

    - ``""``: none;
    - ``503x2``: ``503`` for this request and the next;
    - ``reset_before``, ``reset_after``: cut the connection before or after the server did the work;
    - ``500_after``: report a failure of work that was done;
    - ``stall_before``, ``stall``: hold the request, or its answer, until the proxy closes;
    - ``dup_put``: send the request twice, answer what the second got;
    - ``truncate``, ``reset_during``: send half of the body, then close or cut;
    - ``flip``: change a bit of the body;
    - ``endless``: a body without a declared length that never ends;
    - ``ignore_if_none_match``: hide that header from the server;
    - ``not_implemented``: answer 501 to requests with that header.

    Parameters
    ----------
    upstream : str
        Endpoint of the server.

    Attributes
    ----------
    always : str or Answer
        The fault of every request that is not planned for.
    log : list of Request
        The requests so far.
    stalled : threading.Event
        Set when a request is being held.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.always: str | Answer = ""
        self.log: list[Request] = []
        self.stalled, self._released = threading.Event(), threading.Event()
        self._plan: list[str | Answer] = []
        self._lock = threading.Lock()
        poll = {"poll_interval": 0.01}
        threading.Thread(target=self.serve_forever, kwargs=poll, daemon=True).start()

    @property
    def endpoint(self) -> str:
        """Where clients find the proxy."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def plan(self, *faults: str | Answer) -> None:
        """Append faults for the next requests."""
        for fault in faults:
            self._plan += ["503", "503"] if fault == "503x2" else [fault]

    def close(self) -> None:
        """Release what is stalled and stop."""
        self._released.set()
        self.shutdown()
        self.server_close()

    def draw(self, method: str, path: str, headers: Message) -> str | Answer:
        """Return the fault for a request, and log both."""
        with self._lock:
            fault = self._plan.pop(0) if self._plan else self.always
            self.log.append(Request(method, path, headers, fault))
        return fault

    def stall(self) -> None:
        """Wait until the proxy closes."""
        self.stalled.set()
        self._released.wait()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultProxy
    hop_by_hop: ClassVar = {"connection", "content-length", "expect", "transfer-encoding"}

    def do_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.draw(self.command, self.path, self.headers)
        if fault == "stall_before":
            self.server.stall()
        answer = self._instead(fault)
        if fault == "reset_before":
            self._reset()
        elif answer is not None:
            self._send(answer)
        else:
            self._spoil(self._forward(body, fault), str(fault))

    do_GET = do_PUT = do_HEAD = do_any  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def _instead(self, fault: str | Answer) -> Answer | None:
        """Return what to answer without asking the server."""
        if isinstance(fault, Answer):
            return fault
        if fault == "not_implemented" and "If-None-Match" in self.headers:
            return refusal(501, "NotImplemented")
        return BEFORE.get(fault)

    def _forward(self, body: bytes, fault: str | Answer) -> Answer:
        hidden = self.hop_by_hop | ({"if-none-match"} if fault == "ignore_if_none_match" else set())
        headers = {k: v for k, v in self.headers.items() if k.lower() not in hidden}
        for _ in range(2 if fault == "dup_put" else 1):
            upstream = http.client.HTTPConnection(self.server.upstream, timeout=60)
            upstream.request(self.command, self.path, body, headers)
            response = upstream.getresponse()
            length = int(response.headers["Content-Length"]) if self.command == "HEAD" else None
            headers_back = tuple(response.getheaders())
            answer = Answer(response.status, headers_back, response.read(), length)
            upstream.close()
        return answer

    def _spoil(self, answer: Answer, fault: str) -> None:
        """Send the server's answer with its fault."""
        whole = len(answer.body)
        half = answer._replace(body=answer.body[: whole // 2], length=whole)
        match fault:
            case "500_after":
                self._send(refusal(500, "InternalError"))
            case "reset_after":
                self._reset()
            case "stall":
                self.server.stall()
            case "flip":
                self._send(answer._replace(body=bytes([answer.body[0] ^ 1]) + answer.body[1:]))
            case "truncate":
                self._send(half)
                self.close_connection = True
            case "reset_during":
                self._send(half)
                self._reset()
            case "endless":
                self._send_endlessly(answer)
            case _:
                self._send(answer)

    def _send(self, answer: Answer) -> None:
        length = len(answer.body) if answer.length is None else answer.length
        self._send_head(answer, ("Content-Length", str(length)))
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _send_endlessly(self, answer: Answer) -> None:
        self._send_head(answer, ("Transfer-Encoding", "chunked"))
        while True:  # until the client hangs up
            self.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")

    def _send_head(self, answer: Answer, framing: tuple[str, str]) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in self.hop_by_hop:
                self.send_header(name, value)
        self.send_header(*framing)
        self.end_headers()

    def _reset(self) -> None:
        """Cut the connection with a TCP reset."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()
