"""The attack cut into blocks of rows, each attacked as if there were no others."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from modelwarden.checks.evasion.arsenal import Arsenal
from modelwarden.checks.evasion.campaign import Campaign, Found
from modelwarden.checks.evasion.examples import Examples
from modelwarden.checks.evasion.figures import figures
from modelwarden.checks.evasion.question import Question
from modelwarden.checks.evasion.subject import Changes, Subject, failures, predicted, sample
from modelwarden.checks.evasion.taken_apart import taken_apart
from modelwarden.checks.evasion.told import Told, arrays_of, joined
from modelwarden.checks.evasion.words import about_space, metrics, report
from modelwarden.errors import InputError
from modelwarden.models import Predictor
from modelwarden.report import Findings, Report
from modelwarden.space.columns import holds_sentences
from modelwarden.space.points import Mask, Positions
from modelwarden.space.rules import Rules
from modelwarden.space.table import Space
from modelwarden.space.text import TextSpace
from modelwarden.store import File
from modelwarden.tables import Table, features
from modelwarden.work import Work

POOL = 1000
"""Rows of the table besides the sampled ones that attacks may start from."""
BLOCK = 1024
"""Sampled rows that are attacked together: what one machine does in a piece."""


class Sieges:
    """A question about a model, block by block; see :class:`modelwarden.blocks.Blocks`.

    Every block has the table's shares of classes, so that whatever the table's order, rows of every
    class are there to start from.

    Parameters
    ----------
    model, evaluation, space, target
        As for :func:`modelwarden.checks.evasion.evasion`.
    asked : Question
        Its options.
    work : Work
        Told after each step.

    Raises
    ------
    InputError
        If the table or the space file cannot be used, or nothing can move.
    """

    def __init__(
        self,
        model: Predictor,
        evaluation: Table,
        space: File | None,
        target: str,
        asked: Question,
        work: Work,
    ) -> None:
        self.model, self.evaluation, self.work = model, evaluation, work
        self.rules = Rules(version=1) if space is None else Rules.read(space)
        drawn = sample(model, evaluation, target, asked.rows, asked.seed)
        self.sampled, self.truth, self.others = drawn
        self.frame = features(evaluation, target)
        self.text = _is_text(self.frame, self.rules)
        self.asked = asked.about(text=self.text)
        self.where = evaluation.uri if space is None else space.uri
        self.changes = self._changes(self.sampled)
        self.movable = self._movable()
        self.count = -(-len(self.sampled) // BLOCK)
        by_class = np.argsort(self.truth, kind="stable")
        self.places = [np.sort(by_class[number :: self.count]) for number in range(self.count)]

    def blocks(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """Yield what each block comes to: of each row whether it broke, and at which size."""
        for done, number in enumerate(numbers):
            yield self._block(self.places[number]).as_bytes()
            if self.count > 1:
                self.work.step("blocks", done + 1, len(numbers))

    def join(self, parts: Sequence[bytes]) -> Findings:
        """Return the findings about all rows from what each block came to."""
        told = [
            self._read(body, len(places), number)
            for number, (body, places) in enumerate(zip(parts, self.places, strict=True))
        ]
        right = np.concatenate([one.right for one in told])
        wrong = failures(right, sum(one.differing for one in told))
        if wrong:
            return Findings(Report("evasion", metrics(right, None), wrong))
        asked, changes = self.asked, self.changes
        sizes = asked.sizes(text=self.text)
        found = joined(told, self.places, [*changes.columns], sizes, asked.epsilon)
        notes = about_space(changes, self.movable)
        return Findings(
            report(found, changes, asked, self.movable, notes),
            tables=self._tables(found),
            figures=figures(found, asked.norm, text=self.text),
        )

    def _block(self, places: Positions) -> Told:
        asked = self.asked
        changes = self.changes if self.count == 1 else self._changes(self.sampled[places])
        subject = Subject(self.model, changes, self.truth[places])
        told = Told(subject.right, subject.differing(), subject.has_scores, {})
        if failures(told.right, told.differing):
            return told
        structure, why = taken_apart(self.model, subject, asked, text=self.text)
        beside, is_opaque = self.frame.iloc[self.others[:POOL]], structure is None
        arsenal = Arsenal(subject, beside, asked, text=self.text, is_opaque=is_opaque)
        found = Campaign(subject, structure, why, arsenal, asked, self.work).find()
        return replace(told, arrays=arrays_of(found, points=asked.examples > 0))

    def _read(self, body: bytes, n_rows: int, number: int) -> Told:
        return Told.read(
            body,
            n_rows,
            len(self.asked.sizes(text=self.text)),
            distances=self.asked.distance_queries > 0,
            points=self.asked.examples > 0,
            where=f"block {number} of {self.evaluation.uri}",
        )

    def _tables(self, found: Found) -> dict[str, bytes]:
        asked, model = self.asked, self.model
        if not asked.examples:
            return {}
        examples = Examples.of(
            found,
            self.changes,
            self.truth,
            partial(predicted, model),
            self.changes.box(asked.epsilon, asked.norm),
            self.sampled,
            model.classes.tolist(),
            asked.examples,
        )
        return examples.tables(self.evaluation, self.rules.image)

    def _changes(self, sampled: Positions) -> Changes:
        """Return what may change in some rows."""
        frame, rules = self.frame, self.rules
        if not self.text:
            return Space(frame, sampled, rules, self.where)
        synonyms = rules.text.synonyms if rules.text else None
        return TextSpace(frame, sampled, seed=self.asked.seed, synonyms=synonyms, where=self.where)

    def _movable(self) -> list[str]:
        """Return the coordinates that can move, or say why none can."""
        asked, changes = self.asked, self.changes
        movable: Mask = np.asarray(changes.box(asked.epsilon, asked.norm).movable.any(axis=0))
        if asked.norm == "l0" and not self.text and asked.epsilon < 1:
            fix = "with l0 epsilon counts columns: 1 changes one at a time"
            raise InputError("epsilon", "1 or more with the norm l0", f"{asked.epsilon:g}", fix)
        if not movable.any():
            what = "a word to change" if self.text else "a column with room to move"
            fix = "raise epsilon, or let more change in a space file; integers move by whole steps"
            raise InputError(self.where, f"{what} at epsilon {asked.epsilon:g}", "none", fix)
        return [name for name, moves in zip(changes.columns, movable, strict=True) if moves]


def _is_text(frame: pd.DataFrame, rules: Rules) -> bool:
    """Tell whether rows are texts: one column of sentences, and no word about its values."""
    if rules.text is not None:
        return True
    return frame.shape[1] == 1 and not rules.columns and holds_sentences(frame.iloc[:, 0])
