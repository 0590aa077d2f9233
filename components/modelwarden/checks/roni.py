"""RONI, reject on negative impact: find the training rows that teach a model what is not so."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.errors import InputError
from modelwarden.impact import ridge
from modelwarden.impact.confirmation import Effect, confirm
from modelwarden.report import Figure, Findings, Json, Report, Series, finite
from modelwarden.suspicion.conflict import LabelConflict, label_conflict
from modelwarden.suspicion.encoding import (
    Encoder,
    canonical_order,
    check_alike,
    known,
    plain,
)
from modelwarden.tables import Table, features, labels
from modelwarden.work import Work

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

FEWEST_ROWS = 10
FEWEST_TRUSTED = 20
SHOWN_CLASSES = 20


def roni(
    train: Table,
    trusted: Table,
    *,
    target: str,
    alpha: float = 0.05,
    max_rejected: float = 0.25,
    seed: int = 0,
    work: Work | None = None,
) -> Findings:
    r"""Reject training rows whose label trusted rows contradict, and confirm that it helps.

    A row :math:`(x_i, y_i)` is rejected when a model fitted on trusted rows only is sure of another
    label and its conformal p-value is at most `alpha`. The impact of every row, the exact
    leave-one-out change of a ridge model's trusted loss, is measured beside it as evidence. Then
    comes RONI's own question, asked of all rejected rows at once: does a model trained without them
    get more trusted rows right than with them, and than without as many random rows?

    Parameters
    ----------
    train : Table
        Submitted rows, at least 10.
    trusted : Table
        Rows that people vouch for, drawn like clean submitted ones: at least 20, better 200, with
        the columns and labels of `train`.
    target : str
        Column of labels; classification only.
    alpha : float, default=0.05
        Share of clean rows that may be rejected on average, between 0 and 1.
    max_rejected : float, default=0.25
        Share of all rows, at most 1, above which the check fails instead of removing anything.
    seed : int, default=0
        Seeds the forest, the folds and the random rows.
    work : Work, optional
        Told after each step.

    Returns
    -------
    Findings
        Tables ``kept`` and ``quarantine``, which together are `train`. When the check fails, every
        row is kept. The order of submitted rows changes nothing.

    Raises
    ------
    InputError
        If tables or options cannot be used, or `alpha` needs more trusted rows.

    References
    ----------
    .. [1] Barreno et al., "The Security of Machine Learning", Machine Learning 81, 2010.
    .. [2] Nelson et al., "Misleading Learners: Co-opting Your Spam Filter", 2009.
    """
    work = work or Work()
    _check_options(alpha, max_rejected, seed)
    rows = _rows(train, trusted, target)
    _check_trust(rows, trusted.uri, alpha)
    work.step("roni", 1, 4)
    conflict = label_conflict(rows.x, rows.y, rows.trusted_x, rows.trusted_y, seed=seed)
    rejected = conflict.submitted.rejected(alpha) & ~rows.vouched
    work.step("roni", 2, 4)
    impact = ridge.leave_one_out(rows.x, rows.y, rows.trusted_x, rows.trusted_y)
    work.step("roni", 3, 4)
    effect = confirm(rows.x, rows.y, rows.trusted_x, rows.trusted_y, rejected, seed=seed)
    found = _Found(rows, conflict, rejected, impact, effect)
    work.step("roni", 4, 4)

    failures = _failures(found, max_rejected)
    kept = np.ones(len(rejected), dtype=bool)
    kept[rows.order] = ~rejected | bool(failures)  # a failed check removes nothing
    return Findings(
        report=Report(
            "roni", _metrics(found), failures, _notes(found, alpha), _details(found, alpha)
        ),
        tables={"kept": train.select(kept), "quarantine": train.select(~kept)},
        figures=(_impact_figure(found), _accuracy_figure(found.effect), _class_figure(found)),
    )


@dataclass(frozen=True)
class _Rows:
    """Both tables as numbers; submitted rows in an order that depends on their content alone."""

    x: Floats
    y: Codes
    trusted_x: Floats
    trusted_y: Codes
    classes: tuple[str, ...]
    vouched: Mask  # submitted rows that equal a trusted row, label included
    order: Codes  # x[i] is row order[i] of the table


@dataclass(frozen=True)
class _Found:
    """Everything that was measured, in the order of `rows`."""

    rows: _Rows
    conflict: LabelConflict
    rejected: Mask
    impact: Floats
    effect: Effect

    @property
    def harmful(self) -> float | None:
        """Share of the rejected rows with a negative impact, None without any."""
        return float((self.impact[self.rejected] < 0).mean()) if self.rejected.any() else None

    @property
    def by_class(self) -> dict[str, int]:
        """Rejected rows by submitted label, most first, of at most 20 classes."""
        classes = self.rows.classes
        counts = np.bincount(self.rows.y[self.rejected], minlength=len(classes))
        shown = np.argsort(-counts, kind="stable")[:SHOWN_CLASSES]
        return {classes[code]: int(counts[code]) for code in shown}


def _check_options(alpha: float, max_rejected: float, seed: int) -> None:
    share, most = finite(alpha), finite(max_rejected)
    if share is None or not 0 < share < 1:
        raise InputError("alpha", "a number between 0 and 1", repr(alpha), "0.05 is usual")
    if most is None or not 0 < most <= 1:
        raise InputError(
            "max_rejected", "a number above 0, at most 1", repr(max_rejected), "0.25 is usual"
        )
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError("seed", "a whole number from 0 to 4294967295", repr(seed), "0 is usual")


def _rows(train: Table, trusted: Table, target: str) -> _Rows:
    if train.sha256 == trusted.sha256:
        raise InputError(
            trusted.uri, f"other rows than {train.uri}", "the same file", "have people review rows"
        )
    _check_size(train, FEWEST_ROWS, "submit more rows at a time")
    _check_size(trusted, FEWEST_TRUSTED, "have people review more rows, better 200 of them")
    frame, trusted_frame = features(train, target), features(trusted, target)
    check_alike(frame, trusted_frame, where=train.uri, trusted_uri=trusted.uri)
    frame, trusted_frame = plain(frame[trusted_frame.columns]), plain(trusted_frame)
    classes, y, trusted_y = _codes(train, trusted, target)
    encoder = Encoder.fit(trusted_frame)
    x, trusted_x = encoder.encode(frame), encoder.encode(trusted_frame)
    if x.shape[1] == 0:
        raise InputError(
            trusted.uri, "a column of numbers or repeated values", "none", "add features"
        )
    frame[target], trusted_frame[target] = y, trusted_y
    vouched = known(frame, trusted_frame)
    order = canonical_order(np.column_stack([x, y, vouched]))
    return _Rows(x[order], y[order], trusted_x, trusted_y, classes, vouched[order], order)


def _check_size(table: Table, fewest: int, fix: str) -> None:
    if table.n_rows < fewest:
        raise InputError(table.uri, f"at least {fewest} rows", str(table.n_rows), fix)


def _codes(train: Table, trusted: Table, target: str) -> tuple[tuple[str, ...], Codes, Codes]:
    submitted, vouched = labels(train, target), labels(trusted, target)
    classes = pd.Index(vouched).unique().sort_values()
    y = classes.get_indexer(pd.Index(submitted))
    if (y < 0).any():
        unknown = sorted({repr(label)[:40] for label in submitted[y < 0].unique().tolist()})
        raise InputError(
            f"{train.uri}, column {target!r}",
            "only labels that trusted rows have",
            ", ".join(unknown[:5]),
            "correct the labels, or add trusted rows of every class",
        )
    return tuple(map(str, classes)), y, classes.get_indexer(pd.Index(vouched))


def _check_trust(rows: _Rows, uri: str, alpha: float) -> None:
    n_trusted = len(rows.trusted_y)
    if 1 / (n_trusted + 1) > alpha:
        raise InputError(
            "alpha",
            f"at least {1 / (n_trusted + 1):.4f} with {n_trusted} trusted rows",
            f"{alpha:g}",
            f"have {np.ceil(1 / alpha) - 1:.15g} trusted rows or raise alpha",
        )
    counts = np.bincount(rows.trusted_y)
    if counts.min() < 2:
        rare = rows.classes[int(counts.argmin())]
        raise InputError(
            uri, "at least 2 rows of every class", f"1 of class {rare}", "add trusted rows of it"
        )


def _failures(found: _Found, max_rejected: float) -> tuple[str, ...]:
    count, share, effect = found.rejected.sum(), found.rejected.mean(), found.effect
    failures = []
    if not share <= max_rejected:
        failures.append(
            f"{count} of {len(found.rejected)} rows ({share:.1%}) are suspect, more than "
            f"max_rejected = {max_rejected:.1%} allows; nothing was removed: find out where the "
            "rows came from"
        )
    if not math.isfinite(effect.change):
        failures.append("all rows are suspect; nothing was removed: there is nothing to train on")
    elif effect.harmful:
        failures.append(
            f"rejecting {count} rows would lower trusted accuracy by {-effect.change:.1%} "
            f"(standard error {effect.standard_error:.1%}); nothing was removed: check that the "
            "trusted rows resemble the submitted ones"
        )
    return tuple(failures)


def _metrics(found: _Found) -> Mapping[str, float]:
    return {
        "rows": len(found.rejected),
        "rejected_rows": int(found.rejected.sum()),
        "rejected_fraction": float(found.rejected.mean()),
        "accuracy_before": found.effect.before,
        "accuracy_after": found.effect.after,
        "accuracy_random": found.effect.random,
    }


def _notes(found: _Found, alpha: float) -> tuple[str, ...]:
    rows, n_trusted = found.rows, len(found.rows.trusted_y)
    of_trusted = found.conflict.trusted.rejected(alpha).mean()
    notes = [
        f"At most {100 * alpha:.3g} % of clean rows are rejected on average, if trusted and clean "
        "submitted rows come from the same distribution. This holds approximately, because the "
        f"{n_trusted} trusted rows are used twice, by cross-fitting: of themselves the rule would "
        f"reject {of_trusted:.1%}. The smallest possible p-value is 1/{n_trusted + 1}.",
        "Everything rests on the trusted rows: draw them at random from a source of clean rows, "
        "have people review them, and keep them out of reach of whoever submits rows.",
        "Not seen here: poison with correct labels, backdoors, and attackers who know the trusted "
        "rows. Trusted rows both choose and confirm, so the accuracy after is a little flattering.",
    ]
    if found.harmful is not None:
        notes.append(
            f"Of the rejected rows {found.harmful:.0%} have a negative impact by themselves."
        )
    if rows.vouched.any():
        notes.append(
            f"{rows.vouched.sum()} of the submitted rows equal a trusted row, label included: they "
            "are vouched for and never rejected."
        )
    absent = [rows.classes[code] for code in np.setdiff1d(rows.trusted_y, rows.y)]
    if absent:
        notes.append(f"No submitted row has the label {', '.join(absent[:SHOWN_CLASSES])}.")
    return tuple(notes)


def _details(found: _Found, alpha: float) -> Mapping[str, Json]:
    n_trusted = len(found.rows.trusted_y)
    counts, _ = np.histogram(found.conflict.submitted.p_value, bins=20, range=(0, 1))
    return {
        "trusted_rows": n_trusted,
        "smallest_p_value": 1 / (n_trusted + 1),
        "trusted_rejected_fraction": float(found.conflict.trusted.rejected(alpha).mean()),
        "forest_weight": found.conflict.forest_weight,
        "vouched_rows": int(found.rows.vouched.sum()),
        "harmful_fraction_of_rejected": found.harmful,
        "accuracy_change": finite(found.effect.change),
        "accuracy_change_standard_error": finite(found.effect.standard_error),
        "rejected_by_class": found.by_class,
        "p_value_histogram": counts.tolist(),
    }


def _impact_figure(found: _Found) -> Figure:
    widest = float(np.percentile(np.abs(found.impact), 99)) or 1.0
    edges = np.linspace(-widest, widest, 31)  # an edge at zero: no bin holds both signs
    inside = np.clip(found.impact, -widest, widest)

    def series(name: str, chosen: Mask) -> Series:
        counts, _ = np.histogram(inside[chosen], bins=edges)
        return Series(name, tuple(edges[:-1].tolist()), tuple(counts.tolist()))

    return Figure(
        kind="histogram",
        title="Impact of each row",
        x_label="trusted loss without the row minus with it",
        y_label="rows",
        series=(series("kept", ~found.rejected), series("rejected", found.rejected)),
        threshold=0.0,
        threshold_label="no impact",
        caption="Rows left of zero make the model worse on trusted rows; impact is evidence, the "
        "rejection itself needs a contradicted label. The outer bins hold what lies beyond.",
    )


def _accuracy_figure(effect: Effect) -> Figure:
    bars = {
        "all rows": effect.before,
        "without the rejected": effect.after,
        "without as many random rows": effect.random,
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


def _class_figure(found: _Found) -> Figure:
    counts = found.by_class
    return Figure(
        kind="bars",
        title="Rejected rows by class",
        x_label="submitted label",
        y_label="rejected rows",
        series=(Series("rejected", tuple(counts), tuple(counts.values())),),
        caption="An attack in one direction shows as one class that stands out.",
    )
