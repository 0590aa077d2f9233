"""Groups of one-hot columns, found by their names and by what they hold."""

import re
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.space.columns import is_number

_SEPARATOR = re.compile(r"[_=.:/\- ]+")  # what pandas, scikit-learn and people put in between

_Counts = npt.NDArray[np.int8]


def one_hot_groups(frame: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return columns of 0 and 1, or truth values, of which exactly one is 1 in each row.

    They need a prefix in common, such as ``home`` in ``home_OWN`` and ``home_RENT``, and two of
    them have to be 1 in some row. Where several prefixes will do the shortest is used.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)

    Returns
    -------
    dict of str to tuple of str
        Columns in the table's order, by their prefix; with more letters where a column has it.
    """
    flags = {name: frame[name] for name in frame.columns if _is_flag(frame[name])}
    by_prefix: dict[str, list[str]] = {}
    for name in flags:
        for end in _SEPARATOR.finditer(name):
            by_prefix.setdefault(name[: end.start()], []).append(name)
    groups: dict[str, tuple[str, ...]] = {}
    taken: set[str] = set()
    for prefix, named in sorted(by_prefix.items(), key=lambda item: len(item[0])):
        names = [name for name in named if name not in taken]
        if prefix and _is_one_hot([flags[name].to_numpy(dtype=np.int8) for name in names]):
            groups[_unused(prefix, {*frame.columns, *groups})] = tuple(names)
            taken.update(names)
    return groups


def _is_flag(column: "pd.Series[bool | int | float]") -> bool:
    """Tell whether a column holds 0 and 1 only, or truth values; no missing cells."""
    if column.dtype == bool:
        return True
    return is_number(column) and bool(column.isin([0, 1]).all())


def _is_one_hot(columns: Sequence[_Counts]) -> bool:
    if sum(bool(column.any()) for column in columns) < 2:
        return False
    total = np.zeros(len(columns[0]), dtype=np.int32)
    for column in columns:
        total += column
    return bool((total == 1).all())


def _unused(name: str, others: Collection[str]) -> str:
    return name if name not in others else _unused(f"{name}_group", others)
