"""What evasion says: metrics, notes and details."""

from collections.abc import Mapping, Sequence

import numpy as np

from modelwarden.checks.evasion.campaign import Distances, Found
from modelwarden.checks.evasion.question import Question
from modelwarden.checks.evasion.subject import Changes
from modelwarden.proportions import interval
from modelwarden.report import Json, Report
from modelwarden.space.columns import Column
from modelwarden.space.points import Mask
from modelwarden.space.text import TextSpace

SHOWN = 10  # column names in a note
LISTED = 50  # columns in the details
QUANTILES = (0.1, 0.5, 0.9)
OF_ATTACKS = (
    "robust_accuracy",
    "robust_accuracy_low",
    "certified_accuracy",
    "certified_accuracy_low",
    "unknown_fraction",
    "attack_success_rate",
    "median_distance",
)
"""Metrics that are undefined where no attack could begin, or where it contradicts a proof."""


def report(
    found: Found, space: Changes, asked: Question, movable: Sequence[str], notes: Sequence[str]
) -> Report:
    """Return the report of an attack that could begin."""
    failures = []
    if found.contradictions:
        failures.append(
            f"{found.contradictions} changes break rows that were proved to withstand them: one of "
            "the two is wrong, so neither counts; please report this model"
        )
    known = metrics(found.right, found)
    if found.contradictions:
        known = {name: None if name in OF_ATTACKS else known[name] for name in known}
    return Report(
        "evasion",
        known,
        tuple(failures),
        notes=(*_notes(found), *notes),
        details=_details(found, space, asked, movable),
    )


def metrics(right: Mask, found: Found | None) -> Mapping[str, float | None]:
    """Return the metrics; those of an attack are undefined where none could begin."""
    n_rows, n_right = len(right), int(right.sum())
    known: dict[str, float | None] = {
        "rows": n_rows,
        "accuracy": n_right / n_rows,
        "accuracy_low": interval(n_right, n_rows)[0],
        **dict.fromkeys(OF_ATTACKS),
    }
    if not n_right:
        known |= {"robust_accuracy": 0.0, "robust_accuracy_low": 0.0}
    if found is None:
        return known
    broken, robust = found.main.broken, found.main.robust
    n_left, n_robust = int((right & ~broken).sum()), int((right & robust).sum())
    known |= {
        "robust_accuracy": n_left / n_rows,
        "robust_accuracy_low": interval(n_left, n_rows)[0],
        "unknown_fraction": int((right & ~broken & ~robust).sum()) / n_rows,
        "attack_success_rate": int(broken.sum()) / n_right,
    }
    if not found.uncertified:
        known["certified_accuracy"] = n_robust / n_rows
        known["certified_accuracy_low"] = interval(n_robust, n_rows)[0]
    if found.distances is not None:
        known["median_distance"] = _quantile(found.distances.values[right], 0.5)
    return known


def _quantile(distances: "np.ndarray[tuple[int], np.dtype[np.float64]]", share: float) -> float:
    """Return a quantile that one of the rows has; infinite distances sort last."""
    return float(np.quantile(distances, share, method="inverted_cdf"))


def _notes(found: Found) -> tuple[str, ...]:
    notes = [
        "Robust accuracy is an upper bound: the attacks found nothing against the other rows with "
        f"{int(found.main.queries.max())} queries each, and a stronger attack may."
        if not found.enumerated
        else "Every change of a single column or pixel was tried, so robust accuracy is exact.",
        "Every broken row was confirmed: predict errs on it, and nothing changed but what an "
        "attacker may change.",
    ]
    if found.uncertified:
        notes.append(f"Nothing was proved about rows that were not broken: {found.uncertified}.")
    elif not found.enumerated:
        notes.append(
            "Certified accuracy is a lower bound: no change within epsilon, found or not, turns "
            "those rows. That holds for the parts that the model was taken apart into; they gave "
            "the model's labels for every row that was compared."
        )
    if not found.has_scores:
        notes.append(
            "The model gives labels only, so the search had no score to follow and was weaker: "
            "compare its robust accuracy only with that of other models without probabilities."
        )
    return tuple(notes)


