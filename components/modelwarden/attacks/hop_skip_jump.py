"""HopSkipJump: follow the boundary with nothing but labels, for models that have a slope."""

from collections.abc import Generator

import numpy as np

from modelwarden.attacks.engine import Answers, Attack
from modelwarden.attacks.starts import Begun, Neighbours
from modelwarden.space.box import Box
from modelwarden.space.points import Candidates, Floats, Mask, Positions

DIRECTIONS = 100
"""Directions that the first slope is estimated from; later ones from more."""
SECTIONS = 7
"""Points between two that are asked about at a time: three halvings."""
HALVINGS = 12
STEPS = 8
"""Lengths of a step along the slope that are asked about at a time, each half of the one before."""

_Phase = Generator[Candidates, Answers, None]


def hop_skip_jump(
    box: Box,
    truth: Positions,
    pool: Floats,
    pool_labels: Positions,
    *,
    queries: int,
    directions: int = DIRECTIONS,
    seed: int = 0,
) -> Attack:
    """Return HopSkipJump on many rows at once.

    Starts are the nearest rows with another label. All rows share each step's random directions.
    Categories stay as they are in the start, missing cells missing. Columns with steps move by
    whole steps, drawn so that their mean is where the direction points: rounding would say that
    they have no slope.

    Parameters
    ----------
    box : Box
        Where rows may move; its norm, ``l2`` or ``linf``, is what becomes small.
    truth : ndarray of int, shape (n_rows,)
        True classes.
    pool : ndarray, shape (n_pool, n_columns)
        Rows to start from.
    pool_labels : ndarray of int, shape (n_pool,)
        What the model predicts for them.
    queries : int
        Candidates per row.
    directions : int, default=100
        Directions of the first estimate; the t-th takes the square root of t times as many.
    seed : int, default=0
        Seeds the directions.

    Returns
    -------
    Attack

    References
    ----------
    .. [1] Chen, Jordan and Wainwright, "HopSkipJumpAttack: A Query-Efficient Decision-Based
       Attack", IEEE S&P 2020.
    """
    rounds = max(1, int((1.5 * queries / directions) ** (2 / 3)))

    free = ~box.nominal & box.movable.any(axis=0)
    near = Neighbours(box, pool, pool_labels)

    def begin(rows: Positions) -> Generator[Candidates, Answers, None]:
        jumps = _Jumps(box.take(rows), rows, free, seed)
        yield from jumps.begin(pool, near.of(rows, truth[rows]))
        yield from jumps.bisect()
        for turn in range(rounds):
            if not len(jumps.live):
                return
            slope = yield from jumps.slope(turn, int(directions * np.sqrt(turn + 1)))
            yield from jumps.step(turn, slope)
            yield from jumps.bisect()

    return Attack(begin, width=int(directions * np.sqrt(rounds)) + 1)


