"""Where rows can go, in terms of the thresholds that trees compare with.

The thresholds of a feature cut its line into cells: cell 0 below the first, cell 1 from there to
the second, and so on. Trees cannot tell two points of a cell apart, so search is about cells, which
are integers. All rounding happens here, and always so that a row reaches more cells, never fewer.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.space.table import Reach
from modelwarden.structure import Encoding, Structure
from modelwarden.trees.ensemble import Trees

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Positions = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

MAX_CHOICES = 4096
"""Values of one column that are told apart; beyond them its features move independently."""


@dataclass(frozen=True)
class Choice:
    """Columns of which each row takes one of finitely many values, whatever their features do.

    Parameters
    ----------
    columns : tuple of str
        One column of categories, or the columns of a one-hot group.
    values : tuple of tuple
        What each choice writes into the columns.
    features : ndarray of int, shape (n_own_features,)
        The features that are made of these columns.
    low, high : ndarray of int, shape (n_choices, n_own_features)
        The cells that each choice may put the features in; rounding may leave two.
    allowed : ndarray of bool, shape (n_rows, n_choices)
        What each row may take.
    own : ndarray of int, shape (n_rows,)
        What each row has; -1 where its cell is missing.
    """

    columns: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    features: Positions
    low: Integers
    high: Integers
    allowed: Mask
    own: Positions


class Lines:
    """The thresholds of each feature, cut into cells.

    Parameters
    ----------
    trees : Trees
        Who compares.
    whole : ndarray of bool, shape (n_features,)
        Features of columns that hold integers only: thresholds between the same two integers are
        one.
    slope, offset : ndarray, shape (n_features,)
        How such a feature comes from its column.
    """

    def __init__(self, trees: Trees, whole: Mask, slope: Floats, offset: Floats) -> None:
        self.single = trees.single
        inner = np.flatnonzero(trees.inner)
        order = inner[np.lexsort((trees.threshold[inner], trees.feature[inner]))]
        starts = np.searchsorted(trees.feature[order], np.arange(len(whole) + 1))
        self.thresholds: list[Floats] = []
        self._cell: list[Integers] = []
        for feature in range(len(whole)):
            nodes = order[starts[feature] : starts[feature + 1]]
            known = np.unique(trees.threshold[nodes])
            cell = np.arange(len(known) + 1)
            if whole[feature]:
                cell = _merged(known, slope[feature], offset[feature], single=self.single)
            self.thresholds.append(known)
            self._cell.append(cell)

    def splits(self, trees: Trees) -> Integers:
        """Return for each node the cell below which a row goes left; 0 at a leaf."""
        split = np.zeros(len(trees.feature), dtype=np.int64)
        order = np.argsort(trees.feature, kind="stable")
        starts = np.searchsorted(trees.feature[order], np.arange(len(self.thresholds) + 1))
        for feature, known in enumerate(self.thresholds):
            nodes = order[starts[feature] : starts[feature + 1]]
            place = np.searchsorted(known, trees.threshold[nodes], side="right")
            split[nodes] = self._cell[feature][place]
        return split

    def cells(self, features: Floats, columns: Sequence[int] | None = None) -> Integers:
        """Return the cells of features, shape (n_rows, n_features); 0 where they are missing."""
        found = np.zeros(features.shape, dtype=np.int64)
        with np.errstate(over="ignore"):  # too large for float32 is infinite, as in the model
            rows = features.astype(np.float32).astype(np.float64) if self.single else features
        for place, feature in enumerate(range(features.shape[1]) if columns is None else columns):
            known = self.thresholds[feature]
            if len(known):
                raw = np.searchsorted(known, rows[:, place], side="right")
                found[:, place] = self._cell[feature][raw]
        return np.where(np.isnan(features), 0, found)

    def ends(self, feature: int, low: int, high: int) -> tuple[float, float]:
        """Return from which value of a feature to below which one it is in the cells low..high."""
        cell, known = self._cell[feature], self.thresholds[feature]
        first = int(np.searchsorted(cell, low, side="left"))
        behind = int(np.searchsorted(cell, high, side="right"))
        least = -np.inf if first == 0 else float(known[first - 1])
        return least, np.inf if behind > len(known) else float(known[behind - 1])


def _merged(known: Floats, slope: float, offset: float, *, single: bool) -> Integers:
    """Return each interval's cell where thresholds between the same two integers are one."""
    at = (known - offset) / slope
    eps = np.finfo(np.float32 if single else np.float64).eps
    doubt = 64 * eps * (np.abs(at) + np.abs(offset / slope) + 1.0)
    near = np.abs(at - np.rint(at)) <= doubt  # on an integer, up to rounding: a cell of its own
    key = np.where(near, at, np.floor(at) + 0.5)
    new = np.concatenate([[True], key[1:] != key[:-1]])
    return np.concatenate([[0], np.cumsum(new)])[: len(known) + 1].astype(np.int64)


