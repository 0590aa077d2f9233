"""Who asked how much, from counts by minute."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwarden.logs.database import Database

if TYPE_CHECKING:
    import pandas as pd

KEPT_CLIENTS = 100_000
"""Clients and pools that are looked at one by one, those with the most queries first."""

MIDDLE = 0.99  # of all lines: what lies far from their times has a wrong clock


@dataclass(frozen=True)
class Volumes:
    """What was asked, by whom.

    Parameters
    ----------
    lines, unreadable : int
        Lines of the log in all, and those that could not be read.
    queries, unknown, errors : int
        Rows asked about; those by clients without a name; lines with a status from 400.
    n_clients, n_pools : int
        Clients and pools, kept or not.
    skewed : int
        Lines more than a period away from the middle 99 % of all lines.
    span_days : float
        Length of that middle.
    clients : DataFrame
        For each client its ``queries``, ``lines``, ``errors``, ``peak`` (queries in its busiest
        minute from one address), ``least`` and ``most``: bounds of its queries in any window
        of a period.
    pools : DataFrame
        The same for each pool of two clients or more in one network, and ``members``.
    """

    lines: int
    unreadable: int
    queries: int
    unknown: int
    errors: int
    n_clients: int
    n_pools: int
    skewed: int
    span_days: float
    clients: "pd.DataFrame"
    pools: "pd.DataFrame"


def measure(database: Database, rejected: int, days: int) -> Volumes:
    """Measure volumes against a period of `days`.

    The busiest window of a period is not searched for: it begins anywhere. With hours as buckets,
    the sum of any ``24 * days`` adjacent ones is at most, and the sum of ``24 * days + 1`` is at
    least what it holds. Those are ``least`` and ``most``.

    Lines without a client count as one client, whose name is missing.

    Parameters
    ----------
    database : Database
        It has the relation ``minutes``; see :mod:`modelwarden.logs.tally`.
    rejected : int
        Lines that could not even be split.
    days : int
        The period.
    """
    database.run(_HOURS)
    lines, unreadable, queries, unknown, errors = database.one(_TOTALS)
    database.run(_KNOWN)
    low, high = database.one(_SPAN, [(1 - MIDDLE) / 2, (1 + MIDDLE) / 2])
    period = 24 * days
    skewed = 0 if low is None else database.one(_SKEWED, [low - period, high + period])[0]
    return Volumes(
        lines=lines + rejected,
        unreadable=unreadable + rejected,
        queries=queries,
        unknown=unknown,
        errors=errors,
        n_clients=database.one("SELECT count(DISTINCT client) FROM known")[0],
        n_pools=database.one(f"SELECT count(*) FROM ({_POOLS})")[0],
        skewed=skewed,
        span_days=0.0 if low is None else (high - low) / 24,
        clients=database.frame(_busiest("client", "known", period)),
        pools=database.frame(
            _busiest("pool", f"(FROM known SEMI JOIN ({_POOLS}) USING (pool))", period)
        ),
    )


_HOURS = """
    CREATE TEMP TABLE hours AS SELECT client, address, minute // 60 AS hour,
        sum(lines)::BIGINT AS lines, sum(queries)::BIGINT AS queries,
        sum(errors)::BIGINT AS errors, max(queries) AS peak
    FROM minutes GROUP BY ALL
"""
_TOTALS = """
    SELECT coalesce(sum(lines), 0)::BIGINT,
        coalesce(sum(lines) FILTER (hour IS NULL), 0)::BIGINT,
        coalesce(sum(queries) FILTER (hour IS NOT NULL), 0)::BIGINT,
        coalesce(sum(queries) FILTER (hour IS NOT NULL
            AND coalesce(trim(client), '') IN ('', '-')), 0)::BIGINT,
        coalesce(sum(errors) FILTER (hour IS NOT NULL), 0)::BIGINT
    FROM hours
"""
_V4 = r"^\d{1,3}(\.\d{1,3}){3}$"
_V6 = "^[0-9a-fA-F:]+:[0-9a-fA-F:.]*$"
_FIRST = r"string_split(split_part(lower(place), '::', 1), ':')"
# a network is a /24 of IPv4 or a /48 of IPv6; a name that is no address belongs to none
_KNOWN = rf"""
    CREATE TEMP TABLE known AS SELECT
        CASE WHEN trim(client) NOT IN ('', '-') THEN client END AS client,
        hour, lines, queries, errors, peak,
        CASE WHEN regexp_matches(place, '{_V4}')
                THEN regexp_extract(place, '^(\d+\.\d+\.\d+)\.', 1) || '.0/24'
            WHEN regexp_matches(place, '{_V6}')
                THEN array_to_string(list_transform(
                    list_resize({_FIRST}[1:3], 3, '0'),
                    lambda part: coalesce(nullif(ltrim(part, '0'), ''), '0')
                ), ':') || '::/48' END AS pool
    FROM (SELECT *, coalesce(address, client) AS place FROM hours
        WHERE hour IS NOT NULL AND queries > 0)
"""
_POOLS = """
    SELECT pool, count(DISTINCT client) AS members FROM known
    WHERE pool IS NOT NULL GROUP BY pool HAVING count(DISTINCT client) > 1
"""
_SPAN = """
    SELECT min(hour) FILTER (done >= ? * total), min(hour) FILTER (done >= ? * total) FROM (
        SELECT hour, sum(n) OVER (ORDER BY hour) AS done, sum(n) OVER () AS total
        FROM (SELECT hour, sum(lines) AS n FROM known GROUP BY hour))
"""
_SKEWED = """
    SELECT coalesce(sum(lines), 0)::BIGINT FROM known WHERE hour < ? OR hour > ?
"""


def _busiest(who: str, source: str, hours: int) -> str:
    """Return the query for those with the most queries: a row each, the busiest first."""
    members = "count(DISTINCT client)" if who == "pool" else "1"
    window = f"sum(n) OVER (PARTITION BY {who} ORDER BY hour RANGE BETWEEN {{}} PRECEDING"
    least, most = (f"{window.format(n)} AND CURRENT ROW)" for n in (hours - 1, hours))
    return f"""
        WITH kept AS (
            SELECT {who}, sum(queries)::BIGINT AS queries, sum(lines)::BIGINT AS lines,
                sum(errors)::BIGINT AS errors, {members} AS members, max(peak) AS peak
            FROM {source} GROUP BY {who} ORDER BY 2 DESC, 1 LIMIT {KEPT_CLIENTS}),
        hourly AS (
            SELECT s.{who}, hour, sum(s.queries) AS n
            FROM {source} s JOIN kept ON s.{who} IS NOT DISTINCT FROM kept.{who} GROUP BY ALL),
        windows AS (
            SELECT {who}, max(low)::BIGINT AS least, max(high)::BIGINT AS most
            FROM (SELECT {who}, {least} AS low, {most} AS high FROM hourly) GROUP BY ALL)
        SELECT kept.*, least, most FROM kept
        JOIN windows ON windows.{who} IS NOT DISTINCT FROM kept.{who}
        ORDER BY queries DESC, kept.{who}
    """
