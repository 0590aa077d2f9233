"""Who did what to which objects, summed by client."""

from typing import TYPE_CHECKING

from modelwarden.logs.log import Reading

if TYPE_CHECKING:
    import pandas as pd

MOST_CLIENTS = 10_000
"""Clients and deeds that are listed, those with the most requests first."""


def totals(reading: Reading) -> tuple[int, int]:
    """Return all lines, and those that could not be read.

    A file of CloudTrail is a line; its records are counted, and a copy counts twice.
    """
    lines, unreadable = reading.database.one(
        "SELECT count(*), count(*) FILTER (time IS NULL OR NOT isfinite(time)) FROM log"
    )
    rejected = reading.rejected()
    return lines + rejected, unreadable + rejected


def deeds(reading: Reading, prefix: str) -> "pd.DataFrame":
    """Return what was done to the objects whose bucket and key begin with `prefix`.

    Returns
    -------
    DataFrame
        ``client`` (missing for anonymous ones), ``deed``, ``granted`` and ``denied`` requests,
        ``first`` and ``last`` time as text. Deleting many objects at once names none of them, so it
        counts wherever the bucket matches.
    """
    return reading.database.frame(_DEEDS, [prefix, prefix])


_DEEDS = f"""
    SELECT client, deed,
        count_if(coalesce(status, 200) < 400) AS granted,
        count_if(status >= 400) AS denied,
        strftime(min(time), '%Y-%m-%dT%H:%M:%SZ') AS first,
        strftime(max(time), '%Y-%m-%dT%H:%M:%SZ') AS last
    FROM log
    WHERE isfinite(time) AND (starts_with(object, ?)
        OR deed = 'delete' AND ends_with(object, '/') AND starts_with(?, object))
    GROUP BY ALL ORDER BY granted + denied DESC, client, deed LIMIT {MOST_CLIENTS}
"""
