"""One call of `judge` costs a second: there are few, on planted data."""

import numpy as np
import pytest

from modelwarden.suspicion.judgement import judge
from modelwarden.suspicion.rejection import reject
from modelwarden.work import Work
from submitted import blobs, submission

N = 300


def planted(seed=0):
    """Return rows of which 20 were flipped and 20 carry a backdoor, and which those are."""
    frame = blobs(N, seed, gap=5.0).assign(t=np.random.default_rng(seed).normal(size=N))
    kinds = np.array(["clean", "flipped", "backdoor"])[np.minimum(np.arange(N) // 20, 2)]
    kinds = np.where(np.arange(N) >= 60, "clean", np.roll(kinds, 20))
    flipped, backdoor = kinds == "flipped", kinds == "backdoor"
    frame.loc[flipped, "y"] = 1 - frame.loc[flipped, "y"]
    frame.loc[backdoor, "a"] -= 5.0 * frame.loc[backdoor, "y"]  # all of class 0, but for the label
    frame.loc[backdoor, "t"], frame.loc[backdoor, "y"] = 1.25, 1
    return frame, kinds


def trusted(m=120, seed=100):
    return blobs(m, seed, gap=5.0).assign(t=np.random.default_rng(seed).normal(size=m))


def in_table_order(rows, values):
    placed = np.empty_like(values)
    placed[rows.order] = values
    return placed


@pytest.fixture(scope="module")
def poisoned():
    frame, kinds = planted()
    rows = submission(frame, trusted())
    return rows, judge(rows), kinds[rows.order]


@pytest.fixture(scope="module")
def clean():
    rows = submission(blobs(N, seed=3, gap=2.0), blobs(100, seed=4, gap=2.0))
    return rows, judge(rows)


@pytest.fixture(scope="module")
def alone():
    frame, kinds = planted()
    rows = submission(frame)
    return judge(rows), kinds[rows.order]


def rejected(judgement, alpha=0.05):
    nobody = np.zeros(len(judgement.poison), dtype=bool)
    return reject(judgement, nobody, alpha=alpha, fdr=0.0).rejected


# trusted rows ------------------------------------------------------------------------------------


def test_clean_rows_are_hardly_rejected_and_cannot_be_told_from_trusted_ones(clean):
    rows, judgement = clean

    assert rejected(judgement).mean() <= 0.06
    assert judgement.triggers == ()
    assert not judgement.triggered.any()
    assert judgement.separable == pytest.approx(0.5, abs=0.1)
    assert judgement.trusted_poison.shape == (rows.n_trusted,)


def test_scores_of_clean_rows_are_not_higher_than_those_of_trusted_ones(clean):
    _, judgement = clean

    for alpha in (0.1, 0.3, 0.5):
        assert (judgement.p_value <= alpha).mean() <= alpha + 0.05


def test_flipped_labels_are_found_by_their_label(poisoned):
    _, judgement, kinds = poisoned
    flipped = kinds == "flipped"

    assert (judgement.wrong_label[flipped] > 0.5).mean() > 0.9
    assert rejected(judgement)[flipped].mean() > 0.9


def test_a_backdoor_is_found_with_its_value_and_every_row_that_carries_it(poisoned):
    rows, judgement, kinds = poisoned
    backdoor = kinds == "backdoor"

    assert [trigger.words for trigger in judgement.triggers] == ["'t' = 1.25"]
    assert judgement.triggers[0].matches(rows.codes).tolist() == backdoor.tolist()
    np.testing.assert_allclose(judgement.triggered, np.where(backdoor, 20 / 21, 0))
    assert rejected(judgement)[backdoor].all()


def test_clean_rows_are_hardly_rejected_beside_poison(poisoned):
    _, judgement, kinds = poisoned

    assert rejected(judgement)[kinds == "clean"].mean() <= 0.06


def test_the_score_is_the_highest_of_three_probabilities(poisoned):
    _, judgement, _ = poisoned
    signals = (judgement.wrong_label, judgement.novel, judgement.triggered)

    np.testing.assert_array_equal(judgement.poison, np.max(signals, axis=0))
    assert 0 <= judgement.poison.min() <= judgement.poison.max() <= 1
    assert judgement.trusted_poison.max() <= 1


def test_p_values_are_ranks_among_trusted_rows_and_fall_with_the_score(poisoned):
    rows, judgement, kinds = poisoned
    ranks = judgement.p_value * (rows.n_trusted + 1)

    np.testing.assert_allclose(ranks, ranks.round())
    assert ranks.min() >= 1
    assert judgement.p_value[kinds == "clean"].mean() > 0.4
    assert np.median(judgement.p_value[kinds != "clean"]) < 0.02


def test_poison_can_be_told_from_trusted_rows(poisoned, clean):
    assert poisoned[1].separable > clean[1].separable


def test_rows_that_only_a_trigger_gives_away_have_small_p_values():
    frame, kinds = planted()
    carrying = frame.index[(frame["y"] == 1) & (kinds == "clean")][:9]
    frame = frame.loc[kinds == "clean"]
    frame.loc[carrying, "t"] = 50.0  # far from all, in few rows with a right label
    rows = submission(frame, trusted())

    judgement = judge(rows)

    chosen = frame.index[rows.order].isin(carrying)
    assert [trigger.why for trigger in judgement.triggers] == ["isolated"]
    assert np.maximum(judgement.novel, judgement.wrong_label)[chosen].max() < 0.5
    assert judgement.p_value[chosen].max() <= 0.05


def test_rows_that_only_novelty_gives_away_have_small_p_values():
    generator = np.random.default_rng(1)

    def correlated(n, seed):
        frame = blobs(n, seed)
        return frame.assign(d=frame["b"] + 0.1 * generator.normal(size=n))

    frame = correlated(500, 0)
    strange = frame.index[frame["y"] == 1][:40]  # usual values that do not occur together
    frame.loc[strange, ["b", "d"]] = [1.0, -1.0] + 0.05 * generator.normal(size=(40, 2))
    rows = submission(frame, correlated(200, 1))

    judgement = judge(rows)

    chosen = np.isin(rows.order, strange)
    assert judgement.triggers == ()
    assert (judgement.wrong_label[chosen] < 0.5).all()
    assert (judgement.novel[chosen] > 0.5).mean() > 0.8
    assert (judgement.p_value[chosen] <= 0.05).mean() > 0.5


def test_the_order_of_submitted_rows_changes_nothing():
    generator = np.random.default_rng(0)
    whole = blobs(240, seed=5).round()  # many rows are encoded alike, and differ in free text
    whole["free"] = [f"text {i}" for i in generator.integers(0, 100, 240)]
    frame, known = whole[:180], whole[180:]
    shuffled = generator.permutation(180)
    rows, other = submission(frame, known), submission(frame.iloc[shuffled], known)

    one, same = judge(rows), judge(other)

    for name in ("poison", "novel", "p_value"):
        np.testing.assert_array_equal(
            in_table_order(rows, getattr(one, name))[shuffled],
            in_table_order(other, getattr(same, name)),
        )


def test_the_seed_decides_what_is_random(clean):
    rows, judgement = clean

    assert (judge(rows, seed=1).poison != judgement.poison).any()


def test_a_trusted_row_that_carries_a_trigger_is_as_suspect_as_submitted_ones():
    frame, _ = planted()
    known = trusted()
    known.loc[3, "t"] = 1.25

    judgement = judge(submission(frame, known))

    assert [trigger.trusted_rows for trigger in judgement.triggers] == [1]
    assert judgement.trusted_poison[3] >= 20 / 21


# without trusted rows ----------------------------------------------------------------------------


def test_without_trusted_rows_flipped_labels_show_and_backdoors_do_not(alone):
    judgement, kinds = alone

    assert (judgement.poison > 0.5)[kinds == "flipped"].mean() > 0.6
    assert (judgement.poison > 0.5)[kinds == "clean"].mean() < 0.05
    assert (judgement.poison > 0.5)[kinds == "backdoor"].mean() < 0.5


def test_without_trusted_rows_nothing_is_promised(alone):
    judgement, _ = alone

    assert np.isnan(judgement.p_value).all()
    assert judgement.separable is None
    assert judgement.triggers == ()
    assert judgement.trusted_poison.shape == (0,)
    assert not judgement.novel.any()
    np.testing.assert_array_equal(judgement.poison, judgement.wrong_label)


def test_all_rows_alike_are_neither_suspect_nor_refused():
    frame = blobs(20, seed=0).assign(a=1.0, b=1.0, c=1.0)

    assert not (judge(submission(frame)).poison > 0.5).any()
    assert not rejected(judge(submission(frame, frame))).any()


def test_each_signal_is_reported_once_it_is_there():
    steps = []
    rows = submission(blobs(20, seed=0), blobs(20, seed=1))

    judge(rows, work=Work(lambda *step: steps.append(step)))

    assert [(done, total) for _, done, total in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    steps.clear()
    judge(submission(blobs(20, seed=0)), work=Work(lambda *step: steps.append(step)))
    assert steps == [("disagreement", 4, 4)]
