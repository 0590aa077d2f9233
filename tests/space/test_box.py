"""Where rows may move: distances, what is inside, and how points are brought inside."""

from dataclasses import replace

import numpy as np
import pytest

from modelwarden.space.box import Box
from modelwarden.space.points import Candidates
from modelwarden.space.relation import Relation

NAN = np.nan


def box(origin, low, high, **more):
    """Return the box of one row of numbers with unit 1, unless more is said."""
    n_columns = len(origin)
    usual = {
        "step": np.zeros(n_columns),
        "unit": np.ones(n_columns),
        "codes": np.zeros(n_columns, int),
        "group": np.arange(n_columns),
    }
    arrays = {key: np.array(value) for key, value in more.items() if key in usual}
    sides = (np.array([side], float) for side in (origin, low, high))
    return Box(*sides, **{**usual, **more, **arrays})


def wide(n_columns=3, **more):
    return box([0] * n_columns, [-10] * n_columns, [10] * n_columns, **more)


def contains(within, *points):
    rows = np.zeros(len(points), int)
    return within.contains(Candidates(rows, np.array(points, float))).tolist()


def fit(within, *points):
    return within.fit(np.array([0]), np.array([points], float))[0].tolist()


def distance(within, *points):
    return within.distance(np.array([0]), np.array([points], float))[0].tolist()


def relation(*weights, constant=0.0, **more):
    return Relation(np.array(weights, float), constant, **more)


# Distance


@pytest.mark.parametrize(("norm", "length"), [("linf", 4), ("l2", 5), ("l1", 7), ("l0", 2)])
def test_the_norm_joins_the_distances_of_columns(norm, length):
    assert distance(wide(norm=norm), [3, 0, -4]) == [length]


def test_each_column_is_measured_in_its_unit():
    told = wide(norm="l1", unit=[0.5, 1, np.inf])

    assert distance(told, [1, 1, 9]) == [3]


def test_another_category_is_one_unit_whichever_it_is():
    told = box([0, 0], [0, 0], [5, 5], norm="l1", codes=[6, 6], unit=[0.25, np.inf])

    assert distance(told, [1, 1], [5, 5], [0, 3]) == [4, 4, 0]


def test_missing_cells_are_no_distance_unless_they_were_not_missing():
    told = box([0, NAN], [-1, NAN], [1, NAN], norm="l0")

    assert distance(told, [0, NAN], [NAN, NAN], [0, 3]) == [0, 1, 1]
    assert distance(replace(told, norm="linf"), [0.5, NAN]) == [0.5]


def test_columns_of_a_group_count_once():
    told = wide(4, norm="l0", group=[0, 1, 0, 1])

    assert distance(told, [1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]) == [1, 2, 0]


# Which cells and points are inside

MIXED = box([1, 5, NAN], [0.5, 4, NAN], [2, 7, NAN], step=[0, 1, 0])


@pytest.mark.parametrize(
    ("values", "contained"),
    [
        ([1, 5, NAN], True),
        ([0.5, 4, NAN], True),
        ([2, 7, NAN], True),
        ([0.49, 5, NAN], False),
        ([2.01, 5, NAN], False),
        ([1, 4.5, NAN], False),
        ([1, 8, NAN], False),
        ([1, 5, 0], False),
        ([NAN, 5, NAN], False),
        ([np.inf, 5, NAN], False),
        ([1, -np.inf, NAN], False),
    ],
)
def test_a_box_contains_what_is_within_its_bounds_and_keeps_missing_cells(values, contained):
    assert contains(MIXED, values) == [contained]


def test_steps_start_at_the_row_and_forgive_rounding_only():
    stepped = box([0.3], [-1], [2], step=[0.1])

    assert contains(stepped, [0.3 + 3 * 0.1], [0.1], [0.35], [0.4 + 1e-7]) == [
        True, True, False, False
    ]  # fmt: skip


@pytest.mark.parametrize(("kind", "forgives"), [(None, False), (np.float32, True)])
def test_narrow_floats_are_forgiven_their_own_rounding(kind, forgives):
    narrow = {np.dtype(kind): np.array([0])} if kind else {}
    stepped = box([0], [0], [10], step=[0.1], narrow=narrow)

    assert contains(stepped, [float(np.float32(0.7))]) == [forgives]


@pytest.mark.parametrize(
    ("code", "allowed"),
    [(0, True), (2, True), (3, False), (4, True), (5, False), (1.5, False), (-1, False)],
)
def test_a_category_may_become_an_allowed_one_or_stay(code, allowed):
    assert contains(box([4], [0], [4], codes=[3]), [code]) == [allowed]


