"""Impact on any scikit-learn classifier or Pipeline, by training it again and again."""

import warnings
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_regressor
from sklearn.pipeline import Pipeline

from modelwarden.errors import InputError
from modelwarden.impact.subsets import Trials, leave_one_out, sample
from modelwarden.work import Work

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Rows = pd.DataFrame | Floats
Metric = Literal["loss", "accuracy"]

LEAST_PROBABILITY = 1e-6  # keeps one hopeless forecast from deciding the whole log-loss


class TrustedWorth:
    """How good an estimator is on trusted rows once it was trained on a subset: a game of rows.

    Parameters
    ----------
    estimator : scikit-learn classifier or Pipeline
        Cloned for each subset; every ``random_state`` that is None becomes `seed`.
    x : DataFrame or ndarray of shape (n_rows, n_features)
        Submitted rows, as the estimator wants them.
    y : ndarray of shape (n_rows,)
        Their labels.
    trusted_x, trusted_y : DataFrame or ndarray, and ndarray, of n_trusted rows
        Rows that the metric is measured on.
    metric : {"loss", "accuracy"}, default="loss"
        Minus the mean log-loss, or the share of right forecasts.
    sample_weight : ndarray of shape (n_rows,), optional
        Passed on to the estimator, or to the last step of a Pipeline.
    seed : int, default=0
        Random state of the estimator.

    Raises
    ------
    InputError
        If it is a regressor, or `metric` is none of the above; when called, if the estimator
        raises, or forecasts what is no probability.

    Notes
    -----
    A subset of one class forecasts that class; no rows at all forecast every class alike.
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        x: Rows,
        y: Labels,
        trusted_x: Rows,
        trusted_y: Labels,
        *,
        metric: Metric = "loss",
        sample_weight: Floats | None = None,
        seed: int = 0,
    ) -> None:
        self._name = type(estimator).__name__
        if metric not in get_args(Metric):
            raise InputError("metric", " or ".join(get_args(Metric)), repr(metric))
        if is_regressor(estimator):
            raise InputError(self._name, "a classifier", "a regressor", "regression is unsupported")
        self._estimator, self._seed, self._metric = estimator, seed, metric
        self._x, self._y, self._weight = x, np.asarray(y), sample_weight
        self._trusted_x, self._trusted_y = trusted_x, np.asarray(trusted_y)
        self._classes = np.unique(np.concatenate([self._y, self._trusted_y]))

    def __call__(self, kept: Mask) -> float:
        """Return the metric of a model of the rows in the mask `kept`; larger is better."""
        seen = np.unique(self._y[kept])
        if len(seen) < 2:
            likely = self._classes if not len(seen) else seen
            right = np.isin(self._trusted_y, likely) / len(likely)
        else:
            right = self._retrained(kept)
        if self._metric == "accuracy":
            return float(right.mean())
        return float(np.log(np.maximum(right, LEAST_PROBABILITY)).mean())

    def _retrained(self, kept: Mask) -> Floats:
        """Return each trusted label's probability, or for accuracy 1 where it is right, else 0."""
        try:
            with warnings.catch_warnings():  # the same one, thousands of times
                warnings.simplefilter("ignore")
                model = self._fit(kept)
                if self._metric == "accuracy":
                    return np.asarray(model.predict(self._trusted_x) == self._trusted_y, np.float64)
                forecast = model.predict_proba(self._trusted_x)
                classes = model.classes_
        except Exception as error:  # foreign code may raise anything
            got = f"{type(error).__name__} for {kept.sum()} rows: {str(error)[:200]}"
            task = "fits and predicts labels"
            if self._metric == "loss":
                task = "fits and predicts probabilities"
            raise InputError(self._name, f"an estimator that {task}", got, "mend it") from error
        return self._own(np.asarray(forecast, dtype=np.float64), classes)

    def _fit(self, kept: Mask) -> ClassifierMixin:
        model = clone(self._estimator)
        parameters = model.get_params()
        unseeded = [
            name
            for name, value in parameters.items()
            if name.split("__")[-1] == "random_state" and value is None
        ]
        model.set_params(**dict.fromkeys(unseeded, self._seed))
        extra = {}
        if self._weight is not None:
            step = f"{model.steps[-1][0]}__" if isinstance(model, Pipeline) else ""
            extra[f"{step}sample_weight"] = self._weight[kept]
        return model.fit(self._x[kept], self._y[kept], **extra)

    def _own(self, forecast: Floats, classes: Labels) -> Floats:
        """Return the probability of each trusted row's label; 0 for classes the model lacks."""
        if not np.isfinite(forecast).all():
            raise InputError(self._name, "finite probabilities", "others", "mend the estimator")
        place = {label: column for column, label in enumerate(classes.tolist())}
        columns = np.array([place.get(label, -1) for label in self._trusted_y.tolist()])
        own = forecast[np.arange(len(columns)), columns]
        return np.where(columns < 0, 0.0, own)


