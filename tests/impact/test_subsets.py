from threading import Lock

import numpy as np
import pytest

from modelwarden.errors import InputError
from modelwarden.impact.subsets import Trials, leave_one_out, sample
from modelwarden.work import Work


def glove(members):
    """Two left gloves and a right one; only a pair is worth something."""
    return float(members[:2].any() and members[2])


def airport(members):
    """The longest runway that anyone needs."""
    return float((members * [1, 2, 4, 8]).max())


def miners(members):
    """It takes two to carry a block of gold."""
    return float(members.sum() // 2)


def additive(members):
    return float(members @ np.arange(-2, 3) + 100)


# Banzhaf: mean over subsets of the others of what a player adds
GAMES = [
    (glove, [1 / 4, 1 / 4, 3 / 4], [0, 0, 1]),
    (airport, [1 / 8, 3 / 8, 11 / 8, 43 / 8], [0, 0, 0, 4]),
    (miners, [1 / 2] * 5, [0] * 5),
    (miners, [1 / 2] * 4, [1] * 4),
    (additive, [-2, -1, 0, 1, 2], [-2, -1, 0, 1, 2]),
]


@pytest.mark.parametrize(("game", "banzhaf", "_"), GAMES)
def test_games_get_their_known_banzhaf_values_within_the_standard_error(game, banzhaf, _):
    trials = sample(game, Trials(len(banzhaf)), 4000)

    errors = trials.standard_errors()
    assert (np.abs(trials.values() - banzhaf) < 4 * errors).all()
    assert (errors < 0.1 * np.ptp([game(trials.subset(t)) for t in range(99)])).all()


@pytest.mark.parametrize(("game", "_", "left_out"), GAMES)
def test_games_get_their_known_leave_one_out_values(game, _, left_out):
    assert leave_one_out(game, len(left_out)).tolist() == left_out


def test_standard_errors_cover_the_value_as_often_as_they_say():
    found = [sample(miners, Trials(5, seed=seed), 60) for seed in range(200)]

    z = np.concatenate([(t.values() - 1 / 2) / t.standard_errors() for t in found])
    assert 0.9 < (np.abs(z) < 2).mean() < 0.99
    assert 0.85 < z.std() < 1.15


def test_a_level_that_all_subsets_share_costs_no_digits():
    low, high = (
        sample(lambda members, by=by: glove(members) + by, Trials(3), 200) for by in (0, 2.0**20)
    )

    np.testing.assert_allclose(high.values(), low.values(), rtol=1e-9)
    np.testing.assert_allclose(high.standard_errors(), low.standard_errors(), rtol=1e-9)


def test_interrupted_trials_end_in_the_same_bits():
    whole = sample(airport, Trials(4, seed=7), 50)

    parts = sample(airport, sample(airport, sample(airport, Trials(4, seed=7), 1), 29), 20)

    assert parts == whole
    assert parts.values().tobytes() == whole.values().tobytes()


def test_processes_change_nothing():
    size = np.count_nonzero

    assert sample(size, Trials(4), 12, jobs=2) == sample(size, Trials(4), 12)
    assert leave_one_out(size, 4, jobs=2).tolist() == [1, 1, 1, 1]


def test_a_game_that_other_processes_cannot_load_is_refused():
    lock = Lock()  # stays in its process

    def locked(members):
        with lock:
            return glove(members)

    with pytest.raises(InputError, match="jobs: expected what other processes can load"):
        sample(locked, Trials(3), 2, jobs=2)


def test_seeds_and_trials_differ():
    drawn = {Trials(40, seed=seed).subset(t).tobytes() for seed in (0, 1, 2) for t in (0, 1, 2)}

    assert len(drawn) == 9


def test_the_share_is_that_of_the_subsets():
    sizes = [Trials(1000, share=0.2).subset(trial).mean() for trial in range(50)]

    assert np.mean(sizes) == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan"), True, "half"])
def test_a_share_that_leaves_nothing_to_compare_is_refused(share):
    with pytest.raises(InputError, match="share: expected a number between 0 and 1"):
        Trials(3, share=share)


@pytest.mark.parametrize("count", [0, 1])
def test_players_that_were_always_in_or_always_out_get_zero_and_no_certainty(count):
    trials = sample(glove, Trials(3), count)

    assert trials.values().tolist() == [0, 0, 0]
    assert np.isinf(trials.standard_errors()).all()


def test_each_subset_is_a_step_and_counts_go_on():
    steps = []
    work = Work(lambda *step: steps.append(step))

    sample(glove, sample(glove, Trials(3), 2), 2, work=work)
    leave_one_out(glove, 3, work=work)

    assert steps[:2] == [("subsets", 3, 4), ("subsets", 4, 4)]
    assert steps[2:] == [("rows left out", done, 3) for done in (1, 2, 3)]
