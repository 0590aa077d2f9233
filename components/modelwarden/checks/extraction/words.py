"""What extraction says: metrics, notes, the budget, and its figure."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from modelwarden.checks.extraction.question import Question
from modelwarden.limits import OUTPUTS, Budget
from modelwarden.proportions import interval
from modelwarden.report import Figure, Json, Report, Series
from modelwarden.theft.study import Study

SHARES = (90, 95, 99)


@dataclass(frozen=True)
class Found:
    """What the thieves came to.

    Parameters
    ----------
    study : Study
        Their copies.
    asked : Question
        The options.
    steps : tuple of int
        The numbers of queries that were tried.
    differing : int
        Rows that the model labelled otherwise when it was asked again.
    moved : tuple of (int, int), or None
        How many rows crafted on the copy fool the model, of how many.
    public_rows : int
        Labelled rows that the thieves had anyway.
    """

    study: Study
    asked: Question
    steps: tuple[int, ...]
    differing: int
    moved: tuple[int, int] | None
    public_rows: int

    @cached_property
    def unaided(self) -> float:
        """Fidelity of the best copy made without a query."""
        return self.study.unaided / self.study.n_rows

    @cached_property
    def is_public(self) -> bool:
        """Whether no budget helps: a copy without a query cannot be told from the limit."""
        return interval(self.study.unaided, self.study.n_rows)[1] >= self.asked.limit

    @cached_property
    def safe(self) -> int:
        """The most queries that are safe; 0 where a copy is as good without any."""
        return self.study.safe(self.asked.limit, self.asked.outputs)

    def fidelity(self, outputs: str) -> float:
        """Fidelity of the best copy."""
        return self.study.best(self.asked.queries, outputs) / self.study.n_rows


def budget(found: Found, model: str) -> Budget:
    """Return the budget."""
    asked = found.asked
    return Budget(model, found.safe, asked.days, asked.outputs, asked.limit, found.unaided)


def report(found: Found) -> Report:
    """Return the report."""
    asked, study = found.asked, found.study
    best = study.best(asked.queries, asked.outputs)
    low, high = interval(best, study.n_rows)
    known: dict[str, float | None] = {
        "rows": study.n_rows,
        "fidelity": best / study.n_rows,
        "fidelity_low": low,
        "fidelity_high": high,
        "fidelity_labels": found.fidelity("labels"),
        "fidelity_probabilities": found.fidelity("probabilities") if asked.has_scores else None,
        "unaided_fidelity": found.unaided,
        "gain": best / study.n_rows - found.unaided,
        "safe_queries": found.safe,
        "transfer_success_rate": found.moved[0] / found.moved[1] if found.moved else None,
    }
    for share in SHARES:
        reached = _reached(found, share)
        known[f"queries_to_{share}"] = asked.queries + 1 if reached is None else reached
    failures: tuple[str, ...] = ()
    if found.differing:
        failures = (
            f"the model labelled {found.differing} of {study.n_rows} rows differently when it was "
            "asked again in reverse order: make its predictions depend on the row alone",
        )
    return Report("extraction", known, failures, notes=_notes(found), details=_details(found))


def _reached(found: Found, share: int) -> int | None:
    return found.study.reached(share / 100, found.asked.outputs)


def _told(found: Found, share: int) -> Json:
    reached = _reached(found, share)
    return f"> {found.asked.queries}" if reached is None else reached


def _percent(share: float) -> str:
    return f"{round(100 * share, 1):g} %"


def _notes(found: Found) -> tuple[str, ...]:
    asked, study, limit = found.asked, found.study, _percent(found.asked.limit)
    if found.is_public:
        first = (
            f"No budget helps: without a single query, {found.public_rows} labelled rows make a "
            f"copy that agrees in {_percent(found.unaided)}, which {study.n_rows} rows cannot tell "
            f"from the limit of {limit}."
        )
    elif not found.safe:
        first = (
            f"No budget was found: already the first step, {found.steps[0]} queries, cannot be "
            f"told from the limit of {limit} with {found.study.n_rows} rows to judge by."
        )
    elif found.safe >= asked.queries:
        first = (
            f"No copy reached {limit} within {asked.queries} queries. More were not tried, and "
            "nothing is claimed about them."
        )
    else:
        first = (
            f"Up to {found.safe} queries per client and {asked.days} days, the best copy stays "
            f"below {limit}, by the upper end of its 95 % interval."
        )
    return (
        first,
        f"The thieves knew every column, had {found.public_rows} labelled rows, and asked about "
        "rows like customers'. One who knows the training data or the code needs fewer queries.",
        "Clients who pool their answers share one copy: a budget per client holds as far as "
        "clients are told apart.",
    )


def _details(found: Found) -> Mapping[str, Json]:
    study, asked = found.study, found.asked
    return {
        "curves": {
            name: [[queries, fidelity] for queries, fidelity in study.curve(name).items()]
            for name in study.hauls
        },
        "queries_to": {f"{share}": _told(found, share) for share in SHARES},
        "outputs": asked.outputs,
        "public_rows": found.public_rows,
        "crafted_rows": found.moved[1] if found.moved else 0,
    }


def figures(found: Found) -> tuple[Figure, ...]:
    """Return fidelity against queries."""
    asked, study = found.asked, found.study
    steps = [step for step in found.steps if any(step in study.curve(name) for name in study.hauls)]
    names = ("0", *map(str, steps))
    series = []
    for outputs in OUTPUTS[: 1 + asked.has_scores]:
        best = (study.best(step, outputs) / study.n_rows for step in steps)
        series.append(Series(f"best copy from {outputs}", names, (found.unaided, *best)))
    if found.is_public:
        told = "No budget helps: public rows alone make a copy that is too good."
    else:
        told = f"The budget is {found.safe} queries per client and {asked.days} days."
    return (
        Figure(
            kind="lines",
            title="Fidelity of a stolen copy against queries",
            x_label="queries, 0 for a copy from public rows alone",
            y_label="share of rows in which the copy agrees",
            series=tuple(series),
            threshold=asked.limit,
            threshold_label=f"limit {_percent(asked.limit)}",
            caption=told,
        ),
    )
