"""A table's rows as points, and points as rows again."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwarden.errors import InputError
from modelwarden.space.points import Candidates
from modelwarden.space.rules import ColumnRule, Rules
from modelwarden.space.table import Space

NAN = np.nan


def rules(text=""):
    return Rules.parse(f"version: 1\n{text}".encode(), "space.yaml")


def space(text="", **columns):
    frame = pd.DataFrame(columns)
    return Space(frame, np.arange(len(frame)), rules(text), "space.yaml")


def at(rows, *values):
    return Candidates(np.array(rows), np.array(values, float))


FIVE = [0.0, 1, 2, 3, 4]


# What does not fit the table


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fixed: [y]", "space.yaml: expected columns of the table, got 'y'"),
        ("columns: {amonut: {}}", "got 'amonut'; did you mean 'amount'?"),
        ("one_hot: {g: [x, z]}", "expected columns of the table, got 'z'"),
        ("relations: [x <= zz]", "expected columns of the table, got 'zz'"),
        ("repairs: [zz = x]", "expected columns of the table, got 'zz'"),
        ("columns: {word: {least: 1}}", "column 'word': expected values for a column of text"),
        ("columns: {word: {}}", "column 'word': expected values for a column of text"),
        ("columns: {flag: {most: 1}}", "column 'flag': expected values for a column of text"),
        ("columns: {x: {values: [1]}}", "column 'x': expected bounds for a column of numbers"),
        ("columns: {whole: {step: 0.5}}", "expected whole steps for a column of integers, got 0.5"),
        ("columns: {word: {values: [1]}}", "different values of the column's type, got 1"),
        ("columns: {word: {values: [a, a]}}", "different values of the column's type, got 'a'"),
        (
            "columns: {flag: {values: ['true']}}",
            "different values of the column's type, got 'true'",
        ),
        ("columns: {flag: {values: [1]}}", "different values of the column's type, got 1"),
        ("columns: {kind: {values: [c]}}", "expected categories of the column, got 'c'"),
        ("columns: {when: {values: ['2020']}}", "values of the column's type, got '2020'"),
        ("one_hot: {x: [a, b]}", "expected a name of its own for a one-hot group, got 'x'"),
        ("one_hot: {g: [a, x]}", "group 'g': expected columns of 0 and 1"),
        ("one_hot: {g: [a, word]}", "one of them 1 in each row, got others in 3 rows"),
        ("one_hot: {g: [a, off]}", "one of them 1 in each row, got others in 1 rows"),
        ("relations: [x <= word]", "'x <= word': expected columns of numbers, got 'word'"),
        ("relations: [x <= flag]", "expected columns of numbers, got 'flag', which holds none"),
        ("one_hot: {g: [a, b]}\nrelations: [x <= a]", "got 'a', which holds none"),
        ("columns: {word: {values: [a]}}\nrelations: [x <= word]", "got 'word', which holds none"),
        ("relations: [x <= huge]", "expected numbers up to 1e+100, integers up to 2^53"),
        ("fixed: [x]\nrepairs: [x = amount]", "expected a column that can move, got 'x'"),
        ("repairs: [still = amount]", "expected a column that can move, got 'still'"),
        ("image: {height: 2, width: 2}", "expected 4 columns, the pixels of the image, got"),
    ],
)
def test_what_does_not_fit_the_table_is_one_clear_error(text, message):
    frame = pd.DataFrame(
        {
            "x": [0.5, 1, 2],
            "whole": [1, 2, 3],
            "amount": [1.5, 2, 3],
            "still": [1, 1, 1],
            "huge": [2**60, 1, 2],
            "word": ["a", "b", "a"],
            "flag": [True, False, True],
            "kind": pd.Categorical(["a", "b", "a"]),
            "when": pd.to_datetime(["2020-01-01"] * 3),
            "a": [0, 1, 0],
            "b": [1, 0, 1],
            "off": [1, 0, 0],
        }
    )

    with pytest.raises(InputError) as refused:
        Space(frame, np.arange(3), rules(text), "space.yaml")

    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_image_of_one_brightness_is_refused():
    with pytest.raises(InputError, match="pixels of different brightness"):
        space("image: {height: 1, width: 2}", a=[3, 3], b=[3, 3])


# Boxes


def test_numbers_are_free_within_the_table_unless_a_rule_says_more():
    box = space(x=FIVE).box(0.25)

    assert box.low[:, 0].tolist() == [0, 0.5, 1.5, 2.5, 3.5]
    assert box.high[:, 0].tolist() == [0.5, 1.5, 2.5, 3.5, 4]


def test_without_bounds_of_their_own_rows_go_as_far_as_the_rules_allow():
    box = space("columns: {x: {by: 1}}", x=FIVE, y=FIVE).box(np.inf)

    assert box.low.tolist() == [[0, 0], [0, 0], [1, 0], [2, 0], [3, 0]]


def test_with_l0_columns_are_counted_and_go_as_far_as_the_rules_allow():
    box = space(x=FIVE).box(1, "l0")

    assert (box.low[2].tolist(), box.high[2].tolist()) == ([0], [4])
    assert (box.norm, box.radius, box.fewest) == ("l0", 1, 1)


def test_a_column_without_room_for_one_step_does_not_move():
    assert not space(x=[0, 10, 20, 30, 40]).box(0.049).movable.any()
    assert space(x=[0, 10, 20, 30, 40]).box(0.05).movable.any()


def test_a_table_without_numbers_has_an_empty_box():
    box = space(x=["a", "b"]).box(1)

    assert box.movable.shape == (2, 0)
    assert box.contains(at([0], [])).all()


def test_scale_and_range_come_from_all_rows_not_only_from_the_sampled_ones():
    box = Space(pd.DataFrame({"x": FIVE}), np.array([2])).box(0.25)

    assert (box.low.tolist(), box.high.tolist()) == ([[1.5]], [[2.5]])


@pytest.mark.parametrize("text", ["fixed: [x]", "others: fixed", "others: fixed\nfixed: [x]"])
def test_what_is_fixed_is_no_coordinate(text):
    told = space(text, x=FIVE)

    assert not told.columns
    assert set(told.fixed) == {"x"}


def test_the_reason_why_a_column_is_fixed_is_kept():
    told = space(
        "fixed: [a]\nothers: fixed\ncolumns: {c: {}, d: {}}", a=FIVE, b=FIVE, c=FIVE, d=[1.0] * 5
    )

    assert [*told.columns] == ["c"]
    assert told.fixed == {
        "a": "fixed by the space file",
        "b": "not named in the space file",
        "d": "no room between its bounds",
    }


def test_max_changed_counts_whatever_the_norm():
    assert space("max_changed: 1", x=FIVE, y=FIVE).box(1).fewest == 1


def test_relations_hold_over_columns_that_are_fixed():
    told = space("fixed: [x]\nrelations: [y <= x]", x=[2.0, 0], y=[1.0, 0])
    box = told.box(np.inf)

    assert told.present(at([0], [2, 1])).to_dict("list") == {"x": [2], "y": [1]}
    assert not box.movable[:, 0].any()
    assert box.fit(np.array([1]), np.array([[0.0, 1]])).tolist() == [[0, 0]]


def test_a_relation_computes_nothing_and_a_repair_does():
    rows, more, less = np.array([0]), np.array([[1.0, 9]]), np.array([[1.0, 1]])
    told, computed = (
        space(text, x=[0.0, 9], y=[2.0, 9]).box(np.inf)
        for text in ("relations: [y <= 2 + x]", "repairs: [y = 2 + x]")
    )

    assert told.fit(rows, more).tolist() == [[1, 3]]
    assert computed.fit(rows, more).tolist() == [[1, 3]]
    assert told.fit(rows, less).tolist() == [[1, 2]]
    assert computed.fit(rows, less).tolist() == [[1, 3]]


def test_rows_for_which_a_relation_does_not_hold_are_counted():
    told = space("relations: [x <= y, y <= 100]", x=[0.0, 1, 5], y=[1.0, 0, 2])

    assert told.unasked == {"x <= y": 2, "y <= 100": 0}
    assert told.describe()["unasked"] == {"x <= y": 2}


def test_relations_between_narrow_floats_forgive_their_rounding():
    single = np.array([0.1, 0.2], dtype="float32")
    told = space("relations: [x == 3 * y]", x=single * np.float32(3), y=single)

    assert told.unasked == {"x == 3 * y": 0}


def test_pixels_share_one_scale_and_one_range():
    told = space("image: {height: 1, width: 2, levels: 17}", a=[2, 18], b=[6, 7])
    box = told.box(0.5)

    assert box.step.tolist() == [1, 1]
    assert box.unit.tolist() == [16, 16]
    assert (box.low[0].tolist(), box.high[0].tolist()) == ([2, 2], [10, 14])


def test_the_channels_of_a_pixel_count_as_one():
    told = space(
        "image: {height: 1, width: 2, channels: 2}", d=[0, 9], c=[0, 9], b=[0, 9], a=[0, 9]
    )

    assert told.box(1, "l0").changed(np.array([0]), np.array([[1.0, 1, 0, 0]])).tolist() == [1]
    assert told.box(1, "l0").changed(np.array([0]), np.array([[0, 1.0, 1, 0]])).tolist() == [2]


def test_a_pixel_may_have_a_rule_or_be_fixed():
    told = space(
        "image: {height: 1, width: 3}\nfixed: [a]\ncolumns: {b: {by: 1}}",
        a=[0, 9], b=[0, 9], c=[0, 9],
    )  # fmt: skip

    assert told.box(1).high[0].tolist() == [1, 9]


# Categories


def test_a_category_may_become_what_its_rule_lists():
    told = space("columns: {x: {values: [b, a]}}", x=["a", "b", "c", None])
    box = told.box(0.1)

    np.testing.assert_array_equal(told.origin[:, 0], [1, 0, 2, NAN])
    assert box.movable[:, 0].tolist() == [True, True, True, False]
    assert box.contains(at([0, 0, 0], [0], [1], [2])).tolist() == [True, True, False]
    assert box.contains(at([2, 2], [2], [0])).tolist() == [True, True]


def test_categories_with_a_cost_use_up_epsilon():
    told = space("columns: {x: {values: [a, b], cost: 0.5}}", x=["a", "b"])

    assert not told.box(0.4).movable.any()
    assert told.box(0.5).movable.all()
    assert told.box(9).distance(np.array([0]), np.array([[1.0]])).tolist() == [0.5]


@pytest.mark.parametrize(("count", "fits"), [(10_000, True), (10_001, False)])
def test_a_category_has_a_bounded_number_of_values(count, fits):
    frame = pd.DataFrame({"x": ["0", "1"]})
    rule = ColumnRule(values=[str(number) for number in range(count)])
    given = Rules(version=1, columns={"x": rule})

    if fits:
        assert Space(frame, np.arange(2), given).columns["x"].allowed == count
    else:
        with pytest.raises(
            InputError, match="column 'x': expected 10000 values at most, got 10001"
        ):
            Space(frame, np.arange(2), given)


def test_values_that_no_row_has_are_told():
    assert space("columns: {x: {values: [a, z]}}", x=["a", "b"]).unseen == {"x": ("z",)}


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["a", "b", None], "[b]"),
        (pd.Categorical(["a", "b", "a"]), "[b]"),
        (pd.Categorical([1, 2, None]), "[2]"),
        ([True, False, True], "[false]"),
        (pd.Series([True, False, None], dtype=object), "[false]"),
    ],
    ids=str,
)
def test_categories_of_every_type_are_presented_in_it(cells, values):
    frame = pd.DataFrame({"x": cells})
    told = Space(frame, np.arange(3), rules(f"columns: {{x: {{values: {values}}}}}"))

    shown = told.present(Candidates(np.arange(3), told.origin))
    moved = told.present(Candidates(np.array([0]), np.array([[0.0]])))

    pd.testing.assert_frame_equal(shown, frame)
    assert moved["x"].dtype == frame["x"].dtype
    assert moved["x"].tolist() == [frame["x"].iloc[1]]


def test_a_one_hot_group_moves_as_one():
    told = space("one_hot: {kind: [a, b, c]}", a=[1, 0], b=[0, 0], c=[0, 1], x=[True, False])

    shown = told.present(at([0, 1], [1], [2]))

    assert [*told.columns] == ["kind"]
    assert shown[["a", "b", "c"]].to_numpy().tolist() == [[0, 1, 0], [0, 0, 1]]
    assert told.allows(told.box(0.1), np.array([0, 1]), shown).all()


def test_a_one_hot_group_that_says_two_things_is_not_allowed():
    told = space("one_hot: {kind: [a, b]}", a=[1, 0], b=[0, 1])
    shown = pd.DataFrame({"a": [1, 0, 0], "b": [1, 0, 1]})

    allowed = told.allows(told.box(1), np.zeros(3, int), shown)

    assert allowed.tolist() == [False, False, True]


# Showing rows


def test_columns_are_in_the_order_of_their_names_but_presented_in_the_table_s():
    two = space(b=[0.0, 1], a=[5.0, 7])

    assert [*two.columns] == ["a", "b"]
    assert two.present(at([1], [70, 10])).to_dict("list") == {"b": [10], "a": [70]}


def test_candidates_are_presented_with_the_table_s_types_and_untouched_cells():
    frame = pd.DataFrame(
        {
            "whole": np.array([1, 2, 3], dtype="int8"),
            "single": np.array([0.5, 1.5, np.inf], dtype="float32"),
            "gap": [1.0, NAN, 2.5],
            "flag": [True, False, True],
            "text": ["a", None, "b"],
            "kind": pd.Categorical(["x", "y", "x"], categories=["y", "x"]),
            "when": pd.to_datetime(["2020-01-01", None, "2021-01-01"]),
        }
    )
    some = Space(frame, np.array([0, 1, 2]))

    shown = some.present(Candidates(np.array([2, 1, 1]), some.origin[[2, 1, 1]]))

    pd.testing.assert_frame_equal(shown, frame.iloc[[2, 1, 1]].reset_index(drop=True))


# What an attacker may not do


def test_a_change_beyond_the_box_or_of_a_missing_cell_is_not_allowed():
    frame = pd.DataFrame({"x": [0.0, 1, 2, 3, 4], "y": [1.5, NAN, 3, 4, np.inf]})
    changed = frame.assign(x=[0.1, 1, 2, 3.6, 4], y=[1.5, 2, NAN, 4, 3])
    fixed = Space(frame, np.arange(5))

    allowed = fixed.allows(fixed.box(0.25), np.arange(5), changed)

    assert allowed.tolist() == [True, False, False, False, False]


def test_an_infinite_cell_stays_the_same_infinity():
    frame = pd.DataFrame({"y": [1.5, 3, np.inf]})
    fixed = Space(frame, np.arange(3))

    for other in (-np.inf, NAN):
        changed = frame.assign(y=[1.5, 3, other])
        assert fixed.allows(fixed.box(1), np.arange(3), changed).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("values", "others"),
    [
        (["a", "b", None], ["a", "c", "d"]),
        ([True, False, None], [True, True, False]),
        (pd.Categorical(["a", "b", None]), pd.Categorical(["a", "a", "b"])),
        (pd.to_datetime(["2020", "2021", None]), pd.to_datetime(["2020", "2022", "2020"])),
        ([2**53 + 2, 0, 1], [2**53 + 2, 1, 0]),
    ],
    ids=str,
)
def test_a_change_of_what_is_not_a_number_with_room_is_not_allowed(values, others):
    frame = pd.DataFrame({"x": [0.0, 1, 2], "fixed": values})
    told = Space(frame, np.arange(3))
    box = told.box(1)

    assert told.allows(box, np.arange(3), frame).all()
    changed = told.allows(box, np.arange(3), frame.assign(fixed=others))
    assert changed.tolist() == [True, False, False]


def test_a_category_that_nobody_listed_is_not_allowed():
    told = space("columns: {x: {values: [a, b]}}", x=["a", "c", None])
    shown = pd.DataFrame({"x": ["c", "a", "a", "c", "z", "b", None]})

    allowed = told.allows(told.box(1), np.array([0, 0, 1, 1, 1, 2, 2]), shown)

    assert allowed.tolist() == [False, True, True, True, False, False, True]


# Whatever attacks propose


SEEDS, NORMS = st.integers(0, 2**32 - 1), st.sampled_from(["linf", "l2", "l1", "l0"])
SIZES = st.sampled_from([0.01, 0.1, 0.3, 1.0, 2.0, 3.0, np.inf])
NUMBERS = [-1e9, -50.0, -3.0, 0.0, 0.1, 1.0, 2.5, 7.0, 1e-3, 1e6]
BONDS = ["whole <= byte", "real >= gaps", "single == 2 * real", "byte + whole <= 200"]
REPAIRS = ["single = real + 1", "whole = 2 * byte - 3", "real = 0.5 * gaps"]


def any_space(seed):
    """Return a table with columns of every type, and rules about them."""
    rng = np.random.default_rng(seed)
    hot = rng.permutation([0, 1, 2, 1])
    frame = pd.DataFrame(
        {
            "whole": [*rng.integers(-50, 50, 3), 60],
            "byte": rng.integers(0, 255, 4, dtype="uint8"),
            "real": [*rng.choice(NUMBERS, 3) + rng.normal(size=3).round(rng.integers(5)), 0.25],
            "single": np.array([*rng.choice(NUMBERS, 3), 0.3], dtype="float32"),
            "gaps": rng.choice([0.25, 1, 7, NAN, np.inf], 4),
            "word": rng.permutation(["a", "b", None, "c"]),
            "flag": rng.permutation([True, False, False, True]),
            **{f"hot_{code}": (hot == code).astype("int8") for code in range(3)},
        }
    )
    some = rng.choice(["", "step: 0.1, ", "step: 3, ", "by: 2.5, ", "by_share: 0.5, "])
    whole = rng.choice(["", "step: 3", "direction: up", "direction: down", "most: 70, least: -9"])
    scale, cost = rng.choice([1.0, 10, 1e6]), rng.choice([0, 0.05, 0.5])
    text = f"""
