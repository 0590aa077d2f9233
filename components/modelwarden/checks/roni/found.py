"""Everything that RONI measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.impact.confirmation import Effect, confirm
from modelwarden.impact.groups import GroupImpact
from modelwarden.impact.trial import Trial
from modelwarden.suspicion.judgement import Judgement
from modelwarden.suspicion.rejection import Rejection
from modelwarden.suspicion.remedy import Remedy
from modelwarden.suspicion.submission import Submission

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Proof:
    """What models of kept and of all rows do, on trusted rows.

    Parameters
    ----------
    effect : Effect
        Of the rejected rows without a trigger; those with one may leave accuracy alone.
    after : float
        Accuracy without any rejected row, and after the remedy for triggers.
    success_before, success_after : float
        Share of trusted rows of other classes that the trigger turns; 0 without a trigger.
    useless : bool
        Whether the user's own estimator says the same whatever the row.
    """

    effect: Effect
    after: float
    success_before: float
    success_after: float
    useless: bool


def prove(trial: Trial, rejection: Rejection, *, own: bool, seed: int) -> Proof:
    """Ask whether rejecting rows helps."""
    everything = np.ones_like(rejection.rejected)
    kept = ~rejection.rejected
    truth = trial.rows.trusted_y
    effect = confirm(trial.forecast, truth, rejection.rejected & ~rejection.triggered, seed=seed)
    after = (trial.forecast(kept, cured=True) == truth).mean() if kept.any() else np.nan
    before = trial.forecast(everything)
    return Proof(
        effect=effect,
        after=float(after),
        success_before=trial.trigger_success(everything),
        success_after=trial.trigger_success(kept, cured=True),
        useless=own and bool((before == before[0]).all()),
    )


@dataclass(frozen=True)
class Found:
    """What was measured, in the order of `rows`.

    Parameters
    ----------
    rows : Submission
        Both tables.
    judgement, rejection : Judgement, Rejection
        Signals and decision.
    impact : ndarray of shape (n_rows,)
        Exact leave-one-out impact on trusted rows; NaN without any.
    remedy : Remedy
        What happens to kept rows.
    proof : Proof or None
        Whether it helps; None without trusted rows.
    groups : sequence of GroupImpact
        Contributors, most harmful first.
    blamed : mapping of contributor to int
        Rejected rows of those that have any, most first.
    """

    rows: Submission
    judgement: Judgement
    rejection: Rejection
    impact: Floats
    remedy: Remedy
    proof: Proof | None
    groups: Sequence[GroupImpact]
    blamed: Mapping[Any, int]

    @property
    def rejected(self) -> Mask:
        """Return the rows to take out."""
        return self.rejection.rejected

    @property
    def harmful(self) -> float | None:
        """Share of the rejected rows with a negative impact, None without any."""
        if self.proof is None or not self.rejected.any():
            return None
        return float((self.impact[self.rejected] < 0).mean())

    def by_class(self, most: int) -> dict[str, int]:
        """Rejected rows by submitted label, most first."""
        counts = np.bincount(self.rows.y[self.rejected], minlength=self.rows.n_classes)
        shown = np.argsort(-counts, kind="stable")[:most]
        return {str(self.rows.classes[code]): int(counts[code]) for code in shown}

    def table(self, kept: Mask) -> pd.DataFrame:
        """Return one line per submitted row, in the order of the table.

        Parameters
        ----------
        kept : ndarray of bool of shape (n_rows,)
            What became of the rows, in the order of the table.
        """
        judgement = self.judgement
        columns = {
            "reason": self.rejection.reasons,
            "poison_probability": judgement.poison,
            "p_value": judgement.p_value,
            "impact": self.impact,
            "wrong_label": judgement.wrong_label,
            "novel": judgement.novel,
            "triggered": judgement.triggered,
        }
        place = np.empty_like(self.rows.order)
        place[self.rows.order] = np.arange(len(place))
        return pd.DataFrame(
            {
                "row": np.arange(1, len(kept) + 1),
                "decision": np.where(kept, "kept", "rejected"),
                **{name: column[place] for name, column in columns.items()},
            }
        )
