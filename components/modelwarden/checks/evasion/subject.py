"""The model under attack, and the rows that it is attacked on."""

from typing import TypeVar

import numpy as np
import pandas as pd

from modelwarden.attacks.engine import Victim
from modelwarden.attacks.word_swap import Guided
from modelwarden.models import Predictor
from modelwarden.space.box import Box
from modelwarden.space.points import Candidates, Floats, Mask, Positions
from modelwarden.space.table import Space
from modelwarden.space.text import TextSpace
from modelwarden.tables import Table, coded

SURE = 1e-9
"""A probability that close to 1 leaves no slope to follow."""

Changes = Space | TextSpace
"""What an attacker may change."""

_Kind = TypeVar("_Kind", bound=Victim)


class Subject:
    """The model, asked about the sampled rows; classes are positions.

    Attributes
    ----------
    space : Changes
        What an attacker may change in the rows.
    truth, predicted : ndarray of int, shape (n_rows,)
        True classes, and what the model says.
    right : ndarray of bool, shape (n_rows,)
        Where the two agree: the rows to attack.
    sure : ndarray of bool, shape (n_rows,), or None
        Where the model gives one class a probability of 1; None if it gives labels only.
    victim : Victim
        The model as attacks see it.
    plain : Victim
        The same without probabilities.
    guided : Guided
        The same for attacks that look for the smallest change and follow scores.
    """

    def __init__(self, model: Predictor, space: Changes, truth: Positions) -> None:
        self._model, self.space, self.truth = model, space, truth
        self.predicted = self.labels(space.frame)
        self.right = self.predicted == truth
        scores = model.predict_proba(space.frame)
        self.sure: Mask | None = None if scores is None else scores.max(axis=1) >= 1 - SURE
        self.victim = self._seen_as(Victim)
        self.guided = self._seen_as(Guided)
        self.plain = Victim(truth, self._candidate_labels)

    @property
    def has_scores(self) -> bool:
        """Whether the model gives probabilities."""
        return self.sure is not None

    @property
    def calls(self) -> int:
        """Return how often attacks asked the model."""
        return sum(victim.calls for victim in (self.victim, self.plain, self.guided))

    @property
    def asked_rows(self) -> int:
        """Return about how many candidates attacks asked the model."""
        return sum(victim.rows for victim in (self.victim, self.plain, self.guided))

    def labels(self, frame: pd.DataFrame) -> Positions:
        """Return the predicted classes."""
        return predicted(self._model, frame)

    def confirmed(self, box: Box, rows: Positions, values: Floats) -> Mask:
        """Tell which of `values` an attacker may present and ``predict`` errs on."""
        candidates = Candidates(rows, values)
        shown = self.space.present(candidates)
        return np.asarray(self.space.allows(box, rows, shown) & self.victim.fools(candidates))

    def _seen_as(self, kind: type[_Kind]) -> _Kind:
        return kind(self.truth, self._candidate_labels, self._scores if self.has_scores else None)

    def _candidate_labels(self, candidates: Candidates) -> Positions:
        return self.labels(self.space.present(candidates))

    def _scores(self, candidates: Candidates) -> Floats:
        return np.asarray(self._model.predict_proba(self.space.present(candidates)))

    def differing(self) -> int:
        """Ask again in reverse order, which also shows whether rows are presented faithfully."""
        origin = self.space.origin
        backwards = np.arange(len(origin))[::-1]
        again = self.labels(self.space.present(Candidates(backwards, origin[backwards])))
        return int((again[::-1] != self.predicted).sum())


def predicted(model: Predictor, frame: pd.DataFrame) -> Positions:
    """Return the predicted classes, by position among the model's."""
    codes = {label: code for code, label in enumerate(model.classes.tolist())}
    return np.array([codes[label] for label in model.predict(frame).tolist()], dtype=np.intp)


def failures(right: Mask, differing: int) -> tuple[str, ...]:
    """Return why the model cannot be attacked.

    Parameters
    ----------
    right : ndarray of bool, shape (n_rows,)
        Rows that it gets right.
    differing : int
        Rows that it labelled differently when it was asked again in reverse order.
    """
    found = []
    if differing:
        found.append(
            f"the model labelled {differing} of {len(right)} rows differently when it was "
            "asked again in reverse order: make its predictions depend on the row alone"
        )
    if not right.any():
        found.append(
            f"none of {len(right)} rows was classified correctly: nothing is left to attack"
        )
    return tuple(found)


def sample(
    model: Predictor, evaluation: Table, target: str, rows: int, seed: int
) -> tuple[Positions, Positions, Positions]:
    """Draw rows of every class in the table's shares.

    Returns
    -------
    sampled : ndarray of int, shape (n_rows,)
        Which rows to attack, ascending.
    truth : ndarray of int, shape (n_rows,)
        Their true classes, by position among the model's.
    others : ndarray of int
        The other rows, in random order.
    """
    truth = coded(evaluation, target, model.classes)
    shuffled = np.random.default_rng(seed).permutation(len(truth))
    by_class = shuffled[np.argsort(truth[shuffled], kind="stable")]
    size = min(rows, len(truth))
    # every class gets its share when the places are evenly apart
    sampled = np.sort(by_class[(2 * np.arange(size) + 1) * len(truth) // (2 * size)])
    return sampled, truth[sampled], shuffled[~np.isin(shuffled, sampled)]
