"""Search of a box around each row for a point that changes the model's mind.

A gate asks about robust accuracy at one size of perturbation. Attacks that minimise the distance
answer another question, and miss up to 40 points of it on tree ensembles. This search stays in the
box of what an attacker may do and lowers the score of the true class there, with any model.
"""

from collections.abc import Generator

import numpy as np

from modelwarden.attacks.engine import (
    MAX_WIDTH,
    Answers,
    Attack,
    Candidates,
    Floats,
    Positions,
    Victim,
)
from modelwarden.attacks.space import Box

WIDTH = 8
"""Candidates per row and step once the search wanders."""
NEAREST = 32
"""Pool rows of other classes that a row may be pulled towards."""
REVERTS = 32
"""Steps of :func:`revert` at most."""

_Step = Generator[Candidates, Answers, tuple[Floats, Positions]]
_Phase = Generator[Candidates, Answers, Positions]


def box_search(
    box: Box,
    truth: Positions,
    pool: Floats,
    pool_labels: Positions,
    *,
    queries: int,
    starts: Floats | None = None,
    seed: int = 0,
) -> Attack:
    """Return an attack that looks for other labels in a box around each row.

    First come the nearest rows that the model labels otherwise, drawn into the box. Then every
    column by itself is put on both bounds, and the best of all columns are joined, which is exact
    for additive models. From there a random walk changes fewer and fewer columns at a time, and one
    candidate in eight copies what broke another row of the class.

    Parameters
    ----------
    box : Box
        Where rows may move.
    truth : ndarray of int, shape (n_rows,)
        True classes.
    pool : ndarray, shape (n_pool, n_columns)
        Rows to draw starts from, at least one, such as all of ``box.origin``.
    pool_labels : ndarray of int, shape (n_pool,)
        What the model predicts for them.
    queries : int
        Candidates per row; a quarter of that many columns are tried by themselves at most.
    starts : ndarray, shape (n_rows, n_columns), optional
        Where to begin as well, for instance the best points of a smaller box.
    seed : int, default=0
        Seeds the walk.

    Returns
    -------
    Attack
        All rows share each step's random numbers.

    Notes
    -----
    A model without slope, such as one that has labels only, gives the search nothing to follow. It
    is left with starts, joint corners and what broke other rows.

    References
    ----------
    .. [1] Andriushchenko et al., "Square Attack", ECCV 2020.
    .. [2] Moosavi-Dezfooli et al., "Universal Adversarial Perturbations", CVPR 2017.
    """

    def attack(rows: Positions) -> Generator[Candidates, Answers, None]:
        here = box.take(rows)
        if not here.movable.any():
            return
        nearest = _nearest(here, truth[rows], pool, pool_labels)
        search = _Search(here, rows, truth[rows], pool, nearest, queries, seed)
        live = yield from search.begin(None if starts is None else starts[rows])
        live = yield from search.climb(live)
        while True:
            live = yield from search.wander(live)

    return attack


