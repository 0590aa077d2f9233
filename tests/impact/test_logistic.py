import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from modelwarden.errors import InputError
from modelwarden.impact import logistic, retraining


def flipped(load, n=300, classes=None):
    """Return submitted rows, a tenth of them with a wrong label, and at most 200 trusted ones."""
    x, y = load(return_X_y=True)
    if classes is not None:
        x, y = x[y < classes], y[y < classes]
    generator = np.random.default_rng(0)
    rows = generator.permutation(len(y))[: n + 200]
    x, y = StandardScaler().fit_transform(x[rows]), y[rows]
    wrong = generator.random(n) < 0.1
    return (x[:n], (y[:n] + wrong) % (y.max() + 1), x[n:], y[n:]), wrong


def newton(x, y, trusted_x, trusted_y, row, weight):
    """Take Newton's step without a row in the plainest way: numbers for every weight and class."""
    model = LogisticRegression(tol=1e-10, max_iter=5000).fit(x, y, sample_weight=weight)
    x, trusted_x = np.c_[x, np.ones(len(x))], np.c_[trusted_x, np.ones(len(trusted_x))]
    single = len(model.classes_) == 2
    codes = model.classes_[1:] if single else model.classes_
    ridge = np.tile(np.r_[np.ones(x.shape[1] - 1), 0], len(codes))

    def slopes(rows, labels, weights):
        scores = rows @ np.c_[model.coef_, model.intercept_].T
        p = np.exp(scores) / (1 + np.exp(scores))
        if not single:
            p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        gradient = ((p - (labels[:, None] == codes)) * weights[:, None]).T @ rows
        hessian = sum(
            w * np.kron(np.diag(one) - np.outer(one, one), np.outer(r, r))
            for w, one, r in zip(weights, p, rows, strict=True)
        )
        return gradient.ravel(), hessian

    gradient, _ = slopes(x[[row]], y[[row]], weight[[row]])
    others = np.arange(len(y)) != row
    _, hessian = slopes(x[others], y[others], weight[others])
    step = np.linalg.lstsq(hessian + np.diag(ridge), gradient, rcond=None)[0]
    slope, curvature = slopes(trusted_x, trusted_y, np.full(len(trusted_y), 1 / len(trusted_y)))
    return slope @ step + step @ curvature @ step / 2


@pytest.mark.parametrize("classes", [2, 4])
def test_every_number_is_one_newton_step_taken_literally(classes):
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(60, 3)), generator.integers(0, classes, 60)
    rows = x[:40], y[:40], x[40:], y[40:]
    weight = generator.random(40)

    impact = logistic.leave_one_out(*rows, sample_weight=weight)

    expected = [newton(*rows, row, weight) for row in range(40)]
    np.testing.assert_allclose(impact, expected, rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize(("load", "least"), [(load_breast_cancer, 0.99), (load_wine, 0.97)])
def test_rows_rank_like_refits(load, least):
    rows, _ = flipped(load, n=100)
    model = LogisticRegression(tol=1e-8, max_iter=5000)

    impact = logistic.leave_one_out(*rows)

    assert spearmanr(impact, retraining.retrain(model, *rows)).statistic > least


def test_beyond_the_bound_each_class_by_itself_still_ranks_nearly_the_same(monkeypatch):
    rows, _ = flipped(load_digits)
    exact = logistic.leave_one_out(*rows)
    monkeypatch.setattr(logistic, "MOST_WEIGHTS", 0)

    apart = logistic.leave_one_out(*rows)

    assert not np.array_equal(apart, exact)
    assert spearmanr(apart, exact).statistic > 0.9


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
def test_wrong_labels_harm_and_right_ones_help(load):
    rows, wrong = flipped(load)

    impact = logistic.leave_one_out(*rows)

    assert impact[wrong].mean() < 0 < impact[~wrong].mean()


def test_a_leverage_poison_has_the_most_negative_impact():
    x = np.r_[np.linspace(-2, -1, 20), np.linspace(1, 2, 20), 20.0][:, None]
    y = np.r_[np.zeros(20), np.ones(20), 0].astype(int)

    impact = logistic.leave_one_out(x, y, x[:40], y[:40])

    assert impact.argmin() == 40
    assert impact[40] < -0.01


def test_a_row_of_weight_zero_has_no_impact_and_one_of_weight_two_is_two_rows():
    (x, y, *trusted), _ = flipped(load_breast_cancer, n=80)
    weight = np.ones(80)
    weight[0], weight[1] = 0, 2

    impact = logistic.leave_one_out(x, y, *trusted, sample_weight=weight)
    doubled = logistic.leave_one_out(np.r_[x[1:], x[[1]]], np.r_[y[1:], y[1]], *trusted)

    assert impact[0] == 0
    np.testing.assert_allclose(impact[2:], doubled[1:79], rtol=1e-3, atol=1e-7)


def test_the_order_of_rows_changes_no_rows_impact():
    (x, y, *trusted), _ = flipped(load_digits)
    order = np.random.default_rng(1).permutation(len(y))

    shuffled = logistic.leave_one_out(x[order], y[order], *trusted)

    np.testing.assert_allclose(
        shuffled, logistic.leave_one_out(x, y, *trusted)[order], rtol=1e-3, atol=1e-7
    )


def test_trusted_rows_of_a_class_that_nobody_submitted_weigh_nothing():
    (x, y, trusted_x, trusted_y), _ = flipped(load_digits, classes=3)
    seen = y < 2

    all_trusted = logistic.leave_one_out(x[seen], y[seen], trusted_x, trusted_y)
    known = trusted_y < 2
    only_known = logistic.leave_one_out(x[seen], y[seen], trusted_x[known], trusted_y[known])
    none_known = logistic.leave_one_out(x[seen], y[seen], trusted_x[~known], trusted_y[~known])

    np.testing.assert_allclose(all_trusted, only_known * known.mean(), rtol=1e-9)
    assert not none_known.any()


def test_more_features_than_rows_and_rows_that_stand_alone_stay_finite():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(12, 40)), np.r_[np.zeros(11, int), 1]

    impact = logistic.leave_one_out(x, y, x, y)

    assert np.isfinite(impact).all()
    assert impact.argmax() == 11  # the only row that teaches class 1


def test_rows_of_one_class_are_refused():
    with pytest.raises(InputError, match="submitted rows: expected two classes or more, got one"):
        logistic.leave_one_out(np.eye(3), np.ones(3, int), np.eye(3), np.array([0, 1, 1]))
