"""Space files to start from: they say what a table shows, and are read as they stand."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelwarden.documents import MAX_DOCUMENT
from modelwarden.errors import InputError
from modelwarden.space.columns import Column
from modelwarden.space.derive import derive
from modelwarden.space.rules import ColumnRule, Image, Rules, Text
from modelwarden.space.suite import Limits
from modelwarden.space.table import Space

NAN = np.nan


def text_of(frame, **more):
    return derive(frame, **more).decode()


def read(text):
    return Rules.parse(text.encode(), "space.yaml")


def line(text, name):
    """Return the one line that says something about a column."""
    (found,) = re.findall(rf"^  (?:- )?{name}\b.*$", text, re.MULTILINE)
    return found.strip()


def offered(text):
    """Return a file in which everything that is offered behind # under fixed was taken up."""
    head, fixed = text.split("\nfixed:\n")
    lines = re.findall(r"^  # (.*: \{values: .*)$", fixed, re.MULTILINE)
    return f"{head}\ncolumns:\n" + "".join(f"  {offer}\n" for offer in lines)


# Any table


NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.sampled_from(
        [
            *("true", "null", "~", "1", "1.5", "no", "-", "- a", "a: b", "a #b", "#a", "? a", ""),
            *(
                '"',
                "'",
                "`",
                "a`b",
                "{a}",
                "[a]",
                "*a",
                "&a",
                "!a",
                "%a",
                "@a",
                "|",
                ">",
                "\n",
                "\t",
            ),
            *("a\nb", "\r\n", "\x00", "\x85", "\u2028", "\ufeff", "\x1b", "é", "名前", "😀", " a "),
            *("least", "version", "columns", "a_b", "a_c", "\x01" * 256, "😀" * 256),
        ]
    ),
)
COLUMNS = st.sampled_from(
    [
        *([1, 2, 3], [3, 3, 3], [0, 1, 0], [1, 0, 1], [2**60, 0, 1], [-5, 0, 10]),
        *([0.5, 1.5, -2.25], [1e100, 0.0, 5.0], [1e-90, 0.0, 1.0], [1e300, 0.0, 1.0]),
        *([1.0, NAN, 2.0], [NAN, NAN, NAN], [np.inf, 0.0, 1.0], [0.1 + 0.2, 0.1, 1e-7]),
        *([1e-101, 0.0, 0.0], [-1e100, 0.0, 1e100], [0.0, 0.0, 5.0]),
        *(
            ["a", "b", "a"],
            [None, None, None],
            ["x: y", "#", "x: y"],
            ["", " ", ""],
            ["1", "1", "2"],
        ),
        *(["a b c d", "e f g h", "i j k l"], ["true", "null", "true"], ["\n", "\u2028", "\n"]),
        *([True, False, True], [True, None, False], [True, True, True]),
        pd.Categorical([1, 2, 1]),
        pd.Categorical([0.5, np.inf, np.inf]),
        pd.Categorical(["b", "a", "b"], categories=["c", "b", "a"]),
        pd.Categorical(pd.to_datetime(["2020-01-01", "2020-01-01", "2021-01-01"])),
        pd.to_datetime(["2020-01-01", None, "2021-01-01"]),
        np.array([0.1, 0.2, 0.7], dtype="float32"),
        np.array([1, 2, 255], dtype="uint8"),
    ]
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(NAMES, COLUMNS, min_size=1, max_size=6))
@example({"text": ["a b c d", "e f g h", "i j k l"]})
@example({"a_b": [0, 1, 0], "a_c": [1, 0, 1], "a": [True, False, True]})
def test_any_table_gives_a_file_that_fits_it(columns):
    frame = pd.DataFrame(columns)
    text = text_of(frame)
    rules = read(text)
    free, told = (Space(frame, np.arange(3), given) for given in (None, rules))
    grouped = {name for names in rules.one_hot.values() for name in names}

    assert rules.named == {*frame.columns} or rules.text == Text()
    assert {*told.columns} - {*rules.one_hot} == {*free.columns} - grouped
    for name in {*told.columns} & {*free.columns}:
        one, other = told.columns[name], free.columns[name]
        assert (one.least, one.most, one.step) == (other.least, other.most, other.step)
        assert one.scale == pytest.approx(other.scale, rel=1e-5)
    assert text == text_of(frame.copy())


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(NAMES, COLUMNS, min_size=2, max_size=4))
def test_what_is_offered_can_be_taken_up(columns):
    frame = pd.DataFrame({**columns, "word": ["a", "b", "a"]})
    text = re.sub(r"\ncolumns:\n(  .*\n)*", "\n", text_of(frame))
    taken = read(offered(text))

    told = Space(frame, np.arange(3), taken)

    assert "word" in told.columns
    assert taken.columns["word"].values == ["a"]


# What is said about columns


