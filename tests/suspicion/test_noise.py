import numpy as np
import pytest

from modelwarden.suspicion.noise import LabelNoise


def submitted(shares, n=6000, seed=0):
    """Return calibrated forecasts, and labels changed as `shares` say."""
    shares = np.asarray(shares)
    generator = np.random.default_rng(seed)
    forecast = generator.dirichlet([0.3] * len(shares), n)
    true_class = (generator.random((n, 1)) > forecast.cumsum(axis=1)).sum(axis=1)
    true_class = np.minimum(true_class, len(shares) - 1)
    y = (generator.random((n, 1)) > shares.cumsum(axis=1)[true_class]).sum(axis=1)
    return forecast, np.minimum(y, len(shares) - 1), true_class


def test_no_rows_mean_no_noise():
    noise = LabelNoise.fit(np.empty((0, 3)), np.empty(0, dtype=int))

    np.testing.assert_array_equal(noise.shares, np.eye(3))


def test_calibrated_forecasts_of_clean_labels_show_no_noise():
    for seed in range(5):
        forecast, y, _ = submitted(np.eye(3), n=1000, seed=seed)

        noise = LabelNoise.fit(forecast, y)

        np.testing.assert_allclose(noise.shares, np.eye(3), atol=0.03)
        assert (noise.wrong(forecast, y) > 0.5).mean() < 0.01


@pytest.mark.parametrize(
    "shares",
    [
        [[0.8, 0.2], [0.1, 0.9]],
        [[1.0, 0.0], [0.3, 0.7]],
        [[0.7, 0.1, 0.2], [0.0, 1.0, 0.0], [0.25, 0.0, 0.75]],
    ],
)
def test_planted_noise_is_recovered(shares):
    forecast, y, _ = submitted(shares)

    noise = LabelNoise.fit(forecast, y)

    np.testing.assert_allclose(noise.shares, shares, atol=0.03)
    np.testing.assert_allclose(noise.shares.sum(axis=1), 1)


def test_the_probability_of_a_wrong_label_is_calibrated():
    forecast, y, true_class = submitted([[0.7, 0.3], [0.1, 0.9]])

    wrong = LabelNoise.fit(forecast, y).wrong(forecast, y)

    for low, high in ((0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1)):
        there = (wrong >= low) & (wrong < high)
        assert (y != true_class)[there].mean() == pytest.approx(wrong[there].mean(), abs=0.06)


def test_noise_in_one_direction_leaves_the_other_labels_alone():
    forecast, y, _ = submitted([[0.8, 0.2], [0.0, 1.0]])

    wrong = LabelNoise.fit(forecast, y).wrong(forecast, y)

    assert wrong[y == 0].max() < 0.5
    assert wrong[y == 1].max() > 0.9


def test_a_wrong_label_has_the_probability_of_bayes_rule():
    noise = LabelNoise(np.array([[0.9, 0.1], [0.2, 0.8]]))

    wrong = noise.wrong(np.array([[0.3, 0.7], [0.3, 0.7]]), np.array([0, 1]))

    assert wrong.tolist() == pytest.approx([0.14 / (0.27 + 0.14), 0.03 / (0.03 + 0.56)])


def test_half_a_wrong_label_is_forgiven_in_each_direction():
    y = np.repeat([0, 1], [100, 100])
    y[:2] = 1

    noise = LabelNoise.fit(np.repeat(np.eye(2), 100, axis=0), y)  # forecasts that are certain

    expected = [[98 / 99.5, 1.5 / 99.5], [0, 1]]
    np.testing.assert_allclose(noise.shares, expected, atol=1e-9)


def test_contradictions_that_add_up_to_less_than_half_a_row_are_no_noise():
    forecast = np.array([[0.9, 0.1]] * 20 + [[0.1, 0.9]] * 20)
    y = np.repeat([0, 1], 20)

    np.testing.assert_allclose(LabelNoise.fit(forecast, y).shares, np.eye(2), atol=1e-9)


def test_a_label_that_cannot_be_is_wrong():
    noise = LabelNoise(np.eye(2))

    assert noise.wrong(np.array([[1.0, 0.0]]), np.array([1])).tolist() == [1]
