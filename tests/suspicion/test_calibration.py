import numpy as np
import pytest

from modelwarden.suspicion.calibration import (
    IMAGINED,
    excess,
    false_discoveries_at_most,
    p_values,
)

ONE_FOLD = np.zeros(4, dtype=int)
FOUR = np.array([0.3, 0.1, 0.4, 0.2])


# p-values ----------------------------------------------------------------------------------------


def test_without_trusted_rows_nothing_is_unusual():
    assert p_values(np.array([[9.0]]), np.empty(0), np.empty(0, dtype=int)).tolist() == [1]


@pytest.mark.parametrize(
    ("score", "p_value"), [(0.0, 1), (0.1, 1), (0.25, 3 / 5), (0.4, 2 / 5), (0.41, 1 / 5)]
)
def test_a_p_value_is_the_share_of_trusted_rows_that_score_at_least_as_high(score, p_value):
    assert p_values(np.array([[score]]), FOUR, ONE_FOLD).tolist() == [p_value]


def test_each_fold_is_compared_with_the_score_that_was_made_beside_it():
    scores = np.array([[0.0, 0.35], [0.15, 1.0]])  # two rows, by fold

    p_value = p_values(scores, FOUR, np.array([0, 0, 1, 1]))

    # fold 0 holds 0.3 and 0.1, fold 1 holds 0.4 and 0.2
    assert p_value.tolist() == [(1 + 2 + 2) / 5, (1 + 0 + 0) / 5]


def simulated(generator, m=60, n=100, folds=5):
    """Return scores of clean submitted and of trusted rows: exchangeable within each fold."""
    fold = np.arange(m) % folds
    level, noise = generator.normal(size=(folds, 1)), generator.normal(size=(folds, n + m))
    scores = np.round(0.3 * level + generator.normal(size=n + m) + 0.5 * noise, 1)  # with ties
    return scores[:, :n], scores[fold, n + np.arange(m)], fold


@pytest.mark.parametrize("folds", [1, 5])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_at_most_a_share_of_alpha_is_rejected_over_200_simulated_sets(alpha, folds):
    generator = np.random.default_rng(0)

    rejected = [(p_values(*simulated(generator, folds=folds)) <= alpha).mean() for _ in range(200)]

    assert np.mean(rejected) <= alpha + 0.01
    assert np.mean(rejected) >= alpha / 2  # p-values of one would keep the promise, too


# excess ------------------------------------------------------------------------------------------


def test_equal_scores_prove_nothing():
    submitted, trusted = excess(np.zeros((5, 30)), np.zeros(10))

    assert submitted.shape == (5, 30)
    np.testing.assert_allclose(submitted, 0, atol=1e-9)
    np.testing.assert_allclose(trusted, np.zeros(10), atol=1e-9)


def test_equal_samples_have_hardly_any_excess():
    generator = np.random.default_rng(0)
    found = [excess(generator.normal(size=(5, 400)), generator.normal(size=200)) for _ in range(20)]

    for parts in zip(*found, strict=True):
        assert np.mean(parts) < 0.08
        assert np.mean([part > 0.5 for part in parts]) < 0.02


def test_a_planted_density_ratio_is_found_though_some_trusted_rows_are_imagined_on_top():
    submitted, trusted = excess(
        np.repeat([0.0, 1.0], [600, 400]), np.repeat([0.0, 1.0], [900, 100])
    )

    top = 1 - (100 + IMAGINED) / (1000 + IMAGINED) / (400 / 1000)  # 1 - 1/r
    np.testing.assert_allclose(submitted, np.repeat([0, top], [600, 400]))
    np.testing.assert_allclose(trusted, np.repeat([0, top], [900, 100]))


def test_a_planted_share_of_news_is_found_in_continuous_scores():
    generator = np.random.default_rng(0)
    scores = np.concatenate([generator.random(3000), 0.8 + 0.2 * generator.random(3000)])

    submitted, _ = excess(scores, generator.random(2000))

    # above 0.8 they are (0.2 / 2 + 1 / 2) / 0.2 = 3 times as dense
    assert submitted[scores > 0.8].mean() == pytest.approx(2 / 3, abs=0.05)
    assert submitted[scores < 0.8].mean() < 0.02


@pytest.mark.parametrize(
    ("beyond", "probability"),
    [(10, 0), (400, 1 - IMAGINED / (100 + IMAGINED) / (400 / 1000))],
)
def test_a_handful_of_rows_beyond_all_trusted_ones_proves_nothing_but_many_do(beyond, probability):
    submitted, _ = excess(np.repeat([0.0, 9.0], [1000 - beyond, beyond]), np.zeros(100))

    np.testing.assert_allclose(submitted[-beyond:], probability, atol=1e-9)


def test_trusted_rows_may_be_the_highest():
    submitted, trusted = excess(np.zeros(10), np.array([0.0] * 5 + [7.0] * 5))

    assert trusted[-1] == 0
    assert submitted.max() < 0.6


def test_a_higher_score_is_never_less_suspect():
    generator = np.random.default_rng(1)
    scores = np.sort(generator.normal(0.5, 1.5, 500))

    submitted, _ = excess(scores, generator.normal(size=100))

    assert (np.diff(submitted) >= 0).all()
    assert 0 <= submitted.min() <= submitted.max() <= 1


# false discoveries -------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [[], [np.nan, np.nan], [0.2, 1.0]])
def test_nothing_is_selected_without_evidence(p):
    selected = false_discoveries_at_most(np.array(p), 0.1)

    assert selected.tolist() == [False] * len(p)


def test_the_example_of_benjamini_and_hochberg_selects_four_of_fifteen():
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    p += [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]

    selected = false_discoveries_at_most(np.array(p[::-1]), 0.05)

    assert selected.tolist() == [False] * 11 + [True] * 4


def test_a_large_p_value_carries_smaller_ones_that_are_above_their_own_line():
    assert false_discoveries_at_most(np.array([0.045, 0.04, 0.9]), 0.075).tolist() == [1, 1, 0]


def test_a_p_value_on_the_line_is_selected():
    assert false_discoveries_at_most(np.array([0.125, 0.5]), 0.25).tolist() == [True, False]


def test_the_share_of_false_discoveries_is_held_over_200_simulated_sets():
    generator = np.random.default_rng(0)
    shares, found = [], []
    for _ in range(200):
        p = generator.random(100)
        p[:20] *= 1e-3
        selected = false_discoveries_at_most(p, 0.2)
        shares.append(selected[20:].sum() / max(selected.sum(), 1))
        found.append(selected[:20].mean())

    # exact in expectation: 0.2 times the share of true nulls
    assert np.mean(shares) == pytest.approx(0.2 * 0.8, abs=3 * np.std(shares) / np.sqrt(200))
    assert np.mean(found) > 0.99
