"""Trees on random samples that judge only the rows they did not see."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from sklearn.tree import ExtraTreeClassifier

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Draw = Callable[[np.random.Generator], Codes]


def out_of_bag(
    rows: npt.NDArray[np.float32],
    y: Codes,
    draw: Draw,
    *,
    n_classes: int,
    trees: int,
    seed: int,
    max_features: str | None = "sqrt",
    min_samples_leaf: int = 1,
    class_weight: str | None = None,
    twins: Codes | None = None,
    judged: Codes | None = None,
) -> Floats:
    """Return class probabilities of rows by the trees that did not see them.

    scikit-learn's forests draw all samples alike; here `draw` decides, so that a small class is not
    drowned and the cost of a tree is bounded however many rows there are.

    Parameters
    ----------
    rows : ndarray of float32 of shape (n_rows, n_features)
        All rows.
    y : ndarray of int of shape (n_rows,)
        Their class codes, from 0.
    draw : callable
        Takes a generator, returns the row numbers that a tree learns from.
    n_classes : int
        Number of classes.
    trees, seed, max_features, min_samples_leaf, class_weight
        As in scikit-learn.
    twins : ndarray of int of shape (n_rows,), optional
        Equal numbers for equal rows. A tree that saw a row has seen its twins: else whoever submits
        a row twice has each copy vouch for the other.
    judged : ndarray of int of shape (n_judged,), optional
        The rows to judge, by default all of them. Which others are judged changes nothing.

    Returns
    -------
    ndarray of shape (n_judged, n_classes)
        Equal probabilities for a row that every tree saw.
    """
    rows = np.ascontiguousarray(rows)  # trees check nothing: that would cost more than they do
    generator = np.random.default_rng(seed)
    kin = np.arange(len(rows)) if twins is None else twins
    asked = rows if judged is None else rows[judged]
    families = kin if judged is None else kin[judged]
    total, votes = np.zeros((len(asked), n_classes)), np.zeros(len(asked))
    for _ in range(trees):
        seen = draw(generator)
        tree = ExtraTreeClassifier(
            max_features=max_features,
            min_samples_leaf=min_samples_leaf,
            class_weight=class_weight,
            random_state=int(generator.integers(2**31)),
        ).fit(rows[seen], y[seen], check_input=False)
        known = np.zeros(kin.max() + 1, dtype=bool)
        known[kin[seen]] = True
        unseen = ~known[families]
        if unseen.any():
            total[np.ix_(unseen, tree.classes_)] += tree.predict_proba(
                asked[unseen], check_input=False
            )
            votes[unseen] += 1
    total[votes == 0] = 1 / n_classes
    return total / np.maximum(votes, 1)[:, None]
