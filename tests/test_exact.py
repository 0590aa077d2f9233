"""Exact answers, held against enumeration of all that an attacker can do."""

from itertools import product

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from scipy.optimize import linprog
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from modelwarden.child.formats import examine
from modelwarden.child.structure import structure_of
from modelwarden.exact import certify, nearest
from modelwarden.space.rules import Rules
from modelwarden.space.table import Space
from modelwarden.trees import veritas

N_ROWS, N_ATTACKED, NODES = 300, 20, 10_000
ALL_NORMS = ["linf", "l2", "l1", "l0"]


@pytest.fixture(autouse=True)
def _alone():
    with threadpool_limits(1):  # small models wait for threads longer than they compute
        yield


def table(*, gaps=0.0, seed=0):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": random.normal(5, 2, N_ROWS).round(1),
            "count": random.integers(0, 6, N_ROWS),
            "color": random.choice(["red", "green", "blue", "grey"], N_ROWS),
            "flag": random.random(N_ROWS) < 0.4,
        }
    )
    score = frame["size"] / 2 + (frame["color"] == "red") * 1.5 - frame["count"] / 2
    score += (frame["color"] == "grey") * frame["flag"] + random.normal(0, 0.3, N_ROWS)
    if gaps:
        frame["size"] = frame["size"].mask(random.random(N_ROWS) < gaps)
    return frame, score.to_numpy()


FRAME, SCORE = table()
TWO, THREE = (np.median(SCORE) < SCORE).astype(int), np.digitize(SCORE, [0.5, 2])
RULES = Rules(
    version=1,
    columns={
        "color": {"values": ["green", "blue"]},
        "flag": {"values": [True, False], "cost": 0.5},
    },
)


def encoded(estimator, *, scaled=True):
    first = StandardScaler() if scaled else "passthrough"
    return make_pipeline(
        make_column_transformer(
            (first, ["size", "count"]),
            (OneHotEncoder(sparse_output=False), ["color"]),
            ("passthrough", ["flag"]),
        ),
        estimator,
    )


def ordinal(estimator):
    return make_pipeline(
        make_column_transformer((OrdinalEncoder(), ["color"]), remainder="passthrough"), estimator
    )


def native():
    return HistGradientBoostingClassifier(
        max_iter=4, max_leaf_nodes=5, categorical_features=["color"], min_samples_leaf=5
    )


MODELS = {
    "tree": lambda: encoded(DecisionTreeClassifier(max_depth=4, random_state=0)),
    "forest": lambda: encoded(RandomForestClassifier(6, max_depth=4, random_state=0)),
    "forest of numbers": lambda: encoded(RandomForestClassifier(4, random_state=0), scaled=False),
    "extra trees": lambda: ordinal(ExtraTreesClassifier(5, max_depth=5, random_state=0)),
    "boosting": lambda: encoded(GradientBoostingClassifier(n_estimators=6, random_state=0)),
    "histogram": lambda: ordinal(HistGradientBoostingClassifier(max_iter=4, max_leaf_nodes=5)),
    "histogram, categories": native,
}


def colored(frame):
    return frame.assign(color=pd.Categorical(frame["color"]))


def fitted(name, labels=TWO, frame=FRAME):
    frame = colored(frame) if name == "histogram, categories" else frame
    model = MODELS[name]().fit(frame, labels)
    return model, frame


def space(frame, rules=RULES, n=N_ATTACKED):
    return Space(frame, np.arange(n), rules)


def asked(model, there, labels, *, epsilon, norm="linf", nodes=NODES, structure=None):
    structure = structure or structure_of(model)
    box = there.box(epsilon, norm)
    return certify(
        structure,
        there.reach(box),
        there.frame,
        labels[: len(there.frame)],
        norm=norm,
        radius=epsilon,
        nodes=nodes,
    )