@dataclass(frozen=True)
class Grid:
    """All rows and their reach, in cells.

    Parameters
    ----------
    lines : Lines
        The cells.
    own, low, high : ndarray of int, shape (n_rows, n_features)
        The cell of each feature of each row, and those that it may be in.
    still_low, still_high : ndarray of int, shape (n_rows, n_features)
        The cells that rounding may put the row itself in.
    missing : ndarray of bool, shape (n_rows, n_features)
        Features that are missing, and stay so.
    choices : tuple of Choice
        Columns whose features move together.
    """

    lines: Lines
    own: Integers
    low: Integers
    high: Integers
    still_low: Integers
    still_high: Integers
    missing: Mask
    choices: tuple[Choice, ...]


class Surveyor:
    """Who turns rows and their reach into cells.

    Parameters
    ----------
    structure : Structure
        Trees, and how columns become features.
    frame : DataFrame of n_rows rows
        The rows.
    reach : Reach
        Where they may go.
    """

    def __init__(self, structure: Structure, frame: pd.DataFrame, reach: Reach) -> None:
        if not isinstance(structure.model, Trees):
            raise TypeError("a model without trees")
        self.trees, self.encoding, self.frame = structure.model, structure.encoding, frame
        self.values, self.gaps = self.encoding.read(frame)
        self.column_of = owners(self.encoding, frame)
        self.missing = self.encoding.missing(self.gaps)
        self.lines = Lines(self.trees, *self._whole(reach))

    def only(self, row: int) -> "Surveyor":
        """Return the same for one row."""
        one = copy(self)
        one.frame = self.frame.iloc[[row]]
        one.values, one.gaps = self.values[[row]], self.gaps[[row]]
        one.missing = self.missing[[row]]
        return one

    @cached_property
    def made_of(self) -> "list[set[str]]":
        """Return the columns that each feature is made of."""
        matrix = self.encoding.matrix
        ends = zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)
        return [{self.column_of[place] for place in matrix.indices[a:b]} for a, b in ends]

    def number_of(self, feature: int) -> tuple[str, float, float] | None:
        """Return column, slope and offset of a feature that is made of one number; else None."""
        matrix = self.encoding.matrix
        start, end = matrix.indptr[feature], matrix.indptr[feature + 1]
        units = self.encoding.units
        places = [p for p in range(start, end) if units[matrix.indices[p]].kind != "missing"]
        if len(places) != 1 or len(self.made_of[feature]) != 1 or not matrix.data[places[0]]:
            return None
        place = int(matrix.indices[places[0]])
        if units[place].kind != "number":
            return None
        slope, offset = float(matrix.data[places[0]]), float(self.encoding.offset[feature])
        return self.column_of[place], slope, offset

    def features_of(self, columns: Sequence[str]) -> Positions:
        """Return the features that are made of these columns, and of no others."""
        wanted = {*columns}
        found = [f for f, made in enumerate(self.made_of) if made and made <= wanted]
        return np.array(found, dtype=np.intp)

    def groups_of(self, reach: Reach) -> list[set[int]]:
        """Return the groups of columns that each feature is made of."""
        return [{reach.groups[name] for name in made} for made in self.made_of]

    def _whole(self, reach: Reach) -> tuple[Mask, Floats, Floats]:
        """Return which features are integers times a slope plus an offset, in every row."""
        n_features = self.encoding.n_features
        whole, slope = np.zeros(n_features, dtype=bool), np.ones(n_features)
        for feature in np.unique(self.trees.feature[self.trees.inner]).tolist():
            made = self.number_of(feature)
            if made is None or made[0] not in reach.numbers:
                continue
            step, low = reach.steps[made[0]], reach.numbers[made[0]][0]
            own = _floats(self.frame[made[0]])
            filled = np.isnan(own).any() and not self.encoding.keeps_missing[feature]
            known = own[~np.isnan(low)]
            if step >= 1 and step == np.rint(step) and not filled:
                whole[feature] = bool((known == np.rint(known)).all())
                slope[feature] = made[1]
        return whole, slope, self.encoding.offset

    def survey(self, reach: Reach) -> Grid:
        """Return rows and reach in cells."""
        low_units, high_units = self._ranges(reach)
        matrix = self.encoding.matrix
        rising, falling = matrix.maximum(0), matrix.minimum(0)
        offset = self.encoding.offset
        with np.errstate(invalid="ignore"):
            own = self.encoding.features_of(self.values, self.gaps)
            least = (rising @ low_units.T + falling @ high_units.T).T + offset
            most = (rising @ high_units.T + falling @ low_units.T).T + offset
            size = np.maximum(np.abs(low_units), np.abs(high_units))
            slack, still = self.encoding.slack(size), self.encoding.slack(self.values)
        slack, still = (np.where(np.isfinite(part), part, 0.0) for part in (slack, still))
        cells = self.lines.cells(own)
        low = np.minimum(self.lines.cells(least - slack), cells)
        high = np.maximum(self.lines.cells(most + slack), cells)
        grid = Grid(
            self.lines,
            own=cells,
            low=low,
            high=high,
            still_low=self.lines.cells(own - still),
            still_high=self.lines.cells(own + still),
            missing=self.missing,
            choices=self._choices(reach),
        )
        for choice in grid.choices:
            _tighten(choice, grid)
        return grid

    def _ranges(self, reach: Reach) -> tuple[Floats, Floats]:
        """Return the least and the most that each unit of each row may be."""
        low, high = self.values.copy(), self.values.copy()
        for place, unit in enumerate(self.encoding.units):
            column = self.column_of[place]
            if unit.kind == "missing":
                continue
            if column in reach.values:
                known, mask = reach.values[column]
                equal = np.array([value == unit.value for value in known], dtype=bool)
                may = mask.any(axis=1)
                low[may, place] = ~(mask & ~equal).any(axis=1)[may]
                high[may, place] = (mask & equal).any(axis=1)[may]
                continue
            least, most = reach.numbers[column]
            here = ~np.isnan(least) & ~self.gaps[:, place]
            if unit.kind == "number":
                low[here, place], high[here, place] = least[here], most[here]
            else:
                value = _number(unit.value)
                moves = here & (most > least)
                low[moves, place] = 0.0
                high[moves, place] = ((least <= value) & (value <= most))[moves]
        return low, high

    # --- columns whose features move together ----------------------------------------------------

    def _choices(self, reach: Reach) -> tuple[Choice, ...]:
        grouped = {name for names in reach.one_hot for name in names}
        found = [self._one_hot(names, reach) for names in reach.one_hot]
        for name, (known, mask) in reach.values.items():
            if (mask.sum(axis=1) > 1).any() and len(known) <= MAX_CHOICES:
                own = _places(self.frame[name], known)
                found.append(self._choice((name,), [(value,) for value in known], mask, own))
        compared = {
            self.column_of[place]
            for place, unit in enumerate(self.encoding.units)
            if unit.kind == "equals"
        }
        names = sorted(compared & (reach.numbers.keys() - grouped))
        found += [self._numbers(name, reach) for name in names]
        return tuple(choice for choice in found if choice is not None)

    def _one_hot(self, names: tuple[str, ...], reach: Reach) -> Choice | None:
        """Return the columns of a group as a choice of which one is 1."""
        values = [tuple(float(i == j) for j in range(len(names))) for i in range(len(names))]
        own = np.stack([_floats(self.frame[name]) for name in names], axis=1)
        low = np.stack([reach.numbers[name][0] for name in names], axis=1)
        high = np.stack([reach.numbers[name][1] for name in names], axis=1)
        # a choice needs its own column to reach 1, and the others to reach 0
        allowed = (high >= 1) & (((low <= 0).sum(axis=1)[:, None] - (low <= 0)) >= len(names) - 1)
        return self._choice(names, values, allowed, np.argmax(own, axis=1))

    def _numbers(self, name: str, reach: Reach) -> Choice | None:
        """Return a column of a few whole numbers as a choice; None where there are too many."""
        (low, high), step = reach.numbers[name], reach.steps[name]
        own = _floats(self.frame[name])
        here = np.isfinite(low) & np.isfinite(high) & np.isfinite(own)
        if not step or not here.any() or not (high > low)[here].any():
            return None
        least, most = low[here].min(), high[here].max()
        if step != np.rint(step) or (own[here] != np.rint(own[here])).any():
            return None
        if most - least > MAX_CHOICES:
            return None
        values = np.arange(np.ceil(least), np.floor(most) + 1)
        inside = (values >= low[:, None]) & (values <= high[:, None]) & here[:, None]
        allowed = inside & (np.mod(values - own[:, None], step) == 0)
        places = np.where(here, own - values[0], -1).astype(np.intp)
        return self._choice((name,), [(value,) for value in values.tolist()], allowed, places)

    def _choice(
        self,
        columns: tuple[str, ...],
        values: Sequence[tuple[Any, ...]],
        allowed: Mask,
        own: Positions,
    ) -> Choice | None:
        features = self.features_of(columns)
        features = features[[len(self.lines.thresholds[f]) > 0 for f in features]]
        if not len(features) or not (allowed.sum(axis=1) > 1).any():
            return None
        units = np.zeros((len(values), len(self.encoding.units)))
        for place, unit in enumerate(self.encoding.units):
            if self.column_of[place] in columns and unit.kind != "missing":
                at = columns.index(self.column_of[place])
                cells = [value[at] for value in values]
                units[:, place] = (
                    [float(cell) for cell in cells]
                    if unit.kind == "number"
                    else [cell == unit.value for cell in cells]
                )
        with np.errstate(invalid="ignore"):
            made = (self.encoding.matrix[features] @ units.T).T + self.encoding.offset[features]
            slack = self.encoding.slack(units)[:, features]
        low = self.lines.cells(made - slack, features.tolist())
        high = self.lines.cells(made + slack, features.tolist())
        return Choice(columns, tuple(values), features, low, high, allowed, own)