@pytest.mark.parametrize(
    ("norm", "at", "beyond"),
    [
        ("linf", [5, 5, -5], [5.001, 0, 0]),
        ("l2", [3, 0, -4], [3, 0.1, -4]),
        ("l1", [3, 1, -1], [3, 1, -1.001]),
        ("l0", [9, 9, 9], None),
    ],
)
def test_what_is_farther_than_the_radius_is_outside(norm, at, beyond):
    told = wide(norm=norm, radius=5)

    assert contains(told, at) == [True]
    assert beyond is None or contains(told, beyond) == [False]


def test_the_radius_of_l0_is_a_number_of_columns():
    assert contains(wide(norm="l0", radius=1), [9, 0, 0], [9, 1, 0]) == [True, False]
    assert contains(wide(norm="l0", radius=1.9), [9, 1, 0]) == [False]
    assert wide(norm="l0", radius=1.9).fewest == 1


def test_a_radius_of_nothing_keeps_the_row():
    for norm in ("linf", "l2", "l1", "l0"):
        assert contains(wide(norm=norm, radius=0), [0, 0, 0], [0, 0.1, 0]) == [True, False]


def test_no_more_columns_change_than_may():
    told = wide(4, most=1, group=[0, 0, 1, 2])

    assert contains(told, [1, 1, 0, 0], [1, 0, 1, 0]) == [True, False]
    assert replace(told, norm="l0", radius=3).fewest == 1
    assert replace(told, norm="l0", radius=0).fewest == 0
    assert replace(told, most=None).fewest is None


def test_a_relation_holds_where_it_held():
    told = wide(2, relations=(relation(1, -1),))
    never = box([1, 0], [-9, -9], [9, 9], relations=(relation(1, -1),))

    assert contains(told, [1, 2], [2, 1]) == [True, False]
    assert contains(never, [2, 1], [1, 2]) == [True, True]


TWO = Box(
    origin=np.array([[0.0], [10]]),
    low=np.array([[0.0], [9]]),
    high=np.array([[1.0], [20]]),
    step=np.zeros(1),
    unit=np.ones(1),
    codes=np.zeros(1, int),
    group=np.arange(1),
)


def test_some_rows_can_be_taken():
    taken = TWO.take(np.array([1]))

    assert (taken.origin.tolist(), taken.low.tolist(), taken.high.tolist()) == (
        [[10]],
        [[9]],
        [[20]],
    )
    assert taken.movable.tolist() == [[True]]


# Bringing points inside


def test_fitting_moves_values_to_the_nearest_point_of_the_box():
    fitted = fit(MIXED, [9, 4.6, 3], [-9, 99, NAN], [NAN, NAN, 0])

    np.testing.assert_array_equal(fitted, [[2, 5, NAN], [0.5, 7, NAN], [1, 5, NAN]])


def test_infinite_values_end_at_the_bounds():
    assert fit(wide(2), [np.inf, -np.inf]) == [[10, -10]]


def test_codes_that_are_not_allowed_go_back_to_the_row_s_own():
    assert fit(box([4], [0], [4], codes=[3]), [3], [1.2], [9], [-1]) == [[4], [1], [4], [0]]


@pytest.mark.parametrize(
    ("norm", "fitted"),
    [("linf", [5, 5, -5]), ("l2", [3, 0, -4]), ("l1", [15 / 7, 0, -20 / 7])],
)
def test_moves_shrink_towards_the_row_until_they_are_within_the_radius(norm, fitted):
    told = box([0] * 3, [-5] * 3, [5] * 3, norm=norm, radius=5)
    point = [6, 8, -9] if norm == "linf" else [3, 0, -4]
    point = point if norm != "l2" else [3.6, 0, -4.8]

    assert fit(told, point)[0] == pytest.approx(fitted)


def test_shrunken_moves_are_whole_steps_rounded_towards_the_row():
    assert fit(wide(2, norm="l1", radius=3, step=[1, 1]), [4, 2]) == [[2, 1]]
    assert fit(wide(2, norm="l1", radius=3, step=[1, 1]), [-4, -2]) == [[-2, -1]]


def test_units_count_when_moves_shrink():
    assert fit(wide(2, norm="l1", radius=2, unit=[2, 1]), [8, 0], [0, 8]) == [[4, 0], [0, 2]]


def test_of_new_categories_the_cheapest_stay_and_numbers_share_what_is_left():
    told = box(
        [0, 0, 0], [0, 0, -10], [1, 1, 10], norm="l1", radius=1.5, codes=[2, 2, 0],
        unit=[1, 2, 1],
    )  # fmt: skip

    assert fit(told, [1, 1, 9]) == [[1, 1, 0]]
    assert fit(replace(told, radius=1.25), [1, 1, 9]) == [[0, 1, 0.75]]
    assert fit(replace(told, radius=0.25), [1, 1, 9]) == [[0, 0, 0.25]]