def candidates(structure, there, box, row):
    """Return every row that an attacker can make of one, one per cell that trees tell apart."""
    reach, columns = there.reach(box), []
    trees = structure.model
    thresholds = {}
    matrix = structure.encoding.matrix
    for feature in np.unique(trees.feature[trees.inner]):
        places = matrix.indices[matrix.indptr[feature] : matrix.indptr[feature + 1]]
        for place, weight in zip(places, matrix.data[matrix.indptr[feature] :], strict=False):
            unit = structure.encoding.units[place]
            if unit.kind == "number":
                known = trees.threshold[trees.inner & (trees.feature == feature)]
                at = (known - structure.encoding.offset[feature]) / weight
                column = unit.column
                column = there.frame.columns[column] if isinstance(column, int) else column
                thresholds.setdefault(column, []).extend(at.tolist())
    for name, column in there.frame.items():
        own = column.iat[row]
        if name in reach.values:
            known, mask = reach.values[name]
            values = [value for value, may in zip(known, mask[row], strict=True) if may] or [own]
        else:
            low, high = (side[row] for side in reach.numbers[name])
            if reach.steps[name]:
                values = np.arange(low, high + 0.5, reach.steps[name]).tolist()
            elif np.isnan(low):
                values = [own]
            else:
                sides = (1e-5,) if box.norm == "linf" and np.isfinite(box.radius) else (-1e-5, 1e-5)
                near = [at + side for at in thresholds.get(name, ()) for side in sides]
                values = [own, low, high, *(v for v in near if low <= v <= high)]
        columns.append([*dict.fromkeys(values)])
    rows = pd.DataFrame(list(product(*columns)), columns=there.frame.columns)
    rows = rows.astype(there.frame.dtypes.to_dict())
    return rows[there.allows(box, np.full(len(rows), row), rows)]


def truth_of(model, structure, there, labels, epsilon, norm):
    """Return which rows can be turned by brute force, and which can be turned or tied."""
    box = there.box(epsilon, norm)
    turned, tied = [], []
    for row in range(len(there.frame)):
        rows = candidates(structure, there, box, row)
        turned.append(bool((model.predict(rows) != labels[row]).any()))
        scores = structure.scores(rows)
        lead = structure.lead(scores, np.full(len(rows), labels[row]))
        tied.append(bool((lead <= 1e-6).any()))
    return np.array(turned), np.array(tied)


def is_right(model, structure, there, labels, certificate, *, epsilon, norm, unknown=0.0):
    turned, tied = truth_of(model, structure, there, labels, epsilon, norm)
    robust, broken = certificate.robust, certificate.broken
    assert not (robust & (turned | tied)).any()
    told = certificate.witness[broken]
    rows = np.flatnonzero(broken)
    assert there.allows(there.box(epsilon, norm), rows, told).all()
    wrong = model.predict(told) != labels[rows]
    assert (wrong | (tied & ~turned)[rows]).all()
    assert (~robust & ~broken & ~(tied & ~turned)).mean() <= unknown
    assert robust.any() or norm == "l0"  # one column is much
    assert broken.any()


@pytest.mark.parametrize("labels", [TWO, THREE], ids=["two classes", "three classes"])
@pytest.mark.parametrize("name", MODELS)
def test_a_box_is_judged_as_enumeration_does(name, labels):
    model, frame = fitted(name, labels)
    there, structure = (
        space(frame, n=8 if "histogram" in name else N_ATTACKED),
        structure_of(model),
    )

    found = asked(model, there, labels, epsilon=0.2)

    is_right(model, structure, there, labels, found, epsilon=0.2, norm="linf")


