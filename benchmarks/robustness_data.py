"""Rows and models that the robustness benchmark attacks, and what an attacker may do to them."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from modelwarden.certificates import Certificate
from modelwarden.space.points import Floats, Mask, Positions
from modelwarden.space.rules import Rules
from modelwarden.space.table import Space
from modelwarden.structure import Structure

TRAINED = {"bc": 230, "mc": 4000, "digits": 1200, "digits28": 1200}
"""Rows that models are fitted on; the others are attacked."""
BOOSTED = ("HGB", "XGB", "LGBM")
TREES = ("RF", *BOOSTED)
MODELS = ("LR", *TREES)


class Split(NamedTuple):
    train: Floats
    labels: Positions
    test: Floats
    truth: Positions


def split(data: str) -> Split:
    """Return rows within 0 and 1, in numbers that float32 holds: ART turns all rows into float32.

    Parameters
    ----------
    data : {"bc", "mc", "digits", "digits28"}
        Breast cancer, 5000 x 20 of ``make_classification``, digits over 16; the same with each
        pixel three by three and two empty ones around, as large as other benchmarks' digits.
    """
    x, y = _raw(data)
    train, test, labels, truth = train_test_split(
        x, y, train_size=TRAINED[data], random_state=0, stratify=y
    )
    is_image = data.startswith("digits")
    low, high = (0, 16) if is_image else (train.min(axis=0), train.max(axis=0))
    scaled = (np.clip((part - low) / (high - low), 0, 1) for part in (train, test))
    train, test = (part.astype(np.float32).astype(np.float64) for part in scaled)
    return Split(train, labels, test, truth)


def _raw(data: str) -> tuple[Floats, Positions]:
    if data == "mc":
        return make_classification(5000, 20, n_informative=10, random_state=0)
    x, y = (load_breast_cancer if data == "bc" else load_digits)(return_X_y=True)
    if data == "digits28":
        large = np.kron(x.reshape(-1, 8, 8), np.ones((1, 3, 3)))
        x = np.pad(large, ((0, 0), (2, 2), (2, 2))).reshape(len(x), -1)
    return x, y


def untrained(name: str, **options: Any) -> Any:
    """Return a model as its library makes it, with 100 trees where it has trees.

    `options` are for XGBoost.
    """
    if name == "LR":
        return LogisticRegression(C=10, max_iter=5000)
    if name == "RF":
        return RandomForestClassifier(100, random_state=0)
    if name == "HGB":
        return HistGradientBoostingClassifier(random_state=0)
    if name == "XGB":
        from xgboost import XGBClassifier

        return XGBClassifier(n_estimators=100, n_jobs=1, random_state=0, **options)
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=100, n_jobs=1, random_state=0, verbose=-1)


class Asked:
    """A model that counts what it is asked, whoever asks.

    Parameters
    ----------
    model : classifier
        Its classes are 0, 1 and so on.
    seconds : float, optional
        CPU seconds after which it answers no more and raises `OutOfTime`.
    """

    def __init__(self, model: Any, seconds: float = np.inf) -> None:
        self._model, self._end = model, time.process_time() + seconds
        self.calls, self.rows = 0, 0

    def labels(self, x: Any) -> Positions:
        return np.asarray(self._ask(self._model.predict, x)).astype(np.intp)

    def shares(self, x: Any) -> Floats:
        return np.asarray(self._ask(self._model.predict_proba, x))

    def _ask(self, function: Callable[[Any], Any], x: Any) -> npt.NDArray[Any]:
        if time.process_time() > self._end:
            raise OutOfTime
        self.calls += 1
        self.rows += len(x)
        return np.asarray(function(x))


class OutOfTime(Exception):  # noqa: N818
    """A rival has had its CPU seconds."""


@dataclass(frozen=True)
class Target:
    """A fitted model, and rows that it classifies correctly.

    Parameters
    ----------
    data, name : str
        Of rows and model.
    model : classifier
    x : ndarray, shape (n_rows, n_columns)
        What is attacked.
    truth : ndarray of int, shape (n_rows,)
    pool : ndarray, shape (n_pool, n_columns)
        Other rows that an attacker has.
    """

    data: str
    name: str
    model: Any
    x: Floats
    truth: Positions
    pool: Floats

    def row(self, row: int) -> "Target":
        """Return the target with one of its rows."""
        one = slice(row, row + 1)
        return replace(self, x=self.x[one], truth=self.truth[one])

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The rows as a table; its columns sort as they stand."""
        return pd.DataFrame(self.x, columns=[f"x{j:03d}" for j in range(self.x.shape[1])])

    @cached_property
    def space(self) -> Space:
        """All columns may move within 0 and 1, and one unit of distance is 1."""
        rule = {"least": 0.0, "most": 1.0, "scale": 1.0}
        rules = Rules.model_validate({"version": 1, "columns": dict.fromkeys(self.frame, rule)})
        return Space(self.frame, np.arange(len(self.x)), rules)

    @cached_property
    def structure(self) -> Structure:
        """What the model is made of, checked on all rows."""
        from modelwarden.child.structure import structure_of

        structure = structure_of(_taken(self.model, self.name))
        agrees = structure.agrees(self.frame, self.truth)
        if not agrees.all():
            raise RuntimeError(f"{self.data} {self.name}: {(~agrees).sum()} rows disagree")
        return structure

    def broken(self, values: Floats) -> Mask:
        """Tell which of `values`, one per row, are within bounds and have another label."""
        inside = ((values >= 0) & (values <= 1)).all(axis=1)
        labels = self.model.predict(np.where(inside[:, None], values, self.x))
        return np.asarray(inside & (labels != self.truth))

    def breaks(self, rows: Positions, found: Certificate, epsilon: float) -> Mask:
        """Tell which witnesses of these rows hold: within epsilon, with another label."""
        there = found.witness.to_numpy(dtype=np.float64)
        near = (np.abs(there - self.x[rows]) <= epsilon * (1 + 1e-9)).all(axis=1)
        inside = near & ((there >= 0) & (there <= 1)).all(axis=1)
        return np.asarray(found.broken & inside & (self.model.predict(there) != self.truth[rows]))


def target(data: str, name: str, n_rows: int | None = None, **options: Any) -> Target:
    """Return a model fitted on a data set, and the first test rows that it gets right."""
    parts = split(data)
    model = untrained(name, **options).fit(parts.train, parts.labels)
    right = np.flatnonzero(model.predict(parts.test) == parts.truth)[:n_rows]
    return Target(data, name, model, parts.test[right], parts.truth[right], parts.train)


def _taken(model: Any, name: str) -> Any:
    """Return what can be taken apart: of boosters what is read from their file."""
    if name not in ("XGB", "LGBM"):
        return model
    from modelwarden.child import lightgbm_model, xgboost_model

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.ubj" if name == "XGB" else "model.txt")
        saved = model if name == "XGB" else model.booster_
        saved.save_model(path)
        body = path.read_bytes()
    return (xgboost_model if name == "XGB" else lightgbm_model).load(body).model
