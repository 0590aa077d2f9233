"""One connection to a pinned address, on which every wait ends at a deadline.

No redirect is followed, no proxy of the environment is asked, no name is resolved, and of a body
only so much is read. What goes wrong becomes a word in an `Answer`; what a server wrote never does.
"""

import io
import json
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse
from time import monotonic
from typing import Any

from modelwarden import __version__
from modelwarden.probing.address import Address
from modelwarden.serving import Question

MAX_BODY = 64 * 1024
"""Bytes of an answer that are read."""

USER_AGENT = f"modelwarden/{__version__} (probe of a staging endpoint)"

_STEP_UP = "insufficient_user_authentication"  # RFC 9470


@dataclass(frozen=True)
class Answer:
    """What came back, without a word of its text.

    Parameters
    ----------
    status : int
        HTTP status; 0 where there was no answer.
    served : bool, default=False
        Whether the model was asked: 2xx, and a JSON object with the expected key.
    retry_after : float, optional
        Seconds that ``Retry-After`` asks to wait.
    step_up : bool, default=False
        Whether the challenge asks for a second factor in the words of RFC 9470.
    problem : str, default=""
        What went wrong, in our words.
    """

    status: int
    served: bool = False
    retry_after: float | None = None
    step_up: bool = False
    problem: str = ""


class Line:
    """A connection that is kept alive, and made again when the server closed it.

    Parameters
    ----------
    address : Address
        Where to; nothing is contacted before the first question.
    seconds : float
        The deadline of a question, from connecting to the last byte.
    again : callable() returning bool
        Asked before a question is repeated on a new connection.
    """

    def __init__(self, address: Address, seconds: float, again: Callable[[], bool]) -> None:
        self._address, self._seconds, self._again = address, seconds, again
        self._http: HTTPConnection | None = None
        self._socket: _Timed | None = None

    def ask(self, question: Question, headers: dict[str, str]) -> Answer:
        """Put one question; a kept connection that turns out closed is made again, once."""
        reused = self._http is not None
        deadline = monotonic() + self._seconds
        try:
            return self._exchange(question, headers, deadline)
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            if isinstance(error, ConnectionError) and reused and self._again():
                return self.ask(question, headers)
            return Answer(0, problem=_word(error, self._seconds))

    def close(self) -> None:
        """End the connection; the next question makes another."""
        if self._socket is not None:
            self._socket.end()
        self._http = self._socket = None

    def _exchange(self, question: Question, headers: dict[str, str], deadline: float) -> Answer:
        if self._http is None or self._socket is None:
            self._socket = _Timed.connected(self._address, deadline)
            self._http = HTTPConnection(self._address.host, self._address.port)
            self._http.sock = self._socket
        self._socket.deadline = deadline
        ours = {"Host": self._address.named, "User-Agent": USER_AGENT}
        kind = {"Content-Type": "application/json", "Accept": "application/json"}
        method, path, body, expects = question
        self._http.request(method, path, body or None, {**ours, **kind, **headers})
        response = self._http.getresponse()
        content = response.read(MAX_BODY + 1)
        if response.will_close or not response.isclosed() or len(content) > MAX_BODY:
            self.close()
        return _read(response, content, expects)


class _Timed:
    """A socket for `HTTPConnection` that never waits beyond its deadline."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self.deadline = connection, deadline

    @classmethod
    def connected(cls, address: Address, deadline: float) -> "_Timed":
        """Connect to the address; with TLS, to a server that proves to be the host."""
        family = socket.AF_INET6 if ":" in address.ip else socket.AF_INET
        raw = socket.socket(family, socket.SOCK_STREAM)
        try:
            raw.settimeout(_left(deadline))
            raw.connect((address.ip, address.port))  # an address: no name is resolved again
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if address.tls:
                raw.settimeout(_left(deadline))
                context = ssl.create_default_context()
                raw = context.wrap_socket(raw, server_hostname=address.host)
        except BaseException:
            raw.close()
            raise
        return cls(raw, deadline)

    def sendall(self, data: Any) -> None:
        """Send all of it in time."""
        self._connection.settimeout(_left(self.deadline))
        self._connection.sendall(data)

    def recv_into(self, buffer: Any) -> int:
        """Receive some of it in time."""
        self._connection.settimeout(_left(self.deadline))
        return self._connection.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return what `HTTPResponse` reads from."""
        return io.BufferedReader(_Incoming(self))

    def close(self) -> None:
        """Do nothing: `HTTPConnection` calls it before the answer's body is read."""

    def end(self) -> None:
        """Close the connection."""
        self._connection.close()


class _Incoming(io.RawIOBase):
    """The reading half of a `_Timed`."""

    def __init__(self, connection: _Timed) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.recv_into(buffer)


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _word(error: Exception, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no complete answer within {seconds:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "a certificate that does not hold for the host"
    if isinstance(error, ssl.SSLError):
        return "no TLS"
    if isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError):
        return "the connection is dropped"
    return "no HTTP" if isinstance(error, HTTPException | ValueError) else "it cannot be reached"


def _read(response: HTTPResponse, content: bytes, expects: str) -> Answer:
    too_long = len(content) > MAX_BODY
    return Answer(
        response.status,
        served=200 <= response.status < 300 and not too_long and _has(content, expects),
        retry_after=_seconds(response),
        step_up=_STEP_UP in (response.headers.get("WWW-Authenticate") or ""),
        problem=f"an answer of more than {MAX_BODY} bytes" if too_long else "",
    )


def _has(content: bytes, expects: str) -> bool:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and expects in document


def _seconds(response: HTTPResponse) -> float | None:
    """Read ``Retry-After``: seconds, or a date that is compared with the server's own."""
    text = (response.headers.get("Retry-After") or "").strip()
    if re.fullmatch(r"[0-9]{1,8}", text):
        return float(text)
    try:
        until, now = (
            parsedate_to_datetime(value) for value in (text, response.headers.get("Date") or "")
        )
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
