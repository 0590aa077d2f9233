"""One pass: what a profile says of a table, however it comes."""

import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attacked import stored
from modelwarden.errors import InputError
from modelwarden.reference import survey as module
from modelwarden.reference.profile import ColumnProfile, Profile
from modelwarden.reference.suite import suite
from modelwarden.reference.survey import survey
from modelwarden.table_files import batches

FRAME = pd.DataFrame(
    {
        "amount": [1.5, np.nan, np.inf, -2.0, 4.0, 0.25],
        "age": pd.array([30, None, 41, 30, 22, 65], dtype="Int64"),
        "paid": [True, False, None, True, True, True],
        "city": ["Oslo", "Rome", None, "Oslo", "Oslo", "Oslo"],
        "when": pd.to_datetime(["2020-01-01", None, "2020-01-03"] * 2),
        "grade": pd.Categorical(["a", "b", "a", "a", "a", "a"]),
    }
)


def surveyed(frame, size=10_000, **options):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return survey(table.to_batches(size), table.schema, **options)


def profiled(frame, **options):
    done = surveyed(frame, **options)
    return Profile(rows=done.rows, source="0" * 64, sample="1" * 64, columns=done.columns())


def test_says_what_each_column_holds():
    columns = profiled(FRAME).by_name

    amount, age = columns["amount"], columns["age"]
    assert (amount.kind, amount.missing, amount.low, amount.high) == ("number", 2, -2.0, 4.0)
    assert amount.mean == pytest.approx(0.9375)
    assert amount.deviation == pytest.approx(np.std([1.5, -2.0, 4.0, 0.25]))
    assert (amount.whole, age.whole, age.missing) == (False, True, 1)
    assert (columns["paid"].kind, columns["paid"].missing) == ("flag", 1)
    assert (columns["city"].kind, columns["city"].distinct) == ("text", 2)
    assert (columns["when"].kind, columns["when"].low) == ("time", 1577836800.0)
    assert columns["grade"].values == {"a": 5}


def test_names_no_value_that_fewer_than_five_rows_share():
    columns = profiled(pd.DataFrame({"name": ["Ada"] * 4 + ["Bo"] * 5})).by_name

    assert columns["name"].values == {"Bo": 5}
    assert columns["name"].distinct == 2


@given(st.integers(1, 50))
def test_the_size_of_batches_changes_nothing(size):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(1e6, 1, 60), "y": random.choice(list("ab"), 60)})
    whole, parts = surveyed(frame), surveyed(frame, size)

    assert whole.sample() == parts.sample()
    for one, other in zip(whole.columns(), parts.columns(), strict=True):
        assert one.model_dump(exclude={"mean", "deviation"}) == other.model_dump(
            exclude={"mean", "deviation"}
        )
        assert one.deviation == pytest.approx(other.deviation, rel=1e-9)


def test_the_sample_is_uniform_and_in_order(monkeypatch):
    monkeypatch.setattr(module, "SAMPLED", 100)
    frame = pd.DataFrame({"row": range(1000)})
    hits = np.zeros(1000)
    for seed in range(200):
        rows = pq.read_table(io.BytesIO(surveyed(frame, 70, seed=seed).sample()))["row"].to_numpy()
        assert len(rows) == 100
        assert (np.diff(rows) > 0).all()
        hits[rows] += 1

    assert hits.reshape(10, 100).sum(axis=1) == pytest.approx(2000, rel=0.08)


def test_names_the_most_frequent_values_only():
    frame = pd.DataFrame({"t": [f"v{i}" for i in range(300) for _ in range(5 + i // 100)]})
    values = profiled(frame).by_name["t"].values

    assert len(values) == module.NAMED
    assert {f"v{i}" for i in range(100, 300)} == set(values)


def test_more_values_than_are_counted_are_only_many(monkeypatch):
    monkeypatch.setattr(module, "COUNTED", 10)
    (column,) = surveyed(pd.DataFrame({"id": [f"u{i}" for i in range(20)] * 5})).columns()

    assert (column.distinct, column.values) == (-1, {})


def test_a_column_without_values():
    (column,) = surveyed(pd.DataFrame({"x": [np.nan] * 5})).columns()

    assert (column.missing, column.mean, column.deviation, column.low) == (5, 0, 0, 0)


def test_parquet_is_read_in_batches_and_csv_alike(tmp_path):
    frame = pd.DataFrame({"x": np.arange(200_000.0), "t": ["a", "b"] * 100_000})
    sizes = {}
    for name in ("t.parquet", "t.csv"):
        _, rows = batches(stored(frame, tmp_path, name))
        sizes[name] = [batch.num_rows for batch in rows]

    assert sum(sizes["t.parquet"]) == sum(sizes["t.csv"]) == 200_000
    assert max(sizes["t.parquet"]) <= 65_536


def test_refuses_parquet_without_rows_and_cut_off(tmp_path):
    empty = stored(FRAME[["amount"]].iloc[:0], tmp_path, "empty.parquet")
    with pytest.raises(InputError, match="at least one row"):
        batches(empty)
    file = stored(FRAME, tmp_path, "t.parquet")
    file.path.write_bytes(file.path.read_bytes()[:-20])
    with pytest.raises(InputError, match="a whole Parquet file"):
        batches(file)


# the file ----------------------------------------------------------------------------------------


def test_a_profile_comes_back_as_it_was_written():
    found = profiled(FRAME)

    assert Profile.parse(found.as_bytes(), "p.json") == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 0}, "rows"),
        ({"rows": "5"}, "rows"),
        ({"version": 3}, "version"),
        ({"sample": "xyz"}, "sample"),
        ({"columns": "x"}, "columns"),
        ({"more": 1}, "more"),
    ],
)
def test_refuses_what_is_no_profile(change, message):
    body = json.dumps({**json.loads(profiled(FRAME).as_bytes()), **change}).encode()

    with pytest.raises(InputError, match=f"a profile, got {message}"):
        Profile.parse(body, "p.json")


def test_refuses_two_columns_of_one_name():
    column = ColumnProfile(name="x", type="double", kind="number", missing=0, distinct=-1)
    twice = Profile(rows=1, source="0" * 64, sample="0" * 64, columns=(column, column))

    with pytest.raises(InputError, match="columns of different names"):
        Profile.parse(twice.as_bytes(), "p.json")


@given(st.binary(max_size=100))
def test_any_bytes_are_only_refused(body):
    with pytest.raises(InputError):
        Profile.parse(body, "p.json")


# the suite ---------------------------------------------------------------------------------------


def test_the_suite_holds_for_the_data_it_came_from_and_not_for_other_data(tmp_path):
    from modelwarden.checks.integrity import integrity
    from modelwarden.tables import Table

    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "income": random.lognormal(3, 1, 800),
            "age": random.integers(18, 80, 800),
            "city": random.choice(["Oslo", "Rome", "Bern"], 800, p=[0.6, 0.3, 0.1]),
        }
    )
    body = suite(profiled(frame), frame, "people").decode()
    file = stored(body, tmp_path, "suite.json")
    moved = frame.assign(city=random.choice(["Oslo", "Rome"], 800), age=frame["age"] - 60)
    good, bad = (
        integrity(Table.open(stored(table, tmp_path, "t.csv")), file).report
        for table in (frame, moved)
    )

    assert good.failures == ()
    assert good.metrics["evaluated_expectations"] == 10
    assert bad.metrics["failed_expectations"] >= 2
