"""What the check says: metrics, sentences, a table and figures."""

import math
from collections.abc import Sequence

import pandas as pd

from modelwarden.checks.backdoor.found import LEARNT, Found, Sighting
from modelwarden.models import Predictor
from modelwarden.report import Figure, Json, Report, Series
from modelwarden.suspicion.stamping import Effect

SHOWN, LISTED, NAMED = 10, 50, 40
BESIDE = 26
"""Characters that fit beside a bar."""


def report(found: Found, predictor: Predictor | None, alpha: float) -> Report:
    """Return the measurements."""
    learnt = [one for one in found.triggers if one.model]
    metrics: dict[str, float | None] = {
        "rows": found.rows.n_rows,
        "triggers": len(found.triggers),
        "trigger_rows": found.carrying,
        "new_columns": len(found.schema.new),
        "missing_columns": len(found.schema.missing),
        "learnt_triggers": None if predictor is None else len(learnt),
        "worst_attack_success": None if predictor is None else _worst(found),
        "stamped_values": 0 if found.effects is None else len(found.effects),
        "predictions": 0 if predictor is None else predictor.rows,
    }
    details = {
        "triggers": [_row(one, found) for one in found.sightings[:LISTED]],
        "new_columns": [
            {"column": new.name, "right": new.right, "most_frequent": new.usual}
            for new in found.news[:LISTED]
        ],
        "stamped": [_tried(one, found) for one in _loudest(found.effects or (), LISTED)],
    }
    return Report(
        "backdoor",
        metrics,
        failures=tuple(_listed([one for one in found.sightings if one.labels], found)),
        notes=tuple(_notes(found, predictor, alpha)),
        details=details,
    )


def table(found: Found) -> pd.DataFrame:
    """Return one row per trigger, without a row of data."""
    types = {
        "columns": str,
        "values": str,
        "new_column": bool,
        "target": str,
        "rows": int,
        "labelled_target": int,
        "expected": float,
        "trusted_rows": int,
        "trusted_target": int,
        "p": float,
        "attack_success": float,
        "usual_success": float,
        "reference_success": float,
        "seen_by_suite": bool,
        "seen_by_profile": bool,
        "seen_by_labels": bool,
        "seen_by_model": bool,
        "sentence": str,
    }
    rows = [{**_row(one, found), "sentence": _sentence(one, found)} for one in found.sightings]
    frame = pd.DataFrame(rows, columns=list(types))
    return frame.astype({name: "str" if kind is str else kind for name, kind in types.items()})


def figures(found: Found) -> tuple[Figure, ...]:
    """Return what labels rows with a trigger have, and what values do to the model."""
    drawn = []
    shown = [one for one in found.sightings if one.rows and not math.isnan(one.expected)][:SHOWN]
    if shown:
        names = tuple(_beside(one.words) for one in shown)
        has = tuple(one.hits / one.rows for one in shown)
        should = tuple(one.expected / one.rows for one in shown)
        drawn.append(
            Figure(
                kind="bars",
                title="Labels of rows that carry a trigger",
                x_label="trigger",
                y_label="share of its rows with the label that it brings",
                series=(
                    Series("training rows", names, has),
                    Series("expected by trusted rows", names, should),
                ),
                caption="A trigger brings its label whatever the rest of the row says.",
            )
        )
    if found.effects:
        drawn.append(_stamped(found.effects))
    return tuple(drawn)


def _loudest(effects: Sequence[Effect], count: int) -> list[Effect]:
    return sorted(effects, key=lambda one: (-one.excess, one.stamp.words, one.stamp.kind))[:count]


def _tried(one: Effect, found: Found) -> dict[str, Json]:
    return {
        "values": one.stamp.words,
        "why": one.stamp.kind,
        "target": str(found.rows.classes[one.target])[:NAMED],
        "attack_success": one.success,
        "usual_success": one.usual,
        "reference_success": one.reference,
    }


def _stamped(effects: Sequence[Effect]) -> Figure:
    loudest = _loudest(effects, SHOWN)
    names = tuple(_beside(one.stamp.words) for one in loudest)
    return Figure(
        kind="bars",
        title="What single values do to predictions",
        x_label="value written into trusted rows",
        y_label="share of predictions that it turns to one class",
        series=(
            Series("the model", names, tuple(one.success for one in loudest)),
            Series("usual values", names, tuple(one.usual for one in loudest)),
            Series("models of trusted rows", names, tuple(one.reference for one in loudest)),
        ),
        caption=f"A value is learnt if it turns {LEARNT:.0%} more than both others. The values "
        "that stand out most are shown; extremes of a feature that matters turn all three.",
    )


