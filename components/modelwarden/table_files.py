"""Table files: CSV and Parquet, told apart by their bytes, read strictly, and written.

What two readers may understand differently is refused. CSV has no types, so a column gets the first
of these that all of its values fit:

- missing: an empty field; and ``NA``, ``NaN``, ``null`` and their like, unless the column is text
- integers of 64 bits; longer ones are refused, because rounding them would merge identifiers
- floats, infinities included
- booleans, written ``true`` and ``false`` in any case
- text, as it stands; also dates, and numbers of which any starts with a zero (``00123``)

Parquet columns have the types of the file's schema. What pandas stored beside it, such as an index,
is ignored, so that no column can hide.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from pyarrow import types

from modelwarden.errors import InputError
from modelwarden.folders import Folder

if TYPE_CHECKING:  # the store brings boto3, which reading a table does not need
    from modelwarden.store import File

MAX_BYTES = 1 << 30  # of a CSV file, and of the values in a Parquet file once they are decoded
MAX_CELLS = 100_000_000  # rows x columns; 800 MB as 64-bit floats
MAX_COLUMNS = 10_000
BATCH = 65_536  # rows that are read at a time
MAX_NAME = 256  # characters in the name of a column
MAX_ROW = 1 << 24  # bytes in a row of CSV; a field has 131,072 characters, the limit of csv

Kind = Literal["number", "flag", "time", "text"]

_MISSING = pa.array(pyarrow.csv.ConvertOptions().null_values)
_QUOTED = re.compile('[",\r\n]')
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


def starts_as_parquet(file: "File") -> bool:
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


def is_parquet(file: "File | Folder") -> bool:
    """Tell Parquet from text; of a folder every file must be Parquet.

    Raises
    ------
    InputError
        If it is neither, or a file of a folder is no Parquet.
    """
    if not isinstance(file, Folder):
        return starts_as_parquet(file)
    for one in file.files:
        if not starts_as_parquet(one):
            fix = "a folder holds Parquet files only: move it elsewhere"
            raise InputError(one.uri, "Parquet, as all files below a prefix", "text", fix)
    return True


def _check_at_most(limit: int, unit: str, size: int, where: str) -> None:
    if size > limit:
        raise InputError(where, f"at most {limit:,} {unit}", f"{size:,}", "split or shrink it")


def _check_cells(n_cells: int, where: str) -> None:
    if n_cells < 1:
        raise InputError(where, "at least one row", "none")
    _check_at_most(MAX_CELLS, "rows x columns", n_cells, where)


def check_names(names: Sequence[str], where: str) -> None:
    """Refuse names that a column cannot have, and names that two columns have."""
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


def read_csv(file: "File") -> pa.Table:
    """Read the text twice: Python's csv is strict and knows lines, Arrow is fast and has types."""
    _check_at_most(MAX_BYTES, "bytes", file.size, file.uri)
    rows = records(file)
    _, names = next(rows, ("", []))
    for mark, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(names) == 1 and mark in names[0]:
            raise InputError(file.uri, "commas between fields", word, "save it with commas")
    check_names(names, file.uri)
    n_rows = sum(1 for _ in rows)
    _check_cells(n_rows * len(names), file.uri)
    text = _read_text(file, names)
    if text.column_names != names or text.num_rows != n_rows:
        raise InputError(file.uri, "CSV that all readers read alike", "ambiguous quotes or lines")
    typed = [_typed(text[name], f"{file.uri}, column {name!r}") for name in names]
    return pa.Table.from_arrays(typed, names=names)


def records(file: "File") -> Iterator[tuple[str, list[str]]]:
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
    with faults(file.uri, bound, "a longer one"), pa.OSFile(str(file.path)) as source:
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


def read_parquet(file: "File | Folder") -> pa.Table:
    """Read Parquet after all footers and schemas have been checked, file after file."""
    if not isinstance(file, Folder):
        _check_footers([_footer(file)], file.uri)
        return _cells(file)
    footers = _footers(file)
    _check_footers(footers, file.uri)
    parts, text = [], 0
    for one in file.files:
        # what an engine wrote beside the columns may differ from file to file, and is no data
        parts.append(_cells(one).replace_schema_metadata())
        text += parts[-1].nbytes
        _check_at_most(2 * MAX_BYTES, "bytes of numbers and text", text, file.uri)
    with faults(file.uri, "files of one schema", "others"):
        return pa.concat_tables(parts).unify_dictionaries()


def _footer(file: "File") -> pq.FileMetaData:
    with faults(file.uri, "a whole Parquet file", "a damaged one"):
        footer = pq.read_metadata(file.path)
        check_schema(footer.schema.to_arrow_schema(), file.uri)
    return footer


