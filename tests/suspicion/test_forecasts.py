import numpy as np
import pytest

from modelwarden.suspicion.forecasts import FOLDS, Forecast, deal, own, pool

NOTHING = np.empty((0, 2))
NO_LABELS = np.empty(0, dtype=int)


def two(p):
    """Return the probabilities of both classes from those of class 1."""
    return np.column_stack([1 - np.asarray(p), p])


def drawn(n, seed=0):
    """Return true probabilities of class 1 and labels that follow them."""
    generator = np.random.default_rng(seed)
    p = generator.random(n)
    return p, (generator.random(n) < p).astype(int)


# pool --------------------------------------------------------------------------------------------


def test_without_trusted_rows_forecasts_weigh_the_same():
    parts = [Forecast(two([p]), NOTHING) for p in (0.2, 0.9)]

    pooled = pool(parts, NO_LABELS)

    odds = np.sqrt(0.2 / 0.8 * 0.9 / 0.1)
    np.testing.assert_allclose(pooled.submitted, two([odds / (1 + odds)]))
    assert pooled.trusted.shape == (0, 2)


def test_a_forecast_that_is_certain_and_wrong_does_no_harm():
    certain = two([0.0, 1.0, 0.5])

    pooled = pool([Forecast(certain, certain)], np.array([1, 0, 0]))

    assert np.isfinite(pooled.submitted).all()
    assert (pooled.submitted > 0).all()


def test_certainty_counts_as_one_in_a_thousand():
    pooled = pool([Forecast(two([0.0]), NOTHING)], NO_LABELS)

    np.testing.assert_allclose(pooled.submitted, [[1 / 1.001, 0.001 / 1.001]])


def test_probabilities_sum_to_one():
    generator = np.random.default_rng(0)
    parts = [Forecast(generator.dirichlet([1] * 4, 9), generator.dirichlet([1] * 4, 7))] * 3

    pooled = pool(parts, np.arange(7) % 4)

    for part in (pooled.submitted, pooled.trusted):
        np.testing.assert_allclose(part.sum(axis=1), 1)


def test_a_forecast_that_is_not_sure_enough_is_sharpened_until_it_is_calibrated():
    p, y = drawn(4000)
    odds = (p / (1 - p)) ** (1 / 3)
    timid = two(odds / (1 + odds))

    pooled = pool([Forecast(timid, timid)], y)

    np.testing.assert_allclose(pooled.submitted, two(p), atol=0.03)


def test_noise_gets_no_weight_beside_a_calibrated_forecast():
    p, y = drawn(4000)
    noise = two(np.random.default_rng(1).random(4000))

    pooled = pool([Forecast(two(p), two(p)), Forecast(noise, noise)], y)

    np.testing.assert_allclose(pooled.trusted, two(p), atol=0.05)


def test_a_forecast_that_is_worse_than_none_says_nothing_rather_than_the_contrary():
    wrong = two(np.full(500, 0.8))

    pooled = pool([Forecast(wrong, wrong)], np.zeros(500, dtype=int))

    np.testing.assert_allclose(pooled.submitted, 0.5, atol=1e-6)


def test_no_weight_is_larger_than_five():
    right = two(np.full(1000, 0.6))

    pooled = pool([Forecast(right, right)], np.ones(1000, dtype=int))

    np.testing.assert_allclose(pooled.submitted[:, 1], 0.6**5 / (0.6**5 + 0.4**5), atol=1e-4)


def test_two_trusted_rows_hardly_move_the_weight_from_one():
    right = two([0.6, 0.6])

    pooled = pool([Forecast(right, right)], np.array([1, 1]))

    # weight a solves a - 1 = 2 log(1.5) (1 - p) with p = 1 / (1 + 1.5 ** -a)
    a = np.log(pooled.submitted[0, 1] / pooled.submitted[0, 0]) / np.log(1.5)
    assert a - 1 == pytest.approx(2 * np.log(1.5) / (1 + 1.5**a), abs=1e-4)
    assert a == pytest.approx(1.30, abs=0.01)


def test_a_row_is_judged_by_the_forecast_for_its_own_label():
    assert own(np.array([[0.2, 0.8], [0.7, 0.3]]), np.array([1, 0])).tolist() == [0.8, 0.7]


# folds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 20, 23])
def test_folds_are_even(n):
    sizes = np.bincount(deal(np.zeros(n, dtype=int), 0), minlength=FOLDS)

    assert len(sizes) == FOLDS
    assert sizes.sum() == n
    assert sizes.max() - sizes.min() <= 1


def test_a_class_is_spread_evenly_and_one_of_two_rows_is_in_every_training_part():
    y = np.repeat([0, 1, 2], [40, 13, 2])
    for seed in range(20):
        folds = deal(y, seed)

        for label in range(3):
            sizes = np.bincount(folds[y == label], minlength=FOLDS)
            assert sizes.max() - sizes.min() <= 1


def test_folds_are_shuffled_by_the_seed():
    y = np.zeros(50, dtype=int)
    one, same, other = (deal(y, seed) for seed in (1, 1, 2))

    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert (one != np.arange(50) % FOLDS).any()
