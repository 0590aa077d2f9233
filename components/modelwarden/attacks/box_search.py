"""Search of the box around each row for a point that changes the model's mind.

A gate asks about robust accuracy at one size of perturbation. Attacks that minimise the distance
answer another question, and miss up to 40 points of it on tree ensembles. This search stays in the
box of what an attacker may do and lowers the score of the true class there, with any model.
"""

from collections.abc import Generator

import numpy as np

from modelwarden.attacks.engine import MAX_WIDTH, Answers, Attack, Victim
from modelwarden.attacks.starts import Neighbours
from modelwarden.space.box import Box
from modelwarden.space.points import Candidates, Floats, Mask, Positions

WIDTH = 8
"""Candidates per row and step once the search wanders."""
REVERTS = 32
"""Steps of :func:`revert` at most."""
JOINED = (1, 2, 4, 8, 16)
"""Of how many columns the most helpful moves are joined."""
MOST = 0.25
"""Share of the columns that the walk changes at a time, at first."""
BOUND, BACK, BACK_SHARED = 0.2, 0.05, 0.25
"""Shares of changed columns that go to a bound, or back to the row; more where that makes room."""
NEARBY = 0.15
"""How far values nearby are, as a share of their column's room."""
HALVINGS = 40
LOW, HIGH = -2, -1
"""Moves to a bound; others are codes."""

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
    column by itself is put on both bounds, or on each of its codes, and what helped is joined: all
    of it, the most helpful few, and in proportion to how much it helped. That is exact for additive
    models in the maximum norm, and for linear ones in all norms. From there a random walk changes
    fewer and fewer columns at a time. Where scores have no slope, one candidate in eight is a
    neighbour of another class.

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
    A model without slope, such as one that has labels only, gives the search nothing to follow but
    its starts; :func:`.transfer.transfer` serves such models.

    References
    ----------
    .. [1] Andriushchenko et al., "Square Attack", ECCV 2020.
    """
    columns = np.flatnonzero(box.movable.any(axis=0))
    near = Neighbours(box, pool, pool_labels)

    def begin(rows: Positions) -> Generator[Candidates, Answers, None]:
        if not box.movable[rows].any():
            return
        closest = near.of(rows, truth[rows])
        search = _Search(box.take(rows), rows, columns, pool, closest, queries, seed)
        live = yield from search.begin(None if starts is None else starts[rows])
        live = yield from search.climb(live)
        while True:
            live = yield from search.wander(live)

    return Attack(begin)


class _Search:
    """The search of some rows; here rows are counted from 0."""

    def __init__(
        self,
        box: Box,
        names: Positions,
        columns: Positions,
        pool: Floats,
        nearest: Positions,
        queries: int,
        seed: int,
    ) -> None:
        self.box, self.names, self.columns, self.queries = box, names, columns, queries
        self.pool, self.nearest = pool, nearest
        self.random = np.random.default_rng(seed)
        self.best = box.origin.copy()
        self.margins = np.full(len(names), np.inf)
        self.asked = np.zeros(len(names), dtype=np.intp)

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
        live, box = np.arange(len(self.names)), self.box
        cube = self.pool[self.nearest[:, :WIDTH]]
        if starts is not None:
            cube = np.concatenate([starts[:, None], cube[:, : WIDTH - 1]], axis=1)
        if self.is_shared:
            cube = np.concatenate([box.origin[:, None], cube[:, : WIDTH - 1]], axis=1)
        margins, live = yield from self.ask(live, box.fit(live, cube))
        self.sloped = margins.max(axis=1) > margins.min(axis=1)
        self.base, self.level = self.best.copy(), self.margins.copy()
        if self.is_shared:
            self.base, self.level = box.origin, margins[:, 0]
        return live

    @property
    def is_shared(self) -> bool:
        """Whether columns share what may change; where one moves, another may have to go back."""
        return self.box.norm != "linf" or self.box.fewest is not None

    def climb(self, live: Positions) -> _Phase:
        """Move each column by itself, then join the moves that helped."""
        box, base, level = self.box, self.base, self.level
        gain = np.zeros_like(base)
        moved = base.copy()
        moves = self.moves()
        for start in range(0, len(moves), MAX_WIDTH):
            rows = live[self.sloped[live]]
            if not len(rows):
                return live
            part = moves[start : start + MAX_WIDTH]
            cube = np.repeat(base[rows][:, None], len(part), axis=1)
            for place, (column, code) in enumerate(part):
                side = box.low if code == LOW else box.high
                cube[:, place, column] = side[rows, column] if code < 0 else code
            cube = box.fit(rows, cube)
            margins, live = yield from self.ask(rows, cube)
            for place, (column, _) in enumerate(part):
                helped = level[rows] - margins[:, place]
                better = rows[helped > gain[rows, column]]
                gain[better, column] = helped[helped > gain[rows, column]]
                kept = cube[np.searchsorted(rows, better), place, column]
                moved[better, column] = kept
        rows = live[self.sloped[live]]
        if len(rows):
            joint = self.joined(rows, base, moved, gain)
            _, live = yield from self.ask(rows, box.fit(rows, joint))
        return live

    def moves(self) -> list[tuple[int, int]]:
        """Return columns with the code to try, or with the bound, in random order."""
        codes = self.box.codes
        moves = [
            (column, move)
            for column in self.columns.tolist()
            for move in (range(codes[column]) if codes[column] else (LOW, HIGH))
        ]
        order = self.random.permutation(len(moves))[: self.queries // 2]
        return [moves[place] for place in order]

    def joined(self, live: Positions, base: Floats, moved: Floats, gain: Floats) -> Floats:
        """Return points in which several moves that helped are made at once."""
        base, moved, gain = base[live], moved[live], gain[live]
        counts = {*JOINED, self.box.fewest or 1}
        rank = self.rank(gain)
        points = [np.where(rank < count, moved, base) for count in sorted(counts)]
        points.insert(0, np.where(gain > 0, moved, base))
        if self.box.norm in ("l2", "l1"):
            points.append(self.along_the_slope(live, moved, gain))
        return np.stack(points, axis=1)

    def rank(self, gain: Floats) -> Positions:
        """Return how many groups of columns helped more than that of each column."""
        _, member = np.unique(self.box.group, return_inverse=True)
        by_group = gain @ (member[:, None] == np.arange(member.max() + 1))
        order = np.argsort(-by_group, axis=1, kind="stable")
        return np.argsort(order, axis=1)[:, member]

    def along_the_slope(self, live: Positions, moved: Floats, gain: Floats) -> Floats:
        """Return the points within the radius where the margin is lowest if it is linear."""
        box, origin = self.box, self.box.origin[live]
        unit = np.where(np.isfinite(box.unit) & ~box.nominal, box.unit, 0.0)
        room = np.divide(moved - origin, unit, out=np.zeros_like(gain), where=unit > 0)
        room, sign = np.nan_to_num(np.abs(room)), np.sign(room)
        slope = np.divide(gain, room, out=np.zeros_like(gain), where=room > 0)
        spend = _spread if box.norm == "l2" else _steepest_first
        shift = np.nan_to_num(sign) * spend(slope, room, box.radius) * unit
        return np.where(box.nominal & (gain > 0), moved, origin + shift)

    def wander(self, live: Positions) -> _Phase:
        """Change random columns of the best point, fewer and fewer."""
        box, n_columns = self.box, len(self.columns)
        most = MOST if box.fewest is None else min(MOST, box.fewest / n_columns)
        share = np.maximum(most * (1 - self.asked[live] / self.queries) ** 3, 1 / n_columns)
        changed = self.random.random((WIDTH, self.best.shape[1])) < share[:, None, None]
        changed[:, np.arange(WIDTH), self.random.choice(self.columns, WIDTH)] = True
        cube = np.where(changed, self.drawn(live), self.best[live][:, None])
        flat = ~self.sloped[live]
        cube[flat, 0] = self.borrow(live[flat])
        _, live = yield from self.ask(live, box.fit(live, cube))
        return live

    def drawn(self, live: Positions) -> Floats:
        """Draw values for columns: bounds, the row's own, any between, and ones nearby."""
        shape = (WIDTH, self.best.shape[1])
        kind, place, is_near = self.random.random((3, *shape))
        way = NEARBY * self.random.standard_normal(shape)
        low, high, origin, best = (
            side[live][:, None]
            for side in (self.box.low, self.box.high, self.box.origin, self.best)
        )
        near = (is_near < 0.5) & ~self.box.nominal
        between = np.where(near, best + way * (high - low), low + place * (high - low))
        bound = np.where(kind < BOUND / 2, low, high)
        back = BACK_SHARED if self.is_shared else BACK
        return np.where(kind < BOUND, bound, np.where(kind < 1 - back, between, origin))

    def borrow(self, live: Positions) -> Floats:
        """Return for each row one of the nearest rows of another class."""
        chosen = self.random.integers(self.nearest.shape[1])
        return np.asarray(self.pool[self.nearest[live, chosen]])


