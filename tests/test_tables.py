import gzip
import hashlib
import io
import json
import os
import pickle
import random
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwarden import table_files
from modelwarden.errors import InputError
from modelwarden.store import File
from modelwarden.tables import Table, features, labels

URI = "s3://bucket/data"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@pytest.fixture(scope="module")
def opened(folder):
    """Return a function that stores a body and opens it as a table."""

    def open_body(body, name="data"):
        body = body.encode() if isinstance(body, str) else body
        path = folder / name
        path.write_bytes(body)
        return Table.open(File(URI, path, hashlib.sha256(body).hexdigest(), len(body)))

    return open_body


def parquet(table, **options):
    sink = io.BytesIO()
    pq.write_table(pa.table(table) if isinstance(table, dict) else table, sink, **options)
    return sink.getvalue()


def zipped():
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("data.csv", "a,b\n1,2\n")
    return sink.getvalue()


# What is no table


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "an empty file"),
        (b"\n\n\r\n", "at least one row, got none"),
        (b"a,b\n", "at least one row, got none"),
        (b"a,b", "at least one row, got none"),
        (b"PAR1", "a whole Parquet file"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "a gzip file"),
        (zipped(), "a zip archive"),
        (pickle.dumps({"a": 1}), "a Python pickle"),
        (b"\x89PNG\r\n\x1a\n" + bytes(9), "a PNG image"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16 text"),
        ("a,b\n1,2\n".encode("utf-16-le"), "UTF-8 text, got other bytes in line 1"),
        ("a,b\nK\u00f6ln,2\n".encode("latin-1"), "UTF-8 text, got other bytes in line 2"),
        (b"a,b\n1,2\nx\0y,2\n", "UTF-8 text, got other bytes in line 3"),
        (b"a,b\n\xed\xa0\x80,2\n", "UTF-8 text, got other bytes in line 2"),
        (b"<!DOCTYPE html><html></html>", "an HTML or XML page"),
        (b"\xef\xbb\xbf \n<?xml version='1.0'?><Error/>", "an HTML or XML page"),
    ],
)
def test_names_what_is_not_a_table(opened, body, message):
    with pytest.raises(InputError, match=message) as caught:
        opened(body)

    assert caught.value.where == URI


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a;b\n1;2\n", "commas between fields, got semicolons"),
        ("x;label\n1,5;0\n", "commas between fields, got semicolons"),
        ("a\tb\n1\t2\n", "commas between fields, got tabs"),
        ("a|b\n1|2\n", "commas between fields, got bars"),
        ("a,,c\n1,2,3\n", "none for column 2; name it"),
        (" ,b\n1,2\n", "none for column 1; name it"),
        ("a,b,a\n1,2,3\n", "different names, got 'a' 2 times"),
        (f"a,{'b' * 257}\n1,2\n", "column 2: expected at most 256 characters, got 257"),
        ("a,b\n1,2\n1,2,3\n", "2 fields in every row, got 3 in the row that ends in line 3"),
        ("a,b\n1,2\n1\n", "2 fields in every row, got 1 in the row that ends in line 3"),
        ('a,b\n"x\ny",1\n1\n', "2 fields in every row, got 1 in the row that ends in line 4"),
        ('a,b\n1,"2\n3,4\n', "unexpected end of data in line 3; look for a quote"),
        ('a,b\n"x"y,2\n', "expected after '\"' in line 2"),
        (f"a,b\n{'x' * 131_073},1\n", "field larger than field limit .131072. in line 2"),
        (f"a,b\n1,{'9' * 19}\n", "column 'b': expected integers of 64 bits, got a longer one"),
        (f"a,b\n1,2\n1,-{'9' * 30}\n", "integers of 64 bits, got a longer one in row 2"),
        (",".join(f"c{i}" for i in range(10_001)), "at most 10,000 columns, got 10,001"),
    ],
)
def test_refuses_csv_that_leaves_open_what_it_says(opened, text, message):
    with pytest.raises(InputError, match=message):
        opened(text)


def test_refuses_a_row_that_is_too_long_for_a_block(opened, monkeypatch):
    monkeypatch.setattr(table_files, "MAX_ROW", 1000)

    with pytest.raises(InputError, match="rows of at most 1,000 bytes"):
        opened(f"a,b\n1,2\n{'x' * 5000},2\n")


