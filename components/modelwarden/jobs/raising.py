"""From verdicts to people: write down what is to be said, say it, write down who has heard.

At least once. Who dies in between says it again, and a receiver knows a repetition by its id. What
cannot be written down is said all the same.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from modelwarden.alerts import (
    Alert,
    Notice,
    Observation,
    Rules,
    Seen,
    State,
    alert_id,
    key_of,
    lost,
    step,
    told,
)
from modelwarden.concerns import ALERT
from modelwarden.errors import ModelWardenError
from modelwarden.jobs.logbook import About, Entry, Logbook
from modelwarden.report import Json

GRACE = timedelta(minutes=10)
"""For so long another run may still be sending what it wrote down."""

OWN = "alerts"
"""The check under whose name alerts speak about their own records."""

Sender = Callable[[Notice], None]
"""Sends a notice, or raises."""


@dataclass(frozen=True)
class Alerted:
    """What a run told people.

    Parameters
    ----------
    alerts : tuple of Alert
        What changed; empty in most runs.
    standing : tuple of (str, str, str)
        Check, column and channel of each fault that lasts, told or not.
    page : str, default=""
        URI of the page with the trend.
    faults : tuple of ModelWardenError, default=()
        What went wrong on the way: channels that did not take it, state that is out of reach.
    """

    alerts: tuple[Alert, ...]
    standing: tuple[tuple[str, str, str], ...]
    page: str = ""
    faults: tuple[ModelWardenError, ...] = ()

    @property
    def quiet(self) -> bool:
        """Whether no fault of the channel `alert` lasts."""
        return not any(channel == ALERT for _, _, channel in self.standing)

    def require_delivery(self) -> None:
        """Raise what went wrong; what a retry may mend comes first."""
        ranked = sorted(self.faults, key=lambda fault: not getattr(fault, "retryable", False))
        if ranked:
            raise ranked[0]

    def as_json(self) -> dict[str, Json]:
        """Return it as a small JSON value, fit for an XCom."""
        return {
            "alerts": len(self.alerts),
            "told": [alert.sentence[:300] for alert in self.alerts[:20]],
            "standing": len(self.standing),
            "quiet": self.quiet,
            "page": self.page,
        }


@dataclass
class Desk:
    """One run that has something to say about one model.

    Parameters
    ----------
    model, run : str
        What it is about, and the run's name.
    now : datetime
        The time, with a zone.
    rules : Rules
        How patient people are.
    book : Logbook
        What is known.
    """

    model: str
    run: str
    now: datetime
    rules: Rules
    book: Logbook
    alerts: list[Alert] = field(default_factory=list)
    faults: list[ModelWardenError] = field(default_factory=list)
    _entries: dict[About, State] = field(default_factory=dict)
    _unwritten: list[Alert] = field(default_factory=list)
    _broken: bool = False

    def decide(self, observations: Mapping[str, Observation]) -> None:
        """Hold what was seen against what is known, and write down what is to be said."""
        try:
            known = self.book.load()
        except ModelWardenError as error:  # nothing is known, so everything is news
            self.faults.append(error)
            known = {}
        seen = {**observations, OWN: self._damage(known, observations)}
        abouts = {(self.model, check, c) for check, one in seen.items() for c in one.seen}
        abouts |= {e.about for e in known.values() if e.about and e.about[0] == self.model}
        for about in sorted(abouts):
            _, check, column = about
            if check in seen:
                self._decide(about, seen[check].of(column))
            else:
                self._entries[about] = known[key_of(*about)].state

    def tell(self, channels: Mapping[str, Sender], page: str = "") -> None:
        """Send to every channel what it has not got yet, and write down which got it."""
        sent: dict[str, set[str]] = {alert_id(alert): set() for alert, _ in self._waiting()}
        for name, send in channels.items():
            waiting = [alert for alert, reached in self._waiting() if name not in reached]
            if not waiting:
                continue
            try:
                send(Notice.of(self.model, self.run, waiting, page))
            except ModelWardenError as error:
                self.faults.append(error)  # the next channel is tried all the same
            else:
                for alert in waiting:
                    sent[alert_id(alert)].add(name)
        for about in [about for about, state in self._entries.items() if state.pending]:
            self._write(about, partial(_heard, sent, set(channels)))

    @property
    def standing(self) -> tuple[tuple[str, str, str], ...]:
        """Return check, column and channel of each fault that lasts."""
        return tuple(
            (check, column, state.channel)
            for (_, check, column), state in sorted(self._entries.items())
            if state.channel
        )

    def _decide(self, about: About, seen: Seen) -> None:
        made: list[Alert] = []

        def change(entry: Entry) -> State:
            made.clear()  # whoever was faster may have said it already
            saw = lost(entry.problem, seen) if entry.problem else seen
            state, alert = step(entry.state, about, saw, self.run, self.now, self.rules)
            made.extend([alert] if alert else [])
            return state

        if not self._write(about, change):
            state = change(self.book.last(about))  # said all the same, and by the next run again
            self._entries[about] = replace(state, pending=())
            self._unwritten += made
        self.alerts += made

    def _write(self, about: About, change: Callable[[Entry], State | None]) -> bool:
        if self._broken:
            return False
        try:
            self._entries[about] = self.book.update(about, change).state
        except ModelWardenError as error:  # each attempt takes its time: one is enough
            self.faults.append(error)
            self._broken = True
            return False
        return True

    def _waiting(self) -> Iterable[tuple[Alert, tuple[str, ...]]]:
        """Yield alerts to send, and who has them; not what another run is sending right now."""
        for alert in self._unwritten:
            yield alert, ()
        for state in self._entries.values():
            for one in state.pending:
                stale = one.tried or self.now - one.alert.time >= GRACE
                if one.alert.run == self.run or stale:
                    yield one.alert, one.reached

    def _damage(
        self, known: Mapping[str, Entry], observations: Mapping[str, Observation]
    ) -> Observation:
        """Return the records that cannot be read and that nothing in this run is about."""
        judged = {
            key_of(self.model, check, column)
            for check, one in observations.items()
            for column in one.seen
        }
        words = "a record of earlier alerts cannot be read: a fault that lasted may be forgotten"
        damaged = {
            f"record {digest[:16]}": Seen(ALERT, f"{words} ({entry.problem})")
            for digest, entry in known.items()
            if entry.problem and digest not in judged
        }
        return Observation(damaged, complete=True)


def _heard(sent: Mapping[str, set[str]], channels: set[str], entry: Entry) -> State | None:
    """Return a state without what everybody has heard; what cannot be read is left alone."""
    return None if entry.problem else told(entry.state, sent, channels)
