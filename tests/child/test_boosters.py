import json
import sys
from contextlib import suppress

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost

from malicious import stored
from modelwarden.child import ubjson
from modelwarden.child.boosters import LEAF, booster_trees, followed
from modelwarden.child.formats import UnfitError, examine
from modelwarden.child.structure import UnsupportedError, structure_of
from modelwarden.errors import InputError
from modelwarden.models import Predictor

N_ROWS = 1000
ZERO = float(np.float32(1e-35))


def table(*, gaps=True):
    random = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "size": random.normal(0, 1, N_ROWS),
            "count": random.integers(0, 9, N_ROWS),
            "flag": random.random(N_ROWS) < 0.4,
            "tiny": random.normal(0, 1e-3, N_ROWS),
        }
    )
    score = frame["size"] - frame["count"] / 4 + frame["flag"] + 400 * frame["tiny"]
    if gaps:
        frame["size"] = frame["size"].mask(random.random(N_ROWS) < 0.1)
    return frame, score.to_numpy()


FRAME, SCORE = table()
TWO, THREE = (SCORE > 0).astype(int), np.digitize(SCORE, [-1, 1])
COLORS = pd.Categorical(np.random.default_rng(4).choice(["r", "g", "b", None], N_ROWS))
NUMBERED = pd.Categorical(np.random.default_rng(5).choice(range(0, 400, 10), N_ROWS))
COLORED = FRAME.assign(color=COLORS, level=NUMBERED)
RED = (SCORE + 2 * (COLORS == "r") - 2 * (NUMBERED.codes % 3 == 0) > 0).astype(int)


def xgb(frame=FRAME, labels=TWO, *, rounds=8, **params):
    params = {"objective": "binary:logistic", "nthread": 1, "max_depth": 4, **params}
    return xgboost.train(params, xgboost.DMatrix(frame, labels), rounds)


def lgb(frame=FRAME, labels=TWO, *, rounds=8, **params):
    params = {"objective": "binary", "num_threads": 1, "verbose": -1, "seed": 0, **params}
    return lightgbm.train(params, lightgbm.Dataset(frame, labels, free_raw_data=False), rounds)


SEVERAL = {"objective": "multi:softprob", "num_class": 3}
PRUNED = {"objective": "multi:softmax", "num_class": 3, "num_parallel_tree": 2, "gamma": 3}
SETS = {"max_cat_to_onehot": 1, "min_data_per_group": 5, "cat_smooth": 1}
MODELS = {
    "XGBoost": lambda: (xgb(base_score=0.3), FRAME),
    "XGBoost of arrays": lambda: (xgb(FRAME.to_numpy(float)), FRAME),
    "XGBoost, classes": lambda: (xgb(labels=THREE, **SEVERAL), FRAME),
    "XGBoost, two classes": lambda: (xgb(**{**SEVERAL, "num_class": 2}), FRAME),
    "XGBoost, pruned": lambda: (xgb(labels=THREE, **PRUNED, tree_method="exact"), FRAME),
    "LightGBM": lambda: (lgb(), FRAME),
    "LightGBM of arrays": lambda: (lgb(FRAME.to_numpy(float)), FRAME),
    "LightGBM without gaps": lambda: (lgb(table(gaps=False)[0]), FRAME),
    "LightGBM, classes": lambda: (lgb(labels=THREE, objective="multiclass", num_class=3), FRAME),
    "LightGBM, two classes": lambda: (lgb(objective="multiclass", num_class=2), FRAME),
    "LightGBM, one by one": lambda: (
        lgb(labels=THREE, objective="multiclassova", num_class=3, sigmoid=1.5),
        FRAME,
    ),
    "LightGBM, forest": lambda: (lgb(boosting="rf", bagging_fraction=0.5, bagging_freq=1), FRAME),
    "LightGBM, DART": lambda: (lgb(boosting="dart", rounds=12, drop_rate=0.5), FRAME),
    "LightGBM of gaps": lambda: (lgb(labels=FRAME["size"].isna() | (SCORE > 2)), FRAME),
    "LightGBM, a constant": lambda: (lgb(labels=TWO, min_data_in_leaf=900), FRAME),
    "LightGBM with categories": lambda: (lgb(COLORED, RED, **SETS), COLORED),
}