def test_refuses_a_csv_file_that_is_too_large_before_reading_it(folder):
    file = File(URI, folder / "absent", "", table_files.MAX_BYTES + 1)
    (folder / "absent").write_text("a,b\n")

    with pytest.raises(InputError, match="at most 1,073,741,824 bytes"):
        Table.open(file)


def test_refuses_more_cells_than_fit_into_memory(opened, monkeypatch):
    monkeypatch.setattr(table_files, "MAX_CELLS", 5)

    with pytest.raises(InputError, match="at most 5 rows x columns, got 6"):
        opened("a,b\n1,2\n3,4\n5,6\n")


def test_a_table_may_be_as_large_as_the_bound(opened, monkeypatch):
    monkeypatch.setattr(table_files, "MAX_CELLS", 6)

    assert opened("a,b\n1,2\n3,4\n5,6\n").n_rows == 3


def test_an_error_never_quotes_the_data(opened):
    for text in ("a,b\nJane Doe\n", 'a,b\nJane,"Doe\n', 'a,b\n"Jane"Doe,1\n'):
        with pytest.raises(InputError) as caught:
            opened(text)

        assert not any(name in str(caught.value) for name in ("Jane", "Doe"))


# CSV: what a column is


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["1", "-2", "0"], "int64", [1, -2, 0]),
        (["9223372036854775807", "1", "2"], "int64", [2**63 - 1, 1, 2]),
        ([" 1", "2 ", "3"], "int64", [1, 2, 3]),
        (["1", "2.5", "1e2"], "float64", [1.0, 2.5, 100.0]),
        (["0.1", "-0.25", "0"], "float64", [0.1, -0.25, 0.0]),
        (["+1", "-1", "+1"], "float64", [1.0, -1.0, 1.0]),
        (["inf", "-Infinity", "1e400"], "float64", [np.inf, -np.inf, np.inf]),
        (["100000000000000000000", "1.5", "2"], "float64", [1e20, 1.5, 2.0]),
        (["true", "False", "TRUE"], "bool", [True, False, True]),
        (["1", "", "3"], "float64", [1.0, np.nan, 3.0]),
        (["1", "NA", "NaN"], "float64", [1.0, np.nan, np.nan]),
        (["1.5", "null", "#N/A"], "float64", [1.5, np.nan, np.nan]),
        (["", "", ""], "float64", [np.nan] * 3),
        (["true", "", "false"], "object", [True, None, False]),
    ],
)
def test_a_column_gets_the_first_type_that_fits_all_of_it(opened, cells, dtype, values):
    rows = "".join(f"{cell},x\n" for cell in cells)

    column = opened(f"a,b\n{rows}").frame()["a"]

    assert column.dtype == dtype
    pd.testing.assert_series_equal(column, pd.Series(values, name="a", dtype=dtype))


@pytest.mark.parametrize(
    "cells",
    [
        ["DE", "NA", "null"],
        ["00123", "4", "5"],
        ["1", "-007.5", "2"],
        ["0x1F", "1", "2"],
        ["12", "twelve", "13"],
        ["01/02/2024", "13/02/2024", "2024-02-30"],
        ["2024-01-01", "2024-01-02", "2024-01-03"],
        ["YES", "true", "false"],
        ["=cmd|' /C calc'!A0", "@SUM(1)", "+x"],
        [" padded ", "1", "2"],
    ],
)
def test_text_stays_as_it_stands(opened, cells):
    rows = "".join(f"{cell},x\n" for cell in cells)

    assert opened(f"a,b\n{rows}").frame()["a"].tolist() == cells


def test_only_an_empty_field_is_missing_in_text(opened):
    column = opened('a,b\nDE,1\n,1\nNA,1\n"",1\n').frame()["a"]

    assert column.isna().tolist() == [False, True, False, True]


def test_one_late_word_makes_the_whole_column_text(opened):
    column = opened("a\n" + "1\n" * 100_000 + "x\n").frame()["a"]

    assert column.iloc[[0, -1]].tolist() == ["1", "x"]


def test_reads_every_line_end_and_a_byte_order_mark(opened):
    frame = opened('\ufeff"a,x",b\r\n1,2\n\n3,4\r5,6').frame()

    assert frame.to_dict("list") == {"a,x": [1, 3, 5], "b": [2, 4, 6]}


