"""Both tables as numbers: submitted rows beside the trusted ones that they are held against."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.errors import InputError
from modelwarden.suspicion.encoding import (
    Encoder,
    canonical_order,
    check_alike,
    known,
    plain,
)
from modelwarden.tables import Table, features, labels

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Small = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Column:
    """A column's distinct values, sorted; a cell's code is the position of its value.

    Parameters
    ----------
    name : str
        Its name in the tables.
    values : ndarray
        Floats, NaN (missing) last, or text.
    """

    name: str
    values: npt.NDArray[Any]

    @property
    def is_number(self) -> bool:
        """Whether values have distances."""
        return bool(self.values.dtype.kind == "f")

    @property
    def is_finite(self) -> Mask:
        """Which values are there: not missing."""
        return np.isfinite(self.values) if self.is_number else np.asarray(self.values != "")


@dataclass(frozen=True)
class Submission:
    """Submitted and trusted rows, encoded by statistics of the trusted ones.

    Without a trusted table the trusted arrays are empty, and the submitted rows encode themselves.

    Parameters
    ----------
    x, y : ndarray of shape (n_rows, n_features) and (n_rows,)
        Submitted rows and class codes, in an order that depends on their content alone.
    trusted_x, trusted_y : ndarray of shape (n_trusted, n_features) and (n_trusted,)
        Trusted rows.
    classes : ndarray of shape (n_classes,)
        Labels by code.
    columns : tuple of Column
        Feature columns before encoding.
    codes, trusted_codes : ndarray of int32 of shape (n_rows, n_columns) and (n_trusted, n_columns)
        The cells as codes of `columns`.
    vouched : ndarray of bool of shape (n_rows,)
        Submitted rows that equal a trusted row, label included.
    order : ndarray of int of shape (n_rows,)
        Row `i` here is row ``order[i]`` of the table.
    encoder : Encoder
        Turns plain frames into rows of `x`.
    """

    x: Floats
    y: Codes
    trusted_x: Floats
    trusted_y: Codes
    classes: npt.NDArray[np.object_]
    columns: tuple[Column, ...]
    codes: Small
    trusted_codes: Small
    vouched: Mask
    order: Codes
    encoder: Encoder

    @cached_property
    def twins(self) -> Codes:
        """Return equal numbers for equal rows, label included: submitted, then trusted rows."""
        cells = np.vstack([self.codes, self.trusted_codes])
        labels = np.concatenate([self.y, self.trusted_y]).astype(np.int32)
        table = np.ascontiguousarray(np.column_stack([cells, labels]))
        rows = table.view(np.dtype((np.void, table.strides[0]))).ravel()
        return np.asarray(np.unique(rows, return_inverse=True)[1], dtype=np.intp)

    def most_different(self) -> tuple[str, float]:
        """Return the column in which submitted and trusted rows differ most, and by how much.

        That is the largest difference between the shares of rows up to any value (Kolmogorov and
        Smirnov), for text the share of rows whose value would have to change: 0 alike, 1 apart.
        """
        gaps = []
        for place, column in enumerate(self.columns):
            size = len(column.values)
            here = np.bincount(self.codes[:, place], minlength=size) / self.n_rows
            there = np.bincount(self.trusted_codes[:, place], minlength=size) / self.n_trusted
            gap = here - there
            gaps.append(np.abs(gap.cumsum()).max() if column.is_number else np.abs(gap).sum() / 2)
        widest = int(np.argmax(gaps))
        return self.columns[widest].name, float(gaps[widest])

    @property
    def n_rows(self) -> int:
        """Return the number of submitted rows."""
        return len(self.y)

    @property
    def n_trusted(self) -> int:
        """Return the number of trusted rows."""
        return len(self.trusted_y)

    @property
    def n_classes(self) -> int:
        """Return the number of classes."""
        return len(self.classes)

    @classmethod
    def read(
        cls, train: Table, trusted: Table | None, target: str, besides: Sequence[str] = ()
    ) -> "Submission":
        """Encode tables.

        Parameters
        ----------
        train, trusted : Table
            Submitted rows, and trusted ones if there are any.
        target : str
            Column of labels.
        besides : sequence of str
            Columns that are no features, such as who contributed a row; trusted rows may lack them.

        Raises
        ------
        InputError
            If the tables do not go together, or have no usable column.
        """
        frame = _features(train, target, besides)
        reference = frame if trusted is None else _features(trusted, target, besides)
        if trusted is not None:
            check_alike(frame, reference, where=train.uri, trusted_uri=trusted.uri)
        frame, reference = plain(frame[reference.columns]), plain(reference)
        encoder = Encoder.fit(reference)
        x = encoder.encode(frame)
        if x.shape[1] == 0:
            where = (trusted or train).uri
            expected = "a column of numbers or repeated values"
            raise InputError(where, expected, "none", "add features")
        classes, y, trusted_y = _classes(train, trusted, target)
        trusted_frame = reference if trusted is not None else reference[:0]
        vouched = known(frame.assign(**{target: y}), trusted_frame.assign(**{target: trusted_y}))
        columns, codes, trusted_codes = _codes(frame, trusted_frame)
        # cells, too: rows that are encoded alike may differ in text that trusted rows do not repeat
        order = canonical_order(np.column_stack([x, y, vouched, codes]))
        return cls(
            x=x[order],
            y=y[order],
            trusted_x=encoder.encode(trusted_frame),
            trusted_y=trusted_y,
            classes=classes,
            columns=columns,
            codes=codes[order],
            trusted_codes=trusted_codes,
            vouched=vouched[order],
            order=order,
            encoder=encoder,
        )


def _features(table: Table, target: str, besides: Sequence[str]) -> pd.DataFrame:
    frame = features(table, target)
    left = frame.drop(columns=[name for name in besides if name in frame.columns])
    if left.shape[1] == 0:
        got = f"only {', '.join(map(repr, [target, *besides]))}"
        raise InputError(table.uri, "feature columns", got, "add features")
    return left


def _classes(
    train: Table, trusted: Table | None, target: str
) -> tuple[npt.NDArray[np.object_], Codes, Codes]:
    submitted = labels(train, target)
    vouched = submitted[:0] if trusted is None else labels(trusted, target)
    classes = pd.Index(submitted if trusted is None else vouched).unique().sort_values()
    y = classes.get_indexer(pd.Index(submitted))
    if (y < 0).any():
        unknown = sorted({repr(label)[:40] for label in submitted[y < 0].unique().tolist()})
        raise InputError(
            f"{train.uri}, column {target!r}",
            "only labels that trusted rows have",
            ", ".join(unknown[:5]),
            "correct the labels, or add trusted rows of every class",
        )
    return np.asarray(classes, dtype=object), y, classes.get_indexer(pd.Index(vouched))


def _codes(frame: pd.DataFrame, trusted: pd.DataFrame) -> tuple[tuple[Column, ...], Small, Small]:
    columns, codes = [], []
    for name in frame.columns:
        cells = np.concatenate([frame[name].to_numpy(), trusted[name].to_numpy()])
        code, values = pd.factorize(cells, sort=True, use_na_sentinel=False)
        columns.append(Column(str(name), values))
        codes.append(code.astype(np.int32))
    table = np.column_stack(codes)
    return tuple(columns), table[: len(frame)], table[len(frame) :]
