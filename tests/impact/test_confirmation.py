import math

import numpy as np
import pytest

from modelwarden.impact.confirmation import Effect, confirm


def line(n):
    """Return rows that their sign puts into class 0 or 1."""
    x = np.linspace(-3, 3, n)[:, None]
    return x, (x[:, 0] > 0).astype(np.intp)


def test_without_flipped_rows_the_model_is_better_and_without_random_ones_it_is_not():
    x, y = line(100)
    flipped = (y == 0) & (np.arange(100) % 3 > 0)
    effect = confirm(x, np.where(flipped, 1, y), *line(60), flipped)

    assert effect.after >= 0.9
    assert effect.before < 0.8
    assert effect.random < 0.8
    assert effect.change == pytest.approx(effect.after - effect.before)
    assert not effect.harmful


def test_rejecting_the_rows_that_teach_a_class_is_harmful():
    x, y = line(100)

    effect = confirm(x, y, *line(60), y == 1)

    assert effect.after == 0.5  # what is left is of one class
    assert effect.harmful


def test_rejecting_nothing_changes_nothing_and_is_not_harmful():
    x, y = line(40)

    effect = confirm(x, y, *line(60), np.zeros(40, dtype=bool))

    assert effect.before == effect.after == effect.random
    assert effect.change == effect.standard_error == 0
    assert not effect.harmful


def test_rejecting_everything_leaves_no_accuracy_and_counts_as_harmful():
    x, y = line(40)

    effect = confirm(x, y, *line(60), np.ones(40, dtype=bool))

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
    trusted_x, trusted_y = line(60)

    effect = confirm(x, y, trusted_x, trusted_y, y == 1)

    # 30 of 60 rows lose, none wins: the variance of one difference is 1/4
    assert effect.standard_error == pytest.approx(math.sqrt(0.25 / 59))


def test_random_rows_follow_the_seed():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(40, 5)), generator.integers(0, 2, 40)
    rejected = np.arange(40) < 20
    draws = {confirm(x, y, x, y, rejected, seed=seed).random for seed in (1, 1, 2, 3)}

    assert 1 < len(draws) <= 3
