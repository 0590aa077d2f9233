import math

import numpy as np
import pytest

from modelwarden.impact.confirmation import Effect, confirm, linear_forecast


def line(n):
    """Return rows that their sign puts into class 0 or 1."""
    x = np.linspace(-3, 3, n)[:, None]
    return x, (x[:, 0] > 0).astype(np.intp)


TRUSTED_X, TRUSTED_Y = line(60)


def of(x, y):
    """Return what retrains a logistic regression."""
    return lambda kept: linear_forecast(x[kept], y[kept], TRUSTED_X)


# linear forecasts --------------------------------------------------------------------------------


def test_rows_of_one_class_forecast_it():
    x, _ = line(10)

    assert linear_forecast(x, np.full(10, 2), x[:3]).tolist() == [2, 2, 2]


def test_rows_without_a_feature_forecast_the_class_of_most_weight():
    nothing, y = np.empty((5, 0)), np.array([0, 0, 0, 1, 1])

    assert linear_forecast(nothing, y, nothing[:2]).tolist() == [0, 0]
    assert linear_forecast(nothing, y, nothing[:2], np.array([1, 1, 1, 9, 9.0])).tolist() == [1, 1]


def test_rows_without_weight_are_no_class_and_raise_nothing():
    x, y = line(10)

    assert linear_forecast(x, y, x[:2], y * 1.0).tolist() == [1, 1]
    assert len(linear_forecast(x, y, x[:2], np.zeros(10))) == 2


def test_weights_move_the_boundary():
    x = np.array([[-1.0], [-1.0], [1.0], [1.0]])
    y, probe = np.array([0, 1, 0, 1]), np.array([[-1.0], [1.0]])

    assert linear_forecast(x, y, probe, np.array([9.0, 1, 1, 9])).tolist() == [0, 1]
    assert linear_forecast(x, y, probe, np.array([1.0, 9, 9, 1])).tolist() == [1, 0]


# confirmation ------------------------------------------------------------------------------------


def test_without_flipped_rows_the_model_is_better_and_without_random_ones_it_is_not():
    x, y = line(100)
    flipped = (y == 0) & (np.arange(100) % 3 > 0)

    effect = confirm(of(x, np.where(flipped, 1, y)), TRUSTED_Y, flipped)

    assert effect.after >= 0.9
    assert effect.before < 0.8
    assert effect.random < 0.8
    assert effect.change == pytest.approx(effect.after - effect.before)
    assert not effect.harmful


def test_rejecting_the_rows_that_teach_a_class_is_harmful():
    x, y = line(100)

    effect = confirm(of(x, y), TRUSTED_Y, y == 1)

    assert effect.after == 0.5  # what is left is of one class
    assert effect.harmful


def test_rejecting_nothing_changes_nothing_is_not_harmful_and_costs_one_model():
    asked = []

    def retrain(kept):
        asked.append(kept)
        return TRUSTED_Y

    effect = confirm(retrain, TRUSTED_Y, np.zeros(40, dtype=bool))

    assert effect.before == effect.after == effect.random == 1
    assert effect.change == effect.standard_error == 0
    assert not effect.harmful
    assert len(asked) == 1


def test_rejecting_everything_leaves_no_accuracy_and_counts_as_harmful():
    x, y = line(40)

    effect = confirm(of(x, y), TRUSTED_Y, np.ones(40, dtype=bool))

    assert math.isfinite(effect.before)
    assert math.isnan(effect.after)
    assert math.isnan(effect.random)
    assert effect.harmful


@pytest.mark.parametrize(
    ("change", "harmful"), [(-0.021, True), (-0.019, False), (0.5, False), (math.nan, True)]
)
def test_a_loss_is_harmful_beyond_two_standard_errors(change, harmful):
    assert Effect(0.9, 0.9 + change, 0.9, change, standard_error=0.01).harmful is harmful


def test_the_standard_error_is_that_of_paired_differences():
    x, y = line(100)

    effect = confirm(of(x, y), TRUSTED_Y, y == 1)

    # 30 of 60 rows lose, none wins: the variance of one difference is 1/4
    assert effect.standard_error == pytest.approx(math.sqrt(0.25 / 59))


def test_models_are_asked_for_all_rows_the_kept_ones_and_random_ones_of_their_number():
    asked = []

    def retrain(kept):
        asked.append(kept)
        return np.zeros_like(TRUSTED_Y)

    rejected = np.arange(40) < 6
    confirm(retrain, TRUSTED_Y, rejected)

    assert asked[0].all()
    np.testing.assert_array_equal(asked[1], ~rejected)
    assert [kept.sum() for kept in asked[2:]] == [34] * 5
    assert len({kept.tobytes() for kept in asked}) == 7


def test_random_rows_follow_the_seed():
    def removed(seed):
        asked = []
        confirm(
            lambda kept: asked.append(kept) or TRUSTED_Y, TRUSTED_Y, np.arange(40) < 20, seed=seed
        )
        return asked[2].tolist()

    assert removed(1) == removed(1)
    assert removed(1) != removed(2)
