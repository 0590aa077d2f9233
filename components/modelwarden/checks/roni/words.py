"""What RONI reports: metrics, failures, caveats and details."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from modelwarden.checks.roni.found import Found
from modelwarden.impact.groups import GroupImpact
from modelwarden.report import Json, Report, finite

SHOWN = 20  # classes, triggers and contributors
FAR_APART = 0.3  # between the distributions of a column


def report(found: Found, *, alpha: float, fdr: float, max_rejected: float) -> Report:
    """Return the report of what was found."""
    failures = tuple(_failures(found, max_rejected))
    notes = _notes(found, alpha, fdr) if found.proof else _notes_without_trust()
    return Report("roni", _metrics(found), failures, tuple(notes), _details(found))


def _metrics(found: Found) -> Mapping[str, float | None]:
    proof = found.proof
    return {
        "rows": found.rows.n_rows,
        "rejected_rows": int(found.rejected.sum()),
        "rejected_fraction": float(found.rejected.mean()),
        "novel_rows": int(found.rejection.strange.sum()),
        "neutralised_values": found.remedy.cells,
        "harmful_groups": sum(group.harmful for group in found.groups),
        "accuracy_before": proof.effect.before if proof else None,
        "accuracy_after": proof.after if proof else None,
        "accuracy_random": proof.effect.random if proof else None,
        "trigger_success_before": proof.success_before if proof else None,
        "trigger_success_after": proof.success_after if proof else None,
    }


def _failures(found: Found, max_rejected: float) -> Iterator[str]:
    count, share, proof = found.rejected.sum(), found.rejected.mean(), found.proof
    if not share <= max_rejected:
        yield (
            f"{count} of {found.rows.n_rows} rows ({share:.1%}) are suspect, more than "
            f"max_rejected = {max_rejected:.1%} allows; nothing was removed: find out where the "
            f"rows came from{_what_they_share(found)}"
        )
    if proof is None:
        return
    if not math.isfinite(proof.after):
        yield "all rows are suspect; nothing was removed: there is nothing to train on"
    elif proof.effect.harmful:
        yield (
            f"rejecting {count} rows would lower trusted accuracy by {-proof.effect.change:.1%} "
            f"(standard error {proof.effect.standard_error:.1%}); nothing was removed: check that "
            "the trusted rows resemble the submitted ones"
        )
    if proof.useless:
        yield (
            "the estimator forecasts one class whatever the row, so that it can confirm nothing; "
            "nothing was removed: check it, or leave it out"
        )


def _what_they_share(found: Found) -> str:
    drivers = ", ".join(trigger.words for trigger in found.judgement.triggers[:3])
    if drivers:
        return f", or leave out what is no feature; they share {drivers}"
    name, gap = found.rows.most_different() if found.rows.n_trusted else ("", 0.0)
    if gap < FAR_APART:
        return ""
    return (
        f", or leave out what is no feature; they differ from trusted rows most in {name[:40]!r} "
        f"(distance {gap:.2f} of 1)"
    )


def _notes(found: Found, alpha: float, fdr: float) -> Iterator[str]:
    rows, rejection = found.rows, found.rejection
    yield (
        f"At most {100 * alpha:.3g} % of clean rows are rejected on average, if trusted and clean "
        "submitted rows come from the same distribution. This holds approximately, because the "
        f"{rows.n_trusted} trusted rows are used twice, by cross-fitting: of themselves the rule "
        f"would reject {rejection.trusted_rejected:.1%}. The smallest possible p-value is "
        f"1/{rows.n_trusted + 1}."
    )
    if fdr:
        yield _fdr_note(found, fdr)
    yield (
        "Everything rests on the trusted rows: draw them at random from a source of clean rows, "
        "have people review them, and keep them out of reach of whoever submits rows."
    )
    yield (
        "Not seen here: poison with correct labels and usual values, and attackers who know the "
        "trusted rows. Trusted rows both choose and confirm, so the accuracy after is a little "
        "flattering."
    )
    yield from _strange_notes(found)
    if found.harmful is not None:
        yield f"Of the rejected rows {found.harmful:.0%} have a negative impact by themselves."
    if found.blamed:
        name, most = next(iter(found.blamed.items()))
        yield (
            f"No contributor has more rejected rows than {str(name)[:40]!r}: {most} of "
            f"{found.rejected.sum()}."
        )
    if rows.vouched.any():
        yield (
            f"{rows.vouched.sum()} of the submitted rows equal a trusted row, label included: they "
            "are vouched for and never rejected."
        )
    absent = [str(rows.classes[code]) for code in np.setdiff1d(rows.trusted_y, rows.y)]
    if absent:
        yield f"No submitted row has the label {', '.join(absent[:SHOWN])}."


def _fdr_note(found: Found, fdr: float) -> str:
    rows, promised = found.rows, f"Of the rejected rows at most {fdr:.1%} are clean, on average."
    suspect = int((found.judgement.poison > 0.5).sum())
    if found.rejected.any() or not suspect:
        return promised
    needed = math.ceil(rows.n_rows / (fdr * suspect))
    return (
        f"{promised} With {rows.n_trusted} trusted rows that cannot be promised of any: {suspect} "
        f"rows look suspect, and about {needed} trusted rows would be needed to say so."
    )


def _strange_notes(found: Found) -> Iterator[str]:
    strange, proof = int(found.rejection.strange.sum()), found.proof
    if strange:
        yield (
            f"{strange} rejected rows are unlike trusted rows or carry a trigger. That is news, "
            "not always poison: if the world has changed, review them and add some to the trusted "
            "rows."
        )
    for trigger in found.judgement.triggers[:SHOWN]:
        yield (
            f"Suspicion concentrates on {trigger.words}: {trigger.rows} submitted rows and "
            f"{trigger.trusted_rows} trusted ones ({trigger.why})."
        )
    if proof and found.remedy.stamp:
        yield (
            f"Put into trusted rows of other classes, this turns {proof.success_before:.0%} of "
            f"them for a model of all rows, and {proof.success_after:.0%} after filtering."
        )
    if found.remedy.cells:
        names = ", ".join(map(repr, found.remedy.edits))
        yield f"In kept rows {found.remedy.cells} trigger values were neutralised, in {names}."
    if found.remedy.drop:
        yield f"Dropped from the kept table: {', '.join(map(repr, found.remedy.drop))}."


def _notes_without_trust() -> Iterator[str]:
    yield (
        "There were no trusted rows, so submitted rows were only held against each other. That "
        "finds labels changed at random. It cannot see what many rows have in common: flips in "
        "one direction or one corner, backdoors, a poisoned majority. No share of clean rows is "
        "promised, and nothing was confirmed."
    )
    yield "Draw rows for people to review with `modelwarden trusted sample`."


def _details(found: Found) -> Mapping[str, Json]:
    rows, rejection, proof = found.rows, found.rejection, found.proof
    counts, _ = np.histogram(found.judgement.p_value, bins=20, range=(0, 1))
    return {
        "trusted_rows": rows.n_trusted,
        "smallest_p_value": 1 / (rows.n_trusted + 1),
        "trusted_rejected_fraction": rejection.trusted_rejected,
        "vouched_rows": int(rows.vouched.sum()),
        "harmful_fraction_of_rejected": found.harmful,
        "separable": found.judgement.separable,
        "accuracy_change": finite(proof.effect.change) if proof else None,
        "accuracy_change_standard_error": finite(proof.effect.standard_error) if proof else None,
        "rejected_by_class": found.by_class(SHOWN),
        "rejected_by_reason": _by_reason(found),
        "p_value_histogram": counts.tolist(),
        "triggers": [
            {
                "columns": [part.column.name[:100] for part in trigger.parts],
                "values": trigger.words,
                "rows": trigger.rows,
                "trusted_rows": trigger.trusted_rows,
                "suspicion": trigger.suspicion,
                "why": trigger.why,
            }
            for trigger in found.judgement.triggers[:SHOWN]
        ],
        "groups": [_group(group, found.blamed) for group in found.groups[:SHOWN]],
    }


def _by_reason(found: Found) -> dict[str, int]:
    reasons, counts = np.unique(
        found.rejection.reasons[found.rejected].astype(str), return_counts=True
    )
    return dict(zip(reasons.tolist(), counts.tolist(), strict=True))


def _group(group: GroupImpact, blamed: Mapping[Any, int]) -> Json:
    return {
        "group": str(group.group)[:100],
        "rows": group.n_rows,
        "rejected": int(blamed.get(group.group, 0)),
        "impact": group.impact,
        "z": group.z,
        "suspect": group.harmful,
    }
