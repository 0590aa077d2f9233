"""Profile trusted data once, so that no later step needs all of it again."""

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from modelwarden.errors import InputError
from modelwarden.folders import fetch_table
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.session import Connections, Session

if TYPE_CHECKING:
    from modelwarden.reference.profile import Profile


@dataclass(frozen=True)
class Profiled:
    """What was written.

    Parameters
    ----------
    profile, sample, suite, space : str
        Their URIs; empty where none was asked for.
    digests : dict of str to str
        Their SHA-256, which a policy pins.
    """

    profile: str
    sample: str
    suite: str
    space: str
    digests: dict[str, str]


@naming
def profile(
    table: str,
    *,
    out: str,
    sample: str,
    suite: str = "",
    space: str = "",
    target: str = "",
    seed: int = 0,
    connections: Connections | None = None,
) -> Profiled:
    """Write the profile of a table, a sample of its rows and, if asked for, suite and space.

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
    space : str, default=""
        URI for a file to start from that says what an attacker may change in such rows: see
        :func:`modelwarden.space.derive.derive`. It comes from the sample, and ranges from all rows.
    target : str, default=""
        Column of labels, which nobody attacks; `space` needs it.
    seed : int, default=0
        Seed of the sample.
    connections : Connections, optional
        Where the data is.

    Returns
    -------
    Profiled

    Raises
    ------
    InputError
        If a space was asked for without a target, or the table has no such column.
    """
    import hashlib

    import pandas as pd

    from modelwarden.reference.profile import Profile
    from modelwarden.reference.suite import suite as suggested
    from modelwarden.reference.survey import survey
    from modelwarden.table_files import batches, is_parquet

    if space and not target:
        raise InputError("target", "the column of labels", "nothing", "a space leaves it out")
    with Session(connections) as session:
        file = fetch_table(table, session.data)
        schema, rows = batches(file)
        seen = survey(rows, schema, seed=seed)
        body = seen.sample()
        found = Profile(
            rows=seen.rows,
            source=file.sha256,
            sample=hashlib.sha256(body).hexdigest(),
            columns=seen.columns(),
            typed=is_parquet(file),
            repeated=seen.repeated,
        )
        written = found.as_bytes()
        Profile.parse(written, out)  # what cannot be read again is not written
        attackable = _space(found, body, target, table) if space else b""
        digests = {"sample": session.data.put_once(sample, body)}
        digests["profile"] = session.data.put_once(out, written)
        if suite:
            name = suite.rpartition("/")[2].partition(".")[0]
            expected = suggested(found, pd.read_parquet(BytesIO(body)), name)
            digests["suite"] = session.data.put_once(suite, expected)
        if space:
            digests["space"] = session.data.put_once(space, attackable)
        return Profiled(out, sample, suite, space, digests)


def _space(known: "Profile", sample: bytes, target: str, table: str) -> bytes:
    """Return a space file: what the sample shows, within the range of all rows."""
    import pandas as pd

    from modelwarden.space.derive import derive
    from modelwarden.space.scalars import scalar
    from modelwarden.space.suite import Limits

    if target not in known.by_name:
        got = ", ".join(map(repr, [*known.by_name][:12]))
        raise InputError(f"{table}: target", "a column of the table", f"{target!r}, not in {got}")
    frame = pd.read_parquet(BytesIO(sample)).drop(columns=target)
    limits = {
        column.name: Limits(least=column.low, most=column.high)
        for column in known.columns
        if column.kind == "number" and column.name != target and column.distinct != 0
    }
    about = [
        f"From a profile of {known.rows} rows, sha256 {known.source}, labels {scalar(target)}."
    ]
    return derive(frame, about=about, limits=limits, where=table)
