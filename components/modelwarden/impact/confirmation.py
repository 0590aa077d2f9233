"""The honest RONI test: whether a model is better without the rows that one wants to reject."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

Retrain = Callable[[Mask], Codes]
"""Fits a model on some of the submitted rows, and returns the class codes it forecasts."""

RANDOM_DRAWS = 5


@dataclass(frozen=True)
class Effect:
    """Trusted accuracy with and without some rows, 0 to 1; NaN where no row is left to train on.

    Parameters
    ----------
    before, after, random : float
        Accuracy of models of all rows, of all but the rejected, and of all but as many random ones.
    change : float
        `after` minus `before`.
    standard_error : float
        Standard error of `change`, paired by trusted row.
    """

    before: float
    after: float
    random: float
    change: float
    standard_error: float

    @property
    def harmful(self) -> bool:
        """Whether the change is negative beyond chance: its 95 % interval lies below zero."""
        return not self.change >= -2 * self.standard_error


def confirm(retrain: Retrain, trusted_y: Codes, rejected: Mask, *, seed: int = 0) -> Effect:
    """Retrain with all rows, without the rejected ones and without as many random ones.

    Parameters
    ----------
    retrain : callable
        Takes a mask of shape (n_rows,), returns forecasts of shape (n_trusted,).
    trusted_y : ndarray of int of shape (n_trusted,)
        Class codes of the trusted rows.
    rejected : ndarray of bool of shape (n_rows,)
        Rows whose rejection is on trial.
    seed : int, default=0
        Seeds the random rows; `random` is the mean of 5 draws.

    Returns
    -------
    Effect
        The three accuracies and the change with its standard error.
    """

    def correct(kept: Mask) -> Floats:
        if not kept.any():
            return np.full(len(trusted_y), np.nan)
        return np.asarray(retrain(kept) == trusted_y, dtype=np.float64)

    generator = np.random.default_rng(seed)
    before = correct(np.ones_like(rejected))
    if not rejected.any():
        mean = float(before.mean())
        return Effect(before=mean, after=mean, random=mean, change=0.0, standard_error=0.0)
    after = correct(~rejected)
    draws = [generator.permutation(len(rejected)) >= rejected.sum() for _ in range(RANDOM_DRAWS)]
    change = after - before
    return Effect(
        before=float(before.mean()),
        after=float(after.mean()),
        random=float(np.mean([correct(kept).mean() for kept in draws])),
        change=float(change.mean()),
        standard_error=float(change.std(ddof=1) / math.sqrt(len(change))),
    )


def linear_forecast(x: Floats, y: Codes, rows: Floats, weights: Floats | None = None) -> Codes:
    """Return the class codes that a logistic regression of `x` and `y` forecasts for `rows`.

    It is cheap, has one optimum whatever the seed, and feels flipped labels that a forest would
    average away. Rows of one class, or without a feature, forecast what is most frequent.
    """
    frequency = np.bincount(y, weights)
    if np.count_nonzero(frequency) < 2 or x.shape[1] == 0:
        return np.full(len(rows), frequency.argmax())
    model = LogisticRegression(max_iter=1000).fit(x, y, sample_weight=weights)
    return np.asarray(model.predict(rows))
