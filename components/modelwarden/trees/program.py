"""A mixed-integer linear program that grows row by row, solved by HiGHS."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

Floats = npt.NDArray[np.float64]

INFEASIBLE = 2


@dataclass(frozen=True)
class Result:
    """What solving a program came to.

    Parameters
    ----------
    is_infeasible : bool
        Whether it has no solution, up to the solver's tolerances.
    bound : float
        No solution costs less.
    x : ndarray or None, shape (n_variables,)
        The best solution that was found.
    steps : int
        Nodes of the search.
    """

    is_infeasible: bool
    bound: float
    x: Floats | None
    steps: int


class Program:
    """A mixed-integer program that grows row by row."""

    def __init__(self) -> None:
        self.cost: list[float] = []
        self._integer: list[int] = []
        self._bounds: list[tuple[float, float]] = []
        self._cells: list[tuple[int, int, float]] = []
        self._sides: list[tuple[float, float]] = []

    def variable(self, low: float = 0.0, high: float = 1.0, *, integer: bool = False) -> int:
        """Return a new variable."""
        self.cost.append(0.0)
        self._integer.append(int(integer))
        self._bounds.append((low, high))
        return len(self.cost) - 1

    def demand(self, terms: Sequence[tuple[int, float]], low: float, high: float) -> None:
        """Demand that a sum of variables times weights is between two numbers."""
        self._cells += [(len(self._sides), variable, weight) for variable, weight in terms]
        self._sides.append((low, high))

    def solve(self, nodes: int) -> Result:
        """Solve it, by at most so many nodes of the search."""
        if not self.cost:
            is_possible = all(low <= 0 <= high for low, high in self._sides)
            return Result(not is_possible, 0.0, np.empty(0) if is_possible else None, 0)
        places = np.array([cell[:2] for cell in self._cells], dtype=np.intp).reshape(-1, 2).T
        weights = np.array([cell[2] for cell in self._cells], dtype=np.float64)
        shape = (len(self._sides), len(self.cost))
        matrix = sparse.csr_array((weights, (places[0], places[1])), shape=shape)
        low, high = np.array(self._sides).reshape(-1, 2).T
        least, most = np.array(self._bounds).reshape(-1, 2).T
        found = milp(
            np.array(self.cost),
            constraints=LinearConstraint(matrix, low, high),
            integrality=np.array(self._integer),
            bounds=Bounds(least, most),
            options={"node_limit": max(nodes, 1)},
        )
        bound = found.mip_dual_bound
        return Result(
            found.status == INFEASIBLE,
            -np.inf if bound is None else float(bound),
            None if found.x is None else np.asarray(found.x),
            int(found.mip_node_count or 0),
        )