def test_line_breaks_in_quotes_may_fall_between_blocks(opened, monkeypatch):
    monkeypatch.setattr(table_files, "MAX_ROW", 50)
    texts = [f"line\n{i}" for i in range(100)]

    frame = opened("a\n" + "".join(f'"{text}"\n' for text in texts)).frame()

    assert frame["a"].tolist() == texts


def test_columns_may_have_hostile_names(opened):
    names = ("../../etc/passwd", "__class__", "\u0430ge", "a b", "<b>")

    assert opened(",".join(names) + "\n1,2,3,4,5\n").columns == names


def test_the_name_of_a_file_says_nothing(opened):
    as_csv = opened("a,b\n1,2\n", name="data.csv.gz").frame()
    as_parquet = opened(parquet({"a": [1], "b": [2]}), name="data.csv").frame()

    pd.testing.assert_frame_equal(as_csv, as_parquet)


def test_a_table_knows_where_it_comes_from(opened):
    table = opened("a,b\n1,2\n3,4\n")

    assert (table.uri, table.columns, table.n_rows) == (URI, ("a", "b"), 2)
    assert table.sha256 == hashlib.sha256(b"a,b\n1,2\n3,4\n").hexdigest()


def test_some_rows_are_a_table_of_their_own(opened):
    table = opened("a,b,c\n1,x,true\n,y,\n3,,false\n")
    rows = table.rows(np.array([2, 0]), ["c", "b"])

    pd.testing.assert_frame_equal(rows, opened("c,b\nfalse,\ntrue,x\n").frame())


@pytest.mark.parametrize("body", ["a\n1.5\n2.5\n", parquet({"a": [1.5, 2.5]})])
def test_every_frame_is_a_copy(opened, body):
    table = opened(body)
    frame = table.frame()
    frame.loc[0, "a"] = 99.0

    assert table.frame()["a"].tolist() == [1.5, 2.5]


# Parquet


def pickled_extension(marker: Path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(marker),)

    names = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Payload()),
    }
    return pa.schema([pa.field("x", pa.int64(), metadata=names)])


def mislabelled_utf8():
    buffers = pa.array([b"\xff\xfe", b"ok"]).buffers()
    return pa.table({"x": pa.StringArray.from_buffers(2, buffers[1], buffers[2])})


def footer_length(body, length):
    return body[:-8] + length.to_bytes(4, "little") + b"PAR1"


WHOLE = parquet({"x": list(range(100)), "label": ["a", "b"] * 50})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (WHOLE[: len(WHOLE) // 2], "a whole Parquet file"),
        (WHOLE[:-8], "a whole Parquet file"),
        (footer_length(WHOLE, 2**31 - 1), "a whole Parquet file"),
        (parquet(mislabelled_utf8()), "a whole Parquet file"),
        (parquet({"x": pa.array([], pa.int64())}), "at least one row, got none"),
        (parquet(pa.table([[1], [2]], names=["a", "a"])), "different names, got 'a' 2 times"),
        (parquet(pa.table([[1], [2]], names=["a", ""])), "none for column 2"),
        (parquet({"x": [[1, 2], [3]]}), "column 'x': expected numbers.*got list<"),
        (parquet({"x": [{"y": 1}]}), "column 'x': .*got struct<"),
        (parquet({"x": [b"\x80\x04."]}), "column 'x': .*got binary"),
        (parquet({"x": [Decimal("1.1")]}), "column 'x': .*got decimal.*cast it to float64"),
        (parquet({"x": pa.nulls(2)}), "column 'x': .*got null"),
        (parquet({"x": pa.array([1], pa.time64("us"))}), "column 'x': .*got time64"),
        (
            parquet(
                {
                    "x": pa.ExtensionArray.from_storage(
                        pa.uuid(), pa.array([b"x" * 16], pa.binary(16))
                    )
                }
            ),
            "column 'x': .*got extension<arrow.uuid>",
        ),
    ],
)
def test_refuses_parquet_that_is_broken_or_no_table(opened, body, message):
    with pytest.raises(InputError, match=message):
        opened(body)


def test_refuses_a_time_zone_that_is_not_known_here(opened):
    table = opened(parquet({"x": pa.array([1, 2], pa.timestamp("ms", "Mars/Phobos"))}))

    with pytest.raises(InputError, match="values that pandas can hold"):
        table.frame()


