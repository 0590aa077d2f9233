"""An alert, and the notice in which a run tells people about several."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from modelwarden.documents import read_time
from modelwarden.markup import visible
from modelwarden.report import Json, canonical

FAULT, RECOVERED = "alert", "recovered"


@dataclass(frozen=True)
class Alert:
    """One change that people are told about.

    Parameters
    ----------
    model, check, column : str
        What it is about; `column` is "" for the check as a whole. The three are its key.
    state : {"alert", "recovered"}
        Whether a fault began, grew or still lasts, or is over.
    channel : {"warn", "alert"}
        How urgent.
    words : str
        What was measured.
    page : str
        URI of the report's page; "" where there is none.
    run : str
        The run that found it.
    since, at : str
        When the fault began and when this was decided, RFC 3339 in UTC.
    reminder : bool, default=False
        Whether people have been told of it before.
    """

    model: str
    check: str
    column: str
    state: str
    channel: str
    words: str
    page: str
    run: str
    since: str
    at: str
    reminder: bool = False

    def __post_init__(self) -> None:
        for one in fields(self):
            if type(getattr(self, one.name)) is not (bool if one.name == "reminder" else str):
                raise ValueError(f"{one.name} is not what it should be")
        if self.state not in (FAULT, RECOVERED) or self.channel not in ("warn", "alert"):
            raise ValueError("an unknown state or channel")
        read_time(self.since), read_time(self.at)

    @property
    def key(self) -> str:
        """Return the digest of what it is about."""
        return key_of(self.model, self.check, self.column)

    @property
    def sentence(self) -> str:
        """Return it in a sentence."""
        about = f"{self.check}, {self.column!r}" if self.column else self.check
        if self.state == RECOVERED:
            return f"{about}: recovered. It had been: {self.words}"
        still = f"still, since {self.since}: " if self.reminder else ""
        return f"{about}: {still}{self.words}"

    @property
    def time(self) -> datetime:
        """Return when it was decided."""
        return read_time(self.at)

    def as_json(self) -> dict[str, Json]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Alert":
        """Rebuild it; a ValueError or TypeError for anything else."""
        return cls(**value)


@dataclass(frozen=True)
class Notice:
    """What one run tells people about one model: all of it in one message.

    Parameters
    ----------
    model, run : str
        The model, and the run.
    alerts : tuple of Alert
        At least one; the urgent ones first.
    page : str, default=""
        URI of the page of the run.
    """

    model: str
    run: str
    alerts: tuple[Alert, ...]
    page: str = ""

    @classmethod
    def of(cls, model: str, run: str, alerts: Sequence[Alert], page: str = "") -> "Notice":
        """Return a notice with its alerts in order."""
        ranked = sorted(alerts, key=lambda a: (a.state != FAULT, a.channel != "alert", a.check))
        return cls(model, run, tuple(ranked), page)

    @property
    def id(self) -> str:
        """Return what a receiver may know a repetition by."""
        return hashlib.sha256(canonical([a.as_json() for a in self.alerts])).hexdigest()

    @property
    def urgent(self) -> bool:
        """Whether somebody should look now."""
        return any(a.state == FAULT and a.channel == "alert" for a in self.alerts)

    @property
    def title(self) -> str:
        """Return a line that says how much of what."""
        kinds = {
            "alert": [a for a in self.alerts if a.state == FAULT and a.channel == "alert"],
            "warning": [a for a in self.alerts if a.state == FAULT and a.channel == "warn"],
            "recovered": [a for a in self.alerts if a.state == RECOVERED],
        }
        counted = [
            f"{len(some)} {kind}{'s' if len(some) > 1 and kind != RECOVERED else ''}"
            for kind, some in kinds.items()
            if some
        ]
        return f"{self.model.rpartition('/')[2] or self.model}: {', '.join(counted)}"

    @property
    def lines(self) -> list[str]:
        """Return all of it, a sentence a line, without what hides, reorders or breaks lines."""
        lines = [self.title, *(a.sentence for a in self.alerts)]
        lines += [
            f"Report: {page}" for page in dict.fromkeys(a.page for a in self.alerts if a.page)
        ]
        if self.page:
            lines.append(f"Trend: {self.page}")
        lines += [f"Model: {self.model}", f"Run: {self.run}"]
        return [visible(" ".join(line.split())) for line in lines]

    def as_json(self) -> dict[str, Json]:
        """Return it as JSON values."""
        alerts = [a.as_json() for a in self.alerts]
        about = {"version": 1, "model": self.model, "run": self.run, "page": self.page}
        return {**about, "title": self.title, "alerts": alerts}


def key_of(model: str, check: str, column: str) -> str:
    """Return the digest of what an alert is about; no two triples share one."""
    return hashlib.sha256(canonical([model, check, column])).hexdigest()
