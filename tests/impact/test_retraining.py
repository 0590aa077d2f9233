import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from modelwarden.errors import InputError
from modelwarden.impact.retraining import TrustedWorth, data_banzhaf, retrain
from modelwarden.impact.subsets import Trials, sample


def cloud(n=60, m=60, classes=2):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(n + m, 2))
    y = np.digitize(x[:, 0], [0.0] if classes == 2 else [-0.5, 0.5])
    return x[:n], y[:n], x[n:], y[n:]


class Broken(ClassifierMixin, BaseEstimator):
    """Fails in the way that it is told."""

    def __init__(self, fault="raise"):
        self.fault = fault

    def fit(self, x, y):
        if self.fault == "raise":
            return 1 // 0
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, x):
        return np.full((len(x), len(self.classes_)), math.nan)


def test_leaving_out_is_training_again_without_the_row():
    x, y, trusted_x, trusted_y = cloud(20)

    impact = retrain(LogisticRegression(), x, y, trusted_x, trusted_y)

    def loss(kept):
        forecast = LogisticRegression().fit(x[kept], y[kept]).predict_proba(trusted_x)
        return -np.log(forecast[np.arange(60), trusted_y]).mean()

    everyone = np.arange(20)
    expected = [loss(everyone != row) - loss(everyone >= 0) for row in everyone]
    np.testing.assert_allclose(impact, expected, rtol=0, atol=1e-8)


def test_a_row_that_decides_a_neighbour_has_the_accuracy_that_it_wins():
    # three trusted rows beside each submitted one; without it they go to the other class
    x, y = np.array([[0.0], [1.0]]), np.array(["ham", "spam"])
    trusted = np.array([[0.0], [0.1], [0.9]]), np.array(["ham", "ham", "spam"])

    impact = retrain(KNeighborsClassifier(1), x, y, *trusted, metric="accuracy")

    np.testing.assert_allclose(impact, [2 / 3, 1 / 3])


def test_a_pipeline_takes_categories_and_weights():
    frame = pd.DataFrame({"animal": pd.Categorical(["cat", "dog"] * 20), "size": 1.0})
    y = np.array(["meow", "woof"] * 20)
    y[0] = "woof"
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["animal"]), remainder="passthrough"),
        LogisticRegression(),
    )
    weight = np.ones(40)
    weight[2] = 0

    impact = retrain(model, frame, y, frame[1:], y[1:], sample_weight=weight)

    assert impact.argmin() == 0
    assert impact[0] < 0
    assert impact[2] == pytest.approx(0, abs=1e-6)
    assert (impact[3:] > 0).all()


def test_weights_reach_an_estimator_that_is_no_pipeline():
    x, y, *trusted = cloud()
    worth = [
        TrustedWorth(LogisticRegression(), x, y, *trusted, sample_weight=weight)(y >= 0)
        for weight in (np.ones(60), np.where(y == 0, 5.0, 1.0))
    ]

    assert worth[0] != worth[1]


def test_random_subsets_find_what_leaving_out_finds():
    x, y, *trusted = cloud(40, classes=3)
    wrong = np.arange(40) < 5
    y = np.where(wrong, (y + 1) % 3, y)

    banzhaf = data_banzhaf(LogisticRegression(), x, y, *trusted, trials=600)
    literal = retrain(LogisticRegression(), x, y, *trusted)

    assert spearmanr(banzhaf, literal).statistic > 0.6
    assert banzhaf[wrong].mean() < 0 < banzhaf[~wrong].mean()


def test_trials_that_are_gone_on_with_give_what_one_run_gives():
    rows = cloud()
    worth = TrustedWorth(LogisticRegression(), *rows, seed=3)
    state = sample(worth, Trials(60, 0.5, 3), 7)

    resumed = sample(worth, Trials(60, 0.5, 3, state.worth), 13)

    assert np.array_equal(
        resumed.values(), data_banzhaf(LogisticRegression(), *rows, trials=20, seed=3)
    )


