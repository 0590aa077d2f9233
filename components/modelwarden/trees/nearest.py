"""How far the nearest row is to which trees give another label."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.certificates import Nearest
from modelwarden.space.table import Reach
from modelwarden.structure import Structure
from modelwarden.trees import veritas
from modelwarden.trees.certify import Case, Prover, is_turned
from modelwarden.trees.measure import Measure
from modelwarden.trees.witness import rows

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]

CLOSE = 1e-6
"""Where lower and upper bound are that close, as a share, the distance is exact."""
STEPS = 40
"""Radii that are tried for one row."""
TRIES = 4
"""How many of them may use up all that they get of the budget."""
NEAR = 0.1
"""From which share on between the bounds the end of what is left is tried as well as its middle."""
FIRST_RADIUS, FARTHEST = 0.25, 1e3
"""Where the search begins, in units of the columns' scales, and where it stops to quadruple."""


def nearest(
    structure: Structure,
    reach: Reach,
    frame: pd.DataFrame,
    truth: Positions,
    *,
    norm: str,
    nodes: int,
    upper: Floats | None = None,
) -> Nearest:
    """Return bounds of the smallest change that turns each row.

    The maximum norm is searched by halving the radius, each time with the proof that
    :func:`.certify.certify` uses; the others by a program that minimises the distance. See
    :func:`modelwarden.exact.nearest` for the parameters.
    """
    prover = Prover(structure, frame, truth, reach)
    known = np.full(len(frame), np.inf) if upper is None else upper.astype(np.float64)
    lower, best = np.zeros(len(frame)), np.where(prover.is_wrong, 0.0, np.inf)
    changes: dict[int, Mapping[str, Any]] = {}
    for row in np.flatnonzero(~prover.is_wrong).tolist():
        search = _Search(prover, reach, row, norm, nodes, float(known[row]))
        search.run()
        lower[row] = search.lower
        if search.changes is not None:
            best[row], changes[row] = search.found, search.changes
    witness = rows(frame, changes)
    found = np.array([*changes], dtype=np.intp)
    if len(found):
        is_false = ~is_turned(structure, witness.iloc[found], truth[found])
        best[found[is_false]] = np.inf
    return Nearest(lower, best, witness)


class _Search:
    """The search for one row.

    Attributes
    ----------
    lower : float
        What is proved: nothing below turns the row.
    found : float
        How far `changes` are, which turn it; infinite without them.
    """

    def __init__(
        self, prover: Prover, reach: Reach, row: int, norm: str, nodes: int, upper: float
    ) -> None:
        self.prover, self.row, self.norm, self.left = prover, row, norm, nodes
        self.one = prover.only(row)
        self.reach = reach.take(np.array([row]))
        self.lower, self.found, self.upper, self.hard = 0.0, np.inf, upper, np.inf
        self.changes: Mapping[str, Any] | None = None
        self._is_at_end = False

    def run(self) -> None:
        """Narrow the bounds as far as the budget goes."""
        within = self.case(self.upper, self.left)
        if self.norm == "linf" and veritas.is_installed() and not within.measure.is_bound:
            self.halve()
        else:
            self.minimise(within)

    def case(self, radius: float, nodes: int) -> Case:
        """Return the row in the box of a radius."""
        reach = self.reach
        if np.isfinite(radius) and self.norm != "l0":
            reach = reach.within(self.one.frame, np.array([radius]))
        measure = Measure(self.one.frame, reach, self.norm)
        return self.one.case(self.one.survey(reach), measure, 0, nodes)

    def halve(self) -> None:
        """Try radii between what is proved and what was found, or was too hard."""
        share, radius = max(1, self.left // TRIES), self.next()
        for _ in range(STEPS):
            case = self.case(radius, min(share, self.left))
            verdict = case.judge(radius)
            self.left -= min(share, self.left) - max(case.budget.left, 0)
            if verdict.is_robust:
                self.lower = max(self.lower, radius)
            elif verdict.changes is not None:
                self.take(case, verdict.changes)
            else:
                self.hard = radius
            radius = self.next()
            if self.left <= 0 or self.lower >= min(self.upper, self.hard) * (1 - CLOSE):
                return

    def take(self, case: Case, changes: Mapping[str, Any]) -> None:
        """Remember changes that are closer than those before."""
        distance = case.measure.distance(0, changes)
        if distance < self.found:
            self.found, self.changes = distance, changes
        self.upper = min(self.upper, distance)

    def next(self) -> float:
        """Return the radius to try: half way, and at last just below what was found."""
        end = min(self.upper, self.hard)
        if not np.isfinite(end):
            return np.inf if self.lower > FARTHEST else max(4 * self.lower, FIRST_RADIUS)
        self._is_at_end = not self._is_at_end and end - self.lower < NEAR * end
        if self._is_at_end:
            return end * (1 - CLOSE)
        return (self.lower + end) / 2

    def minimise(self, case: Case) -> None:
        """Ask a program for each rival."""
        self.lower = np.inf
        for rival in self.one.rivals(0):
            found = case.program(rival).nearest()
            case.budget.spend(found.steps)
            if found.is_impossible:
                self.lower = min(self.lower, self.upper)
                continue
            self.lower = min(self.lower, found.bound, self.upper)
            if found.is_tie and case.is_lost(rival, is_tie=True):
                found = case.program(rival, strict=True).nearest()
                case.budget.spend(found.steps)
            if found.point is not None:
                changes = case.changes(found.point, found.values)
                if case.measure.allows(0, changes, np.inf):
                    self.take(case, changes)
