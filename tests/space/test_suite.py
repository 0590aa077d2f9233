"""What suites say about the values of columns."""

import math

import pytest

from modelwarden.errors import InputError
from modelwarden.space.suite import Limits, limits
from modelwarden.suites import Expectation

BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"


def of(*entries):
    expectations = [
        Expectation(kind, {"column": "x", **kwargs}, f"suite.json, expectation {place}")
        for place, (kind, kwargs) in enumerate(entries, 1)
    ]
    return limits(expectations, {"x"}, {"word"})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ((BETWEEN, {"column": "y"}), "expectation 1 (expect_column_values_to_be_between): expected "
         "a column of the table, got 'y'; use the suite of this table"),
        ((BETWEEN, {"column": "wrd"}), "got 'wrd'; did you mean 'word'?"),
        ((BETWEEN, {"column": None}), "got None"),
        ((BETWEEN, {"min_value": "1"}), "expected a number as min_value, got '1'"),
        ((BETWEEN, {"max_value": True}), "expected a number as max_value, got True"),
        ((BETWEEN, {"max_value": math.nan}), "expected a number as max_value, got nan"),
        ((BETWEEN, {"min_value": {"$PARAMETER": "low"}}), "got {'$PARAMETER': 'low'}"),
        ((BETWEEN, {"min_value": 2, "max_value": 1}), "a range with values in it, got 2 to 1"),
        ((IN_SET, {"value_set": []}), "expected a list as value_set, got []"),
        ((IN_SET, {"value_set": "ab"}), "expected a list as value_set, got 'ab'"),
        ((IN_SET, {}), "expected a list as value_set, got None"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_place(entry, message):
    with pytest.raises(InputError) as refused:
        of(entry)

    assert message in str(refused.value)


def test_sets_without_a_common_value_are_refused():
    with pytest.raises(InputError, match=r"expectation 2 .* a value that other sets hold"):
        of((IN_SET, {"value_set": [1]}), (IN_SET, {"value_set": [2]}))


def test_ranges_without_a_common_value_are_refused():
    with pytest.raises(InputError, match=r"expectation 2 .* got 5 to 3, with the others"):
        of((BETWEEN, {"max_value": 3}), (BETWEEN, {"min_value": 5}))


@pytest.mark.parametrize(
    ("entry", "limit"),
    [
        ((BETWEEN, {"min_value": 1, "max_value": 2}), Limits(1, 2)),
        ((BETWEEN, {"min_value": 1, "max_value": None}), Limits(least=1)),
        ((BETWEEN, {"max_value": 2.5, "strict_max": True}), Limits(most=2.5, open_most=True)),
        ((BETWEEN, {"min_value": 1, "strict_min": True}), Limits(least=1, open_least=True)),
        ((BETWEEN, {"min_value": 1, "mostly": 1.0}), Limits(least=1)),
        (("expect_column_min_to_be_between", {"min_value": 1, "max_value": 5}), Limits(least=1)),
        (("expect_column_max_to_be_between", {"min_value": 1, "max_value": 5}), Limits(most=5)),
        ((IN_SET, {"value_set": [3, "a"]}), Limits(values=(3, "a"))),
        ((BETWEEN, {}), Limits()),
    ],
)
def test_bounds_and_sets_are_limits(entry, limit):
    assert of(entry) == {"x": limit}


@pytest.mark.parametrize(
    "entry",
    [
        (BETWEEN, {"min_value": 1, "mostly": 0.99}),
        (IN_SET, {"value_set": [1], "mostly": 0.5}),
        (BETWEEN, {"column": "word", "min_value": "a"}),
        ("expect_column_mean_to_be_between", {"min_value": 1}),
        ("expect_table_row_count_to_be_between", {"column": None, "min_value": 1}),
    ],
)
def test_what_need_not_hold_for_every_value_says_nothing(entry):
    assert of(entry) == {}


def test_of_several_bounds_the_narrowest_holds():
    told = of(
        (BETWEEN, {"min_value": 0, "max_value": 9}),
        (BETWEEN, {"min_value": 2, "max_value": 20}),
        (BETWEEN, {"min_value": -1, "max_value": 8}),
    )

    assert told == {"x": Limits(2, 8)}


def test_of_equal_bounds_the_open_one_holds():
    low = (BETWEEN, {"min_value": 0, "max_value": 9, "strict_min": True})
    high = (BETWEEN, {"min_value": 0, "max_value": 9, "strict_max": True})
    both = {"x": Limits(0, 9, open_least=True, open_most=True)}

    assert of(low, high) == of(high, low) == both


def test_an_open_bound_that_is_wider_does_not_hold():
    wide = (BETWEEN, {"min_value": -1, "max_value": 10, "strict_min": True, "strict_max": True})

    assert of((BETWEEN, {"min_value": 0, "max_value": 9}), wide) == {"x": Limits(0, 9)}


def test_a_range_may_be_one_number():
    assert of((BETWEEN, {"min_value": 4, "max_value": 4})) == {"x": Limits(4, 4)}


def test_of_several_sets_the_common_values_are_left():
    told = of((IN_SET, {"value_set": [1, 2, 3]}), (IN_SET, {"value_set": [3, 2, 9]}))

    assert told == {"x": Limits(values=(2, 3))}
