"""What a LightGBM file says, checked before LightGBM sees any of it.

A model is refused for what is not known as well as for what is wrong: an unknown line could change
what the known ones mean.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from modelwarden.child.boosters import (
    MAX_FEATURES,
    Floats,
    Forest,
    Integers,
    Mask,
    followed,
)
from modelwarden.child.formats import UnfitError
from modelwarden.trees.ensemble import LEAF

BY_SET = 1
"""The bit of a decision that asks for a set of categories."""

VERSIONS = ("v3", "v4")
OBJECTIVES = {
    "binary": ("sigmoid",),
    "multiclass": ("num_class",),
    "multiclassova": ("num_class", "sigmoid"),
}
"""What each objective has to say besides."""

HEAD = (
    "version num_class num_tree_per_iteration label_index max_feature_idx objective feature_names "
    "feature_infos tree_sizes monotone_constraints average_output"
)
TREE = (
    "Tree num_leaves num_cat split_feature split_gain threshold decision_type left_child "
    "right_child leaf_value leaf_weight leaf_count internal_value internal_weight internal_count "
    "is_linear shrinkage cat_boundaries cat_threshold num_features leaf_features leaf_coeff "
    "leaf_const"
)
"""What the parts of a file may say: anything else could change what the rest means."""

INTEGER = re.compile(r"-?\d{1,10}", re.ASCII)
NUMBER = re.compile(r"-?\d+(\.\d*)?(e[-+]?\d+)?", re.ASCII)
THRESHOLD = re.compile(rf"inf|{NUMBER.pattern}", re.ASCII)
"""Below infinity is every number: such a node only parts what is missing from what is not."""


@dataclass(frozen=True)
class Tree:
    """One tree as LightGBM numbers it: children from 0 are nodes, those below 0 are leaves.

    Parameters
    ----------
    feature, decision, left, right : ndarray of int, shape (n_leaves - 1,)
        What a node compares, how (bits), and the children.
    threshold : ndarray, shape (n_leaves - 1,)
        The largest value that goes left, which may be infinite; the number of a set of categories.
    value : ndarray, shape (n_leaves,)
        What leaves add.
    boundaries, sets : ndarray of int
        The sets of categories, 32 to a number, and where each begins.
    """

    feature: Integers
    decision: Integers
    left: Integers
    right: Integers
    threshold: Floats
    value: Floats
    boundaries: Integers
    sets: Integers

    @property
    def by_set(self) -> Mask:
        """Return which nodes ask for a set of categories."""
        return np.asarray((self.decision & BY_SET) != 0)

    def children(self, side: Integers) -> Integers:
        """Return children by one count, leaves behind nodes and without children."""
        n_inner = len(side)
        after = np.where(side >= n_inner, 2 * n_inner + 1, side)  # which no node is
        joint = np.where(side < 0, n_inner + ~side, after)
        return np.concatenate([joint, np.full(len(self.value), LEAF)])


@dataclass(frozen=True)
class Content:
    """A classifier that was read and found to be sound.

    Parameters
    ----------
    version : str
        Of the format.
    names : list of str
        The features' names; empty where it was fitted on an array.
    n_features, n_outputs : int
    objective : str
        With its parameters, as LightGBM reads it.
    averages : bool
        Whether scores are means over trees: a random forest.
    codes : mapping of str to (mapping of value to int)
        Of columns of categories, the number of each.
    trees : list of Tree
    forest : Forest
    """

    version: str
    names: list[str]
    n_features: int
    n_outputs: int
    objective: str
    averages: bool
    codes: Mapping[str, Mapping[Any, int]]
    trees: list[Tree]
    forest: Forest

    @property
    def n_classes(self) -> int:
        """Return how many labels there are."""
        return max(2, self.n_outputs)


def read(data: bytes) -> Content:
    """Read a file.

    Raises
    ------
    UnfitError
        If it is no sound classifier.
    """
    try:
        return _content(data.decode())
    except (ValueError, OverflowError, RecursionError) as error:
        raise UnfitError(f"a LightGBM file that cannot be read: {error}") from error


def _content(text: str) -> Content:
    head, sections, tail = _sections(text)
    version, names = head.get("version"), head.get("feature_names", "").split(" ")
    if version not in VERSIONS:
        raise ValueError(f"the version {version}; known are {', '.join(VERSIONS)}")
    n_features = _count(head, "max_feature_idx") + 1
    if len(names) != n_features or len(set(names)) != n_features or n_features > MAX_FEATURES:
        raise ValueError(f"{len(set(names))} different names of {n_features} features")
    if names == [f"Column_{place}" for place in range(n_features)]:
        names = []
    objective, n_outputs = _objective(head)
    trees = [_tree(section, n_features) for section in sections]
    if not trees or len(trees) % n_outputs:
        raise ValueError(f"{len(trees)} trees for {n_outputs} scores")
    forest = followed([t.children(t.left) for t in trees], [t.children(t.right) for t in trees])
    if len(forest.order) != sum(2 * len(tree.value) - 1 for tree in trees):
        raise ValueError("nodes that nothing leads to")
    return Content(
        version=version,
        names=names,
        n_features=n_features,
        n_outputs=n_outputs,
        objective=objective,
        averages="average_output" in head,
        codes=_codes(tail, names),
        trees=trees,
        forest=forest,
    )


def _sections(text: str) -> tuple[dict[str, str], list[dict[str, str]], str]:
    """Return the lines before the trees, those of each tree, and what follows the trees."""
    cut = text.find("\nend of trees\n") + 1
    starts = [found.start() for found in re.finditer("^Tree=", text[:cut], re.MULTILINE)]
    if not starts or not text.startswith("tree\n"):
        raise ValueError("no beginning, no trees, or no end of them")
    head = _lines(text[len("tree\n") : starts[0]], HEAD)
    parts = [text[start:end] for start, end in pairwise([*starts, cut])]
    sizes = [len(part.encode()) for part in parts]
    if "tree_sizes" in head and _integers(head, "tree_sizes", len(sizes)).tolist() != sizes:
        raise ValueError("tree_sizes that are not those of its trees")
    if not all(part.endswith("\n\n") for part in parts):  # LightGBM would read on
        raise ValueError("trees without an empty line behind them")
    sections = [_lines(part, TREE) for part in parts]
    if [section.pop("Tree") for section in sections] != [str(n) for n in range(len(sections))]:
        raise ValueError("trees out of order")
    return head, sections, text[cut:]


def _lines(text: str, known: str) -> dict[str, str]:
    """Return lines by name; LightGBM stops at an empty one, so that only the last may be."""
    found: dict[str, str] = {}
    for line in text.rstrip("\n").split("\n"):
        name, equals, value = line.partition("=")
        flag = name == "average_output"
        if name not in known.split() or name in found or flag == bool(equals):
            raise ValueError(f"the line {line[:50]!r}, which is not known or a second one")
        found[name] = value
    return found


def _objective(head: Mapping[str, str]) -> tuple[str, int]:
    """Return the objective, and how many scores there are."""
    name, *said = head.get("objective", "custom").split(" ")
    if name not in OBJECTIVES:
        known = ", ".join(OBJECTIVES)
        raise UnfitError(f"a model trained for {name}; supported are the classifiers {known}")
    params = dict(part.partition(":")[::2] for part in said)
    if tuple(params) != OBJECTIVES[name] or len(said) != len(params):
        raise ValueError(f"the objective {head['objective'][:50]!r}")
    n_outputs, per_round = _count(head, "num_class"), _count(head, "num_tree_per_iteration")
    told = _count({"num_class": "1", **params}, "num_class")
    if not n_outputs == per_round == told or (n_outputs > 1) != (name != "binary"):
        raise ValueError(f"{n_outputs} classes of the objective {head['objective']}")
    sigmoid = _numbers({"sigmoid": "1", **params}, "sigmoid", 1)[0]
    if not sigmoid > 0:
        raise ValueError(f"the sigmoid {sigmoid}")
    return head["objective"], n_outputs


def _codes(tail: str, names: Sequence[str]) -> dict[str, dict[Any, int]]:
    """Return the numbers of categories, which LightGBM's Python package keeps behind the trees."""
    known = re.findall(r"^pandas_categorical:(.*)$", tail, re.MULTILINE)
    lists = json.loads(known[0]) if len(known) == 1 else None
    if len(known) > 1 or not isinstance(lists, list | None):
        raise ValueError("categories that are not lists")
    if not lists:
        return {}
    listed = re.findall(r"^\[categorical_feature: ([0-9,]+)\]$", tail, re.MULTILINE)
    places = [int(place) for place in listed[0].split(",")] if len(listed) == 1 else []
    if len(places) != len(lists) or len(set(places)) != len(places) or max(places) >= len(names):
        raise UnfitError("a model with categories, some by name and some by number")
    return {names[place]: _numbered(values) for place, values in zip(places, lists, strict=True)}


