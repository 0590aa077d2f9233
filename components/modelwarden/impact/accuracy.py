"""Trusted accuracy of many linear classifiers, each a change of rank one away from the same one."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from modelwarden.impact.blocks import tiles

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Codes = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

_ROWS, _CHANGES = 250, 512  # at a time: counts of rows fit into a byte, all into the cache


class _Group(NamedTuple):
    """Trusted rows of one class: vectors, and how far each rival is ahead of it, a column each."""

    code: int
    reach: Singles
    gaps: list[tuple[int, Singles]]


class RankOneAccuracy:
    r"""Tells how many trusted rows are right after their scores moved by an outer product.

    Row `j` has the scores :math:`p_j`; the change :math:`(z, \mu)` makes them
    :math:`p_j + (v_j^\top z) \mu`. The row is right if its own class has the largest score, and the
    lowest code among equals.

    Parameters
    ----------
    scores : ndarray of shape (n_trusted, n_classes)
        Scores before any change.
    reach : ndarray of shape (n_trusted, rank)
        The vectors :math:`v_j`.
    labels : ndarray of int of shape (n_trusted,)
        Class codes.

    Notes
    -----
    Single precision does: a change and a margin are compared, each with seven digits of its own,
    where scores after the change would lose them in a sum.
    """

    def __init__(self, scores: Floats, reach: Floats, labels: Codes) -> None:
        self.share = float((scores.argmax(axis=1) == labels).mean())
        self._n_trusted, n_classes = scores.shape
        self._groups = []
        for code in np.unique(labels).tolist():
            own = np.flatnonzero(labels == code)
            for rows in np.array_split(own, -(-len(own) // _ROWS)):
                gaps = (scores[rows] - scores[rows, code][:, None]).astype(np.float32)
                rivals = [(k, gaps[:, [k]]) for k in range(n_classes) if k != code]
                self._groups.append(_Group(code, reach[rows].astype(np.float32), rivals))

    def change(self, z: Floats, move: Floats) -> Floats:
        """Return the share of right rows after each change, minus the share before.

        Parameters
        ----------
        z, move : ndarray of shape (n_changes, rank) and (n_changes, n_classes)
            The changes, one per row.

        Returns
        -------
        ndarray of shape (n_changes,)
            Between -1 and 1.
        """
        count = np.zeros(len(z), dtype=np.intp)
        right_of = self._right_of_two if move.shape[1] == 2 else self._right
        for changes in tiles(len(z), _CHANGES):
            directions = np.ascontiguousarray(z[changes].T, dtype=np.float32)
            moves = np.ascontiguousarray(move[changes].T, dtype=np.float32)
            for right in right_of(directions, moves):
                count[changes] += np.add.reduce(right.view(np.uint8), axis=0, dtype=np.uint8)
        return np.asarray(count / self._n_trusted - self.share)

    def _right(self, directions: Singles, moves: Singles) -> Iterator[Mask]:
        """Yield which rows of each group are right after each change; in memory that is reused."""
        shape = (_ROWS, directions.shape[1])
        shifts, leads = np.empty((2, *shape), dtype=np.float32)
        right, wins = np.empty((2, *shape), dtype=np.bool_)
        for code, reach, gaps in self._groups:
            rows = slice(len(reach))
            np.matmul(reach, directions, out=shifts[rows])
            right[rows] = True
            for rival, gap in gaps:
                np.multiply(shifts[rows], moves[code] - moves[rival], out=leads[rows])
                right[rows] &= _beats(code, rival)(leads[rows], gap, out=wins[rows])
            yield right[rows]

    def _right_of_two(self, directions: Singles, moves: Singles) -> Iterator[Mask]:
        """Do the same for two classes, with a pass less: the lead is part of the product."""
        shape = (_ROWS, directions.shape[1])
        leads, right = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.bool_)
        ahead = directions * (moves[1] - moves[0])
        toward = -ahead, ahead
        for code, reach, ((rival, gap),) in self._groups:
            rows = slice(len(reach))
            np.matmul(reach, toward[code], out=leads[rows])
            yield _beats(code, rival)(leads[rows], gap, out=right[rows])


def _beats(code: int, rival: int) -> np.ufunc:
    """Return how a lead must compare to a gap: equal scores go to the lower code."""
    return np.greater if rival < code else np.greater_equal
