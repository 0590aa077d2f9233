"""Questions within bounds: so many requests, so many seconds, and then no more."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Protocol

from modelwarden.probing.address import Address
from modelwarden.probing.line import Answer, Line
from modelwarden.serving import Serving

WIDTH = 8
"""Connections that are used at once."""

REQUEST_SECONDS = 5.0
"""The deadline of one request."""


class Clock(Protocol):
    """What a probe knows of time."""

    def now(self) -> float:
        """Return seconds since some beginning."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        """Return seconds since some beginning."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Spent(Exception):  # noqa: N818 - no error: the end of a budget
    """No request, or no second, is left."""


class Asking:
    """Puts questions to one endpoint, counts them, and stops when its bounds are reached.

    Use it as a context manager: its connections end with it.

    Parameters
    ----------
    serving : Serving
        What to ask.
    address : Address
        Whom.
    requests : int
        How many questions at most.
    seconds : float
        How long at most.
    clock : Clock, optional
        The machine's own by default.
    request_seconds : float, optional
        The deadline of one request.
    """

    def __init__(
        self,
        serving: Serving,
        address: Address,
        *,
        requests: int,
        seconds: float,
        clock: Clock | None = None,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self._question = serving.question
        self._address, self._deadline = address, request_seconds
        self._lines = [self._line() for _ in range(WIDTH)]
        self._pool = ThreadPoolExecutor(WIDTH)
        self.clock: Clock = clock or SystemClock()
        self._most, self.used = requests, 0
        self._counting = Lock()
        self._end = self.clock.now() + seconds

    def __enter__(self) -> "Asking":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        for line in self._lines:
            line.close()

    def one(self, path: str, headers: Mapping[str, str], *, fresh: bool = False) -> Answer:
        """Put one question, always on the same connection unless a `fresh` one is wanted."""
        self._spend(1)
        if not fresh:
            return self._lines[0].ask(self._question(path), dict(headers))
        line = self._line()
        try:
            return line.ask(self._question(path), dict(headers))
        finally:
            line.close()

    def together(self, path: str, headers: Mapping[str, str]) -> Sequence[Answer]:
        """Put the same question on all connections at once."""
        self._spend(WIDTH)
        asks, question = [line.ask for line in self._lines], self._question(path)
        futures = [self._pool.submit(ask, question, dict(headers)) for ask in asks]
        return [future.result() for future in futures]

    def wait(self, seconds: float) -> bool:
        """Wait, if there is so much time; say whether there was."""
        if self.clock.now() + seconds >= self._end:
            return False
        self.clock.sleep(seconds)
        return True

    def _line(self) -> Line:
        return Line(self._address, self._deadline, self._again)

    def _spend(self, number: int) -> None:
        with self._counting:
            if self.used + number > self._most:
                raise Spent(f"all {self._most} requests are used")
            if self.clock.now() >= self._end:
                raise Spent("the time is up")
            self.used += number

    def _again(self) -> bool:
        """Whether a question may be repeated, which counts like another."""
        try:
            self._spend(1)
        except Spent:
            return False
        return True
