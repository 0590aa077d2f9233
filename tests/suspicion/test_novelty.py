"""Each call of `novelty` costs half a second: there are few, on planted data."""

import numpy as np

from modelwarden.suspicion.forecasts import deal
from modelwarden.suspicion.novelty import novelty

N, M = 300, 120
ALL_DIFFERENT = np.arange(N + M, dtype=np.int32)[:, None]


def plant(seed=0, columns=4):
    """Return features and labels of exchangeable rows, trusted ones last."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(N + M, columns))
    return x, (x[:, 0] + generator.normal(size=N + M) > 0).astype(int), generator


def told(x, y, codes=ALL_DIFFERENT, seed=0, twins=None):
    return novelty(x[:N], y[:N], codes[:N], x[N:], y[N:], codes[N:], twins=twins, seed=seed)


def as_codes(x):
    """Return cells as codes of equal values."""
    codes = [np.unique(column, return_inverse=True)[1] for column in x.T]
    return np.column_stack(codes).astype(np.int32)


def area(scores, found):
    """Return how often a row scores higher than a trusted one."""
    return (scores.ravel()[:, None] > found.trusted).mean()


def share_beyond(found, rows):
    """Return how many rows score higher than 95 % of the trusted ones."""
    return (found.submitted[:, rows].mean(axis=0) > np.quantile(found.trusted, 0.95)).mean()


def test_exchangeable_rows_cannot_be_told_apart():
    areas = []
    for seed in range(2):
        x, y, _ = plant(seed)
        found = told(x, y, seed=seed)
        areas.append(area(found.submitted, found))

        assert found.submitted.shape == (5, N)
        np.testing.assert_array_equal(found.folds, deal(y[N:], seed))

    assert abs(np.mean(areas) - 0.5) < 0.06


def test_rows_with_a_value_that_trusted_rows_never_have_are_told_though_it_is_in_range():
    x, y, _ = plant()
    x[:20, 2] = 0.123

    found = told(x, y, as_codes(x))

    assert share_beyond(found, slice(0, 20)) > 0.9
    assert share_beyond(found, slice(20, N)) < 0.15


def test_usual_values_that_do_not_occur_together_are_told():
    x, y, generator = plant()
    x[:, 1] = x[:, 0] + 0.1 * generator.normal(size=N + M)
    x[:60, :2] = [1.0, -1.0] + 0.1 * generator.normal(size=(60, 2))

    assert share_beyond(told(x, y), slice(0, 60)) > 0.9


def test_usual_values_under_an_unusual_label_are_told():
    x, _, generator = plant()
    y = (x[:, 0] > 0).astype(int)
    x[:60, 0] = 1.5 + 0.1 * generator.normal(size=60)
    y[:60] = 0

    assert share_beyond(told(x, y), slice(0, 60)) > 0.9


def test_a_new_text_that_is_repeated_is_told_though_no_feature_shows_it():
    x, y, _ = plant()
    codes = ALL_DIFFERENT.copy()
    codes[:20] = 0

    found = told(x, y, codes)

    assert share_beyond(found, slice(0, 20)) > 0.9
    assert share_beyond(found, slice(20, N)) < 0.15


def test_rows_are_not_told_by_their_own_copies():
    x, y, _ = plant(columns=2)
    for first in range(0, 60, 10):
        x[first : first + 10], y[first : first + 10] = x[first], y[first]
    twins = np.arange(N + M)
    twins[:60] -= twins[:60] % 10

    naive, wary = told(x, y), told(x, y, twins=twins)

    assert area(naive.submitted[:, :60], naive) > 0.8
    assert area(wary.submitted[:, :60], wary) < 0.7


def test_one_row_far_outside_the_range_of_trusted_ones_is_told_among_many_columns():
    x, y, _ = plant(columns=30)
    strange = np.arange(30)
    x[strange, strange] = 12.0  # each in another column: a tree cannot find what they share

    found = told(x, y)

    assert share_beyond(found, strange) > 0.9


def test_the_extremes_of_trusted_rows_are_not_held_against_clean_submitted_ones():
    x, y, _ = plant(columns=30)

    found = told(x, y)
    extreme = np.abs(x[:N]).max(axis=1) > np.quantile(np.abs(x).max(axis=1), 0.9)

    assert abs(area(found.submitted, found) - 0.5) < 0.1
    assert share_beyond(found, extreme) < 0.35


def test_a_trusted_row_is_scored_while_it_plays_a_submitted_one():
    x, y, _ = plant()
    strange = np.r_[0:20, N : N + 20]
    x[strange, 2] = 0.123  # as many trusted rows have it: nothing to tell

    found = told(x, y, as_codes(x))

    assert found.trusted.shape == (M,)
    assert found.trusted[:20].mean() < 0.6
    assert found.submitted[:, :20].mean() < 0.6


def test_trusted_rows_that_were_drawn_from_the_submitted_ones_are_no_news():
    x, y, _ = plant()
    x[N:], y[N:] = x[:M], y[:M]  # people reviewed some of the submitted rows
    twins = np.arange(N + M)
    twins[N:] = np.arange(M)

    found = told(x, y, as_codes(x), twins=twins)

    assert abs(area(found.submitted, found) - 0.5) < 0.1
    assert share_beyond(found, slice(M, N)) < 0.15


def test_few_submitted_rows_beside_many_trusted_ones_are_judged_too():
    x, y, _ = plant()
    x[:20, 2] = 9.0
    few = slice(0, 60)

    found = novelty(x[few], y[few], ALL_DIFFERENT[few], x[60:], y[60:], ALL_DIFFERENT[60:], seed=0)

    assert found.submitted[:, :20].min() > found.submitted[:, 20:].mean()
