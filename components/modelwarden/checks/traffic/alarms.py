"""What people are told: one alarm per client and cause, the worst first, and not too many."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from modelwarden.checks.traffic.content import MOSTLY, Content
from modelwarden.concerns import ALERT as URGENT
from modelwarden.concerns import WARN as CALM
from modelwarden.concerns import Concern
from modelwarden.table_files import sheet

MAX_ALARMS = 500
WARN, ALERT = 0.5, 1.0
"""Shares of the budget from which there is a warning, and an alert."""

_CAUSES = {
    "budget": "{n} clients used half of their budget or more",
    "pool": "{n} networks used half of the budget of a client or more",
    "content": "{n} clients ask unlike honest ones",
    "columns": "{n} clients ask mostly about other columns than the reference's",
}

UNNAMED = "(no client)"  # lines without a client count as one, under this name


@dataclass(frozen=True)
class Alarm:
    """One reason to look at one client or pool.

    Parameters
    ----------
    level : {"alert", "warning"}
        How urgent.
    cause : {"budget", "pool", "content", "columns"}
        What it is about: the client's own budget, its network's, what it asked, or rows with other
        columns than the reference.
    who : str
        The client, or the network.
    value, limit : float
        What was measured, and the limit that it exceeds.
    """

    level: str
    cause: str
    who: str
    value: float
    limit: float

    @property
    def rank(self) -> tuple[bool, float, str, str]:
        """Sort key: alerts first, then by how far beyond the limit."""
        return self.level != "alert", -self.value / max(self.limit, 1e-9), self.cause, self.who


def budget_alarms(frame: pd.DataFrame, who: str, cause: str, budget: int) -> list[Alarm]:
    """Return an alarm for each row of `frame` that may have used half of its budget or more."""
    return [
        Alarm("alert" if most > budget else "warning", cause, name(client), float(most), budget)
        for client, most in zip(frame[who], frame["most"], strict=True)
        if most > budget or most >= WARN * budget
    ]


def content_alarms(content: Content | None) -> list[Alarm]:
    """Return an alarm for each client that is unlike honest ones or asks about other columns."""
    if content is None:
        return []
    unlike = [
        Alarm("warning", "content", who, opinion.score, opinion.threshold)
        for who, opinion in content.opinions.items()
        if opinion.flagged
    ]
    other = [
        Alarm("warning", "columns", who, share, MOSTLY)
        for who, share in content.misfits.items()
        if share > MOSTLY
    ]
    return unlike + other


def concerns(alarms: Sequence[Alarm], lines: int) -> list[Concern]:
    """Return what people are told: how many and how much by cause, and never who."""
    found = [] if lines else [Concern("log", CALM, "there is not one line: does the log arrive?")]
    for cause, what in _CAUSES.items():
        worst = sorted((a for a in alarms if a.cause == cause), key=lambda alarm: alarm.rank)
        if not worst:
            continue
        urgent = any(alarm.level == "alert" for alarm in worst)
        about = (
            f"{what.format(n=len(worst))}; the first: {worst[0].value:.4g} of {worst[0].limit:.4g}"
        )
        found.append(Concern(cause, URGENT if urgent else CALM, about))
    return found


def name(client: object) -> str:
    """Return what a client is called."""
    return UNNAMED if pd.isna(client) else str(client)  # type: ignore[call-overload]


def alarm_lines(alarms: Sequence[Alarm]) -> bytes:
    """Return alarms as lines of JSON, the worst first; a last line counts what was left out."""
    ranked = sorted(alarms, key=lambda alarm: alarm.rank)
    lines = [
        {"level": a.level, "cause": a.cause, "who": a.who, "value": a.value, "limit": a.limit}
        for a in ranked[:MAX_ALARMS]
    ]
    if len(ranked) > MAX_ALARMS:
        lines.append({"level": "note", "left_out": len(ranked) - MAX_ALARMS})
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines).encode()


def block_list(alarms: Iterable[Alarm]) -> bytes:
    """Return whom to block, as CSV: clients that may have exceeded their own budget.

    Content and networks only call for a look: one is wrong about a share of honest clients by
    design, and behind the other may be a whole company.
    """
    over = {a.who for a in alarms if a.cause == "budget" and a.level == "alert"} - {UNNAMED}
    return sheet(pd.DataFrame({"client": sorted(over), "reason": "query budget exceeded"}))
