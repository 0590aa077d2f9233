"""Make a profile and a sample in one pass, however many rows there are."""

import heapq
import io
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from modelwarden.reference.copies import Copies, hashed
from modelwarden.reference.profile import ColumnProfile
from modelwarden.table_files import kind_of

SAMPLED = 20_000
"""Rows of the sample."""
COUNTED = 10_000
"""Different values of a column that are counted; of more, only that there are more."""
NAMED = 200
"""Values of a column that the profile names, the most frequent ones."""
LABELS = 100
"""Different whole numbers that are counted, which may be labels or codes."""
SHARED = 5
"""Rows that share a value before the profile names it: what fewer have may point at a person."""

Floats = npt.NDArray[np.float64]


class Survey:
    """One pass over the rows of a table, batch by batch.

    Parameters
    ----------
    schema : pyarrow.Schema
        The columns.
    seed : int, default=0
        Seeds the sample; batches of another size give the same one.
    """

    def __init__(self, schema: pa.Schema, *, seed: int = 0) -> None:
        self.rows = 0
        self._schema = schema
        self._columns = [_collector(field.type)(field) for field in schema]
        self._copies = Copies()
        self._random = np.random.default_rng(seed)
        self._keys = np.empty(0)
        self._sample = schema.empty_table()

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in the next rows."""
        for column, collector in zip(batch.columns, self._columns, strict=True):
            collector.add(column)
        self._copies.add(hashed(batch.columns))
        self.rows += batch.num_rows
        keys = self._random.random(batch.num_rows)
        bar = self._keys.max() if len(self._keys) == SAMPLED else np.inf
        chosen = np.flatnonzero(keys < bar)
        if len(chosen):
            self._keep(keys[chosen], batch.take(pa.array(chosen)))

    def _keep(self, keys: Floats, rows: pa.RecordBatch) -> None:
        """Keep the rows with the smallest keys, in their order."""
        new = pa.Table.from_batches([rows]).cast(self._schema)
        joined, every = pa.concat_tables([self._sample, new]), np.concatenate([self._keys, keys])
        smallest = np.sort(np.argsort(every, kind="stable")[:SAMPLED])
        self._keys, self._sample = every[smallest], joined.take(pa.array(smallest))

    def columns(self) -> tuple[ColumnProfile, ...]:
        """Return what was seen of each column."""
        return tuple(collector.profile() for collector in self._columns)

    @property
    def repeated(self) -> int:
        """Rows that repeat an earlier one; see `Copies`."""
        return self._copies.repeated()

    def sample(self) -> bytes:
        """Return up to `SAMPLED` rows as a Parquet file: the same for the same pyarrow."""
        sink = io.BytesIO()
        pq.write_table(self._sample.combine_chunks(), sink)
        return sink.getvalue()


def survey(batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, seed: int = 0) -> Survey:
    """Return the survey of all batches."""
    done = Survey(schema, seed=seed)
    for batch in batches:
        done.add(batch)
    return done


class _Numbers:
    """Moments of numbers and times, joined batch by batch.

    References
    ----------
    .. [1] Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
       Variances", 1979.
    """

    def __init__(self, field: pa.Field) -> None:
        self._field = field
        self._count = self._missing = 0
        self._mean = self._squares = 0.0
        self._low, self._high, self._whole = np.inf, -np.inf, True
        self._counts = _Counts(LABELS)

    def add(self, column: pa.Array) -> None:
        values = as_floats(column)
        known = values[np.isfinite(values)]
        self._missing += len(values) - len(known)
        if not len(known):
            return
        self._low = min(self._low, float(known.min()))
        self._high = max(self._high, float(known.max()))
        if self._whole and not types.is_integer(column.type):
            self._whole = bool((known == np.floor(known)).all())
        if self._whole and not self._counts.many:
            self._counts.add(pa.array(known), "{:.0f}".format)
        count, mean = len(known), float(known.mean())
        known = known - mean  # small numbers, so that squares keep their digits
        total, gap = self._count + count, mean - self._mean
        self._squares += float(known @ known) + gap**2 * self._count * count / total
        self._mean += gap * count / total
        self._count = total

    def profile(self) -> ColumnProfile:
        empty = not self._count
        counted = self._whole and kind_of(self._field.type) == "number"
        return ColumnProfile(
            name=self._field.name,
            type=str(self._field.type),
            kind=kind_of(self._field.type),
            missing=self._missing,
            distinct=self._counts.distinct if counted else -1,
            values=self._counts.named() if counted else {},
            low=0.0 if empty else self._low,
            high=0.0 if empty else self._high,
            mean=self._mean,
            deviation=0.0 if empty else float(np.sqrt(self._squares / self._count)),
            whole=self._whole and not empty,
        )


class _Counts:
    """How often each value occurs, as long as there are not too many different ones."""

    def __init__(self, limit: int) -> None:
        self._limit, self.many = limit, False
        self._counts: Counter[str] = Counter()

    def add(self, column: pa.Array, as_text: Callable[[Any], str]) -> None:
        if self.many:
            return
        for entry in pc.value_counts(column).to_pylist():
            self._counts[as_text(entry["values"])] += entry["counts"]
        if len(self._counts) > self._limit:
            self.many, self._counts = True, Counter()

    @property
    def distinct(self) -> int:
        return -1 if self.many else len(self._counts)

    def named(self) -> dict[str, int]:
        """Return the most frequent values among those that enough rows share."""
        shared = {value: n for value, n in self._counts.items() if n >= SHARED}
        return dict(heapq.nsmallest(NAMED, shared.items(), key=lambda e: (-e[1], e[0])))


class _Values:
    """Counts of the values of a flag or a text."""

    def __init__(self, field: pa.Field) -> None:
        self._field, self._missing, self._counts = field, 0, _Counts(COUNTED)

    def add(self, column: pa.Array) -> None:
        self._missing += column.null_count
        if not self._counts.many:
            self._counts.add(column.drop_null(), written)

    def profile(self) -> ColumnProfile:
        return ColumnProfile(
            name=self._field.name,
            type=str(self._field.type),
            kind=kind_of(self._field.type),
            missing=self._missing,
            distinct=self._counts.distinct,
            values=self._counts.named(),
        )


def as_floats(column: Any) -> Floats:
    """Return a column of numbers or times as floats; NaN where a value is missing."""
    kind = column.type
    if kind_of(kind) == "time":
        per_second = 10**9
        column = column.cast(pa.timestamp("ns")).cast(pa.int64())
        seconds = column.to_numpy(zero_copy_only=False).astype(np.float64)
        return np.asarray(seconds / per_second)
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def written(value: object) -> str:
    """Return a value of a flag or a text as the profile has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _collector(kind: pa.DataType) -> Callable[[pa.Field], _Numbers | _Values]:
    return _Numbers if kind_of(kind) in ("number", "time") else _Values