def _spread(slope: Floats, room: Floats, radius: float) -> Floats:
    """Return moves in proportion to `slope`, as long as `radius` where there is `room`."""
    reach = np.divide(room, slope, out=np.zeros_like(room), where=slope > 0)
    low, high = np.zeros((len(slope), 1)), reach.max(axis=1, keepdims=True, initial=0.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        fits: Mask = np.linalg.norm(np.minimum(middle * slope, room), axis=1) <= radius
        low, high = np.where(fits[:, None], middle, low), np.where(fits[:, None], high, middle)
    return np.asarray(np.minimum(low * slope, room))


def _steepest_first(slope: Floats, room: Floats, radius: float) -> Floats:
    """Return moves that use up `room` where `slope` is steepest, until `radius` is used up."""
    order = np.argsort(-slope, axis=1, kind="stable")
    wanted = np.take_along_axis(np.where(slope > 0, room, 0.0), order, axis=1)
    before = np.cumsum(wanted, axis=1) - wanted
    moves = np.zeros_like(room)
    np.put_along_axis(moves, order, np.clip(radius - before, 0.0, wanted), axis=1)
    return moves


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
    room = np.where(np.isfinite(room) & (room > 0), room, 1.0)
    moved = np.nan_to_num(np.abs(values - origin) / room)
    most = int((moved > 0).sum(axis=1).max(initial=0))
    order = np.argsort(moved, axis=1, kind="stable")[:, len(box.step) - most :]
    for part in np.array_split(np.arange(most), max(1, min(most, REVERTS))):
        trial = kept.copy()
        columns = order[:, part]
        np.put_along_axis(trial, columns, np.take_along_axis(origin, columns, axis=1), axis=1)
        tried = np.flatnonzero((moved > 0)[np.arange(len(rows))[:, None], columns].any(axis=1))
        if len(tried):
            candidates = Candidates(rows[tried], trial[tried])
            back = tried[box.contains(candidates) & victim.fools(candidates)]
            kept[back] = trial[back]
    return kept
