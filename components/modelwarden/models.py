"""Ask a model that nobody has to trust: it lives in a process of its own.

The process (:mod:`modelwarden.model_child`) gets the model file, a table at a time, and nothing
else: no credentials, no network where the system allows to take it away, bounded memory and time.
It can crash, hang or lie; it cannot write into the parent, which reads only numbers from it.
"""

import os
import signal
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from modelwarden.errors import InputError
from modelwarden.model_child import Head, printable, receive, send

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
}
"""Environment variables that it gets besides: no home, one thread."""


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


@dataclass(frozen=True)
class ModelFacts:
    """What a model file is.

    Parameters
    ----------
    format : str
        ``joblib``, ``pickle``, the name of a format that is not supported yet, or ``unknown``.
    loads : bool
        Whether it loads as a classifier.
    refused : tuple of str
        What it asks for that is not on the allow-list, such as ``posix.system``.
    why : str
        Why it does not load; empty when it does.
    estimator : str
        Name of its class.
    classes : tuple
        The labels that it can predict, in the order of its probabilities.
    n_features : int or None
        How many columns it was fitted on; None when it does not say.
    feature_names : tuple of str
        Their names; empty when it was fitted on an array.
    has_proba : bool
        Whether it gives probabilities.
    sklearn, sklearn_installed : str
        The scikit-learn that wrote the file, by its own word, and the one that read it.
    """

    format: str
    loads: bool = False
    refused: tuple[str, ...] = ()
    why: str = ""
    estimator: str = ""
    classes: tuple[bool | int | float | str, ...] = ()
    n_features: int | None = None
    feature_names: tuple[str, ...] = ()
    has_proba: bool = False
    sklearn: str = ""
    sklearn_installed: str = ""


def inspect(
    file: "File", *, limits: Limits = DEFAULT_LIMITS, python: str = sys.executable
) -> ModelFacts:
    """Find out what a model file is, by its content and without trusting it.

    Parameters
    ----------
    file : File
        The model.
    limits : Limits
        What reading it may use.
    python : str, default=this one
        The interpreter that reads it; it needs ModelWarden and the model's scikit-learn.

    Raises
    ------
    InputError
        If reading it crashes, takes too long or too much memory, or other bytes are there by now.
    """
    with _Process(file, limits, python) as process:
        return process.facts


