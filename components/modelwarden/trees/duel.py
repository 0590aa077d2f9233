"""A class against its rival: the trees' scores as one sum; where it is above 0, a row is turned."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelwarden.structure import TIE
from modelwarden.trees.ensemble import Trees

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

UNIT_SINGLE = 2.0**-24
"""Relative error of one addition of float32, in which some libraries sum up leaves."""


@dataclass(frozen=True)
class Duel:
    """A sum over trees that is above 0 where a rival's score is above the true class's.

    Parameters
    ----------
    trees : Trees
    split : ndarray of int, shape (n_nodes,)
        The cell below which a row goes left.
    gain : ndarray, shape (n_nodes,)
        What each leaf adds.
    base : float
        Where the sum begins.
    margin : float
        Sums closer to 0 may fall either way when the model rounds.
    """

    trees: Trees
    split: Integers
    gain: Floats
    base: float
    margin: float

    @classmethod
    def of(cls, trees: Trees, split: Integers, truth: int, rival: int) -> "Duel":
        """Return the sum for two classes of a model; of two in all there is one score."""
        if trees.n_outputs == 1:
            sign = 1.0 if rival == 1 else -1.0
            gain, base = sign * trees.value[:, 0], sign * float(trees.base[0])
        else:
            gain = trees.value[:, rival] - trees.value[:, truth]
            base = float(trees.base[rival] - trees.base[truth])
        largest = np.zeros(len(trees.roots))
        np.maximum.at(largest, trees.tree, np.abs(gain))
        size = float(largest.sum()) + float(np.abs(trees.base).max(initial=0.0))
        margin = TIE * max(1.0, size)
        if trees.single:
            margin += (len(trees.roots) + 8) * UNIT_SINGLE * size
        return cls(trees, split, gain, base, margin)
