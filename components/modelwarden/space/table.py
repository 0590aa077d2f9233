"""The space of a table's rows: its columns as coordinates, and what may happen to each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from modelwarden.report import Json
from modelwarden.space.box import Box
from modelwarden.space.columns import Choice, Column, Coordinate
from modelwarden.space.coordinates import coordinates, relation
from modelwarden.space.points import Candidates, Floats, Mask, Positions
from modelwarden.space.relation import Relation
from modelwarden.space.rules import Image, Rules


@dataclass(frozen=True)
class Bond:
    """A relation in terms of a table's columns: ``sum of weight * column + constant`` <= 0, or 0.

    Parameters
    ----------
    weights : mapping of str to float
        By column, none of them 0.
    constant : float
    equal : bool
        Whether it has to be 0.
    asked : ndarray of bool, shape (n_rows,)
        The rows that it is asked of.
    rounding : float
        What is forgiven, as a share of the sum of all parts.
    """

    weights: Mapping[str, float]
    constant: float
    equal: bool
    asked: Mask
    rounding: float


@dataclass(frozen=True)
class Reach:
    """A box in terms of the table's own columns, every feature column among them.

    `one_hot`, `relations` and `most` make what an attacker can do smaller than `numbers` and
    `values` say, never larger; so what is proved without them holds with them.

    Parameters
    ----------
    numbers : mapping of str to (ndarray, ndarray)
        Lowest and highest value of each column of numbers or truth values, shape (n_rows,) each;
        NaN where the cell is missing.
    values : mapping of str to (tuple, ndarray of bool)
        Of every other column the values that occur, and which each row may take, shape
        (n_rows, n_values); none where the cell is missing.
    steps : mapping of str to float
        Of columns of numbers, 0 for any number; else the row's own value plus multiples of it.
    units : mapping of str to float
        How far one unit of distance is, by column; infinite where moving costs nothing.
    groups : mapping of str to int
        Columns with the same number count as one where changed columns are counted.
    one_hot : tuple of tuple of str
        Columns of 0 and 1 of which one is 1, group by group; what they say costs nothing.
    relations : tuple of Bond
        What has to hold between columns of numbers.
    most : int, optional
        How many groups may change; any number where it is left out.
    """

    numbers: Mapping[str, tuple[Floats, Floats]]
    values: Mapping[str, tuple[tuple[Any, ...], Mask]]
    steps: Mapping[str, float]
    units: Mapping[str, float]
    groups: Mapping[str, int]
    one_hot: tuple[tuple[str, ...], ...] = ()
    relations: tuple[Bond, ...] = ()
    most: int | None = None

    def take(self, rows: Positions) -> "Reach":
        """Return the reach of some of the rows."""
        numbers = {n: (low[rows], high[rows]) for n, (low, high) in self.numbers.items()}
        values = {n: (known, mask[rows]) for n, (known, mask) in self.values.items()}
        relations = tuple(replace(bond, asked=bond.asked[rows]) for bond in self.relations)
        return replace(self, numbers=numbers, values=values, relations=relations)

    def within(self, frame: pd.DataFrame, radius: Floats) -> "Reach":
        """Return what of it is within a distance of each row, column by column.

        Parameters
        ----------
        frame : DataFrame of n_rows rows
            The rows.
        radius : ndarray, shape (n_rows,)
            For each row, the largest distance of a column.
        """
        numbers, values = dict(self.numbers), dict(self.values)
        with np.errstate(invalid="ignore"):  # infinite cells stay where they are
            for name, (low, high) in self.numbers.items():
                if np.isfinite(self.units[name]):
                    own, room = _numbers(frame[name]), radius * self.units[name]
                    step = self.steps[name]
                    if step:
                        room = np.floor(room / step + 1e-9) * step
                    nearer = np.fmax(low, own - room), np.fmin(high, own + room)
                    numbers[name] = np.fmin(nearer[0], own), np.fmax(nearer[1], own)
        for name, (known, mask) in self.values.items():
            if np.isfinite(self.units[name]):
                codes = {value: code for code, value in enumerate(known)}
                own = np.array([codes.get(cell, -1) for cell in frame[name].tolist()])
                paid = radius >= (1.0 / self.units[name]) * (1 - 1e-9)
                values[name] = known, mask & (paid[:, None] | (own[:, None] == range(len(known))))
        return replace(self, numbers=numbers, values=values)


class Space:
    """The sampled rows, and what may change in them.

    Parameters
    ----------
    frame : DataFrame of shape (n_table_rows, n_features)
        All rows: ranges and scales are theirs.
    sampled : ndarray of int, shape (n_rows,)
        The rows that may change.
    rules : Rules, optional
        What people wrote down; without it numbers move within the table's range.
    where : str
        The table's name in errors.

    Attributes
    ----------
    frame : DataFrame of shape (n_rows, n_features)
        The sampled rows as the table has them.
    columns : dict of str to Column or Choice
        The coordinates, sorted by name, so that the table's order is no matter; also columns that
        never move, where a relation speaks about them.
    origin : ndarray of shape (n_rows, len(columns))
        Where the rows are; NaN in a cell that is missing or infinite and stays so.
    fixed : dict of str to str
        The table's columns that never move, and why.
    unasked : dict of str to int
        By relation, of how many rows it does not hold as they are; of those it is not asked.

    Raises
    ------
    InputError
        If the rules name columns that are not there, or ask of a column what it cannot do.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        sampled: Positions,
        rules: Rules | None = None,
        where: str = "space",
    ) -> None:
        self.rules = rules or Rules(version=1)
        self.columns, self.fixed = coordinates(frame, self.rules, where)
        self.unseen = _unseen(frame, self.columns)
        self.frame = frame.iloc[sampled].reset_index(drop=True)
        self.origin = self.encode(self.frame, np.arange(len(self.frame)))
        self._gaps: Mask = np.asarray(np.isnan(self.origin).any(axis=0))
        self._owner = {
            name: place
            for place, (coordinate, known) in enumerate(self.columns.items())
            for name in (known.columns if isinstance(known, Choice) else (coordinate,))
            if name not in self.fixed
        }
        formulas = self.rules.formulas()
        self._relations = tuple(relation(formula, self.columns, where) for formula in formulas)
        self.unasked = {
            formula.text: int((~known.holds(self.origin)).sum())
            for formula, known in zip(formulas, self._relations, strict=True)
        }
        self._group = _pixels(self.rules.image, map(str, frame.columns), [*self.columns])

    def box(self, epsilon: float, norm: str = "linf") -> Box:
        """Return how far each row may go.

        Parameters
        ----------
        epsilon : float
            The largest distance in units of each column's scale; with ``l0`` the number of columns;
            infinite for as far as the rules allow.
        norm : {"linf", "l2", "l1", "l0"}
        """
        reach = np.inf if norm == "l0" else epsilon
        known = [*self.columns.values()]
        sides = [
            column.bounds(values, reach)
            for column, values in zip(known, self.origin.T, strict=True)
        ]
        low, high = np.array(sides).reshape(-1, 2, len(self.origin)).transpose(1, 2, 0)
        return Box(
            origin=self.origin,
            low=low,
            high=high,
            step=np.array([column.step for column in known]),
            unit=np.array([column.unit for column in known]),
            codes=np.array([column.codes for column in known], dtype=np.intp),
            group=self._group,
            norm=norm,
            radius=epsilon,
            most=self.rules.max_changed,
            relations=self._relations,
            narrow=_narrow(known),
        )

    def present(self, candidates: Candidates) -> pd.DataFrame:
        """Return candidates as the model knows them: all columns, in their order and types."""
        known = [*self.columns.values()]
        rows, shown = candidates.rows, {}
        for name, column in self.frame.items():
            place = self._owner.get(str(name))
            if place is None:
                shown[name] = column.array.take(rows)
                continue
            moved = known[place]
            values = np.ascontiguousarray(candidates.values[:, place])
            if isinstance(moved, Choice):
                shown[name] = _decoded(moved, values, str(name), column, rows)
                continue
            if self._gaps[place]:
                values = np.where(np.isnan(values), column.to_numpy()[rows], values)
            shown[name] = values.astype(moved.dtype)
        return pd.DataFrame(shown, copy=False)

    def encode(self, frame: pd.DataFrame, rows: Positions) -> Floats:
        """Return the coordinates of rows as the model knows them; `present` undoes it.

        `rows` says which row each line is a version of; a table's cells say it all without.
        """
        parts = [known.encode(frame, name) for name, known in self.columns.items()]
        return np.array(parts).reshape(len(parts), len(frame)).T.copy()

    def allows(self, box: Box, rows: Positions, shown: pd.DataFrame) -> Mask:
        """Tell which lines of `shown` an attacker may make of their row, ``rows[i]``.

        `shown` is what the model sees, so this also holds :meth:`present` to account.
        """
        allowed = box.contains(Candidates(rows, self.encode(shown, rows)))
        for name, column in self.frame.items():
            place = self._owner.get(str(name))
            if place is not None and not self._gaps[place]:
                continue
            here, there = shown[name].array, column.array.take(rows)
            same = np.asarray((here == there) | (pd.isna(here) & pd.isna(there)), dtype=bool)
            # of columns that move, missing and infinite cells stay as they are
            allowed &= same if place is None else same | ~np.isnan(box.origin[rows, place])
        return allowed

    def reach(self, box: Box) -> Reach:
        """Return a box of all rows in terms of the table's own columns."""
        numbers: dict[str, tuple[Floats, Floats]] = {}
        values: dict[str, tuple[tuple[Any, ...], Mask]] = {}
        steps: dict[str, float] = {}
        units: dict[str, float] = {}
        groups: dict[str, int] = {}
        for name, column in ((str(n), c) for n, c in self.frame.items()):
            place = self._owner.get(name)
            if place is None:
                units[name], groups[name] = np.inf, -len(groups) - 1
                _stay(name, column, numbers, values)
                continue
            known = [*self.columns.values()][place]
            units[name], groups[name] = known.unit, int(box.group[place])
            if isinstance(known, Column):
                own, still = column.to_numpy(dtype=np.float64), np.isnan(box.low[:, place])
                low = np.where(still, own, box.low[:, place])
                high = np.where(still, own, box.high[:, place])
                numbers[name], steps[name] = (low, high), known.step
            elif known.one_hot or column.dtype == bool:
                numbers[name], steps[name] = _flag(known, box, place, name), 1.0
            else:
                values[name] = known.known, _may_take(known, box, place)
        steps |= {name: 0.0 for name in numbers if name not in steps}
        return Reach(
            numbers,
            values,
            steps,
            units,
            groups,
            one_hot=tuple(
                known.columns
                for known in self.columns.values()
                if isinstance(known, Choice) and known.one_hot
            ),
            relations=tuple(self._bond(box, relation) for relation in box.relations),
            most=box.most,
        )

    def _bond(self, box: Box, relation: Relation) -> Bond:
        """Return a relation in terms of the table's columns, which all are columns of numbers."""
        names = [*self.columns]
        missing = np.isnan(box.origin[:, relation.columns]).any(axis=1)  # unknown holds
        return Bond(
            weights={names[place]: float(relation.weights[place]) for place in relation.columns},
            constant=relation.constant,
            equal=relation.equal,
            asked=relation.holds(box.origin) & ~missing,
            rounding=relation.rounding,
        )

    def describe(self) -> dict[str, Json]:
        """Return what the rules came to on this table, for a report."""
        return {
            "rules": self.rules.model_dump(mode="json", exclude_defaults=True),
            "fixed": dict(self.fixed),
            "unasked": {text: count for text, count in self.unasked.items() if count},
            "unseen": {name: [*values] for name, values in self.unseen.items()},
        }


