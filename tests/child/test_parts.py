"""Numbers in a model that compiled code would follow to any address."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import Bunch

from malicious import joblib_bytes
from modelwarden.child.formats import examine

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
X[:, 0] = RNG.integers(5, size=90)
Y = (X[:, 0] + X[:, 1] > 2).astype(int)
FAR = 2**30


def tree(index=0, **fields):
    """Return a tree with a node of our choice."""
    model = DecisionTreeClassifier(random_state=0).fit(X, Y)
    rewrite(model, index, **fields)
    return model


def rewrite(model, index, **fields):
    state = model.tree_.__getstate__()
    for name, value in fields.items():
        state["nodes"][name][index] = value
    model.tree_.__setstate__(state)


def forest(change, kind=RandomForestClassifier):
    model = kind(3, random_state=0).fit(X, Y)
    change(model)
    return model


def boosted(change):
    model = GradientBoostingClassifier(n_estimators=2).fit(X, Y)
    change(model)
    return model


def histogram(change):
    model = HistGradientBoostingClassifier(
        categorical_features=[0], max_iter=2, min_samples_leaf=5
    ).fit(X, Y)
    change(model, model._predictors[0][0])
    return model


def neighbours(change, algorithm="kd_tree"):
    model = KNeighborsClassifier(algorithm=algorithm, leaf_size=5).fit(X, Y)
    state = list(model._tree.__getstate__())
    change(state)
    model._tree.__setstate__(tuple(state))
    return model


def into(place, index, value, name=None):
    """Return a change of one cell of an array in a state."""

    def change(state):
        if value is None:
            state[place] = state[place][:10] if index is None else state[place][index].copy()
            return
        if index is None:
            state[place] = value
            return
        state[place] = state[place].copy()
        array = state[place][name] if name else state[place]
        array[index] = value

    return change


def wide_member(model):
    model.estimators_[1] = DecisionTreeClassifier().fit(np.c_[X, X], Y)


def other_member(model):
    looks = vars_of(LogisticRegression().fit(X, Y), tree_=tree().tree_)
    model.estimators_.append(looks)


def unfitted_member(model):
    model.estimators_.append(vars_of(DecisionTreeClassifier(), n_features_in_=4))


def no_tree(model):
    np.ravel(model.estimators_)[0].tree_ = LogisticRegression()


def node(name, value):
    def change(_model, predictor):
        inner = predictor.nodes["is_leaf"] == 0
        predictor.nodes[name][np.flatnonzero(inner)[0]] = value

    return change


def categorical(name, value):
    def change(_model, predictor):
        predictor.nodes[name][predictor.nodes["is_categorical"] == 1] = value

    return change


def fewer_features(model, _predictor=None):
    model.n_features_in_ = 1


def matrix():
    model = LogisticRegression().fit(X, Y).sparsify()
    model.coef_ = sparse.csr_matrix(np.eye(4))
    model.coef_.indices[0] = FAR
    return model


UNSOUND = {
    "a left child far away": lambda: tree(left_child=FAR),
    "a right child far away": lambda: tree(right_child=FAR),
    "a negative child": lambda: tree(left_child=-2),
    "only one child": lambda: tree(right_child=-1),
    "a child that is its parent": lambda: tree(left_child=0),
    "a child before its parent": lambda: tree(index=1, left_child=1, right_child=1),
    "a feature far away": lambda: tree(feature=FAR),
    "a negative feature": lambda: tree(feature=-1),
    "a feature too many": lambda: tree(feature=4),
    "a tree of a smaller table": lambda: vars_of(tree(), n_features_in_=3),
    "a tree that is none": lambda: vars_of(tree(), tree_=X),
    "a tree that only looks like one": lambda: vars_of(tree(), tree_=Bunch(n_features=4)),
    "a member that only looks like a tree": lambda: forest(other_member),
    "a member that is not fitted": lambda: forest(unfitted_member),
    "a member for a wider table": lambda: forest(wide_member),
    "a member for a wider table, extra trees": lambda: forest(wide_member, ExtraTreesClassifier),
    "a member that is no tree": lambda: forest(
        lambda m: m.estimators_.append(LogisticRegression())
    ),
    "a member whose tree is none": lambda: forest(no_tree),
    "a forest of a smaller table": lambda: forest(fewer_features),
    "a boosted tree that is none": lambda: boosted(no_tree),
    "a boosted child far away": lambda: boosted(
        lambda m: rewrite(m.estimators_[1, 0], 0, left_child=FAR)
    ),
    "boosting of a smaller table": lambda: boosted(fewer_features),
    "a histogram child far away": lambda: histogram(node("left", FAR)),
    "a histogram child before its parent": lambda: histogram(node("right", 0)),
    "a histogram feature far away": lambda: histogram(node("feature_idx", FAR)),
    "a set far away": lambda: histogram(categorical("bitset_idx", FAR)),
    "histograms of a smaller table": lambda: histogram(fewer_features),
    "a point far away": lambda: neighbours(into(1, 0, FAR)),
    "a negative point": lambda: neighbours(into(1, 0, -1), "ball_tree"),
    "a range far away": lambda: neighbours(into(2, 0, FAR, "idx_end")),
    "a range that begins before": lambda: neighbours(into(2, 0, -9, "idx_start")),
    "a range that ends before it begins": lambda: neighbours(into(2, -1, 0, "idx_end")),
    "fewer points than it says": lambda: neighbours(into(1, None, None)),
    "bounds of fewer columns": lambda: neighbours(into(3, (..., slice(0, 2)), None)),
    "bounds of fewer nodes": lambda: neighbours(into(3, (slice(None), slice(0, 3)), None)),
    "more levels than nodes": lambda: neighbours(into(5, None, 9)),
    "a leaf that is none": lambda: neighbours(into(2, -1, 0, "is_leaf"), "ball_tree"),
    "a sparse matrix": matrix,
}


def vars_of(model, **changed):
    vars(model).update(changed)
    return model


@pytest.mark.parametrize("name", UNSOUND)
def test_refuses(name):
    facts, model = examine(joblib_bytes(UNSOUND[name]()))

    assert model is None
    assert facts["why"].startswith("a file that asks for what is not on the allow-list: state of ")


def nothing(*_):
    return None


SOUND = {
    "tree": tree,
    "pruned": lambda: DecisionTreeClassifier(ccp_alpha=0.02).fit(X, Y),
    "best first": lambda: DecisionTreeClassifier(max_leaf_nodes=6).fit(X, Y),
    "leaf": lambda: DecisionTreeClassifier().fit(X, np.zeros(90)),
    "forest": lambda: forest(nothing),
    "boosted": lambda: boosted(nothing),
    "histograms": lambda: histogram(nothing),
    "neighbours": lambda: neighbours(nothing),
    "ball": lambda: neighbours(nothing, "ball_tree"),
    "sparse": lambda: LogisticRegression().fit(X, Y).sparsify(),
}


@pytest.mark.parametrize("name", SOUND)
def test_accepts_what_scikit_learn_made(name):
    model = SOUND[name]()

    _, copy = examine(joblib_bytes(model))

    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
