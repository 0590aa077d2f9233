"""What the model is made of, held against the model before anything is proved about it."""

import numpy as np

from modelwarden.checks.evasion.question import Question
from modelwarden.checks.evasion.subject import Subject
from modelwarden.models import Predictor
from modelwarden.space.points import Candidates
from modelwarden.structure import Structure

COMPARED = 2000
"""Random rows near the sampled ones on which structure and model have to agree."""


def taken_apart(
    model: Predictor, subject: Subject, asked: Question, *, text: bool
) -> tuple[Structure | None, str]:
    """Return what a model is made of; where that proves nothing, None and why.

    Parameters
    ----------
    model : Predictor
        The model.
    subject : Subject
        It and the rows; the structure has to give the same labels for all of them, and for random
        rows around them that an attacker may present.
    asked : Question
        What was asked.
    text : bool
        Whether rows are texts.
    """
    if asked.nodes == 0:
        return None, "nodes is 0"
    if text:
        return None, "what becomes of words has no exact answer yet"
    structure = model.structure()
    if structure is None:
        return None, model.structure_why
    differing, compared = _differing(structure, subject, asked)
    if differing:
        why = f"its parts label {differing} of {compared} rows otherwise than the model does"
        return None, why
    return structure, ""


def _differing(structure: Structure, subject: Subject, asked: Question) -> tuple[int, int]:
    """Return for how many rows structure and model differ, and how many were compared."""
    space, n_rows = subject.space, len(subject.truth)
    box = space.box(2 * asked.epsilon, asked.norm)
    random = np.random.default_rng(asked.seed)
    rows = np.arange(COMPARED) % n_rows
    drawn = box.low[rows] + random.random((COMPARED, box.origin.shape[1])) * (
        box.high[rows] - box.low[rows]
    )
    near = space.present(Candidates(rows, box.fit(rows, drawn)))
    agreed = np.concatenate(
        [
            structure.agrees(space.frame, subject.predicted),
            structure.agrees(near, subject.labels(near)),
        ]
    )
    return int((~agreed).sum()), len(agreed)
