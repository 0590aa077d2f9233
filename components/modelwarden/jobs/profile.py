"""Profile trusted data once, so that no later step needs all of it again."""

from dataclasses import dataclass
from io import BytesIO

from modelwarden.jobs.session import Connections, Session


@dataclass(frozen=True)
class Profiled:
    """What was written.

    Parameters
    ----------
    profile, sample, suite : str
        Their URIs; `suite` is empty where none was asked for.
    digests : dict of str to str
        Their SHA-256, which a policy pins.
    """

    profile: str
    sample: str
    suite: str
    digests: dict[str, str]


def profile(
    table: str,
    *,
    out: str,
    sample: str,
    suite: str = "",
    seed: int = 0,
    connections: Connections | None = None,
) -> Profiled:
    """Write the profile of a table, a sample of its rows and, if asked for, a suite.

    Parameters
    ----------
    table : str
        URI of trusted rows: Parquet of any length, or CSV up to 1 GiB.
    out : str
        URI for the profile; created once, never overwritten.
    sample : str
        URI for up to 20,000 of its rows, as Parquet. They are rows of data: keep them where the
        table is.
    suite : str, default=""
        URI for a Great Expectations suite to start from.
    seed : int, default=0
        Seed of the sample.
    connections : Connections, optional
        Where the data is.

    Returns
    -------
    Profiled
    """
    import hashlib

    import pandas as pd

    from modelwarden.reference.profile import Profile
    from modelwarden.reference.suite import suite as suggested
    from modelwarden.reference.survey import survey
    from modelwarden.table_files import batches, starts_as_parquet

    with Session(connections) as session:
        file = session.data.get(table)
        schema, rows = batches(file)
        seen = survey(rows, schema, seed=seed)
        body = seen.sample()
        found = Profile(
            rows=seen.rows,
            source=file.sha256,
            sample=hashlib.sha256(body).hexdigest(),
            columns=seen.columns(),
            typed=starts_as_parquet(file),
            repeated=seen.repeated,
        )
        written = found.as_bytes()
        Profile.parse(written, out)  # what cannot be read again is not written
        digests = {"sample": session.data.put_once(sample, body)}
        digests["profile"] = session.data.put_once(out, written)
        if suite:
            name = suite.rpartition("/")[2].partition(".")[0]
            expected = suggested(found, pd.read_parquet(BytesIO(body)), name)
            digests["suite"] = session.data.put_once(suite, expected)
        return Profiled(out, sample, suite, digests)
