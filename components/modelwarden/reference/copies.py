"""Rows that repeat, and rows that nearly do: the cheapest way to give a few examples weight."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types
from scipy import stats

from modelwarden.reference.findings import Tested
from modelwarden.table_files import kind_of

if TYPE_CHECKING:
    from modelwarden.tables import Table

Floats = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint64]

KEPT = 4_000_000
"""Hashes of rows in memory at most; of more rows, every second, fourth, ... hash is kept."""
FEW = 4
"""Columns by which rows are told apart, before all of them are read."""
HEAD = 1000
"""Rows that say which columns tell rows apart."""
DIRECTIONS = 8
"""Random directions that rows are projected to, to see which stand close together."""
WIDTH = 0.25
"""Width of a cell, in standard deviations of the trusted rows along a direction."""

_ODD = np.uint64(0x9E3779B97F4A7C15)
_NAN = np.uint64(0x7FF8000000000000)


class Copies:
    """Counts rows that repeat an earlier one, of any number of rows, in bounded memory.

    All copies of a row have the same hash. So when there are too many, those are kept that start
    with a zero bit, and what is counted among them is doubled [1]_. Who knows the hash can choose
    copies that are not kept; so rows that nobody vouches for are given room for all.

    Parameters
    ----------
    kept : int, optional
        Hashes in memory at most; `KEPT` without it.

    References
    ----------
    .. [1] Gibbons, "Distinct Sampling for Highly-Accurate Answers to Distinct Values Queries and
       Event Reports", 2001.
    """

    def __init__(self, kept: int | None = None) -> None:
        self._kept = KEPT if kept is None else kept
        self._parts: list[Hashes] = []
        self._size, self._halvings = 0, 0

    def add(self, hashes: Hashes) -> None:
        """Take in the next rows."""
        self._take(hashes)
        while self._size > self._kept:
            self._halvings += 1
            parts, self._parts, self._size = self._parts, [], 0
            for part in parts:
                self._take(part)

    def _take(self, hashes: Hashes) -> None:
        if self._halvings:
            hashes = hashes[hashes >> np.uint64(64 - self._halvings) == 0]
        self._parts.append(hashes)
        self._size += len(hashes)

    def repeated(self) -> int:
        """Return how many rows repeat an earlier one, about, where hashes had to be left out."""
        if not self._size:
            return 0
        every = np.concatenate(self._parts)
        every.sort()
        return int((every[1:] == every[:-1]).sum()) << self._halvings


def hashed(columns: Sequence[pa.Array]) -> Hashes:
    """Return a number for each row, equal for equal rows; others agree by chance or on purpose.

    Whoever makes two rows agree on purpose has them counted as copies, which he cannot want.

    Parameters
    ----------
    columns : sequence of pyarrow.Array, 1 or more
        Of equal lengths.
    """
    found = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        found ^= _bits(column)
        found *= _ODD
        found ^= found >> np.uint64(32)
    return found


def _bits(column: pa.Array) -> Hashes:
    """Return the values of a column as numbers: what is missing is a value of its own."""
    kind = column.type
    if types.is_floating(kind):
        values = np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64) + 0.0
        bits, gone = values.view(np.uint64), np.isnan(values)
        if gone.any():
            bits[gone] = _NAN
        return bits
    if kind_of(kind) == "text":
        if types.is_dictionary(kind) and len(column.dictionary) > len(column):
            column = column.cast(kind.value_type)  # most words are of other rows
        coded = column if types.is_dictionary(column.type) else column.dictionary_encode()
        words = coded.dictionary.to_numpy(zero_copy_only=False).astype(object)
        hashes = np.append(pd.util.hash_array(words, categorize=False), np.uint64(0))
        places = coded.indices.fill_null(len(words)) if coded.null_count else coded.indices
        return np.asarray(hashes[places.to_numpy()])
    wide = column.cast(pa.int32() if types.is_date32(kind) else pa.int64(), safe=False)
    known = pc.fill_null(wide, -(2**31)) if wide.null_count else wide
    whole: npt.NDArray[np.int64] = known.to_numpy(zero_copy_only=False).astype(np.int64)
    return whole.view(np.uint64)


def repeated(table: "Table", names: Sequence[str]) -> int:
    """Return how many rows of a table repeat an earlier one in some of its columns.

    Rows that differ in a few columns differ: the others are read only where those agree somewhere.
    Which few, an attacker can choose, and wins nothing but the time that reading all would take.

    Parameters
    ----------
    table : Table
        Rows.
    names : sequence of str
        The columns; without one, all rows are the same.
    """
    few = _telling(table, names)
    if few and not _counted(table, few):
        return 0
    return _counted(table, sorted(names))


def _telling(table: "Table", names: Sequence[str]) -> list[str]:
    """Return the columns with most different values in the first rows, if they are not all."""
    if len(names) <= FEW:
        return []
    head = next(table.batches(sorted(names), HEAD))
    different = {n: len(np.unique(_bits(head.column(n)))) for n in head.schema.names}
    # of equally many, numbers: text is read ten times slower
    return sorted(
        different,
        key=lambda name: (-different[name], kind_of(head.schema.field(name).type) == "text"),
    )[:FEW]


def _counted(table: "Table", names: Sequence[str]) -> int:
    counter = Copies(table.n_rows)
    for batch in table.batches(names):
        counter.add(hashed(batch.columns))
    return counter.repeated()


def repeats(seen: int, rows: int, known: int, of: int) -> Tested:
    """Test whether more rows repeat another than among trusted ones.

    Pairs of rows that happen to be equal grow with the square of the rows, rows that were entered
    twice grow with the rows; the larger of both is allowed. What is left is two counts, of which
    one is split between batch and reference by chance [1]_.

    Parameters
    ----------
    seen, rows : int
        Rows of the batch that repeat another, and all of its rows.
    known, of : int
        The same of trusted rows.

    References
    ----------
    .. [1] Przyborowski and Wilenski, "Homogeneity of Results in Testing Samples from Poisson
       Series", 1940.
    """
    times = rows / of
    weight = times * max(1.0, times)
    p = float(stats.binom.sf(seen - 1, seen + known, weight / (1 + weight))) if seen else 1.0
    effect = max(0.0, seen / rows - known / of * max(1.0, times))
    return Tested("copies", "", p, effect, f"{seen} rows repeat another")


def bursts(batch: Floats, reference: Floats) -> tuple[Tested, int]:
    """Test for rows that stand closer together than trusted rows do, and count them.

    Rows are projected to random directions and rounded; rows that nearly agree share a cell,
    however many columns there are [1]_. Each cell is held against its share of the reference.

    Parameters
    ----------
    batch, reference : ndarray of shape (n_rows, n_features)
        Both encoded with statistics of the reference.

    Returns
    -------
    Tested
        Corrected for the number of cells; the effect is the share of rows in the worst cell that
        are too many.
    int
        Rows in all cells that hold too many, by the same test at 1 in 1000.

    References
    ----------
    .. [1] Datar et al., "Locality-Sensitive Hashing Scheme Based on p-Stable Distributions", 2004.
    """
    n, m = len(batch), len(reference)
    if not batch.shape[1] or not n or not m:
        return Tested("burst", "", 1.0, 0.0, "nothing to compare"), 0
    new, old = _cells(batch, reference)
    named, place = np.unique(np.concatenate([new, old]), return_inverse=True)
    counts = [np.bincount(part, minlength=len(named)) for part in (place[:n], place[n:])]
    p_each = stats.binom.sf(counts[0] - 1, counts[0] + counts[1], n / (n + m)) * len(named)
    worst = int(np.argmin(p_each))
    effect = max(0.0, float(counts[0][worst] / n - counts[1][worst] / m))
    crowded = int(counts[0][p_each < 0.001].sum())
    words = f"{crowded} rows nearly repeat others, in a place where hardly any trusted row is"
    return Tested("burst", "", min(1.0, float(p_each[worst])), effect, words), crowded


def _cells(batch: Floats, reference: Floats) -> tuple[Hashes, Hashes]:
    """Return the cell of each row, as a number."""
    random = np.random.default_rng(0)
    directions = random.normal(size=(batch.shape[1], DIRECTIONS))
    new, old = batch @ directions, reference @ directions
    scale = np.where((spread := old.std(axis=0)) > 0, spread, 1.0) * WIDTH
    offset = random.random(DIRECTIONS)
    return _numbered(new / scale + offset), _numbered(old / scale + offset)


def _numbered(places: Floats) -> Hashes:
    whole: Iterable[npt.NDArray[np.int64]] = np.floor(places).astype(np.int64).T
    return hashed([pa.array(column) for column in whole])
