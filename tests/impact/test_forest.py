import numpy as np
import pytest

from modelwarden.impact.forest import data_oob

NOBODY = np.empty((0, 3)), np.empty(0, dtype=int)


def cloud(n=400, classes=2, seed=0):
    """Return rows in as many stripes as there are classes."""
    x = np.random.default_rng(seed).random(size=(n, 3)) * classes
    return x, x[:, 0].astype(int)


@pytest.mark.parametrize("classes", [2, 5])
def test_flipped_rows_are_contradicted_and_the_others_are_not(classes):
    x, y = cloud(classes=classes)
    flipped = np.arange(len(y)) < 20

    value = data_oob(x, np.where(flipped, (y + 1) % classes, y), *NOBODY)

    assert (value[flipped] < 0).mean() > 0.9
    assert (value[~flipped] > 0).mean() > 0.9
    assert np.abs(value).max() <= 1


def test_a_row_among_rows_of_another_class_gets_minus_one_and_they_plus_one():
    x = np.repeat(np.r_[np.zeros(30), np.ones(30)][:, None], 3, axis=1)
    y = x[:, 0].astype(int)
    value = data_oob(np.r_[x, np.zeros((1, 3)) - 5], np.r_[y, 1], x, y)

    assert value[-1] == -1
    assert (value[:-1] == 1).all()


def test_trusted_rows_take_part_and_get_no_value():
    x, y = cloud(40)
    flipped = np.where(np.arange(40) < 20, 1 - y, y)

    alone, vouched = data_oob(x, flipped, *NOBODY), data_oob(x, flipped, *cloud(400, seed=1))

    assert len(vouched) == 40
    assert (vouched[:20] < 0).sum() > (alone[:20] < 0).sum()


def test_labels_that_only_trusted_rows_have_are_others():
    x, y = cloud(60)

    value = data_oob(x, y, x, np.full(60, 7))

    assert value.shape == (60,)
    assert np.isfinite(value).all()


def test_rows_that_are_in_every_bag_get_zero():
    x, y = np.zeros((1, 3)), np.array([1])

    assert data_oob(x, y, *NOBODY).tolist() == [0]


def test_heavy_rows_outvote_light_ones():
    x = np.zeros((40, 3))
    y = np.repeat([0, 1], 20)

    value = data_oob(x, y, *NOBODY, sample_weight=np.where(y == 0, 10.0, 1.0))

    assert (value[y == 0] > 0).all()
    assert (value[y == 1] < 0).all()


def test_values_follow_the_seed():
    x, y = cloud(60)
    one, again, two = (data_oob(x, y, *NOBODY, trees=20, seed=seed) for seed in (1, 1, 2))

    assert np.array_equal(one, again)
    assert not np.array_equal(one, two)
