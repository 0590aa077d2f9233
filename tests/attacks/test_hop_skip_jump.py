import numpy as np
import pytest

from boxes import Plane, around, bounded, held, victim_of
from modelwarden.attacks.engine import shrink
from modelwarden.attacks.hop_skip_jump import hop_skip_jump


def nearest_found(labels, box, truth, *, queries=2500, pool=None, **options):
    """Attack all rows; the pool are random rows unless it is given."""
    if pool is None:
        pool = np.random.default_rng(9).uniform(-5, 5, (60, box.origin.shape[1]))
    attack = hop_skip_jump(box, truth, pool, labels(pool), queries=queries, **options)
    return shrink(
        {"jump": attack},
        victim_of(labels, truth),
        box.origin,
        np.arange(len(box.origin)),
        budget=queries,
        allowed=box.contains,
        distance=box.distance,
    )


def rows_beside_a_plane(n_rows=20, n_columns=6):
    random = np.random.default_rng(3)
    plane = Plane(random.normal(size=n_columns), 0.2)
    return plane, random.uniform(-1, 1, (n_rows, n_columns))


@pytest.mark.parametrize(("norm", "dual", "excess"), [("l2", 2, 1.005), ("linf", 1, 1.01)])
def test_the_distance_to_a_plane_is_the_closed_form(norm, dual, excess):
    plane, x = rows_beside_a_plane()
    exact = np.abs(plane.margin(x)) / np.linalg.norm(plane.weights, ord=dual)

    found = nearest_found(plane.labels, around(x, norm=norm), plane.labels(x))

    assert found.broken.all()
    assert (found.least >= exact * (1 - 1e-9)).all()
    assert np.median(found.least / exact) <= excess
    assert (found.least / exact).max() <= 1.2


def test_distance_is_measured_in_units_of_each_column():
    plane, x = rows_beside_a_plane()
    unit = np.array([10, 1, 1, 1, 1, 0.1])
    exact = np.abs(plane.margin(x)) / np.linalg.norm(plane.weights * unit)

    found = nearest_found(plane.labels, around(x, norm="l2", unit=unit), plane.labels(x))

    assert (found.least >= exact * (1 - 1e-9)).all()
    assert np.median(found.least / exact) <= 1.02


def test_columns_that_nobody_can_change_are_walked_around():
    plane, x = rows_beside_a_plane()
    steepest = int(np.abs(plane.weights).argmax())
    others = np.delete(plane.weights, steepest)
    exact = np.abs(plane.margin(x)) / np.linalg.norm(others)

    found = nearest_found(plane.labels, held(around(x, norm="l2"), [steepest]), plane.labels(x))

    np.testing.assert_array_equal(found.values[:, steepest], x[:, steepest])
    assert (found.least >= exact * (1 - 1e-9)).all()
    assert np.median(found.least / exact) <= 1.02


def test_a_bound_that_is_in_the_way_is_walked_along():
    plane = Plane([3, 1], -2)  # without the bound the way would lead to (0.6, 0.2)
    box = bounded(around([[0.0, 0]], norm="l2"), -10, [0.5, 10])

    found = nearest_found(plane.labels, box, np.array([0]))

    assert found.least[0] == pytest.approx(np.hypot(0.5, 0.5), rel=0.02)


def test_of_three_classes_the_nearest_boundary_is_found():
    centres = np.array([[0.0, 0], [2, 0], [0, -6]])
    labels = lambda v: ((v[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)  # noqa: E731

    found = nearest_found(labels, around([[0.0, 0]], norm="l2"), np.array([0]))

    assert found.least[0] == pytest.approx(1, rel=0.01)


def test_integers_move_by_whole_steps():
    plane = Plane([2, 1], -4.7)
    box = around([[0.0, 0]], norm="l2", step=1)

    found = nearest_found(plane.labels, box, np.array([0]))

    assert found.broken[0]
    assert (found.values == np.rint(found.values)).all()
    assert found.least[0] == pytest.approx(np.hypot(2, 1))


def test_categories_stay_as_they_are_in_the_start_all_the_way():
    labels = lambda v: ((v[:, 0] == 2) & (v[:, 1] > 1)).astype(int)  # noqa: E731
    box = around([[0.0, 0]], norm="l2", codes=[3, 0])

    found = nearest_found(labels, box, np.array([0]), pool=np.array([[2.0, 5]]), queries=29)

    assert found.values[0, 0] == 2
    assert 1 < found.values[0, 1] <= 1 + 5 / 4096


def test_steps_that_are_wider_than_the_slope_is_probed_do_not_hide_it():
    labels = lambda v: (v[:, 0] > 0.5).astype(int)  # noqa: E731
    box = around(np.zeros((1, 8)), norm="l2", step=1)

    found = nearest_found(labels, box, np.array([0]), pool=np.full((1, 8), 9.0))

    assert found.least[0] < 2  # 1 is the least; straight from the start it is 2.8


def test_budgets_decide_how_many_rounds_there_are():
    plane, x = rows_beside_a_plane()
    box, truth = around(x, norm="l2"), plane.labels(x)

    lengths = [nearest_found(plane.labels, box, truth, queries=q).least.mean() for q in (300, 6000)]

    assert lengths[1] < lengths[0]


def test_a_bisection_is_exact_to_a_small_part_of_its_way():
    labels = lambda v: (v[:, 0] > 1).astype(int)  # noqa: E731

    found = nearest_found(
        labels, around([[0.0]], norm="l2"), np.array([0]), pool=np.full((1, 1), 5.0), queries=29
    )

    assert 1 < found.least[0] <= 1 + 5 / 4096
