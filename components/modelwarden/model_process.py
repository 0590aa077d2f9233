"""Run a model in a process of its own, bounded, and without anything that is worth stealing.

The process (:mod:`modelwarden.child.main`) gets a file, tables, and nothing else: no credentials,
no network where the system allows to take it away, bounded memory and time. It can crash, hang or
lie; it cannot write into the parent, which reads only numbers from it.
"""

import os
import signal
import site
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from modelwarden.errors import InputError
from modelwarden.model_messages import Head, printable, receive, send

if TYPE_CHECKING:
    from modelwarden.store import File

START_SECONDS = 60
"""What starting Python and importing scikit-learn may take beyond the limit of a call."""

MAX_SECONDS = 7 * 24 * 3600

END_SECONDS = 5
"""How long a process whose pipe broke may take to end."""

KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "TZ")
"""Environment variables that the model's process gets from this one; no others."""

SET = {
    "HOME": "/nonexistent",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JOBLIB_MULTIPROCESSING": "0",
    "PYTHONHASHSEED": "0",
}
"""Environment variables that it gets besides: no home, one thread, sets in the same order."""

Facts = TypeVar("Facts")


@dataclass(frozen=True)
class Limits:
    """What a model may use.

    Parameters
    ----------
    memory : int, default=8 GiB
        Bytes of address space.
    seconds : float, default=300
        Wall time of one call. Reaching it is a fault, not a result.

    Raises
    ------
    InputError
        If there is nothing left to use, or no limit.
    """

    memory: int = 8 * 2**30
    seconds: float = 300.0

    def __post_init__(self) -> None:
        if not (self.memory > 0 and 0 < self.seconds <= MAX_SECONDS):
            expected = f"some memory and up to {MAX_SECONDS} seconds"
            raise InputError("limits", expected, f"{self.memory} bytes, {self.seconds} s")


DEFAULT_LIMITS = Limits()


class Process(Generic[Facts]):
    """The process, its time limit and its end; a context manager.

    Parameters
    ----------
    file : File
        What it loads, and whose URI stands in errors.
    limits : Limits
        What it may use.
    python : str
        The interpreter; it needs ModelWarden and the model's libraries.
    job : dict
        What :mod:`modelwarden.child.main` is told besides: what to load, and what for.
    read : callable
        Turns what the process says after loading into `facts`, or raises TypeError or ValueError.

    Raises
    ------
    InputError
        If the process says so, crashes, hangs, needs too much, or answers nonsense.
    """

    facts: Facts
    _process: "subprocess.Popen[bytes]"

    def __init__(
        self,
        file: "File",
        limits: Limits,
        python: str,
        *,
        job: Head,
        read: Callable[[Head], Facts],
    ) -> None:
        self._file, self._limits, self._python = file, limits, python
        self._job, self._read = job, read
        self._late = False

    def __enter__(self) -> "Process[Facts]":
        self._errors = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the caller's interpreter, our module
                [self._python, "-P", "-m", "modelwarden.child.main"],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=_environment(),
                start_new_session=True,  # so that what it starts dies with it
            )
        except OSError as error:
            self._errors.close()
            raise InputError("python", "an interpreter", str(error), "correct the path") from error
        try:
            self.facts = self._load()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _load(self) -> Facts:
        setup = {
            "path": str(self._file.path.absolute()),
            "sha256": self._file.sha256,
            "memory": self._limits.memory,
            "seconds": self._limits.seconds,
            **self._job,
        }
        head, _ = self.ask("loading", setup, extra_seconds=START_SECONDS)
        try:
            return self._read(head)
        except (TypeError, ValueError) as error:
            raise self._ended("loading", error) from error

    def ask(
        self,
        doing: str,
        head: Head,
        body: Any = b"",
        max_answer: int = 0,
        *,
        extra_seconds: float = 0,
    ) -> tuple[Head, bytearray]:
        """Send a message and return the answer; when there is none, that is the end."""
        if self._process.returncode is not None:
            raise InputError(self._file.uri, "a running model", "one that ended", "open it again")
        try:
            with self._time_limit(extra_seconds):
                send(cast("RawIOBase", self._process.stdin), head, body)
                answer, block = receive(cast("RawIOBase", self._process.stdout), max_answer)
            fault = [printable(str(part)) for part in answer.get("fault", ())]
            if fault:
                expected, got, fix = fault
        except (OSError, EOFError, ValueError, TypeError, RecursionError) as error:
            raise self._ended(doing, error) from None
        if fault:
            raise InputError(self._file.uri, expected, got, fix)
        return answer, block

    def close(self) -> None:
        """End the process and everything that it started."""
        self._kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            cast("RawIOBase", pipe).close()

    def _kill(self) -> None:
        if self._process.returncode is None:  # after that the number may be somebody else's
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    @contextmanager
    def _time_limit(self, extra_seconds: float) -> Iterator[None]:
        def stop() -> None:
            self._late = True
            self._kill()

        timer = Timer(self._limits.seconds + extra_seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _ended(self, doing: str, error: Exception) -> InputError:
        """Close, and say how the process ended."""
        gone = isinstance(error, (OSError, EOFError))
        if gone:
            self._await_end()
        words = self._last_words()
        self.close()
        code = self._process.returncode
        if self._late:
            end = f"was stopped after {self._limits.seconds:g} s"
        elif not gone:
            end = "answered nonsense"
        else:
            end = (
                f"was killed by {_signal(-code)}" if code < 0 else f"ended with code {code}{words}"
            )
        got = f"none: the model process {end} while {doing}"
        return InputError(self._file.uri, "an answer", got)

    def _await_end(self) -> None:
        """Wait until the process has ended of its own, without reaping it."""
        options = os.WEXITED | os.WNOWAIT | os.WNOHANG
        deadline = time.monotonic() + END_SECONDS
        with suppress(ChildProcessError):
            while time.monotonic() < deadline:
                if os.waitid(os.P_PID, self._process.pid, options):
                    return
                time.sleep(0.01)

    def _last_words(self) -> str:
        self._errors.seek(0)
        *_, last = ["", *self._errors.read().decode(errors="replace").split("\n")][:-1]
        return f" ({printable(last)})" if last else ""


def _signal(number: int) -> str:
    return next((known.name for known in signal.Signals if known == number), f"signal {number}")


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    own = Path(__file__).parents[1]
    if own.name not in ("site-packages", "dist-packages"):  # a checkout: Python cannot find it
        kept["PYTHONPATH"] = os.pathsep.join([str(own), *filter(None, [kept.get("PYTHONPATH")])])
    return {**kept, **SET, "PYTHONUSERBASE": site.getuserbase()}
