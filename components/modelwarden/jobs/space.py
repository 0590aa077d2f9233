"""Write a space file to start from: what an attacker may change in rows like those of a table."""

from dataclasses import dataclass

from modelwarden.folders import fetch_table
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.session import Connections, Session


@dataclass(frozen=True)
class Derived:
    """A space file for people to correct.

    Parameters
    ----------
    uri, sha256 : str
        Its place and digest.
    """

    uri: str
    sha256: str


@naming
def derive(
    table: str,
    *,
    target: str,
    out: str,
    suite: str = "",
    connections: Connections | None = None,
) -> Derived:
    """Write down what a table shows; see :func:`modelwarden.space.derive.derive`.

    Parameters
    ----------
    table : str
        URI of the table.
    target : str
        Column of labels, which nobody attacks.
    out : str
        URI for the file; created once, never overwritten.
    suite : str, default=""
        URI of a Great Expectations suite, whose bounds hold where it has any.
    connections : Connections, optional
        Where the data is.

    Returns
    -------
    Derived
    """
    from modelwarden.space.columns import is_number
    from modelwarden.space.derive import derive as written
    from modelwarden.space.scalars import scalar
    from modelwarden.space.suite import limits
    from modelwarden.suites import read_suite
    from modelwarden.tables import Table, features

    with Session(connections) as session:
        rows = Table.open(fetch_table(table, session.data))
        frame = features(rows, target)
        about = [f"From {rows.n_rows} rows, sha256 {rows.sha256}, labels {scalar(target)}."]
        known = {}
        if suite:
            file = session.data.get(suite)
            numbers = {name for name in frame.columns if is_number(frame[name])}
            known = limits(read_suite(file), numbers, {*rows.columns} - numbers)
            about.append(f"Bounds by the suite with sha256 {file.sha256}.")
        body = written(frame, about=about, limits=known, where=table)
        return Derived(out, session.data.put_once(out, body))
