"""Whether any point of a row's box turns it: the maximum norm, and a bound for all others."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from modelwarden.structure import Structure
from modelwarden.trees.duel import Duel
from modelwarden.trees.ensemble import Trees
from modelwarden.trees.grid import Choice, Grid, Lines
from modelwarden.trees.veritas import Ensemble
from modelwarden.trees.witness import Point

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Positions = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass
class Budget:
    """Search steps that a row has left."""

    left: int

    def spend(self, steps: int) -> None:
        """Take off what was used; looking at all costs a step."""
        self.left -= max(1, steps)


@dataclass(frozen=True)
class Proof:
    """What is known about a row.

    Parameters
    ----------
    is_robust : bool
        Whether no point turns it.
    point : Point or None
        Where it is turned, or tied.
    rival : int
        By which class; -1 without a point.
    is_tie : bool
        Whether it is tied only.
    """

    is_robust: bool
    point: Point | None = None
    rival: int = -1
    is_tie: bool = False


class Duels:
    """The sums for all pairs of classes, and what rows with missing features meet, made once."""

    def __init__(self, structure: Structure, lines: Lines, missing: Mask) -> None:
        if not isinstance(structure.model, Trees):
            raise TypeError("a model without trees")
        self._trees, self._lines = structure.model, lines
        used = np.zeros(structure.encoding.n_features, dtype=bool)
        used[np.unique(self._trees.feature[self._trees.inner])] = True
        patterns, self._pattern = np.unique(missing & used, axis=0, return_inverse=True)
        self._pattern = self._pattern.reshape(-1)
        self._patterns: Mask = patterns
        self._duels: dict[tuple[int, int, int], Duel] = {}
        self._ensembles: dict[tuple[int, int, int], Ensemble] = {}

    def only(self, row: int) -> "Duels":
        """Return the same for one row; what is made is shared."""
        one = copy(self)
        one._pattern = self._pattern[[row]]
        return one

    def duel(self, row: int, truth: int, rival: int) -> Duel:
        """Return the sum for a row."""
        key = (int(self._pattern[row]), truth, rival)
        if key not in self._duels:
            trees = self._trees.without(self._patterns[key[0]])
            self._duels[key] = Duel.of(trees, self._lines.splits(trees), truth, rival)
        return self._duels[key]

    def ensemble(self, row: int, truth: int, rival: int) -> Ensemble:
        """Return the sum for a row, as Veritas knows it."""
        key = (int(self._pattern[row]), truth, rival)
        if key not in self._ensembles:
            duel = self.duel(row, truth, rival)
            self._ensembles[key] = Ensemble(duel.trees, duel.split, duel.gain, duel.base)
        return self._ensembles[key]


@dataclass
class _Part:
    """A part of a row's box: cells, and what it may still take of each choice."""

    low: Integers
    high: Integers
    allowed: Mapping[int, Positions]


@dataclass
class _Search:
    """A search for one row and one rival."""

    grid: Grid
    row: int
    duel: Duel
    ensemble: Ensemble
    budget: Budget
    tie: Point | None = field(default=None)
    is_complete: bool = True

    def run(self) -> Point | None:
        """Return a point beyond all ties; None where there is none, or the budget is spent."""
        waiting = [self._whole()]
        while waiting:
            if self.budget.left <= 0:
                self.is_complete = False
                return None
            part = waiting.pop()
            # once a tie is known, only what is beyond it is of interest
            floor = -self.duel.margin if self.tie is None else self.duel.margin
            answer = self.ensemble.search(part.low, part.high, floor, self.budget.left)
            self.budget.spend(answer.steps)
            if answer.cells is None:
                self.is_complete &= answer.is_done
                continue
            picks = self._picks(part, answer.cells)
            if picks is None:
                waiting.extend(self._halves(part, answer.cells))
                continue
            point = Point(answer.cells, picks)
            if answer.output > self.duel.margin:
                return point
            if self.tie is None:
                self.tie = point
                waiting.append(part)
        return None

    def _whole(self) -> _Part:
        allowed = {
            place: np.flatnonzero(choice.allowed[self.row])
            for place, choice in enumerate(self.grid.choices)
            if choice.allowed[self.row].sum() > 1
        }
        return _Part(self.grid.low[self.row], self.grid.high[self.row], allowed)

    def _picks(self, part: _Part, cells: Mapping[int, tuple[int, int]]) -> dict[int, int] | None:
        """Return a value of each choice that puts its features in the cells; None if none does."""
        picks = {}
        for place, allowed in part.allowed.items():
            choice = self.grid.choices[place]
            fits = allowed[_fitting(choice, allowed, cells).all(axis=1)]
            if not len(fits):
                return None
            own = int(choice.own[self.row])
            picks[place] = own if own in fits else int(fits[0])
        return picks

    def _halves(self, part: _Part, cells: Mapping[int, tuple[int, int]]) -> Iterator[_Part]:
        """Divide a part at a choice that a solution contradicts, so that neither half allows it."""
        for place, allowed in part.allowed.items():
            choice = self.grid.choices[place]
            fits = _fitting(choice, allowed, cells)
            if fits.all(axis=1).any():
                continue
            misses = (~fits).sum(axis=0)
            uneven = np.where(misses > 0, np.abs(misses - len(allowed) / 2), np.inf)
            feature = int(np.argmin(uneven))  # what divides the values most evenly
            inside = fits[:, feature]
            if not inside.any():
                inside = choice.high[allowed, feature] < cells[int(choice.features[feature])][0]
            for half in (allowed[~inside], allowed[inside]):  # the last one is looked at first
                yield self._narrowed(part, place, half)
            return

    def _narrowed(self, part: _Part, place: int, allowed: Positions) -> _Part:
        choice = self.grid.choices[place]
        low, high = part.low.copy(), part.high.copy()
        low[choice.features] = choice.low[allowed].min(axis=0)
        high[choice.features] = choice.high[allowed].max(axis=0)
        return _Part(low, high, {**part.allowed, place: allowed})


def _fitting(choice: Choice, allowed: Positions, cells: Mapping[int, tuple[int, int]]) -> Mask:
    """Tell which values put which features in the cells, shape (n_allowed, n_own_features)."""
    ends = [cells.get(int(f), (0, np.iinfo(np.int64).max)) for f in choice.features]
    first, last = np.array(ends, dtype=np.int64).reshape(-1, 2).T
    return np.asarray((choice.low[allowed] <= last) & (choice.high[allowed] >= first))


def prove(
    duels: Duels,
    grid: Grid,
    row: int,
    truth: int,
    rivals: Sequence[int],
    budget: Budget,
    place: int | None = None,
) -> Proof:
    """Search a row's box for a point that turns it.

    Parameters
    ----------
    duels : Duels
        The model.
    grid : Grid
        The boxes of all rows.
    row, truth : int
        The row, and its class.
    rivals : sequence of int
        The other classes, the strongest first.
    budget : Budget
        Steps left; what is used is taken off.
    place : int, optional
        Where in the grid the row's box is, if not in its own place.

    Returns
    -------
    Proof
        Not robust and without a point where the budget did not suffice.
    """
    tie, is_robust = None, True
    for rival in rivals:
        duel, ensemble = duels.duel(row, truth, rival), duels.ensemble(row, truth, rival)
        search = _Search(grid, row if place is None else place, duel, ensemble, budget)
        point = search.run()
        if point is not None:
            return Proof(False, point, rival)
        is_robust &= search.is_complete
        if tie is None and search.tie is not None:
            tie = Proof(False, search.tie, rival, is_tie=True)
    return tie or Proof(is_robust)