def test_counts_what_would_be_read_and_not_what_the_footer_sums_up(opened):
    bomb = parquet({"x": np.zeros(table_files.MAX_CELLS + 1, dtype=bool)})
    total, two = bytes.fromhex("8284af5f"), bytes.fromhex("84808000")  # as Thrift writes them
    liar = bomb.replace(total, two)

    assert len(liar) < 1_000_000
    assert pq.read_metadata(io.BytesIO(liar)).num_rows == 2
    with pytest.raises(InputError, match="at most 100,000,000 rows x columns, got 100,000,001"):
        opened(liar)


def test_refuses_text_that_a_dictionary_inflates_to(opened):
    indices = pa.array(np.zeros(2000, dtype=np.int32))
    text = pa.DictionaryArray.from_arrays(indices, pa.array(["x" * 1_000_000]))
    bomb = parquet({"x": text}, store_schema=False)

    assert len(bomb) < 100_000
    with pytest.raises(InputError, match="at most 1,073,741,824 bytes of text, got 2,000,000,000"):
        opened(bomb)


def test_refuses_values_that_the_footer_says_are_too_many(opened, monkeypatch):
    monkeypatch.setattr(table_files, "MAX_BYTES", 100)

    with pytest.raises(InputError, match="at most 100 bytes, got"):
        opened(WHOLE)


def test_a_flipped_byte_gives_a_table_or_a_clear_error(opened):
    rng = random.Random(0)
    refused = 0
    for _ in range(300):
        body = bytearray(WHOLE)
        body[rng.randrange(4, len(body))] ^= 1 << rng.randrange(8)
        try:
            opened(bytes(body)).frame()
        except InputError:
            refused += 1

    assert 100 < refused < 300


def test_metadata_of_pandas_hides_no_column(opened):
    columns = {"index_columns": ["label"], "columns": [], "column_indexes": []}
    table = pa.table({"x": [1, 2], "label": [0, 1]})
    for metadata in (json.dumps(columns), "{not json"):
        body = parquet(table.replace_schema_metadata({"pandas": metadata}))

        assert opened(body).frame().to_dict("list") == {"x": [1, 2], "label": [0, 1]}


def test_a_pickle_in_the_schema_is_not_loaded(opened, folder):
    marker = folder / "pickle-was-loaded"
    opened(parquet(pa.Table.from_arrays([[1, 2]], schema=pickled_extension(marker)))).frame()

    assert not marker.exists()


def rich():
    """Return a table of every kind, with missing values."""
    n = 12
    frame = pd.DataFrame(
        {
            "small": np.arange(n, dtype=np.int8),
            "large": np.arange(n, dtype=np.uint64) + 2**63,
            "real": np.where(np.arange(n) % 3 == 0, np.nan, np.arange(n) / 7),
            "flag": np.arange(n) % 2 == 0,
            "text.dotted": ["x", None, '\u00e9 "quoted"', "NA"] * 3,
            "kind": pd.Categorical(
                ["u", "v", None] * 4, categories=["v", "u", "never"], ordered=True
            ),
            "local": pd.date_range("2024-03-30", periods=n, tz="Europe/Paris"),
            "day": pd.date_range("2024-01-01", periods=n).date,
        }
    )
    table = pa.Table.from_pandas(frame)
    return table.set_column(0, "small", pa.array([None, *range(1, n)], pa.int8()))


def test_parquet_columns_keep_their_types(opened):
    frame = opened(parquet(rich())).frame()

    assert [dtype.kind for dtype in frame.dtypes] == list("fufbOOMM")
    assert frame["small"].isna().tolist() == [True] + [False] * 11
    assert frame["kind"].cat.categories.tolist() == ["v", "u", "never"]
    assert str(frame["local"].dt.tz) == "Europe/Paris"


@given(keep=st.lists(st.booleans(), min_size=12, max_size=12))
@settings(max_examples=40, deadline=None)
def test_selected_parquet_rows_are_the_same_rows(opened, keep):
    body = parquet(rich(), row_group_size=5)

    selected = opened(body).select(np.array(keep))

    found, whole = pq.read_table(io.BytesIO(selected)), pq.read_table(io.BytesIO(body))
    assert found.equals(whole.filter(keep), check_metadata=True)


def test_selected_parquet_bytes_are_always_the_same(opened):
    keep = np.arange(12) % 2 == 0
    table = opened(parquet(rich()))

    assert table.select(keep) == table.select(keep) == opened(parquet(rich())).select(keep)


