"""Two tables as comparable numbers: one float matrix each, with statistics of trusted rows only.

An attacker who could move a mean, a median or the list of known categories could hide; so submitted
rows are encoded, never learnt from.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from modelwarden.errors import InputError

Floats = npt.NDArray[np.float64]

CATEGORIES = 20
LARGEST = 1e100  # squares of it are still finite
FARTHEST = 10.0  # standard deviations; no single value buys more leverage than that


def check_alike(
    frame: pd.DataFrame, trusted: pd.DataFrame, *, where: str, trusted_uri: str
) -> None:
    """Refuse a trusted frame that has other columns than `frame`, or other kinds of columns.

    Parameters
    ----------
    frame, trusted : DataFrame
        Submitted and trusted features; the order of columns is free.
    where, trusted_uri : str
        Where they came from, for the message.

    Raises
    ------
    InputError
        If a column is on one side only, or holds numbers on one side and text on the other.
    """
    lacking = sorted(set(frame.columns) - set(trusted.columns))
    foreign = sorted(set(trusted.columns) - set(frame.columns))
    if lacking or foreign:
        raise InputError(
            trusted_uri,
            f"the feature columns of {where}",
            f"{_names(lacking)} missing and {_names(foreign)} unknown",
            "give both tables the same columns",
        )
    other = [name for name in frame.columns if _kind(frame[name]) != _kind(trusted[name])]
    if other:
        name = other[0]
        raise InputError(
            f"{trusted_uri}, column {name!r}",
            f"{_kind(frame[name])}, as in {where}",
            _kind(trusted[name]),
            "store the column with the same type in both tables, or drop it",
        )


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` with floats (numbers, bools, seconds since 1970) and strings (the rest) only.

    What is missing or infinite becomes NaN in floats; missing text becomes the empty string.
    """
    return pd.DataFrame({name: _plain(frame[name]) for name in frame.columns}, index=frame.index)


def known(frame: pd.DataFrame, trusted: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Tell which rows of `frame` occur in `trusted`, both :func:`plain` with the same columns.

    They are compared, not hashed: who could forge a hash could have a row vouched for.
    """
    positions = range(frame.shape[1])  # names may clash with the column that merge adds
    left = frame.set_axis(positions, axis=1)
    right = trusted.set_axis(positions, axis=1).drop_duplicates()
    return (left.merge(right, how="left", indicator=True)["_merge"] == "both").to_numpy()


def canonical_order(table: Floats) -> npt.NDArray[np.intp]:
    """Return the order of `table`'s rows by their bytes, the same however they were shuffled."""
    table = np.ascontiguousarray(table + 0.0)  # -0.0 and 0.0 are one number
    return np.argsort(table.view(np.dtype((np.void, table.strides[0]))).ravel(), kind="stable")


@dataclass(frozen=True)
class _Number:
    """A float column: trusted median for what is missing, then trusted mean 0 and deviation 1."""

    median: float
    mean: float
    deviation: float
    farthest: float

    @classmethod
    def fit(cls, column: pd.Series, farthest: float) -> "_Number":
        values = column.to_numpy()
        gone = np.isnan(values)
        median = 0.0 if gone.all() else float(np.median(values[~gone]))
        values = np.where(gone, median, values)
        if values.min() == values.max():  # rounding may give a constant a deviation
            return cls(median, median, 1.0, farthest)
        return cls(median, float(values.mean()), float(values.std()), farthest)

    def encode(self, column: pd.Series) -> Floats:
        values = column.to_numpy()
        values = np.where(np.isnan(values), self.median, values)
        scaled = (values - self.mean) / self.deviation
        return np.clip(scaled, -self.farthest, self.farthest)[:, None]


@dataclass(frozen=True)
class _Text:
    """A text column: one column of 0 and 1 per value that trusted rows repeat, most frequent first.

    Values beyond `CATEGORIES`, single ones and those trusted rows do not know are all 0: free text
    and row numbers add nothing.
    """

    values: tuple[str, ...]

    @classmethod
    def fit(cls, column: pd.Series) -> "_Text":
        counts = column.value_counts()
        repeated = sorted(counts[counts >= 2].items(), key=lambda item: (-item[1], item[0]))
        return cls(tuple(str(value) for value, _ in repeated[:CATEGORIES]))

    def encode(self, column: pd.Series) -> Floats:
        known = pd.Index(self.values, dtype=object).get_indexer(pd.Index(column, dtype=object))
        return np.eye(len(self.values) + 1)[known][:, :-1]  # unknown is -1: the row of the rest


@dataclass(frozen=True)
class Encoder:
    """Columns of a plain frame as floats.

    Parameters
    ----------
    columns : mapping of str to column encoder
        In the order of the matrix.
    """

    columns: Mapping[str, _Number | _Text]

    @classmethod
    def fit(cls, trusted: pd.DataFrame, *, farthest: float = FARTHEST) -> "Encoder":
        """Learn medians, scales and categories from `trusted`, a :func:`plain` frame.

        Numbers are cut off `farthest` deviations from the mean.
        """
        return cls({name: _encoder(trusted[name], farthest) for name in trusted.columns})

    def only(self, names: Collection[str]) -> "Encoder":
        """Return an encoder of some of the columns."""
        return Encoder({name: column for name, column in self.columns.items() if name in names})

    def encode(self, frame: pd.DataFrame) -> Floats:
        """Return a plain frame as a finite matrix of shape (n_rows, n_features), maybe 0 wide."""
        blocks = [column.encode(frame[name]) for name, column in self.columns.items()]
        return np.hstack([np.empty((len(frame), 0)), *blocks])


def _encoder(column: pd.Series, farthest: float) -> _Number | _Text:
    is_number = column.dtype == np.float64
    return _Number.fit(column, farthest) if is_number else _Text.fit(column)


def _names(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return (f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown) or "none"


def _kind(column: pd.Series) -> str:
    if column.isna().all():
        return "no values"
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "text"
    if types.infer_dtype(column, skipna=True) == "boolean":  # an object where one is missing
        return "true or false"
    if types.is_numeric_dtype(column.dtype):
        return "numbers"
    return "times" if types.is_datetime64_any_dtype(column.dtype) else "text"


def _plain(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return _finite(column.to_numpy(dtype=np.float64), column.index)
    kind = _kind(column)
    if kind == "text":
        return column.map(str, na_action="ignore").astype(object).where(column.notna(), "")
    if kind == "no values":
        return pd.Series(np.nan, index=column.index, dtype=np.float64)
    if kind == "times":
        column = (column - pd.Timestamp("1970-01-01", tz=column.dt.tz)).dt.total_seconds()
    values = column.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    return _finite(np.asarray(values, dtype=np.float64), column.index)


def _finite(values: Floats, index: pd.Index) -> pd.Series:
    values = np.where(np.isfinite(values), np.clip(values, -LARGEST, LARGEST), np.nan)
    return pd.Series(values, index=index)
