import numpy as np
import pytest

from modelwarden.suspicion.bagging import out_of_bag

LINE = np.arange(20, dtype=np.float32)[:, None]


def bootstrap(n):
    return lambda generator: generator.integers(0, n, n)


def always(rows):
    return lambda generator: np.asarray(rows)


def test_a_row_that_every_tree_saw_gets_equal_probabilities():
    y = np.arange(20) % 4

    forecast = out_of_bag(LINE, y, always(range(20)), n_classes=4, trees=3, seed=0)

    np.testing.assert_array_equal(forecast, np.full((20, 4), 0.25))


def test_what_only_a_rows_own_trees_know_is_never_used_to_judge_it():
    y = np.zeros(20, dtype=int)
    y[7] = 1

    forecast = out_of_bag(LINE, y, bootstrap(20), n_classes=2, trees=60, seed=0)

    assert forecast[7].tolist() == [1, 0]  # trees that did not see it know one class
    assert 0 < forecast[8, 1] < 1  # for its neighbour some trees do


def test_copies_of_a_row_do_not_vouch_for_each_other():
    y = np.zeros(20, dtype=int)
    y[[7, 12]] = 1
    line = LINE.copy()
    line[12] = line[7]
    twins = np.arange(20)
    twins[12] = 7

    naive, wary = (
        out_of_bag(line, y, bootstrap(20), n_classes=2, trees=60, seed=0, twins=kin)
        for kin in (None, twins)
    )

    assert naive[[7, 12], 1].min() > 0.5
    assert wary[[7, 12]].tolist() == [[1, 0], [1, 0]]


def test_only_rows_out_of_the_sample_are_judged():
    y = (np.arange(20) >= 10).astype(int)

    forecast = out_of_bag(LINE, y, always([0, 9, 10, 19]), n_classes=2, trees=5, seed=0)

    assert np.flatnonzero((forecast == 0.5).all(axis=1)).tolist() == [0, 9, 10, 19]
    assert forecast[2].tolist() == [1, 0]
    assert forecast[17].tolist() == [0, 1]


def test_classes_that_a_sample_lacks_have_no_probability_in_it():
    y = np.repeat([0, 2, 1, 2], 5)

    forecast = out_of_bag(LINE, y, always(range(5, 10)), n_classes=3, trees=2, seed=0)

    np.testing.assert_array_equal(forecast[:5], np.tile([0, 0, 1], (5, 1)))


def test_probabilities_sum_to_one_however_often_a_row_was_drawn():
    forecast = out_of_bag(LINE, np.arange(20) % 3, bootstrap(20), n_classes=3, trees=9, seed=1)

    np.testing.assert_allclose(forecast.sum(axis=1), 1)


@pytest.mark.parametrize(("class_weight", "share"), [(None, 0.1), ("balanced", 0.5)])
def test_a_leaf_holds_the_classes_as_they_weigh(class_weight, share):
    y = np.zeros(20, dtype=int)
    y[4] = 1

    forecast = out_of_bag(
        LINE,
        y,
        always(range(10)),
        n_classes=2,
        trees=2,
        seed=0,
        min_samples_leaf=6,  # of 10 rows: one leaf
        class_weight=class_weight,
    )

    np.testing.assert_allclose(forecast[10:, 1], share)


@pytest.mark.parametrize(("max_features", "noise_used"), [("sqrt", True), (None, False)])
def test_trees_look_at_some_or_at_all_features(max_features, noise_used):
    generator = np.random.default_rng(0)
    y = np.arange(400) % 2
    rows = generator.normal(size=(400, 16)).astype(np.float32)
    rows[:, 0] = y  # one column separates the classes

    forecast = out_of_bag(
        rows, y, always(range(200)), n_classes=2, trees=10, seed=0, max_features=max_features
    )[200:]

    assert bool(((forecast > 0) & (forecast < 1)).any()) is noise_used


def test_the_same_seed_gives_the_same_answer_and_another_one_a_different_answer():
    y = np.random.default_rng(0).integers(0, 2, 20)
    one, same, other = (
        out_of_bag(LINE, y, bootstrap(20), n_classes=2, trees=5, seed=seed) for seed in (1, 1, 2)
    )

    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
