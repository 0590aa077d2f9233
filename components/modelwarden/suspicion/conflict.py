"""Label conflict: what a model of the trusted rows forecasts for submitted ones.

The model never sees a submitted row, so poison cannot move it. A forest and a logistic regression
speak, because each is blind where the other sees: the forest to many weak linear effects, the
regression to all that is not linear.
"""

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression

from modelwarden.impact.blocks import BLOCK, tiles
from modelwarden.suspicion.forecasts import FOLDS, Forecast, deal

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]


def trusted_forecasts(
    x: Floats, trusted_x: Floats, trusted_y: Codes, *, trees: int = 100, seed: int = 0
) -> tuple[Forecast, Forecast]:
    """Forecast labels by a forest and by a logistic regression of trusted rows.

    Parameters
    ----------
    x : ndarray of shape (n_rows, n_features)
        Submitted rows, encoded like the trusted ones.
    trusted_x, trusted_y : ndarray of shape (n_trusted, n_features) and (n_trusted,)
        Trusted rows and class codes 0 to n_classes - 1, each at least twice.
    trees : int, default=100
        Size of the forest, which costs most of the time.
    seed : int, default=0
        Seeds the forest and the folds.

    Returns
    -------
    tuple of Forecast
        Of all submitted rows by all trusted rows; of trusted rows by five folds, each by the other
        four.

    References
    ----------
    .. [1] Northcutt, Jiang and Chuang, "Confident Learning", JAIR 70, 2021.
    """
    folds = deal(trusted_y, seed)
    forest = ExtraTreesClassifier(trees, random_state=seed, n_jobs=1)
    linear = LogisticRegression(max_iter=1000)
    return (
        _forecast(forest, x, trusted_x, trusted_y, folds),
        _forecast(linear, x, trusted_x, trusted_y, folds),
    )


def _forecast(
    model: ClassifierMixin, x: Floats, trusted_x: Floats, trusted_y: Codes, folds: Codes
) -> Forecast:
    apart = np.empty((len(trusted_y), trusted_y.max() + 1))
    for fold in range(FOLDS):
        held_out = folds == fold
        model.fit(trusted_x[~held_out], trusted_y[~held_out])
        apart[held_out] = model.predict_proba(trusted_x[held_out])
    model.fit(trusted_x, trusted_y)
    # a matrix product rounds by its shape: in blocks, whoever forecasts which of them
    parts = [model.predict_proba(x[rows]) for rows in tiles(len(x), BLOCK)]
    return Forecast(np.concatenate([np.empty((0, apart.shape[1])), *parts]), apart)