def written(booster, form="ubj"):
    """Return the file that the library writes."""
    if isinstance(booster, xgboost.Booster):
        return bytes(booster.save_raw(form))
    return booster.model_to_string().encode()


def loaded(data):
    facts, model = examine(data)
    assert model is not None, facts
    return model


def refusal(data):
    """Return why a file is refused; that it is, is asserted."""
    facts, model = examine(data)
    assert model is None
    assert not facts.get("loads")
    assert "Error:" not in facts["why"]
    return facts["why"]


def own_answer(booster, frame, *, raw=False):
    """Return what the library itself answers, one column for each score."""
    if isinstance(booster, xgboost.Booster):
        by_name = frame if booster.feature_names else frame.to_numpy(float)
        with xgboost.config_context(verbosity=0):
            answer = booster.predict(xgboost.DMatrix(by_name), output_margin=raw)
    else:
        answer = booster.predict(frame, raw_score=raw)
    return answer.reshape(len(frame), -1)


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    booster, frame = MODELS[request.param]()
    return request.param, booster, loaded(written(booster)), frame


# --- sound files ----------------------------------------------------------------------------------


def test_probabilities_are_the_librarys_own(case):
    name, booster, model, frame = case
    own = own_answer(booster, frame)
    if name == "XGBoost, pruned":  # softmax answers with labels
        margins = np.exp(own_answer(booster, frame, raw=True))
        own = margins / margins.sum(axis=1, keepdims=True)

    shares = model.predict_proba(frame)

    assert shares[:, -own.shape[1] :] == pytest.approx(own, abs=2e-7)
    assert model.predict(frame).tolist() == shares.argmax(axis=1).tolist()


def critical(structure, frame):
    """Return rows with cells on thresholds, beside them in both precisions, and at the ends."""
    random = np.random.default_rng(6)
    trees, rows = structure.model, frame.sample(N_ROWS, random_state=6)
    for place, name in enumerate(FRAME.columns):
        near = trees.threshold[trees.feature == place]
        single = near.astype(np.float32)
        cells = [near, *(np.nextafter(near, end) for end in (-np.inf, np.inf))]
        cells += [np.nextafter(single, np.float32(end)).astype(float) for end in (-np.inf, np.inf)]
        cells += [[np.nan, 0.0, -0.0, ZERO, -ZERO, 2 * ZERO, -2 * ZERO, 1e30, -1e30]]
        rows[name] = random.choice(np.concatenate(cells), N_ROWS)
    return rows


def test_the_neutral_trees_give_the_raw_scores(case):
    name, booster, model, frame = case
    structure = structure_of(model)
    frame = frame.astype(dict.fromkeys(FRAME.columns, float))
    rows = pd.concat([frame, critical(structure, frame)], ignore_index=True)
    raw = own_answer(booster, rows, raw=True)
    if name == "LightGBM, forest":
        raw = raw / 8  # of 8 trees; LightGBM divides only before it makes probabilities
    if raw.shape[1] == 2:
        raw = raw[:, 1:] - raw[:, :1]

    scores = structure.scores(rows)

    assert scores == pytest.approx(raw, abs=1e-5)
    assert (structure.labels(rows) == model.predict(rows)).all()


@pytest.mark.parametrize("labels", [TWO, THREE])
def test_json_and_ubj_are_the_same_model(labels):
    booster = xgb(labels=labels, **({} if labels is TWO else SEVERAL))

    answers = [loaded(written(booster, form)).predict_proba(FRAME) for form in ("json", "ubj")]

    assert answers[0].tolist() == answers[1].tolist()


