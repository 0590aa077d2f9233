"""One engine for every attack: one predict call a step, for all rows and all attacks together.

Two questions can be asked. :func:`run`: can a row be broken within its box? It is done once it is.
:func:`shrink`: what is the smallest change that breaks it? It goes on while budget is left.

A row in a call of ten thousand costs a forest about a thousandth of a call with one row. So an
attack is a generator over many rows: it yields :class:`Candidates`, receives :class:`Answers`, and
never calls the model. The engine joins what all attacks yield, drops rows that are decided, counts
queries, and believes nothing that ``predict`` has not confirmed.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modelwarden.space.points import Candidates, Floats, Mask, Positions
from modelwarden.work import Work

MAX_CELLS = 1 << 22
"""Values in one step's candidates, 32 MB: what bounds the memory of an attack."""
MAX_WIDTH = 32
"""Candidates that an attack yields for one row in one step, unless it says otherwise."""
CONFIRM_STEPS = 8
"""Steps between two calls that confirm with ``predict`` what the probabilities claim."""

_TINY = 1e-300  # logarithms of smaller probabilities are no longer told apart


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


@dataclass(frozen=True)
class Attack:
    """An attack.

    Parameters
    ----------
    begin : callable(ndarray of int) -> generator
        Given the rows to attack, ascending, yields :class:`Candidates` and receives
        :class:`Answers`. It should propose nothing that is not allowed; such a candidate costs a
        query and breaks nothing.
    width : int, default=MAX_WIDTH
        Candidates for one row in one step at most.
    """

    begin: Callable[[Positions], _Running]
    width: int = MAX_WIDTH


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

    def sides(self, candidates: Candidates) -> Floats:
        """Return 1 for candidates that keep their row's true class, -1 for the others."""
        return np.where(self.fools(candidates), -1.0, 1.0)

    def margins(self, candidates: Candidates) -> Floats:
        """Return the log-odds of each candidate's true class against its strongest rival."""
        if self._predict_proba is None:
            return self.sides(candidates)
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
        Of :func:`run` the candidate with the smallest margin, where `broken` one that was
        confirmed; of :func:`shrink` the nearest that broke the row.
    least : ndarray, shape (n_rows,)
        Its margin, or its distance; infinite where there is none.
    queries : ndarray of int, shape (n_rows,)
        How many candidates the model was asked about; the budget, where that ran out.
    broken : ndarray of bool, shape (n_rows,)
        Whether ``predict`` errs on `values` and an attacker may present them.
    won : ndarray of str, shape (n_rows,)
        The name of the attack that found `values`; empty where not `broken`.
    queries_to_success : ndarray of int, shape (n_rows,)
        The number of the query that first broke the row, from 1; 0 where not `broken`.
    """

    values: Floats
    least: Floats
    queries: Positions
    broken: Mask
    won: npt.NDArray[np.str_]
    queries_to_success: Positions

    @classmethod
    def begin(cls, origin: Floats, names: Sequence[str]) -> "Outcome":
        """Return what is known before the first question."""
        n_rows = len(origin)
        return cls(
            values=origin.copy(),
            least=np.full(n_rows, np.inf),
            queries=np.zeros(n_rows, dtype=np.intp),
            broken=np.zeros(n_rows, dtype=bool),
            won=np.full(n_rows, "", dtype=np.array(["", *names]).dtype),
            queries_to_success=np.zeros(n_rows, dtype=np.intp),
        )


def run(
    attacks: Mapping[str, Attack],
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
    attacks : mapping of str to Attack
        By name. They share every row's budget and each other's success.
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
    Rows are attacked in blocks, so that one step has at most `MAX_CELLS` values. What happens to a
    row depends neither on the others in its block nor on their order, unless the model's
    probabilities contradict its labels.
    """
    outcome = Outcome.begin(origin, [*attacks])

    def block(part: Positions) -> _Block:
        return _Block(victim, outcome, part, budget, allowed)

    _attack(attacks, block, outcome, rows, budget, work or Work(), label)
    return outcome