def _numbers(column: "pd.Series[Any]") -> Floats:
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _unseen(
    frame: pd.DataFrame, columns: Mapping[str, Coordinate]
) -> dict[str, tuple[bool | int | float | str, ...]]:
    """Return the values that rows may change to and none of the table has."""
    found = {}
    for name, known in columns.items():
        if isinstance(known, Choice) and not known.one_hot:
            own = {*frame[name].drop_duplicates().tolist()}
            found[name] = tuple(v for v in known.known[: known.allowed] if v not in own)
    return {name: values for name, values in found.items() if values}


def _narrow(known: Sequence[Coordinate]) -> dict["np.dtype[Any]", Positions]:
    """Return which coordinates are floats of fewer than 64 bits, by type."""
    types = [column.dtype if isinstance(column, Column) else None for column in known]
    kinds = {kind for kind in types if kind is not None and kind.kind == "f" and kind.itemsize < 8}
    return {
        kind: np.flatnonzero([own == kind for own in types])
        for kind in sorted(kinds, key=lambda kind: kind.itemsize)
    }


def _decoded(
    known: Choice, codes: Floats, name: str, column: "pd.Series[Any]", rows: Positions
) -> Any:
    """Return what a column holds where its coordinate has `codes`; missing cells as they are."""
    missing = np.isnan(codes)
    if not missing.any():
        return known.decode(codes, name, column)
    cells = column.array.take(rows)
    cells[~missing] = known.decode(codes[~missing], name, column)
    return cells