# Selecting rows of CSV

FIELDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
SHARP_FIELDS = st.text(st.sampled_from('",\n\r; \u2028\x1c\x85aA0é'), max_size=6)


@st.composite
def csv_files(draw):
    """Draw the exact text of the header and of each row, and the fields that the rows mean."""
    width = draw(st.integers(1, 3))
    field = FIELDS | SHARP_FIELDS | st.sampled_from(["", "NA", "007", "1.50", "1e400"])
    rows = draw(st.lists(st.lists(field, min_size=width, max_size=width), min_size=1, max_size=8))

    def written(value):
        risky = width == 1 or set(value) & set('",\r\n') or value.startswith("\ufeff")
        quoted = '"' + value.replace('"', '""') + '"'
        return quoted if risky or draw(st.booleans()) else value

    ends = [draw(st.sampled_from(["\n", "\r\n", "\r"])) for _ in rows]
    ends[-1] = draw(st.sampled_from(["", ends[-1]]))
    texts = [",".join(map(written, row)) + end for row, end in zip(rows, ends, strict=True)]
    header = draw(st.sampled_from(["", "\ufeff"])) + ",".join("abc"[:width]) + "\n"
    return header, texts, rows


@given(file=csv_files(), data=st.data())
@settings(max_examples=150, deadline=None)
def test_selected_csv_rows_keep_their_very_text(opened, file, data):
    header, texts, _ = file
    keep = data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts)))

    selected = opened(header + "".join(texts)).select(np.array(keep))

    kept = [text for text, wanted in zip(texts, keep, strict=True) if wanted]
    assert selected == (header + "".join(kept)).encode()


@given(file=csv_files())
@settings(max_examples=150, deadline=None)
def test_fields_are_what_quotes_say_they_are(opened, file):
    header, texts, rows = file
    words = ",".join(["word"] * len(rows[0]))  # so that every column is text

    frame = opened(f"{header}{words}\n{''.join(texts)}").frame()

    assert frame.iloc[1:].fillna("").to_numpy().tolist() == rows


@given(body=st.binary(max_size=60) | st.text(st.sampled_from('a,"\n\r\u00e9'), max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_a_table_or_an_input_error(opened, body):
    try:
        table = opened(body)
    except InputError:
        return
    assert len(table.frame()) == table.n_rows > 0


@pytest.mark.parametrize("body", [b"\xef\xbb\xbfa,b\r\n\r\n1,2\n\n3,4", WHOLE])
def test_keeping_all_rows_returns_the_very_bytes(opened, body):
    table = opened(body)

    assert table.select(np.ones(table.n_rows, dtype=bool)) == body


def test_selecting_nothing_leaves_the_header(opened):
    assert opened("a,b\r\n1,2\r\n").select(np.array([False])) == b"a,b\r\n"


@pytest.mark.parametrize(
    "keep",
    [
        np.ones(3, dtype=bool),
        np.ones((2, 1), dtype=bool),
        np.ones(2, dtype=int),
        np.array([0.0, 1.0]),
    ],
)
def test_rows_to_keep_are_one_boolean_per_row(opened, keep):
    with pytest.raises(InputError, match=r"booleans of shape \(2,\)"):
        opened("a,b\n1,2\n3,4\n").select(keep)


# Labels and features


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("label\u200b", r"did you mean 'label\\u200b'"),
        (" label ", "did you mean ' label '"),
        ("LABEL", "did you mean 'LABEL'"),
        ("l  a  b  e  l", "did you mean 'l  a  b  e  l'"),
        ("\u200b\u200d".join("label"), "did you mean "),
        ("lable", "did you mean 'lable'"),
        ("l\u0430bel", r"did you mean 'l\\u0430bel'"),
        ("\uff4cabel", r"did you mean '\\uff4cabel'"),
        ("outcome", "correct the name"),
    ],
)
def test_a_missing_target_is_compared_with_what_is_there(opened, name, hint):
    table = opened(f"x,{name}\n1,0\n2,1\n")

    for read in (labels, features):
        with pytest.raises(InputError, match=f"expected a column 'label', got 'x', .*{hint}"):
            read(table, "label")


