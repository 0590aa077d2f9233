"""Copies of a model, fitted on its answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from modelwarden.theft.rows import Matrix, Positions

Floats = npt.NDArray[np.float64]
Copy = Callable[[Matrix], Floats]
"""Rows as a copy sees them -> a score for each class, shape (n_rows, n_classes)."""

TREES = 60
"""Trees of a copy that is judged; one that only chooses questions may have fewer."""
SATURATED = 1e-12
"""A probability that close to 0 or 1 lost what it said about the row."""
FLOOR = 1e-3
"""The smallest probability that a copy made of trees learns: a single forest vote is 1e-2."""


@dataclass(frozen=True)
class Answers:
    """What the model said.

    Parameters
    ----------
    labels : ndarray of int, shape (n_rows,)
        Positions of the predicted classes.
    probabilities : ndarray of shape (n_rows, n_classes), or None
        None where the thief gets labels only.
    """

    labels: Positions
    probabilities: Floats | None = None

    def first(self, count: int) -> "Answers":
        """Return the first `count` answers."""
        known = self.probabilities
        return Answers(self.labels[:count], None if known is None else known[:count])

    def joined(self, later: "Answers") -> "Answers":
        """Return these answers and `later` ones."""
        labels = np.concatenate([self.labels, later.labels])
        if self.probabilities is None or later.probabilities is None:
            return Answers(labels)
        return Answers(labels, np.concatenate([self.probabilities, later.probabilities]))


def copies(
    rows: Matrix, answers: Answers, n_classes: int, *, seed: int, trees: int = TREES
) -> dict[str, Copy]:
    """Return a copy of each kind: ``linear`` and, where rows are dense, ``trees``.

    Labels are learnt by logistic regression and extremely randomised trees. Probabilities are
    learnt as log-odds, by least squares, which solves a linear model's equations exactly from one
    row more than it has weights [1]_, and by trees.

    Parameters
    ----------
    rows : matrix of shape (n_rows, n_features)
        What was asked.
    answers : Answers
        What the model said.
    n_classes : int
        Classes of the model.
    seed : int
        Seeds the trees.
    trees : int, default=TREES
        How many.

    References
    ----------
    .. [1] Tramer et al., "Stealing Machine Learning Models via Prediction APIs", USENIX Security
       2016.
    """
    made = {"linear": _linear(rows, answers, n_classes)}
    if not scipy.sparse.issparse(rows):
        made["trees"] = _trees(rows, answers, n_classes, seed, trees)
    return made


def agreement(copy: Copy, rows: Matrix, labels: Positions) -> int:
    """Return for how many rows a copy and the model say the same."""
    return int((copy(rows).argmax(axis=1) == labels).sum())


def _linear(rows: Matrix, answers: Answers, n_classes: int) -> Copy:
    if answers.probabilities is None:
        return _classifier(LogisticRegression(C=100.0, max_iter=1000), rows, answers, n_classes)
    odds, sound = _log_odds(answers.probabilities, SATURATED)
    if sound.sum() > min(rows.shape[1], len(sound) // 2):  # what is saturated would bend the plane
        rows, odds = rows[np.flatnonzero(sound)], odds[sound]
    if scipy.sparse.issparse(rows):
        model = Ridge(alpha=1e-3).fit(rows, odds)
        return lambda asked: np.asarray(model.predict(asked)).reshape(asked.shape[0], n_classes)
    weights = np.linalg.lstsq(_with_one(rows), odds, rcond=None)[0]
    return lambda asked: np.asarray(_with_one(asked) @ weights)


def _trees(rows: Matrix, answers: Answers, n_classes: int, seed: int, trees: int) -> Copy:
    if answers.probabilities is None:
        forest = ExtraTreesClassifier(trees, random_state=seed)
        return _classifier(forest, rows, answers, n_classes)
    odds, _ = _log_odds(answers.probabilities, FLOOR)
    regressor = ExtraTreesRegressor(trees, max_features=0.5, random_state=seed).fit(rows, odds)
    return lambda asked: np.asarray(regressor.predict(asked)).reshape(len(asked), n_classes)


def _classifier(model: Any, rows: Matrix, answers: Answers, n_classes: int) -> Copy:
    """Return a classifier's scores, or those of the one class that was ever seen."""
    seen = np.unique(answers.labels)
    if len(seen) > 1:
        model.fit(rows, answers.labels)

    def scores(asked: Matrix) -> Floats:
        known = np.zeros((asked.shape[0], n_classes))
        known[:, seen] = model.predict_proba(asked) if len(seen) > 1 else 1.0
        return known

    return scores


def _log_odds(probabilities: Floats, floor: float) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return log-probabilities around their mean, and the rows where none had to be raised."""
    sound = np.all((probabilities > floor) & (probabilities < 1 - floor), axis=1)
    logs = np.log(np.clip(probabilities, floor, 1.0))
    return logs - logs.mean(axis=1, keepdims=True), np.asarray(sound)


def _with_one(rows: Floats) -> Floats:
    return np.hstack([rows, np.ones((len(rows), 1))])
