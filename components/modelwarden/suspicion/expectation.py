"""Expectation: which label a row should have, and how far rows that share a value may stray.

A model of trusted rows gives each label a probability. It knows nothing of a value's own effect
that trusted rows are too few to show, nothing of the noise in submitted labels, and nothing of
classes that became more frequent. So its log-odds are fitted to the submitted labels as a whole,
mixed with some noise, and every value may shift them by a normal variable, as wide as values of
trusted rows are seen to do, and one value in thirty much further.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.special import expit, gammaln, logit

Floats = npt.NDArray[np.float64]
Small = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

SHIFTS: Floats = np.arange(-6.0, 6.1, 0.75)
"""Log-odds by which a value may shift labels: nodes of the integral."""
SHARES = (0.3, 0.6, 0.9, 0.98)
"""Shares of the rows that carry a trigger which may have been given the attacker's label."""
WEIGHTS: Floats = np.log([0.05, 0.15, 0.3, 0.5])
"""How likely each is held to be: attackers waste no rows."""
SPREADS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
USUAL_SPREAD, SURENESS = 0.75, 10.0
SPECIAL, SPECIAL_SPREAD = 0.03, 1.5
"""Share of the values that may shift labels far: a rare category that decides the label is honest
if trusted rows say so, though most values do nothing."""
NOISES = (0.01, 0.03, 0.06, 0.1, 0.2, 0.3)
LEAST = 0.002


@dataclass(frozen=True)
class Expectation:
    """What the labels of one class should look like.

    Parameters
    ----------
    expected : ndarray of shape (n_rows,)
        Probability that a submitted row has the class.
    null, planted : ndarray of shape (n_rows, n_shifts) and (n_rows, n_shares)
        Log-likelihood of each row's label: clean, by shift; poisoned, by share of poison.
    trusted_null : ndarray of shape (n_trusted, n_shifts)
        The same of trusted rows.
    spread : float
        Standard deviation of the shifts.
    """

    expected: Floats
    null: Floats
    planted: Floats
    trusted_null: Floats
    spread: float

    @classmethod
    def fit(
        cls, odds: Floats, hit: Mask, trusted_odds: Floats, trusted_hit: Mask, values: Small
    ) -> "Expectation":
        """Fit forecasts of one class to labels.

        Parameters
        ----------
        odds, trusted_odds : ndarray of shape (n_rows,) and (n_trusted,)
            Log-odds of the class by models that did not learn from the row.
        hit, trusted_hit : ndarray of bool, same shapes
            Which rows have it.
        values : ndarray of int of shape (n_columns, n_trusted)
            Trusted cells as codes, for the spread.
        """
        expected, known = _fitted(odds, hit), _fitted(trusted_odds, trusted_hit)
        null, trusted_null = _null(logit(expected), hit), _null(logit(known), trusted_hit)
        shares = np.array(SHARES)
        one = np.log(shares + (1 - shares) * expected[:, None])
        other = np.log((1 - shares) * (1 - expected[:, None]))
        return cls(
            expected=expected,
            null=null,
            planted=np.where(hit[:, None], one, other),
            trusted_null=trusted_null,
            spread=_spread(trusted_null, values),
        )

    def prior(self, centre: float = 0.0) -> Floats:
        """Return the logarithmic weights of the shifts, around `centre`."""
        return _weights(self.spread, centre)

    def evidence(self, null: Floats, planted: Floats, known: Floats) -> float:
        """Return the logarithm of how much likelier labels are if some rows are poison.

        Parameters
        ----------
        null, planted : ndarray of shape (n_shifts,) and (n_shares,)
            Sums over the rows in question.
        known : ndarray of shape (n_shifts,)
            Logarithmic weights of the shifts, by what trusted rows say.
        """
        clean = _log_sum(known + null) - _log_sum(known)
        return float(_log_sum(planted + WEIGHTS) - clean)


def frequency_evidence(rows: int, trusted_rows: int, n_rows: int, n_trusted: int) -> float:
    """Return the logarithm of how much likelier counts are if some of the rows were planted.

    Of rows that share a value each is submitted with the same chance, if all come from one source.
    """
    together, share = rows + trusted_rows, n_rows / (n_rows + n_trusted)
    more = _between(share)
    planted = rows * np.log(more) + trusted_rows * np.log1p(-more)
    # both sides without the number of ways, which cancels but for drawing without repeats
    clean = _log_orders(n_rows, rows) + _log_orders(n_trusted, trusted_rows)
    clean -= _log_orders(n_rows + n_trusted, together)
    return float(_log_sum(planted) - np.log(len(more)) - clean)


