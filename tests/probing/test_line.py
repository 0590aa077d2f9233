"""One connection: deadlines, bounds, certificates, and nothing followed."""

import datetime
import socket
import ssl
import threading
import time
from contextlib import contextmanager

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from endpoints import Endpoint
from modelwarden.probing.address import Address
from modelwarden.probing.line import MAX_BODY, Line
from modelwarden.serving import Question

QUESTION = Question("POST", "/p", b"{}", "predictions")
HOST = "churn.staging.example.com"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n" + b'{"predictions": 0}'


def play(peer, script, stop):
    peer.settimeout(5)
    for part in script:
        if isinstance(part, bytes):
            peer.sendall(part)
        elif part is not None:
            stop.wait(part)
        else:
            asked = b""
            while not asked.endswith(b"{}"):
                asked += peer.recv(65536) or b"{}"


@contextmanager
def saying(*scripts):
    """Serve one connection per script: what to send, seconds to wait, None to read a question."""
    server = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve():
        for script in scripts:
            try:
                peer, _ = server.accept()
                with peer:
                    play(peer, script, stop)
            except OSError:  # the client has hung up, or the test is over
                continue

    thread = threading.Thread(target=serve)
    thread.start()
    yield Address("127.0.0.1", "127.0.0.1", server.getsockname()[1], False)
    stop.set()
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def line_to(address, seconds=5.0, again=lambda: True):
    return Line(address, seconds, again)


def ask(address, **given):
    line = line_to(address, **given)
    answer = line.ask(QUESTION, {})
    line.close()
    return answer


def test_an_answer_is_read():
    with saying([None, OK]) as address:
        answer = ask(address)

    assert (answer.status, answer.served, answer.problem) == (200, True, "")


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": "predictions"}',
        b'["predictions"]',
        b'"predictions"',
        b"predictions",
        b"",
        b"\xff",
    ],
)
def test_only_an_object_with_the_expected_key_is_a_served_answer(body):
    with saying(
        [None, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body]
    ) as address:
        assert not ask(address).served


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 429, 500])
def test_no_other_status_is_served_or_followed(status):
    head = b"HTTP/1.1 %d X\r\nLocation: http://127.0.0.1:1/\r\n" % status
    with saying([None, head + OK[17:]]) as address:
        answer = ask(address)

    assert (answer.status, answer.served) == (status, False)


