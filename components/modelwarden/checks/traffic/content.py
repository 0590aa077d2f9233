"""What clients asked about, beside what honest ones ask about."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from modelwarden.logs.log import Reading
from modelwarden.logs.payloads import rows_of
from modelwarden.logs.sample import busiest, duplicates, sample
from modelwarden.logs.volumes import Volumes
from modelwarden.suspicion.content import Likeness, Opinion
from modelwarden.work import Work

MOSTLY = 0.5  # share of misfits from which a client is alarming for that


@dataclass(frozen=True)
class Content:
    """What was asked.

    Parameters
    ----------
    logged, repeated : int
        Queries that the log tells, and those that repeat one of the same client.
    opinions : mapping of str to Opinion
        What each client looks like that had enough distinct rows.
    misfits : mapping of str to float
        Share of each client's rows that are no rows of the reference's columns.
    left_out : int
        Clients with enough queries that were not looked at.
    """

    logged: int
    repeated: int
    opinions: Mapping[str, Opinion] = field(default_factory=dict)
    misfits: Mapping[str, float] = field(default_factory=dict)
    left_out: int = 0

    @property
    def flagged(self) -> list[str]:
        """Return the clients that are unlike honest ones."""
        return [who for who, opinion in self.opinions.items() if opinion.flagged]

    @property
    def signals(self) -> dict[str, int]:
        """Return how many clients were flagged by which signal."""
        return dict(Counter(o.signal for o in self.opinions.values() if o.flagged))


def look(
    reading: Reading,
    volumes: Volumes,
    reference: pd.DataFrame,
    where: str,
    *,
    alpha: float,
    min_queries: int,
    seed: int,
    work: Work,
) -> Content:
    """Judge the clients with the most queries by some of them."""
    logged, repeated = duplicates(reading)
    named = volumes.clients.dropna(subset="client")
    rows = named[["client", "queries", "lines"]].itertuples(index=False, name=None)
    worth = list(rows)
    lines = busiest(worth, min_queries)
    left_out = sum(queries >= min_queries for _, queries, _ in worth) - len(lines)
    likeness = Likeness(reference, alpha=alpha, seed=seed, where=where)
    opinions: dict[str, Opinion] = {}
    misfits: dict[str, float] = {}
    asked = sample(reading, lines, seed)
    for number, (client, texts) in enumerate(asked.items()):
        frame, misfitting = rows_of(texts, reference)
        misfits[client] = misfitting / (misfitting + len(frame)) if texts else 0.0
        opinion = likeness.judge(frame, least=min_queries)
        if opinion is not None:
            opinions[client] = opinion
        work.step("clients", number + 1, len(asked))
    return Content(logged, repeated, opinions, misfits, left_out)
