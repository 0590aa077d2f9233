"""Tables: CSV and Parquet files, read strictly and written back row for row.

What a file is follows from its bytes, never from its name: ``PAR1`` opens a Parquet file, anything
else must be comma-separated UTF-8 text (RFC 4180, with or without a byte-order mark). What two
readers may understand differently is refused. Rows in messages count from 1, without the header.

CSV has no types, so a column gets the first of these that all of its values fit:

- missing: an empty field; and ``NA``, ``NaN``, ``null`` and their like, unless the column is text
- integers of 64 bits; longer ones are refused, because rounding them would merge identifiers
- floats, infinities included
- booleans, written ``true`` and ``false`` in any case
- text, as it stands; also dates, and numbers of which any starts with a zero (``00123``)

Parquet columns have the types of the file's schema. What pandas stored beside it, such as an index,
is ignored, so that no column can hide.
"""

import csv
import difflib
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from pyarrow import types

from modelwarden.errors import InputError

if TYPE_CHECKING:  # the store brings boto3, which reading a table does not need
    from modelwarden.store import File

MAX_BYTES = 1 << 30  # of a CSV file, and of the values in a Parquet file once they are decoded
MAX_CELLS = 100_000_000  # rows x columns; 800 MB as 64-bit floats
MAX_COLUMNS = 10_000
MAX_NAME = 256  # characters in the name of a column
MAX_ROW = 1 << 24  # bytes in a row of CSV; a field has 131,072 characters, the limit of csv
MAX_CLASSES = 100  # distinct numbers in a column of labels; more look like regression

_MISSING = pa.array(pyarrow.csv.ConvertOptions().null_values)
_UNDECODED = re.compile("[\ud800-\udfff]")
_TEXT = (pa.string(), pa.large_string())
_PLAIN = (types.is_boolean, types.is_integer, types.is_floating, types.is_timestamp, types.is_date)
_NEITHER = {
    b"\x1f\x8b": "a gzip file",
    b"PK\x03\x04": "a zip archive or a workbook",
    b"\x89PNG": "a PNG image",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"\x80": "a Python pickle",
}


class Table:
    """Rows and named columns of a file; made by :meth:`open`.

    Attributes
    ----------
    uri, sha256 : str
        Where the file is, and the digest of its bytes.
    columns : tuple of str
        Names of the columns, in the file's order.
    n_rows : int
        Number of rows, 1 or more.
    """

    def __init__(self, file: "File", cells: pa.Table, *, is_csv: bool) -> None:
        self.uri, self.sha256 = file.uri, file.sha256
        self.columns, self.n_rows = tuple[str, ...](cells.column_names), int(cells.num_rows)
        self._file, self._cells, self._is_csv = file, cells, is_csv

    @classmethod
    def open(cls, file: "File") -> "Table":
        """Read a CSV or Parquet file.

        Raises
        ------
        InputError
            If it is neither, is broken, exceeds a bound of this module, has no rows, or leaves open
            what it says: unnamed or equally named columns, rows of differing lengths, open quotes.
        """
        is_csv = not _starts_as_parquet(file)
        cells = _read_csv(file) if is_csv else _read_parquet(file)
        return cls(file, cells, is_csv=is_csv)

    def frame(self) -> pd.DataFrame:
        """Return all columns as a new DataFrame with a plain row index.

        Numbers are backed by NumPy; integers with missing values become floats. Booleans are bool,
        or objects with None where one is missing. Text, categories and timestamps are pandas' own.
        """
        return self._frame(self.columns)

    def _frame(self, names: Sequence[str]) -> pd.DataFrame:
        with _faults(self.uri, "values that pandas can hold", "others"):
            cells = self._cells.select(names).replace_schema_metadata()
            frame: pd.DataFrame = cells.to_pandas(date_as_object=False)
        return frame

    def select(self, keep: npt.NDArray[np.bool_]) -> bytes:
        """Return a file in the same format with some of the rows, in the same order.

        CSV rows keep their very text; Parquet keeps its schema and metadata, and has the same bytes
        for the same version of pyarrow. Keeping all rows returns the file as it is.

        Parameters
        ----------
        keep : ndarray of bool, shape (n_rows,)
            True for the rows to keep.

        Raises
        ------
        InputError
            If `keep` has another shape or type.
        """
        if keep.dtype != np.bool_ or keep.shape != (self.n_rows,):
            expected = f"booleans of shape ({self.n_rows},)"
            raise InputError(f"{self.uri}, rows to keep", expected, f"{keep.dtype} {keep.shape}")
        if keep.all():
            return self._file.path.read_bytes()
        if self._is_csv:
            records = (text for text, _ in _records(self._file))
            return "".join([next(records), *compress(records, keep)]).encode()
        sink = io.BytesIO()
        pq.write_table(self._cells.filter(pa.array(keep)), sink)
        return sink.getvalue()


