"""Columns as coordinates: numbers as they are, categories as codes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from modelwarden.space.points import LARGEST, Floats
from modelwarden.space.rules import ColumnRule

LARGEST_INTEGER = 2.0**53
"""Floats cannot tell larger integers from their neighbours; a column with one never moves."""

WORDS = 3
"""Words of a cell, on the median, from which on a column holds sentences."""

_FREE, _STILL = ColumnRule(), ColumnRule(by=0.0)


@dataclass(frozen=True)
class Column:
    """A column of numbers, as all rows of the table show it.

    Parameters
    ----------
    dtype : dtype
    scale : float
        One unit of epsilon, unless the rule has a cost.
    least, most : float
        Bounds.
    whole : bool
        Whether only integers occur: by type, or in a column of floats because cells are missing.
    by_deviation : bool
        Whether the scale is the standard deviation, because the interquartile range is 0.
    rule : ColumnRule
        What people wrote down.
    """

    dtype: np.dtype[Any]
    scale: float
    least: float
    most: float
    whole: bool
    by_deviation: bool
    rule: ColumnRule = _FREE

    @classmethod
    def of(cls, column: "pd.Series[Any]", rule: ColumnRule = _FREE) -> "Column | str":
        """Measure a column; where it can never move, say why."""
        if not is_number(column):
            return "not a number"
        dtype: np.dtype[Any] = column.to_numpy().dtype
        values, is_float = column.to_numpy(dtype=np.float64), dtype.kind == "f"
        known = values[np.isfinite(values)]
        if not np.abs(known).max(initial=0.0) <= (LARGEST if is_float else LARGEST_INTEGER):
            return "numbers too large"
        lowest, highest = _range(dtype)
        least = rule.least if rule.least is not None else float(known.min(initial=np.inf))
        most = rule.most if rule.most is not None else float(known.max(initial=-np.inf))
        least, most = max(least, lowest), min(most, highest)
        if len(known) == 0 or not least < most:
            return "no room between its bounds" if len(known) else "no number in it"
        quarter, three_quarters = np.quantile(known, [0.25, 0.75])
        spread = float(three_quarters - quarter)
        scale = rule.scale or (spread if spread > 0 else float(known.std()))
        if not scale >= 1 / LARGEST:
            return "no scale: all rows have the same value"
        # integers with missing cells arrive as floats
        gaps = bool(np.isnan(values).any())
        return cls(
            dtype=dtype,
            scale=scale,
            least=least,
            most=most,
            whole=not is_float or (gaps and bool((known == np.rint(known)).all())),
            by_deviation=not spread > 0 and rule.scale is None,
            rule=rule,
        )

    @classmethod
    def still(cls, column: "pd.Series[Any]") -> "Column":
        """Return a column of numbers that never moves, for the relations that speak about it."""
        return cls(column.to_numpy().dtype, 1.0, -np.inf, np.inf, False, False, _STILL)

    @property
    def is_still(self) -> bool:
        """Tell whether it is a coordinate for the sake of relations only."""
        return self.rule is _STILL

    @property
    def step(self) -> float:
        """Return the step in which rows move, 0 for any number."""
        return self.rule.step or float(self.whole)

    @property
    def unit(self) -> float:
        """Return how far one unit of distance is."""
        return self.scale / (self.rule.cost or 1.0)

    @property
    def codes(self) -> int:
        """Return 0: numbers are no codes."""
        return 0

    def encode(self, frame: pd.DataFrame, name: str) -> Floats:
        """Return the numbers, NaN for missing and infinite ones."""
        numbers = frame[name].to_numpy(dtype=np.float64)
        return np.where(np.isfinite(numbers), numbers, np.nan)

    def bounds(self, values: Floats, reach: float) -> tuple[Floats, Floats]:
        """Return how far down and up each value may go, in numbers that the column can hold.

        A value that is beyond the column's bounds as it is may come back, and go no further.
        """
        rule, room = self.rule, np.full(len(values), reach * self.unit)
        if rule.by is not None:
            room = np.minimum(room, rule.by)
        if rule.by_share is not None:
            room = np.minimum(room, rule.by_share * np.abs(values))
        low = values if rule.direction == "up" else np.maximum(values - room, self.least)
        high = values if rule.direction == "down" else np.minimum(values + room, self.most)
        low, high = np.minimum(low, values), np.maximum(high, values)
        if self.step:
            rooms = values - low, high - values
            down, up = (np.floor(room / self.step + 1e-9) * self.step for room in rooms)
            low, high = np.maximum(values - down, low), np.minimum(values + up, high)
        return self._held(low, np.inf), self._held(high, -np.inf)

    def _held(self, bounds: Floats, inward: float) -> Floats:
        """Round `bounds` to the column's type, where they do not fit in the direction `inward`."""
        if self.dtype.kind != "f":
            return bounds
        held = bounds.astype(self.dtype)
        beyond = held < bounds if inward > 0 else held > bounds
        inner = np.nextafter(held, self.dtype.type(inward))
        return np.where(beyond, inner, held).astype(np.float64)


