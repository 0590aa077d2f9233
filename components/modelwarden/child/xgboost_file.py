"""What an XGBoost file says, JSON or UBJ, checked before XGBoost sees any of it.

A model is refused for what is not known as well as for what is wrong: an unknown part could change
what the known ones mean.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwarden.child import ubjson
from modelwarden.child.boosters import (
    MAX_FEATURES,
    Floats,
    Forest,
    Integers,
    Mask,
    followed,
)
from modelwarden.child.formats import UnfitError

CATEGORIES = "an XGBoost model with categories, which are not supported; encode them as numbers"
OBJECTIVES = ("binary:logistic", "multi:softprob", "multi:softmax")

KNOWN: Mapping[str, frozenset[str]] = {
    name: frozenset(keys.split())
    for name, keys in {
        "document": "learner version",
        "learner": (
            "attributes feature_names feature_types gradient_booster learner_model_param objective"
        ),
        "gradient_booster": "model name",
        "model": "cats gbtree_model_param iteration_indptr tree_info trees",
        "tree": (
            "base_weights categories categories_nodes categories_segments categories_sizes "
            "default_left id left_children loss_changes parents right_children split_conditions "
            "split_indices split_type sum_hessian tree_param"
        ),
        "learner_model_param": "base_score boost_from_average num_class num_feature num_target",
    }.items()
}
"""What each part of a file may hold: anything else could change what the rest means."""


@dataclass(frozen=True)
class Content:
    """A classifier that was read and found to be sound.

    Parameters
    ----------
    version : list of int
        The XGBoost that wrote it.
    names : list of str
        The features' names; empty where the file has none.
    n_features, n_classes : int
    base_score : str
        Where scores begin, as the file has it: versions differ in how they write it.
    margins : ndarray, shape (n_outputs,)
        The same as scores.
    outputs : ndarray of int, shape (n_trees,)
        Which score each tree adds to.
    rounds : list of int
        The first tree of each round, and the number of trees.
    forest : Forest
    feature : ndarray of int, shape (n_nodes,)
        What each node compares; 0 at a leaf.
    number : ndarray of float32, shape (n_nodes,)
        What it is compared with; what a leaf adds.
    missing_left : ndarray of bool, shape (n_nodes,)
    """

    version: list[int]
    names: list[str]
    n_features: int
    n_classes: int
    base_score: str
    margins: Floats
    outputs: Integers
    rounds: list[int]
    forest: Forest
    feature: Integers
    number: npt.NDArray[np.float32]
    missing_left: Mask


def read(data: bytes) -> Content:
    """Read a file.

    Raises
    ------
    UnfitError
        If it is no sound classifier.
    """
    try:
        return _content(_document(data))
    except (ValueError, OverflowError, RecursionError) as error:
        raise UnfitError(f"an XGBoost file that cannot be read: {error}") from error


def _document(data: bytes) -> Any:
    if data.startswith(b"{L"):
        return ubjson.read(data)
    return json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name}, which is not a number")


def _content(document: Any) -> Content:
    document = _part({"document": document}, "document")
    learner = _part(document, "learner")
    _check_kind(learner)
    params, model = _part(learner, "learner_model_param"), _model(learner)
    n_features, n_outputs = _sizes(params, learner["objective"])
    outputs = _integers(model, "tree_info", len(model["trees"]))
    if not 0 <= outputs.min() <= outputs.max() < n_outputs <= len(outputs):
        raise ValueError(f"trees for other classes than its {n_outputs}")
    rounds = _rounds(learner, model, n_outputs)
    forest, feature, number, missing_left = _nodes(model["trees"], n_features)
    base_score = _of(params, "base_score", str)
    return Content(
        version=_integers(document, "version", 3).tolist(),
        names=_names(learner, n_features),
        n_features=n_features,
        n_classes=max(2, n_outputs),
        base_score=base_score,
        margins=_margins(base_score, n_outputs),
        outputs=outputs,
        rounds=rounds,
        forest=forest,
        feature=feature,
        number=number,
        missing_left=missing_left,
    )


def _check_kind(learner: Mapping[str, Any]) -> None:
    """Refuse what is no classifier of trees."""
    objective: str = _of(_of(learner, "objective", dict), "name", str)
    booster: str = _of(_of(learner, "gradient_booster", dict), "name", str)
    if objective not in OBJECTIVES:
        known = ", ".join(OBJECTIVES)
        raise UnfitError(f"a model trained for {objective}; supported are the classifiers {known}")
    if booster != "gbtree":
        raise UnfitError(f"a model with the booster {booster}; only gbtree is supported")


def _sizes(params: Mapping[str, Any], objective: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many features and scores there are."""
    n_features, n_class = _count(params, "num_feature"), _count(params, "num_class")
    is_binary = objective["name"] == "binary:logistic"
    if not 0 < n_features <= MAX_FEATURES:
        raise ValueError(f"{n_features} features")
    told = n_class if is_binary else _count(objective.get("softmax_multiclass_param"), "num_class")
    if is_binary != (n_class < 2) or told != n_class:
        raise ValueError(f"an objective that does not fit {n_class} classes")
    if params.get("num_target", "1") != "1":
        raise UnfitError("a model with several targets")
    return n_features, 1 if is_binary else n_class


