"""One engine for every attack: one predict call a step, for all rows and all attacks together.

A row in a call of ten thousand costs a forest about a thousandth of a call with one row. So an
attack is a generator over many rows: it yields :class:`Candidates`, receives :class:`Answers`, and
never calls the model. The engine joins what all attacks yield, drops rows that are decided, counts
queries, and believes nothing that ``predict`` has not confirmed.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwarden.work import Work

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

MAX_CELLS = 1 << 22
"""Values in one step's candidates, 32 MB: what bounds the memory of an attack."""
MAX_WIDTH = 32
"""Candidates that an attack may yield for one row in one step."""
CONFIRM_STEPS = 8
"""Steps between two calls that confirm with ``predict`` what the probabilities claim."""

_TINY = 1e-300  # logarithms of smaller probabilities are no longer told apart


@dataclass(frozen=True)
class Candidates:
    """What an attack would like to know.

    Parameters
    ----------
    rows : ndarray of int, shape (n,)
        The row that each candidate is a perturbation of.
    values : ndarray, shape (n, n_columns)
        The candidates.
    """

    rows: Positions
    values: Floats


@dataclass(frozen=True)
class Answers:
    """What an attack gets to know.

    Parameters
    ----------
    margins : ndarray, shape (n,)
        By how much each candidate's true class leads: positive while it does, infinite where the
        model was not asked. Without probabilities 1 or -1.
    live : ndarray of int
        The rows that still want candidates, ascending. A row may leave and come back.
    """

    margins: Floats
    live: Positions


_Running = Generator[Candidates, Answers, None]

Attack = Callable[[Positions], _Running]
"""Given the rows to attack, ascending, a generator of candidates: at most `MAX_WIDTH` a row.

It should propose nothing that is not allowed; such a candidate costs a query and breaks nothing.
"""

Ask = Callable[[Candidates], npt.NDArray[Any]]


class Victim:
    """The model as attacks see it; counts what it is asked.

    Parameters
    ----------
    truth : ndarray of int, shape (n_rows,)
        Position of each row's true class.
    predict : callable(Candidates) -> ndarray of int, shape (n,)
        Position of the class that the model predicts for each candidate.
    predict_proba : callable(Candidates) -> ndarray of shape (n, n_classes), optional
        Probability of each class, none of them NaN; without it attacks see labels only.
    """

    def __init__(self, truth: Positions, predict: Ask, predict_proba: Ask | None = None) -> None:
        self._truth, self._predict, self._predict_proba = truth, predict, predict_proba
        self.calls, self.rows = 0, 0

    def fools(self, candidates: Candidates) -> Mask:
        """Tell for which candidates ``predict`` says another than the row's true class."""
        labels = self._ask(self._predict, candidates)
        return np.asarray(labels != self._truth[candidates.rows])

    def margins(self, candidates: Candidates) -> Floats:
        """Return the log-odds of each candidate's true class against its strongest rival."""
        if self._predict_proba is None:
            return np.where(self.fools(candidates), -1.0, 1.0)
        odds = np.log(np.maximum(self._ask(self._predict_proba, candidates), _TINY))
        each, truth = np.arange(len(odds)), self._truth[candidates.rows]
        own = odds[each, truth]
        odds[each, truth] = -np.inf
        return np.asarray(own - odds.max(axis=1))

    def _ask(self, function: Ask, candidates: Candidates) -> npt.NDArray[Any]:
        self.calls += 1
        self.rows += len(candidates.rows)
        return function(candidates)


@dataclass(frozen=True)
class Outcome:
    """What attacks came to, for each row; rows that were not attacked stay as they were.

    Parameters
    ----------
    values : ndarray, shape (n_rows, n_columns)
        The candidate with the smallest margin; where `broken`, one that was confirmed.
    margins : ndarray, shape (n_rows,)
        Its margin, infinite before the first answer.
    queries : ndarray of int, shape (n_rows,)
        How many candidates the model was asked about.
    broken : ndarray of bool, shape (n_rows,)
        Whether ``predict`` errs on `values` and an attacker may present them.
    """

    values: Floats
    margins: Floats
    queries: Positions
    broken: Mask


