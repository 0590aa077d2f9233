import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from boxes import around, bounded, held, victim_of
from modelwarden.attacks.engine import run
from modelwarden.attacks.one_pixel import LEVELS, MOST, one_pixel


def attacked(labels, box, truth, *, proba=None, budget=MOST, attack=None):
    attack = attack or one_pixel(box)
    rows = np.arange(len(box.origin))
    victim = victim_of(labels, truth, proba)
    found = run({"pixel": attack}, victim, box.origin, rows, budget=budget, allowed=box.contains)
    return found, victim


def grey(x, levels):
    """A box of pixels from 0 to 1 with some levels."""
    return bounded(around(x, 1, norm="l0", step=1 / (levels - 1)), 0, 1)


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    model = LogisticRegression(C=10, max_iter=200, tol=1e-2).fit(x[300:] / 16, y[300:])
    right = np.flatnonzero(model.predict(x[:100] / 16) == y[:100])[:60]
    return model, x[right] / 16, y[right]


def test_digits_are_broken_exactly_where_every_change_of_one_pixel_was_tried_by_hand(digits):
    model, x, truth = digits
    changed = np.repeat(x[:, None], 64 * 17, axis=1)
    changed[:, np.arange(64 * 17), np.repeat(np.arange(64), 17)] = np.tile(np.arange(17) / 16, 64)
    answers = model.predict(changed.reshape(-1, 64)).reshape(len(x), -1)
    breakable = (answers != truth[:, None]).any(axis=1)

    found, victim = attacked(model.predict, grey(x, 17), truth)

    assert 0.1 < breakable.mean() < 0.9
    assert found.broken.tolist() == breakable.tolist()
    assert victim.calls <= 6


def test_digits_of_17_levels_are_answered_exactly_with_one_query_a_value(digits):
    _, x, _ = digits

    attack = one_pixel(grey(x, 17))

    assert (attack.coverage, attack.queries) == ("exact", 64 * 17)


def test_one_value_of_one_pixel_is_found_wherever_it_is():
    random = np.random.default_rng(0)
    x = random.integers(0, 5, (40, 6)) / 4.0
    place, value = random.integers(6, size=40), random.integers(0, 5, 40) / 4.0
    value = np.where(x[np.arange(40), place] == value, (value + 0.5) % 1.25, value)
    x = np.column_stack([np.arange(40.0), x])
    box = held(around(x, 1, norm="l0", step=[0, *[0.25] * 6]), [0])
    sides = (np.where(np.arange(7) > 0, end, x) for end in (0, 1))
    box = bounded(box, *sides)

    def labels(v):
        row = v[:, 0].astype(int)
        return (np.abs(v[np.arange(len(v)), 1 + place[row]] - value[row]) < 1e-6).astype(int)

    found, _ = attacked(labels, box, np.zeros(40, int))

    assert one_pixel(box).coverage == "exact"
    assert found.broken.all()


def test_ranges_that_differ_by_row_are_tried_to_the_last_value():
    x = np.array([[0.0], [4], [9]])
    box = bounded(around(x, 1, norm="l0", step=1), [[0], [2], [0]], [[1], [4], [9]])

    for wanted, breakable in ((1, [1, 0, 1]), (2, [0, 1, 1]), (3, [0, 1, 1]), (8, [0, 0, 1])):
        found, _ = attacked(lambda v, w=wanted: v[:, 0] == w, box, np.zeros(3, int))

        assert found.broken.tolist() == [bool(one) for one in breakable]


def test_every_category_of_every_column_is_tried():
    box = around([[0.0, 0, 1]], 1, norm="l0", codes=[5, 3, 4])

    found, _ = attacked(lambda v: v[:, 2] == 3, box, [0])

    assert one_pixel(box).coverage == "exact"
    assert one_pixel(box).queries == 12
    assert found.values.tolist() == [[0, 0, 3]]


def test_numbers_without_steps_are_tried_at_some_values_and_nothing_is_promised():
    box = around([[0.0, 0]], 1, limit=1, norm="l0")

    attack = one_pixel(box)
    found, _ = attacked(lambda v: v[:, 1] == -1, box, [0], attack=attack)

    assert (attack.coverage, attack.queries) == ("extremes", 2 * LEVELS)
    assert found.values.tolist() == [[0, -1]]


def test_the_ends_of_ranges_are_tried_before_what_lies_between():
    box = around(np.zeros((1, 50)), 1, limit=1, norm="l0")

    found, _ = attacked(lambda v: v[:, 49] == 1, box, [0], budget=100)

    assert found.broken[0]