def test_reads_what_older_releases_of_xgboost_wrote():
    booster = xgb(base_score=0.3)
    document = json.loads(written(booster, "json"))
    model = document["learner"]["gradient_booster"]["model"]
    del model["iteration_indptr"], model["cats"], document["learner"]["attributes"]
    document["learner"]["learner_model_param"]["base_score"] = "3E-1"
    for tree in model["trees"]:
        tree["default_left"] = [bool(left) for left in tree["default_left"]]
        tree["tree_param"]["size_leaf_vector"] = "0"

    again = loaded(json.dumps(document).encode())

    assert again.predict_proba(FRAME)[:, 1] == pytest.approx(own_answer(booster, FRAME)[:, 0])


def test_says_what_the_model_is():
    facts, _ = examine(written(xgb(labels=THREE, **SEVERAL)))

    assert {name: facts[name] for name in facts if not name.startswith("sklearn")} == {
        "format": "XGBoost",
        "loads": True,
        "estimator": "XGBoostClassifier",
        "classes": [0, 1, 2],
        "n_features": 4,
        "feature_names": ["size", "count", "flag", "tiny"],
        "has_proba": True,
    }


@pytest.mark.parametrize("name", ["XGBoost of arrays", "LightGBM of arrays"])
def test_a_model_of_arrays_names_no_features(name):
    facts, _ = examine(written(MODELS[name]()[0]))

    assert (facts["n_features"], facts["feature_names"]) == (4, [])


def test_no_rows_get_no_answers(case):
    _, _, model, frame = case

    assert model.predict_proba(frame[:0]).shape == (0, len(model.classes_))
    assert model.predict(frame[:0]).shape == (0,)


@pytest.mark.parametrize("train", [xgb, lgb])
def test_text_is_refused_even_when_it_looks_like_a_number(train):
    with pytest.raises(InputError, match=r"columns of numbers, got .* in 'size'"):
        loaded(written(train())).predict(FRAME.assign(size="1"))


def test_categories_may_come_as_plain_text():
    model = loaded(written(lgb(COLORED, RED, **SETS)))
    plain = COLORED.assign(color=COLORED["color"].astype(object), level=NUMBERED.astype(float))

    assert model.predict_proba(plain).tolist() == model.predict_proba(COLORED).tolist()


def test_an_unknown_category_is_a_missing_one():
    model = loaded(written(lgb(COLORED, RED, **SETS)))
    unknown, missing = COLORED.assign(color="x"), COLORED.assign(color=None)

    assert model.predict_proba(unknown).tolist() == model.predict_proba(missing).tolist()


@pytest.mark.parametrize("name", ["XGBoost, classes", "LightGBM with categories"])
def test_answers_from_its_own_process(name, tmp_path):
    booster, frame = MODELS[name]()
    with Predictor(stored(tmp_path, written(booster))) as predictor:
        shares, labels = predictor.predict_proba(frame), predictor.predict(frame)
        structure = predictor.structure()

    own = own_answer(booster, frame)
    assert shares[:, -own.shape[1] :] == pytest.approx(own, abs=2e-7)
    assert structure is not None
    assert structure.agrees(frame, labels).all()


# --- answers that are known beforehand ------------------------------------------------------------


