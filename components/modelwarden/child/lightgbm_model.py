"""LightGBM's files as classifiers; runs in the model's own process."""

from typing import Any

import numpy as np

from modelwarden.child.boosters import (
    BoostedClassifier,
    Floats,
    Integers,
    Mask,
    numbers,
)
from modelwarden.child.formats import UnfitError
from modelwarden.child.lightgbm_file import Content, Tree, read
from modelwarden.child.structure import Columns, UnsupportedError
from modelwarden.child.trees import above
from modelwarden.child.unpickling import Loaded
from modelwarden.trees.ensemble import Trees

DEFAULT_LEFT, ZERO_IS_MISSING = 2, 1
ZERO = float(np.float32(1e-35))
"""LightGBM reads numbers that are not larger, either sign, as 0."""


def load(data: bytes) -> Loaded:
    """Load a classifier out of what ``Booster.save_model`` wrote.

    Raises
    ------
    UnfitError
        If it is no sound classifier, or LightGBM is not installed.
    """
    return Loaded(LightGBMClassifier(read(data)), "LightGBM", "")


class LightGBMClassifier(BoostedClassifier):
    """A booster of LightGBM."""

    def __init__(self, content: Content) -> None:
        super().__init__(content.n_classes, content.n_features, content.names)
        self._content = content
        self._booster = _booster(content)

    def _shares(self, table: Any) -> Any:
        codes = {
            name: table[name].astype(object).map(known).astype(np.float64)
            for name, known in self._content.codes.items()
        }
        rows = numbers(table.assign(**codes) if codes else table, np.float64)
        return self._booster.predict(rows, num_threads=1)

    def taken_apart(self, columns: Columns) -> tuple[Columns, Trees]:
        """Return the columns and the sets of categories that the trees ask for, and the trees.

        Raises
        ------
        UnsupportedError
            If zero is a missing value, or categories are numbers.
        """
        return _apart(self._content, columns)


def _booster(content: Content) -> Any:
    try:
        import lightgbm
    except ImportError as error:
        why = "a LightGBM model, and lightgbm is not installed; install lightgbm"
        raise UnfitError(why) from error
    try:
        return lightgbm.Booster(model_str=_text(content))
    except lightgbm.basic.LightGBMError as error:
        why = f"a model that the installed LightGBM {lightgbm.__version__} does not read: {error}"
        raise UnfitError(why) from error


# --- a file for LightGBM, in which nothing is but what was checked --------------------------------


def _text(content: Content) -> str:
    features = range(content.n_features)
    head = [
        "tree",
        f"version={content.version}",
        f"num_class={content.n_outputs}",
        f"num_tree_per_iteration={content.n_outputs}",
        "label_index=0",
        f"max_feature_idx={content.n_features - 1}",
        f"objective={content.objective}",
        *(["average_output"] if content.averages else []),
        f"feature_names={' '.join(f'Column_{place}' for place in features)}",
        f"feature_infos={' '.join('none' for _ in features)}",
    ]
    trees = [_tree_text(tree, place) for place, tree in enumerate(content.trees)]
    return "\n\n".join(["\n".join(head), *trees, "end of trees", ""])


def _tree_text(tree: Tree, place: int) -> str:
    lines: dict[str, list[Any]] = {
        "Tree": [place],
        "num_leaves": [len(tree.value)],
        "num_cat": [len(tree.boundaries) - 1],
        "split_feature": tree.feature.tolist(),
        "threshold": tree.threshold.tolist(),
        "decision_type": tree.decision.tolist(),
        "left_child": tree.left.tolist(),
        "right_child": tree.right.tolist(),
        "leaf_value": tree.value.tolist(),
        "is_linear": [0],
        "shrinkage": [1],
    }
    if len(tree.boundaries) > 1:
        lines["cat_boundaries"] = tree.boundaries.tolist()
        lines["cat_threshold"] = tree.sets.tolist()
    return "\n".join(f"{name}={' '.join(map(repr, values))}" for name, values in lines.items())


