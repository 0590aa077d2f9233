"""What thieves ask, in which order, and what they bring home."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse

from modelwarden.theft.copies import Answers, Copy, Floats, agreement, copies
from modelwarden.theft.rows import Matrix, Positions, Rows

FIRST = 30
"""Questions before the first copy can say what to ask next."""
GROWTH = 2.0
"""By which factor an active thief's questions grow from copy to copy."""
CANDIDATES, MOST_CANDIDATES = 8, 20_000
"""Rows that an active thief chooses each question from, and all of a round from."""
TREES = 20
"""Trees of the copies that choose."""
UNSURE = 3
"""Of that many times what it asks, those rows that its copy is least sure of."""

Ask = Callable[[pd.DataFrame], Answers]


@dataclass(frozen=True)
class Haul:
    """Questions and answers, in the order in which they were asked.

    Parameters
    ----------
    questions : {"natural", "mixed", "active"}
        How they were chosen.
    rows : matrix of shape (n_queries, n_features)
        The questions as a copy sees them.
    answers : Answers
        Labels, and probabilities where the thief gets them.
    """

    questions: str
    rows: Matrix
    answers: Answers

    @property
    def outputs(self) -> str:
        """What was learnt from: ``labels`` or ``probabilities``."""
        return "labels" if self.answers.probabilities is None else "probabilities"

    def __len__(self) -> int:
        return len(self.answers.labels)

    def best(self, count: int, n_classes: int, seed: int, rows: Matrix, labels: Positions) -> int:
        """Return for how many of `rows` the better copy of the first `count` answers agrees."""
        made = self.copies(count, n_classes, seed)
        return max(agreement(copy, rows, labels) for copy in made.values())

    def copies(self, count: int, n_classes: int, seed: int) -> dict[str, Copy]:
        """Return the copies that the first `count` answers make."""
        return copies(self.rows[:count], self.answers.first(count), n_classes, seed=seed)


def natural(known: Rows, ask: Ask, queries: int, random: np.random.Generator) -> Haul:
    """Ask about rows that the thief has, each once, as customers would."""
    order = random.permutation(len(known.frame))[:queries]
    frame = known.frame.iloc[order].reset_index(drop=True)
    return Haul("natural", known.encode(frame), ask(frame))


def mixed(known: Rows, ask: Ask, queries: int, random: np.random.Generator) -> Haul:
    """Ask about rows made of pairs of rows that the thief has."""
    frame = known.mixed(queries, random)
    return Haul("mixed", known.encode(frame), ask(frame))


def active(
    known: Rows, ask: Ask, queries: int, n_classes: int, random: np.random.Generator, *, seed: int
) -> Haul:
    """Ask where the copy at hand is least sure, in rounds that grow.

    Parameters
    ----------
    known : Rows
        What the thief has.
    ask : callable(DataFrame) -> Answers
        The model.
    queries : int
        Questions in all.
    n_classes : int
        Classes of the model.
    random : Generator
        Draws rows.
    seed : int
        Seeds the copies.

    References
    ----------
    .. [1] Pal et al., "ActiveThief", AAAI 2020.
    """
    start = known.mixed(min(FIRST, queries), random)
    rows, answers = known.encode(start), ask(start)
    best = ""
    while len(answers.labels) < queries:
        done = len(answers.labels)
        count = min(int(done * GROWTH) + 1, queries) - done
        made = copies(rows, answers, n_classes, seed=seed, trees=TREES)
        size = min(CANDIDATES * count, max(MOST_CANDIDATES, 2 * count))
        candidates = known.mixed(size, random)
        seen = known.encode(candidates)
        chosen = _unsure(made.get(best, next(iter(made.values())))(seen), count, random)
        asked, said = seen[chosen], ask(candidates.iloc[chosen].reset_index(drop=True))
        # the kind of copy that foretold these answers best will choose the next questions
        best = max(made, key=lambda kind: agreement(made[kind], asked, said.labels))
        rows, answers = _stacked(rows, asked), answers.joined(said)
    return Haul("active", rows, answers)


def _unsure(scores: Floats, count: int, random: np.random.Generator) -> Positions:
    """Return some of the rows with the smallest lead of the first class over the second."""
    ordered = np.sort(scores, axis=1)
    leads = ordered[:, -1] - ordered[:, -2]
    narrow = np.argsort(leads, kind="stable")[: UNSURE * count]
    return np.sort(random.choice(narrow, size=count, replace=False))


def _stacked(first: Matrix, second: Matrix) -> Matrix:
    if scipy.sparse.issparse(first):
        return scipy.sparse.vstack([first, second], format="csr")
    return np.vstack([first, second])