def _model(learner: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part with the trees, of which there are as many as it says."""
    model = _part(_part(learner, "gradient_booster"), "model")
    trees = _of(model, "trees", list)
    size = _count(_of(model, "gbtree_model_param", dict), "num_trees")
    if size != len(trees) or not trees:
        raise ValueError(f"{len(trees)} trees where it says {size}")
    types: list[Any] = _of({"feature_types": [], **learner}, "feature_types", list)
    if "c" in types or ("cats" in model and _integers(model["cats"], "feature_segments").any()):
        raise UnfitError(CATEGORIES)
    return model


def _rounds(learner: Mapping[str, Any], model: Mapping[str, Any], n_outputs: int) -> list[int]:
    """Return where each round of trees begins, all of which a prediction must use."""
    n_trees = len(model["trees"])
    n_parallel = _count(_of(model, "gbtree_model_param", dict), "num_parallel_tree")
    width = n_outputs * n_parallel
    rounds = [*range(0, n_trees + 1, max(width, 1))]
    if "iteration_indptr" in model:
        rounds = _integers(model, "iteration_indptr").tolist()
    if width < 1 or rounds[:1] != [0] or rounds[-1] != n_trees:
        raise ValueError(f"rounds that do not hold its {n_trees} trees")
    if any(after <= before for before, after in pairwise(rounds)):
        raise ValueError("rounds without trees")
    best = _of({"attributes": {}, **learner}, "attributes", dict).get("best_iteration")
    if best is not None and best != str(len(rounds) - 2):
        raise UnfitError(
            f"{len(rounds) - 1} rounds with best_iteration {best}: Booster would use all of them, "
            "XGBClassifier would not; save booster[: booster.best_iteration + 1]"
        )
    return rounds


def _names(learner: Mapping[str, Any], n_features: int) -> list[str]:
    names: list[Any] = _of({"feature_names": [], **learner}, "feature_names", list)
    if not all(isinstance(name, str) for name in names):
        raise ValueError("feature_names that are no text")
    if names and not len(names) == len(set(names)) == n_features:
        raise ValueError(f"{len(set(names))} different names of {n_features} features")
    return names


def _margins(base_score: str, n_outputs: int) -> Floats:
    """Return where scores begin; models of one score keep it as a probability."""
    listed = re.fullmatch(r"\[?([-+0-9.eE,]+)\]?", base_score)
    values = np.array([float(one) for one in listed[1].split(",")]) if listed else np.empty(0)
    is_share = n_outputs > 1 or bool((values > 0).all() and (values < 1).all())
    if len(values) not in (1, n_outputs) or not (np.isfinite(values).all() and is_share):
        raise ValueError(f"the base_score {base_score}")
    margins = values if n_outputs > 1 else np.log(values / (1 - values))
    return np.broadcast_to(margins, (n_outputs,)).copy()


# --- trees ----------------------------------------------------------------------------------------


def _nodes(
    trees: Sequence[Any], n_features: int
) -> tuple[Forest, Integers, npt.NDArray[np.float32], Mask]:
    """Return the trees, and of each node what it compares, with what, and where NaN goes."""
    parts = [_tree(tree, place) for place, tree in enumerate(trees)]
    forest = followed(
        [part["left_children"] for part in parts], [p["right_children"] for p in parts]
    )
    inner = forest.inner

    def joined(name: str) -> npt.NDArray[Any]:
        return np.concatenate([part[name] for part in parts])[forest.order]

    if joined("split_type")[inner].any():
        raise UnfitError(CATEGORIES)
    feature = np.where(inner, joined("split_indices"), 0)
    if ((feature < 0) | (feature >= n_features)).any():
        raise ValueError(f"trees that compare other features than its {n_features}")
    with np.errstate(over="ignore"):
        number = joined("split_conditions").astype(np.float32)
    if not np.isfinite(number).all():
        raise ValueError("thresholds or leaves that are not finite")
    return forest, feature, number, inner & (joined("default_left") != 0)


def _tree(tree: Any, place: int) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of one tree that count, all of one length."""
    tree = _part({"tree": tree}, "tree")
    size = _count(_of(tree, "tree_param", dict), "num_nodes")
    if tree.get("id") != place:  # XGBoost goes by it, not by the order
        raise ValueError("trees out of order")
    if tree["tree_param"].get("size_leaf_vector", "1") not in ("0", "1"):
        raise UnfitError("a model whose leaves are vectors, which is not supported")
    whole = ("left_children", "right_children", "split_indices", "default_left")
    found = {name: _integers(tree, name, size) for name in whole}
    given = "split_type" in tree
    found["split_type"] = _integers(tree, "split_type", size) if given else np.zeros(size, np.int64)
    return {**found, "split_conditions": _numbers(tree, "split_conditions", size)}


def _part(holder: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a part that holds only what is known."""
    part: dict[str, Any] = _of(holder, name, dict)
    unknown = sorted(set(part) - KNOWN[name])
    if unknown:
        raise ValueError(f"a {name} with {unknown[0][:50]!r}, which is not known")
    return part


def _of(holder: Any, name: str, kind: type) -> Any:
    found = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(found, kind):
        raise ValueError(f"no {name}")
    return found


def _count(holder: Any, name: str) -> int:
    """Return a number that the file has as text."""
    text: str = _of(holder, name, str)
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError(f"the {name} {text[:50]!r}")
    return int(text)


def _integers(holder: Any, name: str, size: int | None = None) -> Integers:
    return _array(holder, name, size, (bool, int), "biu")


def _numbers(holder: Any, name: str, size: int) -> Floats:
    return _array(holder, name, size, (int, float), "f")


def _array(
    holder: Any, name: str, size: int | None, kinds: tuple[type, ...], codes: str
) -> npt.NDArray[Any]:
    """Return an array; JSON has lists, UBJ has either."""
    found = holder.get(name) if isinstance(holder, dict) else None
    if isinstance(found, list) and set(map(type, found)) <= set(kinds):
        found = np.array(found, dtype=kinds[-1])
    if not isinstance(found, np.ndarray) or found.dtype.kind not in codes:
        raise ValueError(f"a {name} that is none")
    if size not in (None, len(found)):
        raise ValueError(f"{len(found)} {name} where it says {size}")
    return found
