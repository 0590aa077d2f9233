"""The attacks that suit a model, a table and a norm."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from modelwarden.attacks.box_search import box_search
from modelwarden.attacks.engine import Attack, Victim
from modelwarden.attacks.one_pixel import one_pixel
from modelwarden.attacks.portfolio import portfolio
from modelwarden.attacks.transfer import neighbours, transfer
from modelwarden.attacks.word_swap import word_swap
from modelwarden.checks.evasion.question import Question
from modelwarden.checks.evasion.subject import Subject
from modelwarden.space.box import Box
from modelwarden.space.points import Floats, Positions

SATURATED = 0.5
"""Share of rows that a model is sure of beyond rounding: then its scores have no slope."""


@dataclass(frozen=True)
class Plan:
    """What is used against rows within a box.

    Parameters
    ----------
    attacks : mapping of str to Attack
        By name.
    victim : Victim
        The model as they see it.
    queries : int
        Candidates per row.
    is_exhaustive : bool
        Whether everything is tried, and ``predict`` asked about it: then what is not broken cannot
        be broken.
    """

    attacks: Mapping[str, Attack]
    victim: Victim
    queries: int
    is_exhaustive: bool = False


class Arsenal:
    """Attacks on one model.

    Parameters
    ----------
    subject : Subject
        Model and rows.
    others : DataFrame of shape (n_others, n_features)
        Other rows of the table, which attacks may start from.
    question : Question
        What was asked.
    text : bool
        Whether rows are texts.
    is_opaque : bool
        Whether nothing can be proved about the model. Only then copies of it are made: where an
        exact search answers, they would cost more than all else and add nothing.
    """

    def __init__(
        self,
        subject: Subject,
        others: pd.DataFrame,
        question: Question,
        *,
        text: bool,
        is_opaque: bool,
    ) -> None:
        self.subject, self.truth, self.text = subject, subject.truth, text
        self.is_opaque = is_opaque
        self.queries, self.seed = question.queries, question.seed
        self.distance_queries = question.distance_queries
        self.pool, self.pool_labels = subject.space.origin, subject.predicted
        if len(others) and not text:  # a text's words are no place for another's to start from
            beside = subject.space.encode(others, np.arange(len(others)))
            self.pool = np.concatenate([self.pool, beside])
            self.pool_labels = np.concatenate([self.pool_labels, subject.labels(others)])
        self._taught: tuple[Floats, Positions] | None = None

    def breaking(self, box: Box, starts: Floats | None) -> Plan:
        """Return the attacks that break rows within a box.

        Parameters
        ----------
        box : Box
            Where rows may move.
        starts : ndarray, optional
            Where to begin as well.
        """
        victim, queries = self.subject.victim, self.queries
        if self.text:
            swap = word_swap(box, queries=queries, seed=self.seed)
            return Plan({"word swap": swap}, victim, queries)
        found: dict[str, Attack] = {}
        if box.norm == "l0" and box.fewest == 1:
            found["one pixel"] = pixel = one_pixel(box, seed=self.seed)
            queries = max(queries, pixel.queries)
            if pixel.coverage == "exact":
                return Plan(found, self.subject.plain, queries, is_exhaustive=True)
        if self.is_opaque and not self.has_slope:
            found["transfer"] = self.transfer(box)
        found["score search"] = box_search(
            box,
            self.truth,
            self.pool,
            self.pool_labels,
            queries=self.queries,
            starts=starts,
            seed=self.seed,
        )
        return Plan(found, victim, queries)

    def shrinking(self, box: Box) -> Mapping[str, Attack]:
        """Return attacks that look for the smallest change."""
        if self.text:
            return {"word swap": word_swap(box, queries=self.distance_queries, seed=self.seed)}
        return portfolio(
            box,
            self.truth,
            self.pool,
            self.pool_labels,
            queries=self.distance_queries,
            scored=self.has_slope,
            seed=self.seed,
        )

    @property
    def seeker(self) -> Victim:
        """Return the model as attacks see it that look for the smallest change."""
        return self.subject.guided if self.text or self.has_slope else self.subject.victim

    @property
    def has_slope(self) -> bool:
        """Whether scores tell where the model becomes less sure."""
        sure = self.subject.sure
        return sure is not None and bool(sure.mean() < SATURATED)

    def transfer(self, box: Box) -> Attack:
        """Return the attack on copies of the model, which learn from rows beside the sampled."""
        if self._taught is None:
            wide = self.subject.space.box(np.inf, box.norm)
            beside = neighbours(wide, self.truth, self.pool, self.pool_labels, seed=self.seed)
            labels = self.subject.labels(self.subject.space.present(beside))
            self._taught = (
                np.concatenate([self.pool, beside.values]),
                np.concatenate([self.pool_labels, labels]),
            )
        return transfer(box, self.truth, *self._taught, seed=self.seed)
