"""Labels: clients whose answers are other ones than everybody's."""

from modelwarden.logs.log import Reading

MOST_LABELS = 50  # more are scores, not labels
MOST_CLIENTS = 100_000


def shifts(reading: Reading, least: int) -> dict[str, float]:
    """Return by client how far its labels are from those of all clients; {} without labels.

    Parameters
    ----------
    reading : Reading
        An open log.
    least : int
        Labelled lines below which a client is left out.

    Returns
    -------
    dict of str to float
        Total variation, 0 for the same shares to 1 for others altogether, the largest first. Who
        searches for the boundary between two classes gets both equally often.
    """
    if "label" not in reading.tells:
        return {}
    database = reading.database
    kinds = "SELECT count(DISTINCT label) FROM log WHERE isfinite(time)"
    if not 2 <= database.one(kinds)[0] <= MOST_LABELS:
        return {}
    return dict(database.run(_SHIFTS, [least]))


# the positive part of the differences sums to the total variation
_SHIFTS = f"""
    WITH counted AS (
        SELECT client, label, count(*) AS n FROM log
        WHERE isfinite(time) AND label IS NOT NULL GROUP BY ALL),
    every AS (SELECT label, sum(n) / sum(sum(n)) OVER () AS share FROM counted GROUP BY label),
    whole AS (
        SELECT client, sum(n) AS n FROM counted
        WHERE trim(client) NOT IN ('', '-') GROUP BY client HAVING sum(n) >= ?)
    SELECT client, sum(greatest(counted.n / whole.n - share, 0)) AS shift
    FROM counted JOIN whole USING (client) JOIN every USING (label)
    GROUP BY client ORDER BY shift DESC, client LIMIT {MOST_CLIENTS}
"""
