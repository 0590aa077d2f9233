"""A check in another interpreter: the same answer, the same faults, and no secret on its way."""

import json
import os
import signal
import stat
import sys
import time
from pathlib import Path

import pytest

import own_checks
import shop
from modelwarden import errors
from modelwarden.checks import cards
from modelwarden.errors import EvidenceError, InputError, NotFoundError, Rejected, StoreError
from modelwarden.jobs.check import check
from modelwarden.jobs.elsewhere import _error, check_elsewhere
from modelwarden.jobs.session import Connections
from modelwarden.store import Connection

POLICY = """\
version: 1
rules:
  - {check: weigh, metric: bytes, op: "<=", value: 100}
"""


@pytest.fixture(scope="module")
def stall(tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    own_checks.install(site)
    cards.cache_clear()
    yield shop.open_stall(tmp_path_factory.mktemp("stall"), POLICY)
    sys.path.remove(str(site))
    cards.cache_clear()


@pytest.fixture
def python(tmp_path):
    """Another interpreter: one that finds this package, and writes down what it was given."""

    def make(before=""):
        path = tmp_path / "python"
        paths = ":".join(entry for entry in sys.path if entry)
        lines = [
            "#!/bin/sh",
            f"env > {tmp_path}/env; printf '%s ' \"$@\" > {tmp_path}/argv",
            before,
        ]
        lines += [f'PYTHONPATH="{paths}" exec {sys.executable} "$@"']
        path.write_text("\n".join(lines))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


def weigh(python, stall, **more):
    inputs = {"model": f"{stall.uri}/model.joblib"}
    given = {"inputs": inputs, "options": {}, "tables": {}, "evidence": "", "key": ""}
    return check_elsewhere(python, "weigh", **{**given, **more})


def test_says_what_the_job_says_here(python, stall):
    inputs = {"model": f"{stall.uri}/model.joblib"}
    filed = {"evidence": f"{stall.uri}/elsewhere", "key": stall.keys["model"]}
    here = check("weigh", inputs=inputs, **filed).as_json()

    assert weigh(python(), stall, **filed) == here


def test_a_fault_comes_back_as_it_was(python, stall):
    with pytest.raises(NotFoundError) as caught:
        weigh(python(), stall, inputs={"model": "/nowhere"})
    assert (caught.value.where, caught.value.retryable) == ("model /nowhere", False)


@pytest.mark.parametrize(
    "error",
    [
        InputError("a", "b", "c", "d"),
        EvidenceError("a", "b", "c"),
        StoreError("a", "b", "c", "d", True),
        Rejected("a", ("b", "c"), "d"),
    ],
)
def test_every_error_survives_the_way(error):
    args = json.loads(json.dumps(list(error.args)))
    back = _error(type(error).__name__, args)

    assert (type(back), back.args, str(back)) == (type(error), error.args, str(error))
    assert getattr(back, "retryable", None) == getattr(error, "retryable", None)


def test_an_error_that_is_not_ours_is_not_built():
    assert isinstance(_error("Callable", ["x"]), errors.ModelWardenError)
    assert type(_error("ClassVar", ["x"])) is errors.ModelWardenError


def test_secrets_travel_in_the_environment_only(python, stall, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "airflows-own")
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", "airflows-own")
    where = Connections(data=Connection(aws_secret_access_key="of-the-connection"))
    result = weigh(python(), stall, connections=where)
    given = (tmp_path / "env").read_text()

    assert result["metrics"] == {"bytes": 7}
    assert "of-the-connection" in given
    assert "airflows-own" not in given
    assert "PYTHONPATH" not in given
    assert (tmp_path / "argv").read_text() == "-m modelwarden.jobs.elsewhere "


def test_what_it_prints_goes_to_the_log_and_not_into_the_answer(
    python, stall, tmp_path, monkeypatch
):
    late = "import atexit\natexit.register(print, 'from a library')\n"
    (tmp_path / "sitecustomize.py").write_text(late)
    monkeypatch.syspath_prepend(tmp_path)
    lines = []
    result = weigh(python("echo early; echo hello >&2"), stall, log=lines.append)

    assert (result["success"], lines) == (True, ["hello", "from a library"])


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/nowhere/python", "expected a Python interpreter, got No such file"),
        ("/usr/bin/env", "no answer"),
    ],
)
def test_what_is_no_interpreter_is_named(path, problem, stall):
    with pytest.raises((InputError, ChildProcessError), match=problem):
        weigh(path, stall)


def test_an_interpreter_without_modelwarden_is_named(tmp_path, stall):
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o700)

    with pytest.raises(InputError, match=r"python .*bare: expected modelwarden .*, got none"):
        weigh(str(bare), stall)


def test_another_version_is_named(tmp_path, stall):
    other = tmp_path / "other"
    other.write_text('#!/bin/sh\nprintf \'{"modelwarden": "0.0.1", "outcome": {}}\'\n')
    other.chmod(0o700)

    with pytest.raises(InputError, match=r"expected modelwarden .*, got 0\.0\.1"):
        weigh(str(other), stall)


@pytest.mark.parametrize("how", ["kill -9 $$", "exit 3", "head -c 2000000 /dev/zero; exit 0"])
def test_a_process_that_ends_without_an_answer_may_be_tried_again(python, stall, how):
    with pytest.raises(ChildProcessError, match="no answer"):
        weigh(python(how), stall)


def test_nothing_is_left_behind_when_the_task_is_stopped(tmp_path, stall):
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nsleep 60 &\necho $! >&2\nwait\n")
    sleeper.chmod(0o700)
    started = []
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)

    def stop(line):
        started.append(int(line))
        os.kill(os.getpid(), signal.SIGUSR1)  # as Airflow stops a task, by a signal

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        weigh(str(sleeper), stall, log=stop)
    assert time.monotonic() - begun < 30
    signal.signal(signal.SIGUSR1, before)
    end = time.monotonic() + 10
    while Path(f"/proc/{started[0]}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{started[0]}").exists()