columns:
  real: {{{some} scale: {scale}}}
  single: {{{some} scale: {scale}, cost: 0.3}}
  whole: {{{whole}}}
  word: {{values: [a, b], cost: {cost}}}
  flag: {{values: [true, false], cost: {cost}}}
one_hot: {{hot: [hot_0, hot_1, hot_2]}}
relations: {rng.choice(BONDS, rng.integers(3), replace=False).tolist()}
repairs: {rng.choice(REPAIRS, rng.integers(2), replace=False).tolist()}
{rng.choice(["", "max_changed: 1", "max_changed: 3"])}
"""
    return Space(frame, np.arange(4), rules(text)), rng


@settings(max_examples=80, deadline=None)
@given(SEEDS, SIZES, NORMS)
def test_what_is_fitted_is_allowed_and_comes_back_from_the_model(seed, epsilon, norm):
    told, rng = any_space(seed)
    box, shape = told.box(epsilon, norm), (4, 8, len(told.columns))
    far = rng.choice(
        [0, 0.1, 1, 30, 1e12, np.inf, NAN], shape, p=[0.4, 0.1, 0.2, 0.1, 0.1, 0.05, 0.05]
    )
    with np.errstate(invalid="ignore"):
        values = told.origin[:, None] + rng.normal(size=shape) * far

    fitted = box.fit(np.arange(4), values)
    flat = Candidates(np.repeat(np.arange(4), 8), fitted.reshape(-1, len(told.columns)))
    shown = told.present(flat)

    assert box.contains(flat).all()
    assert told.allows(box, flat.rows, shown).all()
    back = told.encode(shown, flat.rows)
    single = [*told.columns].index("single")
    flat.values[:, single] = flat.values[:, single].astype("float32")
    np.testing.assert_array_equal(back, flat.values)
    assert (shown.dtypes == told.frame.dtypes).all()
    np.testing.assert_allclose(box.fit(np.arange(4), fitted), fitted, rtol=2e-7)


@settings(max_examples=30, deadline=None)
@given(SEEDS, SIZES, NORMS)
def test_every_row_is_within_its_own_box_at_no_distance(seed, epsilon, norm):
    told, _ = any_space(seed)
    box, own = told.box(epsilon, norm), Candidates(np.arange(4), told.origin)

    assert box.contains(own).all()
    assert (box.distance(own.rows, own.values) == 0).all()
    assert told.allows(box, own.rows, told.present(own)).all()
    pd.testing.assert_frame_equal(told.present(own), told.frame)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from([0.01, 0.3, 2.0]), st.sampled_from(["linf", "l2", "l1"]))
def test_distances_are_what_slow_arithmetic_says(seed, epsilon, norm):
    told, rng = any_space(seed)
    box, rows = told.box(epsilon, norm), np.arange(4)
    values = box.fit(rows, told.origin + rng.normal(size=told.origin.shape))
    join = {"linf": max, "l1": sum, "l2": lambda all_: sum(move**2 for move in all_) ** 0.5}[norm]

    for row in rows:
        moves = [
            0.0 if np.isnan(own) else (float(new != own) if known.codes else abs(new - own)) / unit
            for known, unit, own, new in zip(
                told.columns.values(), box.unit, told.origin[row], values[row], strict=True
            )
        ]
        assert box.distance(rows[[row]], values[[row]]) == pytest.approx(join(moves))
        assert join(moves) <= epsilon * (1 + 1e-6) + 1e-6
