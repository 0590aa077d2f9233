"""The columns of a table, held against those of a profile."""

import re
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from modelwarden.lookalikes import difference, skeleton
from modelwarden.reference.profile import ColumnProfile, Profile
from modelwarden.table_files import kind_of

if TYPE_CHECKING:
    from modelwarden.tables import Table

_KINDS = {"number": "numbers", "flag": "true and false", "time": "times", "text": "text"}


@dataclass(frozen=True)
class Change:
    """One difference between a table and what was agreed on.

    Parameters
    ----------
    column : str
        The column that it is about; "" for the rows as a whole.
    change : str
        Its kind, such as ``missing`` or ``renamed``.
    words : str
        What was seen, without values of single rows.
    """

    column: str
    change: str
    words: str

    def __str__(self) -> str:
        return f"{self.column!r} {self.words}" if self.column else self.words


@dataclass(frozen=True)
class Schema:
    """Which columns both sides have, with comparable values, and how they differ otherwise."""

    common: frozenset[str]
    changes: tuple[Change, ...]


def listed(names: str) -> frozenset[str]:
    """Return names that are separated by commas, such as ``row, date``."""
    return frozenset(name.strip() for name in names.split(",")) - {""}


def compare(table: "Table", profile: Profile, *, ignore: Collection[str] = ()) -> Schema:
    """Compare the columns of a table with those of a profile.

    A column that is not there and one that is new are one renamed column where their names read
    alike, or where one stands in the other's place with the same type. Types of CSV are what its
    values look like, so of CSV, and against a profile of CSV, only kinds are compared, and whether
    whole numbers have fractions.

    Parameters
    ----------
    table : Table
        What came.
    profile : Profile
        What was agreed on.
    ignore : collection of str, default=()
        Columns that are left out on both sides.

    Returns
    -------
    Schema
        Changes by kind: ``missing``, ``unexpected``, ``renamed``, ``reordered``, ``type``.
    """
    there = {f.name: f.type for f in table.schema if f.name not in ignore}
    wanted = {c.name: c for c in profile.columns if c.name not in ignore}
    gone = [name for name in wanted if name not in there]
    new = [name for name in there if name not in wanted]
    renamed = _renamed(gone, new, there, wanted)
    both = [name for name in there if name in wanted]
    changes = [_renaming(name, known) for name, known in renamed.items()]
    changes += [Change(n, "missing", "is missing") for n in gone if n not in renamed.values()]
    looks = {skeleton(name): name for name in wanted}
    changes += [_unexpected(name, looks) for name in new if name not in renamed]
    typed = profile.typed and not table.is_csv
    other = {n: words for n in both if (words := _other_type(table, wanted[n], typed=typed))}
    changes += [Change(name, "type", words) for name, words in other.items()]
    changes += _moved(both, [name for name in wanted if name in there])
    foreign = {n for n in other if _is_text(kind_of(there[n])) != _is_text(wanted[n].kind)}
    return Schema(frozenset(both) - foreign, tuple(changes))


def _renamed(
    gone: Sequence[str],
    new: Sequence[str],
    there: Mapping[str, pa.DataType],
    wanted: Mapping[str, ColumnProfile],
) -> dict[str, str]:
    """Return new names and what each was called before; each name once."""
    by_look: dict[str, list[str]] = {}
    for name in gone:
        by_look.setdefault(skeleton(name), []).append(name)
    pairs = {}
    for name in new:
        alike = by_look.get(skeleton(name))
        if alike:
            pairs[name] = alike.pop(0)
    places = dict(enumerate(there))
    for place, known in enumerate(wanted):
        name = places.get(place, "")
        free = known in gone and known not in pairs.values() and name in new and name not in pairs
        if free and len(there) == len(wanted) and kind_of(there[name]) == wanted[known].kind:
            pairs[name] = known
    return pairs


def _renaming(name: str, known: str) -> Change:
    if skeleton(name) != skeleton(known):
        return Change(known, "renamed", f"is missing, and {name!a} stands in its place")
    how = difference(name, known)
    return Change(known, "renamed", f"is missing, and {name!a} differs from it {how}")


def _unexpected(name: str, looks: Mapping[str, str]) -> Change:
    alike = looks.get(skeleton(name), "")
    if not alike:
        return Change(name, "unexpected", "is new")
    return Change(name, "unexpected", f"is new; {name!a} reads like {alike!a}, which is there too")


def _other_type(table: "Table", known: ColumnProfile, *, typed: bool) -> str:
    """Say how the values of a column are others than before; "" where they are not."""
    kind = table.schema.field(known.name).type
    (values,) = table.columns_of([known.name])
    if values.null_count == len(values):
        return ""
    if kind_of(kind) != known.kind:
        return f"holds another kind of values: {_KINDS[kind_of(kind)]}, not {_KINDS[known.kind]}"
    if known.whole and types.is_floating(kind) and _has_fractions(values):
        return "holds fractions; they were whole numbers"
    if typed and _simple(str(kind)) != _simple(known.type):
        return f"is of type {kind}, not {known.type}"
    return ""


def _has_fractions(values: pa.ChunkedArray) -> bool:
    if pc.all(pc.equal(values, pc.floor(values)), min_count=0).as_py():
        return False  # the usual case, and without a copy
    finite = values.filter(pc.is_finite(values))
    return bool(pc.any(pc.not_equal(finite, pc.floor(finite)), min_count=0).as_py())


def _simple(kind: str) -> str:
    """Return a type without how it is stored: a category of texts is text; times have no unit."""
    inner = kind.partition("values=")[2].partition(",")[0] if kind.startswith("dictionary") else ""
    return re.sub(r"^timestamp\[(s|ms|us|ns)", "timestamp[", (inner or kind).removeprefix("large_"))


def _is_text(kind: str) -> bool:
    return kind == "text"


def _moved(there: Sequence[str], wanted: Sequence[str]) -> list[Change]:
    """Name the fewest columns that have to move for the order to be the agreed one."""
    place = {name: i for i, name in enumerate(wanted)}
    order = [place[name] for name in there]
    stay = _longest_rising(order)
    return [
        Change(wanted[i], "reordered", f"stands in another order: place {now + 1}, not {i + 1}")
        for now, i in enumerate(order)
        if i not in stay
    ]


def _longest_rising(order: Sequence[int]) -> frozenset[int]:
    """Return the members of a longest rising subsequence of different numbers."""
    tails: list[int] = []
    before: dict[int, int | None] = {}
    for value in order:
        at = bisect_left(tails, value)
        before[value] = tails[at - 1] if at else None
        tails[at : at + 1] = [value]
    found, last = [], tails[-1] if tails else None
    while last is not None:
        found.append(last)
        last = before[last]
    return frozenset(found)