def _footers(folder: Folder) -> list[pq.FileMetaData]:
    """Return the footers of all files, whose schemas are the same."""
    footers = [_footer(file) for file in folder.files]
    first = footers[0].schema.to_arrow_schema()
    for file, footer in zip(folder.files, footers, strict=True):
        schema = footer.schema.to_arrow_schema()
        if not schema.equals(first):
            expected, got = _difference(first, schema)
            where, fix = f"{file.uri}, beside {folder.names[0]}", "write all files alike"
            raise InputError(where, expected, got, fix)
    return footers


def _difference(first: pa.Schema, other: pa.Schema) -> tuple[str, str]:
    """Return what the first file has, and what another one has instead."""
    ours, theirs = first.names, other.names
    missing, more = set(ours) - set(theirs), set(theirs) - set(ours)
    if missing or more:
        names = [*(f"no {n!a}" for n in sorted(missing)), *(f"also {n!a}" for n in sorted(more))]
        return "the same columns", ", ".join(name[:80] for name in names[:5])
    if ours != theirs:
        place = next(i for i, pair in enumerate(zip(ours, theirs, strict=True)) if len({*pair}) > 1)
        return f"column {ours[place]!a} in place {place + 1}", repr(theirs[place])
    field, found = next((a, b) for a, b in zip(first, other, strict=True) if not a.equals(b))
    return f"column {field.name!a} as {_said(field)}", _said(found)


def _said(field: pa.Field) -> str:
    return f"{str(field.type)[:80]}{'' if field.nullable else ' not null'}"


def _cells(file: "File") -> pa.Table:
    """Return the cells of a Parquet file whose footer was checked."""
    with faults(file.uri, "a whole Parquet file", "a damaged one"):
        schema = pq.read_schema(file.path)
        # a dictionary holds a text that is repeated a million times once, as the footer counts it
        texts = [field.name for field in schema if field.type in _TEXT]
        with pq.ParquetFile(file.path, read_dictionary=texts) as source:
            coded = source.read()
        coded.validate(full=True)  # text is UTF-8, dictionary codes are within bounds
        size = sum(_decoded_bytes(coded[name]) for name in texts)
        _check_at_most(MAX_BYTES, "bytes of text", size, file.uri)
        return coded.cast(schema)


