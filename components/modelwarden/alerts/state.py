"""When to speak: a fault once, its recovery once, and no word about what has not changed.

For each key (model, check, column) there is one `State`. A run tells it what was seen, and gets an
alert back, or nothing:

- what begins, or becomes more urgent, alerts;
- what lasts is silent, until `Rules.reminder` has passed;
- what is not seen in `Rules.quiet_runs` runs in a row has recovered. A fault that comes and goes
  faster than that is one fault;
- a check that did not run says nothing about its columns: they neither alert nor recover;
- the same run, done again, is heard only where it says more than before.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from modelwarden.alerts.notice import FAULT, RECOVERED, Alert
from modelwarden.concerns import ALERT, URGENCY
from modelwarden.documents import read_time
from modelwarden.report import Json, canonical

KEPT_RUNS = 50  # that a state knows again
KEPT_PENDING = 10  # alerts of one key that wait for a channel
SLACK = timedelta(days=1)  # by how much clocks may differ


@dataclass(frozen=True)
class Rules:
    """How patient people are.

    Parameters
    ----------
    reminder : timedelta, default=7 days
        After this long a fault that lasts is told again.
    quiet_runs : int, default=2
        Runs in a row without the fault, until it has recovered.
    """

    reminder: timedelta = timedelta(days=7)
    quiet_runs: int = 2


@dataclass(frozen=True)
class Seen:
    """What a run saw of one key.

    Parameters
    ----------
    channel : {"alert", "warn", "", "unknown"}
        The fault's; "" where there is none, "unknown" where nobody looked.
    words, page : str, default=""
        What was measured, and where the report is.
    """

    channel: str
    words: str = ""
    page: str = ""


QUIET, UNKNOWN = Seen(""), Seen("unknown")


@dataclass(frozen=True)
class Pending:
    """An alert on its way, the channels that have it, and whether all were tried once."""

    alert: Alert
    reached: tuple[str, ...] = ()
    tried: bool = False


@dataclass(frozen=True)
class State:
    """What is known about one key.

    Parameters
    ----------
    channel : {"", "warn", "alert"}, default=""
        How urgent the fault that lasts is; "" without one.
    since, spoken : str, default=""
        When it began, and when people were last told of it.
    words, page : str, default=""
        What was measured last.
    quiet : int, default=0
        Runs in a row that did not see it.
    runs : tuple of (str, str), default=()
        Digests of the last 50 runs and what each said: a channel, or "".
    pending : tuple of Pending, default=()
        Alerts that some channel has not got yet.
    """

    channel: str = ""
    since: str = ""
    spoken: str = ""
    words: str = ""
    page: str = ""
    quiet: int = 0
    runs: tuple[tuple[str, str], ...] = ()
    pending: tuple[Pending, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """Return it as JSON values; `from_json` undoes it."""
        pending = [
            {"alert": p.alert.as_json(), "reached": list(p.reached), "tried": p.tried}
            for p in self.pending
        ]
        return {
            **{name: getattr(self, name) for name in _TEXTS},
            "quiet": self.quiet,
            "runs": [list(run) for run in self.runs],
            "pending": pending,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json], now: datetime) -> "State":
        """Rebuild a state.

        Raises
        ------
        ValueError, TypeError, KeyError
            If it is none, or from the future: such a one would be silent for as long as it likes.
        """
        canonical(value)  # what could not be written down again is none
        texts = {name: value[name] for name in _TEXTS}
        runs = tuple((run, said) for run, said in value["runs"])
        pending = tuple(
            Pending(Alert.from_json(p["alert"]), tuple(p["reached"]), p["tried"] is True)
            for p in value["pending"]
        )
        spoken_words = [*texts.values(), *(w for run in runs for w in run)]
        spoken_words += [name for p in pending for name in p.reached]
        if (
            not all(isinstance(word, str) for word in spoken_words)
            or type(value["quiet"]) is not int
        ):
            raise ValueError("another type")
        if any(said not in URGENCY for said in (texts["channel"], *(said for _, said in runs))):
            raise ValueError("an unknown channel")
        times = [texts["since"], texts["spoken"]] if texts["channel"] else []
        if any(read_time(t) > now + SLACK for t in (*times, *(p.alert.at for p in pending))):
            raise ValueError("a time in the future")
        return cls(**texts, quiet=value["quiet"], runs=runs, pending=pending)


_TEXTS = ("channel", "since", "spoken", "words", "page")


def step(
    state: State, about: tuple[str, str, str], seen: Seen, run: str, now: datetime, rules: Rules
) -> tuple[State, Alert | None]:
    """Return the next state, and the alert to send, if any; it is already pending.

    Parameters
    ----------
    state : State
        What was known.
    about : tuple of (str, str, str)
        Model, check and column.
    seen : Seen
        What this run saw.
    run : str
        Its name; the same when it is done again.
    now : datetime
        The time, with a zone.
    rules : Rules
        How patient people are.
    """
    if seen.channel == "unknown" or (not seen.channel and not state.channel):
        return state, None
    words = seen.words.encode(errors="replace").decode()  # or it could not be written down
    seen = replace(seen, words=words)
    name = hashlib.sha256(run.encode()).hexdigest()[:16]
    before = dict(state.runs).get(name)
    if before is not None and URGENCY[seen.channel] <= URGENCY[before]:
        return state, None
    rest = tuple(entry for entry in state.runs if entry[0] != name)
    runs = (*rest, (name, seen.channel))[-KEPT_RUNS:]
    state = replace(state, runs=runs)
    if seen.channel:
        return _faulty(state, about, seen, run, now, rules)
    return _quiet(state, about, run, now, rules)


def lost(state_is: str, seen: Seen) -> Seen:
    """Return what a run saw of a key whose state cannot be read: never silence."""
    words = f"what was known before cannot be read ({state_is})"
    return Seen(ALERT, f"{seen.words}; {words}" if seen.words else words, seen.page)


def told(state: State, sent: Mapping[str, set[str]], channels: set[str]) -> State:
    """Return the state once it was tried to send alerts.

    Parameters
    ----------
    state : State
        What was known.
    sent : mapping of str to set of str
        For each alert that was tried, by `alert_id`, the channels that got it.
    channels : set of str
        Channels that should have it.
    """
    pending = []
    for one in state.pending:
        got = sent.get(alert_id(one.alert))
        if got is None:  # another run is at it
            pending.append(one)
        elif not channels <= {*one.reached, *got}:
            pending.append(Pending(one.alert, tuple(sorted({*one.reached, *got})), tried=True))
    return replace(state, pending=tuple(pending))


def alert_id(alert: Alert) -> str:
    """Return what an alert is known by."""
    return f"{alert.key} {alert.state} {alert.channel} {alert.run} {alert.at}"


def _faulty(
    state: State, about: tuple[str, str, str], seen: Seen, run: str, now: datetime, rules: Rules
) -> tuple[State, Alert | None]:
    at, begins = now.isoformat(), not state.channel
    grows = URGENCY[seen.channel] > URGENCY[state.channel]
    due = not begins and now - read_time(state.spoken) >= rules.reminder
    loudest = seen.channel if grows else state.channel
    state = replace(
        state,
        channel=loudest,
        since=at if begins else state.since,
        words=seen.words,
        page=seen.page,
        quiet=0,
    )
    if not (grows or due):
        return state, None
    still = due and not grows
    alert = Alert(*about, FAULT, loudest, seen.words, seen.page, run, state.since, at, still)
    return _pend(replace(state, spoken=at), alert)


def _quiet(
    state: State, about: tuple[str, str, str], run: str, now: datetime, rules: Rules
) -> tuple[State, Alert | None]:
    state = replace(state, quiet=state.quiet + 1)
    if state.quiet < rules.quiet_runs:
        return state, None
    alert = Alert(
        *about, RECOVERED, state.channel, state.words, state.page, run, state.since, now.isoformat()
    )
    over = replace(state, channel="", since="", spoken="", words="", page="", quiet=0)
    return _pend(over, alert)


def _pend(state: State, alert: Alert) -> tuple[State, Alert]:
    return replace(state, pending=(*state.pending, Pending(alert))[-KEPT_PENDING:]), alert
