"""One column as a coordinate: what it measures, and how far it lets each value go."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwarden.space.columns import Choice, Column, holds_sentences
from modelwarden.space.rules import ColumnRule

NAN = np.nan


def bounds(values, epsilon, dtype=None, **rule):
    """Return the bounds of each value as two lists."""
    cells = pd.Series(values, dtype=dtype)
    column = Column.of(cells, ColumnRule(**rule))
    low, high = column.bounds(column.encode(cells.to_frame("x"), "x"), epsilon)
    return low.tolist(), high.tolist()


# What never moves


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (pd.Series(["a", "b"]), "not a number"),
        (pd.Series([True, False]), "not a number"),
        (pd.Series([True, None], dtype=object), "not a number"),
        (pd.Series(["a", "b"], dtype="category"), "not a number"),
        (pd.Series([1, 2], dtype="category"), "not a number"),
        (pd.to_datetime(pd.Series(["2020-01-01", "2021-01-01"])), "not a number"),
        (pd.Series([3.0, 3.0]), "no room between its bounds"),
        (pd.Series([3, 3]), "no room between its bounds"),
        (pd.Series([3.0, np.nan]), "no room between its bounds"),
        (pd.Series([3.0, np.inf]), "no room between its bounds"),
        (pd.Series([np.nan, np.nan]), "no number in it"),
        (pd.Series([], dtype=float), "no number in it"),
        (pd.Series([2**53 + 2, 0]), "numbers too large"),
        (pd.Series([-(2**53) - 2, 0]), "numbers too large"),
        (pd.Series([2**64 - 1, 0], dtype="uint64"), "numbers too large"),
        (pd.Series([1e101, 0]), "numbers too large"),
        (pd.Series([0, 1e-200]), "no scale: all rows have the same value"),
    ],
    ids=str,
)
def test_what_is_not_a_number_with_room_never_moves(values, why):
    assert Column.of(values) == why


@pytest.mark.parametrize(
    "values", [pd.Series([2**53, 0]), pd.Series([-(2**53), 0]), pd.Series([1e100, 0])], ids=str
)
def test_the_largest_numbers_that_floats_tell_apart_move(values):
    assert isinstance(Column.of(values), Column)


@pytest.mark.parametrize("rule", [{"least": 5}, {"most": 0}, {"least": 2, "most": 2}])
def test_a_rule_may_leave_no_room(rule):
    assert Column.of(pd.Series([0, 1, 5]), ColumnRule(**rule)) == "no room between its bounds"


def test_equal_numbers_move_where_a_rule_says_range_and_scale():
    values, rule = pd.Series([3.0, 3.0]), ColumnRule(least=0, most=9)

    assert Column.of(values, rule) == "no scale: all rows have the same value"
    assert bounds([3.0, 3.0], 1, least=0, most=9, scale=2) == ([1, 1], [5, 5])


def test_a_rule_cannot_move_a_column_without_numbers():
    rule = ColumnRule(least=0, most=9, scale=2)

    assert Column.of(pd.Series([NAN, NAN]), rule) == "no number in it"
    assert isinstance(Column.of(pd.Series([1.0, NAN]), rule), Column)


# Scale, range and steps


def test_the_scale_is_the_interquartile_range():
    column = Column.of(pd.Series([0.0, 1, 2, 3, 100]))

    assert (column.scale, column.by_deviation, column.unit) == (2, False, 2)
    assert (column.least, column.most) == (0, 100)


def test_the_scale_is_the_standard_deviation_where_the_interquartile_range_is_zero():
    column = Column.of(pd.Series([0.0] * 9 + [10]))

    assert (column.scale, column.by_deviation) == (pytest.approx(3), True)


def test_a_rule_s_scale_replaces_both():
    column = Column.of(pd.Series([0.0] * 9 + [10]), ColumnRule(scale=7))

    assert (column.scale, column.by_deviation) == (7, False)


def test_missing_and_infinite_cells_have_no_part_in_the_scale():
    column = Column.of(pd.Series([0.0, 1, 2, 3, 4, np.nan, np.inf, -np.inf]))

    assert (column.scale, column.least, column.most) == (2, 0, 4)


@pytest.mark.parametrize(
    ("values", "whole"),
    [
        (pd.Series([1, 2]), True),
        (pd.Series([1, 2], dtype="uint8"), True),
        (pd.Series([1.0, 2.0]), False),
        (pd.Series([1.0, 2.0, np.nan]), True),
        (pd.Series([1.0, 2.0, np.inf]), False),
        (pd.Series([1.0, 2.5, np.nan]), False),
    ],
    ids=str,
)
def test_integers_stay_integers_even_where_missing_cells_made_them_floats(values, whole):
    column = Column.of(values)

    assert column.whole == whole
    assert column.step == (1 if whole else 0)


def test_bounds_beyond_what_the_type_holds_are_cut():
    column = Column.of(pd.Series([1, 2], dtype="uint8"), ColumnRule(least=-5, most=1000))

    assert (column.least, column.most) == (0, 255)


# How far each value may go


def test_a_value_moves_by_epsilon_scales_within_the_range_of_the_table():
    assert bounds([0.0, 1, 2, 3, 4], 0.25) == ([0, 0.5, 1.5, 2.5, 3.5], [0.5, 1.5, 2.5, 3.5, 4])


def test_integers_move_by_whole_steps_rounded_inwards():
    assert bounds([0, 10, 20, 30, 40], 0.09) == ([0, 9, 19, 29, 39], [1, 11, 21, 31, 40])


def test_steps_start_at_each_row_s_own_value():
    low, high = bounds([0.0, 1, 2.25, 3, 4], 1, step=0.75)

    assert (low, high) == ([0, 0.25, 0.75, 1.5, 2.5], [1.5, 2.5, 3.75, 3.75, 4])


def test_a_cost_makes_a_column_dearer():
    assert bounds([0.0, 1, 2, 3, 4], 0.5, cost=2) == bounds([0.0, 1, 2, 3, 4], 0.25)


def test_bounds_of_a_rule_are_the_column_s():
    low, high = bounds([0.0, 1, 2, 3, 4], np.inf, least=-1, most=9)

    assert (low, high) == ([-1] * 5, [9] * 5)


def test_a_value_beyond_its_bounds_may_come_back_and_go_no_further():
    low, high = bounds([0.0, 1, 2, 3, 4], np.inf, least=1, most=3)

    assert (low, high) == ([0, 1, 1, 1, 1], [3, 3, 3, 3, 4])


def test_by_bounds_each_row_in_the_column_s_own_unit():
    low, high = bounds([0.0, 1, 2, 3, 4], np.inf, by=0.5)

    assert (low, high) == ([0, 0.5, 1.5, 2.5, 3.5], [0.5, 1.5, 2.5, 3.5, 4])


def test_by_share_bounds_each_row_by_its_own_value():
    low, high = bounds([-100.0, 0, 100, 200], np.inf, by_share=0.1)

    assert (low, high) == ([-100, 0, 90, 180], [-90, 0, 110, 200])


def test_the_narrowest_of_several_bounds_holds():
    low, high = bounds([0.0, 10, 100], 1, by=20, by_share=0.1, scale=5)

    assert (low, high) == ([0, 9, 95], [0, 11, 100])


@pytest.mark.parametrize(
    ("direction", "low", "high"),
    [("up", [0, 1, 2], [1, 2, 2]), ("down", [0, 0, 1], [0, 1, 2])],
)
def test_a_direction_closes_the_other_one(direction, low, high):
    assert bounds([0.0, 1, 2], 1, direction=direction) == (low, high)


def test_missing_and_infinite_cells_have_no_bounds():
    low, high = bounds([0.0, 1, 2, np.nan, np.inf, -np.inf], 1)

    np.testing.assert_array_equal(np.isnan(low), [False, False, False, True, True, True])
    np.testing.assert_array_equal(np.isnan(high), np.isnan(low))


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=5, unique=True),
    st.floats(1e-6, 2),
)
def test_bounds_of_narrow_floats_are_such_floats_and_never_too_wide(values, epsilon):
    cells = pd.Series(values, dtype=np.float32)
    column = Column.of(cells)
    low, high = column.bounds(column.encode(cells.to_frame("x"), "x"), epsilon)
    wide = epsilon * column.unit

    assert (low == low.astype(np.float32)).all()
    assert (high == high.astype(np.float32)).all()
    assert (low <= values).all()
    assert (values <= high).all()
    assert (low >= np.array(values) - wide).all()
    assert (high <= np.array(values) + wide).all()


# Categories


def choice(*known, allowed=None, cost=0.0):
    return Choice(("x",), known, len(known) if allowed is None else allowed, cost, one_hot=False)


def test_categories_become_codes_and_back_missing_ones_do_not():
    cells = pd.Series(["b", None, "a", "c"])
    coded = choice("a", "b").encode(cells.to_frame("x"), "x")

    np.testing.assert_array_equal(coded, [1, np.nan, 0, np.nan])
    assert choice("a", "b").decode(np.array([1.0, 0]), "x", cells).tolist() == ["b", "a"]


def test_any_allowed_category_costs_the_same_and_a_row_may_keep_its_own():
    low, high = choice("a", "b", "c", allowed=2).bounds(np.array([0.0, 1, 2, np.nan]), 0)

    np.testing.assert_array_equal(low, [0, 0, 0, np.nan])
    np.testing.assert_array_equal(high, [1, 1, 2, np.nan])


def test_a_category_that_costs_more_than_the_radius_stays():
    codes = np.array([0.0, 1])
    low, high = choice("a", "b", cost=0.5).bounds(codes, 0.49)

    assert (low.tolist(), high.tolist()) == ([0, 1], [0, 1])
    assert choice("a", "b", cost=0.5).bounds(codes, 0.5)[1].tolist() == [1, 1]


def test_a_unit_of_distance_buys_as_many_changes_as_their_cost_says():
    assert choice("a", "b", cost=0.5).unit == 2
    assert choice("a", "b").unit == np.inf


@pytest.mark.parametrize(
    "cells",
    [
        *([0, 0, 0], [1, 1, 0], [0.5, 0.5, 0], [2, -1, 0], [1, 1, -1]),
        *([NAN, 1, 0], [np.inf, 0, 0], [np.inf, -np.inf, 1]),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_one_hot_group_that_does_not_say_one_thing_has_no_code(cells):
    group = Choice(("a", "b", "c"), (0, 1, 2), 3, 0.0, one_hot=True)
    frame = pd.DataFrame([cells, [0, 1, 0]], columns=["a", "b", "c"])

    np.testing.assert_array_equal(group.encode(frame, "g"), [NAN, 1])


def test_a_one_hot_group_is_shown_in_each_column_s_type():
    group = Choice(("a", "b"), (0, 1), 2, 0.0, one_hot=True)
    codes = np.array([0.0, 1])

    assert group.decode(codes, "a", pd.Series([0], dtype="int8")).tolist() == [1, 0]
    assert group.decode(codes, "b", pd.Series([True])).tolist() == [False, True]
    assert group.decode(codes, "b", pd.Series([0.0], dtype="float32")).dtype == "float32"


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["a b c", "a b c d"], True),
        (["a b c", None], True),
        (["a b", "a b c"], False),
        (["rent", "own"], False),
        ([None, None], False),
        ([], False),
        ([1.0, 2.0], False),
        (pd.Categorical(["a b c"]), False),
    ],
    ids=str,
)
def test_sentences_are_told_from_categories(cells, told):
    assert holds_sentences(pd.Series(cells)) is told
