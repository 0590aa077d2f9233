import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from modelwarden.attacks.box_search import REVERTS, box_search, revert
from modelwarden.attacks.engine import Victim, run
from modelwarden.attacks.space import Box


def around(x, epsilon, whole=False):
    whole = np.full(x.shape[1], whole)
    return Box(x, x - epsilon, x + epsilon, whole)


def victim_of(labels, truth, proba=None):
    """A victim whose model is a function, or two, of an array."""
    score = None if proba is None else lambda candidates: proba(candidates.values)
    return Victim(truth, lambda candidates: labels(candidates.values), score)


def search(labels, box, truth, *, proba=None, queries=400, seed=0, pool=None, **options):
    pool = box.origin if pool is None else pool
    attack = box_search(box, truth, pool, labels(pool), queries=queries, seed=seed, **options)
    rows = np.flatnonzero(labels(box.origin) == truth)
    victim = victim_of(labels, truth, proba)
    return run([attack], victim, box.origin, rows, budget=queries, allowed=box.contains)


class Linear:
    """A logistic regression on breast cancer data in standard deviations."""

    def __init__(self, c):
        x, y = load_breast_cancer(return_X_y=True)
        self.x, self.truth = (x - x.mean(axis=0)) / x.std(axis=0), y.astype(np.intp)
        self.model = LogisticRegression(C=c, max_iter=10_000).fit(self.x[::2], y[::2])
        self.x, self.truth = self.x[1::2], self.truth[1::2]
        self.box = around(self.x, 0.25)

    def labels(self, x):
        return self.model.predict(x).astype(np.intp)

    def breakable(self):
        """Closed form: the margin that is left when every column moves the worst way."""
        sign = 2 * self.truth - 1
        margin = sign * self.model.decision_function(self.x)
        worst = margin - np.abs(self.model.coef_[0]).sum() * 0.25
        return (margin > 0) & (worst < 0)


@pytest.fixture(scope="module")
def linear():
    return Linear(c=1)


def test_a_linear_model_is_broken_exactly_where_the_closed_form_says(linear):
    found = search(linear.labels, linear.box, linear.truth, proba=linear.model.predict_proba)

    assert 0.1 < linear.breakable().mean() < 0.9
    assert not (found.broken & ~linear.breakable()).any()
    assert found.broken.sum() == linear.breakable().sum()


def test_labels_alone_break_most_of_what_the_closed_form_breaks(linear):
    found = search(linear.labels, linear.box, linear.truth)

    assert not (found.broken & ~linear.breakable()).any()
    assert found.broken.sum() > 0.6 * linear.breakable().sum()


def test_probabilities_that_are_rounded_to_one_do_not_hide_the_slope():
    steep = Linear(c=1e8)
    assert (steep.model.predict_proba(steep.x).max(axis=1) == 1).mean() > 0.3

    found = search(steep.labels, steep.box, steep.truth, proba=steep.model.predict_proba)

    assert (found.broken == steep.breakable()).all()


def test_what_broke_a_row_is_tried_on_the_other_rows_of_its_class():
    # one corner of 2**20 breaks a row; the opposite one breaks a row of the other class
    random = np.random.default_rng(0)
    secret = random.choice([-1.0, 1.0], 20)
    truth = np.array([0, 0, *[1] * 200])
    x = np.column_stack([truth, random.normal(scale=0.1, size=(202, 20))])
    side = np.where(truth == 0, 1, -1)[:, None] * secret
    low, high = (x + step * np.r_[0, np.ones(20)] for step in (-1, 1))
    box = Box(x, low, high, np.zeros(21, bool))

    def labels(values):
        own = (values[:, 0] > 0.5).astype(np.intp)
        towards = np.where(own == 0, 1, -1)[:, None] * secret
        return np.where((values[:, 1:] * towards > 0.5).all(axis=1), 1 - own, own)

    starts = np.column_stack([truth, side])
    starts[1] = x[1]

    found = search(labels, box, truth, starts=starts, queries=100)

    assert found.broken.all()