def test_free_categories_stay_however_small_the_radius():
    told = box([0, 0], [0, -1], [3, 1], norm="l2", radius=0.5, codes=[4, 0], unit=[np.inf, 1])

    assert fit(told, [3, 1]) == [[3, 0.5]]


def test_the_smallest_moves_go_back_until_few_enough_are_left():
    assert fit(wide(3, norm="l0", radius=2), [3, -1, 2]) == [[3, 0, 2]]
    assert fit(wide(3, most=1, unit=[1, 0.1, 1]), [3, -1, 2]) == [[0, -1, 0]]


def test_a_group_goes_back_or_stays_as_one():
    told = wide(4, norm="l0", radius=1, group=[1, 0, 1, 0])

    assert fit(told, [1, 2, 5, 2], [1, 6, 5, 0]) == [[1, 0, 5, 0], [0, 6, 0, 0]]


def test_what_relations_compute_is_computed_first():
    total = relation(1, -1, -1, equal=True, target=0)
    told = wide(3, relations=(total,))

    assert fit(told, [0, 2, 3], [7, 1, 0]) == [[5, 2, 3], [1, 1, 0]]


def test_what_is_computed_counts_as_changed():
    total = relation(1, -1, -1, equal=True, target=0)
    told = wide(3, relations=(total,), most=1)

    assert fit(told, [0, 2, 0]) == [[0, 0, 0]]
    assert contains(told, [2, 2, 0]) == [False]


def test_a_repair_may_use_what_one_before_it_computed():
    first, second = (
        relation(-2, 1, 0, equal=True, target=1),  # b = 2 a
        relation(0, -1, 1, equal=True, target=2),  # c = b
    )

    assert fit(wide(3, relations=(first, second)), [2, 0, 0]) == [[2, 4, 4]]


def test_what_is_computed_beyond_its_bounds_takes_the_others_back():
    total = relation(1, -1, -1, equal=True, target=0)
    told = box([0, 0, 0], [-3, -9, -9], [3, 9, 9], relations=(total,))

    (fitted,) = fit(told, [0, 4, 4])

    assert fitted[0] == 3
    assert fitted[1] + fitted[2] == 3


def test_what_breaks_a_relation_is_taken_back():
    told = wide(2, relations=(relation(1, -1),))

    assert fit(told, [5, 2], [1, 2], [3, -2]) == [[2, 2], [1, 2], [0, 0]]


def test_a_row_for_which_a_relation_does_not_hold_is_not_asked_for_it():
    never = box([1, 0], [-9, -9], [9, 9], relations=(relation(1, -1),))

    assert fit(never, [5, 2]) == [[5, 2]]


def test_two_relations_hold_at_once():
    told = wide(3, relations=(relation(1, -1, 0), relation(0, 1, -1)))

    assert fit(told, [5, 4, 3]) == [[3, 3, 3]]


def test_steps_that_miss_an_equality_put_its_columns_back():
    odd = relation(2, -1, 0, equal=True)
    told = wide(3, step=[1, 1, 0], relations=(odd,))

    assert fit(told, [0, 3, 7]) == [[0, 0, 7]]


def test_values_that_the_model_gets_as_narrow_floats_are_rounded_towards_the_row():
    narrow = {np.dtype(np.float32): np.array([0, 1])}
    told = wide(2, norm="l2", radius=0.1, narrow=narrow)

    (fitted,) = fit(told, [0.1, 0.1])

    assert fitted == [float(np.float32(value)) for value in fitted]
    assert np.hypot(*fitted) <= 0.1


def test_narrow_floats_are_rounded_towards_their_row_wherever_it_is():
    narrow = {np.dtype(np.float32): np.array([0])}
    told = box([-8], [-20], [20], norm="l1", radius=100, narrow=narrow)
    single, double = float(np.float32(0.1)), 0.1  # the single one is the larger

    assert fit(told, [double]) == [[float(np.nextafter(np.float32(0.1), np.float32(-8)))]]
    assert fit(told, [-9.2]) == [[float(np.float32(-9.2))]]
    assert fit(told, [single]) == [[single]]


def test_an_allowed_point_stays_where_it_is():
    told = wide(3, norm="l2", radius=5, most=2, relations=(relation(1, 0, -1),))

    assert fit(told, [-3, 0, 4]) == [[-3, 0, 4]]


def test_rows_and_points_may_come_in_blocks():
    assert TWO.fit(np.array([1, 0]), np.array([[[5.0]], [[5.0]]])).tolist() == [[[9]], [[1]]]
    assert TWO.fit(np.array([1, 0]), np.array([[5.0], [5.0]])).tolist() == [[9], [1]]
    assert TWO.distance(np.array([1]), np.array([[12.0]])).tolist() == [2]