def _numbered(values: Any) -> dict[Any, int]:
    if not isinstance(values, list) or not all(
        isinstance(value, bool | int | float | str) and value == value for value in values
    ):
        raise ValueError("categories that are not lists")
    codes = {value: code for code, value in enumerate(values)}
    if len(codes) < len(values):
        raise ValueError("a category twice")
    return codes


# --- trees ----------------------------------------------------------------------------------------


def _tree(section: Mapping[str, str], n_features: int) -> Tree:
    n_leaves, n_sets = _count(section, "num_leaves"), _count(section, "num_cat")
    if section.get("is_linear", "0") != "0":
        raise UnfitError("a model with linear trees, which are not supported")
    size = n_leaves - 1
    if size < 0:
        raise ValueError("a tree without leaves")
    boundaries = _integers(section, "cat_boundaries", n_sets + 1) if n_sets else np.zeros(1, int)
    tree = Tree(
        feature=_integers(section, "split_feature", size),
        decision=_integers(section, "decision_type", size),
        left=_integers(section, "left_child", size),
        right=_integers(section, "right_child", size),
        threshold=_thresholds(section, size),
        value=_numbers(section, "leaf_value", n_leaves),
        boundaries=boundaries,
        sets=_integers(section, "cat_threshold", boundaries[-1]) if n_sets else np.zeros(0, int),
    )
    if ((tree.feature < 0) | (tree.feature >= n_features)).any():
        raise ValueError(f"trees that compare other features than its {n_features}")
    if ((tree.decision < 0) | (tree.decision >= 12)).any():
        raise ValueError("decisions of an unknown type")
    if boundaries[0] or (np.diff(boundaries) <= 0).any() or (tree.sets >> 32).any():
        raise ValueError("sets of categories that are none")
    chosen = tree.threshold[tree.by_set]
    if not np.isin(chosen, np.arange(n_sets)).all():
        raise ValueError("sets of categories that it does not have")
    return tree


