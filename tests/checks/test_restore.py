"""Rows put back: the right ones, as they were, and only from tables that belong together."""

import hashlib
import io

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from modelwarden.checks.restore import restore
from modelwarden.errors import InputError
from modelwarden.store import File
from modelwarden.tables import Table

TEXT = 'a,b,label\r\n1.50,"x, y",0\n2,z,1\r\n+3,z,0\n4,"",1\n5,trigger,0\n6.0,z,1'
FRAME = pd.DataFrame(
    {
        "a": [1, 2, 3, 4, 5, 6],
        "b": pd.Categorical(["x", "z", None, "z", "trigger", "z"], ["z", "x", "trigger"]),
        "label": [0, 1, 0, 1, 0, 1],
    }
)
KEPT = np.array([True, True, False, True, False, False])


@pytest.fixture
def table(tmp_path):
    def opened(body, name="t"):
        body = body.encode() if isinstance(body, str) else body
        path = tmp_path / hashlib.sha256(body).hexdigest()
        path.write_bytes(body)
        return Table.open(File(f"s3://b/{name}", path, path.name, len(body)))

    return opened


def parquet(frame):
    sink = io.BytesIO()
    frame.to_parquet(sink)
    return sink.getvalue()


@pytest.fixture(params=["csv", "parquet"])
def train(request, table):
    return table(TEXT if request.param == "csv" else parquet(FRAME), "train")


def decisions(train, kept=KEPT, **more):
    said = np.where(kept, "kept", "rejected")
    return train.encode(pd.DataFrame({"row": range(1, len(kept) + 1), "decision": said, **more}))


def put_back(table, train, numbers, kept=KEPT, rows=None, **edited):
    """Filter and restore; return the bytes of the result and the report."""
    filtered = table(train.select(kept, **edited), "kept")
    found = restore(filtered, train, table(rows or decisions(train), "rows"), restore=numbers)
    return found.tables["kept"], found.report


def test_restored_rows_stand_where_they_were_as_they_were(table, train):
    body, report = put_back(table, train, "5")

    assert body == train.select(np.array([True, True, False, True, True, False]))
    assert report.metrics == {"restored_rows": 1, "restored_fraction": 1 / 6}
    assert report.details == {"restored": ["5"]}
    assert not report.failures


def test_restoring_all_gives_the_very_bytes_that_were_submitted(table):
    train = table(TEXT)

    body, report = put_back(table, train, " 3 , 5 - 6")

    assert body == TEXT.encode()
    assert report.details == {"restored": ["3", "5-6"]}


def test_neutralised_cells_stay_so_and_restored_rows_keep_theirs(table, train):
    odd = np.array([True, True, False, False, False, False])
    edits = {"b": (odd, "z"), "a": (odd, 9)}

    body, _ = put_back(table, train, "5", edits=edits)

    frame = table(body).frame()
    assert frame["b"].tolist()[:2] == ["z", "z"]
    assert frame["b"].tolist()[-1] == "trigger"
    assert frame["a"].tolist() == [9, 9, 4, 5]
    assert body == train.select(KEPT | (np.arange(6) == 4), edits)


def test_finds_what_was_neutralised_where_some_cells_held_the_value_before(table):
    train = table(TEXT, "train")
    edits = {"a": (KEPT, 1.5), "b": (KEPT, None)}

    body, _ = put_back(table, train, "3", edits=edits)

    assert body == b"a,b,label\r\n1.50,,0\n1.5,,1\r\n+3,z,0\n1.5,,1\n"


def test_a_dropped_column_stays_dropped(table, train):
    body, _ = put_back(table, train, "3,6", drop=["b"])

    assert table(body).columns == ("a", "label")
    assert table(body).frame()["a"].tolist() == [*train.frame()["a"][[0, 1, 2, 3, 5]]]


def test_a_rejected_row_of_another_type_may_come_back(table):
    train = table("a,label\n1,0\n2,1\nx,0\n4,1\n5,0\n6,1\n")

    body, _ = put_back(table, train, "3")

    assert table(body).frame()["a"].tolist() == ["1", "2", "x", "4"]


def test_parquet_of_another_writer_is_the_same_table(table):
    train = table(parquet(FRAME.assign(a=[1.5, np.nan, 3, 4, 5, 6])), "train")
    rewritten = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(train.select(KEPT))), rewritten, compression="gzip")
    rows = table(decisions(train), "rows")

    found = restore(table(rewritten.getvalue()), train, rows, restore="3")

    assert table(found.tables["kept"]).n_rows == 4


