"""Exact answers about models that were taken apart: what no change within reach can do."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden import linear
from modelwarden.certificates import Certificate, Nearest
from modelwarden.space.table import Reach
from modelwarden.structure import Linear, Structure
from modelwarden.trees import certify as of_trees
from modelwarden.trees import nearest as distances

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]


def certify(
    structure: Structure,
    reach: Reach,
    frame: pd.DataFrame,
    truth: Positions,
    *,
    norm: str,
    radius: float,
    nodes: int,
) -> Certificate:
    """Prove of each row that no change within reach turns its label, or find one that does.

    Parameters
    ----------
    structure : Structure
        The model.
    reach : Reach
        Where each row may go: a box of this radius, in the table's columns.
    frame : DataFrame of n_rows rows
        The rows.
    truth : ndarray of int, shape (n_rows,)
        Their classes. A row that has another label already is broken, and its own witness.
    norm : {"linf", "l2", "l1", "l0"}
        How distances of columns are joined.
    radius : float
        The largest distance.
    nodes : int
        Search steps per row, at most; with 0 nothing is looked at, and all rows are unknown.

    Returns
    -------
    Certificate
        Robust rows, broken rows with a witness, and unknown ones. The same question has the same
        answer on any machine.

    Notes
    -----
    Linear models are answered in closed form, and their answer costs no steps. Of trees the box is
    searched first, by Veritas where the extra ``trees`` is installed: what holds in the box holds
    for every norm and rule in it. What that leaves open is put to HiGHS as a mixed-integer program,
    which costs more, knows all norms and rules, and is all there is without Veritas.

    HiGHS computes with tolerances of 1e-6, so its "impossible" counts only for a problem that was
    made easier by a hundred times that (:data:`modelwarden.trees.milp.SLACK`): it is a numerical
    proof, not one in exact arithmetic. Sums of leaves that are closer to 0 than the model's own
    rounding may be count as ties.
    """
    if nodes < 1:
        nothing = np.zeros(len(frame), dtype=bool)
        return Certificate(nothing, nothing.copy(), frame)
    if isinstance(structure.model, Linear):
        found = linear.nearest(structure, reach, frame, truth, norm=norm)
        near = found.upper <= radius * (1 + 1e-9)
        return Certificate(found.lower > radius, near, found.witness)
    return of_trees.certify(structure, reach, frame, truth, norm=norm, radius=radius, nodes=nodes)


def nearest(
    structure: Structure,
    reach: Reach,
    frame: pd.DataFrame,
    truth: Positions,
    *,
    norm: str,
    nodes: int,
    upper: Floats | None = None,
) -> Nearest:
    """Return bounds of the smallest change that turns each row, and a row that is turned.

    Parameters
    ----------
    structure, reach, frame, truth, norm, nodes
        As in :func:`certify`; what is beyond reach counts as infinitely far.
    upper : ndarray, shape (n_rows,), optional
        Distances at which rows are known to be turned, infinite where none is known. The search
        begins there, and `lower` is at most that.

    Returns
    -------
    Nearest
        `lower` is proved; `upper` is what a witness of this search is away.
    """
    if isinstance(structure.model, Linear):
        return linear.nearest(structure, reach, frame, truth, norm=norm)
    if nodes < 1:
        zeros = np.zeros(len(frame))
        return Nearest(zeros, np.full(len(frame), np.inf), frame)
    return distances.nearest(structure, reach, frame, truth, norm=norm, nodes=nodes, upper=upper)
