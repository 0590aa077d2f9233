"""The one place that knows Veritas, a best-first search for the largest output of a tree ensemble.

References
----------
.. [1] Devos, Meert and Davis, "Versatile Verification of Tree Ensembles", ICML 2021.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwarden.trees.ensemble import Trees

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MAX_MEMORY = 1 << 30
"""Bytes that one search may use; a row that needs more stays unknown."""
RELAXATION = 0.2
"""Deeper states go first while their bound is at least this share of the best one's."""


@cache
def is_installed() -> bool:
    """Tell whether Veritas is there: the extra ``trees``."""
    return find_spec("veritas") is not None


@dataclass(frozen=True)
class Answer:
    """What a search found.

    Parameters
    ----------
    is_done : bool
        Whether all that could reach the floor was looked at.
    cells : mapping of int to (int, int) or None
        First and last cell of features in which the sum is `output`; other features may be
        anywhere in the box. None where nothing was found.
    output : float
        The sum; minus infinity where nothing was found.
    steps : int
        States that were looked at.
    """

    is_done: bool
    cells: Mapping[int, tuple[int, int]] | None
    output: float
    steps: int


class Ensemble:
    """Trees as Veritas knows them.

    Parameters
    ----------
    trees : Trees
        None of them meets a missing feature; see :meth:`.ensemble.Trees.without`.
    split : ndarray of int, shape (n_nodes,)
        The cell below which a row goes left.
    gain : ndarray, shape (n_nodes,)
        What each leaf adds to the sum.
    base : float
        Where the sum begins.
    """

    def __init__(self, trees: Trees, split: Integers, gain: Floats, base: float) -> None:
        import veritas

        self._veritas = veritas
        self._trees = veritas.AddTree(1, veritas.AddTreeType.REGR)
        self._trees.set_base_score(0, base)
        feature, left, right = trees.feature.tolist(), trees.left.tolist(), trees.right.tolist()
        below, adds = split.astype(np.float64).tolist(), gain.tolist()
        is_of_use = np.zeros(len(trees.roots), dtype=bool)
        is_of_use[trees.tree[gain != 0]] = True
        for root in trees.roots[is_of_use].tolist():
            tree = self._trees.add_tree()
            waiting = [(tree.root(), root)]
            while waiting:
                place, node = waiting.pop()
                if feature[node] < 0:
                    tree.set_leaf_value(place, 0, adds[node])
                    continue
                tree.split(place, feature[node], below[node])
                waiting.append((tree.left(place), left[node]))
                waiting.append((tree.right(place), right[node]))

    def search(self, low: Integers, high: Integers, floor: float, nodes: int) -> Answer:
        """Look for cells in a box where the sum is `floor` or more.

        Parameters
        ----------
        low, high : ndarray of int, shape (n_features,)
            First and last cell of each feature.
        floor : float
            Sums below are of no interest.
        nodes : int
            States to look at, at most.
        """
        box = [
            self._veritas.Interval(float(first), float(last + 1))
            for first, last in zip(low.tolist(), high.tolist(), strict=True)
        ]
        search = self._config(floor).get_search(self._trees.prune(box))
        why = search.steps(nodes)
        steps = int(search.stats.num_steps)
        if search.num_solutions():
            found = search.get_solution(0)
            return Answer(False, _cells(found.box(), low, high), float(found.output), steps)
        is_done = why == self._veritas.StopReason.NO_MORE_OPEN
        return Answer(bool(is_done), None, -np.inf, steps)

    def _config(self, floor: float) -> Any:
        config = self._veritas.Config(self._veritas.HeuristicType.MAX_OUTPUT)
        config.stop_when_optimal = False
        config.ignore_state_when_worse_than = floor
        config.stop_when_num_solutions_exceeds = 1
        config.focal_eps = RELAXATION
        config.max_memory = MAX_MEMORY
        return config


def _cells(box: Mapping[int, Any], low: Integers, high: Integers) -> dict[int, tuple[int, int]]:
    """Return the cells of a solution, within the box that was searched."""
    return {
        int(feature): (
            int(max(part.lo, low[feature])),
            int(min(part.hi - 1, high[feature])),
        )
        for feature, part in box.items()
    }
