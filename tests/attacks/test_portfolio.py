import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boxes import Plane, around, bounded, held, victim_of
from modelwarden.attacks.boundary_walk import boundary_walk
from modelwarden.attacks.engine import shrink
from modelwarden.attacks.hop_skip_jump import hop_skip_jump
from modelwarden.attacks.portfolio import portfolio
from modelwarden.attacks.score_walk import score_walk
from modelwarden.attacks.starts import NEAREST
from modelwarden.attacks.word_swap import Guided
from modelwarden.space.points import Candidates
from modelwarden.space.relation import Relation


def one(attack):
    return lambda *near, **options: {"attack": attack(*near, **options)}


def scored(*near, **options):
    return portfolio(*near, scored=True, **options)


ATTACKS = {
    "hop skip jump": one(hop_skip_jump),
    "boundary walk": one(boundary_walk),
    "score walk": one(score_walk),
    "labels": portfolio,
    "scores": scored,
}
EVERY = pytest.mark.parametrize("attacks", ATTACKS.values(), ids=[*ATTACKS])


def nearest_found(attacks, labels, box, *, truth=None, queries=200, proba=None, **options):
    truth = np.zeros(len(box.origin), int) if truth is None else np.asarray(truth)
    pool = options.pop("pool", np.random.default_rng(9).uniform(-5, 5, (40, len(box.step))))
    pool_labels = options.pop("pool_labels", labels(pool))
    rows = options.pop("rows", np.arange(len(truth)))
    victim = options.pop("victim", victim_of(labels, truth, proba, Guided))
    return shrink(
        attacks(box, truth, pool, pool_labels, queries=queries, **options),
        victim,
        box.origin,
        rows,
        budget=queries,
        allowed=box.contains,
        distance=box.distance,
    )


def beyond_one(values):
    return (np.nan_to_num(values[:, 0]) > 1).astype(int)


@EVERY
def test_a_budget_of_nothing_asks_nothing(attacks):
    box = around(np.zeros((2, 3)), norm="l2")
    victim = victim_of(beyond_one, [0, 0])

    found = nearest_found(attacks, beyond_one, box, queries=0, victim=victim)

    assert victim.calls == 0
    assert not found.broken.any()


@EVERY
@pytest.mark.parametrize("queries", [1, 7, 40, 333])
def test_a_budget_is_never_exceeded(attacks, queries):
    box = around(np.zeros((2, 3)), norm="l2")

    found = nearest_found(attacks, beyond_one, box, queries=queries)

    assert (found.queries <= queries).all()
    assert np.isinf(found.least[~found.broken]).all()


@EVERY
def test_a_pool_of_one_label_is_given_up_after_its_nearest_rows(attacks):
    box = around(np.zeros((2, 3)), norm="l2")
    nothing = lambda v: np.zeros(len(v), int)  # noqa: E731

    found = nearest_found(attacks, nothing, box, queries=900)

    assert not found.broken.any()
    assert (found.queries <= 2 * NEAREST).all()


@EVERY
def test_a_model_that_has_changed_its_mind_about_the_pool_is_not_broken(attacks):
    box = around(np.zeros((2, 3)), norm="l2")
    nothing = lambda v: np.zeros(len(v), int)  # noqa: E731

    found = nearest_found(attacks, nothing, box, pool_labels=np.ones(40, int))

    assert not found.broken.any()


@EVERY
def test_without_rows_nothing_is_asked(attacks):
    box = around(np.zeros((0, 3)), norm="l2")

    assert not nearest_found(attacks, beyond_one, box).broken.any()


@EVERY
def test_rows_without_room_are_never_broken(attacks):
    box = held(around(np.zeros((2, 3)), norm="l2"), [0, 1, 2])

    assert not nearest_found(attacks, beyond_one, box).broken.any()


