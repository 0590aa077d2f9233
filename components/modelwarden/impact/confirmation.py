"""The honest RONI test: whether a model is better without the rows that one wants to reject."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

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


def confirm(
    x: Floats, y: Codes, trusted_x: Floats, trusted_y: Codes, rejected: Mask, *, seed: int = 0
) -> Effect:
    """Retrain with all rows, without the rejected ones and without as many random ones.

    Parameters
    ----------
    x, y : ndarray of shape (n_rows, n_features) and (n_rows,)
        Submitted rows and class codes.
    trusted_x, trusted_y : ndarray of shape (n_trusted, n_features) and (n_trusted,)
        Rows that accuracy is measured on.
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
        return np.asarray(_forecast(x[kept], y[kept], trusted_x) == trusted_y, dtype=np.float64)

    generator = np.random.default_rng(seed)
    before, after = correct(np.ones_like(rejected)), correct(~rejected)
    draws = [generator.permutation(len(rejected)) >= rejected.sum() for _ in range(RANDOM_DRAWS)]
    change = after - before
    return Effect(
        before=float(before.mean()),
        after=float(after.mean()),
        random=float(np.mean([correct(kept).mean() for kept in draws])),
        change=float(change.mean()),
        standard_error=float(change.std(ddof=1) / math.sqrt(len(change))),
    )


def _forecast(x: Floats, y: Codes, trusted_x: Floats) -> Codes:
    """Return the labels that a model of the rows forecasts; rows of one class forecast that class.

    A logistic regression is cheap, has one optimum whatever the seed, and feels flipped labels that
    a forest would average away.
    """
    if (y == y[0]).all():
        return np.full(len(trusted_x), y[0])
    return np.asarray(LogisticRegression(max_iter=1000).fit(x, y).predict(trusted_x))
