"""Evasion: how often a model is still right when somebody nudges its inputs."""

import numpy as np
import pandas as pd

from modelwarden.checks.evasion.arsenal import Arsenal
from modelwarden.checks.evasion.campaign import Campaign
from modelwarden.checks.evasion.examples import Examples
from modelwarden.checks.evasion.figures import figures
from modelwarden.checks.evasion.question import Question
from modelwarden.checks.evasion.subject import Changes, Subject, sample
from modelwarden.checks.evasion.taken_apart import taken_apart
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


def evasion(
    model: Predictor,
    evaluation: Table,
    space: File | None = None,
    *,
    target: str,
    epsilon: float = 0.1,
    norm: str = "auto",
    rows: int = 300,
    queries: int = 400,
    distance_queries: int = 1000,
    nodes: int = 10_000,
    examples: int = 0,
    seed: int = 0,
    work: Work | None = None,
) -> Findings:
    r"""Attack a model with small perturbations, and prove what no perturbation can do.

    A row :math:`x` is broken when some :math:`x'` with a wrong prediction is found within
    :math:`\lVert (x' - x) / s \rVert \le \epsilon` that the space file allows; the scale
    :math:`s_j` of column :math:`j` is its interquartile range (its standard deviation where that is
    0) unless the file says otherwise. Robust accuracy is the share of rows that are right and not
    broken: an upper bound. Where the model is linear or made of trees, certified accuracy is the
    share of rows that are right and provably stay so: a lower bound. Every broken row was put to
    ``predict`` and to the rules once more.

    Parameters
    ----------
    model : Predictor
        The classifier; labels suffice, probabilities make the attack stronger.
    evaluation : Table
        Labelled rows that the model was not trained on. A single column of text is attacked word by
        word.
    space : File, optional
        What an attacker may change, see :class:`modelwarden.space.rules.Rules`; without it every
        number, within the range that the table shows, and nothing else.
    target : str
        Column of labels.
    epsilon : float, default=0.1
        Size of the perturbation, above 0: in units of each column's scale; a number of columns
        where `norm` is ``l0``; of a text the share of its words.
    norm : {"auto", "linf", "l2", "l1", "l0"}, default="auto"
        How changes of columns are joined; ``auto`` is ``l0`` for texts and ``linf`` for tables.
    rows : int, default=300
        Rows to attack, drawn in the table's shares of classes; all of them when there are fewer.
    queries : int, default=400
        Candidates per row and size of perturbation; confirming them costs about an eighth more.
        Single columns and pixels are all tried where that takes no more than 10,000 candidates.
    distance_queries : int, default=1000
        Candidates per row for the smallest change that breaks it; 0 leaves that out.
    nodes : int, default=10_000
        Steps of exact search per row and size; 0 proves nothing.
    examples : int, default=0
        Broken rows for the tables ``broken`` and ``pictures``: rows of data, so only on request.
    seed : int, default=0
        Seeds the draw of rows and every search.
    work : Work, optional
        Told after each step.

    Returns
    -------
    Findings
        Clean, robust and certified accuracy with 95 % intervals, and the smallest changes. The
        order of columns changes nothing.

    Raises
    ------
    InputError
        If options cannot be used, the table has labels that the model does not know, the space file
        does not fit the table, or nothing can move.
    """
    asked = Question(epsilon, norm, rows, queries, distance_queries, nodes, examples, seed)
    rules = Rules(version=1) if space is None else Rules.read(space)
    sampled, truth, others = sample(model, evaluation, target, rows, seed)
    frame = features(evaluation, target)
    text = _is_text(frame, rules)
    asked = asked.about(text=text)
    where = evaluation.uri if space is None else space.uri
    changes = _changes(frame, sampled, rules, seed, where, text=text)
    movable = _movable(changes, asked, where, text=text)
    subject = Subject(model, changes, truth)
    failures = subject.failures()
    if failures:
        return Findings(Report("evasion", metrics(subject.right, None), failures))
    structure, why = taken_apart(model, subject, asked, text=text)
    beside, is_opaque = frame.iloc[others[:POOL]], structure is None
    arsenal = Arsenal(subject, beside, asked, text=text, is_opaque=is_opaque)
    found = Campaign(subject, structure, why, arsenal, asked, work or Work()).find()
    tables = {}
    if asked.examples:
        box, classes = changes.box(asked.epsilon, asked.norm), model.classes.tolist()
        broken = Examples.of(found, subject, box, sampled, classes, asked.examples)
        tables = broken.tables(evaluation, rules.image)
    return Findings(
        report(found, subject, asked, notes=about_space(changes, movable)),
        tables=tables,
        figures=figures(found, subject.right, asked.norm, text=text),
    )


def _is_text(frame: pd.DataFrame, rules: Rules) -> bool:
    """Tell whether rows are texts: one column of sentences, and no word about its values."""
    if rules.text is not None:
        return True
    return frame.shape[1] == 1 and not rules.columns and holds_sentences(frame.iloc[:, 0])


def _changes(
    frame: pd.DataFrame, sampled: Positions, rules: Rules, seed: int, where: str, *, text: bool
) -> Changes:
    """Return what may change in the sampled rows."""
    if not text:
        return Space(frame, sampled, rules, where)
    synonyms = rules.text.synonyms if rules.text else None
    return TextSpace(frame, sampled, seed=seed, synonyms=synonyms, where=where)


def _movable(changes: Changes, asked: Question, where: str, *, text: bool) -> list[str]:
    """Return the coordinates that can move, or say why none can."""
    movable: Mask = np.asarray(changes.box(asked.epsilon, asked.norm).movable.any(axis=0))
    if asked.norm == "l0" and not text and asked.epsilon < 1:
        fix = "with l0 epsilon counts columns: 1 changes one at a time"
        raise InputError("epsilon", "1 or more with the norm l0", f"{asked.epsilon:g}", fix)
    if not movable.any():
        what = "a word to change" if text else "a column with room to move"
        fix = "raise epsilon, or let more change in a space file; integers move by whole steps"
        raise InputError(where, f"{what} at epsilon {asked.epsilon:g}", "none", fix)
    return [name for name, moves in zip(changes.columns, movable, strict=True) if moves]