@pytest.mark.parametrize("scored", [True, False])
def test_a_stump_breaks_exactly_the_rows_within_reach_of_its_threshold(scored):
    x = np.column_stack([np.linspace(-1, 1, 41), np.zeros(41)])
    truth = (x[:, 0] > 0).astype(np.intp)

    def proba(values):
        return np.stack([1.0 - (values[:, 0] > 0), values[:, 0] > 0], axis=1)

    found = search(
        lambda values: (values[:, 0] > 0).astype(np.intp),
        around(x, 0.25),
        truth,
        proba=proba if scored else None,
    )

    assert found.broken.tolist() == ((x[:, 0] > -0.25) & (x[:, 0] < 0.2501)).tolist()


def test_a_model_that_always_says_the_same_is_never_broken():
    x = np.random.default_rng(0).normal(size=(20, 3))

    found = search(lambda values: np.zeros(len(values), np.intp), around(x, 5), np.zeros(20, int))

    assert not found.broken.any()
    assert (found.queries == 400).all()


def test_rows_without_room_cost_no_query():
    x = np.zeros((3, 2))

    found = search(lambda values: np.zeros(3, np.intp), around(x, 0), np.zeros(3, np.intp))

    assert not found.queries.any()


def test_the_nearest_rows_of_another_class_show_the_way_into_a_far_corner():
    def labels(values):
        return (np.abs(values - 9) < 4.5).all(axis=1) + 2 * (values < -50).all(axis=1)

    own, other, far = np.zeros((40, 12)), np.full((1, 12), 9.0), np.full((40, 12), -90.0)
    x = np.vstack([own, far, other])
    truth = np.array([0] * 40 + [2] * 40 + [1])

    found = search(labels, around(x, 5), truth, queries=1)

    assert found.broken[:40].all()


def test_a_given_start_is_tried_first():
    def labels(values):
        return (np.abs(values - 0.123).max(axis=1) < 1e-6).astype(np.intp)

    x = np.zeros((1, 3))
    options = {"queries": 1, "pool": np.ones((1, 3))}

    assert not search(labels, around(x, 1), np.array([0]), **options).broken[0]
    starts = np.full((1, 3), 0.123)
    assert search(labels, around(x, 1), np.array([0]), starts=starts, **options).broken[0]


def test_three_classes_are_attacked_towards_any_other():
    def proba(values):
        score = np.exp(-((values - np.array([[-2.0], [0], [2]]).T) ** 2))
        return score / score.sum(axis=1, keepdims=True)

    def labels(values):
        return proba(values).argmax(axis=1)

    x = np.array([[-1.5], [-0.5], [0.5], [1.5]])

    found = search(labels, around(x, 0.6), np.array([0, 1, 1, 2]), proba=proba)

    assert found.broken.all()


def test_the_same_seed_asks_the_same_and_another_does_not(linear):
    def asked(seed):
        seen = []

        def proba(values):
            seen.append(values)
            return linear.model.predict_proba(values)

        search(linear.labels, linear.box, linear.truth, proba=proba, seed=seed)
        return np.concatenate(seen).tobytes()

    assert asked(0) == asked(0)
    assert asked(0) != asked(1)


def test_the_arrays_that_were_given_are_left_alone(linear):
    before = linear.x.copy()

    search(linear.labels, linear.box, linear.truth, proba=linear.model.predict_proba)

    np.testing.assert_array_equal(linear.x, before)


def test_a_batch_at_one_epsilon_takes_at_most_sixty_calls(linear):
    victim = victim_of(linear.labels, linear.truth, linear.model.predict_proba)
    rows = np.flatnonzero(linear.labels(linear.x) == linear.truth)
    attack = box_search(linear.box, linear.truth, linear.x, linear.labels(linear.x), queries=400)

    run([attack], victim, linear.x, rows, budget=400, allowed=linear.box.contains)

    assert victim.calls <= 60


