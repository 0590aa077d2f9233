"""Say which table a model was trained on."""

from modelwarden.evidence import Asked, Circumstances, provenance_statement, statements_folder
from modelwarden.folders import fetch_table
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.filing import Filed, file_statement
from modelwarden.jobs.session import Connections, Session, environment, now
from modelwarden.report import TRAINED
from modelwarden.signing import Signer


@naming
def trained(
    model: str,
    *,
    data: str,
    evidence: str,
    key: str,
    author: str = "",
    connections: Connections | None = None,
) -> Filed:
    """Sign the builder's statement that a model came from a table.

    It is a claim: nothing here can see whether the training really read that table. The decision
    repeats who claims it.

    Parameters
    ----------
    model, data : str
        URIs of the model file and of the table it was trained on.
    evidence : str
        Prefix for the statement.
    key : str
        The builder's key: a PEM file, ``env:NAME`` or ``awskms:NAME``.
    author : str, default=""
        Who built the model, by their name in the trust file. Where a policy demands approvals, an
        author must be named, and must not approve.
    connections : Connections, optional
        Where data and evidence are.

    Returns
    -------
    Filed
    """
    signer = Signer.open(key)
    started = now().isoformat()
    with Session(connections) as session:
        digests = {
            "model": session.data.get(model).sha256,
            "data": fetch_table(data, session.data).sha256,
        }
        options = {"author": author.strip().casefold()} if author.strip() else {}
        asked = Asked(TRAINED, "model", options, digests)
        when = Circumstances(started, now().isoformat(), environment())
        folder = f"{statements_folder(evidence, digests['model'])}/{TRAINED}"
        statement = provenance_statement(asked, when)
        return file_statement(session.records, signer, statement, [folder], asked.key)