def tail_evidence(rows: int, n_rows: int, n_trusted: int) -> float:
    """Return the same of rows that all lie beyond the outermost trusted one."""
    share = n_rows / (n_rows + n_trusted)
    more = _between(share)
    planted = _log_sum(rows * np.log(more) + np.log1p(-more)) - np.log(len(more))
    return float(planted - rows * np.log(share) - np.log1p(-share))


def _log_orders(n: int, drawn: int) -> float:
    """Return the logarithm of the number of ways to draw so many of `n` rows, one by one."""
    return float(gammaln(n + 1) - gammaln(n - drawn + 1))


def _log_sum(logs: Floats) -> Floats:
    """Return the logarithm of the sum over the last axis; SciPy's takes most of the search."""
    return np.asarray(np.logaddexp.reduce(logs, axis=-1))


def _between(share: float) -> Floats:
    return share + (1 - share) * (np.arange(64) + 0.5) / 64


def _fitted(odds: Floats, hit: Mask) -> Floats:
    """Return probabilities: odds stretched and moved to fit the labels, then mixed with noise."""
    slope, shift = 1.0, 0.0
    centre = logit(np.clip(hit.mean(), 0.01, 0.99))
    for _ in range(8):  # Newton, held near slope 1
        p = expit(slope * odds + shift)
        weight, wrong = np.maximum(p * (1 - p), 1e-6), hit - p
        gradient = np.array([(wrong * odds).sum() - (slope - 1), wrong.sum() - 0.1 * shift])
        corner = (weight * odds).sum()
        curve = np.array([[(weight * odds**2).sum() + 1, corner], [corner, weight.sum() + 0.1]])
        step = np.clip(np.linalg.solve(curve, gradient), -1, 1)
        slope, shift = slope + float(step[0]), shift + float(step[1])
    slope, shift = float(np.clip(slope, 0.2, 2)), float(np.clip(shift, -3, 3))
    p, share = expit(slope * odds + shift), float(expit(centre))
    mixed = [(1 - noise) * p + noise * share for noise in NOISES]
    fits = [np.log(np.where(hit, one, 1 - one)).sum() for one in mixed]
    return np.asarray(np.clip(mixed[int(np.argmax(fits))], LEAST, 1 - LEAST))


def _null(odds: Floats, hit: Mask) -> Floats:
    sign = np.where(hit, 1.0, -1.0)[:, None]
    return np.asarray(-np.logaddexp(0, -sign * (odds[:, None] + SHIFTS)))


@cache
def _weights(spread: float, centre: float) -> Floats:
    usual, special = (
        weights - _log_sum(weights)
        for width in (spread, max(spread, SPECIAL_SPREAD))
        for weights in [-(((SHIFTS - np.clip(centre, -5, 5)) / width) ** 2) / 2]
    )
    weights = np.asarray(np.logaddexp(np.log1p(-SPECIAL) + usual, np.log(SPECIAL) + special))
    weights.flags.writeable = False  # every caller gets the same
    return weights


def _spread(null: Floats, values: Small) -> float:
    """Return how widely values of trusted rows shift labels, by maximum likelihood."""
    sums = [np.zeros((0, len(SHIFTS)))]
    for codes in values:
        size = int(codes.max(initial=0)) + 1
        often = np.bincount(codes, minlength=size) >= 5
        by_code = sum_by_code(codes, null, size)
        sums.append(by_code[often])
    seen = np.vstack(sums)
    fits = [
        _log_sum(seen + _weights(spread, 0.0)).sum() - SURENESS * np.log(spread / USUAL_SPREAD) ** 2
        for spread in SPREADS
    ]
    return SPREADS[int(np.argmax(fits))]


def sum_by_code(codes: Small, terms: Floats, size: int) -> Floats:
    """Return the sums of `terms` over the rows of each code, shape (size, n_terms)."""
    return np.column_stack([np.bincount(codes, weights=t, minlength=size) for t in terms.T])
