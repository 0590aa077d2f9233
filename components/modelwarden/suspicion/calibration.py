"""What a score means, measured on trusted rows that took part like submitted ones."""

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import IsotonicRegression

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

IMAGINED = 3  # trusted rows at the very top: what m trusted rows did not show may still exist


def p_values(scores: Floats, trusted_scores: Floats, folds: Codes) -> Floats:
    """Return conformal p-values: the share of trusted rows that score at least as high.

    Parameters
    ----------
    scores : ndarray of shape (n_folds, n_rows)
        Scores of submitted rows, by fold of trusted rows that they are compared with; high is
        suspect.
    trusted_scores, folds : ndarray of shape (n_trusted,)
        Scores of trusted rows, each from its own fold, and the folds.

    Returns
    -------
    ndarray of shape (n_rows,)
        Never below 1 / (n_trusted + 1).

    Notes
    -----
    If scores of clean submitted and of trusted rows are exchangeable within a fold, a clean row has
    P(p <= alpha) <= 2 alpha, and in practice about alpha [2]_; with one fold at most alpha, exactly
    [1]_.

    References
    ----------
    .. [1] Bates et al., "Testing for Outliers with Conformal p-values", Annals of Statistics 2023.
    .. [2] Barber et al., "Predictive inference with the jackknife+", Annals of Statistics 2021.
    """
    at_least = np.zeros(scores.shape[1])
    for fold, row in enumerate(scores):
        at_least += _count_at_least(trusted_scores[folds == fold], row)
    return (1 + at_least) / (len(trusted_scores) + 1)


def excess(scores: Floats, trusted_scores: Floats) -> tuple[Floats, Floats]:
    """Return the probability that rows are not what trusted rows are, by their scores alone.

    Where submitted rows are `r` times as dense as trusted ones, a share 1 - 1/r of them cannot come
    from the trusted distribution. The ratio is fitted isotonically: a higher score is never less
    suspect. Three imagined trusted rows score highest of all, so that a handful of submitted rows
    beyond all trusted ones proves nothing.

    Parameters
    ----------
    scores : ndarray
        Scores of submitted rows, of any shape.
    trusted_scores : ndarray of shape (n_trusted,)
        Scores of trusted rows.

    Returns
    -------
    tuple of ndarray
        Probabilities from 0 to 1 for `scores` and for `trusted_scores`, in their shapes.
    """
    flat = scores.ravel()
    top = np.full(IMAGINED, max(flat.max(), trusted_scores.max(initial=-np.inf)))
    trusted = np.concatenate([trusted_scores, top])
    share = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(
        np.concatenate([flat, trusted]),
        np.concatenate([np.ones(len(flat)), np.zeros(len(trusted))]),
        sample_weight=np.concatenate(
            [np.full(len(flat), 1 / len(flat)), np.full(len(trusted), 1 / len(trusted))]
        ),
    )

    def probability(values: Floats) -> Floats:
        submitted = np.maximum(share.predict(values.ravel()), 1e-9)
        return np.asarray(np.clip(1 - (1 - submitted) / submitted, 0, 1).reshape(values.shape))

    return probability(scores), probability(trusted_scores)


def false_discoveries_at_most(p: Floats, rate: float) -> Mask:
    """Return the rows that Benjamini and Hochberg's procedure selects at `rate`.

    References
    ----------
    .. [1] Benjamini and Hochberg, "Controlling the False Discovery Rate", JRSS B 57, 1995.
    """
    ordered = np.sort(p)
    below = np.flatnonzero(ordered <= rate * np.arange(1, len(p) + 1) / len(p))
    return np.asarray(p <= ordered[below[-1]] if len(below) else np.zeros(len(p), dtype=bool))


def _count_at_least(scores: Floats, bounds: Floats) -> Codes:
    """Count for each bound the scores that reach it."""
    return np.asarray(len(scores) - np.searchsorted(np.sort(scores), bounds, side="left"))
