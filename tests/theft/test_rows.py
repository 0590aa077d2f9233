"""Rows that thieves make of rows that they have."""

import numpy as np
import pandas as pd
import pytest

from modelwarden.theft.rows import TableRows, TextRows

FRAME = pd.DataFrame(
    {
        "income": [10.5, 20.25, 40.0, 31.125, np.nan, 18.5],
        "age": [20, 30, 65, 41, 37, 50],
        "count": pd.array([1, None, 5, 3, 2, 4], dtype="Int64"),
        "member": [True, False, True, True, False, False],
        "flag": [0, 1, 1, 0, 1, 0],
        "city": ["Oslo", "Rome", None, "Rome", "Oslo", "Bern"],
        "grade": pd.Categorical(["a", "b", "a", "c", "b", "a"]),
        "joined": pd.to_datetime(["2020-01-01", "2021-02-03"] * 3),
        "empty": [np.nan] * 6,
    }
)


@pytest.fixture
def mixed():
    return TableRows(FRAME).mixed(500, np.random.default_rng(0))


def test_numbers_stay_in_their_range_and_lie_between(mixed):
    for name in ("income", "age", "count"):
        assert mixed[name].min() >= FRAME[name].min()
        assert mixed[name].max() <= FRAME[name].max()
    assert mixed["income"].nunique() > 100


def test_whole_numbers_stay_whole(mixed):
    assert mixed["age"].dtype == FRAME["age"].dtype
    known = mixed["count"].dropna()
    assert (known == known.round()).all()


def test_what_cannot_lie_between_is_one_of_the_parents(mixed):
    for name in ("member", "flag", "city", "grade", "joined"):
        assert set(mixed[name].dropna()) <= set(FRAME[name].dropna())
        assert mixed[name].dtype == FRAME[name].dtype
    assert mixed["empty"].isna().all()


def test_columns_keep_their_order(mixed):
    assert list(mixed.columns) == list(FRAME.columns)


def test_rows_are_crossed_not_copied(mixed):
    pairs = set(zip(mixed["city"], mixed["grade"], strict=True))
    assert len(pairs) > len(set(zip(FRAME["city"], FRAME["grade"], strict=True)))


def test_encoding_is_finite_and_not_cut_off():
    rows = TableRows(pd.DataFrame({"x": np.r_[np.zeros(999), 1e6]}))

    encoded = rows.encode(pd.DataFrame({"x": [0.0, 1e6, 2e6]}))

    assert np.isfinite(encoded).all()
    assert np.diff(encoded[:, 0]) == pytest.approx(np.diff(encoded[:2, 0]).repeat(2))


def test_a_new_text_has_the_words_of_two():
    frame = pd.DataFrame({"text": ["a b c d", "e f g h"]})
    rows = TextRows(frame)

    made = rows.mixed(200, np.random.default_rng(0))["text"]

    assert any({"a", "h"} <= set(text.split()) for text in made)
    assert set(" ".join(made).split()) <= set("abcdefgh")
    assert (rows.encode(frame) > 0).sum() == 8


def test_texts_without_words_are_rows_too():
    rows = TextRows(pd.DataFrame({"text": ["", "  ", "one"]}))

    assert rows.encode(rows.mixed(5, np.random.default_rng(0))).shape == (5, rows.width)
