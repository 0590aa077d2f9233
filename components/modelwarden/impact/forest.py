"""Out-of-bag impact: what the trees that never saw a row say about its label."""

import warnings

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]


def data_oob(
    x: Floats,
    y: Codes,
    trusted_x: Floats,
    trusted_y: Codes,
    *,
    trees: int = 200,
    seed: int = 0,
    sample_weight: Floats | None = None,
) -> Floats:
    """Return by how much the label of each row wins among the trees that did not see the row.

    Parameters
    ----------
    x : ndarray of shape (n_rows, n_features)
        Rows whose impact is asked; scales do not matter.
    y : ndarray of int of shape (n_rows,)
        Their class codes.
    trusted_x, trusted_y : ndarray of shape (n_trusted, n_features) and (n_trusted,)
        Rows that are drawn into the bags beside the submitted ones. May be empty: this is the one
        measure that does without.
    trees : int, default=200
        Size of the forest; a row is judged by 37 % of it.
    seed : int, default=0
        Seeds the forest.
    sample_weight : ndarray of shape (n_rows,), optional
        Weights of the submitted rows; 1 by default, as for trusted ones.

    Returns
    -------
    ndarray of shape (n_rows,)
        Share of the label minus the largest share of another one, -1 to 1: negative rows are
        contradicted by the others. 0 for a row that is in every bag.

    Notes
    -----
    For two classes this is Data-OOB [1]_, moved from 0..1 to -1..1. It tells single rows apart from
    their neighbours, so it does not see poison that comes in crowds: a sub-population of flipped
    labels, or a backdoor.

    References
    ----------
    .. [1] Kwon and Zou, "Data-OOB: Out-of-bag Estimate as a Simple and Efficient Data Value",
       ICML 2023.
    """
    labels = np.concatenate([y, trusted_y])
    weight = np.ones(len(labels))
    weight[: len(y)] = 1 if sample_weight is None else sample_weight
    forest = RandomForestClassifier(trees, oob_score=True, random_state=seed, n_jobs=1)
    with warnings.catch_warnings():  # of rows in every bag
        warnings.simplefilter("ignore")
        forest.fit(np.concatenate([x, trusted_x]), labels, sample_weight=weight)
    shares = forest.oob_decision_function_[: len(y)]  # 0 for a row in every bag
    own = np.searchsorted(forest.classes_, y)[:, None]
    mine = np.take_along_axis(shares, own, axis=1)[:, 0]
    np.put_along_axis(shares, own, 0.0, axis=1)
    return np.asarray(mine - shares.max(axis=1))
