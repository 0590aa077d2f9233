"""Traffic: who takes a model away, query by query."""

from typing import TYPE_CHECKING, Any

from modelwarden.checks.traffic.audit import Audit
from modelwarden.report import Findings
from modelwarden.work import Work

if TYPE_CHECKING:
    from modelwarden.logs.log import Log
    from modelwarden.store import File
    from modelwarden.tables import Table


def traffic(
    model: "File",
    logs: "Log",
    budget: "File",
    reference: "Table | None" = None,
    *,
    target: str = "",
    format: str = "auto",  # noqa: A002
    client: str = "",
    alpha: float = 0.01,
    min_queries: int = 40,
    seed: int = 0,
    work: Work | None = None,
) -> Findings:
    """Hold the queries of each client, and of clients in one network, against a query budget.

    Parameters
    ----------
    model : File
        The model that the statement is about. The budget, and the log, may be of another: the log
        of the previous release gates the next one.
    logs : Log
        Query logs; see :mod:`modelwarden.logs`.
    budget : File
        What the check ``extraction`` measured; see :class:`modelwarden.limits.Budget`.
    reference : Table, optional
        Rows like those that honest clients ask about, such as held-out rows. With them clients are
        judged by what they ask, too; without, ``flagged_clients`` is undefined.
    target : str, default=""
        Label column of `reference`; it is no feature.
    format : str, default="auto"
        ``kserve``, ``sagemaker``, ``envoy``, ``apigateway``, ``nginx`` or ``csv``, for all text
        files; by default each file is told by its first lines. Parquet is always told.
    client : str, default=""
        Column, JSON key or header that names the client; by default the format's own.
    alpha : float, default=0.01
        Share of honest clients that may be flagged by what they ask, from 0.002 to 0.5.
    min_queries : int, default=40
        Distinct logged rows below which a client is not judged by what it asks; at least 20.
    seed : int, default=0
        Seed of which queries are looked at.
    work : Work, optional
        Told about progress.

    Returns
    -------
    Findings
        Counts in the report; the tables ``clients`` (CSV), ``alerts`` (lines of JSON) and ``block``
        (CSV) name clients. It fails when not a line could be read.

    Raises
    ------
    InputError
        If the budget is none, or an option is out of its range.
    """
    audit = split(
        model,
        logs,
        budget,
        reference,
        target=target,
        format=format,
        client=client,
        alpha=alpha,
        min_queries=min_queries,
        seed=seed,
        work=work,
    )
    return audit.findings([audit.tally(logs)])


def split(
    model: "File",
    logs: "Log",
    budget: "File",
    reference: "Table | None" = None,
    *,
    work: Work | None = None,
    **options: Any,
) -> Audit:
    """Return the check cut into blocks of files; it takes what :func:`traffic` takes."""
    return Audit(model, logs, budget, reference, **options, work=work or Work())
