import numpy as np
import pytest

from boxes import Plane, around, held, victim_of
from modelwarden.attacks.box_search import box_search
from modelwarden.attacks.engine import MAX_CELLS, run
from modelwarden.attacks.transfer import PER_ROW, neighbours, transfer

COPIES = 3


class Task:
    """Rows beside a plane that gives labels only, and what can be broken within 0.25."""

    def __init__(self, n_rows=80, n_columns=12):
        random = np.random.default_rng(0)
        self.plane = Plane(random.normal(size=n_columns), 0.1)
        self.x = random.normal(size=(n_rows, n_columns))
        self.pool = random.normal(size=(250, n_columns))
        self.truth, self.labels = self.plane.labels(self.x), self.plane.labels(self.pool)
        self.box = around(self.x, 0.25)
        self.margin = np.abs(self.plane.margin(self.x))
        self.breakable = self.margin < 0.25 * np.abs(self.plane.weights).sum()

    def attack(self, **options):
        known = {"pool": self.pool, "pool_labels": self.labels, **options}
        return transfer(self.box, self.truth, known.pop("pool"), known.pop("pool_labels"), **known)

    def run(self, attack, budget=400, rows=None):
        victim = victim_of(self.plane.labels, self.truth)
        rows = np.arange(len(self.x)) if rows is None else rows
        return run(
            {"attack": attack},
            victim,
            self.box.origin,
            rows,
            budget=budget,
            allowed=self.box.contains,
        )


@pytest.fixture(scope="module")
def task():
    return Task()


@pytest.fixture(scope="module")
def found(task):
    return task.run(task.attack())


def test_a_model_with_labels_only_is_broken_about_where_the_closed_form_says(task, found):
    assert 0.3 < task.breakable.mean() < 0.9
    assert not (found.broken & ~task.breakable).any()
    assert found.broken.sum() >= 0.9 * task.breakable.sum()


def test_it_costs_one_query_a_copy_and_breaks_as_much_as_hundreds_of_blind_ones(task, found):
    near = task.box, task.truth, task.pool, task.labels
    blind = task.run(box_search(*near, queries=400))

    assert found.queries.max() == COPIES
    assert found.broken.sum() >= blind.broken.sum()


def test_nothing_is_proposed_outside_the_box(task):
    proposed = next(task.attack().begin(np.arange(5)))

    assert len(proposed.rows) == 5 * COPIES
    assert task.box.contains(proposed).all()


def test_the_order_of_the_pool_is_no_matter(task):
    order = np.random.default_rng(5).permutation(len(task.pool))
    shuffled = task.attack(pool=task.pool[order], pool_labels=task.labels[order])

    first, second = (next(a.begin(np.arange(5))) for a in (task.attack(), shuffled))

    np.testing.assert_array_equal(first.values, second.values)


def test_copies_are_fooled_as_far_as_the_box_allows_and_not_just_so(task):
    proposed = next(task.attack().begin(np.arange(len(task.x))))

    margins = task.plane.margin(proposed.values[::COPIES]) * (2 * task.truth - 1)
    reach = 0.25 * np.abs(task.plane.weights).sum()
    easy = task.margin < 0.3 * reach
    assert easy.sum() > 5
    assert ((task.margin - margins)[easy] > 0.9 * reach).all()


def test_a_pool_of_one_label_teaches_nothing(task):
    attack = task.attack(pool_labels=np.zeros(len(task.pool), int))

    assert not task.run(attack).queries.any()


def test_rows_without_room_are_not_attacked(task):
    box = held(task.box, range(12))

    assert next(transfer(box, task.truth, task.pool, task.labels).begin(np.arange(3)), None) is None


def test_a_class_that_the_pool_does_not_show_can_be_attacked(task):
    box = around(task.x[:4], 0.25)

    attack = transfer(box, np.array([0, 1, 2, 7]), task.pool, task.labels)

    assert box.contains(next(attack.begin(np.arange(4)))).all()


def test_missing_cells_and_columns_without_a_value_are_learnt_around(task):
    x, pool = task.x.copy(), task.pool.copy()
    x[:, 0], pool[:, 0], pool[::3, 1], x[0, 1] = np.nan, np.nan, np.nan, np.nan
    box = around(x, 0.25)

    proposed = next(transfer(box, task.truth, pool, task.labels).begin(np.arange(3)))

    assert box.contains(proposed).all()


def test_neighbours_lie_between_rows_of_different_classes(task):
    wide = around(task.x)

    beside = neighbours(wide, task.truth, task.pool, task.labels)

    assert beside.rows.tolist() == np.repeat(np.arange(len(task.x)), PER_ROW).tolist()
    assert wide.contains(beside).all()
    other = task.plane.labels(beside.values) != task.truth[beside.rows]
    assert 0.2 < other.mean() < 0.8


def test_neighbours_are_the_same_for_the_same_seed(task):
    wide = around(task.x)
    made = [
        neighbours(wide, task.truth, task.pool, task.labels, seed=seed).values for seed in (0, 0, 1)
    ]

    assert (made[0] == made[1]).all()
    assert (made[0] != made[2]).any()


def test_of_very_many_rows_fewer_neighbours_are_made():
    n_rows, n_columns = 3, MAX_CELLS // 12
    box = around(np.zeros((n_rows, n_columns)))
    pool = np.ones((2, n_columns))

    beside = neighbours(box, np.zeros(n_rows, int), pool, np.ones(2, int))

    assert len(beside.rows) == n_rows * (MAX_CELLS // (n_rows * n_columns))
