"""Disagreement: what the other submitted rows say about a label.

Submitted rows are many and cover what trusted rows do not, but some were written by attackers: a
model of them all learns a trigger and calls its rows the cleanest. So the rows that are already
suspect stay out of the sample, and are judged by the others.
"""

import numpy as np
import numpy.typing as npt

from modelwarden.suspicion.bagging import out_of_bag
from modelwarden.suspicion.forecasts import Forecast, own

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

LARGEST_SAMPLE = 20_000  # rows a tree: beyond it a tree grows dearer, not better


def out_of_bag_forecast(
    x: Floats,
    y: Codes,
    trusted_x: Floats,
    trusted_y: Codes,
    *,
    suspect: Mask,
    trusted_suspect: Mask,
    twins: Codes | None = None,
    trees: int = 100,
    seed: int = 0,
) -> Forecast:
    """Forecast every label by trees of other rows, submitted and trusted alike.

    Parameters
    ----------
    x, y : ndarray of shape (n_rows, n_features) and (n_rows,)
        Submitted rows and class codes.
    trusted_x, trusted_y : ndarray of shape (n_trusted, n_features) and (n_trusted,)
        Trusted rows and class codes; may be empty.
    suspect, trusted_suspect : ndarray of bool of shape (n_rows,) and (n_trusted,)
        Rows that no tree learns from, by a rule that treats submitted and trusted rows alike: then
        a clean submitted row and a trusted one cannot be told apart by their forecasts.
    twins : ndarray of int of shape (n_rows + n_trusted,), optional
        Equal numbers for equal rows, submitted before trusted; none judges the other.
    trees : int, default=100
        Each learns from as many rows as there are, drawn with replacement, at most 20,000.
    seed : int, default=0
        Seeds samples and trees.

    References
    ----------
    .. [1] Kwon and Zou, "Data-OOB: Out-of-bag Estimate as a Simple and Efficient Data Value",
       ICML 2023.
    """
    rows = np.vstack([x, trusted_x]).astype(np.float32)
    labels = np.concatenate([y, trusted_y])
    usable = np.flatnonzero(~np.concatenate([suspect, trusted_suspect]))
    pool = usable if len(usable) else np.arange(len(rows))
    size = min(len(pool), LARGEST_SAMPLE)
    probabilities = out_of_bag(
        rows,
        labels,
        lambda generator: pool[generator.integers(0, len(pool), size)],
        n_classes=int(labels.max()) + 1,
        twins=twins,
        trees=trees,
        seed=seed,
    )
    return Forecast(probabilities[: len(x)], probabilities[len(x) :])


def confidently_wrong(forecast: Floats, y: Codes) -> Floats:
    """Return how likely labels are wrong, by forecasts that themselves learnt from noisy labels.

    Such forecasts expect the noise, so :class:`~modelwarden.suspicion.noise.LabelNoise` finds none
    in them. Confident learning asks instead whether another class is forecast, and as surely as
    usual for rows that carry its label.

    Parameters
    ----------
    forecast : ndarray of shape (n_rows, n_classes)
        Probabilities of the submitted label, by other rows.
    y : ndarray of int of shape (n_rows,)
        Submitted class codes, each at least once.

    Returns
    -------
    ndarray of shape (n_rows,)
        Above 0.5 where the label is contradicted, at most 0.5 elsewhere.

    References
    ----------
    .. [1] Northcutt, Jiang and Chuang, "Confident Learning", JAIR 70, 2021.
    """
    usual = np.array([forecast[y == code, code].mean() for code in range(forecast.shape[1])])
    likeliest = forecast.argmax(axis=1)
    sure = forecast[np.arange(len(y)), likeliest] >= usual[likeliest]
    doubt = 1 - own(forecast, y)
    return np.asarray(np.where((likeliest != y) & sure, doubt, np.minimum(doubt, 0.5)))