def features(table: Table, target: str) -> pd.DataFrame:
    """Return all columns but the labels, shape (n_rows, n_columns - 1).

    Raises
    ------
    InputError
        If `target` is not a column, or is the only one.
    """
    _check_known(table, target)
    names = [name for name in table.columns if name != target]
    if not names:
        raise InputError(table.uri, "columns beside the labels", f"only {target!r}")
    return table._frame(names)


def labels(table: Table, target: str) -> "pd.Series[Any]":
    """Return a column of class labels, shape (n_rows,).

    Integers and text stay what they are. Whole floats and booleans become 64-bit integers, which
    equal the classes of a model that was trained on either.

    Raises
    ------
    InputError
        If there is no such column, a label is missing or infinite, all are the same, or they look
        like regression: fractions, or more than `MAX_CLASSES` distinct numbers.
    """
    _check_known(table, target)
    column = table._frame([target])[target]
    where = f"{table.uri}, column {target!r}"
    missing = column.isna().to_numpy()
    if missing.any():
        got = f"{missing.sum()} without, the first in row {missing.argmax() + 1}"
        raise InputError(where, "a label in every row", got, "label or drop these rows")
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    classes = _classes(column, where)
    if classes.nunique() < 2:
        raise InputError(where, "two classes or more", "the same label in every row")
    return classes


def _classes(column: "pd.Series[Any]", where: str) -> "pd.Series[Any]":
    """Return complete labels as classes, or refuse what cannot be classes."""
    kind, values = column.dtype.kind, column.to_numpy()
    if kind == "O":
        return column
    if kind == "f" and np.isinf(values).any():
        got = f"an infinite one in row {np.isinf(values).argmax() + 1}"
        raise InputError(where, "finite labels", got)
    # beyond 2**53 floats are whole because they cannot be anything else
    if kind == "f" and ((values == np.floor(values)) & (np.abs(values) <= 2.0**53)).all():
        column, kind = column.astype("int64"), "i"
    if kind not in "biu" or column.nunique() > MAX_CLASSES:
        expected = f"class labels: text, or up to {MAX_CLASSES} whole numbers"
        got = {"f": "fractions", "M": "timestamps"}.get(kind, f"{column.nunique()} numbers")
        raise InputError(where, expected, got, "choose another column; regression is not supported")
    return column.astype("int64") if kind == "b" else column


def _check_known(table: Table, target: str) -> None:
    """Refuse what is not a column; say which there are and which looks alike."""
    if target in table.columns:
        return
    plain = {_plain(name): name for name in table.columns}
    near = difflib.get_close_matches(_plain(target), plain, n=1)
    fix = f"did you mean {plain[near[0]]!a}?" if near else "correct the name"
    shown = ", ".join(repr(name) for name in table.columns[:12])
    more = f" and {len(table.columns) - 12} more" if len(table.columns) > 12 else ""
    raise InputError(table.uri, f"a column {target!a}", f"{shown}{more}", fix)