class _Jumps(Begun):
    """The points of some rows, on their way along the boundary.

    Points may be out of bounds; what is asked about is where bounds stop them. So a column that is
    stopped stays at its bound while the others come nearer.
    """

    def __init__(self, box: Box, names: Positions, free: Mask, seed: int) -> None:
        super().__init__(box, names, particles=1)
        self.random = np.random.default_rng(seed)
        self.unit = np.where(free & np.isfinite(box.unit), box.unit, 0.0)
        self.n_free = max(1, int(free.sum()))
        self.accuracy = 0.01 / np.sqrt(self.n_free)
        if box.norm == "linf":
            self.accuracy = 0.01 / self.n_free
        self.reached = np.zeros(len(names))  # how far the points were before the last bisection

    def lengths(self, rows: Positions) -> Floats:
        """Return how far the points are."""
        return self.box.distance(rows, self.box.fit(rows, self.points[rows, 0]))

    def between(self, rows: Positions, share: Floats) -> Floats:
        """Return points between row (0) and point (1), shape (n, n_shares, n_columns)."""
        origin, point = self.box.origin[rows][:, None], self.points[rows]
        share = share[..., None]
        if self.box.norm != "linf":
            closer = origin + share * (point - origin)
        else:
            reach = share * self.lengths(rows)[:, None, None] * self.unit
            closer = np.clip(point, origin - reach, origin + reach)
        stays = self.box.nominal | (share == 1)  # exactly, where rounding would lose the label
        return np.where(stays, point, closer)

    def bisect(self) -> _Phase:
        """Bring the points to the boundary, on the way to their row."""
        rows = self.live
        self.reached[rows] = self.lengths(rows)
        low, high = np.zeros(len(rows)), np.ones(len(rows))
        sections = np.arange(1, SECTIONS + 1) / (SECTIONS + 1)
        for _ in range(HALVINGS // 3):
            share = low[:, None] + (high - low)[:, None] * sections
            cube = self.box.fit(rows, self.between(rows, share))
            margins, live = yield from self.ask(rows, cube)
            broken = self.broken(margins)
            first = np.where(broken.any(axis=1), broken.argmax(axis=1), SECTIONS)
            edges = np.concatenate([low[:, None], share, high[:, None]], axis=1)
            each = np.arange(len(rows))
            low, high = edges[each, first], edges[each, first + 1]
            keep = np.isin(rows, live)
            self.settle(rows[~keep], high[~keep])
            rows, low, high = rows[keep], low[keep], high[keep]
        self.settle(rows, high)
        self.live = rows

    def settle(self, rows: Positions, share: Floats) -> None:
        """Move points as near as they were seen to break their row."""
        if len(rows):
            self.points[rows] = self.between(rows, share[:, None])

    def slope(self, turn: int, count: int) -> Generator[Candidates, Answers, Floats]:
        """Estimate in which direction each point goes deepest into the other class."""
        rows = self.live
        root = np.sqrt(self.n_free) if self.box.norm == "l2" else self.n_free
        width = np.maximum(root * self.accuracy * self.reached[rows], 1e-6)
        if turn == 0:
            width = 0.1 * np.maximum(self.lengths(rows), 1e-6)
        points = self.box.fit(rows, self.points[rows])
        moved = points + width[:, None, None] * (self.unit * self.drawn(count))
        cube = self.box.fit(rows, self.on_steps(rows, moved))
        margins, live = yield from self.ask(rows, cube)
        signs = np.where(np.isinf(margins), 0.0, np.where(self.broken(margins), 1.0, -1.0))
        mean = signs.mean(axis=1, keepdims=True)
        signs = np.where(np.abs(mean) == 1, signs, signs - mean)
        unit = np.where(self.unit > 0, self.unit, 1.0)
        shift = np.nan_to_num((cube - points) / unit)
        keep = np.isin(rows, live)
        self.live = rows[keep]
        slope: Floats = np.einsum("nb,nbd->nd", signs, shift)[keep]
        if self.box.norm == "linf":
            return np.asarray(np.sign(slope))
        return _scaled(slope)

    def drawn(self, count: int) -> Floats:
        """Return random directions of length 1 in the columns that are free."""
        shape = (count, len(self.unit))
        is_l2 = self.box.norm == "l2"
        drawn = self.random.standard_normal(shape) if is_l2 else self.random.uniform(-1, 1, shape)
        drawn *= self.unit > 0
        return _scaled(drawn)

    def on_steps(self, rows: Positions, moved: Floats) -> Floats:
        """Return values on the columns' steps, each of the two nearest as often as it is near."""
        stepped = self.box.step > 0
        if not stepped.any():
            return moved
        step = np.where(stepped, self.box.step, 1.0)
        origin = self.box.origin[rows][:, None]
        steps = np.floor((moved - origin) / step + self.random.random(moved.shape[1:]))
        return np.where(stepped, origin + steps * step, moved)

    def step(self, turn: int, slope: Floats) -> _Phase:
        """Go along the slope, as far as it stays in the other class."""
        rows = self.live
        if not len(rows):
            return
        far = self.lengths(rows) / np.sqrt(turn + 1)
        sizes = far[:, None] * 0.5 ** np.arange(STEPS)
        cube = self.points[rows] + sizes[..., None] * (self.unit * slope)[:, None]
        margins, live = yield from self.ask(rows, self.box.fit(rows, cube))
        broken = self.broken(margins)
        hit = broken.any(axis=1)
        self.points[rows[hit], 0] = cube[hit, broken.argmax(axis=1)[hit]]
        self.live = rows[np.isin(rows, live)]


def _scaled(lines: Floats) -> Floats:
    """Return lines with length 1, where they have any."""
    return np.asarray(lines / np.maximum(np.linalg.norm(lines, axis=1, keepdims=True), 1e-300))
