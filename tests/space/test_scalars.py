"""What is written is read back."""

import pytest

from modelwarden.documents import read_yaml
from modelwarden.space.scalars import key, rounded, scalar, sequence, whole


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("A11", "A11"),
        ("loan amount", "loan amount"),
        ("true", '"true"'),
        ("1", '"1"'),
        ("", '""'),
        (" a", '" a"'),
        ("a: b", '"a: b"'),
        ("größe", '"größe"'),
        ("\u2028", '"\\L"'),
        ("😀", '"\\U0001F600"'),
        (True, "true"),
        (3, "3"),
        (-0.5, "-0.5"),
        (1e-7, "1e-07"),
        (1e100, "1e+100"),
    ],
)
def test_a_value_stands_on_one_line_in_quotes_where_it_needs_them(value, text):
    assert scalar(value) == text
    assert read_yaml(f"x: {text}".encode(), "w") == {"x": value}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_no_file_can_hold_is_never_written(value):
    with pytest.raises(ValueError, match="Out of range"):
        scalar(value)


def test_a_list_is_read_back():
    values = ["a", "a, b", "]", True, 1, 0.5]

    assert read_yaml(f"x: {sequence(values)}".encode(), "w") == {"x": values}


@pytest.mark.parametrize("length", [997, 998, 1021, 1022, 1023, 1030, 5000])
def test_a_key_may_be_long(length):
    name = "é" * length

    assert read_yaml(f"x:\n  {key(name, 2)} {{y: 1}}\n".encode(), "w") == {"x": {name: {"y": 1}}}


@pytest.mark.parametrize(
    ("number", "short"),
    [
        (0.1 + 0.2, 0.3),
        (2606.75, 2606.75),
        (12.0, 12),
        (1234567.0, 1234570.0),
        (1e-100, 1e-100),
        (1.2e-100, 1.2e-100),
        (2e100, 1e100),
    ],
)
def test_six_digits_are_left_within_what_a_file_may_say(number, short):
    assert rounded(number) == short
    assert type(rounded(number)) is (int if number == 12 else float)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(3.0, int), (-(2.0**53), int), (2.0**53, int), (2.0**53 + 2, float), (0.5, float)],
)
def test_numbers_that_floats_tell_from_their_neighbours_become_integers(number, kind):
    assert whole(number) == number
    assert type(whole(number)) is kind
