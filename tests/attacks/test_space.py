import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelwarden.attacks.engine import Candidates
from modelwarden.attacks.space import Box, Column, Space


def space(**columns):
    frame = pd.DataFrame(columns)
    return Space(frame, np.arange(len(frame)))


def at(rows, *values):
    return Candidates(np.array(rows), np.array(values, float))


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(["a", "b"]),
        pd.Series([True, False]),
        pd.Series([True, None], dtype=object),
        pd.Series(["a", "b"], dtype="category"),
        pd.Series([1, 2], dtype="category"),
        pd.to_datetime(pd.Series(["2020-01-01", "2021-01-01"])),
        pd.Series([3.0, 3.0]),
        pd.Series([3, 3]),
        pd.Series([3.0, np.nan]),
        pd.Series([np.nan, np.nan]),
        pd.Series([3.0, np.inf]),
        pd.Series([2**53 + 2, 0]),
        pd.Series([1e101, 0]),
    ],
    ids=str,
)
def test_what_is_not_a_number_with_room_never_moves(values):
    assert Column.of(values) is None


def test_the_scale_is_the_interquartile_range():
    column = Column.of(pd.Series([0.0, 1, 2, 3, 100]))

    assert (column.scale, column.by_deviation) == (2, False)
    assert (column.least, column.most) == (0, 100)


def test_the_scale_is_the_standard_deviation_where_the_interquartile_range_is_zero():
    column = Column.of(pd.Series([0.0] * 9 + [10]))

    assert (column.scale, column.by_deviation) == (pytest.approx(3), True)


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
        (pd.Series([1.0, 2.5, np.nan]), False),
    ],
    ids=str,
)
def test_integers_stay_integers_even_where_missing_cells_made_them_floats(values, whole):
    assert Column.of(values).whole == whole


def test_a_value_moves_by_epsilon_scales_within_the_range_of_the_table():
    box = space(x=[0.0, 1, 2, 3, 4]).box(0.25)

    assert box.low[:, 0].tolist() == [0, 0.5, 1.5, 2.5, 3.5]
    assert box.high[:, 0].tolist() == [0.5, 1.5, 2.5, 3.5, 4]


def test_integers_move_by_whole_steps_rounded_inwards():
    box = space(x=[0, 10, 20, 30, 40]).box(0.09)

    assert box.low[:, 0].tolist() == [0, 9, 19, 29, 39]
    assert box.high[:, 0].tolist() == [1, 11, 21, 31, 40]


def test_an_integer_without_room_for_one_step_does_not_move():
    assert not space(x=[0, 10, 20, 30, 40]).box(0.049).movable.any()


def test_missing_and_infinite_cells_do_not_move():
    box = space(x=[0.0, 1, 2, np.nan, np.inf]).box(1)

    assert box.movable[:, 0].tolist() == [True, True, True, False, False]


def test_a_table_without_numbers_has_an_empty_box():
    box = space(x=["a", "b"]).box(1)

    assert box.movable.shape == (2, 0)
    assert box.contains(at([0], [])).all()


def test_scale_and_range_come_from_all_rows_not_only_from_the_sampled_ones():
    frame = pd.DataFrame({"x": [0.0, 1, 2, 3, 4]})

    box = Space(frame, np.array([2])).box(0.25)

    assert (box.low.tolist(), box.high.tolist()) == ([[1.5]], [[2.5]])


def test_columns_are_in_the_order_of_their_names_but_presented_in_the_table_s():
    two = space(b=[0.0, 1], a=[5.0, 7])

    assert [*two.columns] == ["a", "b"]
    assert two.present(at([1], [70, 10])).to_dict("list") == {"b": [10], "a": [70]}