def stump(**learner_model_param):
    """Return a document: below .5 the score is -1, from there on 2, and missing ones get 2."""
    tree = {
        "base_weights": [0.0, 0.0, 0.0],
        "default_left": [0, 0, 0],
        "id": 0,
        "left_children": [1, -1, -1],
        "right_children": [2, -1, -1],
        "loss_changes": [0.0, 0.0, 0.0],
        "parents": [2147483647, 0, 0],
        "split_conditions": [0.5, -1.0, 2.0],
        "split_indices": [0, 0, 0],
        "split_type": [0, 0, 0],
        "sum_hessian": [0.0, 0.0, 0.0],
        "tree_param": {"num_deleted": "0", "num_feature": "2", "num_nodes": "3"},
    }
    model = {
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "1"},
        "iteration_indptr": [0, 1],
        "tree_info": [0],
        "trees": [tree],
    }
    params = {"base_score": "5E-1", "num_class": "0", "num_feature": "2", "num_target": "1"}
    return {
        "learner": {
            "attributes": {},
            "feature_names": [],
            "gradient_booster": {"name": "gbtree", "model": model},
            "learner_model_param": {**params, **learner_model_param},
            "objective": {"name": "binary:logistic", "reg_loss_param": {"scale_pos_weight": "1"}},
        },
        "version": [3, 2, 0],
    }


def as_json(document):
    return json.dumps(document).encode()


@pytest.mark.parametrize(("base_score", "base"), [("5E-1", 0.0), ("[1E-1]", -np.log(9))])
def test_a_stump_scores_by_hand(base_score, base):
    model = loaded(as_json(stump(base_score=base_score)))
    rows = pd.DataFrame([[0.4, 9.0], [0.5, 9.0], [np.nan, 9.0]])

    scores = structure_of(model).scores(rows)[:, 0]

    assert scores == pytest.approx(base + np.array([-1.0, 2.0, 2.0]))
    assert model.predict_proba(rows)[:, 1] == pytest.approx(1 / (1 + np.exp(-scores)))


TEXT = """tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=binary sigmoid:2
feature_names=a b
feature_infos=[0:1] [0:1]

Tree=0
num_leaves=3
num_cat=0
split_feature=1 0
threshold=0 -1
decision_type=0 10
left_child=1 -1
right_child=-2 -3
leaf_value=-1 2 5

end of trees
"""
"""Where b is at most 0 (NaN is 0) a decides: at most -1 or NaN gives -1, else 5; else 2."""


def test_a_text_scores_by_hand():
    model = loaded(TEXT.encode())
    b = [-0.5, np.nan, 0.0, ZERO, 2 * ZERO]
    rows = pd.DataFrame({"a": [-1.0, 0.0, np.nan, -2.0, 0.0], "b": b})

    scores = structure_of(model).scores(rows)[:, 0]

    assert scores.tolist() == [-1.0, 5.0, -1.0, -1.0, 2.0]
    assert model.predict_proba(rows)[:, 1] == pytest.approx(1 / (1 + np.exp(-2 * scores)))


def test_an_infinite_threshold_parts_gaps_from_numbers():
    model = loaded(TEXT.replace("threshold=0 -1", "threshold=0 inf").encode())
    rows = pd.DataFrame({"a": [-1e300, 0.0, 1e300, np.nan], "b": 0.0})

    scores = structure_of(model).scores(rows)[:, 0]

    assert scores.tolist() == [-1.0, -1.0, -1.0, -1.0]
    right = TEXT.replace("threshold=0 -1", "threshold=0 inf").replace("=0 10", "=0 8")
    assert structure_of(loaded(right.encode())).labels(rows).tolist() == [0, 0, 0, 1]
    assert loaded(right.encode()).predict(rows).tolist() == [0, 0, 0, 1]


# --- what is refused with a reason ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "params", "why"),
    [
        (xgb, {"objective": "reg:squarederror"}, "trained for reg:squarederror"),
        (xgb, {"objective": "rank:pairwise"}, "trained for rank:pairwise"),
        (xgb, {"booster": "dart"}, "the booster dart"),
        (lgb, {"objective": "regression"}, "trained for regression"),
        (lgb, {"linear_tree": True}, "linear trees"),
    ],
)
def test_refuses_what_is_no_classifier_of_trees(train, params, why):
    assert why in refusal(written(train(rounds=1, **params)))