def run(
    attacks: Sequence[Attack],
    victim: Victim,
    origin: Floats,
    rows: Positions,
    *,
    budget: int,
    allowed: Callable[[Candidates], Mask],
    work: Work | None = None,
    label: str = "attack",
) -> Outcome:
    """Let attacks work on rows until each row is broken, out of budget, or given up.

    Probabilities guide an attack; they never decide. What they claim waits for up to
    `CONFIRM_STEPS` steps and is then put to ``predict`` and `allowed`; a row whose claim is refused
    goes on. At the end ``predict`` is also asked about the best candidate of every row, which
    serves models that do not predict their most probable class.

    Parameters
    ----------
    attacks : sequence of Attack
        They share every row's budget and each other's success.
    victim : Victim
        The model.
    origin : ndarray, shape (n_rows, n_columns)
        All rows as they are.
    rows : ndarray of int
        The rows to attack, ascending.
    budget : int
        Candidates per row. Confirmations come on top, at most one a step and one at the end.
    allowed : callable(Candidates) -> ndarray of bool, shape (n,)
        Whether an attacker may present each candidate.
    work : Work, optional
        Told after each step how much of all rows' budget is used up or no longer needed.
    label : str, default="attack"
        What to call this work.

    Returns
    -------
    Outcome
        Depends on nothing but the arguments.

    Notes
    -----
    Rows are attacked in blocks, so that one step has at most `MAX_CELLS` values.
    """
    n_rows, n_columns = origin.shape
    outcome = Outcome(
        values=origin.copy(),
        margins=np.full(n_rows, np.inf),
        queries=np.zeros(n_rows, dtype=np.intp),
        broken=np.zeros(n_rows, dtype=bool),
    )
    work = work or Work()
    size = max(1, MAX_CELLS // (MAX_WIDTH * max(1, n_columns) * max(1, len(attacks))))
    for start in range(0, len(rows), size):
        block = _Block(victim, outcome, rows[start : start + size], budget, allowed)
        for used in block.attacked_by(attacks):
            work.step(label, start * budget + used, len(rows) * budget)
    work.step(label, len(rows) * budget, len(rows) * budget)
    return outcome


class _Block:
    """Rows that are attacked together."""

    def __init__(
        self,
        victim: Victim,
        outcome: Outcome,
        rows: Positions,
        budget: int,
        allowed: Callable[[Candidates], Mask],
    ) -> None:
        self.victim, self.outcome, self.rows = victim, outcome, rows
        self.budget, self.allowed = budget, allowed
        self.claimed = np.zeros_like(outcome.broken)

    def attacked_by(self, attacks: Sequence[Attack]) -> Generator[int, None, None]:
        """Run all attacks; yield after each step how many queries are used or not needed."""
        going = _advanced([(attack(self.rows), None) for attack in attacks])
        step = 0
        while going:
            step += 1
            margins = self.ask([wish for _, wish in going])
            if np.isinf(np.concatenate(margins)).all():  # whoever asks nothing has given up
                break
            if step % CONFIRM_STEPS == 0 or not len(self.live()):
                self.confirm(self.rows[self.claimed[self.rows]])
            yield self.used()
            live = self.live()
            if not len(live):
                break
            pairs = zip(going, margins, strict=True)
            going = _advanced([(one, Answers(each, live)) for (one, _), each in pairs])
        unbroken = self.rows[~self.outcome.broken[self.rows]]
        self.confirm(unbroken[np.isfinite(self.outcome.margins[unbroken])])

    def left(self) -> Positions:
        """Return how many queries each row of the table may still have."""
        decided = self.outcome.broken | self.claimed
        return np.where(decided, 0, self.budget - self.outcome.queries)

    def live(self) -> Positions:
        return self.rows[self.left()[self.rows] > 0]

    def used(self) -> int:
        queries = np.where(self.outcome.broken, self.budget, self.outcome.queries)
        return int(queries[self.rows].sum())

    def ask(self, wishes: Sequence[Candidates]) -> list[Floats]:
        """Put all wishes to the model in one call; return the margins of each."""
        rows = np.concatenate([wish.rows for wish in wishes])
        asked = np.flatnonzero(_rank(rows) < self.left()[rows])
        margins = np.full(len(rows), np.inf)
        if len(asked):
            values = np.concatenate([wish.values for wish in wishes])
            candidates = Candidates(rows[asked], values[asked])
            margins[asked] = self.victim.margins(candidates)
            np.add.at(self.outcome.queries, candidates.rows, 1)
            self.keep_best(candidates, margins[asked])
        ends = np.cumsum([len(wish.rows) for wish in wishes])
        return np.split(margins, ends[:-1])

    def keep_best(self, candidates: Candidates, margins: Floats) -> None:
        """Remember each row's candidate with the smallest margin, the first of equals."""
        order = np.lexsort((margins, candidates.rows))
        rows, first = np.unique(candidates.rows[order], return_index=True)
        best = order[first]
        better = margins[best] < self.outcome.margins[rows]
        rows, best = rows[better], best[better]
        self.outcome.margins[rows] = margins[best]
        self.outcome.values[rows] = candidates.values[best]
        self.claimed[rows] = margins[best] <= 0  # a tie is for predict to settle

    def confirm(self, rows: Positions) -> None:
        """Break the rows whose best candidate stands up to ``predict`` and to the rules."""
        if len(rows):
            best = Candidates(rows, self.outcome.values[rows])
            self.outcome.broken[rows] = self.victim.fools(best) & self.allowed(best)
            self.claimed[rows] = False


def _advanced(told: Sequence[tuple[_Running, Answers | None]]) -> list[tuple[_Running, Candidates]]:
    """Give each attack its answers; return those that go on, with what they want to know next."""
    going = []
    for attack, answers in told:
        with suppress(StopIteration):
            going.append((attack, next(attack) if answers is None else attack.send(answers)))
    return going


def _rank(rows: Positions) -> Positions:
    """Return for each candidate how many earlier ones are of the same row."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    rank = np.empty_like(rows)
    rank[order] = np.arange(len(rows)) - np.searchsorted(ordered, ordered)
    return rank
