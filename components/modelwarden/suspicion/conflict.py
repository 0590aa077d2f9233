"""Label conflict: submitted labels that a model of the trusted rows contradicts.

The model never sees a submitted row, so poison cannot move it. A forest and a logistic regression
are mixed, because each is blind where the other sees: the forest to many weak linear effects, the
regression to all that is not linear.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

FOLDS = 5
WEIGHTS = np.linspace(0, 1, 21)
LEAST_PROBABILITY = 1e-6  # keeps one hopeless forecast from deciding the whole log-loss


@dataclass(frozen=True)
class Suspicion:
    """How rows look to a model that knows only (other) trusted rows.

    Parameters
    ----------
    contradicted : ndarray of bool of shape (n_rows,)
        Whether the model forecasts another label, and as surely as it usually is about rows that
        truly have that label.
    p_value : ndarray of shape (n_rows,)
        Share of trusted rows whose own label fits at most as well; never below 1 / (n_trusted + 1).
    """

    contradicted: Mask
    p_value: Floats

    def rejected(self, alpha: float) -> Mask:
        """Return the rows that are contradicted and among the `alpha` least fitting."""
        return np.asarray(self.contradicted & (self.p_value <= alpha))


@dataclass(frozen=True)
class LabelConflict:
    """What :func:`label_conflict` found.

    Parameters
    ----------
    submitted : Suspicion
        The submitted rows, judged by all trusted rows.
    trusted : Suspicion
        Each trusted row, judged by folds that it is not in: what the rule does to clean rows.
    forest_weight : float
        Share of the forest in the mixed forecast, 0 to 1.
    """

    submitted: Suspicion
    trusted: Suspicion
    forest_weight: float


def label_conflict(
    x: Floats,
    y: Codes,
    trusted_x: Floats,
    trusted_y: Codes,
    *,
    trees: int = 100,
    seed: int = 0,
) -> LabelConflict:
    """Hold every submitted label against a model of the trusted rows.

    Parameters
    ----------
    x : ndarray of shape (n_rows, n_features)
        Submitted rows, encoded like the trusted ones.
    y : ndarray of int of shape (n_rows,)
        Their class codes; every code occurs in `trusted_y`.
    trusted_x, trusted_y : ndarray of shape (n_trusted, n_features) and (n_trusted,)
        Trusted rows and class codes 0 to n_classes - 1, each at least twice.
    trees : int, default=100
        Size of the forest, which costs most of the time.
    seed : int, default=0
        Seeds the forest and the folds.

    Returns
    -------
    LabelConflict
        Contradictions and p-values of the submitted and of the trusted rows.

    Notes
    -----
    The thresholds of "as surely as usual" are those of confident learning [1]_, taken from
    out-of-fold forecasts of trusted rows, out of the attacker's reach. If clean submitted rows and
    trusted rows come from one distribution, then P(p <= alpha) <= alpha for a clean row [2]_; the
    trusted scores being cross-fitted makes this approximate, and `trusted` shows what it comes to.

    References
    ----------
    .. [1] Northcutt, Jiang and Chuang, "Confident Learning", JAIR 70, 2021.
    .. [2] Bates et al., "Testing for Outliers with Conformal p-values", Annals of Statistics 2023.
    """
    folds = _folds(trusted_y, seed)
    forest_model = ExtraTreesClassifier(trees, random_state=seed, n_jobs=1)
    forest, forest_apart = _forecasts(forest_model, x, trusted_x, trusted_y, folds)
    linear_model = LogisticRegression(max_iter=1000)
    linear, linear_apart = _forecasts(linear_model, x, trusted_x, trusted_y, folds)
    weight = min(
        WEIGHTS, key=lambda w: _log_loss(w * forest_apart + (1 - w) * linear_apart, trusted_y)
    )
    forecast = weight * forest + (1 - weight) * linear
    apart = weight * forest_apart + (1 - weight) * linear_apart

    misfit, trusted_misfit = _misfit(forecast, y), _misfit(apart, trusted_y)
    sure = _sure(apart, trusted_y)
    n_trusted = len(trusted_y)
    at_least = _count_at_least(trusted_misfit, misfit)
    others_at_least = _count_at_least(trusted_misfit, trusted_misfit) - 1
    return LabelConflict(
        submitted=Suspicion(_contradicted(forecast, y, sure), (1 + at_least) / (n_trusted + 1)),
        trusted=Suspicion(_contradicted(apart, trusted_y, sure), (1 + others_at_least) / n_trusted),
        forest_weight=float(weight),
    )


def _folds(y: Codes, seed: int) -> Codes:
    """Deal shuffled rows over the folds like cards, one class after the other.

    So folds are even, and a class of two rows is in every training part; scikit-learn's stratified
    folds warn about classes that are smaller than the number of folds.
    """
    shuffled = np.random.default_rng(seed).permutation(len(y))
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    folds = np.empty(len(y), dtype=np.intp)
    folds[by_class] = np.arange(len(y)) % FOLDS
    return folds


def _forecasts(
    model: ClassifierMixin, x: Floats, trusted_x: Floats, trusted_y: Codes, folds: Codes
) -> tuple[Floats, Floats]:
    """Return class probabilities of `x` by all trusted rows, and of trusted rows by other folds."""
    apart = np.empty((len(trusted_y), trusted_y.max() + 1))
    for fold in range(FOLDS):
        held_out = folds == fold
        model.fit(trusted_x[~held_out], trusted_y[~held_out])
        apart[held_out] = model.predict_proba(trusted_x[held_out])
    return model.fit(trusted_x, trusted_y).predict_proba(x), apart


def _own(forecast: Floats, y: Codes) -> Floats:
    """Return the probability that each row's forecast gives to the row's own label."""
    return forecast[np.arange(len(y)), y]


def _log_loss(forecast: Floats, y: Codes) -> float:
    return float(-np.log(np.maximum(_own(forecast, y), LEAST_PROBABILITY)).mean())


def _misfit(forecast: Floats, y: Codes) -> Floats:
    return 1 - _own(forecast, y)


def _sure(forecast: Floats, y: Codes) -> Floats:
    """Return per class the mean probability that its own rows get: "as sure as usual"."""
    return np.array([forecast[y == code, code].mean() for code in range(forecast.shape[1])])


def _contradicted(forecast: Floats, y: Codes, sure: Floats) -> Mask:
    likeliest = forecast.argmax(axis=1)
    return np.asarray((likeliest != y) & (_own(forecast, likeliest) >= sure[likeliest]))


def _count_at_least(scores: Floats, bounds: Floats) -> Codes:
    """Count for each bound the scores that reach it."""
    return len(scores) - np.searchsorted(np.sort(scores), bounds, side="left")