@pytest.mark.parametrize("norm", ["l2", "l1", "l0"])
@pytest.mark.parametrize("name", ["forest", "histogram, categories", "boosting"])
def test_other_norms_are_judged_as_enumeration_does(name, norm):
    model, frame = fitted(name)
    there, structure = space(frame, n=8), structure_of(model)
    epsilon = 1 if norm == "l0" else 0.3

    found = asked(model, there, TWO, epsilon=epsilon, norm=norm)

    is_right(model, structure, there, TWO, found, epsilon=epsilon, norm=norm, unknown=0.1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_programs_judge_alike_where_veritas_is_not_installed(norm, monkeypatch):
    model, frame = fitted("forest", THREE)
    there, structure = space(frame), structure_of(model)
    monkeypatch.setattr(veritas, "is_installed", lambda: False)

    found = asked(model, there, THREE, epsilon=0.15, norm=norm)

    is_right(model, structure, there, THREE, found, epsilon=0.15, norm=norm, unknown=0.1)


@pytest.mark.parametrize("norm", ["linf", "l1"])
def test_what_has_to_hold_between_columns_is_kept(norm):
    rules = Rules(
        version=1,
        columns={"color": {"values": ["red", "green", "blue"]}},
        relations=["size + count <= 11"],
        max_changed=2,
    )
    model, frame = fitted("boosting")
    there, structure = space(frame, rules, n=15), structure_of(model)

    found = asked(model, there, TWO, epsilon=0.5, norm=norm)

    is_right(model, structure, there, TWO, found, epsilon=0.5, norm=norm, unknown=0.2)


def test_few_columns_are_searched_one_set_after_the_other():
    rules = Rules(version=1, columns=RULES.columns, max_changed=1)
    model, frame = fitted("forest", THREE)
    there, structure = space(frame, rules), structure_of(model)

    found = asked(model, there, THREE, epsilon=0.6)

    is_right(model, structure, there, THREE, found, epsilon=0.6, norm="linf")


def test_one_hot_columns_stay_one_hot():
    frame = pd.get_dummies(FRAME, columns=["color"], dtype=float)
    groups = {"color": [name for name in frame if name.startswith("color")]}
    rules = Rules(version=1, one_hot=groups, others="fixed", columns={"size": {}})
    model = GradientBoostingClassifier(n_estimators=5, random_state=0).fit(frame, TWO)
    there, structure = space(frame, rules), structure_of(model)

    found = asked(model, there, TWO, epsilon=0.2)

    is_right(model, structure, there, TWO, found, epsilon=0.2, norm="linf")


@pytest.mark.parametrize("fill", [False, True], ids=["missing stays", "missing is filled"])
def test_missing_numbers_stay_missing(fill):
    frame, score = table(gaps=0.3)
    labels = (np.median(score) < score).astype(int)
    frame = frame[["size", "count", "flag"]]
    trees = HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=5)
    model = (make_pipeline(SimpleImputer(), trees) if fill else trees).fit(frame, labels)
    there, structure = space(frame, Rules(version=1)), structure_of(model)

    found = asked(model, there, labels, epsilon=0.2)

    is_right(model, structure, there, labels, found, epsilon=0.2, norm="linf")


def booster(kind, frame, labels):
    if kind == "XGBoost":
        params = {"objective": "binary:logistic", "nthread": 1, "max_depth": 3}
        data = bytes(xgboost.train(params, xgboost.DMatrix(frame, labels), 6).save_raw("ubj"))
    else:
        params = {"objective": "binary", "num_threads": 1, "verbose": -1, "num_leaves": 6}
        data = lightgbm.train(params, lightgbm.Dataset(frame, labels), 6).model_to_string().encode()
    return examine(data)[1]


@pytest.mark.parametrize("kind", ["XGBoost", "LightGBM"])
def test_boosters_are_judged_as_enumeration_does(kind):
    frame = FRAME[["size", "count"]].astype(float)
    model = booster(kind, frame, TWO)
    there, structure = space(frame, Rules(version=1)), structure_of(model)

    found = asked(model, there, TWO, epsilon=0.25)

    is_right(model, structure, there, TWO, found, epsilon=0.25, norm="linf")


def test_a_threshold_is_met_as_float32_meets_it():
    """0.1 is above a threshold of float32(0.1) in doubles, and on it in floats."""
    frame = pd.DataFrame({"x": [0.0, 0.1, 0.2, 0.3] * 10})
    model = DecisionTreeClassifier().fit(frame, frame["x"] > 0.15)
    structure = structure_of(model)
    at = float(model.tree_.threshold[0])
    rows = pd.DataFrame({"x": [np.nextafter(np.float32(at), np.float32(0)), at, 0.0]})
    there = Space(rows, np.arange(3), Rules(version=1, columns={"x": {"scale": 1.0}}))
    labels = np.zeros(3, dtype=int)

    found = asked(model, there, labels, epsilon=1e-12, structure=structure)

    assert found.robust.tolist() == [True, False, True]