@pytest.mark.parametrize(
    ("name", "cells", "said"),
    [
        ("x", [4, 6, 12, 72], "x: {least: 4, most: 72, step: 1, scale: 21.5}  # integers; from "
         "epsilon 0.047 on"),
        ("x", [0.5, 1.0, 2.0, 4.0], "x: {least: 0.5, most: 4, scale: 1.625}  # numbers"),
        ("x", [0, 0, 0, 0, 10], "x: {least: 0, most: 10, step: 1, scale: 4}  # integers; mostly "
         "one value, so the scale is the standard deviation; from epsilon 0.25 on"),
        ("x", [1.0, 2, 3, NAN], "x: {least: 1, most: 3, step: 1, scale: 1}  # integers; from "
         "epsilon 1 on; missing or infinite in 1 of 4 rows, which stay so"),
        ("x", [7, 7, 7], "- x  # always 7"),
        ("x", [2.5, NAN, 2.5], "- x  # always 2.5"),
        ("x", [NAN, NAN], "- x  # no number in it"),
        ("x", [2**60, 1], "- x  # numbers too large"),
        ("x", ["a", "b", None], "- x  # text, 2 values"),
        ("x", ["a", "a"], "- x  # text, always the same"),
        ("x", [None, None], "- x  # nothing in it"),
        ("x", [True, False], "- x  # true or false, 2 values"),
        ("x", [True, None, False], "- x  # true or false, 2 values"),
        ("x", pd.Categorical(["a", "b"]), "- x  # a category, 2 values"),
        ("x", pd.to_datetime(["2020", "2021"]), "- x  # timestamps"),
        ("foreign_worker", ["a", "b"], "- foreign_worker  # text, 2 values; looks like a trait of "
         "a person"),
        ("user_id", ["a", "b"], "- user_id  # text, 2 values; looks like an identifier"),
        ("x", [f"u{n}" for n in range(20)], "- x  # text, 20 values; looks like an identifier"),
    ],
    ids=str,
)  # fmt: skip
def test_a_column_is_told_with_what_was_seen(name, cells, said):
    assert line(text_of(pd.DataFrame({name: cells})), name) == said


@pytest.mark.parametrize(
    ("name", "cells", "hint"),
    [
        *((name, [1, 2, 3], "a trait of a person") for name in ("age", "Age", "AGE", "patientAge")),
        *((name, [1, 2, 3], "a trait of a person") for name in ("sex", "is_pregnant", "race")),
        *((name, [1, 2, 3], "an identifier") for name in ("id", "customerId", "row-id", "UUID")),
        ("x", range(20), "an identifier"),
    ],
)
def test_people_are_asked_to_decide_about_numbers_that_look_like_more(name, cells, hint):
    text = text_of(pd.DataFrame({name: cells}))

    assert f"  # DECIDE: looks like {hint}; list it under fixed if nobody can change it\n" in text


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        *((name, [1, 2, 3]) for name in ("mortgage", "usage", "sextant", "idle", "raced", "valid")),
        ("x", range(19)),
        ("x", [*range(20), 0]),
        ("x", np.arange(20) / 8),
    ],
)
def test_others_are_not_worth_a_question(name, cells):
    text = text_of(pd.DataFrame({name: cells}))

    assert "DECIDE:" not in text
    assert "looks like" not in text


def test_categories_are_offered_sorted_and_only_those_that_rows_share():
    frame = pd.DataFrame({"x": ["b", "a", "b", "a", "secret"], "y": [True, False] * 2 + [True]})
    text = text_of(frame)

    assert "  # x: {values: [a, b]}\n  - x" in text
    assert "  # y: {values: [false, true]}\n  - y" in text
    assert "secret" not in text


@pytest.mark.parametrize("cells", [["a", "a"], [f"v{n}" for n in range(21)] * 2], ids=len)
def test_one_category_and_too_many_are_not_offered(cells):
    assert "values:" not in text_of(pd.DataFrame({"x": cells}))
    assert "values:" in text_of(pd.DataFrame({"x": [f"v{n}" for n in range(20)] * 2}))


def test_one_hot_columns_are_a_group_and_stand_nowhere_else():
    frame = pd.DataFrame({"h_a": [0, 1, 1], "h_b": [1, 0, 0], "x": [1, 2, 3]})
    rules = read(text_of(frame))

    assert rules.one_hot == {"h": ["h_a", "h_b"]}
    assert [*rules.columns] == ["x"]


def test_a_table_of_texts_gets_synonyms_instead_of_columns():
    text = text_of(pd.DataFrame({"mail": ["you have won a prize", "see you at noon then"]}))

    assert read(text).text == Text()
    assert "column mail" in text
    synonyms = re.sub("^# text:", "text:", text.replace("\ntext:", "\n#"), flags=re.MULTILINE)
    assert read(synonyms).text.synonyms == {"free": ["gratis", "complimentary"]}
    assert "text:" not in text_of(
        pd.DataFrame({"mail": ["you have won", "see you then"], "x": [1, 2]})
    )


def test_pixels_are_offered_as_an_image():
    frame = pd.DataFrame({f"pixel_{place}": [0, place] for place in range(4)})
    (offer,) = re.findall("^# (image: .*)$", text_of(frame), re.MULTILINE)

    assert read(f"version: 1\n{offer}").image == Image(height=2, width=2)
    for other in (frame.assign(x=1), frame.assign(pixel_3="a"), frame[["pixel_1", "pixel_2"]]):
        assert "image" not in text_of(other)
    assert "image" not in text_of(frame.rename(columns=str.upper).rename(columns="c{}".format))


