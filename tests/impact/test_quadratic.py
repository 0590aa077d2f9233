import numpy as np
import pytest

from modelwarden.impact.quadratic import diagonalise


def forms(n, *, columns=None):
    generator = np.random.default_rng(n)
    a, b = generator.normal(size=(2, columns or 2 * n, n))
    return a.T @ a, b.T @ b


def test_one_basis_makes_both_forms_diagonal():
    system, curvature = forms(6)

    basis, spread = diagonalise(system, curvature)

    np.testing.assert_allclose(basis.T @ system @ basis, np.eye(6), atol=1e-10)
    np.testing.assert_allclose(basis.T @ curvature @ basis, np.diag(spread), atol=1e-10)
    np.testing.assert_allclose(basis @ basis.T, np.linalg.inv(system), atol=1e-10)


def test_directions_without_a_system_are_left_out():
    system, curvature = forms(6, columns=4)

    basis, spread = diagonalise(system, curvature)

    assert basis.shape == (6, 4)
    assert spread.shape == (4,)
    np.testing.assert_allclose(system @ basis @ basis.T @ system, system, atol=1e-8)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_the_unit_of_a_weight_does_not_matter(scale):
    system, curvature = forms(3)
    units = np.array([1, scale, 1])

    basis, spread = diagonalise(system * units * units[:, None], curvature * units * units[:, None])

    np.testing.assert_allclose(spread, diagonalise(system, curvature)[1], rtol=1e-6)
    assert basis.shape == (3, 3)


def test_no_system_at_all_leaves_no_direction():
    basis, spread = diagonalise(np.zeros((2, 2)), np.eye(2))

    assert basis.shape == (2, 0)
    assert spread.shape == (0,)
