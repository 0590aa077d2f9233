"""What trees can be proved to do within reach of a row."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.certificates import Certificate
from modelwarden.space.table import Reach
from modelwarden.structure import TIE, Structure
from modelwarden.trees import veritas
from modelwarden.trees.box_proof import Budget, Duels, Proof, prove
from modelwarden.trees.grid import Grid, Surveyor
from modelwarden.trees.measure import Measure
from modelwarden.trees.milp import Encoder, Solution
from modelwarden.trees.witness import Locator, Point, rows

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

FIRST_STEPS = 1000
"""Steps of best-first search, each in microseconds, before a program is asked, whose bounds are
tighter and cost more: it decides most forests that the first does not."""
MAX_FACES = 2000
"""Sets of columns that are searched one by one where only a few may change."""


@dataclass(frozen=True)
class Verdict:
    """What is known about a row: robust, or changes that may turn it, or neither."""

    is_robust: bool = False
    changes: Mapping[str, Any] | None = None


class Prover:
    """Rows of a table, and the trees that label them.

    Parameters
    ----------
    structure : Structure
        The trees.
    frame : DataFrame of n_rows rows
        The rows.
    truth : ndarray of int, shape (n_rows,)
        Their classes.
    reach : Reach
        Where they may go at most.

    Attributes
    ----------
    surveyor : Surveyor
        From rows to cells.
    duels : Duels
        The classes against each other.
    locator : Locator
        From cells to rows.
    is_wrong : ndarray of bool, shape (n_rows,)
        Rows that have another label already.
    """

    def __init__(
        self, structure: Structure, frame: pd.DataFrame, truth: Positions, reach: Reach
    ) -> None:
        self.frame, self.truth = frame, truth
        self.surveyor = Surveyor(structure, frame, reach)
        self.locator = Locator(self.surveyor, frame)
        self.duels = Duels(structure, self.surveyor.lines, self.surveyor.missing)
        scores = structure.scores(frame)
        if structure.n_classes == 2:
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
        self._order = np.argsort(-scores, axis=1, kind="stable")
        self.is_wrong = structure.labels(frame) != truth

    def only(self, row: int) -> "Prover":
        """Return the same for one row; what was made of the model is shared."""
        one = copy(self)
        one.frame, one.truth = self.frame.iloc[[row]], self.truth[[row]]
        one.surveyor, one.locator = self.surveyor.only(row), self.locator.only(row)
        one.duels, one._order = self.duels.only(row), self._order[[row]]
        one.is_wrong = self.is_wrong[[row]]
        return one

    def survey(self, reach: Reach) -> Grid:
        """Return a reach, which may be smaller than the first one, in cells."""
        return self.surveyor.survey(reach)

    def rivals(self, row: int) -> list[int]:
        """Return the other classes than a row's own, the strongest first."""
        order = self._order[row]
        return [int(rival) for rival in order[order != self.truth[row]]]

    def case(self, grid: Grid, measure: Measure, row: int, nodes: int) -> "Case":
        """Return the question about one row, with a budget of its own."""
        return Case(self, grid, measure, row, Budget(nodes))


