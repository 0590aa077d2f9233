import numpy as np
import pytest

from modelwarden.errors import InputError
from modelwarden.impact.groups import GroupImpact, impact_by_group
from modelwarden.work import Work


def contributions(n=2000, m=300, flipped=0.4, seed=0):
    """Return rows of 20 contributors, of whom the first three flip a share of their labels."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n + m, 8))
    y = (x @ generator.normal(size=8) + generator.normal(size=n + m) > 0).astype(int)
    groups = generator.integers(0, 20, n)
    flip = (groups < 3) & (generator.random(n) < flipped)
    return x[:n], np.where(flip, 1 - y[:n], y[:n]), x[n:], y[n:], groups


def test_three_poisoners_among_twenty_come_first_and_no_honest_one_is_called_harmful():
    ranked, harmful = [], []
    for seed in range(10):
        found = impact_by_group(*contributions(seed=seed))
        ranked.append({group.group for group in found[:3]} == {0, 1, 2})
        harmful += [group.group for group in found if group.harmful]

    assert np.mean(ranked) >= 0.8
    assert set(harmful) <= {0, 1, 2}
    assert len(harmful) > 10


def test_without_poison_nobody_is_harmful():
    for seed in range(10):
        found = impact_by_group(*contributions(flipped=0, seed=seed))

        assert not any(group.harmful for group in found)
        assert np.median([group.impact for group in found]) > 0


def test_the_impact_is_the_fall_of_trusted_loss_and_z_its_paired_score():
    found = impact_by_group(*contributions(flipped=1.0))

    worst, best = found[0], found[-1]
    assert worst.group in {0, 1, 2}
    assert worst.impact < 0 < best.impact
    assert worst.z < -3
    assert [group.z for group in found] == sorted(group.z for group in found)
    assert sum(group.n_rows for group in found) == 2000


def test_the_order_of_rows_does_not_change_who_is_worst():
    *rows, groups = contributions()
    order = np.random.default_rng(1).permutation(2000)
    x, y, *trusted = rows

    shuffled = impact_by_group(x[order], y[order], *trusted, groups[order])
    found = impact_by_group(*rows, groups)

    assert [group.group for group in shuffled] == [group.group for group in found]
    np.testing.assert_allclose(
        [group.z for group in shuffled], [group.z for group in found], atol=0.01
    )


def test_rows_of_weight_zero_have_no_impact():
    *rows, groups = contributions()

    found = impact_by_group(*rows, groups, sample_weight=np.where(groups == 0, 0.0, 1.0))

    silent = next(group for group in found if group.group == 0)
    assert silent.impact == pytest.approx(0, abs=1e-6)


def test_names_may_be_anything_and_missing_ones_are_one_contributor():
    x, y, *trusted, _ = contributions(8)
    groups = ["a", None, 7, None, "a", "a", float("nan"), 7]

    found = impact_by_group(x, y, *trusted, groups)

    assert sorted(group.n_rows for group in found) == [2, 3, 3]


def test_a_class_that_only_submitted_rows_have_is_no_obstacle():
    x, y, *trusted, groups = contributions(flipped=0)

    found = impact_by_group(x, np.where(groups == 5, 4, y), *trusted, groups)

    assert all(np.isfinite(group.z) for group in found)
    assert found[0].group == 5


@pytest.mark.parametrize("trusted_y", [[1, 1, 1, 1], [0, 1, 1, 1], []])
def test_trusted_rows_of_too_few_classes_are_refused(trusted_y):
    trusted_y = np.array(trusted_y, dtype=int)

    with pytest.raises(InputError, match="trusted rows: expected two classes of two rows or more"):
        impact_by_group(
            np.zeros((2, 1)), np.array([0, 1]), np.zeros((len(trusted_y), 1)), trusted_y, [0, 1]
        )


@pytest.mark.parametrize(
    ("z", "harmful"), [(-3.1, True), (-2.9, False), (0, False), (9, False), (float("nan"), True)]
)
def test_harm_is_a_z_below_minus_three(z, harmful):
    assert GroupImpact("a", 1, 0.0, z).harmful is harmful


def test_each_contributor_is_a_step():
    steps = []

    impact_by_group(*contributions(600), work=Work(lambda *step: steps.append(step)))

    assert steps[0] == ("contributors", 1, 20)
    assert steps[-1] == ("contributors", 20, 20)
