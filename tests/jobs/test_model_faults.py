"""A model whose process dies gives no evidence, whatever killed it."""

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from malicious import joblib_bytes
from modelwarden.errors import InputError
from modelwarden.jobs.check import check
from modelwarden.keys import new_key

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(60, 3)), columns=["a", "b", "c"])
LABELS = (FRAME.a > 0).astype(int)


def judge(folder, model):
    """Attack a model, with a key: if it answered, there would be a signed statement."""
    (folder / "model.joblib").write_bytes(joblib_bytes(model))
    FRAME.assign(y=LABELS).to_csv(folder / "rows.csv", index=False)
    (folder / "key.pem").write_bytes(new_key()[0])
    return check(
        "evasion",
        inputs={"model": str(folder / "model.joblib"), "evaluation": str(folder / "rows.csv")},
        options={"target": "y"},
        evidence=str(folder / "evidence"),
        key=str(folder / "key.pem"),
    )


def written(folder):
    return [path for path in (folder / "evidence").rglob("*") if path.is_file()]


def test_an_answering_model_gives_evidence(tmp_path):
    judge(tmp_path, LogisticRegression().fit(FRAME, LABELS))

    assert any("statements" in str(path) for path in written(tmp_path))


def test_f23_a_check_that_crashes_gives_no_evidence(tmp_path):
    model = make_pipeline(SplineTransformer(), LogisticRegression()).fit(FRAME, LABELS)
    model[0].bsplines_[0].k = 10**9

    with pytest.raises(InputError, match="was killed by SIG"):
        judge(tmp_path, model)

    assert written(tmp_path) == []


def kill_children():
    """Do what the kernel does when memory runs out, as soon as there is a child."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for task in Path("/proc/self/task").glob("*/children"):
            with suppress(OSError):
                for child in task.read_text().split():
                    if b"modelwarden.child" in Path(f"/proc/{child}/cmdline").read_bytes():
                        os.kill(int(child), signal.SIGKILL)
                        return
        time.sleep(0.01)


def test_f22_a_model_that_is_killed_has_not_passed(tmp_path):
    killer = threading.Thread(target=kill_children)
    killer.start()

    with pytest.raises(InputError, match="was killed by SIGKILL"):
        judge(tmp_path, LogisticRegression().fit(FRAME, LABELS))

    killer.join()
    assert written(tmp_path) == []