def test_an_estimator_without_a_random_state_gets_the_seed():
    rows = cloud(30)
    forests = [
        retrain(make_pipeline(RandomForestClassifier(5)), *rows, seed=seed) for seed in (1, 1, 2)
    ]

    assert np.array_equal(forests[0], forests[1])
    assert not np.array_equal(forests[0], forests[2])


def test_a_random_state_that_is_set_is_left_alone():
    rows = cloud(20)
    model = RandomForestClassifier(5, random_state=0)

    assert np.array_equal(retrain(model, *rows, seed=1), retrain(model, *rows, seed=2))
    assert model.random_state == 0


@pytest.mark.parametrize(("metric", "worth"), [("accuracy", 0.25), ("loss", 0.75 * math.log(1e-6))])
def test_rows_of_one_class_forecast_that_class(metric, worth):
    x, y = np.zeros((4, 1)), np.array([0, 0, 1, 1])
    trusted = np.zeros((4, 1)), np.array([1, 1, 1, 0])

    found = TrustedWorth(Broken(), x, y, *trusted, metric=metric)(y == 0)

    assert found == pytest.approx(worth)


@pytest.mark.parametrize(("metric", "worth"), [("accuracy", 1 / 3), ("loss", math.log(1 / 3))])
def test_no_rows_forecast_every_class_alike(metric, worth):
    y = np.array([0, 1, 2])

    found = TrustedWorth(Broken(), np.zeros((3, 1)), y, np.zeros((3, 1)), y, metric=metric)(y > 9)

    assert found == pytest.approx(worth)


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_a_class_that_the_subset_lacks_is_simply_not_forecast(metric):
    x, y, trusted_x, trusted_y = cloud(classes=3)
    worth = TrustedWorth(KNeighborsClassifier(3), x, y, trusted_x, trusted_y, metric=metric)

    without = worth(y != 1)

    known = trusted_y != 1
    only_known = TrustedWorth(
        KNeighborsClassifier(3), x, y, trusted_x[known], trusted_y[known], metric=metric
    )(y != 1)
    lost = 0 if metric == "accuracy" else math.log(1e-6)
    assert without == pytest.approx(known.mean() * only_known + (1 - known.mean()) * lost)


def test_constant_forecasts_have_no_impact_on_accuracy():
    impact = retrain(DummyClassifier(strategy="constant", constant=1), *cloud(), metric="accuracy")

    assert not impact.any()


def test_an_estimator_that_raises_is_one_clear_error():
    with pytest.raises(InputError, match=r"Broken: expected an estimator that fits .* got ZeroDiv"):
        retrain(Broken(), *cloud(6))


def test_an_estimator_that_raises_in_another_process_is_the_same_error():
    needs_more_rows = KNeighborsClassifier(50)

    with pytest.raises(InputError, match=r"KNeighborsClassifier: expected .* got ValueError for"):
        data_banzhaf(needs_more_rows, *cloud(), trials=4, jobs=2)


def test_processes_change_nothing():
    one, two = (data_banzhaf(KNeighborsClassifier(3), *cloud(), trials=6, jobs=n) for n in (1, 2))

    assert np.array_equal(one, two)


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (Broken("nan"), "Broken: expected finite probabilities"),
        (LinearSVC(), "LinearSVC: expected an estimator that fits and predicts probabilities"),
        (LinearRegression(), "LinearRegression: expected a classifier, got a regressor"),
    ],
)
def test_an_estimator_without_probabilities_is_refused(estimator, words):
    with pytest.raises(InputError, match=words):
        retrain(estimator, *cloud(6))


def test_labels_alone_do_for_accuracy():
    assert np.isfinite(retrain(LinearSVC(), *cloud(10), metric="accuracy")).all()


def test_an_unknown_metric_is_refused():
    with pytest.raises(InputError, match="metric: expected loss or accuracy, got 'f1'"):
        TrustedWorth(LogisticRegression(), *cloud(), metric="f1")
