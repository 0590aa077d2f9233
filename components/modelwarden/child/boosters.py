"""Boosted trees out of files that cannot run code; runs in the model's own process.

The compiled libraries believe what a file says about its trees: a child's number that is out of
range is an address. So each file is read here first, its trees are followed from their roots, and
the library gets a document that was written anew from what is known to be sound
(:mod:`modelwarden.child.xgboost_model`, :mod:`modelwarden.child.lightgbm_model`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin

from modelwarden.child.formats import UnfitError
from modelwarden.child.structure import Columns
from modelwarden.errors import InputError
from modelwarden.trees.ensemble import LEAF, MAX_NODES, Trees

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MAX_FEATURES = 1 << 20
MAX_DEPTH = 1 << 12
"""Levels of a tree; LightGBM follows them by recursion."""


class BoostedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A booster as a classifier whose labels are 0 to ``n_classes - 1``: files name no others.

    Parameters
    ----------
    n_classes, n_features : int
    names : list of str
        The features' names; empty where the file has none.
    """

    def __init__(self, n_classes: int, n_features: int, names: Sequence[str]) -> None:
        self.classes_ = np.arange(n_classes)
        self.n_features_in_ = n_features
        if names:
            self.feature_names_in_ = np.array(names, dtype=object)

    def predict(self, table: Any) -> npt.NDArray[Any]:
        """Return the most probable labels, the first of equally probable ones."""
        return np.asarray(self.classes_[self.predict_proba(table).argmax(axis=1)])

    def predict_proba(self, table: Any) -> Floats:
        """Return the library's own probabilities, shape (n_rows, n_classes)."""
        if not len(table):
            return np.empty((0, len(self.classes_)))
        shares = np.asarray(self._shares(table), dtype=np.float64)
        return shares if shares.ndim == 2 else np.column_stack([1.0 - shares, shares])

    def _shares(self, table: Any) -> Any:
        """Return the probabilities as the library has them: of two classes, the second one's."""
        raise NotImplementedError

    def taken_apart(self, columns: Columns) -> tuple[Columns, Trees]:
        """Return the features that the trees compare, and the trees.

        Raises
        ------
        UnsupportedError
            If a part has no neutral form.
        """
        raise NotImplementedError


def booster_trees(model: BoostedClassifier, columns: Columns) -> tuple[Columns, Trees]:
    """Take a booster apart; an entry of :data:`modelwarden.child.trees.TREES`."""
    return model.taken_apart(columns)


def numbers(table: Any, dtype: Any) -> npt.NDArray[Any]:
    """Return a table of numbers as an array in which NaN is missing.

    Raises
    ------
    InputError
        If a column holds anything else: the libraries would not read it, either.
    """
    columns = table.dtypes.items() if hasattr(table, "dtypes") else [("rows", table.dtype)]
    for name, kind in columns:
        if getattr(kind, "kind", "O") not in "biuf":
            fix = "encode it as for the training"
            raise InputError("model", "columns of numbers", f"{kind} in {name!r}", fix)
    if hasattr(table, "to_numpy"):
        table = table.to_numpy(np.float64, na_value=np.nan)
    with np.errstate(over="ignore"):  # too large for float32 is infinite, as in the library
        return np.ascontiguousarray(table, dtype=dtype)


