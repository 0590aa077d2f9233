import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from boxes import Plane, around, bounded, held, victim_of
from modelwarden.attacks.box_search import REVERTS, box_search, revert
from modelwarden.attacks.engine import Victim, run
from modelwarden.space.relation import Relation


def search(labels, box, truth, *, proba=None, queries=400, seed=0, pool=None, **options):
    pool = box.origin if pool is None else pool
    attack = box_search(box, truth, pool, labels(pool), queries=queries, seed=seed, **options)
    rows = np.flatnonzero(labels(box.origin) == truth)
    victim = victim_of(labels, truth, proba)
    return run({"search": attack}, victim, box.origin, rows, budget=queries, allowed=box.contains)


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


def worst(box, plane, truth):
    """Closed form: the lowest margin of each row within its radius, bounds far away."""
    norms = {"l2": 2, "l1": np.inf, "linf": 1}
    pull = np.linalg.norm(plane.weights * box.unit, ord=norms[box.norm])
    sign = 2 * truth - 1
    return sign * plane.margin(box.origin), box.radius * pull


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_a_plane_is_broken_exactly_where_the_closed_form_of_each_norm_says(norm):
    random = np.random.default_rng(0)
    plane = Plane(random.normal(size=12), 0.1)
    x = random.normal(size=(200, 12))
    truth = plane.labels(x)
    box = around(x, 0.3, unit=random.uniform(0.5, 2, 12), norm=norm)
    margin, reach = worst(box, plane, truth)

    found = search(plane.labels, box, truth, proba=plane.proba, queries=100)

    clear = np.abs(margin - reach) > 1e-6
    assert 0.05 < (margin < reach).mean() < 0.95
    assert (found.broken == (margin < reach))[clear].all()


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_a_bound_that_is_nearer_than_the_radius_is_used_up_and_the_rest_spent_elsewhere(norm):
    random = np.random.default_rng(2)
    plane = Plane([2.5, -2, 1.5, 0.1, -0.2, 0.3, 0.4, 1])
    x = random.normal(size=(200, 8))
    truth, room = plane.labels(x), np.array([0.05, 0.1, 0.2, 9, 9, 9, 9, 0.3])
    box = bounded(around(x, 0.5, norm=norm), x - np.minimum(room, 0.5), x + np.minimum(room, 0.5))
    steep = np.abs(plane.weights)
    if norm == "l2":  # the moves are in proportion to the slope, as far as there is room
        moves = np.minimum(np.linspace(0, 5, 200_001)[:, None] * steep, np.minimum(room, 0.5))
        reach = (moves[np.linalg.norm(moves, axis=1) <= 0.5] @ steep).max()
    else:
        order = np.argsort(-steep)
        before = np.cumsum(room[order]) - room[order]
        reach = np.clip(0.5 - before, 0, room[order]) @ steep[order]

    at_once = 8 + 2 * 8 + 9  # starts, single columns, what helped joined, next to no walk
    found = search(plane.labels, box, truth, proba=plane.proba, queries=at_once)

    margin = np.abs(plane.margin(x))
    clear = np.abs(margin - reach) > 1e-4
    assert 0.05 < (margin < reach).mean() < 0.95
    assert (found.broken == (margin < reach))[clear].all()


def test_two_columns_may_change_and_the_two_that_help_most_do():
    random = np.random.default_rng(1)
    plane = Plane(random.normal(size=12))
    x = random.uniform(-1, 1, (100, 12))
    truth = plane.labels(x)
    helps = 0.3 * np.sort(np.abs(plane.weights))[-2:].sum()
    box = bounded(around(x, 2, norm="l0"), x - 0.3, x + 0.3)

    found = search(plane.labels, box, truth, proba=plane.proba, queries=60)

    breakable = helps > np.abs(plane.margin(x))
    assert 0.2 < breakable.mean() < 0.8
    assert (found.broken == breakable).all()


def test_the_walk_finds_what_lies_inside_the_box_and_not_at_its_bounds():
    x = np.random.default_rng(4).uniform(-0.2, 0.2, (30, 4))
    inside = np.array([0.3, -0.4, 0.5, -0.2])

    def proba(values):
        positive = 1 / (1 + np.exp(10 * (np.abs(values - inside).max(axis=1) - 0.15)))
        return np.stack([1 - positive, positive], axis=1)

    labels = lambda values: proba(values).argmax(axis=1)  # noqa: E731
    truth = np.zeros(30, int)

    found = search(labels, around(x, 1), truth, proba=proba)
    early = search(labels, around(x, 1), truth, proba=proba, queries=60)

    assert found.broken.mean() > 0.9
    assert early.broken.mean() < 0.5


@pytest.mark.parametrize("codes", [3, 7])
def test_every_category_is_tried(codes):
    x = np.array([[0.0, 0, 0]])
    worth = np.zeros(codes)
    worth[codes - 1] = 1

    def proba(values):
        positive = 0.2 + 0.6 * worth[values[:, 1].astype(int)]
        return np.stack([1 - positive, positive], axis=1)

    box = around(x, 1, codes=[0, codes, 0], norm="l1")

    found = search(lambda v: proba(v).argmax(axis=1), box, np.array([0]), proba=proba, queries=26)

    assert found.broken[0]
    assert found.values[0, 1] == codes - 1


