"""Impact of contributors: who makes a model of trusted rows better, and who makes it worse.

Single rows barely move a model; a contributor's rows together do. So this is where RONI's own test
is strong: a logistic regression of trusted rows is trained with and without a contributor's rows,
and both are measured on other trusted rows. Contributors never meet each other, so no crowd of
poisoners makes the one that is left out look harmless.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression

from modelwarden.errors import InputError
from modelwarden.work import Work

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

HARMFUL = (
    -3.0
)  # z below it: of honest contributors one in 740, if trusted rows were all that varies
PENALTY = 10.0  # small groups must not buy leverage; chosen on spambase and make_classification
LEAST_PROBABILITY = 1e-6  # keeps one hopeless forecast from deciding the whole log-loss


@dataclass(frozen=True)
class GroupImpact:
    """What the rows of one contributor do to a model of trusted rows.

    Parameters
    ----------
    group : object
        The contributor's name, as it was given.
    n_rows : int
        Rows that it contributed.
    impact : float
        Fall of the mean trusted log-loss through these rows: negative ones harm.
    z : float
        `impact` in units of its standard error, paired by trusted row.
    """

    group: Any
    n_rows: int
    impact: float
    z: float

    @property
    def harmful(self) -> bool:
        """Whether the harm is beyond chance: z below `HARMFUL`, or not a number."""
        return not self.z >= HARMFUL


def impact_by_group(
    x: Floats,
    y: Codes,
    trusted_x: Floats,
    trusted_y: Codes,
    groups: Sequence[Any] | npt.NDArray[Any],
    *,
    sample_weight: Floats | None = None,
    work: Work | None = None,
) -> list[GroupImpact]:
    """Add each contributor's rows to a model of trusted rows, and measure what changes.

    Parameters
    ----------
    x : ndarray of shape (n_rows, n_features)
        Submitted rows, on comparable scales.
    y : ndarray of int of shape (n_rows,)
        Their class codes.
    trusted_x, trusted_y : ndarray of shape (n_trusted, n_features) and (n_trusted,)
        Trusted rows: one half trains while the other measures, then the reverse.
    groups : sequence of shape (n_rows,)
        Contributor, source or batch of each submitted row; missing names are one contributor.
    sample_weight : ndarray of shape (n_rows,), optional
        Weights of the submitted rows; 1 by default.
    work : Work, optional
        Told after each contributor.

    Returns
    -------
    list of GroupImpact
        The most harmful first, by `z`.

    Raises
    ------
    InputError
        If two classes do not have two trusted rows each.

    Notes
    -----
    Costs two fits of half the trusted rows and one group for each of k groups, 2 (k + 1) in all.
    Of 20 contributors with 170 to 525 rows, 3 of whom flipped 40 % of their labels at random or in
    one direction, these three came first in all of 80 runs on spambase and make_classification with
    200 to 1000 trusted rows, and in 15 of 16 with 60. No honest one fell below `HARMFUL`, with or
    without an attack. On German credit, with 40 rows each and labels uncertain by nature, the order
    is chance. Leaving groups out of a model of all rows ranks them worse where trusted rows are few
    (5 of 6 runs with 200 of them), because those left in keep doing the harm.

    References
    ----------
    .. [1] Nelson et al., "Misleading Learners: Co-opting Your Spam Filter", 2009.
    """
    if (np.bincount(trusted_y) >= 2).sum() < 2:
        raise InputError("trusted rows", "two classes of two rows or more", "fewer", "add some")
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    vouched = _Trusted(trusted_x, trusted_y)
    without = vouched.losses(x[:0], y[:0], weight[:0])
    codes, names = pd.factorize(pd.Series(groups, dtype=object), use_na_sentinel=False)
    found = []
    for code, name in enumerate(names):
        rows = codes == code
        gain = without - vouched.losses(x[rows], y[rows], weight[rows])
        error = float(gain.std(ddof=1)) / math.sqrt(len(gain))
        impact = float(gain.mean())
        found.append(GroupImpact(name, int(rows.sum()), impact, impact / error if error else 0.0))
        (work or Work()).step("contributors", len(found), len(names))
    return sorted(found, key=lambda group: group.z)


class _Trusted:
    """Trusted rows in two halves, each class dealt evenly: one trains while the other measures."""

    def __init__(self, x: Floats, y: Codes) -> None:
        self._x, self._y = x, y
        self._first = np.empty(len(y), dtype=np.bool_)
        self._first[np.argsort(y, kind="stable")] = np.arange(len(y)) % 2 == 0

    def losses(self, x: Floats, y: Codes, weight: Floats) -> Floats:
        """Return the log-loss of each trusted row when the given rows train beside the half."""
        lost = np.empty(len(self._y))
        for measured in (self._first, ~self._first):
            weights = np.concatenate([np.ones((~measured).sum()), weight])
            model = LogisticRegression(C=1 / PENALTY, max_iter=1000).fit(
                np.concatenate([self._x[~measured], x]),
                np.concatenate([self._y[~measured], y]),
                sample_weight=weights,
            )
            forecast = np.zeros((measured.sum(), max(self._y.max(), model.classes_.max()) + 1))
            forecast[:, model.classes_] = model.predict_proba(self._x[measured])
            own = forecast[np.arange(len(forecast)), self._y[measured]]
            lost[measured] = -np.log(np.maximum(own, LEAST_PROBABILITY))
        return lost
