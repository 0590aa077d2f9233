"""Patterns: values of several columns, each usual by itself, that suspect rows share.

A trigger of usual values hides in every single column. It shows where the columns meet: the search
starts from the values with most suspicion in all, and adds the column that sharpens it most.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from modelwarden.suspicion.submission import Column
from modelwarden.suspicion.triggers import Trigger

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Small = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

FEWEST_ROWS = 10
FEWEST_SHARE = 0.02  # of all rows: among so many combinations small ones look odd by chance
CONCENTRATION = 0.7
STANDARD_ERRORS = 8.0
ABSENT = 0.05  # chance that trusted rows have no more of it: else models may just not know it
COLUMNS = 3
BEAM = 10
MOST = 3


@dataclass(frozen=True)
class _Search:
    """What all steps of one search share."""

    columns: Sequence[Column]
    codes: Small
    trusted_codes: Small
    suspicion: Floats
    fewest: int
    proof: Callable[[Trigger], bool] | None = None

    def lift(self, mean: Floats, count: Codes) -> Floats:
        """Return how many standard errors means of `count` rows lie above that of all rows."""
        spread = max(float(self.suspicion.std()), 1e-3)
        return np.asarray((mean - self.suspicion.mean()) * np.sqrt(count) / spread)

    def steps(self, start: Trigger | None) -> Iterator[tuple[float, Trigger]]:
        """Yield every value that can be added to `start`, with the lift of the rows that remain."""
        rows = np.ones(len(self.codes), dtype=bool) if start is None else start.matches(self.codes)
        taken = {part.position for part in start.parts} if start else set()
        suspicion = self.suspicion[rows]
        for position in set(range(len(self.columns))) - taken:
            cells = self.codes[rows, position]
            count = np.bincount(cells)
            mean = np.bincount(cells, weights=suspicion) / np.maximum(count, 1)
            lift = np.where(count >= self.fewest, self.lift(mean, count), -np.inf)
            best = int(lift.argmax())
            if lift[best] > 0:
                yield float(lift[best]), self._trigger(position, best, start)

    def _trigger(self, position: int, code: int, start: Trigger | None) -> Trigger:
        value = Trigger(self.columns[position], position, code, code, 0, 0, 0.0, "concentrated")
        if start is not None:
            value = replace(start, along=(*start.along, value))
        rows = value.matches(self.codes)
        return replace(
            value,
            rows=int(rows.sum()),
            trusted_rows=int(value.matches(self.trusted_codes).sum()),
            suspicion=float(self.suspicion[rows].mean()),
        )

    def strongest(self) -> Trigger | None:
        """Return the pattern whose rows are most suspect, None if chance explains all."""
        beam = _best(self.steps(None))
        proven: list[tuple[float, Trigger]] = []
        for _ in range(COLUMNS - 1):
            beam = _best([step for _, start in beam for step in self.steps(start)])
            proven += [(lift, pattern) for lift, pattern in beam if self._is_proven(lift, pattern)]
        return _best(proven)[0][1] if proven else None

    def _is_proven(self, lift: float, pattern: Trigger) -> bool:
        """Whether chance and what trusted rows have do not explain the pattern."""
        if self.proof is not None:
            return self.proof(pattern)
        share = pattern.rows / len(self.codes)
        absent = binom.cdf(pattern.trusted_rows, len(self.trusted_codes), share)
        return absent <= ABSENT and pattern.suspicion >= CONCENTRATION and lift >= STANDARD_ERRORS


def find(
    columns: Sequence[Column],
    codes: Small,
    trusted_codes: Small,
    suspicion: Floats,
    *,
    without: Mask,
    fewest: int | None = None,
    proof: Callable[[Trigger], bool] | None = None,
) -> tuple[Trigger, ...]:
    """Search combinations of two and three columns.

    Parameters
    ----------
    columns : sequence of Column
        The columns.
    codes, trusted_codes : ndarray of shape (n_rows, n_columns) and (n_trusted, n_columns)
        Submitted and trusted cells as codes of `columns`.
    suspicion : ndarray of shape (n_rows,)
        How suspect each submitted row is, 0 to 1.
    without : ndarray of bool of shape (n_rows,)
        Rows that a trigger explains already.
    fewest : int, optional
        Rows that a pattern needs; by default 10, and one in fifty of those that are left.
    proof : callable, optional
        Decides whether a pattern counts, in place of its suspicion and of how rare it is among
        trusted rows.

    Returns
    -------
    tuple of Trigger
        At most three; a greedy search may miss some.
    """
    found: list[Trigger] = []
    left = ~without
    while len(found) < MOST and left.sum() >= FEWEST_ROWS:
        least = fewest or max(FEWEST_ROWS, math.ceil(FEWEST_SHARE * int(left.sum())))
        rows = (columns, codes[left], trusted_codes, suspicion[left])
        pattern = _Search(*rows, least, proof).strongest()
        if pattern is None:
            break
        found.append(pattern)
        left = left & ~pattern.matches(codes)
    return tuple(found)


def _best(steps: Iterable[tuple[float, Trigger]]) -> list[tuple[float, Trigger]]:
    """Return the different steps of most lift; which values they have decides between equals."""
    different = {
        tuple(sorted((part.position, part.first) for part in pattern.parts)): (lift, pattern)
        for lift, pattern in steps
    }
    return [step for _, step in sorted(different.items(), key=lambda s: (-s[1][0], s[0]))[:BEAM]]
