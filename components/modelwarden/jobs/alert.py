"""Judge what the checks of a run found, and tell people what changed."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial

from modelwarden.alerts import Alert, Notice, Rules, Verdict, observe
from modelwarden.alerts.file import read_channels
from modelwarden.documents import MAX_DOCUMENT, read_json
from modelwarden.errors import EvidenceError, InputError, ModelWardenError, StoreError
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.batches import mark
from modelwarden.jobs.channels import send
from modelwarden.jobs.logbook import Logbook
from modelwarden.jobs.raising import Alerted, Desk, Sender
from modelwarden.jobs.session import Connections, Session, now
from modelwarden.jobs.trend import summary, trend
from modelwarden.keys import open_key
from modelwarden.report import Json, Report, canonical
from modelwarden.signing import Signer
from modelwarden.store import Store

_BLOB = re.compile(r".*/sha256/([0-9a-f]{64})")


@naming
def alert(
    model: str,
    outcomes: Mapping[str, Json],
    *,
    state: str,
    run: str,
    channels: Sequence[Mapping[str, Json]] = (),
    notifiers: Mapping[str, Sender] | None = None,
    expected: Mapping[str, int] | None = None,
    limits: Mapping[str, Mapping[str, float]] | None = None,
    batches: Sequence[str] = (),
    key: str = "",
    rules: Rules | None = None,
    connections: Connections | None = None,
) -> Alerted:
    """Read the outcomes of a run's checks, and tell people what changed.

    Parameters
    ----------
    model : str
        What alerts are about.
    outcomes : mapping of str to JSON
        For each check what its task returned (`Outcome.as_json`), the URI of its report, None
        where it returned nothing, or a list of these, one a batch.
    state : str
        Prefix for what is known about alerts.
    run : str
        Name of the run; the same when it is done again, and never another run's.
    channels : sequence of mappings, default=()
        See :class:`modelwarden.alerts.file.Channel`.
    notifiers : mapping of str to callable(Notice), optional
        More ways to people, by name.
    expected : mapping of str to int, optional
        How many outcomes a check should have; by default one, or as many as are listed.
    limits : mapping of str to mapping of str to float, optional
        For each check, the largest usual value of metrics.
    batches : sequence of str, default=()
        Batches that no later run needs to analyse.
    key : str, default=""
        Signs the state.
    rules : Rules, optional
        How patient people are.
    connections : Connections, optional
        Where reports and state are.

    Returns
    -------
    Alerted
        `Alerted.require_delivery` raises what went wrong on the way; everything else is done.
    """
    ways = {channel.name: partial(send, channel) for channel in read_channels(list(channels))}
    with Session(connections) as session:
        verdicts = {name: _verdicts(session.records, name, one) for name, one in outcomes.items()}
        done = raise_alerts(
            session.records,
            model,
            verdicts,
            state=state,
            run=run,
            channels={**ways, **(notifiers or {})},
            expected=expected or {},
            limits=limits or {},
            signer=Signer.open(key) if key else None,
            rules=rules or Rules(),
        )
        mark(session.records, state, batches, run, open_key(key) if key else None)
    return done


def alert_of_task(
    model: str,
    check: str,
    *,
    problems: Sequence[str],
    state: str,
    run: str,
    channels: Sequence[Mapping[str, Json]],
    page: str = "",
    key: str = "",
    reminder_days: int = 7,
    quiet_runs: int = 2,
) -> Alerted:
    """Tell people what became of one task: `problems`, or nothing, which may be a recovery."""
    ways = {channel.name: partial(send, channel) for channel in read_channels(list(channels))}
    verdict = Verdict(Report(check, {}, failures=tuple(problems)), page)
    with Session() as session:
        return raise_alerts(
            session.records,
            model,
            {check: [verdict]},
            state=state,
            run=run,
            channels=ways,
            expected={},
            limits={},
            signer=Signer.open(key) if key else None,
            rules=patience(reminder_days, quiet_runs),
        )


def forward(said: Json, channels: Sequence[Mapping[str, Json]]) -> None:
    """Send a notice, as JSON, through channels; raises what went wrong once all were tried."""
    alerts = tuple(Alert.from_json(one) for one in said["alerts"])
    notice = Notice(said["model"], said["run"], alerts, said["page"])
    faults: list[ModelWardenError] = []
    for channel in read_channels(list(channels)):
        try:
            send(channel, notice)
        except ModelWardenError as error:
            faults.append(error)
    if faults:
        raise faults[0]


def patience(reminder_days: int, quiet_runs: int) -> Rules:
    """Return the rules for whole days and runs, of which there is at least one."""
    for name, value in (("reminder_days", reminder_days), ("quiet_runs", quiet_runs)):
        if type(value) is not int or not 1 <= value <= 999:
            raise InputError(name, "a whole number from 1 to 999", repr(value))
    return Rules(timedelta(days=reminder_days), quiet_runs)


def raise_alerts(
    store: Store,
    model: str,
    verdicts: Mapping[str, Sequence[Verdict]],
    *,
    state: str,
    run: str,
    channels: Mapping[str, Sender],
    expected: Mapping[str, int],
    limits: Mapping[str, Mapping[str, float]],
    signer: Signer | None,
    rules: Rules,
) -> Alerted:
    """Do the same for verdicts that have been read; see `alert`."""
    wanted = {name: expected.get(name, max(1, len(found))) for name, found in verdicts.items()}
    observations = {
        name: observe(found, expected=wanted[name], limits=limits.get(name))
        for name, found in verdicts.items()
        if wanted[name]  # of no batch nothing is known, and nothing has recovered
    }
    time = now()
    desk = Desk(model, run, time, rules, Logbook(store, state, signer, time))
    desk.decide(observations)
    page = ""
    try:
        this = summary(run, time, verdicts, observations, len(desk.standing))
        page = trend(store, state, this, desk.alerts, _pages(verdicts))
    except StoreError as error:
        desk.faults.append(error)
    except Exception as error:  # noqa: BLE001 - no picture is worth an alert that is not sent
        kind = type(error).__name__
        desk.faults.append(EvidenceError(f"{state}/runs", "records that can be drawn", kind))
    desk.tell(channels, page)
    return Alerted(tuple(desk.alerts), desk.standing, page, tuple(desk.faults))


def _pages(verdicts: Mapping[str, Sequence[Verdict]]) -> dict[str, str]:
    """Return where the pages of each check are, in words."""
    found = {name: [v.page for v in those if v.page] for name, those in verdicts.items()}
    return {name: f"Reports: {', '.join(pages[:20])}" for name, pages in found.items() if pages}


def _verdicts(store: Store, check: str, given: Json) -> list[Verdict]:
    if given is None:
        return []
    several = given if isinstance(given, list) else [given]
    return [_verdict(store, check, one) for one in several if one is not None]


def _verdict(store: Store, check: str, given: Json) -> Verdict:
    """Read the report behind an outcome: what a task returned is only trusted to say where."""
    said = given if isinstance(given, dict) else {"report": given}
    uri, page = said.get("report"), said.get("page")
    page = page if isinstance(page, str) and page.isprintable() else ""
    blob = _BLOB.fullmatch(uri) if isinstance(uri, str) else None
    if not isinstance(uri, str) or blob is None:
        return Verdict(None, page, "there is no report to read: give the check `evidence`")
    try:
        body = store.read(uri, sha256=blob[1], max_bytes=MAX_DOCUMENT)
        report = Report.from_json(read_json(body, uri)["report"])
        if report.check != check:
            return Verdict(None, page, f"its report is one of {report.check!r}"[:200])
        canonical(report.as_json())  # what could not be written down again is no report
        if not isinstance(report.details, dict) or not _are_texts(report.failures):
            raise TypeError("another kind of value")
    except ModelWardenError as error:
        return Verdict(None, page, f"its report cannot be read: {error}"[:300])
    except (KeyError, TypeError, ValueError, AttributeError):
        return Verdict(None, page, "its report cannot be read: it is none")
    return Verdict(report, page)


def _are_texts(values: Sequence[object]) -> bool:
    return all(isinstance(value, str) for value in values)