def test_more_columns_than_can_be_tried_at_all_values_are_tried_at_their_ends():
    attack = one_pixel(grey(np.zeros((1, MOST // 2)), 256))

    assert (attack.coverage, attack.queries) == ("extremes", MOST)


def test_all_corners_of_a_pixel_of_three_channels_are_tried():
    box = around(np.full((1, 6), 0.5), 1, norm="l0", group=np.repeat([0, 1], 3))
    box = bounded(box, 0, 1)

    found, _ = attacked(lambda v: (v[:, 3:] == [1, 0, 1]).all(axis=1), box, [0])

    assert (one_pixel(box).coverage, one_pixel(box).queries) == ("extremes", 16)
    assert found.values.tolist() == [[0.5, 0.5, 0.5, 1, 0, 1]]


def test_where_two_columns_may_change_one_pixel_promises_nothing():
    box = around(np.zeros((1, 4)), 2, norm="l0", step=1, limit=2)

    assert one_pixel(box).coverage == "extremes"


def test_columns_that_nobody_can_change_are_not_tried():
    box = held(around([[0.0, 0]], 1, norm="l0", step=1, limit=2), [0])

    found, _ = attacked(lambda v: v[:, 0] > 0, box, [0])

    assert one_pixel(box).queries == 5
    assert not found.broken[0]


def test_without_room_nothing_is_asked():
    box = held(around([[0.0, 0]], 1, norm="l0"), [0, 1])

    found, victim = attacked(lambda v: v[:, 0] > 0, box, [0])

    assert (victim.calls, found.broken.tolist()) == (0, [False])


def test_rows_that_are_broken_are_not_asked_about_again():
    found, _ = attacked(lambda v: v[:, 0] > 0, grey(np.zeros((2, 64)), 101), [0, 1])

    assert found.broken.tolist() == [True, True]
    assert found.queries.max() < 64 * 101 / 2


@pytest.mark.parametrize("budget", [0, 1])
def test_a_budget_is_kept(budget):
    found, _ = attacked(lambda v: v[:, 0] == 9, grey(np.zeros((2, 3)), 5), [0, 0], budget=budget)

    assert found.queries.tolist() == [budget, budget]
    assert not found.broken.any()


def wide():
    """Two pixels of 13 columns: more corners than can be enumerated."""
    box = around(np.full((2, 26), 0.5), 1, norm="l0", group=np.repeat([0, 1], 13))
    return bounded(box, 0, 1)


def brightness(values):
    """Class 1 where the second pixel is bright in most channels."""
    positive = 1 / (1 + np.exp(-20 * (values[:, 13:].mean(axis=1) - 0.8)))
    return np.stack([1 - positive, positive], axis=1)


def test_beyond_enumeration_evolution_finds_place_and_value_together():
    box = wide()
    attack = one_pixel(box)

    found, victim = attacked(
        lambda v: brightness(v).argmax(axis=1), box, [0, 0], proba=brightness, attack=attack
    )

    assert attack.coverage == "evolution"
    assert found.broken.all()
    assert (found.values[:, :13] == 0.5).all()
    assert found.queries.max() < MOST
    assert victim.calls <= 120


def test_evolution_is_the_same_for_the_same_seed_and_another_for_another():
    box = wide()
    labels = lambda v: brightness(v).argmax(axis=1)  # noqa: E731

    values = [
        attacked(labels, box, [0, 0], proba=brightness, attack=one_pixel(box, seed=seed))[0].values
        for seed in (0, 0, 1)
    ]

    assert (values[0] == values[1]).all()
    assert (values[0] != values[2]).any()


def test_evolution_keeps_rows_apart():
    box = wide()
    labels = lambda v: np.zeros(len(v))  # noqa: E731

    found, _ = attacked(labels, box, [0, 1], proba=brightness, budget=300, attack=one_pixel(box))

    assert found.broken.tolist() == [False, True]
    assert found.queries.tolist() == [300, 100]


def test_some_rows_are_attacked_as_they_would_be_among_all():
    box = wide()
    attack = one_pixel(box)
    victim = victim_of(lambda v: np.zeros(len(v)), [0, 0], brightness)
    options = {"budget": 300, "allowed": box.contains}

    both, alone = (
        run({"pixel": attack}, victim, box.origin, np.array(rows), **options)
        for rows in ([0, 1], [1])
    )

    assert (both.values[1] == alone.values[1]).all()
    assert alone.queries.tolist() == [0, 300]
