import numpy as np
import pytest

from modelwarden.suspicion import disagreement
from modelwarden.suspicion.disagreement import confidently_wrong, out_of_bag_forecast
from modelwarden.suspicion.forecasts import own


def blobs(n, seed, gap=8.0):
    y = np.arange(n) % 2
    x = np.random.default_rng(seed).normal(size=(n, 2))
    x[:, 0] += gap * y
    return x, y


def forecast(x, y, trusted_x=None, trusted_y=None, suspect=None, trusted_suspect=None):
    trusted_x = x[:0] if trusted_x is None else trusted_x
    trusted_y = y[:0] if trusted_y is None else trusted_y
    return out_of_bag_forecast(
        x,
        y,
        trusted_x,
        trusted_y,
        suspect=np.zeros(len(x), dtype=bool) if suspect is None else suspect,
        trusted_suspect=(
            np.zeros(len(trusted_x), dtype=bool) if trusted_suspect is None else trusted_suspect
        ),
        trees=40,
    )


def test_without_trusted_rows_submitted_ones_judge_each_other():
    x, y = blobs(60, seed=0)

    found = forecast(x, y)

    assert own(found.submitted, y).min() > 0.6
    assert found.trusted.shape == (0, 2)


def test_when_every_row_is_suspect_all_are_asked():
    x, y = blobs(60, seed=0)

    assert own(forecast(x, y, suspect=y >= 0).submitted, y).min() > 0.6


def test_a_label_that_its_neighbours_contradict_is_not_forecast():
    x, y = blobs(60, seed=0)
    y[3] = 1 - y[3]

    assert own(forecast(x, y).submitted, y)[3] < 0.2


def test_suspect_rows_do_not_vouch_for_each_other():
    x, y = blobs(100, seed=0)
    gang = np.arange(100) < 20
    x[gang], y[gang] = [30, 30], np.arange(20) % 2  # far away, where nobody else is
    x[gang, 0] += 5 * y[gang]

    naive, wary = (
        own(forecast(x, y, suspect=suspect).submitted, y)[gang] for suspect in (None, gang)
    )

    assert naive.min() > 0.6
    assert (wary[y[gang] == 0] < 0.5).all()  # beyond class 1, as far as others know


def test_suspect_trusted_rows_are_not_learnt_from_either():
    (x, y), (trusted_x, trusted_y) = blobs(60, seed=0), blobs(60, seed=1)
    everybody = np.ones(60, dtype=bool)

    # trusted rows contradict submitted ones, and one side is not asked
    against = forecast(x, y, trusted_x, 1 - trusted_y, suspect=everybody)
    alike = forecast(x, y, trusted_x, 1 - trusted_y, trusted_suspect=everybody)

    assert own(against.submitted, y).max() < 0.4
    assert own(alike.submitted, y).min() > 0.6


def test_trusted_rows_teach_and_are_judged_by_others_only():
    (x, y), (trusted_x, trusted_y) = blobs(20, seed=0), blobs(80, seed=1)
    trusted_y[0] = 2  # a class of one: nobody else can know it
    y[y == 1] = 0

    found = forecast(x, y, trusted_x, trusted_y)

    assert found.submitted.shape == (20, 3)
    assert found.trusted.shape == (80, 3)
    assert found.trusted[0, 2] == 0
    assert np.median(own(found.trusted[1::2], trusted_y[1::2])) > 0.7  # submitted rows never say 1


def test_a_copy_among_trusted_rows_vouches_for_no_submitted_one():
    (x, y), (trusted_x, trusted_y) = blobs(40, seed=0), blobs(40, seed=1)
    x[3], y[3] = [20, 20], 0  # beyond class 1
    trusted_x[5], trusted_y[5] = x[3], y[3]
    twins = np.arange(80)
    twins[40 + 5] = 3
    nobody = np.zeros(40, dtype=bool)

    naive, wary = (
        out_of_bag_forecast(
            x, y, trusted_x, trusted_y, suspect=nobody, trusted_suspect=nobody, twins=kin, trees=40
        )
        for kin in (None, twins)
    )

    assert min(naive.submitted[3, 0], naive.trusted[5, 0]) > 0.4
    assert max(wary.submitted[3, 0], wary.trusted[5, 0]) < 0.2


def test_a_tree_learns_from_a_bounded_number_of_rows(monkeypatch):
    monkeypatch.setattr(disagreement, "LARGEST_SAMPLE", 1)
    x, y = blobs(60, seed=0)

    found = forecast(x, y)

    assert np.ptp(found.submitted[:, 0]) < 0.2  # trees that know one row say the same everywhere


def test_the_same_seed_gives_the_same_answer_and_another_one_a_different_answer():
    x, y = blobs(40, seed=0, gap=1)
    nobody = np.zeros(40, dtype=bool)
    one, same, other = (
        out_of_bag_forecast(
            x,
            y,
            x[:0],
            y[:0],
            suspect=nobody,
            trusted_suspect=nobody[:0],
            trees=5,
            seed=seed,
        ).submitted
        for seed in (1, 1, 2)
    )

    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


# confidently wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "wrong"),
    [
        (0.85, 0.85),  # class 1, as surely as usual: (0.8 + 0.6) / 2
        (0.7, 0.7),
        (0.65, 0.5),  # likelier than not, but less sure than usual
        (0.3, 0.3),
    ],
)
def test_a_label_is_wrong_when_another_class_is_forecast_as_surely_as_usual(other, wrong):
    of_class_1 = np.array([0.1, 0.3, 0.8, 0.6, other])
    y = np.array([0, 0, 1, 1, 0])

    found = confidently_wrong(np.column_stack([1 - of_class_1, of_class_1]), y)

    assert found.tolist() == pytest.approx([0.1, 0.3, 0.2, 0.4, wrong])


def test_doubt_without_another_likeliest_class_is_no_contradiction():
    forecast = np.array([[0.4, 0.3, 0.3], [0.2, 0.6, 0.2], [0.1, 0.1, 0.8]])

    assert confidently_wrong(forecast, np.arange(3)).tolist() == pytest.approx([0.5, 0.4, 0.2])
