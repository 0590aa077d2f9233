r"""KNN-Shapley: each row's exact share in what k nearest neighbours get right.

The worth of a set of rows is how many of the k nearest to a trusted row have its label, over k, on
the mean of trusted rows. With the rows sorted from near to far, the Shapley values of that game
follow from the farthest to the nearest [1]_,

.. math:: s_n = \frac{[y_n = u]}{\max(k, n)}, \qquad
          s_i = s_{i+1} + \frac{[y_i = u] - [y_{i+1} = u]}{\max(k, i)}.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

_CELLS = 1 << 22  # distances held at a time: 32 MB, and a few times that in all


def knn_shapley(x: Floats, y: Codes, trusted_x: Floats, trusted_y: Codes, *, k: int = 10) -> Floats:
    """Return the Shapley value of every row for a classifier by k nearest neighbours, exactly.

    Parameters
    ----------
    x : ndarray of shape (n_rows, n_features)
        Rows whose impact is asked, on comparable scales.
    y : ndarray of int of shape (n_rows,)
        Their class codes.
    trusted_x, trusted_y : ndarray of shape (n_trusted, n_features) and (n_trusted,)
        Rows that are to be classified.
    k : int, default=10
        Neighbours that vote.

    Returns
    -------
    ndarray of shape (n_rows,)
        Values that sum to the worth of all rows; negative rows harm. Among rows at one distance,
        those with another label than the trusted row count as nearer, so that the order of rows
        changes nothing.

    Notes
    -----
    Costs O(m n (d + log n)) for n rows of d features and m trusted rows, in bounded memory.

    References
    ----------
    .. [1] Jia et al., "Efficient Task-Specific Data Valuation for Nearest Neighbor Algorithms",
       VLDB 2019.
    """
    n_rows = len(y)
    points, place = np.unique(x, axis=0, return_inverse=True)  # equal rows, equal distances
    lengths = np.square(points).sum(axis=1)
    ranks = np.maximum(k, np.arange(1, n_rows + 1))
    total = np.zeros(n_rows)
    size = max(1, _CELLS // n_rows)
    for begin in range(0, len(trusted_y), size):
        rows = slice(begin, begin + size)
        centre = trusted_x[rows]
        distance = lengths - 2 * centre @ points.T + np.square(centre).sum(axis=1)[:, None]
        same = y == trusted_y[rows, None]
        order = _nearest(distance[:, place.ravel()], same)
        match = np.take_along_axis(same, order, axis=1).astype(np.float64)
        share = match / ranks
        share[:, :-1] -= match[:, 1:] / ranks[:-1]
        value = np.cumsum(share[:, ::-1], axis=1)[:, ::-1]
        total += np.bincount(order.ravel(), value.ravel(), minlength=n_rows)
    return total / len(trusted_y)


def _nearest(distance: Floats, same: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Sort each row by distance, then by `same`, by one fast sort of integers.

    Floats of 0 or more order like their bits read as integers; the last bit gives way to `same`.
    """
    keys = np.ascontiguousarray(np.maximum(distance, 0.0)).view(np.int64)
    return np.argsort((keys & ~1) | same, axis=1)