def test_candidates_are_presented_with_the_table_s_types_and_untouched_cells():
    frame = pd.DataFrame(
        {
            "whole": np.array([1, 2, 3], dtype="int8"),
            "single": np.array([0.5, 1.5, np.inf], dtype="float32"),
            "gap": [1.0, np.nan, 2.5],
            "flag": [True, False, True],
            "text": ["a", None, "b"],
            "kind": pd.Categorical(["x", "y", "x"], categories=["y", "x"]),
            "when": pd.to_datetime(["2020-01-01", None, "2021-01-01"]),
        }
    )
    some = Space(frame, np.array([0, 1, 2]))

    shown = some.present(Candidates(np.array([2, 1, 1]), some.origin[[2, 1, 1]]))

    pd.testing.assert_frame_equal(shown, frame.iloc[[2, 1, 1]].reset_index(drop=True))


@given(
    hnp.arrays(np.float32, 4, elements=st.floats(-1e6, 1e6, width=32), unique=True),
    st.floats(1e-6, 1),
    st.floats(0, 1),
)
def test_a_narrow_float_never_leaves_its_box_by_rounding(values, epsilon, place):
    narrow = space(x=values)
    box = narrow.box(epsilon)

    inside = box.low + place * (box.high - box.low)
    candidates = Candidates(np.arange(4), box.fit(np.arange(4), inside))

    assert (box.low <= box.origin).all()
    assert (box.origin <= box.high).all()
    presented = narrow.present(candidates)
    assert narrow.allows(box, candidates.rows, presented).all()
    shown = presented["x"].to_numpy(float)
    exact = epsilon * narrow.columns["x"].scale * (1 + 1e-12) + 1e-9 * np.abs(values.astype(float))
    assert (np.abs(shown - values) <= exact).all()


BOX = Box(
    origin=np.array([[1.0, 5, np.nan]]),
    low=np.array([[0.5, 4, np.nan]]),
    high=np.array([[2.0, 7, np.nan]]),
    whole=np.array([False, True, False]),
)


@pytest.mark.parametrize(
    ("values", "contained"),
    [
        ([1, 5, np.nan], True),
        ([0.5, 4, np.nan], True),
        ([2, 7, np.nan], True),
        ([0.49, 5, np.nan], False),
        ([2.01, 5, np.nan], False),
        ([1, 4.5, np.nan], False),
        ([1, 8, np.nan], False),
        ([1, 5, 0], False),
        ([np.nan, 5, np.nan], False),
    ],
)
def test_a_box_contains_what_is_within_its_bounds_and_keeps_missing_cells(values, contained):
    assert BOX.contains(at([0], values)).tolist() == [contained]


def test_fitting_moves_values_to_the_nearest_point_of_the_box():
    cube = np.array([[[9, 4.6, 3], [-9, 99, np.nan], [np.nan, np.nan, 0]]])

    fitted = BOX.fit(np.array([0]), cube)

    np.testing.assert_array_equal(fitted, [[[2, 5, np.nan], [0.5, 7, np.nan], [1, 5, np.nan]]])


def test_a_change_beyond_the_box_or_of_a_missing_cell_is_not_allowed():
    frame = pd.DataFrame({"x": [0.0, 1, 2, 3, 4], "y": [1.5, np.nan, 3, 4, np.inf]})
    changed = frame.assign(x=[0.1, 1, 2, 3.6, 4], y=[1.5, 2, np.nan, 4, 3])
    fixed = Space(frame, np.arange(5))

    allowed = fixed.allows(fixed.box(0.25), np.arange(5), changed)

    assert allowed.tolist() == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("values", "others"),
    [
        (["a", "b", None], ["a", "c", "d"]),
        ([True, False, None], [True, True, False]),
        (pd.Categorical(["a", "b", None]), pd.Categorical(["a", "a", "b"])),
        (pd.to_datetime(["2020", "2021", None]), pd.to_datetime(["2020", "2022", "2020"])),
        ([2**53 + 2, 0, 1], [2**53 + 2, 1, 0]),
    ],
)
def test_a_change_of_what_is_not_a_number_with_room_is_not_allowed(values, others):
    frame = pd.DataFrame({"x": [0.0, 1, 2], "fixed": values})
    told = Space(frame, np.arange(3))
    box = told.box(1)

    assert told.allows(box, np.arange(3), frame).all()
    changed = told.allows(box, np.arange(3), frame.assign(fixed=others))
    assert changed.tolist() == [True, False, False]
