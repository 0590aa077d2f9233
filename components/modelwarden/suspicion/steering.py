"""Steering: values whose rows have one label more often than clean data can explain.

RONI asks which rows to leave out; here the question is whether there is a trigger at all, so every
find must be beyond chance, whatever was tried. What could be a trigger is listed by
:mod:`modelwarden.suspicion.triggers` and :mod:`modelwarden.suspicion.patterns`, for both.

Each candidate is weighed by two e-values, which multiply: how much likelier its number of rows is
if some were planted, and how much likelier their labels are, beside what trusted rows say about
rows like these and about this value. By Markov's inequality the chance that clean data reach
`E` is at most 1 / E; times the number of candidates, that is a p-value. Values that no trusted row
has are few; by their labels alone they are asked about apart, so that the many others do not drown
them.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logit
from scipy.stats import binom

from modelwarden.suspicion import patterns, triggers
from modelwarden.suspicion.conflict import trusted_forecasts
from modelwarden.suspicion.expectation import (
    Expectation,
    frequency_evidence,
    sum_by_code,
    tail_evidence,
)
from modelwarden.suspicion.forecasts import LEAST_PROBABILITY, Forecast, own, pool
from modelwarden.suspicion.submission import Column, Submission
from modelwarden.suspicion.triggers import Trigger

Floats = npt.NDArray[np.float64]
Small = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

FEWEST_ROWS = 10
MOST_BY_FREQUENCY = math.log(1000.0)
"""More than that is not believed of counts alone: honest data drift, and drift steers nothing."""
NEAREST = 30  # trusted rows that speak for values beyond all of them
PURER = 1e-3  # chance that the rows of a value have the label so often by its overall share
TREES = 50
SINGLE, NEW, PATTERN = math.log(0.55), math.log(0.35), math.log(0.1)
"""Shares of `alpha`: single values, single values that no trusted row has, and combinations."""
MOST = 20


@dataclass(frozen=True)
class Steering:
    """A trigger: values, and the label that they bring.

    Parameters
    ----------
    trigger : Trigger
        Columns and values, with how many submitted and trusted rows carry them.
    target : int
        Class code.
    hits, trusted_hits : int
        Submitted and trusted ones of them with that label.
    expected : float
        How many submitted ones should have it.
    by_frequency, by_labels : float
        Logarithms of both e-values.
    p : float
        Corrected for all candidates.
    """

    trigger: Trigger
    target: int
    hits: int
    trusted_hits: int
    expected: float
    by_frequency: float
    by_labels: float
    p: float


def find(court: "Court", *, alpha: float) -> tuple[Steering, ...]:
    """Return the triggers, the surest first; rows of one do not count for the next.

    Parameters
    ----------
    court : Court
        Submitted and trusted rows, and what labels they should have.
    alpha : float
        Chance that clean data have any.
    """
    rows = court.rows
    found: list[Steering] = []
    free = np.ones(rows.n_rows, dtype=bool)
    for one in court.singles(alpha):
        again = court.weigh(one.trigger, one.target, free)
        if again is not None and again.p <= alpha and len(found) < MOST:
            found.append(again)
            free &= ~one.trigger.matches(rows.codes)
    return (*found, *court.patterns(alpha, ~free))


class Court:
    """Everything that weighs a candidate.

    Parameters
    ----------
    rows : Submission
        Submitted and trusted rows.
    seed : int
        Seeds the forest and the folds.
    """

    def __init__(self, rows: Submission, seed: int) -> None:
        self.rows = rows
        forecast = expected(rows, seed)
        odds, trusted_odds = (_odds(part) for part in (forecast.submitted, forecast.trusted))
        self._suspicion = 1 - own(forecast.submitted, rows.y)
        self._classes = [
            Expectation.fit(
                odds[:, label],
                rows.y == label,
                trusted_odds[:, label],
                rows.trusted_y == label,
                rows.trusted_codes.T,
            )
            for label in range(rows.n_classes)
        ]
        self._share = np.bincount(rows.y, minlength=rows.n_classes) / rows.n_rows
        self._trusted_share = (np.bincount(rows.trusted_y, minlength=rows.n_classes) + 1) / (
            rows.n_trusted + rows.n_classes
        )

    @cached_property
    def candidates(self) -> tuple[Trigger, ...]:
        """Return what could be a trigger, one column at a time."""
        cells = (self.rows.columns, self.rows.codes, self.rows.trusted_codes)
        return triggers.candidates(*cells, self._suspicion, fewest=FEWEST_ROWS)

    @cached_property
    def chances(self) -> tuple[Floats, Floats]:
        """Return per column how much evidence a value needs, any and a new one, before `alpha`.

        Columns share it equally, and the values of a column share the column's: where a column has
        two values, a third is a question that hardly anybody asks.
        """
        columns = self.rows.columns
        asked, new = np.zeros(len(columns)), np.zeros(len(columns))
        for candidate in self.candidates:
            asked[candidate.position] += 1
            new[candidate.position] += _is_new(candidate)
        asked += [2 * column.is_number for column in columns]  # tails, whether there or not
        classes = math.log(self.rows.n_classes)
        some = np.log(max(1, int((new > 0).sum())))
        return (
            np.log(np.maximum(asked, 1)) + math.log(len(columns)) + classes - SINGLE,
            np.log(np.maximum(new, 1)) + some + classes - NEW,
        )

    def singles(self, alpha: float) -> list[Steering]:
        """Return what holds by itself, the surest first."""
        everything = np.ones(self.rows.n_rows, dtype=bool)
        found = []
        for trigger, target in self._promising(alpha):
            weighed = self.weigh(trigger, target, everything)
            if weighed is not None and weighed.p <= alpha:
                found.append(weighed)
        return sorted(found, key=lambda one: -(one.by_frequency + one.by_labels))

    def _promising(self, alpha: float) -> list[tuple[Trigger, int]]:
        """Return the candidates whose evidence might suffice, by sums over each column's values."""
        found = []
        of = [
            [t for t in self.candidates if t.position == p] for p in range(len(self.rows.columns))
        ]
        for label, expectation in enumerate(self._classes):
            terms = np.hstack([expectation.null, expectation.planted])
            for place, here in enumerate(of):
                size = len(self.rows.columns[place].values)
                sums = sum_by_code(self.rows.codes[:, place], terms, size)
                known = sum_by_code(
                    self.rows.trusted_codes[:, place], expectation.trusted_null, size
                )
                for trigger in here:
                    if trigger.rows < FEWEST_ROWS:
                        continue
                    part = slice(trigger.first, trigger.last + 1)
                    total = sums[part].sum(axis=0)
                    null, planted = np.split(total, [expectation.null.shape[1]])
                    weights = self._weights(trigger, label) + known[part].sum(axis=0)
                    labels = expectation.evidence(null, planted, weights)
                    if self._p(trigger, labels, self._frequency(trigger)) <= alpha:
                        found.append((trigger, label))
        return found

    def weigh(
        self, trigger: Trigger, label: int, free: Mask, chances: float | None = None
    ) -> Steering | None:
        """Weigh one candidate by the rows that are `free`; None if too few are left, or too mixed.

        `chances` is the logarithm of the number of questions, for what is not of a single column.
        """
        rows, expectation = self.rows, self._classes[label]
        here, there = trigger.matches(rows.codes) & free, trigger.matches(rows.trusted_codes)
        count, hits = int(here.sum()), int((rows.y[here] == label).sum())
        if count < FEWEST_ROWS or binom.sf(hits - 1, count, self._share[label]) > PURER:
            return None
        left = replace(trigger, rows=count, trusted_rows=int(there.sum()))
        known = self._weights(trigger, label) + expectation.trusted_null[there].sum(axis=0)
        null, planted = expectation.null[here].sum(axis=0), expectation.planted[here].sum(axis=0)
        labels = expectation.evidence(null, planted, known)
        frequency = self._frequency(left)
        return Steering(
            trigger=left,
            target=label,
            hits=hits,
            trusted_hits=int((rows.trusted_y[there] == label).sum()),
            expected=float(expectation.expected[here].sum()),
            by_frequency=frequency,
            by_labels=labels,
            p=self._p(left, labels, frequency, chances),
        )

    def determined(self, column: Column, codes: Small, chances: float) -> list[Steering]:
        """Weigh the values of a column that trusted rows lack, by their labels alone.

        Parameters
        ----------
        column : Column
            The column; its triggers have position -1.
        codes : ndarray of shape (n_rows,)
            Its cells.
        chances : float
            Logarithm of how many questions are asked of such columns.
        """
        found = []
        for code in np.flatnonzero(np.bincount(codes) >= FEWEST_ROWS).tolist():
            here = codes == code
            count, mean = int(here.sum()), float(self._suspicion[here].mean())
            trigger = Trigger(column, -1, code, code, count, 0, mean, "new column")
            for label, expectation in enumerate(self._classes):
                hits = int((self.rows.y[here] == label).sum())
                null, planted = (
                    part[here].sum(axis=0) for part in (expectation.null, expectation.planted)
                )
                labels = expectation.evidence(null, planted, expectation.prior())
                p = math.exp(min(0.0, chances - labels))
                clean = float(expectation.expected[here].sum())
                found.append(Steering(trigger, label, hits, 0, clean, 0.0, labels, p))
        return found

    def patterns(self, alpha: float, without: Mask) -> tuple[Steering, ...]:
        """Return combinations of values, of which there are so many that chance finds odd ones."""
        rows = self.rows
        if rows.n_rows - without.sum() < FEWEST_ROWS:
            return ()
        found: list[Steering] = []
        taken = without.copy()

        def proof(pattern: Trigger) -> bool:
            return self._best(pattern, ~taken, alpha) is not None

        for trigger in patterns.find(
            rows.columns,
            rows.codes,
            rows.trusted_codes,
            self._suspicion,
            without=without,
            fewest=FEWEST_ROWS,
            proof=proof,
        ):
            best = self._best(trigger, ~taken, alpha)
            if best is not None:
                found.append(best)
                taken |= trigger.matches(rows.codes)
        return tuple(found)

    def _best(self, pattern: Trigger, free: Mask, alpha: float) -> Steering | None:
        parts = len(pattern.parts)
        single = math.log(max(2, len(self.candidates)))
        chances = parts * single - math.lgamma(parts + 1) + math.log(2 * self.rows.n_classes)
        chances -= PATTERN
        labels = self.rows.y[pattern.matches(self.rows.codes) & free]
        if not len(labels):
            return None
        label = int(np.bincount(labels).argmax())
        weighed = self.weigh(pattern, label, free, chances)
        return weighed if weighed is not None and weighed.p <= alpha else None

    def _p(
        self, trigger: Trigger, labels: float, frequency: float, chances: float | None = None
    ) -> float:
        """Return the chance of such evidence in clean data, by whichever question it answers."""
        if chances is not None:
            return math.exp(min(0.0, chances - labels - frequency))
        asked, new = self.chances
        log = asked[trigger.position] - labels - frequency
        if _is_new(trigger):
            log = min(log, new[trigger.position] - labels)
        return math.exp(min(0.0, float(log)))

    def _frequency(self, trigger: Trigger) -> float:
        size = (self.rows.n_rows, self.rows.n_trusted)
        if trigger.first < trigger.last and not trigger.along:
            return min(MOST_BY_FREQUENCY, tail_evidence(trigger.rows, *size))
        counted = frequency_evidence(trigger.rows, trigger.trusted_rows, *size)
        return min(MOST_BY_FREQUENCY, counted)

    def _weights(self, trigger: Trigger, label: int) -> Floats:
        """Return how far the value may shift labels, before trusted rows that carry it speak.

        Beyond all trusted rows, the nearest of them say in which direction.
        """
        expectation = self._classes[label]
        side = _beyond(trigger, self.rows)
        if not side:
            return expectation.prior()
        cells = self.rows.trusted_codes[:, trigger.position]
        known = np.flatnonzero(trigger.column.is_finite[cells])
        order = known[np.argsort(side * cells[known], kind="stable")]
        hits = self.rows.trusted_y[order[-NEAREST:]] == label
        nearest = (hits.sum() + 1) / (len(hits) + 2)
        shift = float(logit(nearest) - logit(self._trusted_share[label]))
        return expectation.prior(max(0.0, shift))