@pytest.mark.parametrize(
    "script",
    [
        [None, 9],  # never answers
        [None, b"HTTP/1.1 200 OK\r\n", 9],  # never ends its headers
        [None, b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{", 9],  # nor its body
        [None, *[b"HTTP/1.1 100 Continue\r\n\r\n", 0.05] * 60],  # answers, but later
        [None, b"HTTP/1.1 200 OK\r\n", *[b"A: b\r\n", 0.05] * 60],  # a header at a time
        [
            None,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            *[b"1\r\n \r\n", 0.05] * 60,
        ],
    ],
)
def test_every_wait_ends_at_the_deadline(script):
    with saying(script) as address:
        started = time.monotonic()
        answer = ask(address, seconds=0.3)
        passed = time.monotonic() - started

    assert (answer.status, answer.problem) == (0, "no complete answer within 0.3 s")
    assert 0.25 < passed < 5


def test_a_server_that_accepts_and_never_speaks_tls_ends_at_the_deadline():
    with saying([9]) as plain:
        answer = ask(Address(HOST, plain.ip, plain.port, True), seconds=0.3)

    assert answer.problem == "no complete answer within 0.3 s"


@pytest.mark.parametrize(
    "head", [b"", b"Content-Length: 9999999\r\n", b"Transfer-Encoding: chunked\r\n"]
)
def test_of_a_body_only_so_much_is_read(head):
    content = b'{"predictions": "' + b"x" * 200_000
    if b"chunked" in head:
        content = b"30d40\r\n" + content
    with saying([None, b"HTTP/1.1 200 OK\r\n" + head + b"\r\n", content]) as address:
        answer = ask(address)

    assert answer.problem == f"an answer of more than {MAX_BODY} bytes"
    assert not answer.served


def test_a_long_answer_is_not_served_though_its_beginning_is_whole():
    body = b'{"predictions": 0}' + b" " * 200_000
    with saying([None, b"HTTP/1.1 200 OK\r\n\r\n" + body]) as address:
        assert not ask(address).served


def test_every_question_has_its_own_deadline():
    with saying([None, OK, None, OK]) as address:
        line = line_to(address, seconds=0.3)
        first = line.ask(QUESTION, {})
        time.sleep(0.4)
        second = line.ask(QUESTION, {})
        line.close()

    assert (first.served, second.served) == (True, True)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (b"Retry-After: 17", 17),
        (b"Retry-After: 0", 0),
        (b"Retry-After: Sat, 28 Nov 2026 21:00:30 GMT\r\nDate: Sat, 28 Nov 2026 21:00:00 GMT", 30),
        (b"Retry-After: Sat, 28 Nov 2026 20:00:00 GMT\r\nDate: Sat, 28 Nov 2026 21:00:00 GMT", 0),
        (b"Retry-After: Sat, 28 Nov 2026 21:00:30 GMT", None),
        (b"Retry-After: soon", None),
        (b"Retry-After: -1", None),
        (b"Retry-After: 1.5", None),
        (b"Retry-After: 999999999999", None),
        (b"Retry-After:", None),
        (b"X: y", None),
    ],
)
def test_reads_how_long_to_wait(said, seconds):
    with saying([None, b"HTTP/1.1 429 X\r\n" + said + b"\r\nContent-Length: 0\r\n\r\n"]) as address:
        assert ask(address).retry_after == seconds


def test_a_kept_connection_that_was_closed_is_made_again_once_and_counts():
    granted = []
    with saying([None, OK], [None, OK]) as address:
        line = line_to(address, again=lambda: not granted.append(1))
        first = line.ask(QUESTION, {})
        second = line.ask(QUESTION, {})
        line.close()

    assert (first.served, second.served, granted) == (True, True, [1])


def test_nothing_is_asked_again_when_no_request_is_left():
    with saying([None, OK], [None, OK]) as address:
        line = line_to(address, again=lambda: False)
        line.ask(QUESTION, {})
        answer = line.ask(QUESTION, {})
        line.close()

    assert answer.problem == "the connection is dropped"


@pytest.mark.parametrize(
    "script", [[None, b"SSH-2.0-x\r\n"], [None, b"HTTP/1.1 abc\r\n\r\n"], [None, b"\x00" * 70_000]]
)
def test_what_is_no_http_is_said_in_our_words(script):
    with saying(script) as address:
        assert ask(address).problem == "no HTTP"


def certified(folder, name):
    """Return a server's TLS context with a new certificate for `name`, and its file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, format_ = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    body = certificate.public_bytes(encoding)
    file = folder / "certificate.pem"
    file.write_bytes(body + key.private_bytes(encoding, format_, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file


@pytest.mark.parametrize(
    ("name", "trusted", "problem"),
    [
        (HOST, True, ""),
        ("other.example.com", True, "a certificate that does not hold for the host"),
        (HOST, False, "a certificate that does not hold for the host"),
    ],
)
def test_the_certificate_has_to_be_the_hosts_though_the_address_is_pinned(
    tmp_path, monkeypatch, name, trusted, problem
):
    context, file = certified(tmp_path, name)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    else:
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with Endpoint(tls=context) as server:
        answer = ask(Address(HOST, "127.0.0.1", server.port, True))
        asked = server.asked

    assert answer.problem == problem
    assert answer.status == (0 if problem else 401)
    assert bool(asked) is not bool(problem)  # no credential is sent to somebody else


def test_a_server_without_tls_is_no_tls_server():
    with Endpoint() as server:
        answer = ask(Address(HOST, "127.0.0.1", server.port, True))

    assert answer.problem == "no TLS"
    assert server.asked == []