def test_refuses_a_linear_booster():
    params = {"booster": "gblinear", "objective": "binary:logistic", "nthread": 1}
    booster = xgboost.train(params, xgboost.DMatrix(FRAME, TWO), 1)

    assert "the booster gblinear" in refusal(written(booster))


def test_refuses_categories_of_xgboost():
    data = xgboost.DMatrix(COLORED, RED, enable_categorical=True)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 1)

    for form in ("json", "ubj"):
        assert "categories, which are not supported" in refusal(written(booster, form))


def test_refuses_rounds_that_only_some_readers_would_use():
    booster = xgb()
    booster.set_attr(best_iteration="2")

    assert "8 rounds with best_iteration 2" in refusal(written(booster))


def test_accepts_a_booster_that_was_cut_to_its_best_iteration():
    booster = xgb()[:3]
    booster.set_attr(best_iteration="2")

    assert len(loaded(written(booster)).classes_) == 2


@pytest.mark.parametrize(("train", "package"), [(xgb, "xgboost"), (lgb, "lightgbm")])
def test_says_what_to_install(train, package, monkeypatch):
    data = written(train())
    monkeypatch.setitem(sys.modules, package, None)

    assert f"{package} is not installed; install {package}" in refusal(data)


def test_zero_as_a_missing_value_predicts_but_has_no_structure():
    sparse = FRAME.assign(size=FRAME["size"].where(FRAME["size"] > 0.5, 0.0))
    booster = lgb(sparse, zero_as_missing=True)
    model = loaded(written(booster))

    assert model.predict_proba(sparse)[:, 1] == pytest.approx(own_answer(booster, sparse)[:, 0])
    with pytest.raises(UnsupportedError, match="zero is a missing value"):
        structure_of(model)


def test_categories_by_number_predict_but_have_no_structure():
    plain = COLORED[["size"]].assign(level=NUMBERED.codes.astype(float))
    data = lightgbm.Dataset(plain, RED, categorical_feature=[1])
    booster = lightgbm.train({"objective": "binary", "verbose": -1, **SETS}, data, 3)
    model = loaded(written(booster))

    assert model.predict_proba(plain)[:, 1] == pytest.approx(own_answer(booster, plain)[:, 0])
    with pytest.raises(UnsupportedError, match="categories are numbers"):
        booster_trees(model, None)


# --- hostile files --------------------------------------------------------------------------------


def changed(path, value):
    """Return the stump with one part replaced; parts are separated by slashes."""
    document = stump()
    *way, last = path.split("/")
    part = document["learner"]
    for step in way:
        part = part[int(step) if step.isdigit() else step]
    part[last] = value
    return as_json(document)