@pytest.mark.parametrize(
    ("norm", "attacks"),
    [
        (norm, attacks)
        for norm in ("linf", "l2", "l1", "l0")
        for name, attacks in ATTACKS.items()
        if norm in ("linf", "l2") or name != "hop skip jump"
    ],
)
def test_one_threshold_is_found_in_every_norm(attacks, norm):
    box = around(np.zeros((3, 4)), norm=norm)
    sure = Plane([8, 0, 0, 0], -8)

    found = nearest_found(attacks, beyond_one, box, queries=600, proba=sure.proba)

    assert found.broken.all()
    assert found.least == pytest.approx(1, rel=0.1)


@EVERY
def test_missing_cells_stay_missing(attacks):
    box = around([[0, np.nan, 0], [0, 0, np.nan]], norm="l2")

    found = nearest_found(attacks, beyond_one, box)

    assert found.broken.all()
    assert np.isnan(found.values).tolist() == np.isnan(box.origin).tolist()


@EVERY
def test_at_most_so_many_columns_change(attacks):
    box = around(np.zeros((3, 5)), norm="l2", most=1)

    found = nearest_found(attacks, beyond_one, box)

    assert found.broken.all()
    assert ((found.values != 0).sum(axis=1) == 1).all()


@EVERY
def test_a_relation_holds_in_what_breaks_a_row(attacks):
    below = Relation(np.array([1.0, -1, 0]), 0.0)  # the first column is at most the second
    box = around(np.zeros((2, 3)), norm="l2", relations=(below,))

    found = nearest_found(attacks, beyond_one, box, queries=400)

    assert found.broken.all()
    assert box.contains(Candidates(np.arange(2), found.values)).all()
    assert (found.values[:, 1] >= 1 - 1e-6).all()


@EVERY
def test_the_same_seed_finds_the_same_and_another_does_not(attacks):
    random = np.random.default_rng(0)
    plane, x = Plane(random.normal(size=4)), random.normal(size=(5, 4))
    box = around(x, norm="l2")

    values = [
        nearest_found(
            attacks, plane.labels, box, truth=plane.labels(x), proba=plane.proba, seed=seed
        ).values
        for seed in (0, 0, 1)
    ]

    assert (values[0] == values[1]).all()
    assert (values[0] != values[2]).any()


@EVERY
def test_a_row_fares_the_same_alone_as_among_others(attacks):
    random = np.random.default_rng(0)
    plane, x = Plane(random.normal(size=4)), random.normal(size=(9, 4))
    arguments = attacks, plane.labels, around(x, norm="l2")
    options = {"truth": plane.labels(x), "proba": plane.proba}

    together = nearest_found(*arguments, **options)
    alone = nearest_found(*arguments, rows=np.array([4, 7]), **options)

    np.testing.assert_allclose(alone.values[[4, 7]], together.values[[4, 7]])
    assert (alone.queries == together.queries)[[4, 7]].all()


@EVERY
def test_no_more_candidates_are_yielded_than_was_said(attacks):
    box = around(np.zeros((1, 3)), norm="l2")
    pool = np.full((40, 3), 5.0)
    known = attacks(box, np.array([0]), pool, np.ones(40, int), queries=500)
    sizes = []

    class Counting(Guided):
        def sides(self, candidates):
            sizes.append(len(candidates.rows))
            return super().sides(candidates)

    nearest_found(
        attacks, beyond_one, box, queries=500, victim=victim_of(beyond_one, [0], kind=Counting)
    )

    assert max(sizes) <= sum(attack.width for attack in known.values())


@st.composite
def boxes(draw):
    """Boxes of all norms with missing, fixed, stepped, coded and free cells."""
    n_rows, n_columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    shape = (n_rows, n_columns)
    codes = np.where(random.random(n_columns) < 0.3, random.integers(1, 4, n_columns), 0)
    step = np.where((random.random(n_columns) < 0.4) & (codes == 0), 0.5, 0.0)
    origin = np.where(codes > 0, random.integers(0, 5, shape), random.normal(size=shape))
    origin[random.random(shape) < 0.2] = np.nan
    box = around(
        origin,
        limit=3,
        step=step,
        unit=random.exponential(size=n_columns) + 0.1,
        codes=codes,
        norm=draw(st.sampled_from(["linf", "l2", "l1", "l0"])),
        group=random.integers(0, n_columns, n_columns),
        most=draw(st.sampled_from([None, 1, 2])),
    )
    return held(box, random.random(n_columns) < 0.2)


