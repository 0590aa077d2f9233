"""What exact search answers about rows, whatever the model."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Certificate:
    """What is known about rows at one size of perturbation.

    Parameters
    ----------
    robust : ndarray of bool, shape (n_rows,)
        Rows whose label no change within reach turns, provably; a tie counts as turned.
    broken : ndarray of bool, shape (n_rows,)
        Rows with a witness: whoever counts them asks the model first. The others are unknown.
    witness : DataFrame of n_rows rows
        Rows that are claimed to have another label; the row itself where there is none.
    """

    robust: Mask
    broken: Mask
    witness: pd.DataFrame


@dataclass(frozen=True)
class Nearest:
    """The nearest rows with another label.

    Parameters
    ----------
    lower, upper : ndarray, shape (n_rows,)
        No change below `lower` turns the row; the witness is `upper` away. Infinite where nothing
        within reach turns it.
    witness : DataFrame of n_rows rows
        Rows that are claimed to have another label; the row itself where there is none.
    """

    lower: Floats
    upper: Floats
    witness: pd.DataFrame
