"""The audit, file by file: every machine counts some files, and one of them adds up."""

from collections import Counter
from collections.abc import Iterator, Sequence
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
from modelwarden.logs.database import Database
from modelwarden.logs.labels import shifts
from modelwarden.logs.tally import Tally, together
from modelwarden.logs.volumes import Volumes, measure
from modelwarden.report import Findings, Json, Report
from modelwarden.table_files import sheet
from modelwarden.work import Work

if TYPE_CHECKING:
    from modelwarden.logs.log import Log
    from modelwarden.store import File
    from modelwarden.tables import Table

MAX_BUDGET_BYTES = 2**20
MOST_BLOCKS = 64
"""Files are dealt to as many blocks; counts are whole numbers, which add up in any order."""


class Audit:
    """The check cut into blocks of files; see :class:`modelwarden.blocks.Blocks`.

    Parameters
    ----------
    model, logs, budget, reference, target, format, client, alpha, min_queries, seed, work
        As for :func:`modelwarden.checks.traffic.traffic`.

    Raises
    ------
    InputError
        If the budget is none, or an option is out of its range.
    """

    def __init__(
        self,
        model: "File",
        logs: "Log",
        budget: "File",
        reference: "Table | None",
        *,
        target: str,
        format: str,  # noqa: A002
        client: str,
        alpha: float,
        min_queries: int,
        seed: int,
        work: Work,
    ) -> None:
        if not 0.002 <= alpha <= 0.5:
            raise InputError("option alpha", "a share from 0.002 to 0.5", repr(alpha))
        if min_queries < 20:
            raise InputError("option min_queries", "a whole number from 20", repr(min_queries))
        self.model, self.logs, self.reference, self.work = model, logs, reference, work
        self.limit = _read_budget(budget)
        self.rows = _features(reference, target) if reference is not None else None
        self.format, self.client = format, client
        self.alpha, self.min_queries, self.seed = alpha, min_queries, seed
        self.count = max(1, min(len(logs.files), MOST_BLOCKS))

    def blocks(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """Yield the counts of each block's files; they name clients."""
        for number in numbers:
            yield self.tally(self.logs.part(number, self.count)).as_bytes()

    def join(self, parts: Sequence[bytes]) -> Findings:
        """Return the findings from the counts of all files."""
        where = f"{self.logs.uri}, block"
        return self.findings([Tally.read(body, f"{where} {n}") for n, body in enumerate(parts)])

    def tally(self, logs: "Log") -> Tally:
        """Count some files, in one pass."""
        with logs.read(self.format, self.client) as reading:
            self.work.step("log", 0, 1)
            counted = Tally.of(reading)
            self.work.step("log", 1, 1)
        return counted

    def findings(self, tallies: Sequence[Tally]) -> Findings:
        """Return the findings from counts that have each file once."""
        limit = self.limit
        with Database([], self.logs.uri) as database:
            together(tallies, database)
            volumes = measure(database, sum(tally.rejected for tally in tallies), limit.days)
            scores = any(tally.scores for tally in tallies)
            labels = {} if scores else shifts(database, self.min_queries)
        content = self._content(volumes, frozenset().union(*(tally.tells for tally in tallies)))
        alarms = [
            *budget_alarms(volumes.clients, "client", "budget", limit.queries),
            *budget_alarms(volumes.pools, "pool", "pool", limit.queries),
            *content_alarms(content),
        ]
        asked, failures = self.rows is not None, _failures(volumes)
        report = Report(
            check="traffic",
            metrics={
                **_metrics(volumes, limit),
                "max_label_shift": max(labels.values(), default=None),
                **_content_metrics(volumes, content, limit),
            },
            failures=failures,
            notes=notes(volumes, limit, self.model.sha256, content, asked=asked),
            details={
                "files": dict(sum((Counter(tally.formats) for tally in tallies), Counter())),
                "budget": _shown(limit),
                "signals": content.signals if content else {},
                # where nothing could be read, nobody is known to have asked little
                **({} if failures else detail(concerns(alarms, volumes.lines))),
            },
        )
        return Findings(report, _tables(volumes, labels, content, alarms), figures(volumes, limit))

    def _content(self, volumes: Volumes, tells: frozenset[str]) -> Content | None:
        """Look at what was asked: whose lines, only the volumes of all files tell."""
        if self.reference is None or self.rows is None or "features" not in tells:
            return None
        with self.logs.read(self.format, self.client) as reading:
            return look(
                reading,
                volumes,
                self.rows,
                self.reference.uri,
                alpha=self.alpha,
                min_queries=self.min_queries,
                seed=self.seed,
                work=self.work,
            )


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