def test_a_missing_target_names_a_dozen_columns_at_most(opened):
    header = ",".join(f"column_{i}" for i in range(40))
    table = opened(f"{header}\n{header}\n")

    with pytest.raises(InputError, match="'column_11' and 28 more") as caught:
        labels(table, "y")

    assert "column_12" not in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["0", "", "1"], "a label in every row, got 1 without, the first in row 2"),
        (["NA", "nan", "1"], "got 2 without, the first in row 1"),
        (["a", "b", ""], "got 1 without, the first in row 3"),
        (["", "", ""], "got 3 without"),
        (["0", "inf", "1"], "finite labels, got an infinite one in row 2"),
        (["1e400", "0", "1"], "finite labels, got an infinite one in row 1"),
        (["1", "1", "1"], "two classes or more, got the same label in every row"),
        (["a", "a", "a"], "two classes or more"),
        (["0.5", "1.0", "0"], "class labels.*got fractions.*regression is not supported"),
        (["1e300", "1", "2"], "class labels"),
    ],
)
def test_refuses_labels_that_are_no_classes(opened, cells, message):
    rows = "".join(f"x,{cell}\n" for cell in cells)

    with pytest.raises(InputError, match=message):
        labels(opened(f"x,label\n{rows}"), "label")


@pytest.mark.parametrize("suffix", ["", ".0"])
def test_more_than_a_hundred_numbers_look_like_regression(opened, suffix):
    prices = [f"x,{price}{suffix}\n" for price in range(101)]

    assert labels(opened("x,label\n" + "".join(prices[1:])), "label").nunique() == 100
    with pytest.raises(InputError, match="up to 100 whole numbers, got 101 numbers"):
        labels(opened("x,label\n" + "".join(prices)), "label")


def test_refuses_timestamps_as_labels(opened):
    table = opened(parquet({"label": pa.array([1, 2], pa.timestamp("s")), "x": [1, 2]}))

    with pytest.raises(InputError, match="got timestamps"):
        labels(table, "label")


@pytest.mark.parametrize(
    ("column", "dtype", "values"),
    [
        (pa.array([3, 1, 3], pa.int8()), "int8", [3, 1, 3]),
        (pa.array([2**64 - 1, 1, 1], pa.uint64()), "uint64", [2**64 - 1, 1, 1]),
        (pa.array([1.0, -1.0, 1.0]), "int64", [1, -1, 1]),
        (pa.array([True, False, True]), "int64", [1, 0, 1]),
        (pa.array(["b", "a", "b"]).dictionary_encode(), None, ["b", "a", "b"]),
        (pa.array([7, 5, 7]).dictionary_encode(), "int64", [7, 5, 7]),
        (pa.array([f"name {i}" for i in range(101)]), None, [f"name {i}" for i in range(101)]),
    ],
)
def test_labels_are_whole_numbers_or_text(opened, column, dtype, values):
    found = labels(opened(parquet({"label": column})), "label")

    assert found.tolist() == values
    assert found.name == "label"
    assert not isinstance(found.dtype, pd.CategoricalDtype)
    assert dtype is None or found.dtype == dtype


def test_features_are_all_other_columns(opened):
    assert features(opened("x,label,y\n1,0,a\n"), "label").to_dict("list") == {"x": [1], "y": ["a"]}


def test_refuses_a_table_without_features(opened):
    with pytest.raises(InputError, match="columns beside the labels, got only 'label'"):
        features(opened("label\n0\n1\n"), "label")


# Editing cells


def mask(*rows, of=4):
    return np.isin(np.arange(of), rows)


ALL = np.ones(4, dtype=bool)
CELLS = 'n,x,flag,text\r\n1,1.50,true,"a, b"\n 2,2.5,FALSE,c\n3,,true,"say ""d"""\r\n4,4.0,true,'


@pytest.mark.parametrize(
    ("column", "value", "written"),
    [
        ("n", 7, "7"),
        ("n", 4.5, "4"),
        ("n", np.float64(3.7), "4"),
        ("n", np.nan, ""),
        ("x", 3, "3.0"),
        ("x", np.float32(0.5), "0.5"),
        ("x", 1e20, "1e+20"),
        ("x", np.inf, "inf"),
        ("x", None, ""),
        ("flag", True, "true"),
        ("flag", np.True_, "true"),
        ("text", "plain", "plain"),
        ("text", 'a "b",\nc', '"a ""b"",\nc"'),
        ("text", "007", "007"),
    ],
)
def test_an_edited_cell_of_csv_keeps_its_columns_type(opened, column, value, written):
    table = opened(CELLS)

    edited = opened(table.select(ALL, {column: (mask(1), value)}))

    row = {"n": " 2", "x": "2.5", "flag": "FALSE", "text": "c", column: written}
    kept = CELLS.split("\n")
    assert edited._file.path.read_bytes().decode() == "\n".join(
        [*kept[:2], ",".join(row.values()), *kept[3:]]
    )
    before, after = table._cells.schema, edited._cells.schema
    assert before == after