def _plain(name: str) -> str:
    """Return a name without what the eye does not see: case, width, spaces, invisible marks."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(mark for mark in folded if unicodedata.category(mark)[0] not in "CZ")


def _starts_as_parquet(file: "File") -> bool:
    """Tell Parquet from text by the first bytes, and name what is neither."""
    with file.path.open("rb") as source:
        head = source.read(4096)
    if head[:4] == b"PAR1":
        return True
    got = next((name for magic, name in _NEITHER.items() if head.startswith(magic)), "")
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        got = "an HTML or XML page, such as the error message of a download"
    if got or not head:
        fix = "save it as UTF-8 CSV or as Parquet"
        raise InputError(file.uri, "CSV or Parquet", got or "an empty file", fix)
    return False


def _check_at_most(limit: int, unit: str, size: int, where: str) -> None:
    if size > limit:
        raise InputError(where, f"at most {limit:,} {unit}", f"{size:,}", "split or shrink it")


def _check_cells(n_cells: int, where: str) -> None:
    if n_cells < 1:
        raise InputError(where, "at least one row", "none")
    _check_at_most(MAX_CELLS, "rows x columns", n_cells, where)


def _check_names(names: Sequence[str], where: str) -> None:
    _check_at_most(MAX_COLUMNS, "columns", len(names), where)
    for position, name in enumerate(names, 1):
        if not name.strip():
            fix = "name it; pandas leaves the index unnamed unless index=False"
            raise InputError(where, "a name for every column", f"none for column {position}", fix)
        _check_at_most(MAX_NAME, "characters", len(name), f"{where}, name of column {position}")
    for name, times in Counter(names).most_common(1):
        if times > 1:
            got = f"{name!r} {times} times"
            raise InputError(where, "columns of different names", got, "rename them")


def _read_csv(file: "File") -> pa.Table:
    """Read the text twice: Python's csv is strict and knows lines, Arrow is fast and has types."""
    _check_at_most(MAX_BYTES, "bytes", file.size, file.uri)
    records = _records(file)
    _, names = next(records, ("", []))
    for mark, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(names) == 1 and mark in names[0]:
            raise InputError(file.uri, "commas between fields", word, "save it with commas")
    _check_names(names, file.uri)
    n_rows = sum(1 for _ in records)
    _check_cells(n_rows * len(names), file.uri)
    text = _read_text(file, names)
    if text.column_names != names or text.num_rows != n_rows:
        raise InputError(file.uri, "CSV that all readers read alike", "ambiguous quotes or lines")
    typed = [_typed(text[name], f"{file.uri}, column {name!r}") for name in names]
    return pa.Table.from_arrays(typed, names=names)


def _records(file: "File") -> Iterator[tuple[str, list[str]]]:
    """Yield the exact text and the fields of every record, the header first; skip blank lines."""
    taken: list[str] = []

    def lines(text: Iterator[str]) -> Iterator[str]:
        for number, line in enumerate(text, 1):
            if "\0" in line or not (line.isascii() or _UNDECODED.search(line) is None):
                got = f"other bytes in line {number}"
                raise InputError(file.uri, "UTF-8 text", got, "save it as UTF-8 CSV or as Parquet")
            taken.append(line)
            yield line.removeprefix("\ufeff") if number == 1 else line

    with file.path.open(encoding="utf-8", errors="surrogateescape", newline="") as text:
        reader, width = csv.reader(lines(text), strict=True), 0
        try:
            for fields in reader:
                width = width or len(fields)
                if fields and len(fields) != width:
                    got = f"{len(fields)} in the row that ends in line {reader.line_num}"
                    fix = "quote fields that contain commas or line breaks"
                    raise InputError(file.uri, f"{width} fields in every row", got, fix)
                if fields:
                    yield "".join(taken), fields
                taken.clear()
        except csv.Error as error:
            got, fix = f"{error} in line {reader.line_num}", "look for a quote that is not closed"
            raise InputError(file.uri, "fields as in RFC 4180", got, fix) from error