class Predictor:
    """A classifier in a process of its own; a context manager.

    Parameters
    ----------
    file : File
        The model.
    limits : Limits
        What it may use.
    python : str, default=this one
        The interpreter that runs it; it needs ModelWarden and the model's scikit-learn.

    Attributes
    ----------
    uri, sha256 : str
        Which model it is.
    facts : ModelFacts
        What the model says of itself.
    classes : ndarray of shape (n_classes,)
        The labels, in the order of the probabilities.
    calls, rows : int
        How often it was asked, and about how many rows in all.

    Raises
    ------
    InputError
        On entering, if the file is not a classifier that may be loaded.
    """

    facts: ModelFacts
    classes: npt.NDArray[Any]

    def __init__(
        self, file: "File", *, limits: Limits = DEFAULT_LIMITS, python: str = sys.executable
    ) -> None:
        self.uri, self.sha256 = file.uri, file.sha256
        self.calls = self.rows = 0
        self._process = _Process(file, limits, python)

    def __enter__(self) -> "Predictor":
        self._process.__enter__()
        self.facts = self._process.facts
        if not self.facts.loads:
            self._process.close()
            way_out = (
                "leave out classes of your own: to load them runs their code, and no way to trust "
                "them exists yet"
                if self.facts.refused
                else "fit a scikit-learn classifier and save it with joblib.dump"
            )
            raise InputError(self.uri, "a classifier that loads", self.facts.why, way_out)
        self.classes = np.asarray(self.facts.classes)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.close()

    def predict(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
        """Return the predicted labels, shape (n_rows,).

        Raises
        ------
        InputError
            If the columns are not the model's, or the model crashes, hangs or answers nonsense.
        """
        codes = np.frombuffer(self._ask("predict", frame, width=1), np.int64)
        if not ((codes >= 0) & (codes < len(self.classes))).all():
            raise InputError(self.uri, "labels among its classes", "others", "retrain the model")
        return self.classes[codes]

    def predict_proba(self, frame: pd.DataFrame) -> npt.NDArray[np.float64] | None:
        """Return the probabilities, shape (n_rows, n_classes); None when the model has none.

        Raises
        ------
        InputError
            As `predict` does, and if a probability is not between 0 and 1.
        """
        if not self.facts.has_proba:
            return None
        block = self._ask("predict_proba", frame, width=len(self.classes))
        values = np.frombuffer(block, np.float64).reshape(len(frame), len(self.classes))
        if not ((values >= -1e-9) & (values <= 1 + 1e-9)).all():
            got = "NaN" if np.isnan(values).any() else "others"
            raise InputError(self.uri, "probabilities from 0 to 1", got, "retrain the model")
        return values

    def _ask(self, call: str, frame: pd.DataFrame, width: int) -> bytearray:
        request, body = self._encoded(frame)
        self.calls, self.rows = self.calls + 1, self.rows + len(frame)
        expected = 8 * width * len(frame)
        _, block = self._process.ask("predicting", {"call": call, **request}, body, expected)
        if len(block) != expected:
            raise InputError(self.uri, f"{expected} bytes of answer", f"{len(block)}", "")
        return block

    def _encoded(self, frame: pd.DataFrame) -> tuple[Head, Any]:
        """Return `frame` as a message: one block where all is float64, else an Arrow stream."""
        self._check_columns(frame)
        names = self.facts.feature_names
        if names and tuple(frame.columns) != names:
            frame = frame[list(names)]
        in_one = _is_one_block(frame, by_name=bool(names))
        request: Head = {"shape": frame.shape, "arrow": not in_one}
        if not in_one:
            return request, _arrow(frame, self.uri)
        values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
        return request, np.ascontiguousarray(values.T)  # no copy: a frame keeps columns together

    def _check_columns(self, frame: pd.DataFrame) -> None:
        names, wanted = self.facts.feature_names, self.facts.n_features
        expected = f"the {wanted} features that the model was fitted on"
        if names and set(names) != set(frame.columns):
            missing = [name for name in names if name not in frame.columns]
            unknown = [str(name) for name in frame.columns if name not in names]
            got = f"missing: {_listed(missing)}; unknown: {_listed(unknown)}"
            raise InputError(self.uri, expected, got, "give the table that the model was made for")
        if wanted not in (None, frame.shape[1]):
            got = f"{frame.shape[1]} columns ({_listed(map(str, frame.columns))})"
            raise InputError(self.uri, expected, got, "give the table that the model was made for")


def _listed(names: Any) -> str:
    names = list(names)
    return ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "") or "none"


def _is_one_block(frame: pd.DataFrame, *, by_name: bool) -> bool:
    """Return whether the model sees the same when all columns travel as float64."""
    if by_name:
        return all(dtype == np.float64 for dtype in frame.dtypes)
    return all(pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes)


def _arrow(frame: pd.DataFrame, uri: str) -> memoryview:
    sink = pa.BufferOutputStream()
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False, nthreads=1)
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
    except pa.ArrowException as error:
        raise InputError(uri, "columns that each hold one type", str(error)) from error
    return memoryview(sink.getvalue())


class _Process:
    """The process, its time limit and its end; a context manager."""

    facts: ModelFacts
    _process: "subprocess.Popen[bytes]"

    def __init__(self, file: "File", limits: Limits, python: str) -> None:
        self._file, self._limits, self._python = file, limits, python
        self._late = False

    def __enter__(self) -> "_Process":
        self._errors = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the caller's interpreter, our module
                [self._python, "-P", "-m", "modelwarden.model_child"],
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

    def _load(self) -> ModelFacts:
        setup = {
            "path": str(self._file.path.absolute()),
            "sha256": self._file.sha256,
            "memory": self._limits.memory,
            "seconds": self._limits.seconds,
        }
        head, _ = self.ask("loading", setup, extra_seconds=START_SECONDS)
        try:
            return _facts(head)
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


def _facts(head: Head) -> ModelFacts:
    """Return the facts with every type checked: a broken child may say anything."""
    fields: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in head.items()}
    facts = ModelFacts(**fields)
    for value, kind in (
        ((facts.format, facts.why, facts.estimator, facts.sklearn, facts.sklearn_installed), str),
        ((*facts.refused, *facts.feature_names), str),
        ((facts.loads, facts.has_proba), bool),
        ((facts.n_features,), (int, type(None))),
        (facts.classes, (bool, int, float, str)),
    ):
        if not all(isinstance(part, kind) for part in value):
            raise TypeError(f"facts of the wrong type: {value!r:.200}")
    said = (facts.format, facts.why, facts.estimator, facts.sklearn, *facts.refused)
    if not "".join(said).isprintable() or facts.loads != bool(facts.classes):
        raise ValueError("facts that contradict themselves")
    return facts
