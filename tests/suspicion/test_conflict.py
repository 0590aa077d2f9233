import numpy as np
import pytest
from sklearn.datasets import make_classification

from modelwarden.suspicion.conflict import Suspicion, label_conflict


def blobs(n, seed, gap=2.0, classes=2):
    """Return rows of round clusters on a line, a fair share of them in the overlap."""
    generator = np.random.default_rng(seed)
    y = np.arange(n) % classes
    x = generator.normal(size=(n, 3))
    x[:, 0] += gap * y
    return x, y


def test_nothing_is_rejected_when_only_one_of_the_two_signs_is_there():
    contradicted, p_value = np.array([True, True, False]), np.array([0.05, 0.06, 0.01])

    assert Suspicion(contradicted, p_value).rejected(0.05).tolist() == [True, False, False]


def test_a_missing_p_value_never_rejects():
    assert not Suspicion(np.array([True]), np.array([np.nan])).rejected(0.05).any()


def test_a_flipped_label_far_inside_the_other_class_gets_the_smallest_p_value():
    trusted = blobs(60, seed=0, gap=8)
    x, y = np.array([[8.0, 0, 0], [8.0, 0, 0]]), np.array([0, 1])

    submitted = label_conflict(x, y, *trusted).submitted

    assert submitted.contradicted.tolist() == [True, False]
    assert submitted.p_value[0] == 1 / 61
    assert submitted.p_value[1] > 0.05


def test_a_label_in_the_overlap_of_classes_is_not_contradicted():
    trusted = blobs(200, seed=0)
    x = np.array([[0.9, 0, 0], [1.1, 0, 0]])

    for labels in ([0, 1], [1, 0]):
        assert not label_conflict(x, np.array(labels), *trusted).submitted.contradicted.any()


def test_p_values_are_the_share_of_trusted_rows_that_fit_no_better():
    trusted = blobs(50, seed=1)

    p_value = label_conflict(*blobs(300, seed=2), *trusted).submitted.p_value

    ranks = p_value * 51
    np.testing.assert_allclose(ranks, ranks.round(), atol=1e-9)
    assert p_value.min() >= 1 / 51
    assert p_value.max() <= 1


def test_a_trusted_row_is_ranked_among_all_trusted_rows_itself_included():
    x, y = blobs(50, seed=1)

    p_value = label_conflict(x, y, x, y).trusted.p_value

    assert p_value.min() == 1 / 50
    assert p_value.max() == 1


def test_clean_rows_have_uniform_or_larger_p_values_over_200_simulated_sets():
    alpha, clean, rejected = 0.1, [], []
    for seed in range(200):
        x, y = blobs(80, seed, gap=1.5)
        found = label_conflict(x[:40], y[:40], x[40:], y[40:], trees=10, seed=seed).submitted
        clean.append((found.p_value <= alpha).mean())
        rejected.append(found.rejected(alpha).mean())

    for shares in (clean, rejected):
        assert np.mean(shares) <= alpha + 3 * np.std(shares, ddof=1) / np.sqrt(len(shares))
    assert np.mean(clean) >= alpha / 2  # an all-ones p-value would keep the promise, too


def test_trusted_rows_are_judged_by_folds_that_do_not_know_them():
    x, y = blobs(200, seed=3, gap=8)
    y[:10] = 1 - y[:10]  # a forest that knew these rows would forecast their labels

    found = label_conflict(x, y, x, y)

    assert found.trusted.rejected(0.1)[:10].mean() >= 0.5
    assert not found.trusted.rejected(0.1)[10:].any()


@pytest.mark.parametrize(("interaction", "share"), [(True, (0.6, 1.0)), (False, (0.0, 0.4))])
def test_the_model_that_forecasts_trusted_rows_better_gets_the_weight(interaction, share):
    x = np.random.default_rng(0).normal(size=(300, 8))
    signal = x[:, 0] * x[:, 1] if interaction else x.sum(axis=1)
    y = (signal > 0).astype(int)

    weight = label_conflict(x[:5], y[:5], x, y).forest_weight

    assert share[0] <= weight <= share[1]


def test_a_class_of_two_trusted_rows_is_handled_without_warnings():
    x, y = blobs(60, seed=4, gap=6)
    y[:2] = 2
    x[:2] = -20

    found = label_conflict(x[:2], np.array([0, 2]), x, y)

    assert np.isfinite(found.trusted.p_value).all()
    assert not found.submitted.rejected(0.05)[1]


def test_more_features_than_rows_do_no_harm():
    x, y = make_classification(60, 200, n_informative=5, random_state=0)

    found = label_conflict(x[:30], y[:30], x[30:], y[30:])

    assert found.submitted.rejected(0.05).mean() <= 0.1


def test_the_same_seed_gives_the_same_answer_and_another_one_a_different_answer():
    x = np.random.default_rng(0).normal(size=(200, 4))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)  # a task for the forest, which is random
    one, same, other = (
        label_conflict(x[:50], y[:50], x[50:], y[50:], seed=seed).submitted.p_value
        for seed in (7, 7, 8)
    )

    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
