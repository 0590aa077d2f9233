import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelwarden.errors import InputError
from modelwarden.impact import ridge
from modelwarden.impact.blocks import BLOCK, Block

VALUES = st.floats(-5, 5, allow_subnormal=False)
METRICS = ["loss", "accuracy"]


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


def problem(n=60, m=40, d=4, classes=3, seed=0):
    """Rows that a linear model half understands, with weights of which one is 0."""
    generator = np.random.default_rng(seed)
    x, trusted_x = generator.normal(size=(n, d)), generator.normal(size=(m, d))
    truth = generator.normal(size=(d, classes))
    y = (x @ truth + generator.normal(size=(n, classes))).argmax(axis=1)
    weight = generator.random(n) * 2
    weight[0] = 0
    return (x, y, trusted_x, (trusted_x @ truth).argmax(axis=1)), weight


def badness(x, y, weight, trusted_x, trusted_y, metric="loss", penalty=1.0):
    """Return trusted loss or error of a ridge model, by nothing but its normal equations."""
    x, trusted_x = np.c_[x, np.ones(len(x))], np.c_[trusted_x, np.ones(len(trusted_x))]
    identity = np.eye(max(y.max(initial=0), trusted_y.max()) + 1)
    system = (x.T * weight) @ x + penalty * np.eye(x.shape[1])
    scores = trusted_x @ np.linalg.solve(system, (x.T * weight) @ identity[y])
    if metric == "accuracy":
        return (scores.argmax(axis=1) != trusted_y).mean()
    return ((identity[trusted_y] - scores) ** 2).sum() / len(trusted_y)


@settings(max_examples=200, deadline=None)
@given(problem=problems(), penalty=st.sampled_from([0.1, 1.0, 30.0]), weigh=st.booleans())
def test_the_closed_form_equals_one_refit_per_row(problem, penalty, weigh):
    weight = np.linspace(0, 3, len(problem[1])) if weigh else None
    exact = ridge.leave_one_out(*problem, penalty=penalty, sample_weight=weight)

    literal = ridge.retrain(*problem, penalty=penalty, sample_weight=weight)
    np.testing.assert_allclose(exact, literal, rtol=0, atol=1e-8)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("measure", [ridge.leave_one_out, ridge.retrain])
def test_leaving_out_is_what_the_normal_equations_say(measure, metric, classes):
    (x, y, *trusted), weight = problem(classes=classes)

    impact = measure(x, y, *trusted, metric=metric, sample_weight=weight)

    def without(row):
        kept = np.arange(len(y)) != row
        return badness(x[kept], y[kept], weight[kept], *trusted, metric)

    expected = [without(row) - badness(x, y, weight, *trusted, metric) for row in range(len(y))]
    np.testing.assert_allclose(impact, expected, rtol=0, atol=1e-10)
    assert impact[0] == pytest.approx(0, abs=1e-15)  # its weight is 0


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("metric", METRICS)
def test_adding_is_what_the_normal_equations_say(metric, classes):
    (x, y, *trusted), weight = problem(classes=classes)
    base_x, base_y, added_x, added_y = x[:20], y[:20], x[20:], y[20:]

    impact = ridge.add_one(
        added_x,
        added_y,
        *trusted,
        base_x=base_x,
        base_y=base_y,
        metric=metric,
        sample_weight=weight[20:],
    )

    before = badness(base_x, base_y, np.ones(20), *trusted, metric)
    expected = [
        before
        - badness(np.r_[base_x, [a]], np.r_[base_y, b], np.r_[np.ones(20), c], *trusted, metric)
        for a, b, c in zip(added_x, added_y, weight[20:], strict=True)
    ]
    np.testing.assert_allclose(impact, expected, rtol=0, atol=1e-10)


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


def test_a_point_added_has_the_impact_that_paper_and_pencil_give():
    # the base (-1, class 0) forecasts class 0 by (1 - x) / 3, nothing at x = 1: loss 1 for class 1;
    # with (1, class 1) added the two opposite points are there, and the loss is 1/9 as above
    impact = ridge.add_one(
        np.array([[1.0]]),
        np.array([1]),
        np.array([[1.0]]),
        np.array([1]),
        base_x=np.array([[-1.0]]),
        base_y=np.array([0]),
    )

    np.testing.assert_allclose(impact, [1 - 1 / 9], atol=1e-12)


def test_equal_forecasts_count_for_the_lowest_code():
    # two rows of each class tie, so class 0 is forecast; without a row of it, class 1 is
    y = np.array([0, 0, 1, 1])
    impact = ridge.leave_one_out(
        np.empty((4, 0)), y, np.empty((1, 0)), np.array([0]), metric="accuracy"
    )

    assert impact.tolist() == [1, 1, 0, 0]


def lever(label):
    """Return two tidy clusters and one far row, beyond those of class 1, with the given label."""
    x = np.r_[np.linspace(-2, -1, 20), np.linspace(1, 2, 20), 60.0][:, None]
    y = np.r_[np.zeros(20), np.ones(20), label].astype(np.intp)
    return x, y


@pytest.mark.parametrize("metric", METRICS)
def test_a_leverage_poison_that_ruins_the_model_has_the_most_negative_impact(metric):
    x, y = lever(label=0)
    trusted = x[:-1], y[:-1]
    assert badness(x, y, np.ones(41), *trusted, "accuracy") > 0.4
    assert badness(*trusted, np.ones(40), *trusted, "accuracy") == 0

    left_out = ridge.leave_one_out(x, y, *trusted, metric=metric)
    added = ridge.add_one(x, y, *trusted, base_x=x[:-1], base_y=y[:-1], metric=metric)

    for impact in (left_out, added):
        assert impact.argmin() == len(x) - 1
        assert impact[-1] < -0.1


