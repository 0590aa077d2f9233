"""Drift: whether a batch looks like the data that was trusted, in two channels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from modelwarden.concerns import ALERT, WARN, Concern, detail
from modelwarden.errors import InputError
from modelwarden.models import Predictor
from modelwarden.reference.contract import Schema, compare, listed
from modelwarden.reference.crowds import crowds
from modelwarden.reference.findings import Tested
from modelwarden.reference.margins import margins, stability
from modelwarden.reference.profile import Profile
from modelwarden.reference.relations import classifier, correlations, loneliness
from modelwarden.reference.survey import SAMPLED
from modelwarden.report import Figure, Findings, Json, Report, Series, finite
from modelwarden.store import File
from modelwarden.suspicion.encoding import Encoder, plain
from modelwarden.tables import Table
from modelwarden.work import Work

FLOORS = {"values": 0.05, "missing": 0.02}
"""Differences below which a change of quality is not worth a person's time."""
FAMILIES = ("crowd", "beyond", "copies", "correlation", "classifier", "lone rows")
"""Tests of the security channel, which share its false alarms equally."""
_CHANNELS = {"quality": WARN, "security": ALERT}
LISTED = 50
SHOWN = 10
PREDICTION = "prediction of the model"


def drift(
    batch: Table,
    profile: File,
    sample: Table,
    predictor: Predictor | None = None,
    *,
    alpha: float = 0.05,
    ignore: str = "",
    seed: int = 0,
    work: Work | None = None,
) -> Findings:
    """Hold a batch against the profile of trusted data.

    Two questions want two answers. **Quality**: is the data still what the model was made for?
    Each column is tested, false discoveries are controlled [1]_, and differences that are too small
    to matter are left out; else every large batch would alert. **Security**: does a small part of
    the rows agree with each other as poison does? There nothing is too small: crowds in a narrow
    range or in one value, values never seen before, copies, correlations, rows that stand apart,
    and whatever a classifier can tell apart.

    Parameters
    ----------
    batch : Table
        Rows to judge; of more than 20,000 a sample.
    profile : File
        What ``modelwarden profile`` wrote.
    sample : Table
        The sample that it wrote beside it.
    predictor : Predictor, optional
        A model, whose predictions are judged as one more column.
    alpha : float, default=0.05
        Share of batches without any change that alert all the same, half in each channel.
    ignore : str, default=""
        Columns that always move, such as row numbers and dates, separated by commas.
    seed : int, default=0
        Seeds samples and classifiers.
    work : Work, optional
        Told after each step.

    Returns
    -------
    Findings
        ``security_alerts``, ``quality_alerts``, ``schema_changes``, and the table ``tests``.

    Raises
    ------
    InputError
        If `alpha` is no share, profile and sample do not belong together, or no column is left.

    References
    ----------
    .. [1] Benjamini and Hochberg, "Controlling the False Discovery Rate", 1995.
    """
    share = finite(alpha)
    if share is None or not 0 < share < 1:
        raise InputError("alpha", "a share between 0 and 1", repr(alpha), "0.05 is usual")
    known, watch = Profile.open(profile, sample), work or Work()
    whole, schema = batch.frame(), compare(batch, known, ignore=listed(ignore))
    names = [name for name in sample.columns if name in schema.common]
    if not names:
        raise InputError(batch.uri, "columns of the profile", "none of them")
    random = np.random.default_rng(seed)
    rows = np.sort(random.permutation(batch.n_rows)[:SAMPLED])
    frame, trusted = whole.iloc[rows].reset_index(drop=True), sample.frame()
    new, old = _alike(plain(frame[names]), plain(trusted[names]))
    security = [*crowds(new, old, known), *_joint(new, old, seed)]
    watch.step("looked for rows that agree", 1, 2)
    if predictor is not None:
        new = new.assign(**{PREDICTION: _said(predictor, frame)})
        old = old.assign(**{PREDICTION: _said(predictor, trusted)})
    quality = margins(new, old)
    watch.step("compared distributions", 2, 2)
    judged = [*_quality(quality, alpha / 2), *_security(security, alpha / 2)]
    report = _report(judged, schema, batch.n_rows, len(rows), _moved(new, old))
    return Findings(
        report,
        tables={"tests": batch.encode(pd.DataFrame([_row(one) for one in judged]))},
        figures=(_figure(judged),),
    )


@dataclass(frozen=True)
class _Judged:
    """A test, its channel, its corrected p, and whether it alerts."""

    tested: Tested
    channel: str
    p: float
    alerts: bool