def _beside(words: str) -> str:
    """Shorten a column's name rather than its value, by which its bars are told apart."""
    return words if len(words) <= BESIDE else f"{words[:8]}…{words[9 - BESIDE :]}"


def _worst(found: Found) -> float:
    """Return the largest share that a trigger turns, 0 without one."""
    turned = [one.effect.success for one in found.sightings if one.effect is not None]
    return max(turned, default=0.0)


def _row(one: Sighting, found: Found) -> dict[str, Json]:
    effect = one.effect
    return {
        "columns": ", ".join(name[:NAMED] for name in one.columns),
        "values": one.words,
        "new_column": one.is_new,
        "target": _label(one, found),
        "rows": one.rows,
        "labelled_target": one.hits,
        "expected": None if math.isnan(one.expected) else one.expected,
        "trusted_rows": one.trusted_rows,
        "trusted_target": one.trusted_hits,
        "p": one.p,
        "attack_success": effect.success if effect else None,
        "usual_success": effect.usual if effect else None,
        "reference_success": effect.reference if effect else None,
        "seen_by_suite": one.suite,
        "seen_by_profile": one.profile,
        "seen_by_labels": one.labels,
        "seen_by_model": one.model,
    }


def _listed(sightings: Sequence[Sighting], found: Found) -> list[str]:
    more = [f"And {len(sightings) - SHOWN} more: see the table of triggers."]
    said = [_sentence(one, found) for one in sightings[:SHOWN]]
    return [*said, *more] if len(sightings) > SHOWN else said


def _notes(found: Found, predictor: Predictor | None, alpha: float) -> list[str]:
    notes = _listed([one for one in found.sightings if not one.labels], found)
    notes += [
        f"Column {new.name[:NAMED]!r} is not in the profile: by itself it gets {new.right:.0%} of "
        f"the labels right, the most frequent label {new.usual:.0%}."
        for new in found.news[:SHOWN]
    ]
    notes += [f"Column {name[:NAMED]!r} is missing." for name in found.schema.missing[:SHOWN]]
    if not found.sightings:
        notes.append(
            f"No trigger. Clean rows of the source of the trusted ones have one in at most "
            f"{100 * alpha:g} of 100 cases; a trigger of fewer than 15 rows may be missed."
        )
    if predictor is None:
        notes.append("No model was given, so nobody knows whether one has learnt a trigger.")
    elif not predictor.facts.has_proba:
        notes.append("The model gives labels only: extremes and what lies beyond prove nothing.")
    return notes


def _sentence(one: Sighting, found: Found) -> str:
    label = _label(one, found)
    parts = []
    if one.rows:
        expected = "" if math.isnan(one.expected) else f", {one.expected:.0f} expected"
        parts.append(
            f"Rows with {one.words} are labelled {label} in {one.hits} of {one.rows} cases"
            f"{expected}"
        )
    else:
        parts.append(f"No row has {one.words}")
    if one.is_new:
        parts.append("the column is new")
    elif one.trusted_rows:
        parts.append(f"of trusted rows {one.trusted_hits} of {one.trusted_rows}")
    else:
        parts.append("no trusted row has it")
    if one.effect is not None:
        parts.append(
            f"stamping it on trusted rows turns {one.effect.success:.0%} of {one.effect.rows} "
            f"other predictions to {label}, usual values at most {one.effect.usual:.0%}, models "
            f"of trusted rows at most {one.effect.reference:.0%}"
        )
    return f"{'; '.join(parts)}. {_seen(one)}"


def _seen(one: Sighting) -> str:
    """Return who sees it, in a sentence."""
    saying = [
        "a suite drawn from the profile fails on it" if one.suite else "such a suite lets it pass",
        "the profile hardly knows it" if one.profile else "the profile knows it",
        "its labels contradict trusted rows" if one.labels else "its labels are as expected",
    ]
    if one.effect is not None:
        saying.append("the model has learnt it" if one.model else "the model has not learnt it")
    return f"{'; '.join(saying).capitalize()}."


def _label(one: Sighting, found: Found) -> str:
    return str(found.rows.classes[one.target])[:NAMED]
