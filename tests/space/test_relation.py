"""What has to hold between columns, in numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelwarden.space.relation import Relation

AT_MOST = Relation(np.array([1.0, -2, 0]), 3.0)  # a - 2 b + 3 <= 0


def of(weights, constant=0.0, **more):
    return Relation(np.array(weights, float), constant, **more)


@pytest.mark.parametrize(
    ("values", "excess"),
    [([1, 2, 99], 0), ([0, 2, 0], 0), ([2, 2, 0], 1), ([np.nan, 2, 0], 0), ([2, np.nan, 0], 0)],
)
def test_the_excess_is_what_is_too_much_and_nothing_where_a_cell_is_missing(values, excess):
    assert AT_MOST.excess(np.array(values, float)) == excess
    assert AT_MOST.holds(np.array(values, float)) == (excess == 0)


def test_an_equality_is_missed_on_both_sides():
    equal = of([1, -1], equal=True)

    assert equal.excess(np.array([[1.0, 3], [3, 1], [2, 2]])).tolist() == [-2, 2, 0]


def test_rounding_is_forgiven_as_a_share_of_all_parts():
    assert of([1, -1]).holds(np.array([1e9 + 1.9, 1e9]))
    assert not of([1, -1]).holds(np.array([1e9 + 2.1, 1e9]))
    assert not of([1, -1]).holds(np.array([2.1e-9, 0]))
    assert not of([1, 0], -1e9).holds(np.array([1e9 + 2.1, 0]))
    assert of([1, 0], -1e9).holds(np.array([1e9 + 1.9, 0]))
    assert of([1, -1], rounding=0.1).holds(np.array([1.2, 1.0]))


def test_a_target_is_computed_from_the_others():
    total = of([2, -1, -3], 4, equal=True, target=0)  # 2 t = a + 3 b - 4

    assert total.computed(np.array([[99.0, 2, 4], [0, 6, 0]])).tolist() == [5, 1]


def test_what_breaks_a_relation_is_taken_back_and_no_more():
    values, origin = np.array([[5.0, 4, 7]]), np.array([[1.0, 4, 2]])  # 5 - 8 + 3 = 0 holds

    assert AT_MOST.taken_back(values, origin, np.zeros(3)).tolist() == [[5, 4, 7]]
    values[0, 0] += 1
    assert AT_MOST.taken_back(values, origin, np.zeros(3)).tolist() == [[5, 4, 7]]


def test_moves_that_help_are_not_taken_back():
    values, origin = np.array([[9.0, 4, 0]]), np.array([[1.0, 2, 0]])

    assert AT_MOST.taken_back(values, origin, np.zeros(3)).tolist() == [[5, 4, 0]]


def test_steps_are_taken_back_whole():
    values, origin = np.array([[2.0, 1]]), np.array([[0.0, 1]])

    back = of([1, -1.5]).taken_back(values, origin, np.array([1.0, 0]))

    assert back.tolist() == [[1, 1]]


def test_steps_forgive_rounding_only_when_they_are_counted():
    values, origin, step = np.array([[2.0, 0]]), np.zeros((1, 2)), np.array([1.0, 0])

    assert of([1, 0], -1 + 1e-11).taken_back(values, origin, step).tolist() == [[1, 0]]
    assert of([1, 0], -1 + 1e-7).taken_back(values, origin, step).tolist() == [[0, 0]]


@pytest.mark.parametrize("weight", [3.0, 0.3])
def test_a_move_that_is_taken_back_entirely_ends_at_the_row_s_own_value(weight):
    origin = np.linspace(-5, 5, 99).round(1)[:, None]
    values = origin + np.linspace(0.1, 5, 99).round(2)[:, None]

    back = of([weight], -1e6).taken_back(values + 1e9, origin, np.zeros(1))

    assert (of([weight], 1e6).taken_back(values, origin, np.zeros(1)) == origin).all()
    assert (back != origin).all()


NUMBERS = st.integers(-1000, 1000).map(lambda number: number / 8)


@settings(max_examples=50)
@given(st.data(), st.booleans())
def test_what_held_holds_again_and_nothing_moves_farther(data, equal):
    shape = (4, 3)
    origin = data.draw(hnp.arrays(float, shape, elements=NUMBERS))
    values = data.draw(hnp.arrays(float, shape, elements=NUMBERS))
    weights = data.draw(hnp.arrays(float, 3, elements=st.sampled_from([-2.0, -1, 0, 0.5, 1])))
    step = np.zeros(3) if equal else data.draw(hnp.arrays(float, 3, elements=st.just(0.125)))
    bond = Relation(weights, data.draw(NUMBERS), equal)
    held = bond.holds(origin)

    back = bond.taken_back(values, origin, step)

    assert bond.holds(back[held]).all()
    assert (np.abs(back - origin) <= np.abs(values - origin) + 1e-12).all()
    assert ((back - origin) * (values - origin) >= 0).all()
    untouched = bond.holds(values)
    np.testing.assert_array_equal(back[untouched], values[untouched])