def test_the_head_says_where_it_comes_from_whatever_that_is():
    text = text_of(pd.DataFrame({"x": [1, 2]}), about=["From 2 rows.", "odd\n\x00\u2028version: 2"])

    assert "# From 2 rows.\n# odd   version: 2\n" in text
    assert read(text).version == 1


def test_every_hint_in_the_head_is_a_key_that_is_read():
    text = text_of(
        pd.DataFrame({"total": [1.5, 2], "open": [1.5, 2], "used": [1.5, 2], "free": 1.5})
    )
    live = re.sub("^# (max_changed|relations|repairs):", r"\1:", text, flags=re.MULTILINE)

    rules = read(live)

    assert rules.max_changed == 3
    assert len(rules.formulas()) == 3


def test_a_table_whose_file_would_be_too_large_is_refused():
    names = [f"{'😀' * 250}{number}" for number in range(MAX_DOCUMENT // 2500 + 1)]

    with pytest.raises(
        InputError, match=r"^t\.csv: expected a space file of at most 1,048,576 bytes"
    ):
        derive(pd.DataFrame([[0] * len(names)], columns=names), where="t.csv")


# With a suite


def rule(cells, **limit):
    """Return the rule that is derived; its line, where the column is fixed."""
    text = text_of(pd.DataFrame({"x": cells}), limits={"x": Limits(**limit)})
    return read(text).columns.get("x") or line(text, "x")


def test_bounds_of_a_suite_replace_what_was_seen():
    text = text_of(pd.DataFrame({"x": [1, 2, 3]}), limits={"x": Limits(0, 9.5)})

    assert read(text).columns["x"] == ColumnRule(least=0, most=9.5, step=1, scale=1)
    assert "# integers; bounds given, seen 1 to 3" in text


@pytest.mark.parametrize(
    ("cells", "limit", "least", "most"),
    [
        ([1, 2, 3], {"least": 0}, 0, 3),
        ([1, 2, 3], {"most": 9}, 1, 9),
        ([1, 2, 3], {"least": 0, "open_least": True, "most": 9, "open_most": True}, 1, 8),
        ([1, 2, 3], {"least": 0.5, "open_least": True, "most": 8.5, "open_most": True}, 1, 8),
        ([1.5, 2, 3], {"least": 0, "open_least": True}, 5e-324, 3),
        ([1.5, 2, 3], {"most": 9, "open_most": True}, 1.5, np.nextafter(9, 0)),
        ([1, 2, 3], {"values": (0, 2, 4, "a", None, True)}, 0, 4),
        ([1, 2, 3], {"values": (0, 2, 4), "most": 3}, 0, 2),
    ],
)
def test_open_bounds_and_sets_become_closed_bounds(cells, limit, least, most):
    got = rule(cells, **limit)

    assert (got.least, got.most) == (least, most)


def test_numbers_evenly_apart_become_steps():
    assert rule([0, 5, 10], values=(10, 0, 5)).step == 5
    assert rule([0.5, 1.0, 1.5], values=(0.5, 1.0, 1.5)).step == 0.5


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        ({"values": (0, 1, 5)}, "the suite allows 3 numbers that are not evenly apart"),
        ({"values": (3,)}, "the suite allows nothing but 3"),
        ({"values": (3, 3.0, 4.5)}, "the suite allows nothing but 3"),
        ({"values": (0, 10**200)}, "the suite allows numbers too close or too far apart"),
        ({"values": ("a",)}, "the suite allows no number"),
        ({"least": 4, "most": 4}, "no room between its bounds"),
        (
            {"least": 4, "open_least": True, "most": 5, "open_most": True},
            "the suite leaves no value",
        ),
    ],
)
def test_what_no_rule_can_say_keeps_the_column_fixed(limit, why):
    assert rule([0, 1, 5], **limit) == f"- x  # {why}"


def test_values_of_a_suite_are_offered_whoever_has_them():
    frame = pd.DataFrame({"x": ["a", "b"], "y": [True, False]})
    limits = {"x": Limits(values=("c", "a", 1)), "y": Limits(values=(True, 1))}
    text = text_of(frame, limits=limits)

    assert "# x: {values: [c, a]}" in text
    assert "# y: {values: [true]}" in text


def test_values_of_a_suite_that_a_category_cannot_hold_are_not_offered():
    frame = pd.DataFrame({"x": pd.Categorical(["a", "b"], categories=["a", "b", "c"])})

    text = text_of(frame, limits={"x": Limits(values=("c", "z", "c", "a"))})

    assert "# x: {values: [c, a]}" in text
    assert "values:" not in text_of(frame, limits={"x": Limits(values=("z",))})


def test_numbers_in_the_file_are_measured_as_without_one():
    cells = pd.Series([0.1, 0.2, 0.7, 1.9])

    got = read(text_of(cells.to_frame("x"))).columns["x"]

    assert got.scale == pytest.approx(Column.of(cells).scale, rel=1e-6)
