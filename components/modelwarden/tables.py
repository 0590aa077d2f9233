"""Tables: CSV and Parquet files, read strictly and written back row for row.

What a file is follows from its bytes, never from its name: ``PAR1`` opens a Parquet file, anything
else must be comma-separated UTF-8 text (RFC 4180, with or without a byte-order mark). Rows in
messages count from 1, without the header. :mod:`modelwarden.table_files` says what a column of text
becomes.
"""

import difflib
import hashlib
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from modelwarden.errors import InputError
from modelwarden.folders import Folder
from modelwarden.lookalikes import plain
from modelwarden.table_files import (
    BATCH,
    as_type,
    cell,
    check_names,
    check_schema,
    differs,
    faults,
    is_parquet,
    read_csv,
    read_parquet,
    record,
    records,
    replaced,
    write_csv,
    write_parquet,
)

if TYPE_CHECKING:  # the store brings boto3, which reading a table does not need
    from modelwarden.store import File

MAX_CLASSES = 100  # distinct numbers in a column of labels; more look like regression

Mask = npt.NDArray[np.bool_]
_Change = tuple[int, Mask, object]  # place of a column, rows, value


class Table:
    """Rows and named columns of a file, or of a folder of Parquet files; made by :meth:`open`.

    Attributes
    ----------
    uri, sha256 : str
        Where it is, and the digest of its bytes; of a folder, that of its manifest.
    columns : tuple of str
        Names of the columns, in the file's order.
    n_rows : int
        Number of rows, 1 or more.
    """

    def __init__(self, file: "File | Folder", cells: pa.Table, *, is_csv: bool) -> None:
        self.uri, self.sha256 = file.uri, file.sha256
        self.columns, self.n_rows = tuple[str, ...](cells.column_names), int(cells.num_rows)
        self._file, self._cells, self._is_csv = file, cells, is_csv

    @classmethod
    def open(cls, file: "File | Folder") -> "Table":
        """Read a CSV or Parquet file, or the Parquet files of a folder in the order of their names.

        Raises
        ------
        InputError
            If it is neither, is broken, exceeds a bound of this module, has no rows, or leaves open
            what it says: unnamed or equally named columns, rows of differing lengths, open quotes,
            files of a folder with differing schemas.
        """
        if is_parquet(file) or isinstance(file, Folder):
            return cls(file, read_parquet(file), is_csv=False)
        return cls(file, read_csv(file), is_csv=True)

    @property
    def is_csv(self) -> bool:
        """Whether the file is text, so that types are what its values look like."""
        return self._is_csv

    @property
    def schema(self) -> pa.Schema:
        """Return names and types of the columns, in the file's order."""
        return self._cells.schema

    def columns_of(self, names: Sequence[str]) -> tuple[pa.ChunkedArray, ...]:
        """Return some columns as Arrow holds them, without copying them."""
        return tuple(self._cells.column(name) for name in names)

    def batches(self, names: Sequence[str], rows: int = BATCH) -> Iterator[pa.RecordBatch]:
        """Yield some columns in row order, `rows` at a time at most, without copying them."""
        yield from self._cells.select(list(names)).to_batches(max_chunksize=rows)

    def frame(self) -> pd.DataFrame:
        """Return all columns as a new DataFrame with a plain row index.

        Numbers are backed by NumPy; integers with missing values become floats. Booleans are bool,
        or objects with None where one is missing. Text, categories and timestamps are pandas' own.
        """
        return self._frame(self.columns)

    def rows(self, places: npt.NDArray[np.intp], names: Sequence[str]) -> pd.DataFrame:
        """Return some columns of some rows, as `frame` does if there were no others.

        Parameters
        ----------
        places : ndarray of int, shape (n,)
            Rows, from 0.
        names : sequence of str
            Columns.
        """
        return self._framed(self._cells.select(list(names)).take(pa.array(places)))

    def _frame(self, names: Sequence[str]) -> pd.DataFrame:
        return self._framed(self._cells.select(names))

    def _framed(self, cells: pa.Table) -> pd.DataFrame:
        with faults(self.uri, "values that pandas can hold", "others"):
            plain_cells = cells.replace_schema_metadata()
            frame: pd.DataFrame = plain_cells.to_pandas(date_as_object=False)
        return frame

    def select(
        self,
        keep: Mask,
        edits: Mapping[str, tuple[Mask, object]] | None = None,
        *,
        drop: Collection[str] = (),
    ) -> bytes:
        """Return a file in the same format with some of the rows, in the same order.

        CSV rows that are not edited keep their very text; Parquet keeps its schema and metadata,
        and has the same bytes for the same version of pyarrow. Keeping all rows as they are returns
        the file as it is; of a folder, one file with its rows.

        Parameters
        ----------
        keep : ndarray of bool, shape (n_rows,)
            True for the rows to keep.
        edits : mapping of str to (ndarray of bool of shape (n_rows,), value), optional
            By column: rows whose cell is replaced, and what is written there instead. Columns keep
            their type: a number is rounded in a column of integers; None or NaN stands for missing.
            A cell that holds the value already keeps its text.
        drop : collection of str, default=()
            Columns to leave out.

        Raises
        ------
        InputError
            If a mask has another shape or type, a column is unknown, its type cannot hold the
            value, or no column would be left.
        """
        self._check_mask(keep, "rows to keep")
        for name in drop:
            _check_known(self, name)
        left = [place for place, name in enumerate(self.columns) if name not in drop]
        if not left:
            raise InputError(self.uri, "a column that is left", "none", "drop fewer columns")
        with faults(self.uri, "values that the columns can hold", "others"):
            changes = self._changes(keep, edits or {})
            if keep.all() and not changes and not drop and not isinstance(self._file, Folder):
                return self._file.path.read_bytes()
            if self._is_csv:
                return "".join(self._texts(keep, changes, left)).encode()
            cells = self._cells
            for place, mask, value in changes:
                column = replaced(cells.column(place), mask, value)
                cells = cells.set_column(place, cells.schema.field(place), column)
            return write_parquet(cells.select(left).filter(pa.array(keep)))

    def encode(self, frame: pd.DataFrame) -> bytes:
        """Return other rows in the format of this file, such as what was measured of each row.

        The same frame gives the same bytes; of Parquet, for the same version of pyarrow.

        Raises
        ------
        InputError
            If a column has no name, or no type that a table can have.
        """
        with faults(self.uri, "columns that each hold one type", "others"):
            check_names(list(frame.columns), self.uri)
            if self._is_csv:
                return write_csv(frame)
            cells = pa.Table.from_pandas(frame, preserve_index=False)
            check_schema(cells.schema, self.uri)
            return write_parquet(cells)

    def is_same(self, body: bytes) -> bool:
        """Whether `body`, which `select` returned, is this file.

        CSV is the same byte for byte. Parquet may differ in how another version of pyarrow wrote
        the same columns.
        """
        if hashlib.sha256(body).hexdigest() == self.sha256:
            return True
        if self._is_csv or body[:4] != b"PAR1":
            return False
        cells = pq.read_table(io.BytesIO(body)).replace_schema_metadata()
        return bool(cells.to_pandas(date_as_object=False).equals(self._frame(self.columns)))

    def _check_mask(self, mask: Mask, what: str) -> None:
        if mask.dtype != np.bool_ or mask.shape != (self.n_rows,):
            expected = f"booleans of shape ({self.n_rows},)"
            raise InputError(f"{self.uri}, {what}", expected, f"{mask.dtype} {mask.shape}")

    def _changes(self, keep: Mask, edits: Mapping[str, tuple[Mask, object]]) -> list[_Change]:
        """Return place, rows and typed value of each edit that changes a row that is kept."""
        changes = []
        for name, (mask, value) in edits.items():
            _check_known(self, name)
            self._check_mask(mask, f"rows to edit in column {name!r}")
            place = self.columns.index(name)
            column = self._cells.column(place)
            typed = as_type(value, column.type, f"{self.uri}, column {name!r}")
            changed = mask & keep & differs(column, typed)
            if changed.any():
                changes.append((place, changed, typed))
        return changes

    def _texts(self, keep: Mask, changes: list[_Change], left: list[int]) -> Iterator[str]:
        """Yield the header and the records that are kept; write anew only what must change."""
        assert not isinstance(self._file, Folder)  # noqa: S101 - folders hold no text
        rows = records(self._file)
        header, names = next(rows)
        every = len(left) < len(names)
        yield record(names[place] for place in left) + _line_end(header) if every else header
        edited = np.logical_or.reduce([keep & every, *(mask for _, mask, _ in changes)])
        texts = [(place, mask, cell(value)) for place, mask, value in changes]
        for row, (text, fields) in compress(enumerate(rows), keep):
            if not edited[row]:
                yield text
                continue
            for place, mask, new in texts:
                fields[place] = new if mask[row] else fields[place]
            yield record(fields[place] for place in left) + _line_end(text)


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


def coded(table: Table, target: str, classes: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Return the labels as positions among the classes of a model, shape (n_rows,).

    Raises
    ------
    InputError
        As `labels` does, and if a label is none of the classes.
    """
    codes = {label: code for code, label in enumerate(classes.tolist())}
    given = labels(table, target).tolist()
    unknown = sorted({repr(label) for label in given if label not in codes})
    if unknown:
        raise InputError(
            f"{table.uri}, column {target!r}",
            f"labels that the model knows: {', '.join(map(repr, [*codes][:5]))}",
            ", ".join(unknown[:5]),
            "give rows with the labels that the model was trained on",
        )
    return np.array([codes[label] for label in given], dtype=np.intp)


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
    known = {plain(name): name for name in table.columns}
    near = difflib.get_close_matches(plain(target), known, n=1)
    fix = f"did you mean {known[near[0]]!a}?" if near else "correct the name"
    shown = ", ".join(repr(name) for name in table.columns[:12])
    more = f" and {len(table.columns) - 12} more" if len(table.columns) > 12 else ""
    raise InputError(table.uri, f"a column {target!a}", f"{shown}{more}", fix)


def _line_end(text: str) -> str:
    return text[len(text.rstrip("\r\n")) :]