def shrink(
    attacks: Mapping[str, Attack],
    victim: Victim,
    origin: Floats,
    rows: Positions,
    *,
    budget: int,
    allowed: Callable[[Candidates], Mask],
    distance: Callable[[Positions, Floats], Floats],
    work: Work | None = None,
    label: str = "attack",
) -> Outcome:
    """Let attacks work on rows until the budget is used up, and keep the nearest that breaks each.

    Only labels are asked for: what they say needs no confirmation.

    Parameters
    ----------
    attacks, victim, origin, rows, budget, allowed, work, label
        As for :func:`run`.
    distance : callable(ndarray of int, ndarray) -> ndarray, shape (n,)
        How far candidates, given their rows and values, are from their row.

    Returns
    -------
    Outcome
        Depends on nothing but the arguments.
    """
    outcome = Outcome.begin(origin, [*attacks])

    def block(part: Positions) -> _Block:
        return _Shrinking(victim, outcome, part, budget, allowed, distance)

    _attack(attacks, block, outcome, rows, budget, work or Work(), label)
    return outcome


def _attack(
    attacks: Mapping[str, Attack],
    block: "Callable[[Positions], _Block]",
    outcome: Outcome,
    rows: Positions,
    budget: int,
    work: Work,
    label: str,
) -> None:
    """Attack block after block, and forget who almost won."""
    width = sum(attack.width for attack in attacks.values())
    size = max(1, MAX_CELLS // max(1, width * outcome.values.shape[1]))
    for start in range(0, len(rows), size):
        for used in block(rows[start : start + size]).attacked_by(attacks):
            work.step(label, start * budget + used, len(rows) * budget)
    work.step(label, len(rows) * budget, len(rows) * budget)
    outcome.won[~outcome.broken] = ""
    outcome.queries_to_success[~outcome.broken] = 0


@dataclass(frozen=True)
class _Told:
    """One step: what the model was asked, what it said, who wanted to know, as which query."""

    rows: Positions
    values: Floats
    margins: Floats
    asker: npt.NDArray[np.str_]
    number: Positions

    def take(self, places: Positions | Mask) -> "_Told":
        """Return some of it."""
        return _Told(
            self.rows[places],
            self.values[places],
            self.margins[places],
            self.asker[places],
            self.number[places],
        )

    def least(self, of: Floats) -> tuple["_Told", Floats]:
        """Return each row's candidate with the least of something, the first of equals."""
        order = np.lexsort((of, self.rows))
        best = order[np.unique(self.rows[order], return_index=True)[1]]
        return self.take(best), of[best]


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

    def attacked_by(self, attacks: Mapping[str, Attack]) -> Generator[int, None, None]:
        """Run all attacks; yield after each step how many queries are used or not needed."""
        begun = [(name, attack.begin(self.rows), None) for name, attack in attacks.items()]
        going = _advanced(begun)
        step = 0
        while going:
            step += 1
            margins = self.ask([(name, wish) for name, _, wish in going])
            if np.isinf(np.concatenate(margins)).all():  # whoever asks nothing has given up
                break
            if step % CONFIRM_STEPS == 0 or not len(self.live()):
                self.confirm(self.rows[self.claimed[self.rows]])
            yield self.used()
            live = self.live()
            if not len(live):
                break
            pairs = zip(going, margins, strict=True)
            going = _advanced([(name, one, Answers(each, live)) for (name, one, _), each in pairs])
        unbroken = self.rows[~self.outcome.broken[self.rows]]
        self.confirm(unbroken[np.isfinite(self.outcome.least[unbroken])])

    def left(self) -> Positions:
        """Return how many queries each row of the table may still have."""
        decided = self.outcome.broken | self.claimed
        return np.where(decided, 0, self.budget - self.outcome.queries)

    def live(self) -> Positions:
        return self.rows[self.left()[self.rows] > 0]

    def used(self) -> int:
        queries = np.where(self.outcome.broken, self.budget, self.outcome.queries)
        return int(queries[self.rows].sum())

    def ask(self, wishes: Sequence[tuple[str, Candidates]]) -> list[Floats]:
        """Put all wishes to the model in one call; return the margins of each."""
        rows = np.concatenate([wish.rows for _, wish in wishes])
        rank = _rank(rows)
        asked = np.flatnonzero(rank < self.left()[rows])
        margins = np.full(len(rows), np.inf)
        sizes = [len(wish.rows) for _, wish in wishes]
        if len(asked):
            values = np.concatenate([wish.values for _, wish in wishes])[asked]
            margins[asked] = self.margins(Candidates(rows[asked], values))
            asker = np.repeat([name for name, _ in wishes], sizes)
            number = self.outcome.queries[rows] + rank + 1
            told = _Told(rows[asked], values, margins[asked], asker[asked], number[asked])
            np.add.at(self.outcome.queries, told.rows, 1)
            self.keep_best(told)
        return np.split(margins, np.cumsum(sizes)[:-1])

    def margins(self, candidates: Candidates) -> Floats:
        return self.victim.margins(candidates)

    def keep_best(self, told: _Told) -> None:
        """Remember each row's candidate with the smallest margin, the first of equals."""
        best, margins = told.least(told.margins)
        better = margins < self.outcome.least[best.rows]
        best, margins = best.take(better), margins[better]
        self.remember(best, margins)
        self.outcome.queries_to_success[best.rows] = best.number
        self.claimed[best.rows] = margins <= 0  # a tie is for predict to settle

    def remember(self, best: _Told, least: Floats) -> None:
        """Write down what is best so far."""
        self.outcome.least[best.rows] = least
        self.outcome.values[best.rows] = best.values
        self.outcome.won[best.rows] = best.asker

    def confirm(self, rows: Positions) -> None:
        """Break the rows whose best candidate stands up to ``predict`` and to the rules."""
        if len(rows):
            best = Candidates(rows, self.outcome.values[rows])
            self.outcome.broken[rows] = self.victim.fools(best) & self.allowed(best)
            self.claimed[rows] = False


class _Shrinking(_Block):
    """Rows whose nearest broken candidate is looked for; labels need no confirmation."""

    def __init__(
        self,
        victim: Victim,
        outcome: Outcome,
        rows: Positions,
        budget: int,
        allowed: Callable[[Candidates], Mask],
        distance: Callable[[Positions, Floats], Floats],
    ) -> None:
        super().__init__(victim, outcome, rows, budget, allowed)
        self.distance = distance

    def left(self) -> Positions:
        return self.budget - self.outcome.queries

    def used(self) -> int:
        return int(self.outcome.queries[self.rows].sum())

    def margins(self, candidates: Candidates) -> Floats:
        return self.victim.sides(candidates)

    def keep_best(self, told: _Told) -> None:
        """Remember each row's nearest candidate that breaks it and may be presented."""
        broken = told.take(told.margins <= 0)
        lengths = self.distance(broken.rows, broken.values)
        nearer = lengths < self.outcome.least[broken.rows]
        best, lengths = broken.take(nearer).least(lengths[nearer])
        if not len(lengths):
            return
        allowed = self.allowed(Candidates(best.rows, best.values))
        best, lengths = best.take(allowed), lengths[allowed]
        self.remember(best, lengths)
        first = best.take(~self.outcome.broken[best.rows])
        self.outcome.queries_to_success[first.rows] = first.number
        self.outcome.broken[best.rows] = True

    def confirm(self, rows: Positions) -> None:
        pass


def _advanced(
    told: Sequence[tuple[str, _Running, Answers | None]],
) -> list[tuple[str, _Running, Candidates]]:
    """Give each attack its answers; return those that go on, with what they want to know next."""
    going = []
    for name, attack, answers in told:
        with suppress(StopIteration):
            wish = next(attack) if answers is None else attack.send(answers)
            going.append((name, attack, wish))
    return going


def _rank(rows: Positions) -> Positions:
    """Return for each candidate how many earlier ones are of the same row."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    rank = np.empty_like(rows)
    rank[order] = np.arange(len(rows)) - np.searchsorted(ordered, ordered)
    return rank
