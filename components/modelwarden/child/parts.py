"""What scikit-learn's compiled code follows without looking, checked; runs in the model's process.

A node of a tree names its children by number. The library wrote these numbers itself once, and
believes them: a number out of range in a file is an address. Each loader shows here what it made.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from scipy import sparse

LEAF = -1
"""The child that a leaf of scikit-learn's own trees has."""


def unsound(parts: Iterable[Any]) -> list[Any]:
    """Return those parts of a model whose numbers lead outside of their arrays.

    Parameters
    ----------
    parts : iterable of objects
        All that a file made, finished.
    """
    return [part for part in parts if not _is_sound(part)]


def is_looked_at(part: Any) -> bool:
    """Return whether anything can be said of such an object."""
    return sparse.issparse(part) or _check_of(part) is not None


def _is_sound(part: Any) -> bool:
    try:
        if sparse.issparse(part):
            part.check_format(full_check=True)
            return True
        check = _check_of(part)
        return check is None or bool(check(part))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return False


def _check_of(part: Any) -> Callable[[Any], bool] | None:
    """Return how to check an object, by the classes that it is made of."""
    names = (f"{kind.__module__}.{kind.__name__}" for kind in type(part).__mro__)
    return next((CHECKS[name] for name in names if name in CHECKS), None)


def _is_tree(tree: Any) -> bool:
    """Return whether children come behind their parents, as scikit-learn numbers them."""
    left, right = tree.children_left, tree.children_right
    inner = left != LEAF
    return _are_children(left[inner], right[inner], np.flatnonzero(inner), len(left)) and _within(
        tree.feature[inner], tree.n_features
    )


def _are_children(left: Any, right: Any, own: Any, size: int) -> bool:
    """Return whether each child is a node behind its parent: then no way is endless."""
    return size > 0 and all(
        bool((child > own).all()) and _within(child, size) for child in (left, right)
    )


def _within(numbers: Any, size: int) -> bool:
    return bool(((numbers >= 0) & (numbers < size)).all())


def _is_decision_tree(model: Any) -> bool:
    """Return whether an estimator holds a tree for the table that it says it reads."""
    tree = vars(model).get("tree_")
    if tree is None:
        return True  # it is not fitted
    is_tree = f"{type(tree).__module__}.{type(tree).__name__}" == "sklearn.tree._tree.Tree"
    return is_tree and tree.n_features == model.n_features_in_


def _is_ensemble(model: Any) -> bool:
    """Return whether all members are trees for the table that the ensemble reads."""
    members = vars(model).get("estimators_")
    if members is None:
        return True
    flat = np.asarray(members, dtype=object).ravel().tolist()
    return all(
        _check_of(member) is _is_decision_tree
        and "tree_" in vars(member)
        and member.n_features_in_ == model.n_features_in_
        for member in flat
    )


def _is_histogram_tree(predictor: Any) -> bool:
    nodes, sets = predictor.nodes, predictor.raw_left_cat_bitsets
    own = np.flatnonzero(nodes["is_leaf"] == 0)
    inner = nodes[own]
    by_set = inner[inner["is_categorical"] != 0]
    return _are_children(
        inner["left"].astype(np.int64), inner["right"].astype(np.int64), own, len(nodes)
    ) and _within(by_set["bitset_idx"].astype(np.int64), len(sets))


def _is_histogram_ensemble(model: Any) -> bool:
    rounds = vars(model).get("_predictors", [])
    members = [member for one in rounds for member in one]
    return all(
        _check_of(member) is _is_histogram_tree
        and _within(member.nodes["feature_idx"].astype(np.int64), model.n_features_in_)
        for member in members
    )


def _is_neighbour_tree(tree: Any) -> bool:
    """Return whether all nodes of a KD or ball tree are ranges of its points."""
    data, places, nodes, bounds, _leaf, n_levels, n_nodes, *_ = tree.__getstate__()
    n_points, n_features = data.shape
    first, last, inner = nodes["idx_start"], nodes["idx_end"], nodes["is_leaf"] == 0
    return (
        len(nodes) == bounds.shape[1] == n_nodes == 2**n_levels - 1
        and places.shape == (n_points,)
        and bounds.shape[2] == n_features
        and _within(places, n_points)
        and bool(((first >= 0) & (first <= last) & (last <= n_points)).all())
        and _within(2 * np.flatnonzero(inner) + 2, n_nodes)
    )


CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "sklearn.tree._tree.Tree": _is_tree,
    "sklearn.tree._classes.BaseDecisionTree": _is_decision_tree,
    "sklearn.ensemble._forest.BaseForest": _is_ensemble,
    "sklearn.ensemble._gb.BaseGradientBoosting": _is_ensemble,
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": _is_histogram_tree,
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.BaseHistGradientBoosting": (
        _is_histogram_ensemble
    ),
    "sklearn.neighbors._kd_tree.KDTree": _is_neighbour_tree,
    "sklearn.neighbors._ball_tree.BallTree": _is_neighbour_tree,
}
"""How to check an object, by the name of its class or of one that it is made of."""