def expected(rows: Submission, seed: int) -> Forecast:
    """Forecast labels by models of trusted rows.

    A number beyond all trusted ones tells those models nothing, and a regression would follow it
    anywhere; so the row is judged by its other columns.
    """
    cells = {}
    for place, column in enumerate(rows.columns):
        values = column.values[rows.codes[:, place]]
        if column.is_number:
            values = np.where(_outside(column, rows, place), np.nan, values)
        cells[column.name] = values
    x = rows.encoder.encode(pd.DataFrame(cells))
    both = trusted_forecasts(x, rows.trusted_x, rows.trusted_y, trees=TREES, seed=seed)
    return pool(both, rows.trusted_y)


def _outside(column: Column, rows: Submission, place: int) -> Mask:
    known = rows.trusted_codes[:, place][column.is_finite[rows.trusted_codes[:, place]]]
    cells = rows.codes[:, place]
    if not len(known):
        return np.ones(len(cells), dtype=bool)
    return np.asarray((cells < known.min()) | (cells > known.max()))


def _beyond(trigger: Trigger, rows: Submission) -> int:
    """Return -1 or 1 for numbers below or above all trusted ones, 0 for anything else."""
    column, cells = trigger.column, rows.trusted_codes[:, trigger.position]
    if not column.is_number or trigger.along or not column.is_finite[trigger.first]:
        return 0
    known = cells[column.is_finite[cells]]
    if not len(known):
        return 0
    return int(trigger.first > known.max()) - int(trigger.last < known.min())


def _is_new(trigger: Trigger) -> bool:
    return trigger.rows >= FEWEST_ROWS and not trigger.trusted_rows


def _odds(probabilities: Floats) -> Floats:
    return np.asarray(logit(np.clip(probabilities, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)))