class _Search:
    """The search of some rows; here rows are counted from 0."""

    def __init__(
        self,
        box: Box,
        names: Positions,
        truth: Positions,
        pool: Floats,
        nearest: Positions,
        queries: int,
        seed: int,
    ) -> None:
        self.box, self.names, self.truth, self.queries = box, names, truth, queries
        self.pool, self.nearest = pool, nearest
        self.random = np.random.default_rng(seed)
        self.best = box.origin.copy()
        self.margins = np.full(len(names), np.inf)
        self.asked = np.zeros(len(names), dtype=np.intp)
        self.columns = np.flatnonzero(box.movable.any(axis=0))

    def ask(self, live: Positions, cube: Floats) -> _Step:
        """Ask about ``cube[i]``, shape (n_live, n_candidates, n_columns), for row ``live[i]``.

        Remember the best; return all margins, and the rows that are live now.
        """
        width = cube.shape[1]
        rows = np.repeat(self.names[live], width)
        answers = yield Candidates(rows, cube.reshape(len(rows), cube.shape[2]))
        margins = answers.margins.reshape(len(live), width)
        self.asked[live] += np.isfinite(margins).sum(axis=1)
        each, first = np.arange(len(live)), margins.argmin(axis=1)
        lowest = margins[each, first]
        better = lowest <= self.margins[live]  # equals too: a plateau is crossed by walking on
        self.margins[live[better]] = lowest[better]
        self.best[live[better]] = cube[each, first][better]
        return margins, np.searchsorted(self.names, answers.live)

    def begin(self, starts: Floats | None) -> _Phase:
        """Draw the nearest rows of other classes into the box, and see which rows have a slope."""
        live = np.arange(len(self.names))
        cube = self.pool[self.nearest[:, :WIDTH]]
        if starts is not None:
            cube = np.concatenate([starts[:, None], cube[:, : WIDTH - 1]], axis=1)
        margins, live = yield from self.ask(live, self.box.fit(live, cube))
        self.sloped = margins.max(axis=1) > margins.min(axis=1)
        return live

    def climb(self, live: Positions) -> _Phase:
        """Put each column by itself on both bounds, then join the better sides of all columns."""
        box, base, level = self.box, self.best.copy(), self.margins.copy()
        down, up = np.full_like(base, np.inf), np.full_like(base, np.inf)
        columns = self.random.permutation(self.columns)[: self.queries // 4]
        for start in range(0, len(columns), MAX_WIDTH // 2):
            part = columns[start : start + MAX_WIDTH // 2]
            rows = live[self.sloped[live]]
            if not len(rows):
                return live
            cube = np.repeat(base[rows][:, None], 2 * len(part), axis=1)
            each = np.arange(len(part))
            cube[:, each, part] = box.low[rows][:, part]
            cube[:, len(part) + each, part] = box.high[rows][:, part]
            margins, live = yield from self.ask(rows, cube)
            down[rows[:, None], part], up[rows[:, None], part] = np.split(margins, 2, axis=1)
        side = np.where(down < up, box.low, box.high)
        joint = np.where(np.minimum(down, up) < level[:, None], side, base)
        _, live = yield from self.ask(live, joint[live][:, None])
        return live

    def wander(self, live: Positions) -> _Phase:
        """Change random columns of the best point: to a bound, something between, or back."""
        box, n_columns = self.box, len(self.columns)
        share = np.maximum(0.5 * (1 - self.asked[live] / self.queries) ** 2, 1 / n_columns)
        changed = self.random.random((WIDTH, self.best.shape[1])) < share[:, None, None]
        changed[:, np.arange(WIDTH), self.random.choice(self.columns, WIDTH)] = True
        kind, place = self.random.random((2, WIDTH, self.best.shape[1]))
        low, high, origin = (side[live][:, None] for side in (box.low, box.high, box.origin))
        bound = np.where(kind < 0.25, low, high)
        between = np.where(kind < 0.75, low + place * (high - low), origin)
        drawn = np.where(kind < 0.5, bound, between)
        cube = np.where(changed, drawn, self.best[live][:, None])
        cube[:, 0] = self.borrow(live)
        _, live = yield from self.ask(live, box.fit(live, cube))
        return live

    def borrow(self, live: Positions) -> Floats:
        """Return for each row what broke a row of its class, or a row of another class."""
        box = self.box
        chosen = self.random.integers(self.nearest.shape[1])
        borrowed: Floats = self.pool[self.nearest[live, chosen]]
        if self.random.random() < 0.5:
            return borrowed
        for label in np.unique(self.truth[live]):
            donors = np.flatnonzero((self.truth == label) & (self.margins <= 0))
            if len(donors):
                donor = self.random.choice(donors)
                room = np.where(box.high > box.low, box.high - box.low, 1.0)
                place = (self.best[donor] - box.low[donor]) / room[donor]
                mine = self.truth[live] == label
                rows = live[mine]
                borrowed[mine] = box.low[rows] + place * (box.high - box.low)[rows]
        return borrowed


def _nearest(box: Box, truth: Positions, pool: Floats, pool_labels: Positions) -> Positions:
    """Return for each row the nearest pool rows, those of other labels first.

    Distance counts the columns that can move, in units of their room, and no missing cells.
    """
    room = np.where(box.movable, box.high - box.low, 0.0).max(axis=0, initial=0.0)
    scale = np.divide(1.0, room, out=np.zeros_like(room), where=room > 0)
    here, there = np.nan_to_num(box.origin * scale), np.nan_to_num(pool * scale)
    squares = (here**2).sum(axis=1)[:, None] - 2 * here @ there.T + (there**2).sum(axis=1)
    squares[truth[:, None] == pool_labels] = np.inf
    return np.argsort(squares, axis=1, kind="stable")[:, :NEAREST]


def revert(victim: Victim, box: Box, rows: Positions, values: Floats) -> Floats:
    """Put back the columns that need not have moved, in one greedy pass.

    Columns that moved least, in units of their room, go back first. Where more than `REVERTS`
    columns moved, neighbours in that order go back together or not at all.

    Parameters
    ----------
    victim : Victim
        The model; asked `REVERTS` times at most.
    box : Box
        Where rows may move.
    rows : ndarray of int, shape (n,)
        Rows that are broken.
    values : ndarray, shape (n, n_columns)
        What broke them.

    Returns
    -------
    ndarray of shape (n, n_columns)
        What still breaks them.
    """
    origin, kept = box.origin[rows], values.copy()
    room = np.where(box.movable, box.high - box.low, 1.0)[rows]
    moved = np.nan_to_num(np.abs(values - origin) / room)
    most = int((moved > 0).sum(axis=1).max(initial=0))
    order = np.argsort(moved, axis=1, kind="stable")[:, len(box.whole) - most :]
    for part in np.array_split(np.arange(most), max(1, min(most, REVERTS))):
        trial = kept.copy()
        columns = order[:, part]
        np.put_along_axis(trial, columns, np.take_along_axis(origin, columns, axis=1), axis=1)
        tried = np.flatnonzero((moved > 0)[np.arange(len(rows))[:, None], columns].any(axis=1))
        if len(tried):
            back = tried[victim.fools(Candidates(rows[tried], trial[tried]))]
            kept[back] = trial[back]
    return kept
