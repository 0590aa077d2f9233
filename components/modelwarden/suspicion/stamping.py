"""Stamping: what a value does to a model's answers, wherever it is written.

A trigger turns rows of every kind to one class. So does the extreme of a feature that matters, in
an honest model as well. A value counts as learnt by the model only if it turns far more rows than

- usual values of the same column do in the same model (the column, filled at random), and
- the same value does in models that were trained on trusted rows alone: a regression, a forest and
  boosted trees, since each goes its own way beyond what it has seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types
from scipy.special import logit
from scipy.stats import binom
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from modelwarden.suspicion.encoding import Encoder, plain
from modelwarden.suspicion.expectation import frequency_evidence
from modelwarden.suspicion.steering import FEWEST_ROWS, PURER, Steering
from modelwarden.suspicion.submission import Column, Submission
from modelwarden.suspicion.triggers import Trigger

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Small = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

MOST_PREDICTIONS = 60_000
FEWEST_BASES, MOST_BASES = 30, 300
USUAL = 6
"""Usual values of a column that are tried beside the suspect ones."""
TRIED = 4
"""Values of a column that trusted rows lack most, that are tried."""
FARTHEST = 1000.0
SURE = 15.0  # log-odds
SHARED = FEWEST_ROWS // 2
NOISY = 2.5
"""Standard errors of what so few labels can tell, among all the values that are tried."""
TREES, ROUNDS = 30, 50
SLOPES = ("usual", "middle")
"""Kinds of stamps that show how a model takes a column, and accuse nobody."""

Says = Callable[[pd.DataFrame], Floats]


@dataclass(frozen=True)
class Stamp:
    """Values that are written into rows.

    Parameters
    ----------
    cells : mapping of str to value
        By column.
    kind : {"suspect", "usual", "rare", "middle", "extreme", "beyond"}
        Why it is tried: what data alone found, what nobody suspects, what trusted rows have rarely,
        the middle one of trusted values where nearly all rows have the same one, the lowest and
        highest, and what lies as far again beyond.
    trigger : Trigger, optional
        The values among those of submitted rows; None beyond them.
    words : str
        Columns and values.
    target : int, default=-1
        Class code that it is said to bring; -1 for whichever it does.
    """

    cells: Mapping[str, Any]
    kind: str
    trigger: Trigger | None
    words: str
    target: int = -1


@dataclass(frozen=True)
class Effect:
    """What a stamp does to trusted rows.

    Parameters
    ----------
    stamp : Stamp
        The values.
    target : int
        Class code that most rows turn to.
    success : float
        Share of the rows of other classes that turn to it.
    usual, reference : float
        The same for the best usual value of the column, and in the most willing trusted model, or
        what labels of trusted rows with the value allow.
    rows : int
        Rows of other classes.
    """

    stamp: Stamp
    target: int
    success: float
    usual: float
    reference: float
    rows: int

    @property
    def excess(self) -> float:
        """Return how much more it turns than an honest model lets expect."""
        return self.success - max(self.usual, self.reference)


def stamps(
    rows: Submission, frame: pd.DataFrame, trusted: pd.DataFrame, suspects: Sequence[Steering]
) -> list[Stamp]:
    """Return what to try: suspects first, then every column's extremes, rare and usual values.

    What lies beyond all trusted numbers is tried as well, but missing values only where rows have
    them: a model may refuse what it was never given.

    Parameters
    ----------
    rows : Submission
        Both tables, encoded.
    frame, trusted : DataFrame
        Their features as they are; `frame` in the order of `rows`.
    suspects : sequence of Steering
        What data alone found.
    """
    found = [_suspect(one, rows, frame) for one in suspects]
    for place, column in enumerate(rows.columns):
        found += _of_column(column, place, rows, frame[column.name], trusted[column.name])
    return found


def effects(
    says: Says, tried: Sequence[Stamp], rows: Submission, trusted: pd.DataFrame, *, seed: int
) -> list[Effect]:
    """Write each stamp into trusted rows, and ask the model and the trusted ones, once each.

    Parameters
    ----------
    says : callable
        Returns the model's probabilities for each row of a frame like `trusted`; ones and zeros
        where it gives labels only.
    tried : sequence of Stamp
        What to write.
    rows : Submission
        Where the trusted models learn.
    trusted : DataFrame
        Trusted features as they are, in the table's order.
    seed : int
        Seeds the draw of rows and the trusted models.
    """
    random = np.random.default_rng(seed)
    size = int(np.clip(MOST_PREDICTIONS // (len(tried) + 1), FEWEST_BASES, MOST_BASES))
    chosen = np.sort(random.permutation(len(trusted))[:size])
    bases = trusted.iloc[chosen].reset_index(drop=True)
    stamped = _written(bases, tried)
    said = says(stamped)
    flips = [_flips(said.argmax(axis=1), len(bases), rows.n_classes)]
    known = plain(trusted)
    encoder = Encoder.fit(known, farthest=FARTHEST)
    x = _encoded(encoder, plain(bases), plain(_few(bases, tried)), tried)
    for model in _models(seed):
        model.fit(encoder.encode(known), rows.trusted_y)
        flips.append(_flips(model.predict(x), len(bases), rows.n_classes))
    base = flips[0][1]
    usual = _usual(tried, flips[0][0])
    references = np.max([share for share, _ in flips[1:]], axis=0)
    straight = _continued(said, tried, bases, rows)
    found = []
    for place, stamp in enumerate(tried):
        allowed = (_told(stamp, rows), _noise(stamp, rows, said[: len(bases)]))
        honest = (*allowed, np.broadcast_to(straight.get(place, 0.0), rows.n_classes))
        references[place] = np.max([references[place], *honest], axis=0)
        beside = np.maximum(usual[place], references[place])
        target = stamp.target
        if target < 0:
            target = int(np.argmax(flips[0][0][place] - beside))
        found.append(
            Effect(
                stamp=stamp,
                target=target,
                success=float(flips[0][0][place, target]),
                usual=float(usual[place, target]),
                reference=float(references[place, target]),
                rows=int((base != target).sum()),
            )
        )
    return found


def stamp_of_new(new: Steering, cells: "pd.Series[Any]", values: "pd.Series[Any]") -> Stamp:
    """Return the stamp of a value of a column that trusted rows lack.

    Parameters
    ----------
    new : Steering
        What was found in it.
    cells, values : Series
        The column as it is, and :func:`modelwarden.suspicion.encoding.plain`.
    """
    value = new.trigger.column.values[new.trigger.first]
    has = values.isna() if value != value else values == value
    raw = cells[has.to_numpy()].iloc[0]
    name = str(cells.name)
    return Stamp({name: raw}, "suspect", new.trigger, new.trigger.words, new.target)


def _suspect(suspect: Steering, rows: Submission, frame: pd.DataFrame) -> Stamp:
    """Return the values that most rows with a trigger carry."""
    trigger = suspect.trigger
    carrying = trigger.matches(rows.codes)
    cells = {
        part.column.name: frame[part.column.name][carrying].mode(dropna=False).iloc[0]
        for part in trigger.parts
    }
    return Stamp(cells, "suspect", trigger, trigger.words, suspect.target)


def _of_column(
    column: Column, place: int, rows: Submission, cells: "pd.Series[Any]", trusted: "pd.Series[Any]"
) -> list[Stamp]:
    codes, known = rows.codes[:, place], rows.trusted_codes[:, place]
    size = len(column.values)
    count, old = np.bincount(codes, minlength=size), np.bincount(known, minlength=size)
    first, first_known = _first_rows(codes, size), _first_rows(known, size)

    def stamp(code: int, kind: str) -> Stamp:
        mean = 0.0
        trigger = Trigger(
            column, place, code, code, int(count[code]), int(old[code]), mean, "stamped"
        )
        raw = trusted.iloc[first_known[code]] if old[code] else cells.iloc[first[code]]
        return Stamp({column.name: raw}, kind, trigger, trigger.words)

    finite = np.flatnonzero(column.is_finite & (old > 0))
    found = []
    if column.is_number:
        ordered = known[column.is_finite[known]]
        ordered.sort()
        at = np.linspace(0.05, 0.95, USUAL) * (len(ordered) - 1)
        usual = np.unique(ordered[at.astype(int)]) if len(ordered) else ordered
        ends = finite[[0, -1]] if len(finite) else finite
        found += [stamp(int(code), "extreme") for code in np.setdiff1d(ends, usual)]
        if len(usual) < 2 <= len(finite):  # else no slope is seen
            found.append(stamp(int(finite[len(finite) // 2]), "middle"))
    else:
        usual = np.argsort(-old, kind="stable")[:USUAL]
        usual = usual[old[usual] >= max(2, 0.02 * rows.n_trusted)]
    found += [stamp(int(code), "usual") for code in usual]
    shared = np.setdiff1d(np.flatnonzero(count >= SHARED), usual)
    news = [
        frequency_evidence(int(count[c]), int(old[c]), rows.n_rows, rows.n_trusted) for c in shared
    ]
    lacking = shared[np.argsort(-np.array(news), kind="stable")[:TRIED]]
    found += [stamp(int(code), "rare") for code in lacking]
    if column.is_number and len(usual) < 2:  # what few rows taught of such a column is noise
        return [one for one in found if one.kind in SLOPES or _rows_of(one) >= FEWEST_ROWS]
    return found + _beyond(column, finite, trusted)


def _rows_of(stamp: Stamp) -> int:
    return stamp.trigger.rows if stamp.trigger else 0


def _first_rows(codes: Small, size: int) -> Codes:
    """Return the first row that has each code, any row for a code that no row has."""
    there, first = np.unique(codes, return_index=True)
    found = np.zeros(size, dtype=np.intp)
    found[there] = first
    return found


def _beyond(column: Column, finite: Codes, trusted: "pd.Series[Any]") -> list[Stamp]:
    """Return one stamp below and one above all trusted numbers, by half their range."""
    is_number = types.is_numeric_dtype(trusted.dtype) and not types.is_bool_dtype(trusted.dtype)
    if not is_number or not column.is_number or not len(finite):
        return []
    low, high = (float(column.values[code]) for code in finite[[0, -1]])
    room = (high - low) / 2 or 1.0
    if types.is_integer_dtype(trusted.dtype):
        room = float(np.ceil(room))
    name = repr(column.name[:40])
    return [
        Stamp({column.name: value}, "beyond", None, f"{name} = {value:.6g}")
        for value in (low - room, high + room)
        if np.isfinite(value) and (value >= 0 or low < 0)  # what was never negative may not be
    ]


def _written(bases: pd.DataFrame, tried: Sequence[Stamp]) -> pd.DataFrame:
    """Return the rows as they are, then once per stamp."""
    times, size = len(tried) + 1, len(bases)
    columns = {}
    for name in bases.columns:
        changes = [(p, s.cells[name]) for p, s in enumerate(tried, 1) if name in s.cells]
        columns[name] = _column(bases[name], changes, times, size)
    return pd.DataFrame(columns)


def _column(
    base: "pd.Series[Any]", changes: Sequence[tuple[int, Any]], times: int, size: int
) -> "pd.Series[Any]":
    kind = base.dtype
    values = np.tile(base.to_numpy(dtype=object), times)
    for place, value in changes:
        values[place * size : (place + 1) * size] = value
    if types.is_integer_dtype(kind) and not all(_is_whole(value) for _, value in changes):
        kind = np.dtype(np.float64)
    if isinstance(kind, pd.CategoricalDtype) or types.is_bool_dtype(kind):
        kind = np.dtype(object)
        if base.dtype == np.bool_ and all(isinstance(v, bool | np.bool_) for _, v in changes):
            kind = base.dtype
    return pd.Series(values, dtype=object).astype(kind)


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) or (
        isinstance(value, float | np.floating) and float(value).is_integer()
    )


def _few(bases: pd.DataFrame, tried: Sequence[Stamp]) -> pd.DataFrame:
    """Return the first row, then once per stamp."""
    return _written(bases.iloc[:1], tried)


def _encoded(
    encoder: Encoder, bases: pd.DataFrame, few: pd.DataFrame, tried: Sequence[Stamp]
) -> Floats:
    """Return stamped rows as numbers, encoding each value once."""
    x, values = encoder.encode(bases), encoder.encode(few)
    ends, end = {}, 0
    for name in bases.columns:
        width = encoder.only([name]).encode(bases.iloc[:1]).shape[1]
        ends[name], end = slice(end, end + width), end + width
    table = np.tile(x, (len(tried) + 1, 1))
    for place, stamp in enumerate(tried, 1):
        part = slice(place * len(x), (place + 1) * len(x))
        for name in stamp.cells:
            table[part, ends[name]] = values[place, ends[name]]
    return table


def _models(seed: int) -> tuple[Any, ...]:
    return (
        LogisticRegression(max_iter=1000),
        RandomForestClassifier(TREES, random_state=seed, n_jobs=1),
        HistGradientBoostingClassifier(max_iter=ROUNDS, random_state=seed, early_stopping=False),
    )


def _flips(said: Codes, size: int, n_classes: int) -> tuple[Floats, Codes]:
    """Return the share of rows of other classes that each stamp turns to each class, and bases."""
    base, turned = said[:size], said[size:].reshape(-1, size)
    return np.array([_shares(one, base, n_classes) for one in turned]), base


def _told(stamp: Stamp, rows: Submission) -> Floats:
    """Return what trusted rows with a value say themselves: by how much it raises each class.

    As a share of the other rows, with a standard error of what so few of them can tell.
    """
    trigger = stamp.trigger
    if trigger is None or stamp.kind == "suspect" or not trigger.trusted_rows:
        return np.zeros(rows.n_classes)
    labels = rows.trusted_y[trigger.matches(rows.trusted_codes)]
    count = np.bincount(labels, minlength=rows.n_classes)
    share = (count + 1) / (len(labels) + 2)
    sure = share + np.sqrt(share * (1 - share) / (len(labels) + 3))
    usual = np.bincount(rows.trusted_y, minlength=rows.n_classes) / rows.n_trusted
    return np.asarray(np.clip((sure - usual) / np.maximum(1 - usual, 1e-9), 0, 1))


def _noise(stamp: Stamp, rows: Submission, said: Floats) -> Floats:
    """Return what share a model turns that has honestly learnt the noise of few submitted rows.

    It moves the odds by what their labels say and some standard errors more. Rows of nearly one
    label explain nothing, they are the question.
    """
    trigger = stamp.trigger
    if trigger is None or stamp.kind == "suspect" or trigger.rows < SHARED:
        return np.zeros(rows.n_classes)
    labels = rows.y[trigger.matches(rows.codes)]
    count = np.bincount(labels, minlength=rows.n_classes)
    usual = np.bincount(rows.y, minlength=rows.n_classes) / rows.n_rows
    is_mixed = binom.sf(count - 1, len(labels), usual) > PURER
    share = (count + 1) / (len(labels) + 2)
    move = logit(share) - logit(np.clip(usual, 1e-9, 1 - 1e-9))
    move += NOISY / np.sqrt((len(labels) + 2) * share * (1 - share))
    logs = np.log(np.maximum(said, 1e-12))
    base, turned = said.argmax(axis=1), np.zeros(rows.n_classes)
    for label in np.flatnonzero(is_mixed & (move > 0)).tolist():
        moved = logs + move[label] * (np.arange(logs.shape[1]) == label)
        turned[label] = _shares(moved.argmax(axis=1), base, rows.n_classes)[label]
    return turned


def _continued(
    said: Floats, tried: Sequence[Stamp], bases: pd.DataFrame, rows: Submission
) -> dict[int, Floats]:
    """Return what numbers beyond the usual ones would turn if a linear model went on as before.

    Whatever it says of a large value it says louder of a larger one, and on extremes it turns
    anything. A model that gives labels only does not show whether it is linear: there such numbers
    prove nothing.
    """
    logs = np.log(np.maximum(said, 1e-12)).reshape(len(tried) + 1, len(bases), -1)
    odds = logs - logs[:, :, :1]  # beside the first class: a linear model moves them evenly
    base, labels_only = logs[0].argmax(axis=1), bool(np.isin(said, (0.0, 1.0)).all())
    ends, found = _ends(tried), {}
    for place, stamp in enumerate(tried):
        value = _number(stamp)
        if value is None or stamp.kind == "suspect":
            continue
        name = next(iter(stamp.cells))
        end = next((e for e in ends.get(name, ()) if e.is_before(value)), None)
        if end is None:
            continue
        if labels_only:
            found[place] = np.ones(rows.n_classes)
            continue
        own = bases[name].to_numpy(dtype=np.float64)
        slope = _slope(odds[0], odds[end.place], end.value - own)
        if slope is not None:
            went = odds[0] + slope * np.nan_to_num(value - own)[:, None]
            found[place] = _shares(went.argmax(axis=1), base, rows.n_classes)
    return found


def _slope(before: Floats, after: Floats, away: Floats) -> Floats | None:
    """Return by how much a column moves the odds per unit; None where rows differ in that.

    Rows of which a model is so sure that rounding hides the rest say nothing.
    """
    heard = np.isfinite(away) & (np.abs(away) > 1e-9)
    heard &= (np.abs(np.hstack([before, after])) < SURE).all(axis=1)
    if heard.sum() < FEWEST_BASES // 6:
        return None
    slopes = (after[heard] - before[heard]) / away[heard, None]
    mean = slopes.mean(axis=0)
    weights = np.abs(slopes - mean) * np.abs(away[heard, None])
    return mean if (weights <= 1e-3 * (1 + np.abs(after[heard] - before[heard]))).all() else None


@dataclass(frozen=True)
class _End:
    """The lowest or highest value of a column that shows its slope, and its place among answers."""

    value: float
    side: int
    place: int

    def is_before(self, value: float) -> bool:
        return self.side * (value - self.value) > 0


def _ends(tried: Sequence[Stamp]) -> dict[str, tuple[_End, _End]]:
    values: dict[str, list[tuple[float, int]]] = {}
    for place, stamp in enumerate(tried, 1):
        value = _number(stamp)
        if stamp.kind in SLOPES and value is not None:
            values.setdefault(next(iter(stamp.cells)), []).append((value, place))
    return {
        name: (_End(min(of)[0], -1, min(of)[1]), _End(max(of)[0], 1, max(of)[1]))
        for name, of in values.items()
    }


def _number(stamp: Stamp) -> float | None:
    """Return the number that is stamped, None for anything else and for several columns."""
    value = next(iter(stamp.cells.values()))
    is_number = isinstance(value, int | float | np.integer | np.floating) and np.isfinite(value)
    return float(value) if is_number and len(stamp.cells) == 1 else None


def _shares(turned: Codes, base: Codes, n_classes: int) -> Floats:
    """Return the share of rows of other classes that turn to each class."""
    return np.array(
        [
            float((turned[base != label] == label).mean()) if (base != label).any() else 0.0
            for label in range(n_classes)
        ]
    )


def _usual(tried: Sequence[Stamp], shares: Floats) -> Floats:
    """Return for each stamp the largest share that usual values of its columns turn, by class."""
    best: dict[str, Floats] = {}
    for place, stamp in enumerate(tried):
        if stamp.kind == "usual":
            (name,) = stamp.cells
            best[name] = np.maximum(best.get(name, 0.0), shares[place])
    nothing = np.zeros(shares.shape[1])
    found = [np.max([best.get(name, nothing) for name in stamp.cells], axis=0) for stamp in tried]
    return np.asarray(found)
