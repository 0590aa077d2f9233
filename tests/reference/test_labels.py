"""Columns that give labels away: what they say, and whether they always did."""

import numpy as np
import pandas as pd
import pytest

from modelwarden.reference.labels import _first_half, _ranges, leaks


def graded(rows, saved, seed):
    """Return a column that saves a share of the errors of guessing, and labels of 30 %."""
    random = np.random.default_rng(seed)
    codes = (random.permutation(rows) < 0.3 * rows).astype(np.intp)
    said, wrong = codes.copy(), random.permutation(rows)[: round((1 - saved) * codes.sum())]
    said[wrong] = 1 - said[wrong]
    return said, codes


@pytest.mark.parametrize("as_column", [lambda c: c.astype(str), lambda c: c / 3])
@pytest.mark.parametrize(
    ("before", "now", "found"),
    [(0.78, 0.95, 1), (0.82, 0.95, 0), (0.5, 0.88, 0), (0.5, 0.92, 1), (1.0, 1.0, 0)],
)
def test_a_column_that_always_gave_labels_away_is_no_news(before, now, found, as_column):
    (old, known), (new, codes) = graded(5000, before, 0), graded(3000, now, 1)
    frames = [pd.DataFrame({"grade": as_column(said)}) for said in (new, old)]

    changes = leaks(frames[0], codes, frames[1], known, 0.0025)
    assert [change.change for change in changes] == ["leakage"] * found
    assert all(f"{now:.0%} of the errors" in change.words for change in changes)


def test_a_range_is_a_value_or_what_lies_between_two():
    random = np.random.default_rng(0)
    numbers = np.sort(np.round(random.normal(size=500), 1))
    codes, learn = random.integers(0, 3, 520), _first_half(520)
    numbers[499], learn[499] = 100.0, False  # above all edges, and yet no missing value
    places = _ranges(numbers, codes, learn, 3)

    for label in range(3):
        own = numbers[(codes[:500] == label) & learn[:500]]
        for edge in (own.min(), np.quantile(own, 0.5, method="lower"), own.max()):
            assert len({*places[:500][numbers == edge]}) == 1
            assert not {*places[:500][numbers == edge]} & {*places[:500][numbers != edge]}
    assert (np.diff(places) >= 0).all()
    assert len({*places[500:]}) == 1
    assert places[499] < places[500]


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_of_a_few_rows_nothing_is_said(rows):
    frame = pd.DataFrame({"x": np.arange(float(rows))})
    codes = np.arange(rows) % 2

    assert leaks(frame, codes, frame[[]], codes, 1.0) == []


def test_a_column_without_values_says_nothing():
    frame = pd.DataFrame({"x": np.full(200, np.nan)})
    codes = np.arange(200) % 2

    assert leaks(frame, codes, frame[[]], codes, 1.0) == []
