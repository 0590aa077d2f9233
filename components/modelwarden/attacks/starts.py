"""Where attacks begin: the nearest rows that the model labels otherwise."""

from collections.abc import Generator

import numpy as np

from modelwarden.attacks.engine import MAX_CELLS, Answers
from modelwarden.space.box import Box
from modelwarden.space.points import Candidates, Floats, Mask, Positions

NEAREST = 32
"""Pool rows that a row may be pulled towards."""
AT_ONCE = 8
"""Starts of one row that are asked about at a time."""


class Neighbours:
    """A pool of rows, and which of them are near.

    Distance counts the columns that can move, in units of their room, and no missing cells.

    Parameters
    ----------
    box : Box
        The rows to find neighbours of.
    pool : ndarray, shape (n_pool, n_columns)
        Rows to choose from, at least one.
    labels : ndarray of int, shape (n_pool,)
        What the model predicts for them.
    """

    def __init__(self, box: Box, pool: Floats, labels: Positions) -> None:
        self.origin, self.labels = box.origin, labels
        room = np.where(box.movable, box.high - box.low, 0.0).max(axis=0, initial=0.0)
        self.scale = np.divide(1.0, room, out=np.zeros_like(room), where=room > 0)
        self.pool = np.nan_to_num(pool * self.scale)
        self.squares = (self.pool**2).sum(axis=1)

    def of(self, rows: Positions, truth: Positions) -> Positions:
        """Return for each row the nearest of the pool, those of other labels first.

        Parameters
        ----------
        rows : ndarray of int
            The rows to find neighbours of.
        truth : ndarray of int, shape (len(rows),)
            Their classes.

        Returns
        -------
        ndarray of int, shape (len(rows), at most `NEAREST`)
        """
        few = min(NEAREST, len(self.pool))
        found = np.empty((len(rows), few), dtype=np.intp)
        size = max(1, MAX_CELLS // max(1, len(self.pool)))
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            here = np.nan_to_num(self.origin[rows[part]] * self.scale)
            squares = self.squares - 2 * here @ self.pool.T
            squares[truth[part, None] == self.labels] = np.inf
            chosen = np.argpartition(squares, few - 1, axis=1)[:, :few]
            order = np.argsort(np.take_along_axis(squares, chosen, axis=1), axis=1, kind="stable")
            found[part] = np.take_along_axis(chosen, order, axis=1)
        return found


class Begun:
    """Rows with points that break them, to be brought nearer; here rows are counted from 0.

    Attributes
    ----------
    points : ndarray, shape (n_rows, n_particles, n_columns)
        Points that break their row, nearest first; the row itself where none was found.
    live : ndarray of int
        Rows that were broken and still want candidates.
    """

    def __init__(self, box: Box, names: Positions, particles: int) -> None:
        self.box, self.names, self.particles = box, names, particles
        self.points = np.repeat(box.origin[:, None], particles, axis=1)
        self.live = np.empty(0, dtype=np.intp)

    def begin(self, pool: Floats, closest: Positions) -> Generator[Candidates, Answers, None]:
        """Ask about the nearest pool rows, until each row is broken by one or there is no more."""
        found = np.zeros(len(self.names), dtype=bool)
        live = np.arange(len(self.names))
        for start in range(0, closest.shape[1], AT_ONCE):
            rows = live[~found[live]]
            if not len(rows):
                break
            cube = self.box.fit(rows, pool[closest[rows, start : start + AT_ONCE]])
            margins, live = yield from self.ask(rows, cube)
            broken = self.broken(margins)
            self.place(rows, cube, broken)
            found[rows] = broken.any(axis=1)
        self.live = live[found[live]]

    def place(self, rows: Positions, cube: Floats, broken: Mask) -> None:
        """Put particles on the nearest points that broke their row, the last of them repeated."""
        hit = broken.any(axis=1)
        rows, cube, broken = rows[hit], cube[hit], broken[hit]
        distance = np.where(broken, self.box.distance(rows, cube), np.inf)
        order = np.argsort(distance, axis=1, kind="stable")
        picks = np.minimum(np.arange(self.particles), broken.sum(axis=1)[:, None] - 1)
        chosen = np.take_along_axis(order, picks, axis=1)
        self.points[rows] = np.take_along_axis(cube, chosen[..., None], axis=1)

    def ask(
        self, rows: Positions, cube: Floats
    ) -> Generator[Candidates, Answers, tuple[Floats, Positions]]:
        """Ask about ``cube[i]``, shape (n, n_candidates, n_columns), for row ``rows[i]``.

        Return the margins, shape (n, n_candidates), and the rows that are live now.
        """
        width = cube.shape[1]
        flat = Candidates(np.repeat(self.names[rows], width), cube.reshape(-1, cube.shape[2]))
        answers = yield flat
        live = np.searchsorted(self.names, answers.live)
        return answers.margins.reshape(len(rows), width), live

    def broken(self, margins: Floats) -> Mask:
        """Tell which answers say that a candidate breaks its row; unasked ones do not."""
        return np.asarray(margins <= 0)
