"""Relations and repairs, as people write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwarden.space.formula import relation, repair


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "write a <= b, a >= b or a == b"),
        ("a", "write a <= b, a >= b or a == b"),
        ("a < b", "write a <= b, a >= b or a == b"),
        ("a = b", "write a <= b, a >= b or a == b"),
        ("a != b", "write a <= b, a >= b or a == b"),
        ("a <= b <= c", "write a <= b, a >= b or a == b"),
        ("`a <= b`", "write a <= b, a >= b or a == b"),
        ("a <= ", "'': write sums"),
        (" >= a", "'': write sums"),
        ("a <= b c", "'b c': + or - between terms"),
        ("a <= 2a", "'2a': + or - between terms"),
        ("a <= 1e5", "'1e5': + or - between terms"),
        ("a <= b * 2", "'b * 2': write sums"),
        ("a * b <= 2", "'a * b': write sums"),
        ("a / 2 <= b", "'a / 2': write sums"),
        ("(a) <= b", "'(a)': write sums"),
        ("__import__('os') <= b", "write sums"),
        ("a <= + ", "'+': write sums"),
        ("a <= b +", "'b +': write sums"),
        ("a <= - - b", "'- - b': write sums"),
        ("a <= ``", "'``': write sums"),
        ("1 <= 2", "says nothing about any column"),
        ("a <= a", "says nothing about any column"),
        ("0 * a <= 1", "says nothing about any column"),
        (f"{'9' * 400} <= a", "9999999999...: too large for a number"),
    ],
)
def test_what_is_no_relation_is_refused(text, message):
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message is looked at below
        relation(text)

    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a == b", "write column = expression"),
        ("a", "write column = expression"),
        ("a = b = c", "write column = expression"),
        ("a <= b", "'a <': write sums"),
        ("= b", "'': write sums"),
        ("a + b = c", "one column to the left of ="),
        ("2 * a = c", "one column to the left of ="),
        ("-a = c", "one column to the left of ="),
        ("a + 1 = c", "one column to the left of ="),
        ("3 = c", "one column to the left of ="),
        ("a = a + 1", "'a' on one side only"),
        ("a = b - 0 * a", "'a' on one side only"),
    ],
)
def test_what_is_no_repair_is_refused(text, message):
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message is looked at below
        repair(text)

    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("text", "weights", "constant", "equal"),
    [
        ("a <= b", {"a": 1, "b": -1}, 0, False),
        ("a >= b", {"b": 1, "a": -1}, 0, False),
        ("a == b", {"a": 1, "b": -1}, 0, True),
        ("a<=b", {"a": 1, "b": -1}, 0, False),
        ("2*a + 0.5 * b - 3 <= 4", {"a": 2, "b": 0.5}, -7, False),
        ("2 * a + 0.5 * b - 3 >= 4", {"a": -2, "b": -0.5}, 7, False),
        ("- a <= -b + 1", {"a": -1, "b": 1}, -1, False),
        ("a + a <= b + 1 + 1", {"a": 2, "b": -1}, -2, False),
        ("a + b <= b", {"a": 1}, 0, False),
        ("a >= 18", {"a": -1}, 18, False),
        ("`loan amount` <= 2 * `a<=b`", {"loan amount": 1, "a<=b": -2}, 0, False),
        ("größe_1 <= x2", {"größe_1": 1, "x2": -1}, 0, False),
    ],
)
def test_a_relation_is_a_sum_that_is_at_most_zero(text, weights, constant, equal):
    read = relation(text)

    assert (read.weights, read.constant, read.equal) == (weights, constant, equal)
    assert (read.target, read.text) == ("", text)


@pytest.mark.parametrize(
    ("text", "target", "weights", "constant"),
    [
        ("total = used + 2 * free", "total", {"total": 1, "used": -1, "free": -2}, 0),
        ("a = 3", "a", {"a": 1}, -3),
        ("a = 5 - b", "a", {"a": 1, "b": 1}, -5),
        ("`a = b` = `c d`", "a = b", {"a = b": 1, "c d": -1}, 0),
    ],
)
def test_a_repair_is_a_sum_that_is_zero(text, target, weights, constant):
    read = repair(text)

    assert (read.target, read.weights, read.constant) == (target, weights, constant)
    assert read.equal


NAMES = st.text(st.characters(exclude_characters="`", exclude_categories=["Cs"]), min_size=1)
FACTORS = st.integers(1, 99)


@settings(max_examples=40)
@given(st.dictionaries(NAMES, FACTORS, min_size=1, max_size=4), st.integers(-99, 99))
def test_any_name_without_a_backtick_can_be_spoken_about(weights, constant):
    terms = " + ".join(f"{weight} * `{name}`" for name, weight in weights.items())

    read = relation(f"{terms} <= {constant}")

    assert (read.weights, read.constant) == (weights, -constant)
