"""What each run said, kept as one small record, and the last of them as a page."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from modelwarden.alerts import Alert, Observation, Verdict
from modelwarden.alerts.trend import SHOWN_RUNS, TRENDS, Run, figures, latest
from modelwarden.concerns import ALERT, WARN
from modelwarden.documents import read_json, read_time
from modelwarden.errors import EvidenceError
from modelwarden.page import Section, summary_page
from modelwarden.report import canonical
from modelwarden.store import Store


def summary(
    run: str,
    now: datetime,
    verdicts: Mapping[str, Sequence[Verdict]],
    observations: Mapping[str, Observation],
    standing: int,
) -> Run:
    """Return a run in a few numbers; of several batches the largest counts."""
    checks: dict[str, dict[str, float | None]] = {}
    for check, observation in observations.items():
        channels = [seen.channel for seen in observation.seen.values()]
        values: dict[str, float | None] = {
            kind: float(channels.count(kind)) for kind in (ALERT, WARN)
        }
        for metric in TRENDS.get(check, ()):
            found = [v.report.metrics.get(metric) for v in verdicts[check] if v.report]
            values[metric] = max((one for one in found if one is not None), default=None)
        checks[check] = values
    return Run(run, now.isoformat(), checks, standing)


def trend(
    store: Store, prefix: str, this: Run, alerts: Sequence[Alert], reports: Mapping[str, str]
) -> str:
    """Keep the record of this run; write the page of the last ones and return its URI."""
    folder = f"{prefix.removesuffix('/')}/runs"
    when = read_time(this.at).strftime("%Y%m%dT%H%M%SZ")
    name = hashlib.sha256(this.run.encode()).hexdigest()[:16]
    body = canonical(this.as_json())
    runs, unreadable = _runs(store, folder)
    if store.head(f"{folder}/{when}-{name}.json") is None:
        store.put_once(f"{folder}/{when}-{name}.json", body)
    page = _page(this, latest([*runs, this]), alerts, reports, unreadable)
    return store.put_blob(prefix, page.encode(), suffix=".html")


def _runs(store: Store, folder: str) -> tuple[list[Run], int]:
    """Read the last records; they are for the eye, and what is none is only counted."""
    runs, unreadable = [], 0
    for uri in store.list(f"{folder}/")[-2 * SHOWN_RUNS :]:
        try:
            runs.append(Run.from_json(read_json(store.read(uri), uri)))
        except (EvidenceError, LookupError, TypeError, ValueError, AttributeError):
            unreadable += 1
    return runs, unreadable


def _page(
    this: Run,
    runs: Sequence[Run],
    alerts: Sequence[Alert],
    reports: Mapping[str, str],
    unreadable: int,
) -> str:
    drawn = figures(runs)
    table = [("check", "column", "state", "channel", "what was measured")]
    table += [(a.check, a.column, a.state, a.channel, a.words) for a in alerts]
    words = f"Faults that last: {this.standing}."
    if not alerts:
        words += " Nothing has changed, so nobody was told anything."
    if unreadable:
        words += f" Records of earlier runs that could not be read: {unreadable}."
    news = Section("News of this run", words, table=table if alerts else (), figures=drawn[""])
    checks = [
        Section(check, reports.get(check, ""), figures=drawn[check]) for check in drawn if check
    ]
    intro = f"Run {this.run} of {this.at}, and the {len(runs) - 1} before it."
    return summary_page("Monitoring", intro, [news, *checks])