def owners(encoding: Encoding, frame: pd.DataFrame) -> list[str]:
    """Return the name of each unit's column."""
    names = [str(name) for name in frame.columns]
    return [names[u.column] if isinstance(u.column, int) else u.column for u in encoding.units]


def _tighten(choice: Choice, grid: Grid) -> None:
    """Let features of a choice reach no cell that none of its values puts them in."""
    may = choice.allowed.any(axis=1)
    allowed = choice.allowed[may][:, :, None]
    least = np.where(allowed, choice.low, np.iinfo(np.int64).max).min(axis=1)
    most = np.where(allowed, choice.high, -1).max(axis=1)
    rows = np.flatnonzero(may)[:, None]
    grid.low[rows, choice.features] = np.minimum(least, grid.own[rows, choice.features])
    grid.high[rows, choice.features] = np.maximum(most, grid.own[rows, choice.features])


def _places(column: "pd.Series[Any]", known: Sequence[Any]) -> Positions:
    codes = {value: code for code, value in enumerate(known)}
    return np.array([codes.get(cell, -1) for cell in column.tolist()], dtype=np.intp)


def _floats(column: "pd.Series[Any]") -> Floats:
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _number(value: Any) -> float:
    """Return what a number would have to be to equal `value`; NaN where none can."""
    return float(value) if isinstance(value, (bool, int, float)) else np.nan
