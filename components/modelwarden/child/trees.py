"""Trees out of fitted ensembles, in one form; runs in the model's own process."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwarden.child.boosters import booster_trees
from modelwarden.child.structure import Columns, UnsupportedError
from modelwarden.trees.ensemble import LEAF, Trees

Floats = npt.NDArray[np.float64]
LARGEST = float(np.nextafter(np.finfo(np.float64).max, 0))


def joined(
    parts: Sequence[dict[str, npt.NDArray[Any]]], base: npt.ArrayLike, *, single: bool
) -> Trees:
    """Return single trees, with children counted from each tree's first node, as an ensemble."""
    sizes = [len(part["feature"]) for part in parts]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    joint = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    shift = np.repeat(starts, sizes)
    inner = joint["feature"] != LEAF
    return Trees(
        roots=starts,
        feature=joint["feature"].astype(np.int64),
        threshold=np.where(inner, joint["threshold"], 0.0),
        left=np.where(inner, joint["left"] + shift, 0).astype(np.int64),
        right=np.where(inner, joint["right"] + shift, 0).astype(np.int64),
        missing_left=inner & joint["missing_left"].astype(bool),
        value=np.where(inner[:, None], 0.0, joint["value"]),
        base=np.asarray(base, dtype=np.float64),
        single=single,
    )


def above(thresholds: Floats) -> Floats:
    """Return what a feature is below where it is at most `thresholds`."""
    return np.nextafter(np.clip(thresholds, -LARGEST, LARGEST), np.inf)


def _sklearn_tree(tree: Any, values: Floats) -> dict[str, npt.NDArray[Any]]:
    """Return one tree of scikit-learn's own, which compares float32 with float64 by ``<=``."""
    inner = tree.children_left >= 0
    return {
        "feature": np.where(inner, tree.feature, LEAF),
        "threshold": above(tree.threshold),
        "left": tree.children_left,
        "right": tree.children_right,
        "missing_left": getattr(tree, "missing_go_to_left", np.zeros(len(inner))),
        "value": values,
    }


def _shares(tree: Any, n_trees: int) -> Floats:
    """Return each node's class probabilities; of two classes, by how much the second leads."""
    counts = tree.value[:, 0, :]
    shares: Floats = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300) / n_trees
    return shares[:, 1:] - shares[:, :1] if shares.shape[1] == 2 else shares


def _forest(estimator: Any, columns: Columns) -> tuple[Columns, Trees]:
    members = getattr(estimator, "estimators_", [estimator])
    if estimator.n_outputs_ != 1:
        raise UnsupportedError("several outputs")
    parts = [_sklearn_tree(one.tree_, _shares(one.tree_, len(members))) for one in members]
    n_outputs = parts[0]["value"].shape[1]
    return columns, joined(parts, np.zeros(n_outputs), single=True)


def _gradient_boosting(estimator: Any, columns: Columns) -> tuple[Columns, Trees]:
    if type(estimator.init_).__name__ != "DummyClassifier" and estimator.init_ != "zero":
        raise UnsupportedError("GradientBoostingClassifier that begins with another model")
    base = estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_)))[0]
    parts = []
    for stage in estimator.estimators_:
        for output, member in enumerate(stage):
            values = np.zeros((member.tree_.node_count, len(base)))
            values[:, output] = estimator.learning_rate * member.tree_.value[:, 0, 0]
            parts.append(_sklearn_tree(member.tree_, values))
    return columns, joined(parts, base, single=True)


def _hist_gradient_boosting(estimator: Any, columns: Columns) -> tuple[Columns, Trees]:
    base = np.ravel(estimator._baseline_prediction)
    columns, n_numbers = _native(estimator, columns)
    sets = _Sets(estimator, columns, n_numbers)
    parts = []
    for stage in estimator._predictors:
        for output, member in enumerate(stage):
            nodes = member.nodes
            values = np.zeros((len(nodes), len(base)))
            values[:, output] = nodes["value"]
            inner = ~nodes["is_leaf"].astype(bool)
            by_set = inner & nodes["is_categorical"].astype(bool)
            feature = np.where(inner, nodes["feature_idx"].astype(np.int64), LEAF)
            threshold = above(nodes["num_threshold"])
            for node in np.flatnonzero(by_set).tolist():
                bits = member.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
                feature[node] = sets.feature(int(nodes["feature_idx"][node]), bits)
                threshold[node] = 0.5  # the set goes left: there the feature is 0
            parts.append(
                {
                    "feature": feature,
                    "threshold": threshold,
                    "left": nodes["left"].astype(np.int64),
                    "right": nodes["right"].astype(np.int64),
                    "missing_left": nodes["missing_go_to_left"],
                    "value": values,
                }
            )
    return sets.columns(), joined(parts, base, single=False)


def _native(estimator: Any, columns: Columns) -> tuple[Columns, int]:
    """Return the columns in the order that trees know: categories first, where there are any."""
    chosen = estimator.is_categorical_
    if chosen is None or not np.any(chosen):
        return columns, 0
    order = np.concatenate([np.flatnonzero(chosen), np.flatnonzero(~np.asarray(chosen))])
    return columns.take(order.tolist()), int(np.sum(chosen))


class _Sets:
    """Features that say whether a category is outside of a set, made as trees ask for them."""

    def __init__(self, estimator: Any, columns: Columns, n_categorical: int) -> None:
        self._raw, self._n = columns, len(columns.rows)
        self._known: dict[tuple[int, bytes], int] = {}
        self._made: list[tuple[dict[int, float], float, bool]] = []
        self._categories = _categories(estimator, n_categorical)
        blank = columns.made([({}, 0.0, False)] * n_categorical)
        numbers = columns.take([*range(n_categorical, self._n)])
        self._first = columns.joined([blank, numbers.as_numbers()])

    def feature(self, column: int, bits: npt.NDArray[np.uint32]) -> int:
        """Return the feature of a set of category codes."""
        key = (column, bits.tobytes())
        if key not in self._known:
            row: dict[int, float] = {}
            for code, category in enumerate(self._categories[column]):
                inside = bool(int(bits[code // 32]) >> (code % 32) & 1)
                for place, one in self._raw.equals(self._raw.raw[column], category).items():
                    row[place] = -one if inside else 0.0
            raw = self._raw.raw[column]
            if raw is not None:
                row.setdefault(self._raw.place(raw.name, "missing"), 0.0)
            self._known[key] = self._n + len(self._made)
            self._made.append((row, 1.0, True))
        return self._known[key]

    def columns(self) -> Columns:
        """Return all features, the sets behind the columns."""
        return self._first.joined([self._first, self._first.made(self._made)])


def _categories(estimator: Any, n_categorical: int) -> list[list[Any]]:
    if not n_categorical:
        return []
    preprocessor = getattr(estimator, "_preprocessor", None)
    if preprocessor is None:
        raise UnsupportedError("categories of HistGradientBoostingClassifier by number")
    encoder = preprocessor.named_transformers_["encoder"]
    return [[c for c in known.tolist() if c == c] for known in encoder.categories_]


TREES: dict[str, Callable[[Any, Columns], tuple[Columns, Trees]]] = {
    **dict.fromkeys(
        (
            "DecisionTreeClassifier",
            "ExtraTreeClassifier",
            "RandomForestClassifier",
            "ExtraTreesClassifier",
        ),
        _forest,
    ),
    "GradientBoostingClassifier": _gradient_boosting,
    "HistGradientBoostingClassifier": _hist_gradient_boosting,
    **dict.fromkeys(("XGBoostClassifier", "LightGBMClassifier"), booster_trees),
}
"""How to take each ensemble apart, by the name of its class."""
