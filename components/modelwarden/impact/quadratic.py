"""Two quadratic forms on one basis, so that one matrix product answers for both."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def diagonalise(system: Floats, curvature: Floats) -> tuple[Floats, Floats]:
    r"""Find a basis in which `system` is the identity and `curvature` is diagonal.

    Parameters
    ----------
    system, curvature : ndarray of shape (n_weights, n_weights)
        Symmetric, positive semidefinite. Directions in which `system` is zero up to rounding are
        left out, as if weights could not move there.

    Returns
    -------
    basis : ndarray of shape (n_weights, rank)
        :math:`T` with :math:`T^\top S T = I` and :math:`T T^\top = S^{-1}`; where `system` is
        singular, a generalised inverse.
    spread : ndarray of shape (rank,)
        Diagonal of :math:`T^\top C T`.

    Notes
    -----
    For a row `x` and :math:`z = T^\top x` follow :math:`x^\top S^{-1} x = \sum z^2` and
    :math:`x^\top S^{-1} C S^{-1} x = \sum s z^2`.
    """
    diagonal = np.diag(system)
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))  # columns of any unit
    values, vectors = np.linalg.eigh(system * scale * scale[:, None])
    sound = values > len(values) * np.finfo(np.float64).eps * values[-1:]
    basis = scale[:, None] * vectors[:, sound] / np.sqrt(values[sound])
    spread, turn = np.linalg.eigh(basis.T @ curvature @ basis)
    return basis @ turn, spread
