"""A walk on the boundary, for models without a slope: trees say the same over whole regions."""

from collections.abc import Generator

import numpy as np

from modelwarden.attacks.engine import Answers, Attack
from modelwarden.attacks.starts import Begun, Neighbours
from modelwarden.space.box import Box
from modelwarden.space.points import Candidates, Floats, Positions

MOST_PARTICLES = 8
PER_PARTICLE = 600
"""Queries that pay for one more particle: few go far sooner, many end nearer."""
PROPOSALS = 8
"""Proposals per particle and step; the first half put single columns back or nearer."""
NEARER = (0.5, 0.8, 0.95, 0.99)
"""By how much the other half come nearer."""

_Phase = Generator[Candidates, Answers, None]


def boundary_walk(
    box: Box,
    truth: Positions,
    pool: Floats,
    pool_labels: Positions,
    *,
    queries: int,
    particles: int | None = None,
    seed: int = 0,
) -> Attack:
    """Return a walk of several particles per row, each from another start, ever nearer to the row.

    Half of the proposals put a single column back or nearer; the others move in all columns or in
    few, and then come nearer. Of each particle's proposals the nearest that breaks the row is where
    it goes on.

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
        Candidates per row; the walk plans its steps by them.
    particles : int, optional
        Particles per row; one for every `PER_PARTICLE` queries, and `MOST_PARTICLES` at most.
    seed : int, default=0
        Seeds the walk.

    Returns
    -------
    Attack
        All rows share each step's random numbers.

    References
    ----------
    .. [1] Brendel, Rauber and Bethge, "Decision-Based Adversarial Attacks", ICLR 2018.
    """
    count = particles or min(MOST_PARTICLES, max(1, queries // PER_PARTICLE))
    steps = max(1, queries // (count * PROPOSALS))
    n_movable = int(box.movable.any(axis=0).sum())
    near = Neighbours(box, pool, pool_labels)

    def begin(rows: Positions) -> Generator[Candidates, Answers, None]:
        walk = Walk(box.take(rows), rows, count, n_movable, seed)
        yield from walk.begin(pool, near.of(rows, truth[rows]))
        for _ in range(steps):
            if not len(walk.live):
                return
            yield from walk.step()

    return Attack(begin, width=count * PROPOSALS)


class Walk(Begun):
    """The particles of some rows, and how they move."""

    def __init__(
        self, box: Box, names: Positions, particles: int, n_movable: int, seed: int
    ) -> None:
        super().__init__(box, names, particles)
        self.random = np.random.default_rng(seed)
        self.length = np.full((len(names), particles), 0.1)
        self.few = max(2 / max(1, n_movable), 0.1)
        finite = np.where(np.isfinite(box.unit), box.unit, 1.0)
        self.unit = np.where(box.nominal, 0.0, finite)

    def step(self) -> _Phase:
        """Ask about proposals of all particles, and move those that found something nearer."""
        rows = self.live
        points = self.points[rows]
        n, particles, n_columns = points.shape
        far = self.box.distance(rows, points)
        half = PROPOSALS // 2
        cube = np.concatenate(
            [self.back(rows, points, far, half), self.wandering(rows, points, far, half)], axis=2
        )
        cube = self.box.fit(rows, cube.reshape(n, -1, n_columns))
        margins, live = yield from self.ask(rows, cube)
        cube = cube.reshape(n, particles, PROPOSALS, n_columns)
        broken = self.broken(margins).reshape(n, particles, PROPOSALS)
        lengths = np.where(broken, self.box.distance(rows, cube), np.inf)
        best = lengths.argmin(axis=2)
        shortest = np.take_along_axis(lengths, best[..., None], axis=2)[..., 0]
        nearer = shortest < far - 1e-12
        chosen = np.take_along_axis(cube, best[..., None, None], axis=2)[:, :, 0]
        self.points[rows] = np.where(nearer[..., None], chosen, points)
        factor = np.where(nearer, 1.3, 0.9)
        self.length[rows] = np.clip(self.length[rows] * factor, 1e-3, 0.5)
        self.live = rows[np.isin(rows, live)]

    def back(self, rows: Positions, points: Floats, far: Floats, count: int) -> Floats:
        """Put one changed column of each particle back, all or some of the way.

        In the maximum norm, which no single column decides, all columns come nearer at once.
        """
        cube = np.repeat(points[:, :, None], count, axis=2)
        n, _, _, n_columns = cube.shape
        if self.box.norm == "linf":
            wanted = far[..., None] * self.random.choice(NEARER, count)
            flat = cube.reshape(n, -1, n_columns)
            return self.nearer(rows, flat, wanted.reshape(n, -1)).reshape(cube.shape)
        origin = self.box.origin[rows][:, None]
        differs = (points != origin) & ~np.isnan(points)
        moves = np.abs(points - origin) / np.where(self.unit > 0, self.unit, 1.0)
        weights = np.log(np.where(differs, np.maximum(moves, 1e-12), 1.0))
        # the largest of Gumbel numbers is each with a chance in proportion to its weight
        drawn = self.random.gumbel(size=(count, n_columns)) + weights[:, :, None]
        chosen = np.where(differs[:, :, None], drawn, -np.inf).argmax(axis=3)[..., None]
        share = self.random.random(count) * (self.random.random(count) < 0.6)
        there = np.take_along_axis(cube, chosen, axis=3)
        here = np.take_along_axis(np.broadcast_to(origin[:, :, None], cube.shape), chosen, axis=3)
        np.put_along_axis(cube, chosen, here + share[:, None] * (there - here), axis=3)
        return cube

    def wandering(self, rows: Positions, points: Floats, far: Floats, count: int) -> Floats:
        """Move in all or few columns, then nearer to the row."""
        n_columns = points.shape[2]
        drawn = self.random.standard_normal((count, n_columns))
        few = self.random.random((count, n_columns)) < self.few
        drawn = np.where(self.random.random((count, 1)) < 0.5, drawn * few, drawn)
        drawn /= np.maximum(np.linalg.norm(drawn, axis=1, keepdims=True), 1e-300)
        size = (self.length[rows] * np.where(np.isfinite(far), far, 1.0))[..., None, None]
        cube = self.box.fit(
            rows, (points[:, :, None] + size * self.unit * drawn).reshape(len(rows), -1, n_columns)
        )
        share = np.tile(self.random.choice(NEARER, count), points.shape[1])
        wanted = share * np.repeat(far, count, axis=1)
        return self.nearer(rows, cube, wanted).reshape(*points.shape[:2], count, n_columns)

    def nearer(self, rows: Positions, cube: Floats, wanted: Floats) -> Floats:
        """Bring points within the wanted distance, as their norm measures it.

        `cube` has shape (n, n_points, n_columns) and `wanted` (n, n_points). Categories stay.
        """
        origin = self.box.origin[rows][:, None]
        if self.box.norm == "l0":
            differs = (cube != origin) & ~np.isnan(cube)
            drawn = np.where(differs, self.random.random(cube.shape[1:]), -1.0)
            rank = np.argsort(np.argsort(-drawn, axis=-1), axis=-1)
            return np.where(rank < np.floor(wanted)[..., None], cube, origin)
        if self.box.norm == "linf":
            reach = wanted[..., None] * self.unit
            closer = np.clip(cube, origin - reach, origin + reach)
        else:
            lengths = self.box.distance(rows, cube)
            share = np.minimum(1.0, wanted / np.maximum(lengths, 1e-300))[..., None]
            closer = origin + share * (cube - origin)
        return np.where(self.box.nominal, cube, closer)
