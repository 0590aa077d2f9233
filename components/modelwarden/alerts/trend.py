"""What the last runs said, as figures for a page."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelwarden.documents import read_time
from modelwarden.report import Figure, Json, Series, finite

TRENDS: Mapping[str, tuple[str, ...]] = {
    "drift": ("largest_change",),
    "integrity": ("failed_expectations",),
    "traffic": ("max_budget_used", "flagged_fraction"),
}
"""Which metrics of a check are worth a line, besides how many columns alert."""

SHOWN_RUNS = 30


@dataclass(frozen=True)
class Run:
    """What one run said, in a few numbers.

    Parameters
    ----------
    run, at : str
        Its name and time.
    checks : mapping of str to mapping
        For each check: ``alert`` and ``warn``, how many columns have such a fault, and metrics.
    standing : int
        Faults that last after it.
    """

    run: str
    at: str
    checks: Mapping[str, Mapping[str, float | None]]
    standing: int

    def as_json(self) -> dict[str, Json]:
        """Return it as JSON values; `from_json` undoes it."""
        checks = {name: dict(values) for name, values in self.checks.items()}
        return {"run": self.run, "at": self.at, "checks": checks, "standing": self.standing}

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Run":
        """Rebuild it; a ValueError, TypeError, KeyError or AttributeError for anything else."""
        read_time(value["at"])
        checks = {
            str(check): {str(name): finite(number) for name, number in values.items()}
            for check, values in value["checks"].items()
        }
        standing = finite(value["standing"])
        if standing is None:
            raise ValueError("no number of faults")
        return cls(str(value["run"]), value["at"], checks, int(standing))


def latest(runs: Sequence[Run]) -> list[Run]:
    """Return the last runs in order of their time; one that was done again counts once."""
    once = {run.run: run for run in sorted(runs, key=lambda run: read_time(run.at))}
    return sorted(once.values(), key=lambda run: read_time(run.at))[-SHOWN_RUNS:]


def figures(runs: Sequence[Run]) -> dict[str, tuple[Figure, ...]]:
    """Return the figures of each check, and of all together under ""."""
    names = sorted({check for run in runs for check in run.checks})
    standing = Figure(
        kind="lines",
        title="Faults that last",
        x_label="run",
        y_label="faults",
        series=(Series("faults", _times(runs), tuple(float(run.standing) for run in runs)),),
        caption="Each is told once, and once more when it has recovered.",
    )
    return {"": (standing,), **{check: _of(check, runs) for check in names}}


def _of(check: str, runs: Sequence[Run]) -> tuple[Figure, ...]:
    faults = Figure(
        kind="lines",
        title="Columns with a fault",
        x_label="run",
        y_label="columns",
        series=tuple(
            Series(name, _times(runs), _values(check, key, runs))
            for name, key in (("alerts", "alert"), ("warnings", "warn"))
        ),
        caption="Alerts call for a look now, warnings for one tomorrow. A gap: it did not run.",
    )
    metrics = [
        Figure(
            kind="lines",
            title=name.replace("_", " ").capitalize(),
            x_label="run",
            y_label=name,
            series=(Series(name, _times(runs), _values(check, name, runs)),),
        )
        for name in TRENDS.get(check, ())
        if any(run.checks.get(check, {}).get(name) is not None for run in runs)
    ]
    return (faults, *metrics)


def _values(check: str, name: str, runs: Sequence[Run]) -> tuple[float, ...]:
    found = (run.checks.get(check, {}).get(name) for run in runs)
    return tuple(float("nan") if value is None else value for value in found)


def _times(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return what to call the runs: their days, and the time where a day has several."""
    days = [run.at[:10] for run in runs]
    if len(set(days)) == len(days):
        return tuple(days)
    return tuple(re.sub("T", " ", run.at[:19]) for run in runs)
