"""PRADA (Juuti et al. 2019, arXiv 1805.02628) for tables, with a threshold from honest clients.

The published statistic: for each query the distance to the nearest earlier one of its class, the
growing set of those that are far enough from it, and the Shapiro-Wilk W of the distances. Here all
queries count as one class, as logs without answers have none, and the threshold is not the paper's
0.9 but what 1 % of honest clients fall below, so that both detectors alarm as rarely.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import shapiro

from modelwarden.suspicion.encoding import Encoder, plain


@dataclass(frozen=True)
class Prada:
    """The statistic with its threshold."""

    encoder: Encoder
    threshold: float

    def flags(self, rows: pd.DataFrame) -> bool:
        """Tell whether the distances of a client are unlike a normal distribution."""
        return statistic(self.encoder, rows) < self.threshold


def prada(reference: pd.DataFrame, clients: list[pd.DataFrame], alpha: float = 0.01) -> Prada:
    """Return PRADA with a threshold that a share `alpha` of honest clients falls below."""
    encoder = Encoder.fit(plain(reference))
    values = [statistic(encoder, rows) for rows in clients]
    return Prada(encoder, float(np.quantile(values, alpha)))


def statistic(encoder: Encoder, rows: pd.DataFrame) -> float:
    """Return Shapiro-Wilk's W of the minimal distances, without those beyond 3 deviations."""
    x = encoder.encode(plain(rows))
    gaps = np.linalg.norm(x[:, None] - x[None], axis=2)
    gaps[np.triu_indices(len(x))] = np.inf
    near = gaps[1:].min(axis=1)
    kept = near[np.abs(near - near.mean()) <= 3 * near.std()]
    return 1.0 if np.ptp(kept) == 0 else float(shapiro(kept).statistic)