MODEL = "gradient_booster/model"
TREE = f"{MODEL}/trees/0"


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (f"{TREE}/left_children", [0, -1, -1], "node 0 of tree 0 is reached twice"),
        (f"{TREE}/left_children", [2, -1, -1], "node 2 of tree 0 is reached twice"),
        (f"{TREE}/left_children", [3, -1, -1], "children outside of its tree"),
        (f"{TREE}/left_children", [-1, -1, -1], "children outside of its tree"),
        (f"{TREE}/right_children", [-2, -1, -1], "children outside of its tree"),
        (f"{TREE}/right_children", [2**31, -1, -1], "children outside of its tree"),
        (f"{TREE}/right_children", [2**64, -1, -1], "too large"),
        (f"{TREE}/right_children", [2.0, -1, -1], "a right_children that is none"),
        (f"{TREE}/right_children", [2, -1], "2 right_children where it says 3"),
        (f"{TREE}/split_indices", [2, 0, 0], "other features than its 2"),
        (f"{TREE}/split_indices", [-1, 0, 0], "other features than its 2"),
        (f"{TREE}/split_conditions", [float("nan"), 0.0, 0.0], "NaN, which is not a number"),
        (f"{TREE}/split_conditions", [0.0, 1e39, 0.0], "not finite"),
        (f"{TREE}/split_conditions", [0.0, 1e400, 0.0], "Infinity, which is not a number"),
        (f"{TREE}/split_conditions", "0.5", "a split_conditions that is none"),
        (f"{TREE}/split_type", [1, 0, 0], "categories, which are not supported"),
        (f"{TREE}/id", 1, "trees out of order"),
        (f"{TREE}/leaf_weights", [1.0], "a tree with 'leaf_weights', which is not known"),
        (f"{TREE}/tree_param", {"num_nodes": "1000000000"}, "the num_nodes '1000000000'"),
        (f"{TREE}/tree_param", {"num_nodes": "0"}, "3 left_children where it says 0"),
        (f"{TREE}/tree_param", {"num_nodes": "3", "size_leaf_vector": "9"}, "leaves are vectors"),
        (f"{MODEL}/trees", [], "0 trees where it says 1"),
        (f"{MODEL}/trees", {}, "no trees"),
        (f"{MODEL}/tree_info", [1], "trees for other classes than its 1"),
        (f"{MODEL}/tree_info", [-1], "trees for other classes than its 1"),
        (f"{MODEL}/iteration_indptr", [0, 0], "rounds that do not hold its 1 trees"),
        (f"{MODEL}/iteration_indptr", [0, 0, 1], "rounds without trees"),
        (f"{MODEL}/iteration_indptr", [], "rounds that do not hold"),
        (f"{MODEL}/gbtree_model_param/num_parallel_tree", "0", "rounds that do not hold"),
        (f"{MODEL}/gbtree_model_param/num_trees", "2", "1 trees where it says 2"),
        ("learner_model_param/num_class", "3", "an objective that does not fit 3 classes"),
        ("learner_model_param/num_class", "-1", "the num_class '-1'"),
        ("learner_model_param/num_feature", "0", "0 features"),
        ("learner_model_param/num_feature", "999999999", "999999999 features"),
        ("learner_model_param/num_target", "2", "several targets"),
        ("learner_model_param/base_score", "0", "the base_score 0"),
        ("learner_model_param/base_score", "[5E-1,5E-1]", "the base_score [5E-1,5E-1]"),
        ("learner_model_param/base_score", "nan", "the base_score nan"),
        ("feature_names", ["a"], "1 different names of 2 features"),
        ("feature_names", ["a", "a"], "1 different names of 2 features"),
        ("feature_names", ["a", 1], "no text"),
        ("objective", None, "no objective"),
        ("objective", {"name": "multi:softprob"}, "no num_class"),
        ("attributes", [], "no attributes"),
        ("feature_types", ["float", "c"], "categories, which are not supported"),
        ("weights", [], "a learner with 'weights', which is not known"),
    ],
)
def test_a_hostile_xgboost_file_gets_one_reason(path, value, why):
    assert why in refusal(changed(path, value))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (as_json(stump())[:-20], "an XGBoost file that cannot be read: "),
        (b'{"learner": {}, "learner": {}}', "a key twice"),
        (b'{"learner": ' + b"[" * 10**5, "cannot be read"),
        (b'{"learner": [1]}', "no learner"),
        (b'{"Config": {"learner": {}}, "Model": {}}', "'Config', which is not known"),
        (written(xgb())[:-1], "no end"),
        (ubjson.write({"learner": {}}), "no objective"),
    ],
)
def test_a_broken_xgboost_file_gets_one_reason(data, why):
    assert why in refusal(data)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("left_child=1 -1", "left_child=0 -1", "node 0 of tree 0 is reached twice"),
        ("left_child=1 -1", "left_child=-1 -1", "nodes that nothing leads to"),
        ("right_child=-2 -3", "right_child=-2 -1", "node 2 of tree 0 is reached twice"),
        ("left_child=1 -1", "left_child=2 -1", "children outside of its tree"),
        ("left_child=1 -1", "left_child=1 -4", "children outside of its tree"),
        ("left_child=1 -1", "left_child=1", "1 left_child where 2 are due"),
        ("left_child=1 -1\n", "", "0 left_child where 2 are due"),
        ("left_child=1 -1", "left_child=1 -1\nleft_child=1 -1", "a second one"),
        ("left_child=1 -1", "left_child=1 -1\r", r"'-1\r' as left_child"),
        ("left_child=1 -1", "left_child=1_0 -1", "'1_0' as left_child"),
        ("right_child=-2 -3", "right_child=-2 -9999999999", "children outside of its tree"),
        ("right_child=-2 -3", "right_child=\n\nright_child=-2 -3", "the line ''"),
        ("split_feature=1 0", "split_feature=2 0", "other features than its 2"),
        ("split_feature=1 0", "split_feature=-1 0", "other features than its 2"),
        ("decision_type=0 10", "decision_type=0 12", "decisions of an unknown type"),
        ("decision_type=0 10", "decision_type=1 10", "sets of categories that it does not have"),
        ("leaf_value=-1 2 5", "leaf_value=-1 nan 5", "'nan' as leaf_value"),
        ("leaf_value=-1 2 5", "leaf_value=-1 1e999 5", "a leaf_value that is too large"),
        ("leaf_value=-1 2 5", "leaf_value=-1 inf 5", "'inf' as leaf_value"),
        ("threshold=0 -1", "threshold=0 1e999", "a threshold that is too large"),
        ("threshold=0 -1", "threshold=0 -inf", "'-inf' as threshold"),
        ("threshold=0 -1", "threshold=0 nan", "'nan' as threshold"),
        ("threshold=0 -1", "threshold=0 1inf", "'1inf' as threshold"),
        ("num_leaves=3", "num_leaves=1000000000", "where 999999999 are due"),
        ("num_leaves=3", "num_leaves=0", "a tree without leaves"),
        ("num_leaves=3", "num_leaves=-3", "-3 as num_leaves"),
        ("num_cat=0", "num_cat=1", "0 cat_boundaries where 2 are due"),
        ("num_cat=0", "num_cat=1\ncat_boundaries=0 0\ncat_threshold=", "that are none"),
        ("num_cat=0", "num_cat=1\ncat_boundaries=0 1\ncat_threshold=4294967296", "that are none"),
        ("num_cat=0", "num_cat=0\nleaf_mood=1", "the line 'leaf_mood=1', which is not known"),
        ("num_class=1\n", "num_class=2\n", "2 classes of the objective binary"),
        ("iteration=1", "iteration=2", "1 classes of the objective binary"),
        ("sigmoid:2", "sigmoid:-2", "the sigmoid -2.0"),
        ("binary sigmoid:2", "multiclass num_class:3", "1 classes of the objective multiclass"),
        ("binary sigmoid:2", "binary", "the objective 'binary'"),
        ("binary sigmoid:2", "binary sigmoid:1 sigmoid:2", "the objective 'binary sigmoid:1 sig"),
        ("binary sigmoid:2", "binary sigmoid:2 sign:-1", "the objective 'binary sigmoid:2 sig"),
        ("max_feature_idx=1", "max_feature_idx=9", "2 different names of 10 features"),
        ("feature_names=a b", "feature_names=a a", "1 different names of 2 features"),
        ("version=v4", "version=v9", "the version v9"),
        ("objective=binary sigmoid:2\n", "", "a model trained for custom"),
        ("label_index=0", "label_index=0\ntree_sizes=7", "tree_sizes that are not those"),
        ("Tree=0", "Tree=1", "trees out of order"),
        ("5\n\nend", "5\nend", "trees without an empty line behind them"),
        ("end of trees", "end", "no end of them"),
        ("end of trees\n", "end of trees\npandas_categorical:[[1]]\n", "some by number"),
        ("end of trees\n", "end of trees\npandas_categorical:5\n", "categories that are not lists"),
    ],
)
def test_a_hostile_lightgbm_file_gets_one_reason(old, new, why):
    assert TEXT.count(old) == 1
    assert why in refusal(TEXT.replace(old, new).encode())


