"""Points near rows, as attacks propose them and boxes judge them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

LARGEST = 1e100
"""What numbers may be at most in a relation, or in a column that moves; squares stay finite."""


@dataclass(frozen=True)
class Candidates:
    """Points, each near a row.

    Parameters
    ----------
    rows : ndarray of int, shape (n,)
        The row that each candidate is a perturbation of.
    values : ndarray, shape (n, n_columns)
        The candidates, in the coordinates of a :class:`.box.Box`.
    """

    rows: Positions
    values: Floats
