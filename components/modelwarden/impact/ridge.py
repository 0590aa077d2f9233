r"""Exact leave-one-out impact for ridge regression on one-vs-rest labels, without refitting.

With an intercept column in :math:`X`, one-hot labels :math:`Y`, trusted rows :math:`(V, U)` and

.. math:: A = X^\top X + \lambda I, \qquad W = A^{-1} X^\top Y, \qquad G = X A^{-1},

leaving out row `i` moves the weights by a matrix of rank one (Sherman and Morrison),

.. math:: W_{-i} = W - g_i r_i^\top, \qquad r_i = (y_i - W^\top x_i) / (1 - g_i^\top x_i),

so that the trusted loss, a quadratic form in the weights, is known for every row left out from
:math:`V^\top V` and :math:`V^\top (U - V W)` alone.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]


def leave_one_out(
    x: Floats, y: Codes, trusted_x: Floats, trusted_y: Codes, *, penalty: float = 1.0
) -> Floats:
    """Return the impact of every row on the trusted squared loss, exactly.

    Parameters
    ----------
    x : ndarray of shape (n_rows, n_features)
        Rows whose impact is asked, on comparable scales.
    y : ndarray of int of shape (n_rows,)
        Their class codes, from 0.
    trusted_x, trusted_y : ndarray of shape (n_trusted, n_features) and (n_trusted,)
        Rows that the loss is measured on.
    penalty : float, default=1.0
        Ridge penalty on all weights, the intercept included; positive, so that the system stays
        regular when there are more features than rows.

    Returns
    -------
    ndarray of shape (n_rows,)
        Trusted loss without the row minus trusted loss with it: negative rows harm. The loss is the
        squared error summed over classes, averaged over trusted rows.

    Notes
    -----
    Costs O(n d^2) for n rows of d features, whatever the number of trusted rows. One refit per row,
    :func:`retrain`, gives the same numbers n times slower.

    References
    ----------
    .. [1] Nelson et al., "Exploiting Machine Learning to Subvert Your Spam Filter", LEET 2008.
    .. [2] Cook and Weisberg, "Residuals and Influence in Regression", 1982.
    """
    rows, trusted = _with_intercept(x), _with_intercept(trusted_x)
    targets, wanted = _one_hot(y, trusted_y)
    system = _system(rows, penalty)
    weights = np.linalg.solve(system, rows.T @ targets)
    step = np.linalg.solve(system, rows.T).T
    leverage = np.einsum("ij,ij->i", step, rows)
    residual = (targets - rows @ weights) / (1 - leverage)[:, None]
    pull = trusted.T @ (wanted - trusted @ weights)
    linear = np.einsum("ij,ij->i", step @ pull, residual)
    curvature = np.einsum("ij,ij->i", step @ (trusted.T @ trusted), step)
    quadratic = curvature * np.einsum("ij,ij->i", residual, residual)
    return np.asarray((2 * linear + quadratic) / len(trusted))


def retrain(
    x: Floats, y: Codes, trusted_x: Floats, trusted_y: Codes, *, penalty: float = 1.0
) -> Floats:
    """Return what :func:`leave_one_out` returns, by its literal definition: one refit per row."""
    rows, trusted = _with_intercept(x), _with_intercept(trusted_x)
    targets, wanted = _one_hot(y, trusted_y)

    def loss(kept: npt.NDArray[np.bool_]) -> float:
        system = _system(rows[kept], penalty)
        weights = np.linalg.solve(system, rows[kept].T @ targets[kept])
        return float(((wanted - trusted @ weights) ** 2).sum() / len(trusted))

    everything = np.arange(len(rows))
    with_all = loss(everything >= 0)
    return np.array([loss(everything != row) - with_all for row in everything])


def _with_intercept(x: Floats) -> Floats:
    return np.column_stack([x, np.ones(len(x))])


def _one_hot(y: Codes, trusted_y: Codes) -> tuple[Floats, Floats]:
    identity = np.eye(max(y.max(), trusted_y.max()) + 1)
    return identity[y], identity[trusted_y]


def _system(rows: Floats, penalty: float) -> Floats:
    return np.asarray(rows.T @ rows + penalty * np.eye(rows.shape[1]))