def test_only_rows_that_are_edited_and_kept_are_written_anew(opened):
    table = opened(CELLS)
    edits = {"x": (mask(0, 1), 9), "text": (mask(1, 3), "z")}

    selected = table.select(mask(0, 2, 3), edits)

    assert selected == b'n,x,flag,text\r\n1,9.0,true,"a, b"\n3,,true,"say ""d"""\r\n4,4.0,true,z'


@pytest.mark.parametrize("edits", [{}, {"n": (mask(), 5)}])
def test_an_edit_of_nothing_returns_the_very_bytes(opened, edits):
    assert opened(CELLS).select(ALL, edits) == CELLS.encode()


def test_a_cell_that_holds_the_value_already_keeps_its_text(opened):
    table = opened(CELLS)
    edits = {"x": (mask(0), 1.5), "n": (mask(1), 2), "flag": (mask(1), False)}

    assert table.select(ALL, edits) == CELLS.encode()
    assert table.select(ALL, {"x": (mask(2), np.nan)}) == CELLS.encode()
    body = parquet({"x": [1.5, np.nan]})
    assert opened(body).select(np.ones(2, dtype=bool), {"x": (mask(1, of=2), None)}) == body


def test_an_edit_of_rows_that_are_left_out_changes_nothing(opened):
    table, keep = opened(CELLS), mask(0, 2)
    other, half = opened(parquet(rich()), name="other"), mask(0, 2, of=12)

    assert table.select(keep, {"n": (mask(1), 5)}) == table.select(keep)
    assert other.select(half, {"kind": (mask(1, of=12), "new")}) == other.select(half)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("n", "7"),
        ("n", True),
        ("n", np.inf),
        ("x", "a"),
        ("x", False),
        ("flag", 1),
        ("flag", "true"),
        ("text", 3),
        ("text", b"a"),
    ],
)
def test_a_column_takes_values_of_its_type_only(opened, column, value):
    for body in (CELLS, parquet(pa.table(dict(opened(CELLS).frame().items())))):
        with pytest.raises(InputError, match=f"column '{column}': expected a value of type"):
            opened(body).select(ALL, {column: (mask(0), value)})


@pytest.mark.parametrize(
    ("edits", "problem"),
    [
        ({"m": (ALL, 1)}, "a column 'm'"),
        ({"n": (ALL[:3], 1)}, "rows to edit in column 'n': expected booleans"),
        ({"n": (ALL.astype(int), 1)}, "rows to edit in column 'n': expected booleans"),
        ({"text": (ALL, "\ud800")}, "values that the columns can hold"),
    ],
)
def test_an_edit_names_a_column_and_its_rows(opened, edits, problem):
    with pytest.raises(InputError, match=problem):
        opened(CELLS).select(ALL, edits)


def test_an_edited_single_column_keeps_its_rows(opened):
    edited = opened("text\na\nb\n").select(np.array([True, True]), {"text": (mask(0, of=2), None)})

    assert edited == b'text\n""\nb\n'
    assert opened(edited).n_rows == 2


@pytest.mark.parametrize(
    ("column", "value", "found"),
    [
        ("small", 6.5, 6),
        ("large", 1, 1),
        ("real", 2, 2.0),
        ("flag", True, True),
        ("text.dotted", "new", "new"),
        ("text.dotted", None, None),
        ("kind", "never", "never"),
        ("kind", "new", "new"),
        ("kind", None, None),
        ("day", pd.Timestamp("2025-05-05").date(), pd.Timestamp("2025-05-05").date()),
    ],
)
def test_an_edited_cell_of_parquet_keeps_schema_and_metadata(opened, column, value, found):
    body = parquet(rich(), row_group_size=5)
    places = mask(1, 7, of=12)

    edited = opened(body).select(np.ones(12, dtype=bool), {column: (places, value)})

    before, after = pq.read_table(io.BytesIO(body)), pq.read_table(io.BytesIO(edited))
    assert after.schema.equals(before.schema, check_metadata=True)
    assert after[column].filter(places).to_pylist() == [found, found]
    assert after.filter(~places).equals(before.filter(~places)) or column == "kind"
    assert after[column].filter(~places).to_pylist() == before[column].filter(~places).to_pylist()


