import itertools
import math

import numpy as np
import pytest

from modelwarden.impact import neighbours
from modelwarden.impact.neighbours import knn_shapley


def worth(rows, x, y, trusted_x, trusted_y, k):
    """Return what a k-nearest-neighbour vote of some rows gets right, by definition."""
    rows, right = np.array(rows, dtype=int), 0.0
    for centre, label in zip(trusted_x, trusted_y, strict=True):
        same = y[rows] == label
        order = np.lexsort([same, np.square(x[rows] - centre).sum(axis=1)])
        right += same[order[:k]].sum() / k
    return right / len(trusted_y)


def shapley(x, y, trusted_x, trusted_y, k):
    """Return Shapley values by their definition, over all subsets."""
    n = len(y)
    values = np.zeros(n)
    for row in range(n):
        others = [other for other in range(n) if other != row]
        for size in range(n):
            chance = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
            for rows in itertools.combinations(others, size):
                rest = worth(rows, x, y, trusted_x, trusted_y, k)
                values[row] += chance * (worth([*rows, row], x, y, trusted_x, trusted_y, k) - rest)
    return values


@pytest.mark.parametrize(("n", "k"), [(1, 1), (1, 3), (3, 5), (6, 1), (7, 2), (7, 7)])
@pytest.mark.parametrize("grid", [False, True])
def test_values_are_those_of_the_definition(n, k, grid):
    generator = np.random.default_rng(n)
    x, trusted_x = generator.normal(size=(n, 2)), generator.normal(size=(4, 2))
    if grid:  # many rows at equal distances, some of them equal
        x, trusted_x = np.round(x), np.round(trusted_x)
    y, trusted_y = generator.integers(0, 3, n), generator.integers(0, 3, 4)

    values = knn_shapley(x, y, trusted_x, trusted_y, k=k)

    np.testing.assert_allclose(values, shapley(x, y, trusted_x, trusted_y, k), atol=1e-12)


def test_three_rows_on_a_line_have_the_values_that_paper_and_pencil_give():
    # farthest: wrong, 0; then right, 0 + 1/2; nearest wrong, 1/2 - 1/1
    values = knn_shapley(
        np.array([[3.0], [1.0], [2.0]]), np.array([1, 1, 0]), np.zeros((1, 1)), np.array([0]), k=1
    )

    np.testing.assert_allclose(values, [0, -1 / 2, 1 / 2], atol=1e-15)


def cloud(n=600):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(n, 3))
    return x, (x[:, 0] > 0).astype(int)


def test_flipped_rows_have_the_lowest_values():
    x, y = cloud()
    flipped = np.arange(500) < 50
    values = knn_shapley(x[:500], np.where(flipped, 1 - y[:500], y[:500]), x[500:], y[500:])

    assert values[flipped].mean() < 0 < values[~flipped].mean()
    assert flipped[np.argsort(values)[:50]].mean() > 0.7


def test_blocks_of_any_size_give_the_same_values(monkeypatch):
    x, y = cloud()
    at_once = knn_shapley(x[:500], y[:500], x[500:], y[500:])
    monkeypatch.setattr(neighbours, "_CELLS", 1)  # one trusted row at a time

    by_row = knn_shapley(x[:500], y[:500], x[500:], y[500:])

    np.testing.assert_allclose(by_row, at_once, atol=1e-15)


def test_the_order_of_rows_changes_no_rows_value_even_among_duplicates():
    x, y = cloud()
    x = np.round(x)
    y[:40] = 1 - y[:40]
    order = np.random.default_rng(1).permutation(500)

    shuffled = knn_shapley(x[order], y[order], x[500:], y[500:])

    np.testing.assert_allclose(
        shuffled, knn_shapley(x[:500], y[:500], x[500:], y[500:])[order], atol=1e-15
    )


def test_rows_far_away_do_not_blur_the_order_of_near_ones():
    x, y = np.array([[0.0], [1.0], [1e9]]), np.array([0, 1, 1])

    values = knn_shapley(x, y, np.array([[0.0]]), np.array([0]), k=1)

    np.testing.assert_allclose(values, [1, 0, 0], atol=1e-15)


def test_distances_that_rounding_made_negative_are_none():
    order = neighbours._nearest(np.array([[1.0, -1e-17, -2e-17]]), np.array([[True, True, False]]))

    assert order.tolist() == [[2, 1, 0]]  # two at no distance, the other label first
