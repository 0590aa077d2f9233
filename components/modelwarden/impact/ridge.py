r"""Exact impact for ridge regression on one-vs-rest labels, without refitting.

With an intercept column in :math:`X`, one-hot labels :math:`Y`, row weights :math:`\omega` and

.. math:: A = X^\top \Omega X + \lambda I, \qquad W = A^{-1} X^\top \Omega Y, \qquad g = A^{-1} x,

leaving out a row or adding one moves the weights by a matrix of rank one (Sherman and Morrison),

.. math:: W_{\mp} = W \mp \frac{\omega}{1 \mp \omega g^\top x} g \, (y - W^\top x)^\top,

so that the trusted loss, a quadratic form in the weights, is known for every row from
:math:`V^\top V` and :math:`V^\top (U - V W)` of the trusted rows :math:`(V, U)` alone. On a basis
that makes :math:`A` and :math:`V^\top V` diagonal at once, one matrix product per block of rows
gives it all.

A block's :func:`moments` add up; :func:`fit` turns their sum into a :class:`Model`, which measures
block after block.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from modelwarden.errors import InputError
from modelwarden.impact.accuracy import RankOneAccuracy
from modelwarden.impact.blocks import TILE, Block, Blocks, check_block, even, join, tiles
from modelwarden.impact.quadratic import diagonalise
from modelwarden.report import finite

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
Metric = Literal["loss", "accuracy"]

_LEAST = 1e-5  # 1 - leverage below which rounding would show


def leave_one_out(
    x: Floats,
    y: Codes,
    trusted_x: Floats,
    trusted_y: Codes,
    *,
    penalty: float = 1.0,
    metric: Metric = "loss",
    sample_weight: Floats | None = None,
) -> Floats:
    """Return how much worse the model of all rows would be without each row, exactly.

    Parameters
    ----------
    x : ndarray of shape (n_rows, n_features)
        Rows whose impact is asked, on comparable scales.
    y : ndarray of int of shape (n_rows,)
        Their class codes, from 0.
    trusted_x, trusted_y : ndarray of shape (n_trusted, n_features) and (n_trusted,)
        Rows that the metric is measured on.
    penalty : float, default=1.0
        Ridge penalty on all weights, the intercept included; positive, so that the system stays
        regular when there are more features than rows.
    metric : {"loss", "accuracy"}, default="loss"
        Squared error summed over classes, averaged over trusted rows; or the share of trusted rows
        whose class has the largest forecast, the lowest code among equals.
    sample_weight : ndarray of shape (n_rows,), optional
        Weights of the submitted rows, 0 or more; 1 by default.

    Returns
    -------
    ndarray of shape (n_rows,)
        Trusted loss without the row minus with it, or accuracy with the row minus without it:
        negative rows harm.

    Raises
    ------
    InputError
        If numbers are not finite, codes or weights negative, or an option is none of the above.

    Notes
    -----
    For n rows of d features and m trusted rows the loss costs O(n d^2), whatever m, in double
    precision; the accuracy O(n m d), one matrix product in single precision. One refit per row,
    :func:`retrain`, gives the same numbers n times slower.

    References
    ----------
    .. [1] Nelson et al., "Exploiting Machine Learning to Subvert Your Spam Filter", LEET 2008.
    .. [2] Cook and Weisberg, "Residuals and Influence in Regression", 1982.
    """
    return leave_one_out_blocks(
        lambda: [Block(x, y, sample_weight)],
        trusted_x,
        trusted_y,
        n_classes=_n_classes(y, trusted_y),
        penalty=penalty,
        metric=metric,
    )


def leave_one_out_blocks(
    blocks: Blocks,
    trusted_x: Floats,
    trusted_y: Codes,
    *,
    n_classes: int,
    penalty: float = 1.0,
    metric: Metric = "loss",
) -> Floats:
    """Do what :func:`leave_one_out` does, for rows that need not fit into memory: the same bytes.

    Parameters
    ----------
    blocks : callable() -> iterable of Block
        Starts again at the first row whenever it is called: twice, and once more when a row has a
        leverage near 1.
    trusted_x, trusted_y, penalty, metric
        As for :func:`leave_one_out`.
    n_classes : int
        Class codes of submitted and trusted rows are below it.

    Returns
    -------
    ndarray of shape (n_rows,)
        As for :func:`leave_one_out`.

    Raises
    ------
    InputError
        As for :func:`leave_one_out`.
    """
    total = _sum(moments(block, n_classes) for block in even(blocks()))
    model = fit(total, trusted_x, trusted_y, penalty=penalty, metric=metric)
    impact = np.concatenate([model.leave_one_out(block) for block in even(blocks())])
    levers = np.isnan(impact)
    if levers.any():  # few: leverages sum to n_features + 1 at most
        impact[levers] = _refits(blocks, levers, model, total)
    return impact


def add_one(
    x: Floats,
    y: Codes,
    trusted_x: Floats,
    trusted_y: Codes,
    *,
    base_x: Floats,
    base_y: Codes,
    penalty: float = 1.0,
    metric: Metric = "loss",
    sample_weight: Floats | None = None,
) -> Floats:
    """Return how much better the model of base rows would be with each row added alone, exactly.

    This is RONI's first form: the base rows are vouched for, submitted rows never meet each other,
    and so no crowd of poison can mask its members.

    Parameters
    ----------
    x, y, trusted_x, trusted_y, penalty, metric, sample_weight
        As for :func:`leave_one_out`.
    base_x, base_y : ndarray of shape (n_base, n_features) and (n_base,)
        Rows of the model that each row is added to, one or more. Keep them apart from the trusted
        rows that measure, or the model looks better than it is.

    Returns
    -------
    ndarray of shape (n_rows,)
        Trusted loss without the row minus with it, or accuracy with the row minus without it:
        negative rows harm.

    Raises
    ------
    InputError
        As for :func:`leave_one_out`.

    References
    ----------
    .. [1] Nelson et al., "Misleading Learners: Co-opting Your Spam Filter", 2009.
    """
    n_classes = max(_n_classes(y, trusted_y), _n_classes(base_y, trusted_y))
    base = _sum(moments(block, n_classes) for block in even([Block(base_x, base_y)]))
    model = fit(base, trusted_x, trusted_y, penalty=penalty, metric=metric)
    return np.concatenate([model.add_one(block) for block in even([Block(x, y, sample_weight)])])


def retrain(
    x: Floats,
    y: Codes,
    trusted_x: Floats,
    trusted_y: Codes,
    *,
    penalty: float = 1.0,
    metric: Metric = "loss",
    sample_weight: Floats | None = None,
) -> Floats:
    """Return what :func:`leave_one_out` returns, by its literal definition: one refit per row."""
    rows, n_classes = Block(x, y, sample_weight), _n_classes(y, trusted_y)
    total = moments(rows, n_classes)
    model = fit(total, trusted_x, trusted_y, penalty=penalty, metric=metric)
    everything = np.arange(len(y))
    refits = [model.refit(moments(rows.part(everything != row), n_classes)) for row in everything]
    return np.array(refits) - model.refit(total)


def moments(block: Block, n_classes: int) -> Floats:
    """Return the weighted moments of one block: features, intercept and one-hot label by the same.

    Parameters
    ----------
    block : Block
        Rows.
    n_classes : int
        Class codes are below it.

    Returns
    -------
    ndarray of shape (n_features + 1 + n_classes,) * 2
        To be added over all blocks, in row order.

    Raises
    ------
    InputError
        If class codes or weights are out of bounds.
    """
    check_block(block, n_classes)
    n_rows, n_features = block.x.shape
    identity = np.eye(n_classes)
    space = np.ones((min(TILE, n_rows), n_features + 1 + n_classes))
    total = np.zeros((space.shape[1],) * 2)
    for rows in tiles(n_rows):
        tile = space[: rows.stop - rows.start]
        tile[:, :n_features] = block.x[rows]
        tile[:, n_features] = 1
        tile[:, n_features + 1 :] = identity[block.y[rows]]
        if block.weight is not None:
            tile *= np.sqrt(block.weight[rows])[:, None]
        total += tile.T @ tile
    return total


def fit(
    total: Floats, trusted_x: Floats, trusted_y: Codes, *, penalty: float, metric: Metric
) -> "Model":
    """Make the model of all rows from their summed :func:`moments`.

    Raises
    ------
    InputError
        If a moment is not finite, or an option is none of those of :func:`leave_one_out`.
    """
    if not (finite(penalty) or 0) > 0:
        raise InputError("penalty", "a positive number", repr(penalty), "1.0 is usual")
    if metric not in get_args(Metric):
        raise InputError("metric", " or ".join(get_args(Metric)), repr(metric))
    trusted = np.column_stack([trusted_x, np.ones(len(trusted_x))])
    if not (np.isfinite(total).all() and np.isfinite(trusted).all()):
        raise InputError("rows", "finite numbers of sane size", "others", "scale or impute columns")
    width = trusted.shape[1]
    wanted = np.eye(len(total) - width)[trusted_y]
    curvature = trusted.T @ trusted / len(trusted)
    basis, spread = diagonalise(total[:width, :width] + penalty * np.eye(width), curvature)
    weights = basis @ (basis.T @ total[:width, width:])
    pull = trusted.T @ (wanted - trusted @ weights) / len(trusted)
    accuracy = RankOneAccuracy(trusted @ weights, trusted @ basis, trusted_y)
    return Model(
        trusted=trusted,
        wanted=wanted,
        penalty=float(penalty),
        spread=spread,
        factors=np.hstack([basis, weights, basis @ (basis.T @ pull)]),
        accuracy=accuracy if metric == "accuracy" else None,
    )


@dataclass(frozen=True)
class Model:
    """A ridge model with all that it takes to tell how any row changes it; made by :func:`fit`.

    Parameters
    ----------
    trusted, wanted : ndarray of shape (n_trusted, n_features + 1) and (n_trusted, n_classes)
        Trusted rows with an intercept, and their one-hot labels.
    penalty : float
        Ridge penalty.
    spread : ndarray of shape (rank,)
        Curvature of the trusted loss along each vector of the basis.
    factors : ndarray of shape (n_features + 1, rank + 2 * n_classes)
        What a row is multiplied by: basis, weights, and the pull of trusted residuals.
    accuracy : RankOneAccuracy, optional
        Measures trusted accuracy; the trusted loss is measured without it.
    """

    trusted: Floats
    wanted: Floats
    penalty: float
    spread: Floats
    factors: Floats
    accuracy: RankOneAccuracy | None

    def leave_one_out(self, block: Block) -> Floats:
        """Return the impact of rows that the model has; NaN where rounding would spoil it."""
        return self._impact(block, -1)

    def add_one(self, block: Block) -> Floats:
        """Return the impact of rows that the model does not have."""
        return self._impact(block, 1)

    def refit(self, total: Floats) -> float:
        """Return the trusted loss, or error, of a model of other rows, from their moments."""
        width = self.trusted.shape[1]
        system = total[:width, :width] + self.penalty * np.eye(width)
        scores = self.trusted @ np.linalg.lstsq(system, total[:width, width:])[0]
        if self.accuracy is None:
            return float(((self.wanted - scores) ** 2).sum() / len(scores))
        return float((scores.argmax(axis=1) != self.wanted.argmax(axis=1)).mean())

    def _impact(self, block: Block, sign: int) -> Floats:
        """Measure the rows of a block as they come (sign 1) or go (sign -1)."""
        check_block(block, self.wanted.shape[1])
        impact = np.empty(len(block.y))
        space = np.ones((min(TILE, len(block.y)), len(self.factors)))
        for rows in tiles(len(block.y)):
            tile = space[: rows.stop - rows.start]
            tile[:, :-1] = block.x[rows]
            weight = 1.0 if block.weight is None else block.weight[rows]
            impact[rows] = self._tile(tile, block.y[rows], weight, sign)
        return impact

    def _tile(self, tile: Floats, y: Codes, weight: Floats | float, sign: int) -> Floats:
        n_classes = self.wanted.shape[1]
        rank = len(self.spread)
        product = tile @ self.factors
        z, forecast, pull = np.split(product, [rank, rank + n_classes], axis=1)
        squares = np.square(z) @ np.column_stack([np.ones(rank), self.spread])
        slack = 1 + sign * weight * squares[:, 0]
        step = sign * weight / np.where(slack > _LEAST, slack, np.nan)
        move = step[:, None] * (np.eye(n_classes)[y] - forecast)
        if self.accuracy is None:
            worse = squares[:, 1] * _dot(move, move) - 2 * _dot(pull, move)
        else:
            worse = np.where(np.isnan(step), np.nan, -self.accuracy.change(z, move))
        return np.asarray(0.0 - sign * worse)  # never -0.0


def _refits(blocks: Blocks, levers: Mask, model: Model, total: Floats) -> Floats:
    """Measure rows of leverage near 1 by refits; moments are added up, where they would cancel."""
    n_classes = model.wanted.shape[1]
    rest, far, begin = [], [], 0
    for block in even(blocks()):
        lever = levers[begin : begin + len(block.y)]
        begin += len(block.y)
        rest.append(moments(block.part(~lever), n_classes))
        far.append(block.part(lever))
    others, rows = _sum(rest), join(far)
    everything = np.arange(len(rows.y))
    refits = [
        model.refit(others + moments(rows.part(everything != row), n_classes)) for row in everything
    ]
    return np.array(refits) - model.refit(total)


def _sum(parts: Iterable[Floats]) -> Floats:
    """Add in order; a generator is never held as a whole."""
    summed = reduce(np.add, parts, np.zeros(()))
    if not summed.ndim:
        raise InputError("rows", "at least one", "none")
    return summed


def _dot(a: Floats, b: Floats) -> Floats:
    """Multiply row by row."""
    return np.asarray(np.einsum("ij,ij->i", a, b))


def _n_classes(y: Codes, trusted_y: Codes) -> int:
    return int(max(y.max(), trusted_y.max())) + 1