def with_classes(n):
    several = TEXT.replace("num_class=1", f"num_class={n}").replace("tion=1", f"tion={n}")
    return several.replace("binary sigmoid:2", f"multiclass num_class:{n}").encode()


def test_refuses_trees_that_leave_a_class_out():
    assert refusal(with_classes(3)).endswith("1 trees for 3 scores")


def test_refuses_a_model_without_classes():
    assert refusal(with_classes(0)).endswith("0 classes of the objective multiclass num_class:0")


@pytest.mark.parametrize("form", ["xgboost", "lightgbm"])
def test_refuses_an_objective_that_counts_classes_differently(form):
    if form == "lightgbm":
        why = refusal(with_classes(3).replace(b"num_class:3", b"num_class:4"))
    else:
        document = json.loads(written(xgb(labels=THREE, **SEVERAL), "json"))
        document["learner"]["objective"]["softmax_multiclass_param"]["num_class"] = "4"
        why = refusal(as_json(document))

    assert "3 classes" in why


def test_one_split_by_category_is_enough_to_refuse():
    document = json.loads(written(xgb(), "json"))
    document["learner"]["gradient_booster"]["model"]["trees"][5]["split_type"][0] = 1

    assert "categories, which are not supported" in refusal(as_json(document))


@pytest.mark.parametrize(
    ("listed", "why"),
    [
        ('[["r", "r"]]', "a category twice"),
        ("[[NaN]]", "categories that are not lists"),
        ("[[[1]]]", "categories that are not lists"),
        ('[["r"], ["s"]]', "some by name and some by number"),
    ],
)
def test_hostile_categories_get_one_reason(listed, why):
    tail = f"[categorical_feature: 1]\npandas_categorical:{listed}\n"

    assert why in refusal((TEXT + tail).encode())


