"""What one pass over some files of a log comes to: counts that add up, whoever counts what."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelwarden.blocks import MAX_BYTES, expect, pack, unpack
from modelwarden.errors import EvidenceError
from modelwarden.logs.database import Database
from modelwarden.logs.log import Reading
from modelwarden.report import canonical

MOST_LABELS = 50  # more are scores, not labels

_MINUTES = pa.schema(
    [
        ("client", pa.string()),
        ("address", pa.string()),
        ("minute", pa.int64()),
        ("lines", pa.int64()),
        ("queries", pa.int64()),
        ("errors", pa.int64()),
    ]
)
_LABELS = pa.schema([("client", pa.string()), ("label", pa.string()), ("n", pa.int64())])


@dataclass(frozen=True)
class Tally:
    """Counts of some files.

    Parameters
    ----------
    minutes : Table
        Lines, queries and errors by client, address and minute; of lines that could not be read the
        minute is missing.
    labels : Table
        Lines by client and label; empty where there are more than 50 labels.
    scores : bool
        Whether there are.
    rejected : int
        Lines that could not even be split.
    formats : mapping of str to int
        Files of each format.
    tells : frozenset of str
        Columns that any of the files fills.
    """

    minutes: pa.Table
    labels: pa.Table
    scores: bool
    rejected: int
    formats: Mapping[str, int]
    tells: frozenset[str]

    @classmethod
    def of(cls, reading: Reading) -> "Tally":
        """Count what an open log holds."""
        minutes = reading.database.arrow(_minutes(reading), _MINUTES)
        rejected = reading.rejected()  # by that one scan
        labels, scores = _LABELS.empty_table(), False
        if "label" in reading.tells:
            scores = reading.database.one(_KINDS)[0] > MOST_LABELS
            labels = labels if scores else reading.database.arrow(_BY_LABEL, _LABELS)
        return cls(minutes, labels, scores, rejected, reading.formats, reading.tells)

    def as_bytes(self) -> bytes:
        """Return it as a file; equal counts, equal bytes."""
        facts = {
            "scores": self.scores,
            "rejected": self.rejected,
            "formats": dict(self.formats),
            "tells": sorted(self.tells),
        }
        written = {"minutes": _parquet(self.minutes), "labels": _parquet(self.labels)}
        arrays = {name: np.frombuffer(body, dtype=np.uint8) for name, body in written.items()}
        return pack({**arrays, "facts": np.array(canonical(facts).decode())})

    @classmethod
    def read(cls, body: bytes, where: str) -> "Tally":
        """Read what `as_bytes` wrote.

        Raises
        ------
        EvidenceError
            If it is anything else.
        """
        arrays = unpack(body, where)
        tables = dict.fromkeys(("minutes", "labels"), ("u", (None,)))
        expect(arrays, {**tables, "facts": ("U", ())}, where)
        try:
            facts = json.loads(str(arrays["facts"]))
            return cls(
                minutes=_table(arrays["minutes"].tobytes(), _MINUTES, where),
                labels=_table(arrays["labels"].tobytes(), _LABELS, where),
                scores=bool(facts["scores"]),
                rejected=int(facts["rejected"]),
                formats={str(name): int(count) for name, count in facts["formats"].items()},
                tells=frozenset(map(str, facts["tells"])),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise EvidenceError(where, "counts of a log", "another document") from error


def together(tallies: Sequence[Tally], database: Database) -> None:
    """Make the relations ``minutes`` and ``labels`` of all counts in a database."""
    database.register("counted_minutes", pa.concat_tables(t.minutes for t in tallies))
    database.register("counted_labels", pa.concat_tables(t.labels for t in tallies))
    database.run(_ADDED_MINUTES)
    database.run(_ADDED_LABELS)


def _minutes(reading: Reading) -> str:
    """Return the one statement that reads the log.

    A column that no file fills would cost a third of the time, and say nothing.
    """
    # the client of an access log is its address: once is enough
    distinct = "CASE WHEN address IS DISTINCT FROM client THEN address END"
    address = distinct if "address" in reading.tells else "NULL::VARCHAR"
    queries = "sum(queries)::BIGINT" if "queries" in reading.tells else "count(*)"
    errors = (
        "coalesce(count_if(status >= 400), 0)::BIGINT" if "status" in reading.tells else "0::BIGINT"
    )
    return f"""
        SELECT client, {address} AS address,
            CASE WHEN isfinite(time) THEN epoch_us(time) // 60000000 END AS minute,
            count(*) AS lines, {queries} AS queries, {errors} AS errors
        FROM log GROUP BY ALL"""


_KINDS = f"""
    SELECT count(*) FROM (
        SELECT DISTINCT label FROM log
        WHERE isfinite(time) AND label IS NOT NULL LIMIT {MOST_LABELS + 1})
"""
_BY_LABEL = """
    SELECT client, label, count(*) AS n FROM log
    WHERE isfinite(time) AND label IS NOT NULL GROUP BY ALL
"""
_ADDED_MINUTES = """
    CREATE TEMP TABLE minutes AS SELECT client, address, minute, sum(lines)::BIGINT AS lines,
        sum(queries)::BIGINT AS queries, sum(errors)::BIGINT AS errors
    FROM counted_minutes GROUP BY ALL
"""
_ADDED_LABELS = """
    CREATE TEMP TABLE labels AS SELECT client, label, sum(n)::BIGINT AS n
    FROM counted_labels GROUP BY ALL
"""


def _parquet(table: pa.Table) -> bytes:
    """Return a table as a file, in an order of its own: who counts alone need not sort."""
    written, order = io.BytesIO(), [(name, "ascending") for name in table.column_names]
    pq.write_table(table.sort_by(order), written, compression="zstd")
    return written.getvalue()


def _table(body: bytes, schema: pa.Schema, where: str) -> pa.Table:
    try:
        file = pq.ParquetFile(io.BytesIO(body))
        groups = range(file.metadata.num_row_groups)
        size = sum(file.metadata.row_group(group).total_byte_size for group in groups)
        if size > MAX_BYTES or file.schema_arrow != schema:
            raise EvidenceError(where, f"{schema.names}, at most {MAX_BYTES} bytes", "others")
        return file.read()
    except (pa.ArrowException, OSError) as error:
        raise EvidenceError(where, "counts as Parquet", "another file") from error
