"""Tables on their way into a model's process, and the numbers that come back."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from modelwarden.errors import InputError


def listed(names: Any) -> str:
    """Return the first names, for an error."""
    names = list(names)
    return ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "") or "none"


def is_one_block(frame: pd.DataFrame, *, by_name: bool) -> bool:
    """Return whether the model sees the same when all columns travel as float64."""
    if by_name:
        return all(dtype == np.float64 for dtype in frame.dtypes)
    return all(pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes)


def arrow(frame: pd.DataFrame, uri: str, *extra: npt.NDArray[Any]) -> memoryview:
    """Return a frame as an Arrow stream, with `extra` columns behind its own."""
    sink = pa.BufferOutputStream()
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False, nthreads=1)
        for column in extra:
            table = table.append_column("", pa.array(column))
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
    except pa.ArrowException as error:
        raise InputError(uri, "columns that each hold one type", str(error)) from error
    return memoryview(sink.getvalue())


def checked_size(block: bytearray, expected: int, uri: str) -> bytearray:
    """Return an answer, if it is as long as it must be."""
    if len(block) != expected:
        raise InputError(uri, f"{expected} bytes of answer", f"{len(block)}")
    return block


def checked_codes(block: bytearray, n_rows: int, n_classes: int, uri: str) -> npt.NDArray[np.int64]:
    """Return class codes out of an answer, which may say anything."""
    codes = np.frombuffer(checked_size(block, 8 * n_rows, uri), np.int64)
    if not ((codes >= 0) & (codes < n_classes)).all():
        raise InputError(uri, "labels among its classes", "others", "retrain the model")
    return codes
