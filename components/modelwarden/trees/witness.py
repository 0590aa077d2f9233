"""From cells back to rows: the nearest row whose features are in given cells."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.space.table import Reach
from modelwarden.trees.grid import Grid, Surveyor

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]

_EPS, _EPS_SINGLE = float(np.finfo(np.float64).eps), float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Point:
    """Where a search found something.

    Parameters
    ----------
    cells : mapping of int to (int, int)
        First and last cell of features; the others may be anywhere in the row's reach.
    picks : mapping of int to int
        For each of the grid's choices that the row has, what it takes.
    """

    cells: Mapping[int, tuple[int, int]]
    picks: Mapping[int, int]


@dataclass(frozen=True)
class Part:
    """A feature that is a column of numbers times a slope, plus an offset."""

    feature: int
    slope: float
    offset: float


class Locator:
    """Who turns points into rows.

    Parameters
    ----------
    surveyor : Surveyor
        Who made the grid.
    frame : DataFrame of n_rows rows
        The rows.
    """

    def __init__(self, surveyor: Surveyor, frame: pd.DataFrame) -> None:
        self.frame, self.lines = frame, surveyor.lines
        self.numbers: dict[str, list[Part]] = {}
        for feature, known in enumerate(self.lines.thresholds):
            made = surveyor.number_of(feature) if len(known) else None
            if made is not None:
                self.numbers.setdefault(made[0], []).append(Part(feature, made[1], made[2]))

    def only(self, row: int) -> "Locator":
        """Return the same for one row."""
        one = copy(self)
        one.frame = self.frame.iloc[[row]]
        return one

    def changes(
        self,
        grid: Grid,
        reach: Reach,
        row: int,
        point: Point,
        towards: Mapping[str, float] | None = None,
    ) -> dict[str, Any]:
        """Return the columns that have to change for a row to be at a point, and to what.

        `towards` says of columns of numbers which value to come near to, where that is not the
        row's own.
        """
        towards = towards or {}
        changed: dict[str, Any] = {}
        for place, pick in point.picks.items():
            choice = grid.choices[place]
            if pick != choice.own[row]:
                changed |= dict(zip(choice.columns, choice.values[pick], strict=True))
        chosen = {name for place in point.picks for name in grid.choices[place].columns}
        for name in (self.numbers.keys() | towards.keys()) - chosen:
            parts = [part for part in self.numbers.get(name, ()) if part.feature in point.cells]
            own = self._own(name, row)
            aim = towards.get(name, own)
            ends = [(part, *point.cells[part.feature]) for part in parts]
            inside = all(a <= grid.own[row, part.feature] <= b for part, a, b in ends)
            if not inside or aim != own:
                changed[name] = self._number(name, row, reach, ends, aim)
        return changed

    def _number(
        self,
        name: str,
        row: int,
        reach: Reach,
        ends: Sequence[tuple[Part, int, int]],
        aim: float,
    ) -> float:
        """Return the number that is nearest to `aim` and puts its features in cells."""
        own = self._own(name, row)
        low, high = (float(side[row]) for side in reach.numbers[name])
        least, most = low, high
        for part, first, last in ends:
            start, end = self.interval(part, first, last)
            least, most = max(least, start), min(most, end)
        value = min(max(aim, least), most)
        step = reach.steps[name]
        if step and value != own:
            steps = (value - own) / step
            away = np.ceil(abs(steps) - 1e-9) * np.sign(steps)
            value = own + away * step
        return min(max(value, low), high)

    def _own(self, name: str, row: int) -> float:
        cell: Any = self.frame[name].iat[row]
        return float(cell)

    def interval(
        self, part: Part, first: int, last: int, *, inward: bool = True
    ) -> tuple[float, float]:
        """Return the numbers that put a feature in cells: surely, or if not `inward`, possibly."""
        sides = self.lines.ends(part.feature, first, last)
        eps = 2 * _EPS_SINGLE if self.lines.single else 0.0
        ends = []
        for side, sign in zip(sides, (1.0, -1.0), strict=True):
            size = abs(side) + abs(part.offset)
            doubt = 64 * _EPS * size + eps * abs(side) if np.isfinite(side) else 0.0
            ends.append((side + (sign if inward else -sign) * doubt - part.offset) / part.slope)
        start, end = ends if part.slope > 0 else ends[::-1]
        if start > end:  # no wider than rounding
            start = end = (start + end) / 2
        return start, end


def rows(frame: pd.DataFrame, changes: Mapping[int, Mapping[str, Any]]) -> pd.DataFrame:
    """Return the rows with changes made, by row and column, in the types of their columns."""
    moved: dict[str, dict[int, Any]] = {}
    for row, cells in changes.items():
        for name, value in cells.items():
            moved.setdefault(name, {})[row] = value
    columns: dict[str, Any] = {}
    for name, new in moved.items():
        values = frame[name].astype(object).to_numpy().copy()
        values[[*new]] = np.fromiter(new.values(), dtype=object, count=len(new))
        columns[name] = pd.Series(values, index=frame.index).astype(frame[name].dtype)
    return frame.assign(**columns)
