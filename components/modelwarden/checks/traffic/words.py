"""What a report on traffic says to people, and shows."""

import numpy as np

from modelwarden.checks.traffic.content import Content
from modelwarden.limits import Budget
from modelwarden.logs.volumes import KEPT_CLIENTS, Volumes
from modelwarden.report import Figure, Series

_LARGEST = 50  # clients that the figure shows, without their names


def notes(
    volumes: Volumes, limit: Budget, model: str, content: Content | None, *, asked: bool
) -> tuple[str, ...]:
    """Return what holds, what was left out, and what cannot be seen."""
    said = [
        f"A window is as long as the budget's period, {_days(limit.days)}. Its busiest place is "
        "not searched for: what is held against the budget is the sum of its hours and of one hour "
        "more, which is never too low.",
        "Clients are who the log says they are. Somebody with many names or addresses in many "
        "networks stays below every budget; one network may hold many honest clients.",
        "Lines of access logs count as one query each, however many rows a request asks about.",
    ]
    if not volumes.lines:
        said.insert(0, "The log is empty: a rule `lines >= 1` demands traffic.")
    if limit.model != model:
        said.append(f"The budget was measured on another model, {limit.model[:12]}.")
    if not limit.queries:
        said.append("The budget is 0: no number of queries is safe, so every client exceeds it.")
    if volumes.lines and volumes.span_days < limit.days:
        said.append(
            f"The log spans {volumes.span_days:.1f} of {_days(limit.days)} of the budget's "
            "period: what was asked before is not counted."
        )
    if volumes.n_clients > KEPT_CLIENTS or volumes.n_pools > KEPT_CLIENTS:
        said.append(f"Only the {KEPT_CLIENTS:,} clients and networks with most queries are listed.")
    return (*said, *_about_content(content, asked=asked))


def _about_content(content: Content | None, *, asked: bool) -> list[str]:
    if not asked:
        return ["No reference was given, so nobody was judged by what they ask."]
    if content is None:
        return ["The log does not tell what was asked, so nobody was judged by it."]
    said = [
        "Who asks about real rows looks honest: only the budget sees them. A flagged client is a "
        "reason to look, for honest clients differ from the reference, too.",
        "Flagged clients may be one: max_flagged_used sums their queries.",
    ]
    if content.left_out:
        said.append(f"{content.left_out} clients with fewer queries were not looked at.")
    return said


def figures(volumes: Volumes, limit: Budget) -> tuple[Figure, ...]:
    """Return the largest clients beside the budget."""
    most = volumes.clients["most"].sort_values(ascending=False).to_numpy(np.float64)[:_LARGEST]
    if not len(most):
        return ()
    ranks = tuple(float(rank) for rank in range(1, len(most) + 1))
    series = (Series("queries", ranks, tuple(float(value) for value in most)),)
    figure = Figure(
        kind="lines",
        title="Largest clients",
        x_label="rank of the client",
        y_label="queries in its busiest window",
        series=series,
        threshold=float(limit.queries),
        threshold_label="budget",
        caption="Clients above the line may have taken the model; their names are in the table "
        "`clients`.",
    )
    return (figure,)


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"