def test_categories_keep_their_order_when_one_is_new(opened):
    table = opened(parquet(rich()))

    edited = opened(table.select(np.ones(12, dtype=bool), {"kind": (mask(0, of=12), "new")}))

    kind = edited.frame()["kind"].cat
    assert (kind.categories.tolist(), kind.ordered) == (["v", "u", "never", "new"], True)


def test_a_number_that_a_parquet_column_is_too_small_for_is_refused(opened):
    with pytest.raises(InputError, match="values that the columns can hold"):
        opened(parquet(rich())).select(np.ones(12, dtype=bool), {"small": (mask(0, of=12), 1000)})


# Leaving out columns


def test_a_column_is_left_out_of_every_row(opened):
    table = opened("\ufeffa,b,c\r\n1,2,3\n\n4,5,6\r\n7,8,9")

    dropped = table.select(np.array([True, False, True]), {"c": (mask(0, of=3), 0)}, drop=["b"])

    assert dropped == b"a,c\r\n1,0\n7,9"


def test_a_column_is_left_out_of_parquet(opened):
    frame = opened(opened(parquet(rich())).select(np.ones(12, dtype=bool), drop=["kind"])).frame()

    assert frame.columns.tolist() == [name for name in rich().column_names if name != "kind"]


@pytest.mark.parametrize(
    ("drop", "problem"), [(["z"], "a column 'z'"), (list("ab"), "a column that is left, got none")]
)
def test_only_columns_that_are_there_are_left_out_and_not_all(opened, drop, problem):
    with pytest.raises(InputError, match=problem):
        opened("a,b\n1,2\n3,4\n").select(np.array([True, False]), drop=drop)


# Other rows in the same format

MEASURED = pd.DataFrame(
    {
        "row": [1, 2, 3],
        "impact": [0.1, -2.0, np.nan],
        "group": ["a, b", None, "007"],
        "sure": [True, False, True],
    }
)


@pytest.mark.parametrize("body", ["a\n1\n2\n", WHOLE])
def test_what_is_encoded_reads_back_in_the_same_format(opened, body):
    table = opened(body)

    encoded = table.encode(MEASURED)

    assert encoded == table.encode(MEASURED.copy())
    assert encoded.startswith(b"PAR1") == table.select(np.ones(table.n_rows, bool)).startswith(
        b"PAR1"
    )
    frame = opened(encoded).frame()
    assert frame.drop(columns="group").equals(MEASURED.drop(columns="group"))
    assert frame["group"].isna().tolist() == [False, True, False]
    assert frame["group"].dropna().tolist() == ["a, b", "007"]


def test_encoded_csv_is_plain(opened):
    text = b'row,impact,group,sure\n1,0.1,"a, b",true\n2,-2.0,,false\n3,,007,true\n'

    assert opened("a\n1\n2\n").encode(MEASURED) == text


@given(
    cells=st.lists(st.none() | FIELDS | SHARP_FIELDS, min_size=1, max_size=6),
    numbers=st.lists(st.floats(width=64, allow_nan=False), min_size=6, max_size=6),
)
@settings(max_examples=100, deadline=None)
def test_any_text_and_number_survives_encoding(opened, cells, numbers):
    frame = pd.DataFrame({"x": [*numbers[: len(cells)], 0.5], "text": [*cells, "word"]})

    found = opened(opened("a\n1\n2\n").encode(frame)).frame()

    assert found["x"].tolist() == frame["x"].tolist()
    assert found["text"].fillna("").tolist() == [*(text or "" for text in cells), "word"]


@pytest.mark.parametrize("body", ["a\n1\n2\n", WHOLE])
def test_what_no_table_can_hold_is_not_encoded(opened, body):
    for frame in (
        pd.DataFrame({"": [1]}),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
    ):
        with pytest.raises(InputError):
            opened(body).encode(frame)


def test_parquet_holds_one_type_a_column(opened):
    for frame in (pd.DataFrame({"a": [1, "x"]}), pd.DataFrame({"a": [None, None]})):
        with pytest.raises(InputError):
            opened(WHOLE).encode(frame)
