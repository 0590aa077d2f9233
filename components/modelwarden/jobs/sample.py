"""Draw rows for people to review: where trusted rows come from."""

from dataclasses import dataclass

from modelwarden.errors import InputError
from modelwarden.evidence import Asked, Circumstances, provenance_statement, statements_folder
from modelwarden.folders import fetch_table
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.filing import Filed, file_statement
from modelwarden.jobs.session import Connections, Session, environment, now
from modelwarden.signing import Signer

SAMPLE = "trusted_sample"
"""What the trust file calls the right to draw."""


@dataclass(frozen=True)
class Drawn:
    """A table of rows to review.

    Parameters
    ----------
    uri, sha256 : str
        Its place and digest.
    statement : Filed or None
        The signed statement about how it was drawn; None without a key.
    """

    uri: str
    sha256: str
    statement: Filed | None


@naming
def sample(
    table: str,
    *,
    rows: int,
    to: str,
    seed: int = 0,
    evidence: str = "",
    key: str = "",
    connections: Connections | None = None,
) -> Drawn:
    """Draw rows at random, without replacement, in their order.

    Parameters
    ----------
    table : str
        URI of the table.
    rows : int
        How many.
    to : str
        URI for the drawn table; created once, never overwritten.
    seed : int, default=0
        Seed of the draw.
    evidence, key : str, default=""
        Prefix and signing key of the statement; both or none.
    connections : Connections, optional
        Where data and evidence are.

    Returns
    -------
    Drawn
    """
    if bool(evidence) is not bool(key):
        raise InputError("sample", "both evidence and key, or neither", "one of them")
    import numpy as np

    from modelwarden.tables import Table

    signer = Signer.open(key) if key else None
    started = now().isoformat()
    with Session(connections) as session:
        whole = Table.open(fetch_table(table, session.data))
        if not 0 < rows <= whole.n_rows:
            raise InputError("rows", f"1 to {whole.n_rows}, the rows of {table}", str(rows))
        keep = np.zeros(whole.n_rows, dtype=bool)
        keep[np.random.default_rng(seed).choice(whole.n_rows, size=rows, replace=False)] = True
        digest = session.data.put_once(to, whole.select(keep))
        if signer is None:
            return Drawn(to, digest, None)
        inputs = {"sample": digest, "table": whole.sha256}
        asked = Asked(SAMPLE, "sample", {"rows": rows, "seed": seed}, inputs)
        when = Circumstances(started, now().isoformat(), environment())
        statement = provenance_statement(asked, when)
        folder = f"{statements_folder(evidence, digest)}/{SAMPLE}"
        filed = file_statement(session.records, signer, statement, [folder], asked.key)
        return Drawn(to, digest, filed)
