"""What has to hold between the columns of a row."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from modelwarden.space.points import Floats, Mask, Positions

ROUNDING = 1e-9
"""Of the sum of a relation's parts: what counts as 0, unless its columns are narrower floats."""


@dataclass(frozen=True)
class Relation:
    """What has to hold in every row: ``values @ weights + constant`` is at most 0, or is 0.

    Parameters
    ----------
    weights : ndarray, shape (n_columns,)
    constant : float
    equal : bool
        Whether it has to be 0.
    target : int
        The column that is computed to make it so; -1 where nothing is.
    rounding : float, default=ROUNDING
        What is forgiven, as a share of the sum of all parts.
    """

    weights: Floats
    constant: float
    equal: bool = False
    target: int = -1
    rounding: float = ROUNDING

    @cached_property
    def columns(self) -> Positions:
        """Which columns it speaks about."""
        return np.flatnonzero(self.weights)

    def excess(self, values: Floats) -> Floats:
        """Return by how much `values`, shape (..., n_columns), miss it; 0 where it holds.

        Cells that are missing make it unknown, and unknown holds: nobody can change them.
        """
        parts = values[..., self.columns] * self.weights[self.columns]
        total = parts.sum(axis=-1) + self.constant
        forgiven = self.rounding * (np.abs(parts).sum(axis=-1) + abs(self.constant))
        missed = (np.abs(total) if self.equal else total) > forgiven
        return np.where(missed, total, 0.0)

    def holds(self, values: Floats) -> Mask:
        """Tell for which of `values`, shape (..., n_columns), it holds, up to rounding."""
        return np.asarray(self.excess(values) == 0)

    def computed(self, values: Floats) -> Floats:
        """Return the target's value by the other columns, shape (...); there has to be a target."""
        others = self.columns[self.columns != self.target]
        rest = values[..., others] @ self.weights[others] + self.constant
        return np.asarray(-rest / self.weights[self.target])

    def taken_back(self, values: Floats, origin: Floats, step: Floats) -> Floats:
        """Take back, column after column, as much of each move as it takes to make it hold.

        Where it holds at `origin`, it holds afterwards, unless it is an equality between columns
        with steps. No column moves farther from `origin` by this.

        Parameters
        ----------
        values, origin : ndarray, shape (..., n_columns)
        step : ndarray, shape (n_columns,)
            As in :class:`.box.Box`: what is taken back is rounded up to whole steps.
        """
        left = self.excess(values)
        if not left.any():
            return values
        values = values.copy()
        for column in self.columns.tolist():
            weight = self.weights[column]
            gave = np.nan_to_num(weight * (values[..., column] - origin[..., column]))
            back = np.clip(left, np.minimum(gave, 0.0), np.maximum(gave, 0.0)) / weight
            if step[column] > 0:
                back = np.sign(back) * np.ceil(np.abs(back) / step[column] - 1e-9) * step[column]
            # exactly the row's own value, where all of the move is taken back
            whole = np.abs(back * weight) >= np.abs(gave)
            values[..., column] = np.where(
                whole & (back != 0), origin[..., column], values[..., column] - back
            )
            left = left - back * weight
            left = left if self.equal else np.maximum(left, 0.0)
        return values