def _read_text(file: "File", names: list[str]) -> pa.Table:
    """Return the cells of a CSV file as text."""
    text = dict.fromkeys(names, pa.string())
    bound = f"rows of at most {MAX_ROW:,} bytes"
    # an open file, because Arrow would decompress a path that ends in .gz
    with _faults(file.uri, bound, "a longer one"), pa.OSFile(str(file.path)) as source:
        return pyarrow.csv.read_csv(
            source,
            read_options=pyarrow.csv.ReadOptions(block_size=MAX_ROW),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(column_types=text),
        )


def _typed(values: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """Return a column of text as the first type that all of its values fit; see the module."""
    trimmed = pc.ascii_trim_whitespace(values)
    present = pc.if_else(pc.is_in(trimmed, value_set=_MISSING), None, trimmed)
    # a leading zero marks an identifier; Arrow would also read 0x1F as 31
    if not pc.any(pc.match_substring_regex(present, "^[+-]?0[0-9xX]")).as_py():
        for kind in (pa.int64(), pa.float64(), pa.bool_()):
            with suppress(pa.ArrowInvalid):
                typed = pc.cast(present, kind)
                _check_no_long_integers(present, typed, where)
                return typed
    return pc.if_else(pc.equal(values, ""), None, values)


def _check_no_long_integers(text: pa.ChunkedArray, typed: pa.ChunkedArray, where: str) -> None:
    if types.is_floating(typed.type):
        row = pc.index(pc.greater_equal(pc.abs(typed), 2.0**63), True).as_py() + 1
        if row and pc.all(pc.match_substring_regex(text, "^[+-]?[0-9]+$")).as_py():
            fix = "write measurements as 1.5e20, and put a letter before identifiers"
            raise InputError(where, "integers of 64 bits", f"a longer one in row {row}", fix)


def _read_parquet(file: "File") -> pa.Table:
    """Read a Parquet file after its footer and schema have been checked."""
    with _faults(file.uri, "a whole Parquet file", "a damaged one"):
        footer = pq.read_metadata(file.path)
        schema = footer.schema.to_arrow_schema()
        _check_schema(schema, file.uri)
        _check_footer(footer, file.uri)
        # a dictionary holds a text that is repeated a million times once, as the footer counts it
        texts = [field.name for field in schema if field.type in _TEXT]
        with pq.ParquetFile(file.path, read_dictionary=texts) as source:
            coded = source.read()
        coded.validate(full=True)  # text is UTF-8, dictionary codes are within bounds
        size = sum(_decoded_bytes(coded[name]) for name in texts)
        _check_at_most(MAX_BYTES, "bytes of text", size, file.uri)
        return coded.cast(schema)


def _check_footer(footer: pq.FileMetaData, where: str) -> None:
    """Bound what Arrow would read: it goes by these counts, not by the footer's number of rows."""
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    _check_cells(sum(abs(chunk.num_values) for chunk in chunks), where)
    _check_at_most(MAX_BYTES, "bytes", sum(group.total_byte_size for group in groups), where)


def _check_schema(schema: pa.Schema, where: str) -> None:
    """Refuse names and types that a table cannot have."""
    _check_names(schema.names, where)
    for field in schema:
        kind = field.type.value_type if types.is_dictionary(field.type) else field.type
        if kind not in _TEXT and not any(fits(kind) for fits in _PLAIN):
            expected = "numbers, booleans, text, categories or timestamps"
            fix = "cast it to float64" if types.is_decimal(kind) else "cast or drop it"
            raise InputError(f"{where}, column {field.name!r}", expected, str(kind)[:80], fix)


def _decoded_bytes(column: pa.ChunkedArray) -> int:
    """Return the bytes of a dictionary-coded column of text when every row is written out."""
    parts = ((pc.binary_length(chunk.dictionary), chunk.indices) for chunk in column.chunks)
    return sum(pc.sum(pc.take(lengths, rows)).as_py() or 0 for lengths, rows in parts)


@contextmanager
def _faults(where: str, expected: str, got: str) -> Iterator[None]:
    """Turn what Arrow raises into an InputError; its messages may quote data and are left out."""
    try:
        yield
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        raise InputError(where, expected, got, "write it again") from error
