"""Labels: clients whose answers are other ones than everybody's."""

from modelwarden.logs.database import Database
from modelwarden.logs.tally import MOST_LABELS

MOST_CLIENTS = 100_000


def shifts(database: Database, least: int) -> dict[str, float]:
    """Return by client how far its labels are from those of all clients; {} without labels.

    Parameters
    ----------
    database : Database
        It has the relation ``labels``; see :mod:`modelwarden.logs.tally`.
    least : int
        Labelled lines below which a client is left out.

    Returns
    -------
    dict of str to float
        Total variation, 0 for the same shares to 1 for others altogether, the largest first. Who
        searches for the boundary between two classes gets both equally often.
    """
    kinds = database.one("SELECT count(DISTINCT label) FROM labels")[0]
    return dict(database.run(_SHIFTS, [least])) if 2 <= kinds <= MOST_LABELS else {}


# the positive part of the differences sums to the total variation; in one order, for one rounding
_SHIFTS = f"""
    WITH every AS (SELECT label, sum(n) / sum(sum(n)) OVER () AS share FROM labels GROUP BY label),
    whole AS (
        SELECT client, sum(n) AS n FROM labels
        WHERE trim(client) NOT IN ('', '-') GROUP BY client HAVING sum(n) >= ?)
    SELECT client, sum(greatest(labels.n / whole.n - share, 0) ORDER BY label) AS shift
    FROM labels JOIN whole USING (client) JOIN every USING (label)
    GROUP BY client ORDER BY shift DESC, client LIMIT {MOST_CLIENTS}
"""
