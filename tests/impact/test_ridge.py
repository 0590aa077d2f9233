import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelwarden.impact import ridge

VALUES = st.floats(-5, 5, allow_subnormal=False)


@st.composite
def problems(draw):
    """Small problems; often with more features than rows, absent classes and repeated rows."""
    rows, trusted = draw(st.integers(1, 8)), draw(st.integers(1, 5))
    features, classes = draw(st.integers(0, 12)), draw(st.sampled_from([2, 3]))
    labels = st.integers(0, classes - 1)
    return (
        draw(hnp.arrays(float, (rows, features), elements=VALUES)),
        draw(hnp.arrays(np.intp, rows, elements=labels)),
        draw(hnp.arrays(float, (trusted, features), elements=VALUES)),
        draw(hnp.arrays(np.intp, trusted, elements=labels)),
    )


@settings(max_examples=200, deadline=None)
@given(problem=problems(), penalty=st.sampled_from([0.1, 1.0, 30.0]))
def test_the_closed_form_equals_one_refit_per_row(problem, penalty):
    exact = ridge.leave_one_out(*problem, penalty=penalty)

    np.testing.assert_allclose(exact, ridge.retrain(*problem, penalty=penalty), rtol=0, atol=1e-8)


@pytest.mark.parametrize("measure", [ridge.leave_one_out, ridge.retrain])
def test_without_features_the_impact_is_that_of_class_shares(measure):
    # weights are counts / (n + 1): loss (1 - 2/4)^2 + (1/4)^2 = 5/16 with all three rows,
    # (1 - 1/3)^2 + (1/3)^2 = 5/9 without a row of class 0, (1 - 2/3)^2 = 1/9 without class 1
    impact = measure(np.empty((3, 0)), np.array([0, 0, 1]), np.empty((1, 0)), np.array([0]))

    np.testing.assert_allclose(impact, [35 / 144, 35 / 144, -29 / 144], atol=1e-12)


@pytest.mark.parametrize("measure", [ridge.leave_one_out, ridge.retrain])
def test_two_opposite_points_have_the_impact_that_paper_and_pencil_give(measure):
    # with both: weights +-1/3 and intercepts 1/3, loss at x = 1 is (1 - 2/3)^2 = 1/9;
    # without (1, class 1): forecasts at x = 1 are 0, loss 1; without (-1, class 0): system
    # [[2, 1], [1, 2]], class 1 weights (1/3, 1/3), forecast 2/3, loss 1/9
    impact = measure(np.array([[1.0], [-1.0]]), np.array([1, 0]), np.array([[1.0]]), np.array([1]))

    np.testing.assert_allclose(impact, [8 / 9, 0], atol=1e-12)


def lever(label):
    """Return two tidy clusters and one far row, beyond those of class 1, with the given label."""
    x = np.r_[np.linspace(-2, -1, 20), np.linspace(1, 2, 20), 60.0][:, None]
    y = np.r_[np.zeros(20), np.ones(20), label].astype(np.intp)
    return x, y


def fit_accuracy(x, y, trusted_x, trusted_y):
    x, trusted_x = np.c_[x, np.ones(len(x))], np.c_[trusted_x, np.ones(len(trusted_x))]
    weights = np.linalg.solve(x.T @ x + np.eye(2), x.T @ np.eye(2)[y])
    return ((trusted_x @ weights).argmax(axis=1) == trusted_y).mean()


def test_a_leverage_poison_that_ruins_the_model_has_the_most_negative_impact():
    x, y = lever(label=0)
    trusted_x, trusted_y = x[:-1], y[:-1]
    assert fit_accuracy(x, y, trusted_x, trusted_y) < 0.6
    assert fit_accuracy(x[:-1], y[:-1], trusted_x, trusted_y) == 1

    impact = ridge.leave_one_out(x, y, trusted_x, trusted_y)

    assert impact.argmin() == len(x) - 1
    assert impact[-1] < -0.1


def test_a_row_that_repairs_a_poisoned_model_has_a_positive_impact():
    x, y = lever(label=0)
    x, y = np.r_[x, [[61.0]]], np.r_[y, 1]

    impact = ridge.leave_one_out(x, y, x[:40], y[:40])

    assert impact.argmax() == len(x) - 1
    assert impact[-1] > 0


def test_a_class_that_only_trusted_rows_have_still_counts():
    x, y = np.array([[0.0], [1.0]]), np.array([0, 1])
    trusted_x, trusted_y = np.array([[2.0]]), np.array([2])

    impact = ridge.leave_one_out(x, y, trusted_x, trusted_y)

    np.testing.assert_allclose(impact, ridge.retrain(x, y, trusted_x, trusted_y), atol=1e-12)
