"""Membership: figures that are known beforehand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from attacked import InProcess, fitted, opened
from modelwarden.checks import membership as module
from modelwarden.checks.membership import membership
from modelwarden.errors import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("membership")


@pytest.fixture(scope="module")
def halves():
    """Rows whose labels are noise in part, so that a model can only learn them by heart."""
    random = np.random.default_rng(0)
    x = random.normal(size=(1000, 5))
    y = (x[:, 0] + random.normal(size=1000) > 0).astype(int)
    frame = pd.DataFrame(x, columns=list("abcde")).assign(target=y)
    return frame.iloc[:500], frame.iloc[500:]


def ask(model, halves, folder, **options):
    train, evaluation = (opened(half, folder) for half in halves)
    return membership(InProcess(model), train, evaluation, target="target", **options)


def test_a_tree_that_learnt_by_heart_gives_its_rows_away(halves, folder):
    model = fitted(DecisionTreeClassifier(random_state=0), halves[0])
    metrics = ask(model, halves, folder).report.metrics
    right = (model.predict(halves[1].drop(columns="target")) == halves[1]["target"]).mean()

    assert metrics["auc"] == pytest.approx(0.5 + (1 - right) / 2, abs=1e-12)
    assert metrics["accuracy_gap"] == pytest.approx(1 - right)


def test_a_neighbour_that_weighs_by_distance_is_found_without_false_alarms(folder):
    random = np.random.default_rng(1)
    frame = pd.DataFrame(random.normal(size=(400, 3)), columns=list("abc"))
    frame = frame.assign(target=random.integers(2, size=400))
    halves = frame.iloc[:200], frame.iloc[200:]
    model = fitted(KNeighborsClassifier(15, weights="distance"), halves[0])
    metrics = ask(model, halves, folder).report.metrics

    assert metrics["tpr_at_1_fpr"] == 1
    assert metrics["auc"] == 1


def test_a_model_that_generalises_gives_nothing_away(halves, folder):
    model = fitted(LogisticRegression(C=0.01), halves[0])
    metrics = ask(model, halves, folder).report.metrics

    assert metrics["auc"] == pytest.approx(0.5, abs=0.04)
    assert metrics["auc_high"] > 0.5
    assert metrics["tpr_at_1_fpr"] < 0.04


def test_a_model_that_gives_labels_only_is_attacked_by_its_errors(halves, folder):
    report = ask(fitted(LinearSVC(), halves[0]), halves, folder).report

    assert report.metrics["auc"] == pytest.approx(0.5 + report.metrics["accuracy_gap"] / 2)
    assert any("labels only" in note for note in report.notes)


def test_auc_and_its_error_are_delongs():
    random = np.random.default_rng(0)
    estimates = []
    for _ in range(300):
        members, others = random.normal(-0.5, 1, 150), random.normal(0, 1, 120)
        estimates.append(module._auc(members, others))
    truth = np.r_[np.ones(150), np.zeros(120)]
    aucs, errors = np.array(estimates).T

    assert aucs[-1] == pytest.approx(roc_auc_score(truth, -np.r_[members, others]))
    assert errors.mean() == pytest.approx(aucs.std(), rel=0.15)
    assert aucs.mean() == pytest.approx(norm.cdf(0.5 / 2**0.5), abs=0.01)


def test_ties_with_others_are_no_find():
    others = np.zeros(200)

    assert module._found(np.zeros(200), others) == 0
    assert module._found(np.full(200, -1.0), others) == 200


def test_one_per_cent_of_the_others_may_be_accused():
    others = np.arange(300.0)

    assert module._found(np.array([2.5, 3.5]), others) == 1


@pytest.mark.parametrize(
    ("cut", "options", "message"),
    [
        (99, {}, "expected 100 rows or more, got 99"),
        (200, {"rows": 99}, "rows: expected 100 or more, got 99"),
    ],
)
def test_refuses_fewer_rows_than_one_per_cent_is_of(halves, folder, cut, options, message):
    model = fitted(LogisticRegression(), halves[0])

    with pytest.raises(InputError, match=message):
        ask(model, (halves[0], halves[1].iloc[:cut]), folder, **options)


def test_refuses_labels_that_the_model_does_not_know(halves, folder):
    model = fitted(LogisticRegression(), halves[0])
    strange = halves[1].replace({"target": {1: 7}})

    with pytest.raises(InputError, match="labels that the model knows: 0, 1, got 7"):
        ask(model, (halves[0], strange), folder)


def test_the_draw_is_seeded_and_of_equal_size(halves, folder):
    model = fitted(DecisionTreeClassifier(max_depth=4, random_state=0), halves[0])
    first, again, other = (
        ask(model, (halves[0], halves[1].iloc[:300]), folder, rows=200, seed=seed).report.metrics
        for seed in (0, 0, 1)
    )

    assert first == again != other
    assert first["rows"] == 200
