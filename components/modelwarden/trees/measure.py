"""How far changed cells are from their row, and whether an attacker may change them so."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from modelwarden.space.table import Bond, Reach

ROUNDING = 1e-9


class Measure:
    """Distances between rows and changes of them, by one norm.

    Parameters
    ----------
    frame : DataFrame of n_rows rows
        The rows.
    reach : Reach
        Units, groups and what has to hold.
    norm : {"linf", "l2", "l1", "l0"}
    """

    def __init__(self, frame: pd.DataFrame, reach: Reach, norm: str) -> None:
        self.frame, self.reach, self.norm = frame, reach, norm

    @property
    def is_bound(self) -> bool:
        """Tell whether more has to hold than bounds."""
        return self.reach.most is not None or bool(self.reach.relations)

    @property
    def is_free(self) -> bool:
        """Tell whether all of a box may be used, where few enough groups change."""
        return self.norm in ("linf", "l0") and not self.reach.relations

    def fewest(self, radius: float) -> int | None:
        """Return how many groups may change, by the norm or besides it; None for any number."""
        by_norm = int(radius) if self.norm == "l0" and np.isfinite(radius) else None
        limits = [limit for limit in (by_norm, self.reach.most) if limit is not None]
        return min(limits, default=None)

    def groups(self, changes: Mapping[str, Any]) -> int:
        """Return how many groups of columns change."""
        return len({self.reach.groups[name] for name in changes})

    def distance(self, row: int, changes: Mapping[str, Any]) -> float:
        """Return how far a row's changes are from it."""
        if self.norm == "l0":
            return float(self.groups(changes))
        moves = np.array([self._move(row, name, value) for name, value in changes.items()])
        if self.norm == "linf":
            return float(moves.max(initial=0.0))
        return float(moves.sum() if self.norm == "l1" else np.sqrt((moves**2).sum()))

    def allows(self, row: int, changes: Mapping[str, Any], radius: float) -> bool:
        """Tell whether an attacker who can go that far may make these changes."""
        if not self.distance(row, changes) <= radius * (1 + ROUNDING):
            return False
        if self.reach.most is not None and self.groups(changes) > self.reach.most:
            return False
        return all(self._holds(bond, row, changes) for bond in self.reach.relations)

    def _move(self, row: int, name: str, value: Any) -> float:
        unit = self.reach.units[name]
        if not np.isfinite(unit):
            return 0.0
        if name in self.reach.values:
            return 1.0 / unit
        return abs(float(value) - self.own(row, name)) / unit

    def own(self, row: int, name: str) -> float:
        """Return a row's number in a column."""
        cell: Any = self.frame[name].iat[row]
        return float(cell)

    def _holds(self, bond: Bond, row: int, changes: Mapping[str, Any]) -> bool:
        if not bond.asked[row] or not bond.weights.keys() & changes.keys():
            return True
        parts = [
            weight * float(changes[name] if name in changes else self.own(row, name))
            for name, weight in bond.weights.items()
        ]
        total = sum(parts) + bond.constant
        forgiven = bond.rounding * (sum(map(abs, parts)) + abs(bond.constant))
        return abs(total) <= forgiven if bond.equal else total <= forgiven