def batches(file: "File | Folder") -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return a table's schema and its rows in order, `BATCH` at a time at most.

    Of Parquet only one batch is in memory, so there may be any number of rows; CSV is read whole.
    """
    if isinstance(file, Folder):
        return _folder_batches(file)
    if not starts_as_parquet(file):
        whole = read_csv(file)
        return whole.schema, iter(whole.to_batches(BATCH))
    footer = _footer(file)
    _check_groups([footer], file.uri)
    schema = footer.schema.to_arrow_schema()
    return schema, _parquet_batches(file, schema)


def _folder_batches(folder: Folder) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    is_parquet(folder)
    footers = _footers(folder)
    _check_groups(footers, folder.uri)
    schema = footers[0].schema.to_arrow_schema()
    plain = schema.remove_metadata()
    parts = (_parquet_batches(file, schema) for file in folder.files)
    return plain, chain.from_iterable(parts)


def _check_groups(footers: list[pq.FileMetaData], where: str) -> None:
    """Bound a row group, which is read at once; there may be any number of them."""
    groups = [footer.row_group(i) for footer in footers for i in range(footer.num_row_groups)]
    if not sum(footer.num_rows for footer in footers):
        raise InputError(where, "at least one row", "none")
    most = max((group.total_byte_size for group in groups), default=0)
    _check_at_most(MAX_BYTES, "bytes in a row group", most, where)


def _parquet_batches(file: "File", schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    texts = [field.name for field in schema if field.type in _TEXT]
    size = max(1, min(BATCH, MAX_CELLS // max(1, len(schema))))
    with (
        faults(file.uri, "a whole Parquet file", "a damaged one"),
        # a text that is repeated a million times is held once; buffering ahead would keep all bytes
        pq.ParquetFile(file.path, read_dictionary=texts, pre_buffer=False) as source,
    ):
        for batch in source.iter_batches(size):
            batch.validate(full=True)
            text = sum(_decoded_bytes(pa.chunked_array([batch[name]])) for name in texts)
            _check_at_most(MAX_BYTES, "bytes of text in a batch", text, file.uri)
            yield batch


def _check_footers(footers: list[pq.FileMetaData], where: str) -> None:
    """Bound what Arrow would read: it goes by these counts, not by the footer's number of rows."""
    groups = [footer.row_group(i) for footer in footers for i in range(footer.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    _check_cells(sum(abs(chunk.num_values) for chunk in chunks), where)
    _check_at_most(MAX_BYTES, "bytes", sum(group.total_byte_size for group in groups), where)


def check_schema(schema: pa.Schema, where: str) -> None:
    """Refuse names and types that a table cannot have."""
    check_names(schema.names, where)
    for field in schema:
        kind = field.type.value_type if types.is_dictionary(field.type) else field.type
        if kind not in _TEXT and not any(fits(kind) for fits in _PLAIN):
            expected = "numbers, booleans, text, categories or timestamps"
            fix = "cast it to float64" if types.is_decimal(kind) else "cast or drop it"
            raise InputError(f"{where}, column {field.name!r}", expected, str(kind)[:80], fix)


def kind_of(kind: pa.DataType) -> Kind:
    """Return what a column's values are: ``number``, ``flag``, ``time`` or ``text``."""
    if types.is_integer(kind) or types.is_floating(kind):
        return "number"
    if types.is_timestamp(kind) or types.is_date(kind):
        return "time"
    return "flag" if types.is_boolean(kind) else "text"


def _decoded_bytes(column: pa.ChunkedArray) -> int:
    """Return the bytes of a dictionary-coded column of text when every row is written out."""
    parts = ((pc.binary_length(chunk.dictionary), chunk.indices) for chunk in column.chunks)
    return sum(pc.sum(pc.take(lengths, rows)).as_py() or 0 for lengths, rows in parts)


@contextmanager
def faults(where: str, expected: str, got: str) -> Iterator[None]:
    """Turn what Arrow raises into an InputError; its messages may quote data and are left out."""
    try:
        yield
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        raise InputError(where, expected, got, "write it again") from error


def as_type(value: object, kind: pa.DataType, where: str) -> object:
    """Return a value as a column of that type holds it, or refuse what it cannot hold."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return None
    is_flag, is_number = isinstance(value, (bool, np.bool_)), isinstance(value, (Real, np.number))
    if types.is_boolean(kind):
        fits = is_flag
    elif types.is_integer(kind) or types.is_floating(kind):
        fits = is_number and not is_flag
    else:
        fits = isinstance(value, str) == (kind in _TEXT) and not (is_flag or is_number)
    if fits and types.is_integer(kind):
        fits = bool(np.isfinite(value))  # type: ignore[call-overload]
    if not fits:
        raise InputError(where, f"a value of type {kind}", f"a {type(value).__name__}")
    if types.is_integer(kind):
        return round(value)  # type: ignore[call-overload]
    return float(value) if types.is_floating(kind) else value  # type: ignore[arg-type]


def record(fields: Iterable[str]) -> str:
    """Return fields as a record of CSV, quoted where they must be; without the end of its line."""
    return ",".join(map(_quoted, fields)) or '""'


def cell(value: object) -> str:
    """Return a value as CSV holds it, so that it is read back with its type; "" where missing."""
    if pd.isna(value):  # type: ignore[call-overload]
        return ""
    if isinstance(value, (bool, np.bool_)):
        return str(value).lower()
    return repr(float(value)) if isinstance(value, (float, np.floating)) else str(value)


def write_csv(frame: pd.DataFrame) -> bytes:
    """Return a frame as a CSV file."""
    columns = [map(cell, frame[name].tolist()) for name in frame.columns]
    rows = map(record, zip(*columns, strict=True))
    return "".join(f"{text}\n" for text in chain([record(frame.columns)], rows)).encode()


def sheet(frame: pd.DataFrame) -> bytes:
    """Return a frame as CSV that a spreadsheet shows and never executes."""
    rows = frame.astype(object).where(frame.notna(), "").itertuples(index=False)
    lines = [record(frame.columns), *(record(map(_inert, row)) for row in rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def _inert(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in tuple("=+-@\t\r\n|%") else text


def write_parquet(cells: pa.Table) -> bytes:
    """Return cells as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(cells, sink)
    return sink.getvalue()


def differs(column: pa.ChunkedArray, value: object) -> npt.NDArray[np.bool_]:
    """Return where a column does not hold `value`, shape (n_rows,)."""
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    plain = column.cast(kind)
    if value is None:
        same = pc.is_null(plain, nan_is_null=True)
    else:
        same = pc.fill_null(pc.equal(plain, pa.scalar(value, kind)), False)
    return ~np.asarray(same.to_numpy(), dtype=bool)


def replaced(column: pa.ChunkedArray, mask: npt.NDArray[np.bool_], value: object) -> Any:
    """Return a column of the same type with `value` where `mask` is True."""
    chosen = pa.array(mask)
    if not types.is_dictionary(column.type):
        return pc.if_else(chosen, pa.scalar(value, column.type), column)
    coded = column.combine_chunks()  # one dictionary for all chunks
    words = coded.dictionary
    place = None if value is None else words.index(pa.scalar(value, words.type)).as_py()
    if place == -1:
        place, words = len(words), pa.concat_arrays([words, pa.array([value], words.type)])
    codes = pc.if_else(chosen, pa.scalar(place, coded.indices.type), coded.indices)
    return pa.DictionaryArray.from_arrays(codes, words, ordered=column.type.ordered)


def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if _QUOTED.search(field) else field
