"""What clients asked: some of their distinct queries, whole stretches of time at once."""

from collections.abc import Mapping, Sequence

from modelwarden.logs.log import Reading

MOST_LINES = 400  # of one client
CLIENTS = 1000  # that are looked at, those with the most queries first
LONGEST = 100_000  # characters of one query
ROWS_BEFORE = 20_000  # of one client, from which its lines are chosen
STRETCH = 10_000_000  # microseconds


def duplicates(reading: Reading) -> tuple[int, int]:
    """Return logged queries, and those that repeat one of the same client, within some 5 %."""
    total, distinct = reading.database.one(
        "SELECT coalesce(sum(n), 0)::BIGINT, coalesce(sum(least(n, d)), 0)::BIGINT FROM ("
        "SELECT count(features) AS n, approx_count_distinct(features) AS d "
        "FROM log WHERE isfinite(time) GROUP BY client)"
    )
    return total, total - distinct


def sample(reading: Reading, lines: Mapping[str, int], seed: int) -> dict[str, list[str]]:
    """Return distinct queries of some clients, in the order of time.

    Queries are chosen by a hash, so that nobody can know which; whole stretches of ten seconds at a
    time, because steps of a search lie next to each other. Repeated queries count once, so that
    repetition hides nothing.

    Parameters
    ----------
    reading : Reading
        An open log.
    lines : mapping of str to int
        How many lines each client has.
    seed : int
        Seed of the choice.
    """
    if not lines:
        return {}
    database = reading.database
    database.run("CREATE OR REPLACE TEMP TABLE chosen (client VARCHAR, share DOUBLE)")
    values = [value for who, n in lines.items() for value in (who, min(1.0, ROWS_BEFORE / n))]
    marks = ", ".join(["(?, ?)"] * len(lines))
    database.run(f"INSERT INTO chosen VALUES {marks}", values)
    found = database.run(_SAMPLE, [seed, seed, seed])
    asked: dict[str, list[str]] = {}
    for client, features in found:
        asked.setdefault(client, []).append(features)
    return asked


_UNIT = "18446744073709551616.0"  # of a hash of 64 bits
_SAMPLE = f"""
    WITH theirs AS (
        SELECT client, features, min(time) AS time
        FROM log JOIN chosen USING (client)
        WHERE isfinite(time) AND length(features) <= {LONGEST} AND (
            share = 1
            OR hash(features, ?) / {_UNIT} < share / 2
            OR hash(client, epoch_us(time) // {STRETCH}, ?) / {_UNIT} < share / 2)
        GROUP BY client, features)
    SELECT client, features FROM (
        SELECT * FROM theirs QUALIFY row_number() OVER (
            PARTITION BY client
            ORDER BY hash(client, epoch_us(time) // {STRETCH}, ?), time, features
        ) <= {MOST_LINES})
    ORDER BY client, time, features
"""


def busiest(clients: Sequence[tuple[str, int, int]], least: int) -> dict[str, int]:
    """Return the lines of the clients to look at, from (client, queries, lines)."""
    worth = [(who, lines) for who, queries, lines in clients if queries >= least]
    return dict(worth[:CLIENTS])