def test_a_column_with_steps_takes_steps_only():
    x = np.array([[0.25, 0.0]])
    box = around(x, 5, step=[2, 0])
    seen = []

    def labels(values):
        seen.append(values[:, 0])
        return (values[:, 0] > 4).astype(int)

    found = search(labels, box, np.array([0]))

    assert {*np.concatenate(seen).tolist()} <= {-3.75, -1.75, 0.25, 2.25, 4.25}
    assert found.values[0, 0] == 4.25


def test_missing_cells_stay_missing_and_the_others_break_the_row():
    x = np.array([[np.nan, 0.0], [0.0, np.nan]])
    plane = Plane([5, 1], -0.5)

    found = search(plane.labels, around(x, 1), np.array([0, 0]), proba=plane.proba)

    assert found.broken.tolist() == [True, True]
    assert np.isnan(found.values).tolist() == np.isnan(x).tolist()


def test_what_nobody_can_change_is_left_alone():
    plane = Plane([1, 1], -0.5)
    box = held(around(np.zeros((1, 2)), 1), [0])

    found = search(plane.labels, box, np.array([0]), proba=plane.proba)

    assert found.broken[0]
    assert found.values[0, 0] == 0


def test_a_relation_holds_in_whatever_breaks_a_row():
    rising = Relation(np.array([1.0, -1.0]), 0.0)  # the first column is at most the second
    box = around(np.array([[0.0, 0.5]]), 2, relations=(rising,))
    plane = Plane([1, 0], -1.5)

    found = search(plane.labels, box, np.array([0]), proba=plane.proba)

    assert found.broken[0]
    assert found.values[0, 0] <= found.values[0, 1] + 1e-6


@pytest.mark.parametrize("queries", [1, 5])
def test_a_small_budget_is_kept(queries):
    found = search(
        lambda v: np.zeros(len(v)), around(np.zeros((2, 3)), 1), np.zeros(2, int), queries=queries
    )

    assert found.queries.tolist() == [queries, queries]


def test_a_row_fares_the_same_alone_as_among_others(linear):
    rows = np.flatnonzero(linear.labels(linear.x) == linear.truth)
    victim = victim_of(linear.labels, linear.truth, linear.model.predict_proba)
    pool = linear.x, linear.labels(linear.x)
    attack = {"search": box_search(linear.box, linear.truth, *pool, queries=120)}
    options = {"budget": 120, "allowed": linear.box.contains}

    together = run(attack, victim, linear.x, rows, **options)
    alone = run(attack, victim, linear.x, rows[::7], **options)

    assert (alone.queries == together.queries)[rows[::7]].all()
    np.testing.assert_allclose(alone.values[rows[::7]], together.values[rows[::7]])


def test_rows_whose_scores_have_a_slope_take_nothing_from_those_without():
    def proba(values):
        flat, slope = np.array([0.9, 0.1]), 1 / (1 + np.exp(-(values[:, 1] - 9)))
        sloped = np.stack([1 - slope, slope], axis=1)
        return np.where(values[:, :1] > 0.5, sloped, flat)

    box = held(around(np.array([[0.0, 0], [1, 0]]), 1), [0])
    pool = np.array([[0.0, 1], [1, -1], [1, 1]])
    attack = {"search": box_search(box, np.zeros(2, int), pool, np.ones(3), queries=60)}

    def asked_about_the_flat_one(rows):
        seen = []

        def recorded(values):
            seen.append(values[values[:, 0] < 0.5])
            return proba(values)

        victim = victim_of(lambda v: np.zeros(len(v)), [0, 0], recorded)
        run(attack, victim, box.origin, np.array(rows), budget=60, allowed=box.contains)
        return np.concatenate(seen)

    np.testing.assert_array_equal(asked_about_the_flat_one([0, 1]), asked_about_the_flat_one([0]))


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

    run({"search": attack}, victim, linear.x, rows, budget=400, allowed=linear.box.contains)

    assert victim.calls <= 60


@st.composite
def boxes(draw):
    """Boxes of all norms with missing, fixed, stepped, coded and free cells."""
    n_rows, n_columns = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    shape = (n_rows, n_columns)
    codes = np.where(random.random(n_columns) < 0.3, random.integers(1, 4, n_columns), 0)
    step = np.where((random.random(n_columns) < 0.4) & (codes == 0), 0.5, 0.0)
    origin = np.where(codes > 0, random.integers(0, 5, shape), random.normal(size=shape))
    origin[random.random(shape) < 0.2] = np.nan
    return held(
        around(
            origin,
            draw(st.sampled_from([0.3, 1, 3])),
            step=step,
            unit=random.exponential(size=n_columns) + 0.1,
            codes=codes,
            norm=draw(st.sampled_from(["linf", "l2", "l1", "l0"])),
            group=random.integers(0, n_columns, n_columns),
            most=draw(st.sampled_from([None, 1, 2])),
        ),
        random.random(n_columns) < 0.2,
    )


@given(boxes(), st.integers(1, 60), st.booleans(), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
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

    found = run({"search": attack}, victim, box.origin, rows, budget=queries, allowed=box.contains)

    assert all(box.contains(candidates).all() for candidates in asked)
    assert (labels(found.values)[found.broken] != truth[found.broken]).all()
    assert (found.queries <= queries).all()


def moved_back(labels, origin, values):
    origin, values = np.array([origin], float), np.array([values], float)
    victim = victim_of(labels, np.zeros(1, np.intp))
    kept = revert(victim, around(origin, 1), np.array([0]), values)
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