def about_space(space: Changes, movable: Sequence[str]) -> list[str]:
    """Return notes about what could change and what could not."""
    if isinstance(space, TextSpace):
        return ["Words were swapped, misspelled, left out or written with look-alike letters."]
    notes = []
    stay = dict(space.fixed)
    stay |= {n: "no room at this epsilon" for n in space.columns if n not in movable}
    for why in sorted(set(stay.values())):
        names = [name for name, reason in stay.items() if reason == why]
        notes.append(
            f"Columns that never moved, {why}: {_listed(names)}. The model may still be sensitive "
            "to them."
        )
    if np.isnan(space.origin).any():
        notes.append("Missing and infinite cells stayed as they are.")
    for relation, count in space.unasked.items():
        if count:
            notes.append(f"{relation} does not hold in {count} rows as they are: not asked there.")
    unseen = sorted(name for name, values in space.unseen.items() if values)
    if unseen:
        notes.append(f"Some values that the space file allows are in no row: {_listed(unseen)}.")
    return notes


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more


def _details(
    found: Found, space: Changes, asked: Question, movable: Sequence[str]
) -> Mapping[str, Json]:
    n_rows, right, main = len(found.right), found.right, found.main
    winners = [winner for winner in main.won if winner]
    successes = main.queries_to_success[main.broken]
    n_left = int((right & ~main.broken).sum())
    return {
        "norm": asked.norm,
        "accuracy_high": interval(int(right.sum()), n_rows)[1],
        "robust_accuracy_high": interval(n_left, n_rows)[1],
        "curve": [_point(epsilon, size.broken, right) for epsilon, size in found.curve.items()],
        "certified_curve": [
            _point(epsilon, ~size.robust, right) for epsilon, size in found.curve.items()
        ]
        if not found.uncertified
        else [],
        "unknown_curve": [
            [epsilon, float((right & ~size.broken & ~size.robust).mean())]
            for epsilon, size in found.curve.items()
        ],
        "broken_rows": int(main.broken.sum()),
        "broken_by": {name: winners.count(name) for name in sorted(set(winners))},
        "queries": int(main.queries.sum()),
        "queries_to_success": [float(q) for q in np.quantile(successes, (0.5, 0.9))]
        if len(successes)
        else [],
        "predict_calls": found.calls,
        "predicted_rows": found.asked_rows,
        "probabilities": found.has_scores,
        "movable_columns": len(movable),
        "movable_column_names": list(movable[:LISTED]),
        "moved_columns": dict([*found.moved_shares.items()][:LISTED]),
        **_scales(space, movable),
        **({} if found.distances is None else {"distance": _distance(found.distances, right)}),
    }


def _scales(space: Changes, movable: Sequence[str]) -> dict[str, Json]:
    """Return what the columns that can move are measured by, and the rules as they were read."""
    if isinstance(space, TextSpace):
        return {}
    known = [space.columns[name] for name in movable]
    numbers = [column for column in known if isinstance(column, Column)]
    by_deviation = sum(column.by_deviation for column in numbers)
    by_people = sum(column.rule.scale is not None for column in numbers)
    return {
        "columns_scaled_by_interquartile_range": len(numbers) - by_deviation - by_people,
        "columns_scaled_by_standard_deviation": by_deviation,
        "columns_scaled_by_space_file": by_people,
        "categories_that_move": len(known) - len(numbers),
        "space": space.rules.model_dump(mode="json", exclude_defaults=True),
    }


def _point(epsilon: float, lost: Mask, right: Mask) -> Json:
    """Return one size's share of rows, and its 95 % interval."""
    left = int((right & ~lost).sum())
    return [epsilon, left / len(right), *interval(left, len(right))]


def _distance(distances: Distances, right: Mask) -> Json:
    """Return quantiles over right rows, None where no change was found, and how sure they are."""
    values = distances.values[right]
    found = {f"{share:.0%}": _quantile(values, share) for share in QUANTILES}
    return {
        "quantiles": {name: value if np.isfinite(value) else None for name, value in found.items()},
        "exact_rows": int(distances.exact[right].sum()),
        "rows_without": int(np.isinf(values).sum()),
    }
