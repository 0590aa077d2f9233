"""Extraction: how many queries a thief needs for a copy of the model, and how many are safe."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.checks.extraction.question import Question
from modelwarden.checks.extraction.words import Found, budget, figures, report
from modelwarden.errors import InputError
from modelwarden.models import Predictor
from modelwarden.report import Findings
from modelwarden.space.columns import holds_sentences
from modelwarden.space.rules import Rules
from modelwarden.space.table import Space
from modelwarden.store import File
from modelwarden.tables import Table, coded, features
from modelwarden.theft.copies import Answers, Copy, copies
from modelwarden.theft.hauls import Haul, active, mixed, natural
from modelwarden.theft.rows import Positions, Rows, TableRows, TextRows
from modelwarden.theft.study import Study, ladder, unaided
from modelwarden.theft.transferred import transferred
from modelwarden.work import Work

HELD_BACK = 2000
"""Rows at most that no thief has, to judge copies by; half of a smaller table."""
LEAST = 40
"""Rows of a table that can be split into a thief's and ours."""
CRAFTED = 100
"""Rows at most that are moved against the best copy."""


def extraction(
    model: Predictor,
    evaluation: Table,
    space: File | None = None,
    *,
    target: str,
    limit: float = 0.95,
    outputs: str = "auto",
    queries: int = 10_000,
    days: int = 30,
    public_rows: int = 300,
    epsilon: float = 0.1,
    seed: int = 0,
    work: Work | None = None,
) -> Findings:
    r"""Steal the model, before somebody else does, and derive a query budget per client.

    Thieves have half of the table, as rows that look like customers', and ask about those, about
    blends of pairs of them, and actively about what their copy is least sure of. Copies are linear
    models and extremely randomised trees, fitted on labels or on probabilities; where the model is
    linear and gives probabilities, :math:`d + 1` queries solve it. Fidelity is the share of the
    rows that no thief had in which copy and model agree; that of the best thief counts.

    Parameters
    ----------
    model : Predictor
        The classifier.
    evaluation : Table
        Labelled rows that the model was not trained on, as customers send them.
    space : File, optional
        What an attacker may change in a row that is moved against the copy.
    target : str
        Column of labels.
    limit : float, default=0.95
        Fidelity that copies have to stay below, above 0 to 1.
    outputs : {"auto", "labels", "probabilities"}, default="auto"
        What the endpoint answers with, for the budget; ``auto`` is all that the model can say.
    queries : int, default=10_000
        The most that are tried; nothing is claimed beyond.
    days : int, default=30
        Length of the budget's period.
    public_rows : int, default=300
        Labelled rows that a thief has anyway, for the copy that is made without any query.
    epsilon : float, default=0.1
        How far rows are moved against the copy, as in the check ``evasion``.
    seed : int, default=0
        Seeds the split, the thieves and their copies.
    work : Work, optional
        Told after each step.

    Returns
    -------
    Findings
        Fidelity with its 95 % interval, queries to 90, 95 and 99 %, the budget (also as the table
        ``budget``), and how often rows crafted on the copy fool the model.

    Raises
    ------
    InputError
        If options cannot be used, the table is too small, or its labels are not the model's.

    References
    ----------
    .. [1] Tramer et al., "Stealing Machine Learning Models via Prediction APIs", 2016.
    .. [2] Jagielski et al., "High Accuracy and High Fidelity Extraction of Neural Networks", 2020.
    """
    asked = Question.of(model, limit, outputs, queries, days, public_rows, epsilon, seed)
    frame, truth = features(evaluation, target), coded(evaluation, target, model.classes)
    if len(frame) < LEAST:
        fix = "give more labelled rows"
        raise InputError(evaluation.uri, f"{LEAST} rows or more", f"{len(frame)}", fix)
    order = np.random.default_rng(seed).permutation(len(frame))
    ours, theirs = np.split(order, [min(HELD_BACK, len(frame) // 2)])
    theirs = theirs[: max(asked.queries, asked.public_rows)]
    is_text = frame.shape[1] == 1 and holds_sentences(frame.iloc[:, 0])
    had = frame.iloc[theirs]
    known: Rows = TextRows(had) if is_text else TableRows(had)
    held_back = frame.iloc[ours].reset_index(drop=True)
    said = _codes(model, model.predict(held_back))
    again = _codes(model, model.predict(held_back[::-1]))[::-1]
    watch = work or Work()
    told, n_classes, judges = theirs[:public_rows], len(model.classes), known.encode(held_back)
    public = copies(known.encode(frame.iloc[told]), Answers(truth[told]), n_classes, seed=seed)
    alone = unaided(public.values(), judges, said)
    study = Study(_hauls(model, known, asked, watch), n_classes, judges, said, seed, alone)
    steps = ladder(asked.queries, known.width)
    for done, step in enumerate(steps, 1):
        study.measure(step)
        watch.step(f"fitted copies on {step} answers", done, len(steps))
    copy = study.winner(asked.queries, asked.outputs)
    moved = None
    if not is_text:
        rules = Rules(version=1) if space is None else Rules.read(space)
        right = ours[said == truth[ours]][:CRAFTED]
        where = evaluation.uri if space is None else space.uri
        moved = _moved(model, Space(frame, right, rules, where), truth[right], known, copy, asked)
    found = Found(study, asked, steps, int((said != again).sum()), moved, len(told))
    return Findings(
        report(found),
        tables={"budget": budget(found, model.sha256).as_bytes()},
        figures=figures(found),
    )


def _codes(model: Predictor, said: npt.NDArray[Any]) -> Positions:
    """Return predicted labels as positions among the model's classes."""
    codes = {label: code for code, label in enumerate(model.classes.tolist())}
    return np.array([codes[label] for label in said.tolist()], dtype=np.intp)


def _hauls(model: Predictor, known: Rows, asked: Question, work: Work) -> dict[str, Haul]:
    """Send the thieves out: each way to ask, for labels and for probabilities."""

    def ask(frame: pd.DataFrame) -> Answers:
        return Answers(_codes(model, model.predict(frame)), model.predict_proba(frame))

    def ask_labels(frame: pd.DataFrame) -> Answers:
        return Answers(ask(frame).labels)

    hauls, n_classes = [], len(model.classes)
    for place, way in enumerate((natural, mixed)):
        haul = way(known, ask, asked.queries, np.random.default_rng([asked.seed, place]))
        hauls.append(Haul(haul.questions, haul.rows, Answers(haul.answers.labels)))
        if asked.has_scores:
            hauls.append(haul)
    for place, answer in enumerate((ask_labels, ask)[: 1 + asked.has_scores]):
        random = np.random.default_rng([asked.seed, 2 + place])
        hauls.append(active(known, answer, asked.queries, n_classes, random, seed=asked.seed))
        work.step("asked the model", place + 1, 1 + asked.has_scores)
    return {f"{haul.questions}, {haul.outputs}": haul for haul in hauls}


def _moved(
    model: Predictor,
    space: Space,
    truth: Positions,
    known: Rows,
    copy: Copy,
    asked: Question,
) -> "tuple[int, int] | None":
    """Return how many rows crafted on the copy fool the model, of how many, if any can move."""
    box = space.box(asked.epsilon, "linf")
    if not len(truth) or not box.movable.any():
        return None
    fooled = transferred(model, space, box, truth, known, copy, seed=asked.seed)
    return int(fooled.sum()), len(fooled)
