"""Class probabilities of submitted and trusted rows, and how several forecasts become one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import logsumexp

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

FOLDS = 5
LEAST_PROBABILITY = 1e-3  # a forest of 100 trees cannot know more
LARGEST_WEIGHT = 5.0
SHRINKAGE = 0.5  # towards equal weights: few trusted rows must not choose extremes


@dataclass(frozen=True)
class Forecast:
    """Class probabilities by models that did not learn from the row in question.

    Parameters
    ----------
    submitted : ndarray of shape (n_rows, n_classes)
        Of submitted rows.
    trusted : ndarray of shape (n_trusted, n_classes)
        Of trusted rows: what the same models say about rows that are known to be clean.
    """

    submitted: Floats
    trusted: Floats


def own(probabilities: Floats, y: Codes) -> Floats:
    """Return the probability that each row's forecast gives to the row's own label."""
    return probabilities[np.arange(len(y)), y]


def pool(forecasts: Sequence[Forecast], trusted_y: Codes) -> Forecast:
    r"""Return the logarithmic pool of `forecasts` that fits trusted labels best.

    Class `k` gets a probability in proportion to :math:`\prod_j p_{jk}^{a_j}`, with weights
    :math:`0 \le a_j \le 5` of least log-loss on trusted rows. That calibrates, too: weights that
    sum to more than 1 sharpen forests, which are never sure.

    Parameters
    ----------
    forecasts : sequence of Forecast
        At least one.
    trusted_y : ndarray of int of shape (n_trusted,)
        Class codes of trusted rows.

    References
    ----------
    .. [1] Genest and Zidek, "Combining Probability Distributions", Statistical Science 1, 1986.
    """
    logs = [_log(forecast.trusted) for forecast in forecasts]
    equal = np.full(len(logs), 1 / len(logs))

    def loss(weights: Floats) -> float:
        mixed = sum(weight * log for weight, log in zip(weights, logs, strict=True))
        fit = (own(mixed, trusted_y) - logsumexp(mixed, axis=1)).sum()
        return float(SHRINKAGE * ((weights - equal) ** 2).sum() - fit)

    bounds = [(0.0, LARGEST_WEIGHT)] * len(logs)
    weights = minimize(loss, equal, method="L-BFGS-B", bounds=bounds).x
    return Forecast(
        _mixed([forecast.submitted for forecast in forecasts], weights),
        _mixed([forecast.trusted for forecast in forecasts], weights),
    )


def deal(y: Codes, seed: int) -> Codes:
    """Deal shuffled rows over `FOLDS` folds like cards, one class after the other.

    So folds are even, and a class of two rows is in every training part; scikit-learn's stratified
    folds warn about classes that are smaller than the number of folds.
    """
    shuffled = np.random.default_rng(seed).permutation(len(y))
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    folds = np.empty(len(y), dtype=np.intp)
    folds[by_class] = np.arange(len(y)) % FOLDS
    return folds


def _log(probabilities: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(probabilities, LEAST_PROBABILITY)))


def _mixed(parts: Sequence[Floats], weights: Floats) -> Floats:
    mixed = sum(weight * _log(part) for weight, part in zip(weights, parts, strict=True))
    return np.asarray(np.exp(mixed - logsumexp(mixed, axis=1, keepdims=True)))
