"""What the check found, and who would have seen it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modelwarden.errors import InputError
from modelwarden.reference.contract import listed
from modelwarden.reference.profile import ColumnProfile, Profile
from modelwarden.reference.suite import stops
from modelwarden.suspicion.encoding import plain
from modelwarden.suspicion.new_columns import NewColumn
from modelwarden.suspicion.stamping import SLOPES, Effect
from modelwarden.suspicion.steering import Steering
from modelwarden.suspicion.submission import Submission
from modelwarden.suspicion.triggers import Trigger
from modelwarden.tables import Table

LEARNT = 0.5
"""Share of predictions that a value turns; where data are silent, beyond what honest models do."""
RARER = 3.0
"""Evidence (natural logarithm) that a value came more often than among trusted rows."""
MOST = 20


@dataclass(frozen=True)
class Schema:
    """How the columns of two tables differ.

    Parameters
    ----------
    new : tuple of str
        Columns that trusted rows lack, or have no value in, or another kind of values.
    missing : tuple of str
        Columns that only trusted rows have.
    ignored : tuple of str
        Columns that the caller left out.
    """

    new: tuple[str, ...]
    missing: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def left_out(self) -> tuple[str, ...]:
        """Return the columns that both tables cannot be held against each other by."""
        return (*self.new, *self.missing, *self.ignored)

    @classmethod
    def compare(cls, train: Table, sample: Table, target: str, ignore: str) -> "Schema":
        """Compare the features of two tables."""
        ignored = listed(ignore)
        if target in ignored:
            raise InputError("ignore", "no column of labels", repr(target))
        here, there = (
            plain(part.frame().drop(columns=list({target, *ignored} & set(part.columns))))
            for part in (train, sample)
        )
        both = [name for name in here.columns if name in there.columns]
        new = [name for name in here.columns if name not in there.columns]
        missing = [name for name in there.columns if name not in here.columns]
        for name in both:
            if here[name].isna().all() and not there[name].isna().all():
                missing.append(name)
            elif here[name].dtype != there[name].dtype or (
                there[name].isna().all() and not here[name].isna().all()
            ):
                new.append(name)
        if not set(both) - {*new, *missing}:
            raise InputError(train.uri, f"columns of {sample.uri}", "none of them")
        return cls(tuple(new), tuple(missing), tuple(sorted(ignored)))


@dataclass(frozen=True)
class Sighting:
    """A trigger, and who sees it.

    Parameters
    ----------
    trigger : Trigger
        Columns and values; None for a value that no row has.
    words : str
        The same for people.
    columns : tuple of str
        Its columns.
    target : int
        Class code.
    rows, hits, trusted_rows, trusted_hits : int
        Submitted and trusted rows that carry it, and those of them with the label.
    expected : float
        Submitted ones that should have the label; NaN where only the model speaks.
    p : float
        Chance of it in clean data; 1 where only the model speaks.
    is_new : bool
        Whether its column is new.
    effect : Effect or None
        What it does to the model.
    suite, profile, labels, model : bool
        Whether a suite drawn from the profile fails on it, the profile has never seen it or
        far less often, its labels contradict trusted rows, and the model has learnt it.
    """

    trigger: Trigger | None
    words: str
    columns: tuple[str, ...]
    target: int
    rows: int
    hits: int
    trusted_rows: int
    trusted_hits: int
    expected: float
    p: float
    is_new: bool
    effect: Effect | None
    suite: bool
    profile: bool
    labels: bool
    model: bool


@dataclass(frozen=True)
class Found:
    """Everything that was found.

    Parameters
    ----------
    rows : Submission
        The rows.
    schema : Schema
        How the columns differ.
    sightings : tuple of Sighting
        Triggers of known columns first, the surest first.
    news : list of NewColumn
        The new columns.
    effects : list of Effect or None
        Everything that was stamped; None without a model.
    """

    rows: Submission
    schema: Schema
    sightings: tuple[Sighting, ...]
    news: Sequence[NewColumn]
    effects: Sequence[Effect] | None

    @property
    def triggers(self) -> tuple[Sighting, ...]:
        """Return the triggers of columns that trusted rows have."""
        return tuple(one for one in self.sightings if not one.is_new)

    @property
    def carrying(self) -> int:
        """Return how many submitted rows carry a trigger of a known column."""
        carried = np.zeros(self.rows.n_rows, dtype=bool)
        for one in self.triggers:
            if one.trigger is not None:
                carried |= one.trigger.matches(self.rows.codes)
        return int(carried.sum())


def gather(
    rows: Submission,
    known: Profile,
    schema: Schema,
    steered: Sequence[Steering],
    news: Sequence[NewColumn],
    effects: Sequence[Effect] | None,
) -> Found:
    """Join what data and model say about each value."""
    of = {one.stamp.words: one for one in effects or () if one.stamp.kind == "suspect"}
    found = [_by_data(rows, known, one, of.get(one.trigger.words)) for one in steered]
    named = {name for one in found for name in one.columns}
    fresh = [one for new in news for one in new.triggers]
    found += _by_model(rows, known, effects or (), named)
    found += [_by_data(rows, known, one, of.get(one.trigger.words)) for one in fresh]
    return Found(rows, schema, tuple(found), news, effects)


def _by_data(rows: Submission, known: Profile, one: Steering, effect: Effect | None) -> Sighting:
    trigger, is_new = one.trigger, one.trigger.position < 0
    return Sighting(
        trigger=trigger,
        words=trigger.words,
        columns=tuple(part.column.name for part in trigger.parts),
        target=one.target,
        rows=trigger.rows,
        hits=one.hits,
        trusted_rows=trigger.trusted_rows,
        trusted_hits=one.trusted_hits,
        expected=one.expected,
        p=one.p,
        is_new=is_new,
        effect=effect,
        suite=is_new or _stopped(trigger, known, trigger.rows / rows.n_rows),
        profile=is_new or one.by_frequency >= RARER or _is_unknown(trigger, known),
        labels=one.by_labels >= RARER,
        model=effect is not None and effect.success >= LEARNT,
    )


def _by_model(
    rows: Submission, known: Profile, effects: Sequence[Effect], named: set[str]
) -> list[Sighting]:
    """Return what only the model shows: of each column the value that turns most."""
    found: dict[str, Effect] = {}
    for one in effects:
        name = next(iter(one.stamp.cells))
        accuses = one.stamp.kind not in ("suspect", *SLOPES)
        if accuses and name not in named and one.excess >= LEARNT:
            found[name] = max(found.get(name, one), one, key=lambda each: each.excess)
    loudest = sorted(found.values(), key=lambda each: -each.excess)[:MOST]
    return [_seen_in_model(rows, known, one) for one in loudest]


def _seen_in_model(rows: Submission, known: Profile, one: Effect) -> Sighting:
    trigger = one.stamp.trigger
    hits = trusted_hits = 0
    if trigger is not None:
        hits = int((rows.y[trigger.matches(rows.codes)] == one.target).sum())
        there = trigger.matches(rows.trusted_codes)
        trusted_hits = int((rows.trusted_y[there] == one.target).sum())
    return Sighting(
        trigger=trigger,
        words=one.stamp.words,
        columns=tuple(one.stamp.cells),
        target=one.target,
        rows=trigger.rows if trigger else 0,
        hits=hits,
        trusted_rows=trigger.trusted_rows if trigger else 0,
        trusted_hits=trusted_hits,
        expected=float("nan"),
        p=1.0,
        is_new=False,
        effect=one,
        suite=trigger is not None and _stopped(trigger, known, trigger.rows / rows.n_rows),
        profile=trigger is None or _is_unknown(trigger, known),
        labels=False,
        model=True,
    )


def _stopped(trigger: Trigger, known: Profile, share: float) -> bool:
    return any(
        stops(known.by_name[part.column.name], value, share, known.rows)
        for part in trigger.parts
        if part.column.name in known.by_name
        for value in part.column.values[[part.first, part.last]].tolist()
    )


def _is_unknown(trigger: Trigger, known: Profile) -> bool:
    """Whether the profile has no such value: beyond its range, or not among texts it counted."""
    return any(
        _lacks(known.by_name[part.column.name], value)
        for part in trigger.parts
        if part.column.name in known.by_name
        for value in part.column.values[[part.first, part.last]].tolist()
    )


def _lacks(column: ColumnProfile, value: float | str) -> bool:
    if value == "" or value != value:  # NaN is missing
        return column.missing == 0
    if isinstance(value, str):
        return column.distinct == len(column.values) and value not in column.values
    return column.kind in ("number", "time") and not column.low <= value <= column.high