@pytest.mark.parametrize("metric", METRICS)
def test_a_row_that_repairs_a_poisoned_model_has_a_positive_impact(metric):
    x, y = lever(label=0)
    x, y = np.r_[x, [[-60.0]]], np.r_[y, 1]  # two poisons turn the model around
    repaired_x, repaired_y = np.r_[x, [[60.0]]], np.r_[y, 1]
    trusted = x[:40], y[:40]
    assert badness(x, y, np.ones(42), *trusted, "accuracy") == 1

    left_out = ridge.leave_one_out(repaired_x, repaired_y, *trusted, metric=metric)
    added = ridge.add_one(repaired_x, repaired_y, *trusted, base_x=x, base_y=y, metric=metric)

    for impact in (left_out, added):
        assert impact[-1] == impact.max() > 0


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("far", [1e4, 1e6])
def test_rows_of_leverage_one_are_measured_as_if_refitted(far, metric):
    (x, y, *trusted), weight = problem(n=30, d=3)
    x[3, 1], x[7, 2] = far, -far
    weight[[3, 7]] = 1

    impact = ridge.leave_one_out(x, y, *trusted, metric=metric, sample_weight=weight)

    total = badness(x, y, weight, *trusted, metric)
    for row in (3, 7, 11):
        kept = np.arange(30) != row
        expected = badness(x[kept], y[kept], weight[kept], *trusted, metric) - total
        assert impact[row] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_repeated_rows_and_more_features_than_rows_stay_exact():
    (x, y, *trusted), _ = problem(n=6, d=30)
    x, y = np.r_[x, x, x], np.r_[y, y, y]

    impact = ridge.leave_one_out(x, y, *trusted, penalty=1e-3)

    np.testing.assert_allclose(impact, ridge.retrain(x, y, *trusted, penalty=1e-3), atol=1e-8)
    np.testing.assert_allclose(impact[:6], impact[6:12], atol=1e-10)


def test_a_class_that_only_trusted_rows_have_still_counts():
    x, y = np.array([[0.0], [1.0]]), np.array([0, 1])
    trusted_x, trusted_y = np.array([[2.0]]), np.array([2])

    impact = ridge.leave_one_out(x, y, trusted_x, trusted_y)

    np.testing.assert_allclose(impact, ridge.retrain(x, y, trusted_x, trusted_y), atol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_the_order_of_rows_changes_no_rows_impact(metric):
    (x, y, *trusted), weight = problem(n=1500)
    order = np.random.default_rng(1).permutation(1500)

    shuffled = ridge.leave_one_out(
        x[order], y[order], *trusted, metric=metric, sample_weight=weight[order]
    )
    impact = ridge.leave_one_out(x, y, *trusted, metric=metric, sample_weight=weight)

    np.testing.assert_allclose(shuffled, impact[order], rtol=0, atol=1e-12)


def test_a_row_of_weight_two_counts_as_two_rows_for_the_others():
    (x, y, *trusted), _ = problem(n=20)
    weight = np.ones(20)
    weight[4] = 2

    weighted = ridge.leave_one_out(x, y, *trusted, sample_weight=weight)
    doubled = ridge.leave_one_out(np.r_[x, x[[4]]], np.r_[y, y[4]], *trusted)

    others = np.arange(20) != 4
    np.testing.assert_allclose(weighted[others], doubled[:20][others], atol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_a_stream_in_pieces_of_any_size_gives_the_same_bytes_as_rows_in_memory(metric):
    (x, y, *trusted), weight = problem(n=BLOCK + 1500, m=20, d=3)
    x[5, 0] = 1e7  # a leverage near 1: one more pass

    def pieces():
        for begin in range(0, len(y), 20_001):
            rows = slice(begin, begin + 20_001)
            yield Block(np.asfortranarray(x[rows]), y[rows], weight[rows])

    streamed = ridge.leave_one_out_blocks(pieces, *trusted, n_classes=3, metric=metric)
    at_once = ridge.leave_one_out(x, y, *trusted, metric=metric, sample_weight=weight)

    assert streamed.tobytes() == at_once.tobytes()


def test_an_empty_stream_is_refused():
    with pytest.raises(InputError, match="rows: expected at least one, got none"):
        ridge.leave_one_out_blocks(list, np.ones((1, 1)), np.array([0]), n_classes=2)


@pytest.mark.parametrize("penalty", [0, -1.0, float("nan"), float("inf"), True, None])
def test_a_penalty_that_is_not_positive_is_refused(penalty):
    with pytest.raises(InputError, match="penalty: expected a positive number"):
        ridge.leave_one_out(*problem()[0], penalty=penalty)


def test_an_unknown_metric_is_refused():
    with pytest.raises(InputError, match="metric: expected loss or accuracy, got 'auc'"):
        ridge.leave_one_out(*problem()[0], metric="auc")


@pytest.mark.parametrize("table", [0, 2])
def test_numbers_that_are_not_finite_are_refused(table):
    rows, _ = problem()
    rows[table][1, 1] = np.nan

    with pytest.raises(InputError, match="rows: expected finite numbers"):
        ridge.leave_one_out(*rows)