# --- the neutral form -----------------------------------------------------------------------------


def _apart(content: Content, columns: Columns) -> tuple[Columns, Trees]:
    sets = _Sets(content, columns)
    parts = [_compared(tree, sets) for tree in content.trees]
    feature, threshold, missing_left = (
        np.concatenate([part[place] for part in parts])[content.forest.order] for place in range(3)
    )
    values = [np.concatenate([np.zeros(len(t.feature)), t.value]) for t in content.trees]
    n_rounds = len(content.trees) // content.n_outputs
    trees = content.forest.neutral(
        feature=feature,
        threshold=threshold,
        missing_left=missing_left,
        value=np.concatenate(values)[content.forest.order] / (n_rounds if content.averages else 1),
        outputs=np.arange(len(content.trees)) % content.n_outputs,
        base=np.zeros(content.n_outputs),
        single=False,
    )
    return sets.columns(), trees


def _compared(tree: Tree, sets: "_Sets") -> tuple[Integers, Floats, Mask]:
    """Return what each node compares, what it has to be below, and where a missing value goes."""
    by_set, missing = tree.by_set, tree.decision >> 2
    default_left, zero_left = (tree.decision & DEFAULT_LEFT) != 0, tree.threshold >= 0
    if (~by_set & (missing == ZERO_IS_MISSING) & (default_left != zero_left)).any():
        raise UnsupportedError("LightGBM for which zero is a missing value")
    below = above(tree.threshold)
    near = np.where(zero_left, np.maximum(below, np.nextafter(ZERO, 1)), np.minimum(below, -ZERO))
    feature = tree.feature.copy()
    for node in range(len(feature)):
        codes = _members(tree, node) if by_set[node] else None
        feature[node] = sets.feature(int(feature[node]), codes)
    leaves = np.zeros(len(tree.value))
    left = np.where(missing == 0, zero_left, default_left)
    return (
        np.concatenate([feature, leaves.astype(np.int64)]),
        np.concatenate([np.where(by_set, 0.5, near), leaves]),
        np.concatenate([left, leaves.astype(bool)]),
    )


def _members(tree: Tree, node: int) -> tuple[int, ...]:
    """Return the codes that go left."""
    place = int(tree.threshold[node])
    words = tree.sets[tree.boundaries[place] : tree.boundaries[place + 1]].tolist()
    return tuple(
        32 * at + bit for at, word in enumerate(words) for bit in range(32) if word >> bit & 1
    )


class _Sets:
    """Columns, and features that are 0 where a category is in a set, made as trees ask for them."""

    def __init__(self, content: Content, columns: Columns) -> None:
        self._columns, self._n = columns, content.n_features
        self._coded = {content.names.index(name): [*known] for name, known in content.codes.items()}
        self._places: dict[tuple[int, tuple[int, ...]], int] = {}
        self._made: list[tuple[dict[int, float], float, bool]] = []

    def feature(self, column: int, codes: tuple[int, ...] | None) -> int:
        """Return the feature of a column of numbers, or of a set of categories."""
        if (codes is None) == (column in self._coded):
            raise UnsupportedError("LightGBM whose categories are numbers")
        if codes is None:
            return column
        if (column, codes) not in self._places:
            self._places[column, codes] = self._n + len(self._made)
            known, raw = self._coded[column], self._columns.raw[column]
            inside = [self._columns.equals(raw, known[code]) for code in codes if code < len(known)]
            units = [place for one in inside for place in one]
            self._made.append((dict.fromkeys(units, -1.0), 1.0, False))
        return self._places[column, codes]

    def columns(self) -> Columns:
        """Return all features, the sets behind the columns, whose categories are no numbers."""
        blank = self._columns.made([({}, 0.0, False)])
        first = self._columns.joined(
            [
                blank if place in self._coded else self._columns.take([place]).as_numbers()
                for place in range(self._n)
            ]
        )
        return first.joined([first, first.made(self._made)])