def _alike(new: pd.DataFrame, old: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Let columns without any value be what the other side's column is: texts, all missing."""
    for one, other in ((new, old), (old, new)):
        for name in one.columns:
            if one[name].dtype == np.float64 and other[name].dtype != np.float64:
                one[name] = pd.Series([""] * len(one), dtype=object)
    return new, old


def _joint(batch: pd.DataFrame, reference: pd.DataFrame, seed: int) -> list[Tested]:
    """Return the tests of all columns together."""
    encoder = Encoder.fit(reference)
    new, old = encoder.encode(batch), encoder.encode(reference)
    numbers = [name for name in batch.columns if batch[name].dtype == np.float64]
    alone = encoder.only(numbers)
    return [
        correlations(alone.encode(batch), alone.encode(reference), numbers),
        classifier(new, old, seed=seed),
        loneliness(new, old, seed=seed),
    ]


def _said(predictor: Predictor, frame: pd.DataFrame) -> "pd.Series[str]":
    names = predictor.facts.feature_names
    asked = frame[list(names)] if names and set(names) <= set(frame.columns) else frame
    return pd.Series([str(label) for label in predictor.predict(asked).tolist()], dtype=object)


def _quality(found: Sequence[Tested], alpha: float) -> list[_Judged]:
    """Control false discoveries over all columns, and leave out what is too small to matter."""
    adjusted = stats.false_discovery_control([one.p for one in found]) if found else []
    return [
        _Judged(one, "quality", float(p), bool(p <= alpha) and one.effect >= FLOORS[one.test])
        for one, p in zip(found, adjusted, strict=True)
    ]


def _security(found: Sequence[Tested], alpha: float) -> list[_Judged]:
    """Correct each test for its columns and for the number of families."""
    sizes = {family: sum(one.test == family for one in found) for family in FAMILIES}
    return [
        _Judged(one, "security", p, p <= alpha)
        for one in found
        for p in [min(1.0, one.p * sizes[one.test] * len(FAMILIES))]
    ]


def _report(
    judged: Sequence[_Judged],
    schema: Schema,
    n_rows: int,
    looked_at: int,
    moved: Json,
) -> Report:
    alerts = sorted((one for one in judged if one.alerts), key=lambda one: (one.channel, one.p))
    of = {name: [o for o in judged if o.channel == name] for name in ("quality", "security")}
    metrics = {
        "rows": n_rows,
        "schema_changes": len(schema.changes),
        **{f"{name}_alerts": sum(o.alerts for o in those) for name, those in of.items()},
        **{f"{name}_p": min((o.p for o in those), default=None) for name, those in of.items()},
        "largest_change": max((o.tested.effect for o in of["quality"]), default=None),
    }
    notes = [*(f"Column {change}." for change in schema.changes[:SHOWN])]
    notes += [_sentence(one) for one in alerts[:SHOWN]]
    if len(alerts) > SHOWN:
        notes.append(f"And {len(alerts) - SHOWN} more alerts: see the table of tests.")
    if looked_at < n_rows:
        notes.append(f"Of {n_rows} rows a random sample of {looked_at} was compared.")
    details = {
        "alerts": [_row(one) for one in alerts[:LISTED]],
        "schema": [str(change) for change in schema.changes[:LISTED]],
        "population_stability": moved,
        **detail([*_changed(schema), *_concerns(judged)]),
    }
    return Report("drift", metrics, notes=tuple(notes), details=details)


def _changed(schema: Schema) -> list[Concern]:
    return [Concern(one.column, ALERT, f"the column {one.words}") for one in schema.changes]


def _concerns(judged: Sequence[_Judged]) -> list[Concern]:
    """Return what alerts, column by column; a channel in which nothing was tested is blind."""
    found = [
        Concern(o.tested.column, _CHANNELS[o.channel], f"{o.tested.test}: {o.tested.words}")
        for o in judged
        if o.alerts or not math.isfinite(o.p)
    ]
    blind = [name for name in _CHANNELS if not any(o.channel == name for o in judged)]
    return [*found, *(Concern("", ALERT, f"nothing was tested for {name}") for name in blind)]


def _sentence(one: _Judged) -> str:
    about = f"{one.tested.column!r}: " if one.tested.column else ""
    return f"{one.channel.capitalize()}, {one.tested.test}: {about}{one.tested.words}."


def _moved(new: pd.DataFrame, old: pd.DataFrame) -> Json:
    """Return the columns of numbers that moved most, beside how far chance alone moves them."""
    numbers = [name for name in new.columns if new[name].dtype == np.float64]
    indices = {name: stability(new[name], old[name]) for name in numbers}
    moved = sorted(numbers, key=lambda name: indices[name][1] - indices[name][0])[:SHOWN]
    return {n: {"index": indices[n][0], "by_chance": indices[n][1]} for n in moved}


def _row(one: _Judged) -> dict[str, Json]:
    return {
        "channel": one.channel,
        "test": one.tested.test,
        "column": one.tested.column,
        "p": one.p,
        "effect": one.tested.effect,
        "alert": one.alerts,
    }


def _figure(judged: Sequence[_Judged]) -> Figure:
    changes = {o.tested.column: o.tested.effect for o in judged if o.tested.test == "values"}
    names = sorted(changes, key=lambda name: -changes[name])[:SHOWN]
    return Figure(
        kind="bars",
        title="Columns that changed most",
        x_label="column",
        y_label="largest difference of the distributions, 0 to 1",
        series=(Series("change", tuple(names), tuple(changes[name] for name in names)),),
        threshold=FLOORS["values"],
        threshold_label="smaller ones do not alert",
        caption="Quality only. What few rows do to a column is too small to be seen here.",
    )
