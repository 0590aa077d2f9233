"""Run a check in another interpreter, whose libraries need not suit those of a scheduler.

``python -m modelwarden.jobs.elsewhere`` reads a question from its standard input and writes the
answer to its standard output, both JSON. What is secret travels in the environment only: keys that
``env:NAME`` names, and the connections. Verdicts and faults come back as they were.
"""

import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from threading import Thread
from typing import IO, Any

from modelwarden import __version__, errors
from modelwarden.errors import InputError, ModelWardenError
from modelwarden.jobs.session import Connections
from modelwarden.report import Json, canonical
from modelwarden.store import Connection
from modelwarden.work import Work

MODULE = "modelwarden.jobs.elsewhere"
CONNECTIONS = "MODELWARDEN_CONNECTIONS"
"""The variable that holds the connections, credentials included."""

LEFT_OUT = ("AIRFLOW", "_AIRFLOW", "PYTHON", "VIRTUAL_ENV", "__PYVENV")
"""Variables that the other interpreter does not get begin with these: Airflow's own secrets, and
what would lead to this interpreter's libraries."""

MAX_ANSWER = 2**20
LAST_LINES = 20
_FIX = "install modelwarden there, the same version as here"


def check_elsewhere(
    python: str,
    name: str,
    *,
    connections: Connections | None = None,
    log: Callable[[str], None] = lambda _: None,
    **asked: Json,
) -> dict[str, Json]:
    """Do what :func:`modelwarden.jobs.check.check` does, in the interpreter `python`.

    Parameters
    ----------
    python : str
        Path of a Python interpreter that has this version of modelwarden.
    name : str
        The check.
    connections : Connections, optional
        Where data and evidence are.
    log : callable, optional
        Gets the lines that the other interpreter writes: progress and warnings.
    **asked : JSON
        ``inputs``, ``options``, ``tables``, ``evidence`` and ``key`` of the job.

    Returns
    -------
    dict
        :meth:`modelwarden.jobs.check.Outcome.as_json`.

    Raises
    ------
    InputError
        If `python` is no such interpreter.
    ModelWardenError
        What the job itself raised.
    ChildProcessError
        If the process ended without an answer, for instance because memory ran out.
    """
    question = canonical({"check": name, **asked})
    last: deque[str] = deque(maxlen=LAST_LINES)
    with _started(python, connections) as process:
        out, into, err = process.stdout, process.stdin, process.stderr
        if out is None or into is None or err is None:  # pragma: no cover - asked for just now
            raise ChildProcessError(f"{python}: no pipes")
        lines = Thread(target=_follow, args=(err, last, log), daemon=True)
        lines.start()
        with suppress(BrokenPipeError), into:
            into.write(question)
        body = out.read(MAX_ANSWER + 1)
        code = process.wait() if len(body) <= MAX_ANSWER else -signal.SIGKILL
        _end(process)  # or its own processes would keep the log open
        lines.join()
    return _opened(python, body, code, last)


def main() -> None:
    """Answer one question; for the other interpreter."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no part of the answer
    try:
        said: Json = {"outcome": _ask(json.load(sys.stdin))}
    except ModelWardenError as error:
        said = {"error": type(error).__name__, "args": list(error.args)}
    with answer:
        answer.write(b"\n" + canonical({"modelwarden": __version__, **said}))


def _ask(question: dict[str, Json]) -> Json:
    from modelwarden.jobs.check import check

    given = json.loads(os.environ.pop(CONNECTIONS, "{}"))
    places = {name: Connection(**values) for name, values in given.items() if values}
    work = Work(lambda label, done, total: _say(label, done, total))
    return check(
        question.pop("check"), **question, work=work, connections=Connections(**places)
    ).as_json()


def _say(label: str, done: int, total: int) -> None:
    if done == total:
        sys.stderr.write(f"{label}: {done} of {total}\n")


@contextmanager
def _started(python: str, connections: Connections | None) -> Iterator["subprocess.Popen[bytes]"]:
    """Start the other interpreter; whatever happens here, it and its processes end."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(LEFT_OUT)}
    environment[CONNECTIONS] = json.dumps(asdict(connections or Connections()))
    pipes: Mapping[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [python, "-m", MODULE]
    try:
        process = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)  # noqa: S603
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise InputError(f"python {python}", "a Python interpreter", got, _FIX) from error
    try:
        yield process
    finally:
        _end(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _follow(err: IO[bytes], last: deque[str], log: Callable[[str], None]) -> None:
    for line in err:
        text = line.decode(errors="replace").rstrip()[:2000]
        last.append(text)
        log(text)


def _opened(python: str, body: bytes, code: int, last: deque[str]) -> dict[str, Json]:
    """Return the outcome in an answer, or raise what the job raised."""
    where = f"python {python}"
    try:
        said = json.loads(body.rpartition(b"\n")[2])  # what came before is not the job's
        version = said["modelwarden"]
    except (ValueError, TypeError, KeyError) as error:
        line = next((text for text in reversed(last) if text), f"exit code {code}")
        if "No module named" in line and "modelwarden" in line:
            raise InputError(where, f"modelwarden {__version__}", "none", _FIX) from error
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise ChildProcessError(f"{where}: no answer ({how}): {line}") from error
    if version != __version__:
        raise InputError(where, f"modelwarden {__version__}", str(version), _FIX)
    if "error" in said:
        raise _error(said["error"], said["args"])
    return dict(said["outcome"])


def _error(kind: str, args: list[Json]) -> ModelWardenError:
    """Return the error that was raised there."""
    known = getattr(errors, kind, None)
    if not (isinstance(known, type) and issubclass(known, ModelWardenError)):
        return ModelWardenError("python", "an error that is known here", kind)
    made: Callable[..., ModelWardenError] = known
    return made(*(tuple(arg) if isinstance(arg, list) else arg for arg in args))


if __name__ == "__main__":
    main()