def test_a_chain_of_nodes_that_would_exhaust_the_stack_is_refused():
    n = 6000
    children = np.r_[np.arange(1, n), np.full(n, LEAF)]
    leaves = np.r_[np.arange(n, 2 * n - 1), np.full(n, LEAF)]

    with pytest.raises(UnfitError, match="more than 4096 levels"):
        followed([children], [leaves])


def test_nodes_that_nothing_leads_to_are_left_out():
    left, right = np.array([3, 7, LEAF, LEAF]), np.array([2, 9, LEAF, LEAF])

    forest = followed([np.array([LEAF]), left], [np.array([LEAF]), right])

    assert forest.order.tolist() == [0, 1, 4, 3]
    assert forest.starts.tolist() == [0, 1, 4]
    assert forest.left.tolist() == [LEAF, 2, LEAF, LEAF]
    assert forest.right.tolist() == [LEAF, 3, LEAF, LEAF]


def test_random_damage_is_refused_or_does_no_harm():
    random = np.random.default_rng(7)
    files = [written(xgb(rounds=2, max_depth=2)), written(lgb(COLORED, RED, rounds=2, **SETS))]
    outcomes = []
    for turn in range(300):
        data = bytearray(files[turn % 2])
        place = random.integers(len(data))
        data[place] = random.choice(np.frombuffer(b"0123456789-. \n\xff\x00\x7f", np.uint8))
        facts, model = examine(bytes(data))
        outcomes.append(model is not None)
        assert bool(facts.get("why")) != outcomes[-1]
        if model is not None:
            frame = COLORED.iloc[:, : model.n_features_in_]
            frame = frame.set_axis(model.feature_names_in_, axis=1)
            labels = model.predict(frame)
            with suppress(UnsupportedError):
                assert structure_of(model).agrees(frame, labels).all()

    assert 0 < sum(outcomes) < 300