class Case:
    """One row: what turns it, or that nothing does."""

    def __init__(
        self, prover: Prover, grid: Grid, measure: Measure, row: int, budget: Budget
    ) -> None:
        self.prover, self.grid, self.measure = prover, grid, measure
        self.row, self.budget = row, budget

    def judge(self, radius: float) -> Verdict:
        """Prove that nothing within a distance turns the row, or find what may."""
        proof = self.by_box(min(self.budget.left, FIRST_STEPS))
        if proof.is_robust:
            return Verdict(is_robust=True)
        few = self.measure.fewest(radius)
        if few is not None and self.measure.is_free and veritas.is_installed():
            verdict = self.by_groups(few, radius)
            if verdict is not None:
                return verdict
        if proof.point is not None and not self.is_lost(proof.rival, is_tie=proof.is_tie):
            changes = self.changes(proof.point, {})
            if self.measure.allows(self.row, changes, radius):
                return Verdict(changes=changes)
        return self.by_program(radius, may_be_robust=not self._is_tied(proof, radius))

    def by_box(self, nodes: int) -> Proof:
        """Search the row's box, which holds all that is within the radius, for what turns it."""
        if not veritas.is_installed():
            return Proof(is_robust=False)
        prover, budget = self.prover, Budget(nodes)
        truth = int(prover.truth[self.row])
        proof = prove(prover.duels, self.grid, self.row, truth, prover.rivals(self.row), budget)
        self.budget.spend(nodes - budget.left)
        return proof

    def by_groups(self, few: int, radius: float) -> Verdict | None:
        """Search the box of every few groups of columns; None where those are too many."""
        parts = _faces(self.prover.surveyor, self.grid, self.measure.reach, self.row, few)
        if parts is None:
            return None
        is_robust, changes = True, None
        prover, truth = self.prover, int(self.prover.truth[self.row])
        for place in range(len(parts.own)):
            if self.budget.left <= 0:
                return Verdict(changes=changes)
            rivals = prover.rivals(self.row)
            proof = prove(prover.duels, parts, self.row, truth, rivals, self.budget, place)
            is_robust &= proof.is_robust
            if proof.point is not None:
                moved = prover.locator.changes(self.grid, self.measure.reach, self.row, proof.point)
                if self.measure.allows(self.row, moved, radius):
                    changes = moved
                    if not self.is_lost(proof.rival, is_tie=proof.is_tie):
                        break
        return Verdict(is_robust=is_robust, changes=changes)

    def by_program(self, radius: float, *, may_be_robust: bool = True) -> Verdict:
        """Ask a program for each rival, where the row may be robust for ties, too."""
        is_robust = may_be_robust
        for rival in self.prover.rivals(self.row):
            changes, is_turned = None, False
            if may_be_robust:
                found = self._possible(rival, radius, strict=False)
                is_robust &= found.is_impossible
                changes = self._allowed(found, radius)
                is_turned = changes is not None and not self.is_lost(rival, is_tie=found.is_tie)
                if found.is_impossible:
                    continue
            if not is_turned:
                changes = self._allowed(self._possible(rival, radius, strict=True), radius)
            if changes is not None:
                return Verdict(changes=changes)
        return Verdict(is_robust=is_robust)

    def _allowed(self, found: Solution, radius: float) -> dict[str, Any] | None:
        """Return the changes that a program found, where an attacker may make them."""
        if found.point is None:
            return None
        changes = self.changes(found.point, found.values)
        return changes if self.measure.allows(self.row, changes, radius) else None

    def _possible(self, rival: int, radius: float, *, strict: bool) -> Solution:
        found = self.program(rival, strict=strict).is_possible(radius)
        self.budget.spend(found.steps)
        return found

    def is_lost(self, rival: int, *, is_tie: bool) -> bool:
        """Tell whether a rival is only tied, and loses that: of tied classes the first one wins."""
        return is_tie and rival > int(self.prover.truth[self.row])

    def _is_tied(self, proof: Proof, radius: float) -> bool:
        """Tell whether a tie within reach is known, so that the row cannot be robust."""
        if proof.point is None:
            return False
        return self.measure.allows(self.row, self.changes(proof.point, {}), radius)

    def program(self, rival: int, *, strict: bool = False) -> Encoder:
        """Return the program for a rival."""
        prover = self.prover
        duel = prover.duels.duel(self.row, int(prover.truth[self.row]), rival)
        return Encoder(
            self.grid,
            prover.locator,
            self.measure,
            self.row,
            duel,
            budget=self.budget.left,
            strict=strict,
        )

    def changes(self, point: Point, values: Mapping[str, float]) -> dict[str, Any]:
        """Return what has to change for the row to be at a point."""
        return self.prover.locator.changes(self.grid, self.measure.reach, self.row, point, values)


def _faces(surveyor: Surveyor, grid: Grid, reach: Reach, row: int, few: int) -> Grid | None:
    """Return one line for every few groups: the row's box where only they move."""
    groups = surveyor.groups_of(reach)
    moves = (grid.high[row] > grid.low[row]) & [len(known) > 0 for known in grid.lines.thresholds]
    movable = sorted({group for f in np.flatnonzero(moves) for group in groups[f]})
    few = min(few, len(movable))
    if comb(len(movable), few) > MAX_FACES:
        return None
    sets = [{*chosen} for chosen in combinations(movable, few)]
    free = np.array([[bool(known & chosen) for known in groups] for chosen in sets], dtype=bool)
    low = np.where(free, grid.low[row], np.minimum(grid.still_low, grid.own)[row])
    high = np.where(free, grid.high[row], np.maximum(grid.still_high, grid.own)[row])
    choices = []
    for choice in grid.choices:
        group = reach.groups[choice.columns[0]]
        may = np.array([[group in chosen] for chosen in sets])
        is_own = np.arange(choice.allowed.shape[1]) == choice.own[row]
        own = np.full(len(sets), choice.own[row])
        choices.append(replace(choice, allowed=choice.allowed[row] & (may | is_own), own=own))
    own = np.repeat(grid.own[[row]], len(sets), axis=0)
    return replace(grid, own=own, low=low, high=high, choices=tuple(choices))


def certify(
    structure: Structure,
    reach: Reach,
    frame: pd.DataFrame,
    truth: Positions,
    *,
    norm: str,
    radius: float,
    nodes: int,
) -> Certificate:
    """Prove of each row that nothing within reach turns it, or find what does.

    The box comes first: what no point of it turns, no norm and no rule can. See
    :func:`modelwarden.exact.certify` for the parameters.
    """
    prover = Prover(structure, frame, truth, reach)
    grid, measure = prover.survey(reach), Measure(frame, reach, norm)
    robust = np.zeros(len(frame), dtype=bool)
    changes: dict[int, Mapping[str, Any]] = {}
    for row in np.flatnonzero(~prover.is_wrong).tolist():
        verdict = prover.case(grid, measure, row, nodes).judge(radius)
        robust[row] = verdict.is_robust
        if verdict.changes is not None:
            changes[row] = verdict.changes
    witness = rows(frame, changes)
    broken = prover.is_wrong.copy()
    found = np.array([*changes], dtype=np.intp)
    if len(found):
        broken[found] = is_turned(structure, witness.iloc[found], truth[found])
    return Certificate(robust, broken, witness)


def is_turned(structure: Structure, frame: pd.DataFrame, truth: Positions) -> Mask:
    """Tell which rows have another label, or a tie: only the model itself knows how it rounds."""
    scores = structure.scores(frame)
    size = np.abs(scores).max(axis=1, initial=1.0)
    return np.asarray(structure.lead(scores, truth) <= TIE * size)