@dataclass(frozen=True)
class Choice:
    """A coordinate of codes: a column of categories, or several of 0 and 1 of which one is 1.

    Parameters
    ----------
    columns : tuple of str
        The column, or the columns of a one-hot group.
    known : tuple
        What each code stands for: values, or positions among `columns`. Those that every row may
        take come first.
    allowed : int
        How many those are.
    cost : float
        Units of distance that another code uses up.
    one_hot : bool
    """

    columns: tuple[str, ...]
    known: tuple[Any, ...]
    allowed: int
    cost: float
    one_hot: bool

    @property
    def step(self) -> float:
        """Return 0: codes have no order, so no step either."""
        return 0.0

    @property
    def unit(self) -> float:
        """Return how far one unit of distance is."""
        return 1.0 / self.cost if self.cost > 0 else np.inf

    @property
    def codes(self) -> int:
        """Return how many codes every row may take."""
        return self.allowed

    def bounds(self, codes: Floats, reach: float) -> tuple[Floats, Floats]:
        """Return the lowest and highest code of each row; its own, if another costs too much."""
        if self.cost > reach:
            return codes, codes
        return np.where(np.isnan(codes), np.nan, 0.0), np.maximum(codes, self.allowed - 1.0)

    def encode(self, frame: pd.DataFrame, name: str) -> Floats:
        """Return the code of each row, NaN where there is none."""
        if self.one_hot:
            cells = frame[list(self.columns)].to_numpy(dtype=np.float64)
            sound = ((cells == 0) | (cells == 1)).all(axis=1) & (cells.sum(axis=1) == 1)
            return np.where(sound, cells.argmax(axis=1), np.nan)
        places, values = pd.factorize(frame[name])  # places of missing cells are -1
        codes = {value: float(code) for code, value in enumerate(self.known)}
        found = [*(codes.get(cell, np.nan) for cell in values.tolist()), np.nan]
        return np.array(found)[places]

    def decode(self, codes: Floats, column: str, like: "pd.Series[Any]") -> Any:
        """Return what a column holds where the coordinate has `codes`, in the type of `like`."""
        if self.one_hot:
            return (codes == self.columns.index(column)).astype(like.dtype)
        return pd.Series([*self.known], dtype=like.dtype).array.take(codes.astype(np.intp))


Coordinate = Column | Choice


def holds_sentences(column: "pd.Series[Any]") -> bool:
    """Tell whether a column holds texts of several words, which are more than categories."""
    cells = column.dropna()
    if cells.empty or not (cells.dtype == object or isinstance(cells.dtype, pd.StringDtype)):
        return False
    return bool(np.median([len(str(cell).split()) for cell in cells.tolist()]) >= WORDS)


def is_number(column: "pd.Series[Any]") -> bool:
    """Tell whether a column holds numbers, which truth values are not."""
    return isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf"


def _range(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the least and the largest number that a column may be moved to."""
    largest = LARGEST if dtype.kind == "f" else LARGEST_INTEGER
    holds = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return max(float(holds.min), -largest), min(float(holds.max), largest)
