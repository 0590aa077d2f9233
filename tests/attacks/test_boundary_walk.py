import numpy as np
import pytest

from boxes import Plane, around, victim_of
from modelwarden.attacks.boundary_walk import MOST_PARTICLES, PROPOSALS, Walk, boundary_walk
from modelwarden.attacks.engine import shrink

CORNER = np.array([0.5, 0.3])


def in_the_corner(values):
    """Two stumps: class 1 where both columns are beyond their thresholds."""
    return (values[:, :2] > CORNER).all(axis=1).astype(int)


def nearest_found(labels, box, truth, *, queries=1200, pool=None, **options):
    if pool is None:
        pool = np.random.default_rng(9).uniform(-5, 5, (60, box.origin.shape[1]))
    attack = boundary_walk(box, truth, pool, labels(pool), queries=queries, **options)
    return shrink(
        {"walk": attack},
        victim_of(labels, truth),
        box.origin,
        np.arange(len(box.origin)),
        budget=queries,
        allowed=box.contains,
        distance=box.distance,
    )


@pytest.mark.parametrize(
    ("norm", "exact", "excess"),
    [
        ("linf", 0.5, 1.02),
        ("l2", np.hypot(0.5, 0.3), 1.02),
        ("l1", 0.8, 1.02),
        ("l0", 2, 1),
    ],
)
def test_the_nearest_corner_of_a_tree_is_found_in_every_norm(norm, exact, excess):
    box = around(np.zeros((1, 8)), norm=norm)

    found = nearest_found(in_the_corner, box, np.array([0]))

    assert found.broken[0]
    assert exact * (1 - 1e-9) <= found.least[0] <= exact * excess


def test_where_one_column_is_enough_one_is_changed():
    labels = lambda v: (v > 1).any(axis=1).astype(int)  # noqa: E731
    pool = np.full((3, 20), 5.0)

    found = nearest_found(labels, around(np.zeros((1, 20)), norm="l0"), np.array([0]), pool=pool)

    assert found.least[0] == 1


def test_of_two_ways_out_that_start_from_different_rows_the_nearer_is_found():
    labels = lambda v: ((v[:, 0] > 4) | (v[:, 1] > 1)).astype(int)  # noqa: E731
    pool = np.array([[4.1, 0.0], [0, 4.3]])  # the nearer start is the worse one

    found = nearest_found(
        labels, around([[0.0, 0]], norm="l1"), np.array([0]), pool=pool, particles=2
    )

    assert found.least[0] == pytest.approx(1, rel=0.02)


def test_distance_is_measured_in_units_of_each_column():
    labels = lambda v: (v[:, :2].sum(axis=1) > 1).astype(int)  # noqa: E731
    box = around(np.zeros((1, 4)), norm="l1", unit=[0.1, 1, 1, 1])

    found = nearest_found(labels, box, np.array([0]))

    assert found.least[0] == pytest.approx(1, rel=0.1)
    assert found.values[0, 1] > 0.5


def test_a_plane_is_found_about_where_it_is():
    random = np.random.default_rng(3)
    plane = Plane(random.normal(size=5), 0.2)
    x = random.uniform(-1, 1, (20, 5))
    exact = np.abs(plane.margin(x)) / np.linalg.norm(plane.weights)

    found = nearest_found(plane.labels, around(x, norm="l2"), plane.labels(x))

    assert (found.least >= exact * (1 - 1e-9)).all()
    assert np.median(found.least / exact) <= 1.1


@pytest.mark.parametrize(
    ("queries", "particles"), [(1, 1), (1000, 1), (3000, 5), (10**6, MOST_PARTICLES)]
)
def test_more_queries_pay_for_more_particles(queries, particles):
    x = np.zeros((1, 2))

    attack = boundary_walk(around(x), np.array([0]), x, np.array([0]), queries=queries)

    assert attack.width == particles * PROPOSALS


@pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
def test_what_is_brought_nearer_is_within_the_distance_that_is_wanted(norm):
    x = np.zeros((3, 6))
    box = around(x, norm=norm, unit=[2, 1, 1, 1, 1, 1])
    walk = Walk(box, np.arange(3), particles=1, n_movable=6, seed=0)
    cube = np.random.default_rng(0).normal(size=(3, 50, 6))
    wanted = np.random.default_rng(1).uniform(0.2, 5, (3, 50))

    nearer = walk.nearer(np.arange(3), cube, wanted)

    lengths = box.distance(np.arange(3), nearer)
    assert (lengths <= wanted * (1 + 1e-9)).all()
    assert (np.abs(nearer) <= np.abs(cube)).all()


def test_categories_are_not_brought_nearer():
    box = around(np.zeros((1, 2)), norm="l2", codes=[4, 0])
    walk = Walk(box, np.arange(1), particles=1, n_movable=2, seed=0)

    nearer = walk.nearer(np.arange(1), np.array([[[3.0, 1.0]]]), np.array([[0.5]]))

    assert nearer.tolist() == [[[3, 0.5]]]


def test_columns_that_moved_far_are_put_back_more_often_than_others():
    box = around(np.zeros((1, 5)), norm="l2")
    walk = Walk(box, np.arange(1), particles=1, n_movable=5, seed=0)
    point = np.array([[[8.0, 1, 0, 1, np.nan]]])

    back = walk.back(np.arange(1), point, np.array([[8.0]]), 400)[0, 0]

    moved = back != np.nan_to_num(point[0, 0], nan=-1)
    assert np.isnan(back[:, 4]).all()
    assert (moved[:, :4].sum(axis=1) == 1).all()
    assert moved[:, :4].mean(axis=0) == pytest.approx([0.8, 0.1, 0, 0.1], abs=0.05)
    assert 0.3 < (back[moved[:, 0], 0] == 0).mean() < 0.5
