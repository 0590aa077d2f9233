"""Linear models, held against enumeration and against linear programs."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelwarden.child.structure import structure_of
from modelwarden.linear import nearest
from modelwarden.space.points import Candidates
from modelwarden.space.rules import Rules
from modelwarden.space.table import Space

N_ROWS = 300


def table(seed=0):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": random.normal(5, 2, N_ROWS).round(1),
            "count": random.integers(0, 6, N_ROWS),
            "color": random.choice(["red", "green", "blue"], N_ROWS),
            "flag": random.random(N_ROWS) < 0.4,
        }
    )
    score = frame["size"] / 2 + (frame["color"] == "red") * 1.5 - frame["count"] / 2
    return frame, (score + frame["flag"] + random.normal(0, 0.3, N_ROWS)).to_numpy()


FRAME, SCORE = table()
TWO, THREE = (np.median(SCORE) < SCORE).astype(int), np.digitize(SCORE, [1, 2.5])


def pipeline(compared=("color",), labels=THREE, frame=FRAME):
    numbers = [name for name in frame if name not in compared and name != "flag"]
    first = make_column_transformer(
        (StandardScaler(), numbers), (OneHotEncoder(), [*compared]), ("passthrough", ["flag"])
    )
    return make_pipeline(first, LogisticRegression()).fit(frame, labels)


def attacked(model, labels, rules, norm, *, frame=FRAME, epsilon=np.inf, n=20):
    there = Space(frame, np.arange(n), rules)
    box = there.box(epsilon, norm)
    return (
        there,
        box,
        nearest(structure_of(model), there.reach(box), there.frame, labels[:n], norm=norm),
    )


def thrown(model, there, box, labels, *, points=400):
    """Return the smallest distance at which one of many random points turns each row."""
    random = np.random.default_rng(0)
    names = np.tile(np.arange(len(there.frame)), points)
    low, high, origin = box.low[names], box.high[names], box.origin[names]
    corner = np.where(random.random(origin.shape) < 0.5, low, high)
    some, size = random.random(origin.shape) < 0.6, random.random((len(names), 1)) ** 2
    values = origin + np.where(some, size * (corner - origin), 0.0)
    values = np.where(some & box.nominal, random.integers(0, 3, origin.shape), values)
    values = box.fit(names, values[:, None])[:, 0]
    wrong = model.predict(there.present(Candidates(names, values))) != labels[names]
    least = np.full(len(there.frame), np.inf)
    np.minimum.at(least, names, np.where(wrong, box.distance(names, values), np.inf))
    return least


RULES = {
    "numbers": {},
    "categories for nothing": {"columns": {"color": {"values": ["red", "green", "blue"]}}},
    "categories at a price": {
        "columns": {
            "color": {"values": ["red", "blue"], "cost": 0.3},
            "flag": {"values": [True, False], "cost": 0.5},
        }
    },
    "few": {"max_changed": 1},
    "one way": {"columns": {"size": {"direction": "up"}}, "fixed": ["count"]},
}


@pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
@pytest.mark.parametrize("rules", RULES)
def test_no_random_point_is_nearer_than_what_is_proved(rules, norm):
    model = pipeline()
    labels = model.predict(FRAME)

    there, box, found = attacked(model, labels, Rules(version=1, **RULES[rules]), norm)

    assert (thrown(model, there, box, labels) >= found.lower * (1 - 1e-9)).all()
    near = np.isfinite(found.upper)
    rows = np.flatnonzero(near)
    assert (model.predict(found.witness[near]) != labels[:20][near]).all()
    encoded = there.encode(found.witness[near], rows)
    np.testing.assert_allclose(box.distance(rows, encoded), found.upper[near], atol=1e-9)
    if rules != "few" or norm == "l0":
        assert there.allows(there.box(np.inf, norm), rows, found.witness[near]).all()


@pytest.mark.parametrize("norm", ["linf", "l1"])
def test_numbers_that_are_compared_are_never_dearer_than_they_are(norm):
    model = pipeline(("color", "count"))
    labels = model.predict(FRAME)

    there, box, found = attacked(model, labels, Rules(version=1), norm)

    assert (thrown(model, there, box, labels) >= found.lower * (1 - 1e-9)).all()


def test_a_one_hot_group_moves_as_one():
    frame = pd.get_dummies(FRAME, columns=["color"], dtype=float)
    names = [name for name in frame if name.startswith("color")]
    rules = Rules(version=1, one_hot={"color": names}, others="fixed")
    model = LogisticRegression(max_iter=500).fit(frame, TWO)
    labels = model.predict(frame)

    there, _, found = attacked(model, labels, rules, "linf", frame=frame)

    turned = np.zeros(20, dtype=bool)
    for name in names:
        other = there.frame.assign(**{each: float(each == name) for each in names})
        turned |= model.predict(other) != labels[:20]
    assert turned.any()
    assert (np.isfinite(found.upper) == turned).all()
    assert (np.isfinite(found.lower) == turned).all()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
def test_without_bounds_the_distance_is_the_lead_over_the_dual_norm(norm):
    frame = pd.DataFrame({"a": [0.0, 1.0, -2.0], "b": [0.0, 2.0, 1.0]})
    model = LogisticRegression().fit(frame, [0, 1, 0])
    model.coef_, model.intercept_ = np.array([[3.0, -4.0]]), np.array([1.0])
    free = {"least": -100.0, "most": 100.0, "scale": 1.0}
    rules = Rules(version=1, columns={"a": free, "b": free})
    labels = model.predict(frame)

    _, _, found = attacked(model, labels, rules, norm, frame=frame, n=3)

    lead = np.abs(frame.to_numpy() @ [3.0, -4.0] + 1.0)
    expected = {"linf": lead / 7, "l2": lead / 5, "l1": lead / 4, "l0": np.ones(3)}[norm]
    np.testing.assert_allclose(found.lower, expected, rtol=1e-6)
    np.testing.assert_allclose(found.upper, expected, rtol=1e-4)


def test_a_row_with_another_label_is_no_distance_away():
    model = pipeline()
    labels = (model.predict(FRAME) + 1) % 3

    _, _, found = attacked(model, labels, Rules(version=1), "l2")

    assert (found.lower == 0).all()
    assert (found.upper == 0).all()
    pd.testing.assert_frame_equal(found.witness, FRAME.iloc[:20])


def test_missing_and_infinite_numbers_prove_nothing_false():
    frame = FRAME[["size", "count"]].astype(float)
    model = LogisticRegression().fit(frame, TWO)
    odd = frame.iloc[:10].copy()
    odd.iloc[0, 0], odd.iloc[1, 0] = np.inf, -np.inf
    labels = structure_of(model).labels(odd)

    _, _, found = attacked(model, labels, Rules(version=1), "linf", frame=odd, n=10)

    assert not (found.lower[:2] > 0).any() or np.isinf(found.upper[:2]).all()
