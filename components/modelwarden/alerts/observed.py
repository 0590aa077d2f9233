"""What the reports of a run say about each column of each check."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelwarden.alerts.state import QUIET, UNKNOWN, Seen
from modelwarden.concerns import ALERT, MAX_WORDS, URGENCY, read
from modelwarden.report import Report

NO_VERDICT = "there is no verdict: the check did not run, or did not finish"


@dataclass(frozen=True)
class Verdict:
    """A report, or why there is none.

    Parameters
    ----------
    report : Report or None
        What the check said.
    page : str, default=""
        URI of its page.
    problem : str, default=""
        Why there is no report.
    """

    report: Report | None
    page: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Observation:
    """What a run saw of one check.

    Parameters
    ----------
    seen : mapping of str to Seen
        Faults by column; "" is the check as a whole.
    complete : bool
        Whether all columns were judged: those without a fault are quiet then, else unknown.
    """

    seen: Mapping[str, Seen]
    complete: bool

    def of(self, column: str) -> Seen:
        """Return what was seen of one column."""
        return self.seen.get(column, QUIET if self.complete else UNKNOWN)


def observe(
    verdicts: Sequence[Verdict],
    *,
    expected: int = 1,
    limits: Mapping[str, float] | None = None,
) -> Observation:
    """Join the verdicts of one check in one run; of two faults of a column the urgent one counts.

    Parameters
    ----------
    verdicts : sequence of Verdict
        One a batch.
    expected : int, default=1
        How many there should be: a verdict that is missing is a fault.
    limits : mapping of str to float, optional
        Largest usual value of metrics. What was not measured exceeds its limit.
    """
    seen: dict[str, Seen] = {}
    complete = True
    for verdict in verdicts:
        found, whole = _one(verdict, limits or {})
        complete = complete and whole
        for column, fault in found.items():
            seen[column] = max(seen.get(column, QUIET), fault, key=lambda s: URGENCY[s.channel])
    missing = expected - len(verdicts)
    if missing > 0:
        of_many = f" ({missing} of {expected} are missing)" if expected > 1 else ""
        seen[""] = Seen(ALERT, NO_VERDICT + of_many, seen.get("", QUIET).page)
        complete = False
    return Observation(seen, complete)


def _one(verdict: Verdict, limits: Mapping[str, float]) -> tuple[dict[str, Seen], bool]:
    report, page = verdict.report, verdict.page
    if report is None:
        return {"": Seen(ALERT, verdict.problem or NO_VERDICT, page)}, False
    seen = {
        name: Seen(ALERT, f"{name} is {_number(report.metrics.get(name))}, usual is {most:g}", page)
        for name, most in limits.items()
        if not _within(report.metrics.get(name), most)
    }
    try:
        entry = read(report.details)
    except ValueError as error:
        return seen | {"": Seen(ALERT, f"its report cannot be read: {error}", page)}, False
    failed = "; ".join(report.failures)[:MAX_WORDS]
    if entry is None:
        return seen | ({"": Seen(ALERT, failed, page)} if failed else {}), not failed
    concerns, whole = entry
    seen |= {one.about: Seen(one.channel, one.words, page) for one in concerns}
    if failed and not concerns:
        return seen | {"": Seen(ALERT, failed, page)}, False
    return seen, whole


def _within(value: float | None, most: float) -> bool:
    return value is not None and value <= most


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"