def _count(holder: Mapping[str, str], name: str) -> int:
    count = int(_integers(holder, name, 1)[0])
    if count < 0:
        raise ValueError(f"{count} as {name}")
    return count


def _integers(holder: Mapping[str, str], name: str, size: int) -> Integers:
    return np.array([int(part) for part in _said(holder, name, size, INTEGER)], dtype=np.int64)


def _numbers(holder: Mapping[str, str], name: str, size: int) -> Floats:
    values = np.array([float(part) for part in _said(holder, name, size, NUMBER)])
    if not np.isfinite(values).all():
        raise ValueError(f"a {name} that is too large")
    return values


def _thresholds(holder: Mapping[str, str], size: int) -> Floats:
    said = _said(holder, "threshold", size, THRESHOLD)
    values = np.array([float(part) for part in said])
    if any(np.isinf(value) and part != "inf" for value, part in zip(values, said, strict=True)):
        raise ValueError("a threshold that is too large")
    return values


def _said(holder: Mapping[str, str], name: str, size: int, pattern: re.Pattern[str]) -> list[str]:
    text = holder.get(name, "")
    said = text.split(" ") if text else []
    if len(said) != size:
        raise ValueError(f"{len(said)} {name} where {size} are due")
    odd = next((part for part in said if not pattern.fullmatch(part)), None)
    if odd is not None:
        raise ValueError(f"{odd[:50]!r} as {name}")
    return said