@dataclass(frozen=True)
class Forest:
    """The nodes of all trees, tree after tree, parents first.

    Parameters
    ----------
    order : ndarray of int, shape (n_nodes,)
        Where each node stood in the file's arrays, all trees joined.
    starts : ndarray of int, shape (n_trees + 1,)
        Each tree's first node, which is its root; and the number of nodes.
    left, right : ndarray of int, shape (n_nodes,)
        The nodes that follow; `LEAF` at a leaf.
    """

    order: Integers
    starts: Integers
    left: Integers
    right: Integers

    @property
    def inner(self) -> Mask:
        """Return which nodes compare."""
        return np.asarray(self.left != LEAF)

    @property
    def tree(self) -> Integers:
        """Return the tree of each node."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def neutral(
        self,
        feature: Integers,
        threshold: Floats,
        missing_left: Mask,
        value: Floats,
        outputs: Integers,
        base: Floats,
        *,
        single: bool,
    ) -> Trees:
        """Return the neutral form; `outputs` says which score each tree adds to.

        Of two scores one is left, by how much the second leads.
        """
        inner = self.inner
        if len(base) == 2:
            value = np.where(outputs[self.tree] == 1, value, -value)
            outputs, base = np.zeros_like(outputs), base[1:] - base[:1]
        values = np.zeros((len(inner), len(base)))
        leaves = np.flatnonzero(~inner)
        values[leaves, outputs[self.tree[leaves]]] = value[leaves]
        return Trees(
            roots=self.starts[:-1],
            feature=np.where(inner, feature, LEAF),
            threshold=np.where(inner, threshold, 0.0),
            left=np.where(inner, self.left, 0),
            right=np.where(inner, self.right, 0),
            missing_left=inner & missing_left,
            value=values,
            base=base,
            single=single,
        )


def followed(left: Sequence[Integers], right: Sequence[Integers]) -> Forest:
    """Follow trees from their roots, and leave out nodes that nothing leads to.

    Parameters
    ----------
    left, right : sequence of ndarray of int
        For each tree the children of its nodes, counted from its first one; `LEAF` at a leaf.

    Raises
    ------
    UnfitError
        If a child is outside of its tree or has several parents, or a tree is too deep.
    """
    sizes = np.array([len(one) for one in left], dtype=np.int64)
    if not len(sizes) or not sizes.all() or sizes.sum() > MAX_NODES:
        raise UnfitError(f"a model without trees, or with empty ones, or above {MAX_NODES} nodes")
    starts = np.concatenate([[0], np.cumsum(sizes)])
    shift, size = np.repeat(starts[:-1], sizes), np.repeat(sizes, sizes)
    children = np.stack([np.concatenate(left), np.concatenate(right)]).astype(np.int64)
    is_leaf = (children == LEAF).all(axis=0)
    bad = ~is_leaf & ((children < 0) | (children >= size)).any(axis=0)
    children += shift
    seen = np.zeros(len(size), dtype=bool)
    level = starts[:-1]
    reached: list[Integers] = []
    while len(level):
        _check(level, bad, seen, starts, len(reached))
        seen[level] = True
        reached.append(level)
        level = children[:, level[~is_leaf[level]]].T.reshape(-1)
    return _numbered(np.concatenate(reached), starts, np.where(is_leaf, LEAF, children))


def _check(level: Integers, bad: Mask, seen: Mask, starts: Integers, depth: int) -> None:
    """Refuse a level of nodes that cannot be one."""
    if depth > MAX_DEPTH:
        raise UnfitError(f"a model with trees of more than {MAX_DEPTH} levels")
    ordered = np.sort(level)
    again = np.concatenate([level[seen[level]], ordered[1:][ordered[1:] == ordered[:-1]]])
    for nodes, fault in (
        (level[bad[level]], "has children outside of its tree"),
        (again, "is reached twice"),
    ):
        if len(nodes):
            tree = int(_tree_of(nodes[:1], starts)[0])
            node = int(nodes[0] - starts[tree])
            raise UnfitError(f"a model that has no sound trees: node {node} of tree {tree} {fault}")


def _numbered(reached: Integers, starts: Integers, children: Integers) -> Forest:
    """Return the nodes that were reached, tree after tree, with new numbers."""
    tree = _tree_of(reached, starts)
    order = reached[np.argsort(tree, kind="stable")]
    place = np.zeros(children.shape[1] + 1, dtype=np.int64)
    place[order] = np.arange(len(order))
    place[LEAF] = LEAF  # the last place, which no node has
    sizes = np.bincount(tree, minlength=len(starts) - 1)
    left, right = place[children[:, order]]
    return Forest(order, np.concatenate([[0], np.cumsum(sizes)]), left, right)


def _tree_of(nodes: Integers, starts: Integers) -> Integers:
    return np.asarray(np.searchsorted(starts, nodes, side="right") - 1)
