"""Webhooks: signed, in time, to the address that was meant, and without leaking it."""

import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwarden.errors import InputError, StoreError
from modelwarden.webhooks import DELIVERY, SIGNATURE, check_url, open_secret, post, sign, verify
from receivers import receiving

SECRET = b"0123456789abcdef0123456789abcdef"
BODY = b'{"alerts":[]}'


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


def test_what_arrives_can_be_verified_and_known_again(receiver):
    post(receiver.url, BODY, secret=SECRET, delivery="ab" * 32)
    ((headers, body),) = receiver.got

    assert body == BODY
    assert headers["Content-Type"] == "application/json"
    assert headers[DELIVERY] == "ab" * 32
    assert verify(headers[SIGNATURE], body, SECRET, now=time.time())


def test_without_a_secret_nothing_is_signed(receiver):
    post(receiver.url, BODY)

    assert SIGNATURE not in receiver.got[0][0]


@pytest.mark.parametrize("answer", [500, 503, 404, 301, 302, 307, 308, 100, "close", "garbage"])
def test_whatever_is_no_success_is_a_fault_that_may_go_away(receiver, answer):
    receiver.answer = answer
    with pytest.raises(StoreError) as error:
        post(receiver.url, BODY, secret=SECRET, seconds=2)

    assert error.value.retryable
    assert receiver.got == []  # and no redirect was followed
    assert "s3cr3t" not in str(error.value)
    assert SECRET.decode() not in str(error.value)


@pytest.mark.parametrize("answer", ["hang", "drip"])
def test_a_receiver_that_never_finishes_holds_nobody_up(receiver, answer):
    receiver.answer = answer
    begun = time.monotonic()
    with pytest.raises(StoreError, match="no answer within"):
        post(receiver.url, BODY, seconds=0.5)

    assert time.monotonic() - begun < 5


def test_nobody_there_is_a_fault_that_may_go_away():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/s3cr3t"
    with pytest.raises(StoreError, match="refused") as error:
        post(url, BODY)

    assert error.value.retryable
    assert "s3cr3t" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "http://10.0.0.1/hook",
        "http://localhost.example.org/hook",
        "http://127.0.0.1.example.org/",
        "http://169.254.169.254/latest",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://user:secret@example.org/",
        "https://example.org/\r\nHost: evil",
        "https://example.org/a b",
        "https://[::1",
        "https://example.org:port/",
        "//example.org/",
        "",
    ],
)
def test_addresses_that_nobody_should_send_to_are_refused(url):
    with pytest.raises(InputError) as error:
        check_url(url)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("url", ["https://example.org/x", "http://127.0.0.1:1/", "http://[::1]/"])
def test_addresses_that_are_fine(url):
    assert check_url(url).hostname


@pytest.mark.parametrize("reference", ["a secret in the clear!", "env:SHORT", "env:NOWHERE"])
def test_a_secret_is_long_and_comes_from_the_environment(monkeypatch, reference):
    monkeypatch.setenv("SHORT", "fifteen bytes..")
    with pytest.raises(InputError) as error:
        open_secret(reference)
    assert "in the clear" not in str(error.value)
    assert "fifteen" not in str(error.value)


def test_a_long_secret_is_read(monkeypatch):
    monkeypatch.setenv("LONG", "sixteen bytes...")

    assert open_secret("env:LONG") == b"sixteen bytes..."
    assert open_secret("") == b""


@given(st.binary(max_size=50), st.integers(0, 10**11))
def test_only_this_secret_this_body_and_this_time_verify(body, at):
    header = sign(SECRET, body, at)

    assert verify(header, body, SECRET, now=at + 300)
    assert verify(header, body, SECRET, now=at - 300)
    assert not verify(header, body, SECRET, now=at + 301)
    assert not verify(header, body, SECRET, now=at - 301)
    assert not verify(header, body + b" ", SECRET, now=at)
    assert not verify(header, body, SECRET + b"x", now=at)
    assert not verify(header.replace(f"t={at}", f"t={at + 1}"), body, SECRET, now=at)


@pytest.mark.parametrize(
    "header",
    ["", "t=5", "v1=", "t=5,v1=", "t=5,v1=zz", "t=,v1=0", "t=-5,v1=0", "t=5,t=6,v1=0", "t=５,v1=0"],
)
def test_broken_signatures_do_not_verify(header):
    assert not verify(header, BODY, SECRET, now=5)


def test_nothing_verifies_without_a_secret_or_a_time():
    assert not verify(sign(b"", BODY, 5), BODY, b"", now=5)
    assert not verify(sign(SECRET, BODY, 5), BODY, SECRET, now=float("nan"))


def test_two_signatures_let_a_secret_be_changed():
    old = sign(b"the secret of yesterday", BODY, 5)
    both = f"{old},{sign(SECRET, BODY, 5).partition(',')[2]}"

    assert verify(both, BODY, SECRET, now=5)