def data_banzhaf(
    estimator: BaseEstimator,
    x: Rows,
    y: Labels,
    trusted_x: Rows,
    trusted_y: Labels,
    *,
    trials: int = 256,
    share: float = 0.5,
    metric: Metric = "loss",
    sample_weight: Floats | None = None,
    seed: int = 0,
    jobs: int = 1,
    work: Work | None = None,
) -> Floats:
    """Estimate the impact of every row by training on random subsets of all.

    Parameters
    ----------
    estimator, x, y, trusted_x, trusted_y, metric, sample_weight, seed
        As for :class:`TrustedWorth`. `seed` also seeds the subsets.
    trials, share : int, default=256, and float, default=0.5
        Number of subsets, and chance of each row to be in one.
    jobs : int, default=1
        Processes.
    work : Work, optional
        Told after each subset.

    Returns
    -------
    ndarray of shape (n_rows,)
        Mean metric of the models with the row minus that of the models without it: negative rows
        harm.

    Raises
    ------
    InputError
        As for :class:`TrustedWorth`.

    Notes
    -----
    One training serves all rows. Noise falls with the root of `trials`, and hides single rows among
    many: for thousands of rows use thousands of trials, or ask for groups. To stop and go on, to
    add trials, or for standard errors, use :func:`~modelwarden.impact.subsets.sample` with a
    :class:`TrustedWorth`; this function is no more than that.

    References
    ----------
    .. [1] Wang and Jia, "Data Banzhaf: A Robust Data Valuation Framework", AISTATS 2023.
    .. [2] Nelson et al., "Misleading Learners: Co-opting Your Spam Filter", 2009.
    """
    worth = TrustedWorth(
        estimator, x, y, trusted_x, trusted_y, metric=metric, sample_weight=sample_weight, seed=seed
    )
    return sample(worth, Trials(len(y), share, seed), trials, jobs=jobs, work=work).values()


def retrain(
    estimator: BaseEstimator,
    x: Rows,
    y: Labels,
    trusted_x: Rows,
    trusted_y: Labels,
    *,
    metric: Metric = "loss",
    sample_weight: Floats | None = None,
    seed: int = 0,
    jobs: int = 1,
    work: Work | None = None,
) -> Floats:
    """Return the impact of every row by its literal definition: train without each one.

    Parameters
    ----------
    estimator, x, y, trusted_x, trusted_y, metric, sample_weight, seed
        As for :class:`TrustedWorth`.
    jobs : int, default=1
        Processes.
    work : Work, optional
        Told after each row.

    Returns
    -------
    ndarray of shape (n_rows,)
        Metric of the model of all rows minus that without the row: negative rows harm.

    Raises
    ------
    InputError
        As for :class:`TrustedWorth`.
    """
    worth = TrustedWorth(
        estimator, x, y, trusted_x, trusted_y, metric=metric, sample_weight=sample_weight, seed=seed
    )
    return leave_one_out(worth, len(y), jobs=jobs, work=work)
