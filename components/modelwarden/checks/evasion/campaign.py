"""The attack at every size of perturbation, and what can be proved about what it left."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from modelwarden.attacks.box_search import revert
from modelwarden.attacks.engine import run, shrink
from modelwarden.checks.evasion.arsenal import Arsenal
from modelwarden.checks.evasion.question import Question
from modelwarden.checks.evasion.subject import Subject
from modelwarden.exact import certify, nearest
from modelwarden.space.box import Box
from modelwarden.space.points import Candidates, Floats, Mask, Positions
from modelwarden.structure import Structure
from modelwarden.work import Work

PROVED = "exact search"
"""Who broke the rows that no attack broke, and a witness of the exact search did."""
PER_DISTANCE = 10
"""How many times fewer steps a distance gets than a proof: it is many proofs, and gates nothing."""
EXACT = 1e-3
"""Between the smallest change found and what is proved impossible: a gap that counts as none."""


@dataclass(frozen=True)
class Size:
    """One size of perturbation; all arrays have one entry, or line, per sampled row.

    Parameters
    ----------
    broken, robust : ndarray of bool
        Rows that a confirmed change breaks, and rows that provably none breaks.
    values : ndarray
        What broke the rows.
    won : tuple of str
        Which attack broke each row, "" for the others.
    queries, queries_to_success : ndarray of int
        Candidates asked about in all, and before the first success (0 without one).
    enumerated : bool
        Whether all changes were tried.
    """

    broken: Mask
    robust: Mask
    values: Floats
    won: tuple[str, ...]
    queries: Positions
    queries_to_success: Positions
    enumerated: bool = False

    def joined(self, smaller: "Size") -> "Size":
        """Return this size with the rows that a smaller one broke."""
        before = smaller.broken
        return Size(
            broken=self.broken | before,
            robust=self.robust & ~before,
            values=np.where(before[:, None], smaller.values, self.values),
            won=tuple(np.where(before, smaller.won, self.won).tolist()),
            queries=self.queries,
            queries_to_success=np.where(
                before, smaller.queries_to_success, self.queries_to_success
            ),
        )


@dataclass(frozen=True)
class Distances:
    """How far each row is from another label, in units of its columns' scales.

    Parameters
    ----------
    values : ndarray, shape (n_rows,)
        The smallest change that was found and confirmed; infinite where none was.
    lower : ndarray, shape (n_rows,)
        No smaller change than this breaks the row.
    points : ndarray, shape (n_rows, n_columns)
        What the smallest change makes of the row.
    """

    values: Floats
    lower: Floats
    points: Floats

    @classmethod
    def begin(cls, origin: Floats) -> "Distances":
        """Return what is known before anything was tried."""
        return cls(np.full(len(origin), np.inf), np.zeros(len(origin)), origin.copy())

    @property
    def exact(self) -> Mask:
        """Where nothing smaller exists, up to `EXACT`."""
        return np.isfinite(self.values) & (self.values <= self.lower * (1 + EXACT))

    def shorten(self, rows: Positions, lengths: Floats, points: Floats) -> None:
        """Take over what is nearer than what was known."""
        nearer = lengths < self.values[rows]
        self.values[rows[nearer]] = lengths[nearer]
        self.points[rows[nearer]] = points[nearer]


@dataclass(frozen=True)
class Found:
    """Everything that was measured.

    Parameters
    ----------
    curve : mapping of float to Size
        By size, ascending; a row that is broken at one size is broken at all larger ones.
    main : Size
        The policy's size.
    distances : Distances or None
        None when they were not asked for.
    right : ndarray of bool, shape (n_rows,)
        The rows that the model gets right, which alone can be broken.
    has_scores : bool
        Whether the model gives probabilities.
    moved : mapping of str to int
        In how many broken rows a coordinate had to move, largest first.
    uncertified : str
        Why nothing could be proved; empty when something could.
    enumerated : bool
        Whether all changes of the policy's size were tried.
    contradictions : int
        Rows that are proved robust and broken all the same: a fault of ours, never of the model.
    calls, asked_rows : int
        Predict calls, and rows in them.
    """

    curve: Mapping[float, Size]
    main: Size
    distances: Distances | None
    right: Mask
    has_scores: bool
    moved: Mapping[str, int]
    uncertified: str
    enumerated: bool
    contradictions: int
    calls: int
    asked_rows: int

    @property
    def moved_shares(self) -> dict[str, float]:
        """Return in which share of broken rows each coordinate had to move, largest first."""
        n_broken = int(self.main.broken.sum())
        return {name: count / n_broken for name, count in self.moved.items()}


class Campaign:
    """The attack on one model.

    Parameters
    ----------
    subject : Subject
        Model and rows.
    structure : Structure or None
        What the model is made of, where it could be taken apart.
    uncertified : str
        Why it could not; empty when it could.
    arsenal : Arsenal
        The attacks.
    question : Question
        What was asked.
    work : Work
        Told after each step.
    """

    def __init__(
        self,
        subject: Subject,
        structure: Structure | None,
        uncertified: str,
        arsenal: Arsenal,
        question: Question,
        work: Work,
    ) -> None:
        self.subject, self.space, self.question = subject, subject.space, question
        self.structure, self.uncertified = structure, uncertified
        self.arsenal, self.work = arsenal, work
        self.contradictions = 0

    def find(self) -> Found:
        """Attack at the policy's size; with less, what broke, and with more, what did not."""
        right, asked = self.subject.right, self.question
        sizes = asked.sizes(text=self.arsenal.text)
        main = last = self.besiege(asked.epsilon, right, right)
        curve, before = {asked.epsilon: main}, asked.epsilon
        for epsilon in [size for size in sizes if size < asked.epsilon][::-1]:
            starts = self.stretched(last, epsilon / before)
            found = self.besiege(epsilon, last.broken, right & ~last.robust, starts)
            last = curve[epsilon] = replace(found, robust=found.robust | last.robust)
            before = epsilon
        last = main
        for epsilon in [size for size in sizes if size > asked.epsilon]:
            starts = self.stretched(last, epsilon / asked.epsilon)
            found = self.besiege(epsilon, right & ~last.broken, last.robust, starts)
            last = curve[epsilon] = found.joined(last)
        curve = dict(sorted(curve.items()))
        distances = self.distances(curve) if asked.distance_queries else None
        box = self.space.box(asked.epsilon, asked.norm)
        return Found(
            curve=curve,
            main=main,
            distances=distances,
            right=right,
            has_scores=self.subject.has_scores,
            moved=self.moved(box, main),
            uncertified=self.uncertified,
            enumerated=main.enumerated,
            contradictions=self.contradictions,
            calls=self.subject.calls,
            asked_rows=self.subject.asked_rows,
        )

    def besiege(
        self, epsilon: float, attacked: Mask, doubtful: Mask, starts: Floats | None = None
    ) -> Size:
        """Attack some rows at one size, and prove what can be proved about others.

        Parameters
        ----------
        epsilon : float
            The size.
        attacked : ndarray of bool
            Rows to attack; the others count as not broken.
        doubtful : ndarray of bool
            Rows to prove something about; the others count as not proved.
        starts : ndarray, optional
            Where to begin as well.
        """
        box = self.space.box(epsilon, self.question.norm)
        plan = self.arsenal.breaking(box, starts)
        outcome = run(
            plan.attacks,
            plan.victim,
            self.space.origin,
            np.flatnonzero(attacked & box.movable.any(axis=1)),
            budget=plan.queries,
            allowed=self.allowed(box),
            work=self.work,
            label=f"evasion at epsilon {epsilon:g}",
        )
        size = Size(
            broken=outcome.broken,
            robust=attacked & ~outcome.broken & plan.is_exhaustive,
            values=outcome.values,
            won=tuple(outcome.won.tolist()),
            queries=outcome.queries,
            queries_to_success=outcome.queries_to_success,
        )
        if plan.is_exhaustive:
            self.uncertified = ""
            return replace(size, enumerated=True)
        return self.prove(box, size, doubtful)

    def prove(self, box: Box, size: Size, doubtful: Mask) -> Size:
        """Prove rows robust, and take what broke them from the proof where no attack found it."""
        reach = self.space.reach(box) if self.structure is not None else None
        rows = np.flatnonzero(doubtful)
        if self.structure is None or reach is None or not len(rows):
            return size
        certificate = certify(
            self.structure,
            reach.take(rows),
            self.space.frame.iloc[rows].reset_index(drop=True),
            self.subject.truth[rows],
            norm=box.norm,
            radius=box.radius,
            nodes=self.question.nodes,
        )
        robust = np.zeros_like(doubtful)
        robust[rows[certificate.robust]] = True
        claimed = np.flatnonzero(certificate.broken & ~size.broken[rows])
        values, held = self.witnesses(box, rows[claimed], certificate.witness.iloc[claimed])
        won, broken, points = list(size.won), size.broken.copy(), size.values.copy()
        for row, point in zip(rows[claimed[held]].tolist(), values[held], strict=True):
            won[row], broken[row], points[row] = PROVED, True, point
        self.contradictions += int((robust & broken).sum())
        return replace(size, robust=robust, broken=broken, values=points, won=tuple(won))

    def witnesses(self, box: Box, rows: Positions, frame: pd.DataFrame) -> tuple[Floats, Mask]:
        """Return the points that an exact search claims, and which of them ``predict`` errs on."""
        values = self.space.encode(frame, rows)
        if not len(rows):
            return values, np.zeros(0, dtype=bool)
        return values, self.subject.confirmed(box, rows, values)

    def distances(self, curve: Mapping[float, Size]) -> Distances:
        """Look for the smallest change of each row: attacks first, then what can be computed."""
        right, asked = self.subject.right, self.question
        box = self.space.box(np.inf, asked.norm)
        known = Distances.begin(self.space.origin)
        for epsilon, size in curve.items():  # what is known so far
            rows = np.flatnonzero(size.broken)
            known.shorten(rows, box.distance(rows, size.values[rows]), size.values[rows])
            known.lower[size.robust] = epsilon
        outcome = shrink(
            self.arsenal.shrinking(box),
            self.arsenal.seeker,
            self.space.origin,
            np.flatnonzero(right & box.movable.any(axis=1)),
            budget=asked.distance_queries,
            allowed=self.allowed(box),
            distance=box.distance,
            work=self.work,
            label="smallest change",
        )
        rows = np.flatnonzero(outcome.broken)
        known.shorten(rows, outcome.least[rows], outcome.values[rows])
        self.compute(box, known)
        self.contradictions += int((right & (known.lower > known.values * (1 + EXACT))).sum())
        return known

    def compute(self, box: Box, known: Distances) -> None:
        """Compute the smallest changes, where the model's parts are known."""
        reach = self.space.reach(box) if self.structure is not None else None
        if self.structure is None or reach is None:
            return
        rows = np.flatnonzero(self.subject.right)
        found = nearest(
            self.structure,
            reach.take(rows),
            self.space.frame.iloc[rows].reset_index(drop=True),
            self.subject.truth[rows],
            norm=box.norm,
            nodes=1 + self.question.nodes // PER_DISTANCE,
            upper=known.values[rows],
        )
        claimed = np.flatnonzero(found.upper < known.values[rows])
        points, held = self.witnesses(box, rows[claimed], found.witness.iloc[claimed])
        nearer, points = rows[claimed[held]], points[held]
        known.shorten(nearer, box.distance(nearer, points), points)
        known.lower[rows] = np.maximum(known.lower[rows], found.lower)

    def allowed(self, box: Box) -> Callable[[Candidates], Mask]:
        """Return the question whether an attacker may present candidates."""
        space = self.space
        return lambda asked: space.allows(box, asked.rows, space.present(asked))

    def stretched(self, size: Size, factor: float) -> Floats:
        """Return what broke rows, as far away as another size allows."""
        box = self.space.box(np.inf, self.question.norm)
        nearer = box.origin + factor * (size.values - box.origin)
        return np.where(box.nominal, size.values, nearer)  # half a category is none

    def moved(self, box: Box, size: Size) -> dict[str, int]:
        """Return in how many broken rows each column had to move, largest first."""
        rows = np.flatnonzero(size.broken)
        if not len(rows) or self.arsenal.text:
            return {}  # words of different texts have nothing to do with each other
        kept = revert(self.subject.victim, box, rows, size.values[rows])
        differs = (kept != box.origin[rows]) & ~np.isnan(kept)
        return ranked(dict(zip(self.space.columns, differs.sum(axis=0).tolist(), strict=True)))


def ranked(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts above 0, the largest first, equal ones in the order they came in."""
    largest_first = sorted(counts.items(), key=lambda count: -count[1])
    return {name: count for name, count in largest_first if count > 0}