@st.composite
def boxes(draw):
    """Boxes with missing, fixed, whole and free cells, and labels of their rows."""
    n_rows, n_columns = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    whole = random.random(n_columns) < 0.4
    origin = np.where(
        whole, random.integers(-5, 6, (n_rows, n_columns)), random.normal(size=(n_rows, n_columns))
    )
    reach = random.exponential(3, (2, n_rows, n_columns)) * (random.random(n_columns) < 0.8)
    reach = np.where(whole, np.floor(reach), reach)
    origin[random.random((n_rows, n_columns)) < 0.2] = np.nan
    return Box(origin, origin - reach[0], origin + reach[1], whole)


@given(boxes(), st.integers(1, 60), st.booleans(), st.integers(0, 9))
@settings(max_examples=200, deadline=None)
def test_no_candidate_ever_leaves_its_box(box, queries, scored, seed):
    random = np.random.default_rng(seed)
    weights = random.normal(size=box.origin.shape[1])
    asked = []

    def score(values):
        return 1 / (1 + np.exp(-np.nan_to_num(values) @ weights))

    def labels(values):
        return (score(values) > 0.5).astype(np.intp)

    def proba(values):
        return np.stack([1 - score(values), score(values)], axis=1)

    truth = labels(box.origin)
    victim = Victim(
        truth,
        lambda candidates: asked.append(candidates) or labels(candidates.values),
        (lambda candidates: asked.append(candidates) or proba(candidates.values))
        if scored
        else None,
    )
    rows = np.arange(len(truth))
    attack = box_search(box, truth, box.origin, truth, queries=queries, seed=seed)

    found = run([attack], victim, box.origin, rows, budget=queries, allowed=box.contains)

    assert all(box.contains(candidates).all() for candidates in asked)
    assert (labels(found.values)[found.broken] != truth[found.broken]).all()
    assert (found.queries <= queries).all()


def moved_back(labels, origin, values):
    origin, values = np.array([origin], float), np.array([values], float)
    victim = victim_of(labels, np.zeros(1, np.intp))
    kept = revert(victim, around(origin, 1.0), np.array([0]), values)
    return kept[0].tolist(), victim.calls


def test_columns_that_need_not_have_moved_go_back():
    kept, _ = moved_back(lambda x: (x[:, 1] > 0.5).astype(int), [0, 0, 0], [0.9, 0.6, -0.3])

    assert kept == [0, 0.6, 0]


def test_of_two_columns_that_each_suffice_the_one_that_moved_further_stays():
    kept, _ = moved_back(lambda x: (x.max(axis=1) > 0.5).astype(int), [0, 0], [0.9, 0.6])

    assert kept == [0.9, 0]


def test_columns_that_are_needed_together_stay():
    kept, _ = moved_back(lambda x: (x.sum(axis=1) > 1).astype(int), [0, 0], [0.9, 0.6])

    assert kept == [0.9, 0.6]


def test_missing_cells_stay_missing_when_columns_go_back():
    kept, _ = moved_back(lambda x: (x[:, 0] > 0.5).astype(int), [0, np.nan, 0], [0.9, np.nan, 0.3])

    np.testing.assert_array_equal(kept, [0.9, np.nan, 0])


def test_a_wide_row_goes_back_in_a_bounded_number_of_calls():
    values = np.linspace(0.1, 1, 100)

    kept, calls = moved_back(lambda x: (x[:, -1] > 0.5).astype(int), np.zeros(100), values)

    assert calls <= REVERTS
    assert kept[-1] == 1
    assert np.count_nonzero(kept) <= 4


def test_without_broken_rows_nothing_is_asked():
    victim = victim_of(lambda x: np.zeros(len(x), int), np.zeros(1, np.intp))
    box = around(np.zeros((1, 2)), 1.0)

    kept = revert(victim, box, np.zeros(0, np.intp), np.zeros((0, 2)))

    assert kept.shape == (0, 2)
    assert victim.calls == 0
