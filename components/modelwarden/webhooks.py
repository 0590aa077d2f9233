"""Sending JSON to an address, signed, and telling whether what arrives was.

Only https, except to this machine itself. No redirect is followed: it would carry the message
wherever its target says. Whatever goes wrong is a `StoreError` that names the host and nothing
more, for the path of such an address is often its only secret. A proxy of the environment is used.
"""

import hashlib
import hmac
import ipaddress
import os
import re
import threading
import time
import urllib.request
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import SplitResult, urlsplit

from modelwarden import __version__
from modelwarden.errors import InputError, StoreError
from modelwarden.s3_errors import line

SIGNATURE, DELIVERY = "Modelwarden-Signature", "Modelwarden-Delivery"
"""Headers: the time and the signature; what a repetition is known by."""

SECONDS = 20.0
"""Until the answer has to be there: 20 s."""

TOLERANCE = 300
"""Seconds by which the clocks of sender and receiver may differ."""

MIN_SECRET = 16  # bytes; a shorter one can be guessed


def resolve(reference: str, what: str) -> str:
    """Return the text that `reference` stands for: itself, or the variable of ``env:NAME``.

    Raises
    ------
    InputError
        If there is no such variable.
    """
    if not reference.startswith("env:"):
        return reference
    name = reference.removeprefix("env:")
    value = os.environ.get(name, "")
    if not value:
        raise InputError(what, f"the variable {name}", "nothing", "set it where this runs")
    return value


def open_secret(reference: str) -> bytes:
    """Return the secret in the variable of ``env:NAME``; b"" for "".

    Raises
    ------
    InputError
        If it is given in the clear, missing, or shorter than 16 bytes.
    """
    if not reference:
        return b""
    if not reference.startswith("env:"):
        raise InputError("secret", "env:NAME", "something else", "put it into a variable")
    secret = resolve(reference, "secret").encode()
    if len(secret) < MIN_SECRET:
        fix = "make one with `openssl rand -hex 32`"
        raise InputError("secret", f"at least {MIN_SECRET} bytes", f"{len(secret)}", fix)
    return secret


def sign(secret: bytes, body: bytes, at: int) -> str:
    """Return the value of the header ``Modelwarden-Signature``.

    It is ``t=<seconds since 1970>,v1=<hex>``, where the hex is the HMAC-SHA256 over the time, a
    dot, and the body.
    """
    digest = hmac.new(secret, b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def verify(
    header: str, body: bytes, secret: bytes, *, now: float, tolerance: int = TOLERANCE
) -> bool:
    """Whether a body that arrived was signed with this secret, and lately.

    For receivers. Give it the bytes as they arrived, before anything parsed them, and refuse a
    second message with the same ``Modelwarden-Delivery``: within the tolerance it may be a replay.

    Parameters
    ----------
    header : str
        Value of ``Modelwarden-Signature``.
    body, secret : bytes
        What arrived, and the secret that both sides know.
    now : float
        Seconds since 1970, such as ``time.time()``.
    tolerance : int, default=300
        Seconds by which the clocks may differ.
    """
    parts = [part.partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name.strip() == "t"]
    if len(times) != 1 or not re.fullmatch(r"[0-9]{1,12}", times[0], re.ASCII) or not secret:
        return False
    at = int(times[0])
    if not abs(now - at) <= tolerance:
        return False
    expected = sign(secret, body, at).partition("v1=")[2].encode()
    given = [value.encode() for name, _, value in parts if name.strip() == "v1"]
    return any([hmac.compare_digest(expected, one) for one in given])  # noqa: C419 - all, always


def post(
    url: str, body: bytes, *, secret: bytes = b"", delivery: str = "", seconds: float = SECONDS
) -> None:
    """Send a JSON body; return once the receiver has said that it got it (2xx).

    Raises
    ------
    InputError
        If `url` is not https, and not this machine.
    StoreError
        If it was not accepted in time; always ``retryable``.
    """
    parts = check_url(url)
    headers = {"Content-Type": "application/json", "User-Agent": f"modelwarden/{__version__}"}
    if delivery:
        headers[DELIVERY] = delivery
    if secret:
        headers[SIGNATURE] = sign(secret, body, int(time.time()))
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - checked
    problem = _within(request, seconds)
    if problem:
        fix = "the alert is kept and sent again by the next run"
        raise StoreError(f"webhook at {parts.hostname}", "2xx", problem, fix, retryable=True)


def check_url(url: str) -> SplitResult:
    """Return the parts of an address that may be sent to.

    Raises
    ------
    InputError
        If it is none: not https, or with a user name in it.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = SplitResult("", "", "", "", ""), ""
    if re.search(r"[\x00-\x20\x7f]", url) or not host or "@" in parts.netloc:
        raise InputError("webhook", "an address such as https://host/path", "something else")
    if parts.scheme == "https" or (parts.scheme == "http" and _is_here(host)):
        return parts
    raise InputError(f"webhook at {host}", "https", repr(parts.scheme), "others could read it")


def _is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Stays(urllib.request.HTTPRedirectHandler):
    """Follows no redirect."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Refuse, which makes an `HTTPError` of the answer."""


def _within(request: urllib.request.Request, seconds: float) -> str:
    """Send, and return what went wrong; whoever answers a byte a second does not hold us up."""
    said: list[str] = []
    sender = threading.Thread(target=lambda: said.append(_send(request, seconds)), daemon=True)
    sender.start()
    sender.join(seconds)
    return said[0] if said else f"no answer within {seconds:g} s"


def _send(request: urllib.request.Request, seconds: float) -> str:
    try:
        opener = urllib.request.build_opener(_Stays)
        with opener.open(request, timeout=seconds) as answer:
            return "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"
    except HTTPError as error:
        error.close()
        return f"HTTP {error.code}"
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None)
        return line(reason if isinstance(reason, OSError) else type(error).__name__)
