"""Which rows are rejected, and why in words."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelwarden.suspicion.calibration import false_discoveries_at_most
from modelwarden.suspicion.judgement import SUSPECT, Judgement

Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Rejection:
    """The decision about every submitted row.

    Parameters
    ----------
    rejected : ndarray of bool of shape (n_rows,)
        Rows to take out.
    triggered, strange : ndarray of bool of shape (n_rows,)
        Those of them that carry a trigger, and those that carry one or are novel.
    reasons : ndarray of str of shape (n_rows,)
        Why, empty for kept rows.
    trusted_rejected : float or None
        Share of trusted rows that the same rule would reject, None without any.
    """

    rejected: Mask
    triggered: Mask
    strange: Mask
    reasons: Words
    trusted_rejected: float | None


def reject(judgement: Judgement, vouched: Mask, *, alpha: float, fdr: float) -> Rejection:
    """Reject rows that are more likely poison than not and among the `alpha` most suspect.

    Parameters
    ----------
    judgement : Judgement
        What the signals say.
    vouched : ndarray of bool of shape (n_rows,)
        Rows that equal a trusted row; never rejected.
    alpha : float
        Share of clean rows that may be rejected on average; without trusted rows it cannot be held.
    fdr : float
        Expected share of clean rows among the rejected ones, by Benjamini and Hochberg's procedure;
        0 for no such bound.
    """
    suspect = judgement.poison > SUSPECT
    rare = ~(judgement.p_value > alpha)  # NaN, without trusted rows, holds nothing back
    rejected = suspect & rare & ~vouched
    if fdr:
        p_value = np.where(rejected, judgement.p_value, 1)  # what is kept must not vouch for others
        rejected &= false_discoveries_at_most(p_value, fdr)
    trusted = judgement.trusted_poison
    return Rejection(
        rejected=rejected,
        triggered=rejected & (judgement.triggered > SUSPECT),
        strange=rejected & (np.maximum(judgement.novel, judgement.triggered) > SUSPECT),
        reasons=_reasons(judgement, rejected),
        trusted_rejected=_share_of_trusted(trusted, alpha) if len(trusted) else None,
    )


def _reasons(judgement: Judgement, rejected: Mask) -> Words:
    signals = (
        (judgement.triggered, "carries a trigger"),
        (judgement.novel, "unlike trusted rows"),
        (judgement.wrong_label, "label contradicted"),
    )
    reasons = np.full(len(rejected), "", dtype=object)
    for signal, words in signals:
        named = rejected & (signal > SUSPECT)
        reasons[named] = np.where(reasons[named] == "", words, reasons[named] + ", " + words)
    return reasons


def _share_of_trusted(scores: npt.NDArray[np.float64], alpha: float) -> float:
    """Return the share of trusted rows that would be rejected among the others."""
    others = len(scores) - 1
    higher = len(scores) - np.searchsorted(np.sort(scores), scores, side="left") - 1
    return float(((scores > SUSPECT) & ((1 + higher) / (others + 1) <= alpha)).mean())