@pytest.mark.parametrize("installed", [True, False])
def test_a_tie_is_not_robust(installed, monkeypatch):
    monkeypatch.setattr(veritas, "is_installed", lambda: installed)
    frame = pd.DataFrame({"x": [0.0, 1.0] * 20, "y": [0.0, 0.0, 1.0, 1.0] * 10})
    one = DecisionTreeClassifier().fit(frame[["x", "y"]], frame["x"] > 0.5)
    forest = RandomForestClassifier(2, bootstrap=False, max_features=None).fit(frame, frame["x"])
    forest.estimators_[0].tree_ = one.tree_  # splits at x
    forest.estimators_[1].tree_ = (
        DecisionTreeClassifier().fit(frame, frame["y"] > 0.5).tree_
    )  # splits at y
    rows = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0]})
    rules = Rules(version=1, fixed=["y"], columns={"x": {"scale": 1.0}})
    there = Space(rows, np.arange(2), rules)
    labels = forest.predict(rows).astype(int)

    found = asked(forest, there, labels, epsilon=1.0)

    assert labels.tolist() == [0, 1]
    assert not found.robust.any()
    assert found.broken[1]  # the first class wins ties
    assert forest.predict(found.witness).tolist()[1] == 0


def test_what_is_wrong_already_is_broken_and_its_own_witness():
    model, frame = fitted("forest")
    there, labels = space(frame), 1 - model.predict(FRAME)

    found = asked(model, there, labels, epsilon=0.1)

    assert found.broken.all()
    assert not found.robust.any()
    pd.testing.assert_frame_equal(found.witness, there.frame)


def test_nothing_is_known_without_a_budget():
    model, frame = fitted("forest")

    found = asked(model, space(frame), TWO, epsilon=0.1, nodes=0)

    assert not (found.robust | found.broken).any()


def test_little_is_known_with_little_budget_and_nothing_wrong():
    model, frame = fitted("forest", THREE)
    there, structure = space(frame), structure_of(model)

    found = asked(model, there, THREE, epsilon=0.4, nodes=2)

    turned, tied = truth_of(model, structure, there, THREE, 0.4, "linf")
    assert not (found.robust & (turned | tied)).any()
    assert (~found.robust & ~found.broken).any()


def test_no_budget_proves_what_a_larger_one_does_not():
    model, frame = fitted("histogram, categories", THREE)
    there, structure = space(frame), structure_of(model)
    full = asked(model, there, THREE, epsilon=0.3, structure=structure)

    for nodes in range(1, 13):
        few = asked(model, there, THREE, epsilon=0.3, nodes=nodes, structure=structure)

        assert not (few.robust & ~full.robust).any()


def test_the_same_question_has_the_same_answer():
    model, frame = fitted("forest", THREE)
    there = space(frame)

    first, second = (asked(model, there, THREE, epsilon=0.4, nodes=50) for _ in range(2))

    assert (first.robust == second.robust).all()
    pd.testing.assert_frame_equal(first.witness, second.witness)


def test_no_rows_have_no_answers():
    model, frame = fitted("forest")
    there = space(frame, n=1)
    reach = there.reach(there.box(0.1)).take(np.arange(0))
    limits = {"norm": "linf", "radius": 0.1, "nodes": NODES}

    found = certify(structure_of(model), reach, there.frame[:0], TWO[:0], **limits)

    assert found.robust.shape == found.broken.shape == (0,)
    assert found.witness.shape == (0, 4)


def test_a_model_of_one_leaf_is_robust_everywhere():
    frame = pd.DataFrame({"x": np.arange(10.0)})
    model = DecisionTreeClassifier(max_depth=1, min_samples_leaf=10).fit(frame, [0] * 9 + [1])
    labels = model.predict(frame)

    found = asked(model, Space(frame, np.arange(10)), labels, epsilon=100)

    assert found.robust.all()