@given(boxes(), st.sampled_from([portfolio, scored]), st.integers(20, 120), st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_no_candidate_ever_leaves_its_box(box, attacks, queries, seed):
    random = np.random.default_rng(seed)
    plane = Plane(random.normal(size=len(box.step)))
    truth, asked = plane.labels(box.origin), []

    class Watched(Guided):
        def sides(self, candidates):
            asked.append(candidates)
            return super().sides(candidates)

    victim = victim_of(plane.labels, truth, plane.proba, Watched)
    pool = random.uniform(-3, 3, (20, len(box.step)))

    found = nearest_found(
        attacks, plane.labels, box, truth=truth, queries=queries, victim=victim, pool=pool
    )

    assert all(box.contains(candidates).all() for candidates in asked)
    rows = np.flatnonzero(found.broken)
    assert (plane.labels(found.values[rows]) != truth[rows]).all()
    np.testing.assert_allclose(found.least[rows], box.distance(rows, found.values[rows]))


@pytest.mark.parametrize(
    ("norm", "queries", "is_scored", "names"),
    [
        ("l2", 1000, False, {"HopSkipJump", "boundary walk"}),
        ("linf", 6000, False, {"HopSkipJump", "boundary walk"}),
        ("l1", 6000, False, {"boundary walk"}),
        ("l0", 6000, False, {"boundary walk"}),
        ("l2", 1000, True, {"score walk"}),
        ("linf", 6000, True, {"HopSkipJump", "score walk"}),
        ("l1", 6000, True, {"boundary walk", "score walk"}),
        ("l0", 1000, True, {"boundary walk", "score walk"}),
    ],
)
def test_the_attacks_suit_the_norm_and_the_model(norm, queries, is_scored, names):
    box = around(np.zeros((1, 2)), norm=norm)
    near = box, np.array([0]), box.origin, np.array([0])

    assert portfolio(*near, queries=queries, scored=is_scored).keys() == names


@pytest.mark.parametrize(
    ("attacks", "norm"), [(portfolio, "l2"), (portfolio, "l1"), (scored, "l2"), (scored, "l1")]
)
def test_attacks_plan_to_share_the_queries_even_where_no_budget_stops_them(attacks, norm):
    box = around(np.zeros((1, 3)), norm=norm)
    known = attacks(box, np.array([0]), np.full((9, 3), 5.0), np.ones(9, int), queries=3000)

    found = shrink(
        known,
        victim_of(beyond_one, [0], Plane([8, 0, 0], -8).proba, Guided),
        box.origin,
        np.arange(1),
        budget=10**6,
        allowed=box.contains,
        distance=box.distance,
    )

    assert 0.8 * 3000 <= found.queries[0] <= 1.15 * 3000


def test_scores_find_nearer_points_on_trees_than_labels_alone():
    edges = np.linspace(-2, 2, 9)

    def score(values):  # a sum of small steps, as boosted trees have them
        steps = (values[..., None] > edges).sum(axis=-1) - 4.5
        return steps @ np.array([1, -0.7, 0.5, 0.8, -0.4, 0.3])

    labels = lambda v: (score(v) > 0.1).astype(int)  # noqa: E731

    def proba(values):
        positive = 1 / (1 + np.exp(-score(values) + 0.1))
        return np.stack([1 - positive, positive], axis=1)

    x = np.random.default_rng(1).uniform(-2, 2, (30, 6))
    arguments = {"truth": labels(x), "queries": 600, "proba": proba}
    box = bounded(around(x, norm="linf"), -3, 3)

    blind = nearest_found(portfolio, labels, box, **arguments)
    seeing = nearest_found(scored, labels, box, **arguments)

    assert np.median(seeing.least) <= np.median(blind.least)
    assert seeing.least.mean() < blind.least.mean()
