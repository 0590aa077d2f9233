"""Models with and without some rows, tried on trusted rows as they are and with a trigger."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.impact.confirmation import linear_forecast
from modelwarden.suspicion.encoding import plain
from modelwarden.suspicion.remedy import Remedy
from modelwarden.suspicion.submission import Submission

if TYPE_CHECKING:
    from modelwarden.estimators import Estimator

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

Learn = Callable[[pd.DataFrame, Codes, pd.DataFrame, Floats | None], Codes]
"""Fits on a frame, class codes and weights; forecasts class codes of another frame."""


@dataclass
class Trial:
    """Retrains on some of the submitted rows, and remembers what the models forecast.

    Parameters
    ----------
    rows : Submission
        Submitted and trusted rows; masks are in its order.
    frame, trusted : DataFrame
        Both tables' features; `frame` in the order of `rows`.
    remedy : Remedy
        What happens to kept rows.
    attacker : int
        Class code that the trigger is thought to cause; -1 without a trigger.
    learn : callable
        The estimator.
    weights : ndarray of shape (n_rows,), optional
        Sample weights.
    """

    rows: Submission
    frame: pd.DataFrame
    trusted: pd.DataFrame
    remedy: Remedy
    attacker: int
    learn: Learn
    weights: Floats | None = None
    _known: dict[tuple[bytes, bool], Codes] = field(default_factory=dict)

    def forecast(self, kept: Mask, *, cured: bool = False) -> Codes:
        """Return forecasts of the trusted rows by a model of `kept` rows, cured by the remedy."""
        return self._forecasts(kept, cured=cured)[: self.rows.n_trusted]

    def trigger_success(self, kept: Mask, *, cured: bool = False) -> float:
        """Return the share of trusted rows of other classes that the trigger turns; 0 without one.

        The trigger is every value that was found, put into a row at once.
        """
        others = self.rows.trusted_y != self.attacker
        if self.attacker < 0 or not others.any() or not kept.any():
            return 0.0
        stamped = self._forecasts(kept, cured=cured)[self.rows.n_trusted :]
        return float((stamped[others] == self.attacker).mean())

    def _forecasts(self, kept: Mask, *, cured: bool) -> Codes:
        cured = cured and bool(self.remedy.edits or self.remedy.drop)  # else nothing would change
        key = (kept.tobytes(), cured)
        if key not in self._known:
            probes = [self.trusted]
            if self.attacker >= 0:
                probes.append(self._stamped())
            probe = pd.concat(probes, ignore_index=True)[self.frame.columns]
            frame = self.frame
            if cured:
                frame = self.remedy.apply(frame, self.rows.order)
                probe = probe[frame.columns]
            weights = None if self.weights is None else self.weights[kept]
            self._known[key] = self.learn(frame[kept], self.rows.y[kept], probe, weights)
        return self._known[key]

    def _stamped(self) -> pd.DataFrame:
        frame = self.trusted.copy()
        for name, value in self.remedy.stamp.items():
            frame[name] = value
        return frame


def linear(rows: Submission) -> Learn:
    """Return what fits a logistic regression on encoded rows."""

    def learn(frame: pd.DataFrame, y: Codes, probe: pd.DataFrame, weights: Floats | None) -> Codes:
        encoder = rows.encoder.only(frame.columns)
        return linear_forecast(
            encoder.encode(plain(frame)), y, encoder.encode(plain(probe)), weights
        )

    return learn


def own(estimator: "Estimator", classes: npt.NDArray[np.object_]) -> Learn:
    """Return what fits the user's estimator on frames as they are."""
    known = pd.Index(classes)

    def learn(frame: pd.DataFrame, y: Codes, probe: pd.DataFrame, weights: Floats | None) -> Codes:
        labels = pd.Series(classes[y], index=frame.index).infer_objects()
        forecast = estimator.forecast(frame, labels, probe, sample_weight=weights)
        return known.get_indexer(pd.Index(forecast))

    return learn
