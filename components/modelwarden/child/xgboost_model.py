"""XGBoost's files as classifiers; runs in the model's own process."""

from typing import Any

import numpy as np

from modelwarden.child import ubjson
from modelwarden.child.boosters import BoostedClassifier, numbers
from modelwarden.child.formats import UnfitError
from modelwarden.child.structure import Columns
from modelwarden.child.unpickling import Loaded
from modelwarden.child.xgboost_file import Content, read
from modelwarden.trees.ensemble import Trees

NO_PARENT = 2**31 - 1


def load(data: bytes) -> Loaded:
    """Load a classifier out of what ``Booster.save_model`` wrote, JSON or UBJ.

    Raises
    ------
    UnfitError
        If it is no sound classifier, or XGBoost is not installed.
    """
    return Loaded(XGBoostClassifier(read(data)), "XGBoost", "")


class XGBoostClassifier(BoostedClassifier):
    """A booster of XGBoost."""

    def __init__(self, content: Content) -> None:
        super().__init__(content.n_classes, content.n_features, content.names)
        self._content = content
        self._booster = _booster(content)

    def _shares(self, table: Any) -> Any:
        rows = numbers(table, np.float32)
        return self._booster.inplace_predict(rows, validate_features=False)

    def taken_apart(self, columns: Columns) -> tuple[Columns, Trees]:
        """Return the columns and the trees, which compare them as float32."""
        one = self._content
        numbers_of_nodes = one.number.astype(np.float64)
        trees = one.forest.neutral(
            feature=one.feature,
            threshold=numbers_of_nodes,
            missing_left=one.missing_left,
            value=numbers_of_nodes,
            outputs=one.outputs,
            base=one.margins,
            single=True,
        )
        return columns.as_numbers(), trees


def _booster(content: Content) -> Any:
    try:
        import xgboost
    except ImportError as error:
        why = "an XGBoost model, and xgboost is not installed; install xgboost (or xgboost-cpu)"
        raise UnfitError(why) from error
    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(ubjson.write(_document(content))))
    except xgboost.core.XGBoostError as error:
        first = str(error).strip().splitlines()[0]
        why = f"a model that the installed XGBoost {xgboost.__version__} does not read: {first}"
        raise UnfitError(why) from error
    return booster


# --- a document for XGBoost, in which nothing is but what was checked -----------------------------


def _document(content: Content) -> dict[str, Any]:
    gradient_booster = {"model": _model(content), "name": "gbtree"}
    return {
        "learner": {
            "attributes": {},
            "feature_names": [],
            "feature_types": [],
            "gradient_booster": gradient_booster,
            **_learner_params(content),
        },
        "version": content.version,
    }


def _learner_params(content: Content) -> dict[str, Any]:
    n_outputs = len(content.margins)
    n_class = str(n_outputs if n_outputs > 1 else 0)
    binary = {"name": "binary:logistic", "reg_loss_param": {"scale_pos_weight": "1"}}
    several = {"name": "multi:softprob", "softmax_multiclass_param": {"num_class": n_class}}
    return {
        "learner_model_param": {
            "base_score": content.base_score,
            "boost_from_average": "1",
            "num_class": n_class,
            "num_feature": str(content.n_features),
            "num_target": "1",
        },
        "objective": several if n_outputs > 1 else binary,
    }


def _model(content: Content) -> dict[str, Any]:
    n_trees = len(content.outputs)
    return {
        "gbtree_model_param": {
            "num_trees": str(n_trees),
            "num_parallel_tree": "1",
            "size_leaf_vector": "0",
        },
        "iteration_indptr": content.rounds,
        "tree_info": content.outputs.tolist(),
        "trees": [_tree(content, place) for place in range(n_trees)],
    }


def _tree(content: Content, place: int) -> dict[str, Any]:
    start, end = content.forest.starts[place : place + 2]
    inner = content.forest.inner[start:end]
    left, right = (
        np.where(inner, children[start:end] - start, -1)
        for children in (content.forest.left, content.forest.right)
    )
    parents = np.full(end - start, NO_PARENT)
    parents[left[inner]] = parents[right[inner]] = np.flatnonzero(inner)
    unused = np.zeros(end - start, dtype=np.float32)
    return {
        **dict.fromkeys(("base_weights", "loss_changes", "sum_hessian"), unused),
        **dict.fromkeys(("categories", "categories_nodes"), np.empty(0, dtype=np.int32)),
        **dict.fromkeys(("categories_segments", "categories_sizes"), np.empty(0, dtype=np.int64)),
        "default_left": content.missing_left[start:end].astype(np.uint8),
        "id": place,
        "left_children": left.astype(np.int32),
        "right_children": right.astype(np.int32),
        "parents": parents.astype(np.int32),
        "split_conditions": content.number[start:end],
        "split_indices": content.feature[start:end].astype(np.int32),
        "split_type": np.zeros(end - start, dtype=np.uint8),
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(content.n_features),
            "num_nodes": str(end - start),
            "size_leaf_vector": "1",
        },
    }