# --- distances ------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ALL_NORMS)
def test_distances_are_those_of_enumeration(norm):
    model, frame = fitted("boosting")
    there, structure = space(frame, n=10), structure_of(model)
    box = there.box(np.inf, norm)

    found = nearest(structure, there.reach(box), there.frame, TWO[:10], norm=norm, nodes=NODES)

    for row in np.flatnonzero(model.predict(there.frame) == TWO[:10]):
        rows = candidates(structure, there, box, row)
        rows = rows[model.predict(rows) != TWO[row]]
        distances = box.distance(np.full(len(rows), row), there.encode(rows, None))
        assert found.lower[row] <= distances.min() + 1e-9
        assert found.upper[row] <= distances.min() * 1.001 + 1e-3
        assert found.lower[row] >= 0.99 * distances.min() - 1e-3 or found.lower[row] == 0
    assert (model.predict(found.witness) != TWO[:10])[np.isfinite(found.upper)].mean() > 0.8


def test_a_row_is_no_farther_than_what_was_confirmed():
    model, frame = fitted("boosting")
    there, structure = space(frame, n=8), structure_of(model)
    reach = there.reach(there.box(np.inf))
    free = nearest(structure, reach, there.frame, TWO[:8], norm="linf", nodes=NODES)

    capped = nearest(
        structure, reach, there.frame, TWO[:8], norm="linf", nodes=NODES, upper=free.upper * 0.5
    )

    near = np.isfinite(free.upper)
    np.testing.assert_allclose(capped.lower[near], free.upper[near] * 0.5, rtol=1e-5)


def test_what_cannot_move_is_infinitely_far():
    frame = FRAME[["size", "count"]]
    model = DecisionTreeClassifier(max_depth=3).fit(frame, TWO)
    there = space(frame, Rules(version=1, fixed=["size", "count"]), n=5)
    labels = model.predict(there.frame)
    reach = there.reach(there.box(np.inf))

    found = nearest(structure_of(model), reach, there.frame, labels, norm="linf", nodes=NODES)

    assert np.isinf(found.lower).all()
    assert np.isinf(found.upper).all()


# --- linear models --------------------------------------------------------------------------------


def test_a_linear_model_is_judged_by_its_closed_form():
    frame = FRAME[["size", "count"]].astype(float)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, TWO)
    there = space(frame, Rules(version=1, columns={"size": {"least": -99.0, "most": 99.0}}))
    labels = model.predict(there.frame)

    found = asked(model, there, labels, epsilon=0.2)

    structure = structure_of(model)
    box = there.box(0.2)
    weights = structure.encoding.matrix.T @ structure.model.weights[0]
    scores = structure.scores(there.frame)[:, 0]
    room = np.where(np.outer(scores, weights) > 0, box.origin - box.low, box.high - box.origin)
    order = [["size", "count"].index(name) for name in there.columns]
    robust = np.abs(scores) > (np.abs(weights[order]) * room).sum(axis=1) * (1 + 1e-6)
    assert (found.robust == robust).mean() == 1
    assert (found.broken == ~found.robust).all()
    assert (model.predict(found.witness[found.broken]) != labels[found.broken]).all()


def test_a_program_of_linear_inequalities_agrees_with_the_closed_form():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 4)), columns=[*"abcd"])
    classes = np.digitize(frame.sum(axis=1), [-1, 1])
    model = LogisticRegression().fit(frame, classes)
    there = space(frame, Rules(version=1), n=12)
    labels, structure = model.predict(there.frame), structure_of(model)
    box = there.box(np.inf, "l1")

    found = nearest(structure, there.reach(box), there.frame, labels, norm="l1", nodes=1)

    weights, bias = structure.model.weights, structure.model.bias
    for row in range(12):
        best = np.inf
        for rival in {0, 1, 2} - {labels[row]}:
            slope = weights[rival] - weights[labels[row]]
            need = -(slope @ box.origin[row] + bias[rival] - bias[labels[row]])
            up, down = box.high[row] - box.origin[row], box.origin[row] - box.low[row]
            solved = linprog(
                np.concatenate([1 / box.unit, 1 / box.unit]),
                A_ub=[np.concatenate([-slope, slope])],
                b_ub=[-need],
                bounds=[(0, side) for side in (*up, *down)],
            )
            best = min(best, solved.fun if solved.status == 0 else np.inf)
        assert found.lower[row] == pytest.approx(best, rel=1e-5)
        assert found.upper[row] == pytest.approx(best, rel=1e-4)
