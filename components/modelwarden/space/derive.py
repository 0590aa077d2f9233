"""A space file to start from: what a table shows, for people to correct."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from modelwarden.documents import MAX_DOCUMENT
from modelwarden.errors import InputError
from modelwarden.report import finite
from modelwarden.space.columns import Column, holds_sentences, is_number
from modelwarden.space.indicators import one_hot_groups
from modelwarden.space.points import LARGEST
from modelwarden.space.rules import ColumnRule
from modelwarden.space.scalars import key, rounded, scalar, sequence, whole
from modelwarden.space.suite import Limits

LISTED = 20
"""Different values above which a column of text is not listed as categories."""
SHARED = 2
"""Rows that a value needs to be listed: what one row has may be about one person."""
DISTINCT = 20
"""Rows from which on values that never repeat look like identifiers."""

_HEAD = """\
# What an attacker may change in a row, as far as a table can tell. Correct it: only people know
# what can be faked. docs/robustness.md has every key.
"""
_RULES = """\
version: 1
others: free  # columns that are not named: free, or fixed
# max_changed: 3  # how many columns may change at once
# relations: ["total >= open", "used + 2 * free <= 10"]  # what has to hold
# repairs: ["total = used + free"]  # what is computed from other columns
"""
_COLUMNS = """\
# Numbers: they move by epsilon times their scale, the interquartile range, within what was seen.
# More keys: by, by_share (how far at most), direction (up or down), cost. DECIDE needs you most.
columns:
"""
_GROUPS = """\
# Columns of which exactly one is 1, and it may be another.
one_hot:
"""
_FIXED = """\
# These stay as they are. To let one change, move the line behind # to columns and drop the other.
# Values that a single row has are not listed.
fixed:
"""
_TEXT = """\
# The only column holds texts, whose words may change. Add what may stand for a word:
# text: {{synonyms: {{free: [gratis, complimentary]}}}}
text: {{synonyms: {{}}}}  # column {name}
"""

_IMAGE = """\
# DECIDE: looks like pixels. If they are, this line says it all; drop columns and fixed:
# image: {{height: {side}, width: {side}}}
"""

_PIXEL = re.compile(r"(?:pixel|pix|px)[\W\d_]", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_]+")
_PERSONAL = re.compile(
    r"age|birth\w*|born|citizen\w*|disab\w+|dob|ethnic\w*|foreign\w*|gender|marital|married"
    r"|nationality|personal|pregnan\w+|race|religio\w+|sex"
)
_IDENTIFIER = re.compile(r"guid|id|identifier|ids|rowid|uuid")


def derive(
    frame: pd.DataFrame,
    *,
    about: Sequence[str] = (),
    limits: Mapping[str, Limits] | None = None,
    where: str = "space",
) -> bytes:
    """Return a space file with every column of a table in it; equal tables give equal bytes.

    It allows what is allowed without a file, with scales and bounds written down; but columns of a
    one-hot group change together. Of the table it shows ranges, and values that rows share.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        The columns without the labels.
    about : sequence of str
        Lines about its origin, for the head of the file.
    limits : mapping of str to Limits, optional
        What else is known of columns.
    where : str
        The table's URI, for errors.

    Raises
    ------
    InputError
        If the file would be larger than such files may be.
    """
    parts = [_HEAD + "".join(f"# {_printable(line)}\n" for line in about), _RULES]
    if frame.shape[1] == 1 and holds_sentences(frame.iloc[:, 0]):
        parts.append(_TEXT.format(name=scalar(str(frame.columns[0]))))
        return "\n".join(parts).encode()
    side = math.isqrt(frame.shape[1])
    if side**2 == frame.shape[1] > 1 and all(_is_pixel(frame[name]) for name in frame.columns):
        parts.append(_IMAGE.format(side=side))
    groups = one_hot_groups(frame)
    grouped = {name for names in groups.values() for name in names}
    lines = [
        _line(name, frame[name], (limits or {}).get(name, Limits()))
        for name in frame.columns
        if name not in grouped
    ]
    sections = {
        _COLUMNS: [line.text for line in lines if line.moves],
        _GROUPS: [*_groups(groups)],
        _FIXED: [line.text for line in lines if not line.moves],
    }
    parts += [head + "".join(texts) for head, texts in sections.items() if texts]
    body = "\n".join(parts).encode()
    if len(body) > MAX_DOCUMENT:
        fix = "write one by hand; columns of numbers need not be named"
        raise InputError(where, f"a space file of at most {MAX_DOCUMENT:,} bytes", "more", fix)
    return body


@dataclass(frozen=True)
class _Line:
    """What is written about one column, and whether it may move."""

    text: str
    moves: bool


def _line(name: str, column: "pd.Series[Any]", limit: Limits) -> _Line:
    if not is_number(column):
        return _still(name, column, _kind(column), _values(column, limit))
    rule = _rule(column, limit)
    if isinstance(rule, str):
        return _still(name, column, rule)
    known = Column.of(column, rule)
    if isinstance(known, str):
        return _still(name, column, _constant(column) or known)
    written = {"least": whole(known.least), "most": whole(known.most)}
    written |= {"step": whole(known.step)} if known.step else {}
    written |= {"scale": rounded(known.scale)}
    cells = ", ".join(f"{word}: {scalar(number)}" for word, number in written.items())
    seen = "; ".join(_seen(column, known, limit))
    hint = _hint(name, column)
    decide = f"  # DECIDE: {hint}; list it under fixed if nobody can change it\n" if hint else ""
    return _Line(f"{decide}  {key(name, 2)} {{{cells}}}  # {seen}\n", moves=True)


def _still(name: str, column: "pd.Series[Any]", why: str, values: Sequence[Any] = ()) -> _Line:
    """Write about a column that does not move, with the line that would let it."""
    written = key(name, 2)
    offer = values and "\n" not in written  # behind # a key has one line
    line = f"  # {written} {{values: {sequence(values)}}}\n" if offer else ""
    hint = _hint(name, column)
    return _Line(f"{line}  - {scalar(name)}  # {why}{f'; {hint}' if hint else ''}\n", moves=False)


def _seen(column: "pd.Series[Any]", known: Column, limit: Limits) -> Iterator[str]:
    """Say what was seen of numbers, besides what is written in keys."""
    yield "integers" if known.whole else "numbers"
    if limit != Limits():
        cells = column[np.isfinite(column)]
        yield f"bounds given, seen {_number(cells.min())} to {_number(cells.max())}"
    if known.by_deviation:
        yield "mostly one value, so the scale is the standard deviation"
    if known.step:
        yield f"from epsilon {known.step / rounded(known.scale):.2g} on"
    gaps = int((~np.isfinite(column.to_numpy(dtype=np.float64))).sum())
    if gaps:
        yield f"missing or infinite in {gaps} of {len(column)} rows, which stay so"


def _constant(column: "pd.Series[Any]") -> str:
    cells = column[np.isfinite(column)]
    return f"always {_number(cells.iloc[0])}" if cells.nunique() == 1 else ""


def _number(value: float) -> str:
    return scalar(whole(float(value)))


def _is_pixel(column: "pd.Series[Any]") -> bool:
    return is_number(column) and _PIXEL.match(str(column.name)) is not None


def _kind(column: "pd.Series[Any]") -> str:
    """Say what is in a column that holds no numbers."""
    n_values = column.nunique()
    if n_values == 0:
        return "nothing in it"
    if column.dtype.kind == "M":
        return "timestamps"
    if isinstance(column.dtype, pd.CategoricalDtype):
        kind = "a category"
    else:
        is_flag = all(isinstance(value, bool) for value in column.dropna().unique().tolist())
        kind = "true or false" if is_flag else "text"
    return f"{kind}, always the same" if n_values == 1 else f"{kind}, {n_values} values"


def _values(column: "pd.Series[Any]", limit: Limits) -> list[Any]:
    """Return the categories of a column, sorted; none where they would be too many, or one."""
    if limit.values is not None:
        known = column.cat.categories if hasattr(column, "cat") else column.dropna().unique()
        kinds = {type(value) for value in known.tolist()}
        listed = [v for v in limit.values if type(v) in kinds]
        return [v for v in dict.fromkeys(listed) if v in known or not hasattr(column, "cat")]
    counts = column.value_counts()
    if not 2 <= (counts > 0).sum() <= LISTED:
        return []
    shared = counts[counts >= SHARED].index.tolist()
    return sorted(filter(_is_cell, shared), key=lambda value: (str(type(value)), value))


def _is_cell(value: object) -> bool:
    """Tell whether a space file can hold a value: no timestamps, and nothing infinite."""
    return isinstance(value, (bool, str)) or finite(value) is not None


def _hint(name: str, column: "pd.Series[Any]") -> str:
    """Say what a column looks like that people had better decide about; "" for most."""
    words = [word.casefold() for word in _WORD.findall(name)]
    if any(map(_PERSONAL.fullmatch, words)):
        return "looks like a trait of a person"
    never_repeats = len(column) >= DISTINCT and column.is_unique and column.dtype.kind not in "fM"
    if never_repeats or any(map(_IDENTIFIER.fullmatch, words)):
        return "looks like an identifier"
    return ""


def _groups(groups: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for group, names in groups.items():
        members = "".join(f"    - {scalar(name)}\n" for name in names)
        yield f"  {key(group, 2)}\n{members}"


def _rule(column: "pd.Series[Any]", limit: Limits) -> ColumnRule | str:
    """Return what a suite says of numbers as a rule; where no rule can say it, why."""
    is_whole = column.dtype.kind in "iu"
    least, most = limit.least, limit.most
    if limit.open_least:
        least = np.floor(least) + 1 if is_whole else np.nextafter(least, np.inf)
    if limit.open_most:
        most = np.ceil(most) - 1 if is_whole else np.nextafter(most, -np.inf)
    if limit.values is not None:
        numbers = {number for value in limit.values if (number := finite(value)) is not None}
        held = (n for n in numbers if n.is_integer() or not is_whole)
        return _grid(sorted(n for n in held if least <= n <= most))
    if least > most:
        return "the suite leaves no value"
    return ColumnRule(
        least=float(least) if np.isfinite(least) else None,
        most=float(most) if np.isfinite(most) else None,
    )


def _grid(values: Sequence[float]) -> ColumnRule | str:
    """Return a rule for the only values that there are, if they are evenly apart."""
    if len(values) < 2:
        only = f"nothing but {_number(values[0])}" if values else "no number"
        return f"the suite allows {only}"
    gaps = np.diff(values)
    if not 1 / LARGEST <= gaps[0] <= LARGEST:
        return "the suite allows numbers too close or too far apart"
    if not np.allclose(gaps, gaps[0], rtol=1e-9, atol=0.0):
        return f"the suite allows {len(values)} numbers that are not evenly apart"
    return ColumnRule(least=values[0], most=values[-1], step=float(gaps[0]))


def _printable(line: str) -> str:
    return "".join(mark if mark.isprintable() else " " for mark in line)
