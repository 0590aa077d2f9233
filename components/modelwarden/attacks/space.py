"""What an attacker may change: which cells of a table, how far, and into what.

The numbers of a table are the space that an attack moves in; :class:`Space` measures it on a table
and shows candidates to a model as the table would. A :class:`Box` is the part of it within reach of
each row.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from modelwarden.attacks.engine import Candidates, Floats, Mask, Positions

LARGEST_INTEGER = 2.0**53
"""Floats cannot tell larger integers from their neighbours; a column with one never moves."""
LARGEST = 1e100
"""Squares of larger numbers may overflow; a column with one never moves."""


@dataclass(frozen=True)
class Box:
    """Where rows may move.

    Parameters
    ----------
    origin, low, high : ndarray, shape (n_rows, n_columns)
        Each row as it is, and its bounds, ``low <= origin <= high``. All three are NaN in a cell
        that is missing and has to stay so.
    whole : ndarray of bool, shape (n_columns,)
        Columns of whole numbers; their bounds are whole as well.
    """

    origin: Floats
    low: Floats
    high: Floats
    whole: Mask

    @property
    def movable(self) -> Mask:
        """Which cells have room to move, shape (n_rows, n_columns)."""
        return np.asarray(self.high > self.low)

    def take(self, rows: Positions) -> "Box":
        """Return the box of some of the rows."""
        return Box(self.origin[rows], self.low[rows], self.high[rows], self.whole)

    def inside(self, candidates: Candidates) -> Mask:
        """Tell which cells of `candidates` are within the bounds of their row."""
        rows, values = candidates.rows, candidates.values
        within = (values >= self.low[rows]) & (values <= self.high[rows])
        return np.asarray(within & (~self.whole | (values == np.rint(values))))

    def contains(self, candidates: Candidates) -> Mask:
        """Tell which candidates are in the box of their row, missing cells still missing."""
        missing = np.isnan(candidates.values) & np.isnan(self.origin[candidates.rows])
        return np.asarray((self.inside(candidates) | missing).all(axis=1))

    def fit(self, rows: Positions, values: Floats) -> Floats:
        """Move `values`, shape (len(rows), ..., n_columns), to the nearest point of their box."""
        shape = (len(rows), *[1] * (values.ndim - 2), -1)
        origin, low, high = (
            side[rows].reshape(shape) for side in (self.origin, self.low, self.high)
        )
        known = np.where(np.isnan(values), origin, values)
        return np.clip(np.where(self.whole, np.rint(known), known), low, high)


@dataclass(frozen=True)
class Column:
    """A column of numbers, as all rows of the table show it."""

    dtype: np.dtype[np.generic]
    scale: float
    least: float
    most: float
    whole: bool
    by_deviation: bool

    @classmethod
    def of(cls, column: "pd.Series[float]") -> "Column | None":
        """Measure a column; None when it may not move."""
        if not isinstance(column.dtype, np.dtype) or column.dtype.kind not in "iuf":
            return None
        values, is_float = column.to_numpy(dtype=np.float64), column.dtype.kind == "f"
        known = values[np.isfinite(values)]
        if not np.abs(known).max(initial=0.0) <= (LARGEST if is_float else LARGEST_INTEGER):
            return None
        if len(known) == 0 or not known.min() < known.max():
            return None
        quarter, three_quarters = np.quantile(known, [0.25, 0.75])
        spread = float(three_quarters - quarter)
        # integers with missing cells arrive as floats
        gaps = bool(np.isnan(values).any())
        return cls(
            dtype=column.dtype,
            scale=spread if spread > 0 else float(known.std()),
            least=float(known.min()),
            most=float(known.max()),
            whole=not is_float or (gaps and bool((known == np.rint(known)).all())),
            by_deviation=not spread > 0,
        )

    def bounds(self, values: Floats, epsilon: float) -> tuple[Floats, Floats]:
        """Return how far down and up each value may go, in numbers that the column can hold."""
        low = np.maximum(values - epsilon * self.scale, self.least)
        high = np.minimum(values + epsilon * self.scale, self.most)
        if self.whole:
            low, high = np.ceil(low), np.floor(high)
        return self._held(low, np.inf), self._held(high, -np.inf)

    def _held(self, bounds: Floats, inward: float) -> Floats:
        """Round `bounds` to the column's type, where they do not fit in the direction `inward`."""
        if self.dtype.kind != "f":
            return bounds
        held = bounds.astype(self.dtype)
        beyond = held < bounds if inward > 0 else held > bounds
        inner = np.nextafter(held, self.dtype.type(inward))
        return np.where(beyond, inner, held).astype(np.float64)


class Space:
    """The sampled rows, and what may change in them.

    Attributes
    ----------
    frame : DataFrame of shape (n_rows, n_features)
        The rows as the table has them.
    columns : dict of str to Column
        What may move, sorted by name, so that the table's order is no matter.
    origin : ndarray of shape (n_rows, len(columns))
        The numbers that may move; NaN in a cell that is missing or infinite and stays so.
    """

    def __init__(self, frame: pd.DataFrame, sampled: Positions) -> None:
        measured = {str(name): Column.of(frame[name]) for name in sorted(frame.columns)}
        self.columns = {name: column for name, column in measured.items() if column is not None}
        self.frame = frame.iloc[sampled].reset_index(drop=True)
        numbers = self.frame[[*self.columns]].to_numpy(dtype=np.float64)
        self.origin = np.where(np.isfinite(numbers), numbers, np.nan)
        names, gaps = [*self.columns], np.flatnonzero(np.isnan(self.origin).any(axis=0))
        self._gaps = {names[place] for place in gaps}

    def box(self, epsilon: float) -> Box:
        """Return how far each row may go."""
        sides = [
            column.bounds(values, epsilon)
            for column, values in zip(self.columns.values(), self.origin.T, strict=True)
        ]
        low, high = np.array(sides).reshape(-1, 2, len(self.origin)).transpose(1, 2, 0)
        whole = np.array([column.whole for column in self.columns.values()], dtype=bool)
        return Box(self.origin, low, high, whole)

    def present(self, candidates: Candidates) -> pd.DataFrame:
        """Return candidates as the model knows them: all columns, in their order and types."""
        moved = dict(zip(self.columns, candidates.values.T, strict=True))
        rows, shown = candidates.rows, {}
        for name, column in self.frame.items():
            values = moved.get(str(name))
            if values is None:
                shown[name] = column.array.take(rows)
                continue
            if name in self._gaps:
                values = np.where(np.isnan(values), column.to_numpy()[rows], values)
            shown[name] = values.astype(self.columns[str(name)].dtype)
        return pd.DataFrame(shown, copy=False)

    def allows(self, box: Box, rows: Positions, shown: pd.DataFrame) -> Mask:
        """Tell which lines of `shown` leave their row, ``rows[i]``, only as far as `box` reaches.

        `shown` is what the model sees, so this also holds :meth:`present` to account.
        """
        numbers = shown[[*self.columns]].to_numpy(dtype=np.float64)
        inside = dict(zip(self.columns, box.inside(Candidates(rows, numbers)).T, strict=True))
        allowed = np.ones(len(rows), dtype=bool)
        for name, column in self.frame.items():
            here, there = shown[name].array, column.array.take(rows)
            same = np.asarray((here == there) | (pd.isna(here) & pd.isna(there)))
            allowed &= same | inside.get(str(name), False)
        return allowed
