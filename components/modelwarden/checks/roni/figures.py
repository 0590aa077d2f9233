"""What RONI shows."""

import math

import numpy as np

from modelwarden.checks.roni.found import Found, Proof
from modelwarden.impact.groups import HARMFUL
from modelwarden.report import Figure, Series

SHOWN = 20  # classes and contributors


def figures(found: Found) -> tuple[Figure, ...]:
    """Return the figures of what was found."""
    drawn = [_classes(found)]
    if found.proof is not None:
        drawn = [_impact(found), _accuracy(found.proof), _classes(found), _p_values(found)]
    if found.groups:
        drawn.append(_groups(found))
    return tuple(drawn)


def _impact(found: Found) -> Figure:
    widest = float(np.percentile(np.abs(found.impact), 99)) or 1.0
    edges = np.linspace(-widest, widest, 31)  # an edge at zero: no bin holds both signs
    return Figure(
        kind="histogram",
        title="Impact of each row",
        x_label="trusted loss without the row minus with it",
        y_label="rows",
        series=_split(found, np.clip(found.impact, -widest, widest), edges),
        threshold=0.0,
        threshold_label="no impact",
        caption="Rows left of zero make the model worse on trusted rows; impact is evidence, the "
        "rejection itself needs more. The outer bins hold what lies beyond.",
    )


def _p_values(found: Found) -> Figure:
    return Figure(
        kind="histogram",
        title="How unusual each row is",
        x_label="p-value: share of trusted rows that look as suspect",
        y_label="rows",
        series=_split(found, found.judgement.p_value, np.linspace(0, 1, 21)),
        caption="Clean rows spread evenly or to the right; poison piles up at the left.",
    )


def _split(
    found: Found, values: "np.ndarray[tuple[int], np.dtype[np.float64]]", edges: np.ndarray
) -> tuple[Series, ...]:
    """Return the histograms of kept and of rejected rows."""
    series = []
    for name, chosen in (("kept", ~found.rejected), ("rejected", found.rejected)):
        counts, _ = np.histogram(values[chosen], bins=edges)
        series.append(Series(name, tuple(edges[:-1].tolist()), tuple(counts.tolist())))
    return tuple(series)


def _accuracy(proof: Proof) -> Figure:
    bars = {
        "all rows": proof.effect.before,
        "without the rejected": proof.after,
        "without as many random rows": proof.effect.random,
    }
    drawn = {name: value for name, value in bars.items() if math.isfinite(value)}
    return Figure(
        kind="bars",
        title="Does rejecting help?",
        x_label="trained on",
        y_label="trusted accuracy",
        series=(Series("trusted accuracy", tuple(drawn), tuple(drawn.values())),),
        caption="Rejecting the right rows raises trusted accuracy; rejecting random rows does not.",
    )


def _classes(found: Found) -> Figure:
    counts = found.by_class(SHOWN)
    return Figure(
        kind="bars",
        title="Rejected rows by class",
        x_label="submitted label",
        y_label="rejected rows",
        series=(Series("rejected", tuple(counts), tuple(counts.values())),),
        caption="An attack in one direction shows as one class that stands out.",
    )


def _groups(found: Found) -> Figure:
    worst = found.groups[:SHOWN]
    return Figure(
        kind="bars",
        title="Impact of contributors",
        x_label="contributor, most harmful first",
        y_label="impact in standard errors",
        series=(
            Series("impact", tuple(str(g.group)[:20] for g in worst), tuple(g.z for g in worst)),
        ),
        threshold=HARMFUL,
        threshold_label="harm beyond chance",
        caption="A contributor whose rows make a model of trusted rows worse stands below zero.",
    )
