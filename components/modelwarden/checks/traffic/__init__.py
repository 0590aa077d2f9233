"""Traffic: who takes a model away, query by query."""

from typing import TYPE_CHECKING

import pandas as pd

from modelwarden.checks.traffic.alarms import (
    ALERT,
    WARN,
    Alarm,
    alarm_lines,
    block_list,
    budget_alarms,
    concerns,
    content_alarms,
    name,
)
from modelwarden.checks.traffic.content import Content, look
from modelwarden.checks.traffic.words import figures, notes
from modelwarden.concerns import detail
from modelwarden.errors import InputError
from modelwarden.limits import Budget
from modelwarden.logs.labels import shifts
from modelwarden.logs.volumes import Volumes, measure
from modelwarden.report import Findings, Json, Report
from modelwarden.table_files import sheet
from modelwarden.work import Work

if TYPE_CHECKING:
    from modelwarden.logs.log import Log
    from modelwarden.store import File
    from modelwarden.tables import Table

MAX_BUDGET_BYTES = 2**20


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
    work = work or Work()
    if not 0.002 <= alpha <= 0.5:
        raise InputError("option alpha", "a share from 0.002 to 0.5", repr(alpha))
    if min_queries < 20:
        raise InputError("option min_queries", "a whole number from 20", repr(min_queries))
    limit = _read_budget(budget)
    rows = _features(reference, target) if reference is not None else None
    with logs.read(format, client) as reading:
        work.step("log", 0, 1)
        volumes = measure(reading, limit.days)
        work.step("log", 1, 1)
        labels = shifts(reading, min_queries)
        found, content = reading.formats, None
        if reference is not None and rows is not None and "features" in reading.tells:
            content = look(
                reading,
                volumes,
                rows,
                reference.uri,
                alpha=alpha,
                min_queries=min_queries,
                seed=seed,
                work=work,
            )
    alarms = [
        *budget_alarms(volumes.clients, "client", "budget", limit.queries),
        *budget_alarms(volumes.pools, "pool", "pool", limit.queries),
        *content_alarms(content),
    ]
    failures = _failures(volumes)
    report = Report(
        check="traffic",
        metrics={
            **_metrics(volumes, limit),
            "max_label_shift": max(labels.values(), default=None),
            **_content_metrics(volumes, content, limit),
        },
        failures=failures,
        notes=notes(volumes, limit, model.sha256, content, asked=rows is not None),
        details={
            "files": dict(found),
            "budget": _shown(limit),
            "signals": content.signals if content else {},
            # where nothing could be read, nobody is known to have asked little
            **({} if failures else detail(concerns(alarms, volumes.lines))),
        },
    )
    return Findings(report, _tables(volumes, labels, content, alarms), figures(volumes, limit))


def _features(reference: "Table", target: str) -> pd.DataFrame:
    from modelwarden.tables import features

    return features(reference, target) if target else reference.frame()


def _read_budget(file: "File") -> Budget:
    if file.size > MAX_BUDGET_BYTES:
        raise InputError(file.uri, "a budget", f"{file.size} bytes", "give the table `budget`")
    return Budget.read(file.path.read_bytes(), file.uri)


def _failures(volumes: Volumes) -> tuple[str, ...]:
    if volumes.lines and volumes.lines == volumes.unreadable:
        return ("not one line of the log could be read: name its format",)
    return ()


def _metrics(volumes: Volumes, limit: Budget) -> dict[str, float | None]:
    clients, pools = volumes.clients["most"], volumes.pools["most"]
    return {
        "lines": volumes.lines,
        "unreadable_fraction": _share(volumes.unreadable, volumes.lines),
        "queries": volumes.queries,
        "clients": volumes.n_clients,
        "unknown_client_fraction": _share(volumes.unknown, volumes.queries),
        "error_fraction": _share(volumes.errors, volumes.lines - volumes.unreadable),
        "skewed_fraction": _share(volumes.skewed, volumes.lines - volumes.unreadable),
        "span_days": volumes.span_days,
        "peak_per_minute": _largest(volumes.clients["peak"]),
        "max_budget_used": _used(clients, limit),
        "clients_over_half": int((clients > WARN * limit.queries).sum()),
        "clients_over_budget": int((clients > ALERT * limit.queries).sum()),
        "max_pool_used": _used(pools, limit),
        "pools_over_budget": int((pools > ALERT * limit.queries).sum()),
    }


def _content_metrics(
    volumes: Volumes, content: Content | None, limit: Budget
) -> dict[str, float | None]:
    """Return what is measured of what was asked; undefined where nothing was looked at."""
    names = (
        "duplicate_fraction",
        "misfit_fraction",
        "tested_clients",
        "flagged_clients",
        "flagged_fraction",
        "max_flagged_used",
    )
    if content is None:
        return dict.fromkeys(names)
    flagged, tested = len(content.flagged), len(content.opinions)
    together = volumes.clients["most"][volumes.clients["client"].isin(content.flagged)].sum()
    values = (
        _share(content.repeated, content.logged),
        max(content.misfits.values(), default=0.0),
        tested,
        flagged,
        _share(flagged, tested),
        _used(pd.Series([int(together)]), limit),
    )
    return dict(zip(names, values, strict=True))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _largest(column: "pd.Series[int]") -> int:
    return int(column.max()) if len(column) else 0


def _used(most: "pd.Series[int]", limit: Budget) -> float | None:
    """Return the largest share of the budget; undefined where any query at all is too many."""
    largest = _largest(most)
    if not largest:
        return 0.0
    return largest / limit.queries if limit.queries else None


def _shown(limit: Budget) -> dict[str, Json]:
    return {"model": limit.model, "queries": limit.queries, "days": limit.days}


def _tables(
    volumes: Volumes, labels: dict[str, float], content: Content | None, alarms: list[Alarm]
) -> dict[str, bytes]:
    clients = volumes.clients.drop(columns="members")
    clients["label_shift"] = clients["client"].map(labels)
    opinions = content.opinions if content else {}
    for column in ("score", "threshold", "signal", "near_duplicates"):
        found = {who: getattr(opinion, column) for who, opinion in opinions.items()}
        clients[column] = clients["client"].map(found)
    clients["client"] = clients["client"].map(name, na_action=None)
    return {
        "clients": sheet(clients),
        "alerts": alarm_lines(alarms),
        "block": block_list(alarms),
    }
