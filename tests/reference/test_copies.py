"""Rows that repeat, counted in bounded memory, and tested against those that usually do."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attacked import opened
from modelwarden.reference import copies as module
from modelwarden.reference.copies import Copies, bursts, hashed, repeats


def repeated(table, size=10_000):
    counter = Copies()
    for batch in table.to_batches(size):
        counter.add(hashed(batch.columns))
    return counter.repeated()


CELLS = st.one_of(
    st.lists(st.sampled_from([None, 0.0, -0.0, 1.5, float("nan"), float("inf"), 2.0**60])),
    st.lists(st.sampled_from([None, 0, -1, 2**53, 2**53 + 1, -(2**63) + 1])),
    st.lists(st.sampled_from([None, "", "a", "b", "0"])),
    st.lists(st.sampled_from([None, True, False])),
)


@settings(max_examples=60)
@given(st.lists(CELLS, min_size=1, max_size=3), st.integers(1, 7))
def test_counts_what_a_set_of_rows_counts(columns, size):
    n = min(map(len, columns))
    table = pa.table({str(i): pa.array(c[:n]) for i, c in enumerate(columns)})
    rows = [
        tuple("missing" if v is None or v != v else v for v in row.values())
        for row in table.cast(_typed(table.schema)).to_pylist()
    ]
    if any(kind == pa.float64() for kind in table.schema.types):
        rows = [tuple(0.0 if v == 0 and isinstance(v, float) else v for v in row) for row in rows]

    assert repeated(table.cast(_typed(table.schema)), size) == n - len(set(rows))


def _typed(schema):
    """Columns without a value have the type null, which no table has."""
    fields = [f.with_type(pa.float64()) if f.type == pa.null() else f for f in schema]
    return pa.schema(fields)


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", "b", "a", None]).dictionary_encode(),
        pa.array([1, 2, 1, None], pa.timestamp("us")),
        pa.array([1, 2, 1, None], pa.date32()),
        pa.array([1, 2, 1, None], pa.date64()),
        pa.array([1, 2**64 - 1, 1, None], pa.uint64()),
        pa.array([1, 2, 1, None], pa.float32()),
        pa.array(["a", "b", "a", None], pa.large_string()),
    ],
)
def test_every_type_of_a_table_is_compared(column):
    assert repeated(pa.table({"x": column})) == 1


def test_not_a_number_is_one_value_whatever_its_bits():
    bits = np.array([0x7FF8000000000000, 0xFFF8000000000001], dtype=np.uint64)

    assert repeated(pa.table({"x": pa.array(bits.view(np.float64))})) == 1


def test_whole_floats_whose_low_bits_are_all_zero_are_told_apart():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.integers(0, 64, (100_000, 5)).astype(float), columns=list("abcde"))
    table = pa.Table.from_pandas(frame, preserve_index=False)

    assert repeated(table) == frame.duplicated().sum()


def test_columns_are_not_interchangeable():
    assert repeated(pa.table({"x": [1, 2], "y": [2, 1]})) == 0


def test_of_many_rows_a_share_is_counted(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 10_000)
    numbers = np.arange(100_000)
    numbers[::10] = numbers[1::10]
    table = pa.table({"x": numbers})
    counter = Copies()
    for batch in table.to_batches(7000):
        counter.add(hashed(batch.columns))

    assert counter._size <= 10_000
    assert counter.repeated() == pytest.approx(10_000, rel=0.15)


@pytest.mark.parametrize("values", [1, 3, 10_000])
def test_rows_that_agree_in_a_few_columns_are_compared_in_all(tmp_path, values):
    random = np.random.default_rng(values)
    frame = pd.DataFrame(random.integers(0, values, (3000, 7)), columns=list("abcdefg"))
    frame["h"] = random.choice(["x", "y"], 3000)
    frame.loc[2500:2599] = frame.loc[:99].to_numpy()
    frame.loc[2600:2699, list("abcd")] = frame.loc[100:199, list("abcd")].to_numpy()
    frame = frame.convert_dtypes().astype(dict.fromkeys("abcdefg", "int64"))

    table = opened(frame, tmp_path)
    assert module.repeated(table, table.columns) == frame.duplicated().sum()


def test_copies_cannot_be_chosen_among_hashes_that_are_left_out(tmp_path, monkeypatch):
    """Who knows the hash could copy rows that a counter of many rows does not keep."""
    monkeypatch.setattr(module, "KEPT", 1000)
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(3000, 2)), columns=["a", "b"])
    columns = pa.Table.from_pandas(frame).to_batches()[0].columns
    lost = frame[hashed(columns) >> np.uint64(63) == 1].iloc[:300]
    table = opened(pd.concat([frame, lost], ignore_index=True), tmp_path)

    (batch,) = table.batches(["a", "b"])
    few = Copies()
    few.add(hashed(batch.columns))
    assert few.repeated() == 0
    assert module.repeated(table, ["a", "b"]) == 300


def test_columns_that_tell_rows_apart_are_read_first_and_numbers_before_text(tmp_path):
    row = np.arange(2000)
    frame = pd.DataFrame({"a": row % 2, "b": row.astype(str), "c": row, "d": row % 50})
    frame = frame.assign(e=row % 20, f=row % 40, g=row / 7)
    table = opened(frame, tmp_path)

    assert module._telling(table, table.columns) == ["c", "g", "b", "d"]
    assert module._telling(table, ["a", "b", "c", "d"]) == []


def test_words_that_no_row_has_change_nothing():
    words = pa.array(["b", "a", *map(str, range(100))])
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0], pa.int32()), words)

    plain, many = (hashed([column]) for column in (pa.array(["b", "a", None, "b"]), coded))
    assert (plain == many).all()


def test_what_is_usual_is_no_finding_and_more_is():
    assert repeats(0, 1000, 0, 20_000).p == 1.0
    assert repeats(30, 1000, 600, 20_000).p > 0.2
    assert repeats(60, 1000, 600, 20_000).p < 1e-3
    assert repeats(3, 1000, 0, 20_000).p < 1e-3
    assert repeats(60, 1000, 600, 20_000).effect == pytest.approx(0.03)


def test_pairs_that_are_equal_by_chance_grow_with_the_square_of_the_rows():
    """As many codes as 20,000 rows of which 100 repeat another make 10,000 of 200,000 repeat."""
    random = np.random.default_rng(0)
    small, large = (
        repeated(pa.table({"x": random.integers(0, 2**21, n)})) for n in (20_000, 200_000)
    )

    assert large > 50 * small
    assert repeats(large, 200_000, small, 20_000).p > 0.001


def test_a_burst_is_seen_however_many_columns_there_are():
    random = np.random.default_rng(0)
    for width in (2, 50):
        reference, batch = random.normal(size=(10_000, width)), random.normal(size=(5000, width))
        assert bursts(batch, reference)[0].p > 0.01
        batch[:60] = batch[0] + 0.01 * random.normal(size=(60, width))
        tested, crowded = bursts(batch, reference)
        assert tested.p < 1e-4 or width == 2
        assert 10 < crowded <= 60 or width == 2


def test_what_is_crowded_already_is_no_burst():
    random = np.random.default_rng(0)
    reference, batch = (random.normal(size=(n, 5)) for n in (10_000, 5000))
    reference[:1000], batch[:500] = 1.0, 1.0

    assert bursts(batch, reference)[0].p > 0.001


def test_nothing_is_compared_with_nothing():
    assert bursts(np.empty((5, 0)), np.empty((5, 0)))[0].p == 1.0


def test_the_profile_counts_repeated_rows_and_whole_numbers():
    from modelwarden.reference.survey import survey

    frame = pd.DataFrame({"x": [1.0, 2.0, 1.0] * 10, "y": np.arange(30) % 2, "z": np.arange(30)})
    table = pa.Table.from_pandas(frame[["x", "y"]], preserve_index=False)
    done = survey(table.to_batches(4), table.schema)
    x, y = done.columns()

    assert done.repeated == 30 - 4
    assert (y.values, y.distinct) == ({"0": 15, "1": 15}, 2)
    assert (x.values, x.distinct) == ({"1": 20, "2": 10}, 2)
