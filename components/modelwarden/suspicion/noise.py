r"""From forecasts to the probability that a label is wrong.

Let :math:`p_j` be the forecast that a row's true class is `j`, and :math:`T_{jk}` the share of rows
of class `j` that were submitted as `k`. The probability that the label `k` of a row is wrong is

.. math:: 1 - \frac{p_k T_{kk}}{\sum_j p_j T_{jk}}.

:math:`T` is learnt from the submitted rows by expectation and maximisation. An attack in one
direction shows as one large entry and lowers the bar for that direction only; without any
contradiction :math:`T` is the identity, and no label is wrong.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelwarden.suspicion.forecasts import own

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

ROUNDS = 50
FIRST_GUESS = 0.05
DISCOUNT = 0.5  # wrong labels that each direction is forgiven: half a row is not an attack


@dataclass(frozen=True)
class LabelNoise:
    """How often labels of each class were changed into which other.

    Parameters
    ----------
    shares : ndarray of shape (n_classes, n_classes)
        By true class (row) and submitted label (column); rows sum to 1.
    """

    shares: Floats

    @classmethod
    def fit(cls, forecast: Floats, y: Codes) -> "LabelNoise":
        """Estimate the shares from forecasts and submitted labels.

        Parameters
        ----------
        forecast : ndarray of shape (n_rows, n_classes)
            Probabilities of the true class; no rows mean no noise.
        y : ndarray of int of shape (n_rows,)
            Submitted class codes.

        References
        ----------
        .. [1] Dawid and Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM
           Algorithm", Applied Statistics 28, 1979.
        """
        n_classes = forecast.shape[1]
        identity = np.eye(n_classes, dtype=bool)
        if not len(y):
            return cls(identity.astype(np.float64))
        shares = np.where(identity, 1 - FIRST_GUESS, FIRST_GUESS / max(n_classes - 1, 1))
        for _ in range(ROUNDS):
            true_class = _posterior(forecast, y, shares)
            sums = np.stack([np.bincount(y, part, n_classes) for part in true_class.T])
            counted = np.where(identity, sums, np.maximum(sums - DISCOUNT, 0)) + 1e-9
            shares = counted / counted.sum(axis=1, keepdims=True)
        return cls(shares)

    def wrong(self, forecast: Floats, y: Codes) -> Floats:
        """Return the probability that each label is wrong, of shape (n_rows,)."""
        return np.asarray(1 - own(_posterior(forecast, y, self.shares), y))


def _posterior(forecast: Floats, y: Codes, shares: Floats) -> Floats:
    joint = forecast * shares[:, y].T
    return np.asarray(joint / np.maximum(joint.sum(axis=1, keepdims=True), 1e-300))
