"""One form for every tree ensemble: flat arrays, checked before anything is computed with them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from modelwarden.errors import InputError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

LEAF = -1
"""What stands in `feature` at a leaf."""
MAX_NODES = 1 << 24
BLOCK = 1 << 20
"""Pairs of a row and a tree that are followed at a time."""


@dataclass(frozen=True)
class Trees:
    """A tree ensemble.

    A row goes left where its feature is below the threshold, right where it is not, and where it is
    missing as `missing_left` says. Its scores are `base` and the values of its leaves, summed.

    Parameters
    ----------
    roots : ndarray of int, shape (n_trees,)
        Each tree's first node.
    feature : ndarray of int, shape (n_nodes,)
        Which feature a node compares; `LEAF` at a leaf.
    threshold : ndarray, shape (n_nodes,)
        What it is compared with; 0 at a leaf.
    left, right : ndarray of int, shape (n_nodes,)
        The nodes that follow, always behind their parent; 0 at a leaf.
    missing_left : ndarray of bool, shape (n_nodes,)
        Whether a missing feature goes left.
    value : ndarray, shape (n_nodes, n_outputs)
        What a leaf adds; 0 inside.
    base : ndarray, shape (n_outputs,)
        Where scores begin.
    single : bool
        Whether features become float32 before they are compared.

    Raises
    ------
    InputError
        If the arrays are no trees: they may come from a model that lies.
    """

    roots: Integers
    feature: Integers
    threshold: Floats
    left: Integers
    right: Integers
    missing_left: Mask
    value: Floats
    base: Floats
    single: bool

    def __post_init__(self) -> None:
        fault = self._fault()
        if fault:
            raise InputError("model", "trees", fault, "do not trust this model")

    @property
    def n_outputs(self) -> int:
        """Return how many scores a row gets."""
        return len(self.base)

    @property
    def inner(self) -> Mask:
        """Return which nodes compare."""
        return np.asarray(self.feature != LEAF)

    @cached_property
    def tree(self) -> Integers:
        """Return the tree of each node."""
        tree = np.zeros(len(self.feature), dtype=np.int64)
        tree[self.roots] = np.arange(len(self.roots))
        level = self.roots
        while len(level):
            level = level[self.feature[level] != LEAF]
            tree[self.left[level]] = tree[self.right[level]] = tree[level]
            level = np.concatenate([self.left[level], self.right[level]])
        return tree

    def _fault(self) -> str:
        n_nodes = len(self.feature)
        if not (0 < len(self.roots) <= n_nodes <= MAX_NODES):
            return f"{len(self.roots)} roots of {n_nodes} nodes"
        of_nodes = (self.threshold, self.left, self.right, self.missing_left)
        if any(part.shape != (n_nodes,) for part in of_nodes):
            return "arrays of different lengths"
        if self.value.shape != (n_nodes, self.n_outputs) or self.base.ndim != 1:
            return f"values of shape {self.value.shape}"
        if not all(np.isfinite(part).all() for part in (self.threshold, self.value, self.base)):
            return "numbers that are not finite"
        inner, places = self.inner, np.arange(n_nodes)
        if (self.feature < LEAF).any():
            return "features before the first"
        children = np.concatenate([self.left[inner], self.right[inner]])
        parents = np.tile(places[inner], 2)
        if ((children <= parents) | (children >= n_nodes)).any():
            return "nodes that do not follow their parent"
        seen = np.bincount(np.concatenate([children, self.roots % n_nodes]), minlength=n_nodes)
        if ((self.roots < 0) | (self.roots >= n_nodes)).any() or (seen != 1).any():
            return "nodes with several parents, or with none"
        return ""

    def scores(self, features: Floats) -> Floats:
        """Return the scores of rows, shape (n_rows, n_outputs).

        Parameters
        ----------
        features : ndarray, shape (n_rows, n_features)
            NaN where a feature is missing.
        """
        rows = features.astype(np.float32).astype(np.float64) if self.single else features
        size = max(1, BLOCK // len(self.roots))
        blocks = [self._block(rows[start : start + size]) for start in range(0, len(rows), size)]
        return np.concatenate([np.empty((0, self.n_outputs)), *blocks])

    def _block(self, rows: Floats) -> Floats:
        nodes = np.broadcast_to(self.roots, (len(rows), len(self.roots))).copy()
        flat = nodes.reshape(-1)  # a view: the pairs of a row and a tree
        of_row = np.repeat(np.arange(len(rows)), len(self.roots))
        going = np.flatnonzero(self.feature[flat] != LEAF)
        while len(going):
            here = flat[going]
            cells = rows[of_row[going], self.feature[here]]
            left = np.where(np.isnan(cells), self.missing_left[here], cells < self.threshold[here])
            flat[going] = np.where(left, self.left[here], self.right[here])
            going = going[self.feature[flat[going]] != LEAF]
        scores: Floats = self.base + self.value[nodes].sum(axis=1)
        return scores

    def without(self, missing: Mask) -> "Trees":
        """Return the trees that rows with these missing features meet, which compare no such one.

        Parameters
        ----------
        missing : ndarray of bool, shape (n_features,)
        """
        gone = self.inner & missing[np.where(self.inner, self.feature, 0)]
        if not gone.any():
            return self
        target = np.arange(len(self.feature))
        for node in np.flatnonzero(gone)[::-1]:  # children first
            child = self.left[node] if self.missing_left[node] else self.right[node]
            target[node] = target[child]
        return self._reachable(target)

    def _reachable(self, target: Integers) -> "Trees":
        """Return what is left when each node is replaced by its target."""
        roots = target[self.roots]
        keep = np.zeros(len(self.feature), dtype=bool)
        keep[roots] = True
        level = roots
        while len(level):
            inside = level[self.feature[level] != LEAF]
            level = np.concatenate([target[self.left[inside]], target[self.right[inside]]])
            keep[level] = True
        kept = np.flatnonzero(keep)
        place = np.zeros(len(keep), dtype=np.int64)
        place[kept] = np.arange(len(kept))
        inner = self.inner[kept]
        return Trees(
            roots=place[roots],
            feature=self.feature[kept],
            threshold=self.threshold[kept],
            left=np.where(inner, place[target[self.left[kept]]], 0),
            right=np.where(inner, place[target[self.right[kept]]], 0),
            missing_left=self.missing_left[kept],
            value=self.value[kept],
            base=self.base,
            single=self.single,
        )
