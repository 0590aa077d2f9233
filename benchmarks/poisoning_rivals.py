"""What the filter is measured against.

A rival is a function of the submitted rows as numbers, their labels as codes, the same of trusted
rows (most ignore them) and a seed; it returns a :class:`Verdict`. To add one, write the function
and name it in `RIVALS`. Raise its `version` when its answer changes: results are cached.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Verdict:
    """What a method says of the submitted rows.

    Parameters
    ----------
    score : ndarray of float, shape (n_train,)
        Higher is more suspicious.
    rejected : ndarray of bool, shape (n_train,)
        The rows it would remove, by its own threshold.
    """

    score: Floats
    rejected: Mask


Judge = Callable[[Floats, Codes, Floats, Codes, int], Verdict]


@dataclass(frozen=True)
class Rival:
    """A method and what it costs.

    Parameters
    ----------
    judge : callable
        See the module.
    version : int
        Part of the cache's key.
    uses_trusted : bool
        Whether the number of trusted rows matters; if not, it is measured once for all of them.
    affordable : callable
        Whether to measure so many rows with this seed.
    package : str
        What it needs beside scikit-learn; it is left out where that is not installed.
    """

    judge: Judge
    version: int = 1
    uses_trusted: bool = False
    affordable: Callable[[int, int], bool] = lambda rows, seed: True
    package: str = ""


def _cleanlab(
    x: Floats, y: Codes, trusted_x: Floats, trusted_y: Codes, seed: int, *, make: Callable[..., Any]
) -> Verdict:
    """Judge by confident learning on 5-fold predictions (Northcutt et al. 2021)."""
    from cleanlab.filter import find_label_issues

    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    proba = cross_val_predict(make(seed), x, y, cv=folds, method="predict_proba")
    rejected = find_label_issues(y, proba, n_jobs=1)
    return Verdict(1 - proba[np.arange(len(y)), y], np.asarray(rejected, dtype=bool))


def _out_of_bag(x: Floats, y: Codes, trusted_x: Floats, trusted_y: Codes, seed: int) -> Verdict:
    """Judge by the vote of the trees that have not seen a row (Data-OOB, Kwon & Zou 2023)."""
    forest = RandomForestClassifier(100, oob_score=True, random_state=seed).fit(x, y)
    # a row that every tree has seen has no votes; it is not rejected
    agree = np.nan_to_num(forest.oob_decision_function_[np.arange(len(y)), y], nan=0.5)
    return Verdict(1 - agree, agree < 0.5)


def _isolation(x: Floats, y: Codes, trusted_x: Floats, trusted_y: Codes, seed: int) -> Verdict:
    """Judge by distance from trusted rows, of which 5 % would be rejected; labels are not used."""
    forest = IsolationForest(contamination=0.05, random_state=seed).fit(trusted_x)
    return Verdict(-forest.score_samples(x), forest.predict(x) < 0)


def _art_roni(
    x: Floats, y: Codes, trusted_x: Floats, trusted_y: Codes, seed: int, *, mended: bool
) -> Verdict:
    """Judge by ART's calibrated RONIDefense; `mended` turns the sign of its comparison round."""
    from art.defences.detector.poison import RONIDefense
    from art.estimators.classification import SklearnClassifier

    class Recorded(RONIDefense):  # type: ignore[misc]
        def is_suspicious(self, before_classifier: Any, perf_shift: float) -> bool:
            shifts.append(perf_shift)
            if not mended:
                return bool(super().is_suspicious(before_classifier, perf_shift))
            median, deviation = self.get_calibration_info(before_classifier)
            return bool(perf_shift > median + 3 * deviation)

    def accuracy(truth: Floats, predicted: Floats) -> float:  # its own default raises here
        return float((truth.argmax(axis=1) == predicted.argmax(axis=1)).mean())

    shifts: list[float] = []
    names = np.eye(max(y.max(), trusted_y.max()) + 1)
    state = np.random.get_state()
    try:
        np.random.seed(seed)  # ART draws from the global generator
        model = SklearnClassifier(LogisticRegression())
        defence = Recorded(model, x, names[y], trusted_x, names[trusted_y], perf_func=accuracy)
        before = np.random.get_state()
        order = np.random.permutation(len(y))  # the order it is about to take
        np.random.set_state(before)
        _, clean = defence.detect_poison()
    finally:
        np.random.set_state(state)
    score = np.empty(len(y))
    score[order] = shifts
    return Verdict(score if mended else -score, np.asarray(clean) == 0)


def _logistic(seed: int) -> LogisticRegression:
    return LogisticRegression(max_iter=1000)


def _forest(seed: int) -> RandomForestClassifier:
    return RandomForestClassifier(100, random_state=seed)


def _forests_affordable(rows: int, seed: int) -> bool:
    return rows <= 10_000 or seed < 2


def _few_affordable(rows: int, seed: int) -> bool:
    return rows <= 3000 and seed < 2


def _art_affordable(rows: int, seed: int) -> bool:
    return rows <= 350 and seed == 0


RIVALS: Mapping[str, Rival] = {
    "cleanlab LR": Rival(partial(_cleanlab, make=_logistic), package="cleanlab.filter"),
    "cleanlab RF100": Rival(
        partial(_cleanlab, make=_forest), affordable=_forests_affordable, package="cleanlab.filter"
    ),
    "OOB forest": Rival(_out_of_bag, affordable=_forests_affordable),
    "IsolationForest": Rival(_isolation, uses_trusted=True, affordable=_few_affordable),
    "ART RONI": Rival(
        partial(_art_roni, mended=False),
        uses_trusted=True,
        affordable=_art_affordable,
        package="art.defences.detector.poison",
    ),
    "ART RONI, mended": Rival(
        partial(_art_roni, mended=True),
        uses_trusted=True,
        affordable=_art_affordable,
        package="art.defences.detector.poison",
    ),
}
