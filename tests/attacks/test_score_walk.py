import numpy as np
import pytest

from boxes import Plane, around, victim_of
from modelwarden.attacks.engine import shrink
from modelwarden.attacks.score_walk import score_walk
from modelwarden.attacks.word_swap import Guided


def nearest_found(model, box, truth, *, queries=1000, pool=None, kind=Guided, **options):
    (labels, proba), truth = model, np.asarray(truth)
    if pool is None:
        pool = np.random.default_rng(9).uniform(-5, 5, (60, box.origin.shape[1]))
    attack = score_walk(box, truth, pool, labels(pool), queries=queries, **options)
    return shrink(
        {"walk": attack},
        victim_of(labels, truth, proba, kind),
        box.origin,
        np.arange(len(box.origin)),
        budget=queries,
        allowed=box.contains,
        distance=box.distance,
    )


class Stumps:
    """A sum of stumps with random thresholds: its exact answer is found by enumeration."""

    def __init__(self, seed, n_columns=3, each=3):
        random = np.random.default_rng(seed)
        self.at = np.sort(random.uniform(-2, 2, (n_columns, each)), axis=1)
        self.worth = random.normal(size=(n_columns, each))
        self.base = -np.median(self.score(random.uniform(-3, 3, (999, n_columns)), 0.0))

    def score(self, x, base):
        return ((x[..., None] > self.at) * self.worth).sum(axis=(-1, -2)) + base

    def proba(self, x):
        positive = 1 / (1 + np.exp(-self.score(x, self.base)))
        return np.stack([1 - positive, positive], axis=1)

    def labels(self, x):
        return (self.score(x, self.base) > 0).astype(int)

    def exact(self, row, label, norm):
        """Return the least distance to a cell with another label; cells are products of pieces."""
        sides = []
        for x, at in zip(row, self.at, strict=True):
            ends = np.array([-np.inf, *at, np.inf])
            inner = np.clip(x, np.nextafter(ends[:-1], 9), ends[1:])
            sides.append(inner)
        grid = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, len(row))
        other = grid[self.labels(grid) != label] - row
        order = {"linf": np.inf, "l2": 2, "l1": 1, "l0": 0}[norm]
        return np.linalg.norm(other, ord=order, axis=1).min()


@pytest.mark.parametrize(
    ("norm", "excess"), [("linf", 1.02), ("l2", 1.02), ("l1", 1.05), ("l0", 1)]
)
def test_the_distance_to_other_labels_of_stumps_is_what_enumeration_says(norm, excess):
    stumps = Stumps(0)
    x = np.random.default_rng(1).uniform(-2, 2, (20, 3))
    truth = stumps.labels(x)
    exact = [stumps.exact(row, label, norm) for row, label in zip(x, truth, strict=True)]

    found = nearest_found((stumps.labels, stumps.proba), around(x, norm=norm), truth)

    assert (found.least >= np.array(exact) * (1 - 1e-9)).all()
    assert np.median(found.least / exact) <= excess


@pytest.mark.parametrize(("norm", "dual"), [("l2", 2), ("linf", 1), ("l1", np.inf)])
def test_a_plane_is_found_about_where_it_is(norm, dual):
    random = np.random.default_rng(3)
    plane = Plane(random.normal(size=5), 0.2)
    x = random.uniform(-1, 1, (20, 5))
    exact = np.abs(plane.margin(x)) / np.linalg.norm(plane.weights, ord=dual)

    found = nearest_found((plane.labels, plane.proba), around(x, norm=norm), plane.labels(x))

    assert (found.least >= exact * (1 - 1e-9)).all()
    assert np.median(found.least / exact) <= 1.05


def test_scores_lead_nearer_than_labels_alone():
    random = np.random.default_rng(3)
    plane = Plane(random.normal(size=12), 0.2)
    x = random.uniform(-1, 1, (20, 12))
    arguments = (plane.labels, plane.proba), around(x, norm="linf"), plane.labels(x)

    scored, blind = nearest_found(*arguments), nearest_found((plane.labels, None), *arguments[1:])

    assert np.median(scored.least) < 0.9 * np.median(blind.least)


def test_another_category_is_found():
    def proba(values):
        positive = np.where(values[:, 0] == 3, 0.4 + values[:, 1], 0.1)
        return np.stack([1 - positive, positive], axis=1)

    model = lambda v: proba(v).argmax(axis=1), proba
    pool = np.array([[3.0, 0.5]])

    found = nearest_found(
        model, around([[0.0, 0]], limit=0.5, norm="l1", codes=[5, 0]), [0], pool=pool
    )

    assert found.values[0, 0] == 3
    assert found.least[0] == pytest.approx(0.1, rel=0.02)


def test_a_category_that_no_start_has_is_found_where_it_is_nearer():
    def proba(values):
        needed = np.where(values[:, 0] == 3, 0.1, np.where(values[:, 0] == 1, 2, 99))
        positive = 1 / (1 + np.exp(-(values[:, 1] - needed)))
        return np.stack([1 - positive, positive], axis=1)

    model = lambda v: (proba(v)[:, 1] > 0.5).astype(int), proba
    box = around([[0.0, 0]], norm="l1", codes=[5, 0])

    found = nearest_found(model, box, [0], pool=np.array([[1.0, 3]]))

    assert found.values[0, 0] == 3
    assert found.least[0] == pytest.approx(0.1, rel=0.05)


def test_what_predict_refuses_is_never_taken_for_broken():
    plane = Plane([1, 0], -1)
    strict = Plane([1, 0], -2)  # predict needs more than probabilities say

    found = nearest_found((strict.labels, plane.proba), around([[0.0, 0]], norm="l2"), [0])

    assert found.broken[0]
    assert found.least[0] == pytest.approx(2, rel=0.02)
