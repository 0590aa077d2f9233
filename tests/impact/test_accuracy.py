import numpy as np
import pytest

from modelwarden.impact.accuracy import RankOneAccuracy


@pytest.mark.parametrize("n_classes", [1, 2, 3, 5])
@pytest.mark.parametrize(("n_trusted", "n_changes"), [(1, 1), (40, 7), (900, 700)])
def test_counts_what_scoring_every_change_by_itself_counts(n_classes, n_trusted, n_changes):
    generator = np.random.default_rng(n_classes)
    scores = generator.normal(size=(n_trusted, n_classes))
    reach = generator.normal(size=(n_trusted, 4))
    labels = generator.integers(0, n_classes, n_trusted)
    z, move = generator.normal(size=(n_changes, 4)), generator.normal(size=(n_changes, n_classes))

    change = RankOneAccuracy(scores, reach, labels).change(z, move)

    before = (scores.argmax(axis=1) == labels).mean()
    after = [
        ((scores + np.outer(reach @ one, two)).argmax(axis=1) == labels).mean()
        for one, two in zip(z, move, strict=True)
    ]
    np.testing.assert_allclose(change, np.array(after) - before, atol=1e-12)


@pytest.mark.parametrize("label", [0, 1, 2])
def test_equal_scores_go_to_the_lowest_code(label):
    tied = RankOneAccuracy(np.zeros((1, 3)), np.ones((1, 1)), np.array([label]))

    assert tied.share == (label == 0)
    # raising classes 1 and 2 alike makes class 1 the winner; lowering them, class 0
    assert tied.share + tied.change(np.ones((1, 1)), np.array([[0, 1, 1]]))[0] == (label == 1)
    assert tied.share + tied.change(np.ones((1, 1)), np.array([[0, -1, -1]]))[0] == (label == 0)


def test_a_change_far_smaller_than_the_scores_still_tips_an_even_margin():
    scores = np.array([[1e6, 1e6]])  # single precision could not hold 1e6 + 1e-6

    even = RankOneAccuracy(scores, np.ones((1, 1)), np.array([1]))

    assert even.change(np.ones((1, 1)), np.array([[0, 1e-6]])).tolist() == [1]
    assert even.change(np.ones((1, 1)), np.array([[0, -1e-6]])).tolist() == [0]
