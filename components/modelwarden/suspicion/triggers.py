"""Triggers: columns and values on which suspicion concentrates.

A backdoor needs its trigger in many rows, so rows that share one value and are suspect together
betray it even where each of them alone would pass. A few rows that keep their trigger keep the
backdoor alive; so all rows that carry the value are named.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from modelwarden.suspicion.submission import Column

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Small = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

FEWEST_ROWS = 5
RARER = 0.25  # a trigger is at most this share as frequent among trusted rows
CONCENTRATION = 0.5
PROOF = 3.0  # mean suspicion times its lift in standard errors
CONCENTRATED = "concentrated"
CHANCE = 1e-3  # that a clean table has a value that is called unheard of
CHANCE_ISOLATED = 1e-2  # a value that far outside needs less proof


@dataclass(frozen=True)
class Trigger:
    """Values that rows under suspicion share, of one column or of several at once.

    Parameters
    ----------
    column : Column
        Where.
    position : int
        Its place among the columns.
    first, last : int
        Codes of the lowest and the highest of the values.
    rows, trusted_rows : int
        How many rows carry one of them.
    suspicion : float
        Mean suspicion of the submitted ones, 0 to 1.
    why : {"concentrated", "isolated", "unheard of"}
        Their suspicion is far above that of other rows; or the value is far from all trusted ones
        and comes with one label only; or so frequent a value would hardly be absent from trusted
        rows.
    along : tuple of Trigger, default=()
        Values of further columns that must be there, too; only their values count.
    """

    column: Column
    position: int
    first: int
    last: int
    rows: int
    trusted_rows: int
    suspicion: float
    why: str
    along: tuple["Trigger", ...] = ()

    @property
    def parts(self) -> tuple["Trigger", ...]:
        """Return one trigger per column."""
        return (self, *self.along)

    def matches(self, codes: Small) -> Mask:
        """Tell which rows carry the values."""
        within = [
            (codes[:, part.position] >= part.first) & (codes[:, part.position] <= part.last)
            for part in self.parts
        ]
        return np.asarray(np.logical_and.reduce(within))

    @property
    def words(self) -> str:
        """Return columns and values, as ``'age' = 17`` or ``'age' from 91 to 130``."""
        return " and ".join(part._own_words for part in self.parts)

    @property
    def _own_words(self) -> str:
        first, last = (_word(self.column.values[code]) for code in (self.first, self.last))
        name = repr(self.column.name[:40])
        return f"{name} = {first}" if first == last else f"{name} from {first} to {last}"


def find(
    columns: Sequence[Column],
    codes: Small,
    trusted_codes: Small,
    y: Codes,
    suspicion: Floats,
) -> tuple[Trigger, ...]:
    """Search every column for values that rows under suspicion share.

    Parameters
    ----------
    columns : sequence of Column
        The columns.
    codes, trusted_codes : ndarray of shape (n_rows, n_columns) and (n_trusted, n_columns)
        Submitted and trusted cells as codes of `columns`.
    y : ndarray of int of shape (n_rows,)
        Submitted class codes.
    suspicion : ndarray of shape (n_rows,)
        How suspect each submitted row is, 0 to 1.

    Returns
    -------
    tuple of Trigger
        Most rows first.
    """
    usual, spread = float(suspicion.mean()), max(float(suspicion.std()), 1e-3)
    cells = [
        _Cells(column, place, codes[:, place], trusted_codes[:, place], suspicion)
        for place, column in enumerate(columns)
    ]
    values = [(of_column, value) for of_column in cells for value in of_column.values()]
    chances, found = len(values), []
    for of_column, trigger in values:
        if _is_concentrated(trigger, usual, spread):
            found.append(trigger)
        elif _is_unheard_of(trigger, len(y), len(trusted_codes), chances):
            found.append(replace(trigger, why="unheard of"))
        elif of_column.is_far(trigger) and _has_one_label(y[trigger.matches(codes)], y, chances):
            found.append(replace(trigger, why="isolated"))
    for of_column in cells:
        named = [trigger.first for trigger in found if trigger.position == of_column.position]
        tails = of_column.tails(without=named)
        found += [trigger for trigger in tails if _is_concentrated(trigger, usual, spread)]
    return tuple(sorted(found, key=lambda trigger: (-trigger.rows, trigger.column.name)))


def candidates(
    columns: Sequence[Column],
    codes: Small,
    trusted_codes: Small,
    suspicion: Floats,
    *,
    fewest: int,
) -> tuple[Trigger, ...]:
    """Return whatever could be a trigger, for a test that counts how often it was asked.

    Which values are tested depends on how many rows share them, submitted or trusted, and on no
    label: else the test would choose what it finds.

    Parameters
    ----------
    columns, codes, trusted_codes, suspicion
        As in :func:`find`.
    fewest : int
        Rows, submitted and trusted, that share a value.

    Returns
    -------
    tuple of Trigger
        Values, and per column of numbers what lies below and above all trusted ones.
    """
    found: list[Trigger] = []
    for place, column in enumerate(columns):
        cells = _Cells(column, place, codes[:, place], trusted_codes[:, place], suspicion)
        found += [*cells.shared(fewest), *cells.tails(without=())]
    return tuple(found)


class _Cells:
    """How often each value of a column occurs, and how suspect its rows are."""

    def __init__(
        self, column: Column, position: int, codes: Small, trusted_codes: Small, suspicion: Floats
    ) -> None:
        size = len(column.values)
        self.column, self.position = column, position
        self._count = np.bincount(codes, minlength=size)
        self._trusted = np.bincount(trusted_codes, minlength=size)
        self._total = np.bincount(codes, weights=suspicion, minlength=size)
        self._known = np.flatnonzero(self._trusted * column.is_finite)

    def values(self) -> list[Trigger]:
        """Return the repeated values that are rare among trusted rows."""
        share, trusted_share = (part / part.sum() for part in (self._count, self._trusted))
        rare = trusted_share <= RARER * share
        return [
            self._trigger(code, code, np.array([code]))
            for code in np.flatnonzero((self._count >= FEWEST_ROWS) & rare).tolist()
        ]

    def shared(self, fewest: int) -> list[Trigger]:
        """Return the submitted values that `fewest` rows share, submitted or trusted."""
        often = (self._count + self._trusted >= fewest) & (self._count > 0)
        return [
            self._trigger(code, code, np.array([code])) for code in np.flatnonzero(often).tolist()
        ]

    def tails(self, *, without: Sequence[int]) -> list[Trigger]:
        """Return what lies below and above all trusted values, named values left out."""
        if not self.column.is_number or not len(self._known):
            return []
        others = (self._count > 0) & self.column.is_finite
        others[list(without)] = False
        outside = np.flatnonzero(others)
        below, above = outside < self._known[0], outside > self._known[-1]
        return [
            self._trigger(int(side[0]), int(side[-1]), side)
            for side in (outside[below], outside[above])
            if self._count[side].sum() >= FEWEST_ROWS
        ]

    def is_far(self, trigger: Trigger) -> bool:
        """Whether a value lies further outside all trusted values than those lie apart."""
        if not self.column.is_number or not len(self._known):
            return False
        low, high = self.column.values[self._known[[0, -1]]]
        value = self.column.values[trigger.first]  # NaN, a missing value, is not far
        return bool(max(value - high, low - value) > high - low)

    def _trigger(self, first: int, last: int, codes: Codes) -> Trigger:
        rows, trusted = int(self._count[codes].sum()), int(self._trusted[codes].sum())
        mean = float(self._total[codes].sum()) / rows
        return Trigger(self.column, self.position, first, last, rows, trusted, mean, CONCENTRATED)


def _is_concentrated(trigger: Trigger, usual: float, spread: float) -> bool:
    """Whether rows with the value are far more suspect than others."""
    lift = (trigger.suspicion - usual) * math.sqrt(trigger.rows) / spread
    return trigger.suspicion >= CONCENTRATION and trigger.suspicion * lift >= PROOF


def _is_unheard_of(trigger: Trigger, n_rows: int, n_trusted: int, chances: int) -> bool:
    """Whether so frequent a value would not be absent from trusted rows by chance."""
    if trigger.trusted_rows:
        return False
    share = min(trigger.rows / n_rows, 1 - 1e-9)
    return n_trusted * math.log1p(-share) + math.log(chances) < math.log(CHANCE)


def _has_one_label(labels: Codes, y: Codes, chances: int) -> bool:
    """Whether rows have one label only, more often than chance explains."""
    if (labels != labels[0]).any():
        return False
    share = float((y == labels[0]).mean())
    return len(labels) * math.log(share) + math.log(chances) < math.log(CHANCE_ISOLATED)


def _word(value: object) -> str:
    if isinstance(value, (float, np.floating)):
        return "missing" if math.isnan(value) else f"{value:.6g}"
    return repr(str(value)[:40]) if value != "" else "missing"
