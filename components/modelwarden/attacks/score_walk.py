"""A walk that follows the score within an ever smaller distance, for models with probabilities."""

from collections.abc import Generator

import numpy as np

from modelwarden.attacks.boundary_walk import NEARER, Walk
from modelwarden.attacks.engine import Answers, Attack
from modelwarden.attacks.starts import Neighbours
from modelwarden.space.box import Box
from modelwarden.space.points import Candidates, Floats, Positions

PROPOSALS = 16
"""Candidates per row and step."""
BACK = len(NEARER)
"""How many of them bring the nearest point that broke the row nearer still."""
FIRST_CUT, LEAST_CUT = 0.5, 0.01
"""By how much nearer the next point has to be, as a share, at first and at the very least."""
PATIENCE = 6
"""Steps after which half of that must do."""
SETTLING = 40
"""Steps in which proposals come to change few columns."""

_Phase = Generator[Candidates, Answers, None]


def score_walk(
    box: Box,
    truth: Positions,
    pool: Floats,
    pool_labels: Positions,
    *,
    queries: int,
    seed: int = 0,
) -> Attack:
    """Return a search for the nearest point that breaks each row, led by the model's scores.

    A goal is set: some share nearer than the nearest point that broke the row. Within it a random
    walk lowers the score of the true class until the row is broken there, and the next goal is set
    from that point; a goal that resists moves back half of the way. Trees say the same label over
    whole regions, and mostly different scores.

    Parameters
    ----------
    box : Box
        Where rows may move; its norm is what becomes small.
    truth : ndarray of int, shape (n_rows,)
        True classes.
    pool : ndarray, shape (n_pool, n_columns)
        Rows to start from.
    pool_labels : ndarray of int, shape (n_pool,)
        What the model predicts for them.
    queries : int
        Candidates per row.
    seed : int, default=0
        Seeds the walk.

    Returns
    -------
    Attack
        All rows share each step's random numbers. With :func:`.engine.shrink` it needs a
        :class:`.word_swap.Guided` victim: labels alone lead nowhere.
    """
    steps = max(1, queries // PROPOSALS)
    n_movable = int(box.movable.any(axis=0).sum())
    near = Neighbours(box, pool, pool_labels)

    def begin(rows: Positions) -> Generator[Candidates, Answers, None]:
        walk = _ScoreWalk(box.take(rows), rows, n_movable, seed)
        yield from walk.begin(pool, near.of(rows, truth[rows]))
        walk.start()
        for turn in range(steps):
            if not len(walk.live):
                return
            yield from walk.follow(turn)

    return Attack(begin, width=PROPOSALS)


class _ScoreWalk(Walk):
    """The nearest points that broke some rows, and the points that are to break them next."""

    def __init__(self, box: Box, names: Positions, n_movable: int, seed: int) -> None:
        super().__init__(box, names, 1, n_movable, seed)
        self.n_movable = max(1, n_movable)
        self.columns = np.flatnonzero(box.movable.any(axis=0))

    def start(self) -> None:
        """Set the first goals."""
        n_rows = len(self.names)
        self.far = self.box.distance(np.arange(n_rows), self.points[:, 0])
        self.inner = self.points[:, 0].copy()
        self.level = np.full(n_rows, np.inf)
        self.cut = np.full(n_rows, FIRST_CUT)
        self.tries = np.zeros(n_rows, dtype=np.intp)
        self.goal = self.far * (1 - self.cut)

    def follow(self, turn: int) -> _Phase:
        """Ask about points within the goals, and about nearer ones than those that broke rows."""
        rows = self.live
        back = self.back(rows, self.points[rows], self.far[rows, None], BACK)[:, 0]
        cube = np.concatenate([self.within_goal(rows, turn), back], axis=1)
        cube = self.box.fit(rows, cube)
        margins, live = yield from self.ask(rows, cube)
        lengths = self.box.distance(rows, cube)
        self.keep_nearest(rows, cube, np.where(self.broken(margins), lengths, np.inf))
        is_within = lengths <= self.goal[rows, None] * (1 + 1e-9)
        self.keep_lowest(rows, cube, np.where(is_within, margins, np.inf))
        self.set_goals(rows)
        self.live = rows[np.isin(rows, live)]

    def within_goal(self, rows: Positions, turn: int) -> Floats:
        """Return the inner points, and others that differ from them in some columns."""
        count, n_columns = PROPOSALS - BACK, self.inner.shape[1]
        share = max(0.5 * max(0.0, 1 - turn / SETTLING) ** 2, 1.5 / self.n_movable)
        changed = self.random.random((count, n_columns)) < share
        if len(self.columns):
            changed[np.arange(count), self.random.choice(self.columns, count)] = True
        changed[0] = False
        inner, goal = self.inner[rows][:, None], np.repeat(self.goal[rows, None], count, axis=1)
        cube = np.where(changed, self.drawn(rows, inner, goal[..., None]), inner)
        return self.nearer(rows, self.box.fit(rows, cube), goal)

    def drawn(self, rows: Positions, inner: Floats, goal: Floats) -> Floats:
        """Return values for columns that change: near, anywhere, or as the row has them."""
        shape = (PROPOSALS - BACK, inner.shape[2])
        kind, place = self.random.random((2, *shape))
        way = self.random.uniform(-1, 1, shape)
        origin, low, high = (
            side[rows][:, None] for side in (self.box.origin, self.box.low, self.box.high)
        )
        reach = (goal if self.box.norm != "l0" else 1.0) * self.unit
        if self.box.norm == "linf":  # on the goal's bounds: what is within costs no distance
            moved = origin + np.sign(way) * reach
        else:
            moved = inner + 0.5 * way * reach
        anywhere = origin + way * reach
        if self.box.norm == "l0":
            moved, anywhere = np.where(way < 0, low, high), low + place * (high - low)
        values = np.where(kind < 0.6, moved, np.where(kind < 0.8, anywhere, origin))
        codes = np.where(kind < 0.8, low + place * (high - low), origin)
        return np.where(self.box.nominal, codes, values)

    def keep_nearest(self, rows: Positions, cube: Floats, lengths: Floats) -> None:
        """Remember what broke rows nearer than anything before."""
        best, shortest = _least(lengths)
        nearer = shortest < self.far[rows] - 1e-12
        self.points[rows[nearer], 0] = cube[nearer, best[nearer]]
        self.far[rows[nearer]] = shortest[nearer]

    def keep_lowest(self, rows: Positions, cube: Floats, margins: Floats) -> None:
        """Remember the point within the goal where the true class leads by the least."""
        best, lowest = _least(margins)
        lower = (lowest <= self.level[rows]) & np.isfinite(lowest)
        self.inner[rows[lower]] = cube[lower, best[lower]]
        self.level[rows[lower]] = lowest[lower]

    def set_goals(self, rows: Positions) -> None:
        """Set the next goal where one was reached, an easier one where one resists."""
        self.tries[rows] += 1
        reached = self.far[rows] <= self.goal[rows] * (1 + 1e-9)
        resists = ~reached & (self.tries[rows] >= PATIENCE)
        self.next_goal(rows[reached], np.minimum(self.cut[rows[reached]] * 1.5, FIRST_CUT))
        self.next_goal(rows[resists], np.maximum(self.cut[rows[resists]] * 0.5, LEAST_CUT))
        fresh = rows[reached]  # their old inner points are beyond the new goal
        self.inner[fresh], self.level[fresh] = self.points[fresh, 0], np.inf

    def next_goal(self, rows: Positions, cut: Floats) -> None:
        self.cut[rows], self.tries[rows] = cut, 0
        self.goal[rows] = self.far[rows] * (1 - cut)


def _least(of: Floats) -> tuple[Positions, Floats]:
    """Return where each line is least, and how much that is."""
    best = of.argmin(axis=1)
    return best, of[np.arange(len(of)), best]
