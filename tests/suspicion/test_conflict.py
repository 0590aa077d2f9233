import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from modelwarden.suspicion.conflict import trusted_forecasts
from modelwarden.suspicion.forecasts import deal, own


def blobs(n, seed, gap=2.0):
    """Return rows of two round clusters on a line."""
    y = np.arange(n) % 2
    x = np.random.default_rng(seed).normal(size=(n, 3))
    x[:, 0] += gap * y
    return x, y


def log_loss(forecast, y):
    return -np.log(np.maximum(own(forecast.trusted, y), 1e-3)).mean()


def test_a_class_of_two_trusted_rows_is_handled_without_warnings():
    x, y = blobs(60, seed=4, gap=6)
    y[:2] = 2
    x[:2] = -20

    for forecast in trusted_forecasts(x[:5], x, y):
        for part in (forecast.submitted, forecast.trusted):
            assert part.shape[1] == 3
            np.testing.assert_allclose(part.sum(axis=1), 1)


def test_more_features_than_rows_do_no_harm():
    x, y = make_classification(60, 200, n_informative=5, random_state=0)

    for forecast in trusted_forecasts(x[:30], x[30:], y[30:]):
        assert np.isfinite(forecast.submitted).all()


def test_labels_far_inside_a_cluster_are_forecast_surely():
    x, y = blobs(40, seed=1, gap=8)

    for forecast in trusted_forecasts(x, *blobs(60, seed=0, gap=8)):
        assert own(forecast.submitted, y).min() > 0.6


def test_submitted_rows_do_not_move_the_forecast_of_each_other():
    x, _ = blobs(40, seed=1)
    trusted = blobs(60, seed=0)

    for alone, together in zip(
        trusted_forecasts(x[:1], *trusted), trusted_forecasts(x, *trusted), strict=True
    ):
        np.testing.assert_allclose(alone.submitted, together.submitted[:1])
        np.testing.assert_array_equal(alone.trusted, together.trusted)


def test_trusted_rows_are_judged_by_folds_that_do_not_know_them():
    x, y = blobs(200, seed=3, gap=8)
    y[:10] = 1 - y[:10]  # a forest that knew these rows would forecast their labels

    for forecast in trusted_forecasts(x[:1], x, y):
        assert own(forecast.trusted, y)[:10].max() < 0.5


def test_the_regression_learns_from_all_trusted_rows_or_from_four_folds():
    (x, _), (trusted_x, y) = blobs(30, seed=1), blobs(60, seed=0)
    folds = deal(y, 5)

    _, linear = trusted_forecasts(x, trusted_x, y, seed=5)

    def fitted(rows):
        return LogisticRegression(max_iter=1000).fit(trusted_x[rows], y[rows])

    np.testing.assert_allclose(linear.submitted, fitted(folds >= 0).predict_proba(x))
    for fold in range(5):
        apart = fitted(folds != fold).predict_proba(trusted_x[folds == fold])
        np.testing.assert_allclose(linear.trusted[folds == fold], apart)


@pytest.mark.parametrize("interaction", [True, False])
def test_forest_and_regression_are_blind_to_different_things(interaction):
    x = np.random.default_rng(0).normal(size=(300, 8))
    y = ((x[:, 0] * x[:, 1] if interaction else x.sum(axis=1)) > 0).astype(int)

    forest, linear = trusted_forecasts(x[:1], x, y)

    assert bool(log_loss(forest, y) < log_loss(linear, y)) is interaction


def test_the_same_seed_gives_the_same_answer_and_another_one_a_different_answer():
    (x, _), trusted = blobs(60, seed=1), blobs(60, seed=0)
    one, same, other = (
        trusted_forecasts(x, *trusted, trees=10, seed=seed)[0].submitted for seed in (7, 7, 8)
    )

    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
