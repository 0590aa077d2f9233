"""Payloads: the rows in the text of a query, as the columns of a reference table."""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from pandas.api import types

from modelwarden.report import Json

MOST_ROWS = 1000  # of one query that are looked at


def rows_of(texts: Iterable[str], reference: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return what was asked as rows of `reference`'s columns, and how many rows did not fit.

    Rows with names fit when they have every column, whatever else they have; rows without names
    when they have as many values. A value that is no number does not fit a column of numbers.
    """
    numeric = {name: types.is_numeric_dtype(reference[name].dtype) for name in reference.columns}
    fitting, misfits = [], 0
    for text in texts:
        for row in _rows(text):
            values = _fit(row, numeric)
            if values is None:
                misfits += 1
            else:
                fitting.append(values)
    columns = list(zip(*fitting, strict=True)) or [()] * len(numeric)
    series = {
        name: pd.Series(values, dtype=np.float64 if is_number else object)
        for (name, is_number), values in zip(numeric.items(), columns, strict=True)
    }
    return pd.DataFrame(series), misfits


def _rows(text: str) -> Iterator[Json]:
    """Yield the rows of a query; what is none is yielded as it is, and fits nothing."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        lines = [line for line in text.splitlines()[:MOST_ROWS] if line.strip()]
        yield from _records(lines)
        return
    if isinstance(document, dict) and isinstance(document.get("instances"), list):
        yield from document["instances"][:MOST_ROWS]
    elif isinstance(document, dict) and isinstance(document.get("inputs"), list):
        yield from _tensors(document["inputs"])
    elif isinstance(document, list) and document and isinstance(document[0], (list, dict)):
        yield from document[:MOST_ROWS]
    elif isinstance(document, (int, float)):  # a line of CSV with one value
        yield [document]
    else:
        yield document


def _records(lines: Sequence[str]) -> Iterator[Json]:
    try:
        yield from csv.reader(lines)
    except csv.Error:
        yield None


def _tensors(tensors: Sequence[Json]) -> Iterator[Json]:
    """Yield rows of a V2 request: one tensor of rows, or a tensor of values for each column."""
    try:
        arrays = {
            str(tensor["name"]): np.array(tensor["data"], dtype=object).reshape(tensor["shape"])
            for tensor in tensors
        }
        if len(arrays) == 1:
            (values,) = arrays.values()
            yield from values.reshape(len(values), -1)[:MOST_ROWS].tolist()
            return
        columns = [values.reshape(-1)[:MOST_ROWS].tolist() for values in arrays.values()]
        yield from (dict(zip(arrays, row, strict=True)) for row in zip(*columns, strict=True))
    except (KeyError, TypeError, ValueError, MemoryError):
        yield None


def _fit(row: Json, numeric: Mapping[str, bool]) -> "list[object] | None":
    if isinstance(row, dict):
        if not set(numeric) <= set(row):
            return None
        row = [row[name] for name in numeric]
    if not isinstance(row, list) or len(row) != len(numeric):
        return None
    values = [_value(value, number) for value, number in zip(row, numeric.values(), strict=True)]
    return None if any(value is _MISFIT for value in values) else values


_MISFIT = object()


def _value(value: Json, number: bool) -> object:
    if value is None or value == "":
        return math.nan if number else None
    if isinstance(value, (list, dict)):
        return _MISFIT
    if not number:
        return str(value)
    try:
        return float(value)
    except (ValueError, OverflowError):
        flags = {"true": 1.0, "false": 0.0}
        return flags.get(str(value).lower(), _MISFIT)
