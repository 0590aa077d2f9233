"""Adversarial rows that were crafted on a copy only, and shown to the model once."""

import numpy as np
import numpy.typing as npt

from modelwarden.attacks.box_search import box_search
from modelwarden.attacks.transfer import CRAFTING, craft
from modelwarden.models import Predictor
from modelwarden.space.box import Box
from modelwarden.space.points import Candidates
from modelwarden.space.table import Space
from modelwarden.theft.copies import Copy, Floats
from modelwarden.theft.rows import Positions, Rows


def transferred(
    model: Predictor,
    space: Space,
    box: Box,
    truth: Positions,
    known: Rows,
    copy: Copy,
    *,
    seed: int = 0,
) -> npt.NDArray[np.bool_]:
    """Tell which rows of `space` the model gets wrong after they were moved against a copy.

    Parameters
    ----------
    model : Predictor
        The model; it is asked once about each row.
    space : Space
        The rows, all of them classified correctly, and what may change.
    box : Box
        How far.
    truth : ndarray of int, shape (n_rows,)
        True classes.
    known : Rows
        How the copy sees rows.
    copy : callable
        The copy.
    seed : int, default=0
        Seeds the search.

    References
    ----------
    .. [1] Papernot et al., "Practical Black-Box Attacks against Machine Learning", 2017.
    """
    rows, codes = np.arange(len(truth)), {c: i for i, c in enumerate(model.classes.tolist())}

    def seen(candidates: Candidates) -> Floats:
        return _probabilities(copy(known.encode(space.present(candidates))))

    origin = Candidates(rows, box.origin)
    own = seen(origin).argmax(axis=1)
    search = box_search(box, truth, box.origin, own, queries=CRAFTING, seed=seed)
    moved = Candidates(rows, craft(search, box, truth, rows, seen))
    shown = space.present(moved)
    said = np.array([codes[label] for label in model.predict(shown).tolist()])
    return np.asarray((said != truth) & space.allows(box, rows, shown))


def _probabilities(scores: Floats) -> Floats:
    """Return a copy's scores as probabilities: log-odds are turned, shares of votes kept."""
    if (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1):
        return scores
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