def _may_take(known: Choice, box: Box, place: int) -> Mask:
    """Return which codes each row may take, its own among them."""
    codes = np.arange(len(known.known))
    origin, low, high = (side[:, place, None] for side in (box.origin, box.low, box.high))
    return np.asarray(
        (codes == origin) | ((high > low) & (codes < known.allowed) & (codes <= high))
    )


def _flag(known: Choice, box: Box, place: int, name: str) -> tuple[Floats, Floats]:
    """Return the least and the largest of 0 and 1 that each row may have in a column."""
    one = known.columns.index(name) if known.one_hot else True
    mask, is_one = _may_take(known, box, place), np.array([value == one for value in known.known])
    may_be_one, may_be_zero = (mask[:, codes].any(axis=1) for codes in (is_one, ~is_one))
    return np.where(may_be_zero, 0.0, 1.0), np.where(may_be_one, 1.0, 0.0)


def _stay(
    name: str,
    column: "pd.Series[Any]",
    numbers: dict[str, tuple[Floats, Floats]],
    values: dict[str, tuple[tuple[Any, ...], Mask]],
) -> None:
    """Say that a column stays as it is."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        own = column.to_numpy(dtype=np.float64)
        numbers[name] = own, own
        return
    codes, known = pd.factorize(column.astype(object))
    values[name] = tuple(known.tolist()), np.asarray(codes[:, None] == np.arange(len(known)))


def _pixels(image: Image | None, columns: Iterable[str], names: Sequence[str]) -> Positions:
    """Return which coordinates count as one: the channels of a pixel."""
    if image is None:
        return np.arange(len(names))
    places = {name: place for place, name in enumerate(columns)}
    return np.array([places[name] // image.channels for name in names], dtype=np.intp)