@pytest.mark.parametrize(
    ("numbers", "got"),
    [
        ("0", "rows from 1 to 6, got 0"),
        ("7", "rows from 1 to 6, got 7"),
        ("5-999999999999", "rows from 1 to 6, got 5-999999999999"),
        ("6-5", "rows from 1 to 6, got 6-5"),
        ("1", "rows that were rejected, got 1, which was kept"),
        ("3-5", "rows that were rejected, got 4, which was kept"),
        ("", "numbers and ranges such as 17,20-25, got ''"),
        ("5,", "got ''"),
        ("-5", "got '-5'"),
        ("5;6", "got '5;6'"),
        ("\u0665", "got '\u0665'"),
        ("5e0", "got '5e0'"),
        ("9" * 50, f"got '{'9' * 40}'"),
    ],
)
def test_names_the_number_at_fault(table, numbers, got):
    with pytest.raises(InputError, match="option restore: expected") as error:
        put_back(table, table(TEXT), numbers)

    assert got in str(error.value)


def rows_of(**changes):
    frame = {"row": [1, 2, 3, 4, 5, 6], "decision": np.where(KEPT, "kept", "rejected"), **changes}
    return pd.DataFrame({k: v for k, v in frame.items() if v is not None}).to_csv(index=False)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (rows_of(row=None), "expected a column 'row', got decision"),
        (rows_of(decision=None), "expected a column 'decision', got row"),
        (rows_of(row=[2, 1, 3, 4, 5, 6]), "expected the rows 1 to 6 of s3://b/train, in order"),
        (rows_of(row=[0, 1, 2, 3, 4, 5]), "expected the rows 1 to 6"),
        (rows_of(row=list("abcdef")), "expected the rows 1 to 6"),
        ("row,decision\n1,kept\n2,rejected\n", "expected the rows 1 to 6"),
        (rows_of(decision=["kept"] * 5 + ["Kept"]), "expected kept or rejected"),
        (rows_of(decision=["kept"] * 5 + [None]), "expected kept or rejected"),
    ],
)
def test_refuses_rows_that_are_not_of_train(table, rows, problem):
    with pytest.raises(InputError, match="s3://b/rows") as error:
        put_back(table, table(TEXT, "train"), "5", rows=rows)

    assert problem in str(error.value)


OTHERS = "s3://b/kept: expected the rows of s3://b/train that s3://b/rows says were kept, got"


@pytest.mark.parametrize(
    "kept",
    [
        'a,b,label\r\n1.50,"x, y",0\n2,z,1\r\n',
        'a,b,label\r\n1.5,"x, y",0\n2,z,1\r\n4,"",1\n',
        'a,b,label\r\n2,z,1\r\n1.50,"x, y",0\n4,"",1\n',
        'a,b,label\r\n7,"x, y",0\n8,z,1\r\n4,"",1\n',
        'a,label,b\r\n1.50,0,"x, y"\n2,1,z\r\n4,1,""\n',
        'a,b,label,new\r\n1.50,"x, y",0,1\n2,z,1,1\r\n4,"",1,1\n',
        'a,b,label\r\nx,"x, y",0\nx,z,1\r\nx,"",1\n',
        "p,q\n1,2\n3,4\n5,6\n",
        parquet(FRAME[KEPT]),
    ],
)
def test_refuses_a_kept_table_of_another_run(table, kept):
    train = table(TEXT, "train")

    with pytest.raises(InputError) as error:
        restore(table(kept, "kept"), train, table(decisions(train), "rows"), restore="5")

    assert str(error.value).startswith(OTHERS)


def test_refuses_decisions_that_hide_a_rejected_row(table):
    train = table(TEXT, "train")
    rows = decisions(train, kept=KEPT | (np.arange(6) == 2))

    with pytest.raises(InputError, match="says were kept, got others"):
        put_back(table, train, "5", rows=rows)


def test_a_report_lists_a_hundred_ranges_at_most(table):
    kept = np.arange(400) % 2 == 0
    train = table("a,b\n" + "".join(f"{n},{n % 3}\n" for n in range(400)))
    numbers = ",".join(str(n) for n in range(2, 401, 2))

    _, report = put_back(table, train, numbers, kept=kept, rows=decisions(train, kept))

    assert report.metrics["restored_rows"] == 200
    assert len(report.details["restored"]) == 100
