import numpy as np
import pytest

from modelwarden.attacks.engine import MAX_CELLS, Attack, Victim, run, shrink
from modelwarden.space.points import Candidates
from modelwarden.work import Work


class Log:
    """A model of one column: class 1 above `threshold`, sure of it by the distance."""

    def __init__(self, threshold=0.5, centre=None):
        self.threshold, self.centre = threshold, threshold if centre is None else centre
        self.asked, self.confirmed = [], []

    def predict(self, candidates):
        self.confirmed.append(candidates)
        return (candidates.values[:, 0] > self.threshold).astype(np.intp)

    def predict_proba(self, candidates):
        self.asked.append(candidates)
        positive = 1 / (1 + np.exp(-(candidates.values[:, 0] - self.centre)))
        return np.stack([1 - positive, positive], axis=1)

    def victim(self, n_rows=1):
        return Victim(np.zeros(n_rows, np.intp), self.predict, self.predict_proba)


def proposing(*blocks):
    """An attack that yields fixed blocks of (rows, values)."""
    return remembering([], *blocks)


def remembering(answers, *blocks):
    """The same, with a list that every answer is appended to."""

    def begin(rows):
        for positions, values in blocks:
            values = np.asarray(values, float).reshape(len(positions), -1)
            answers.append((yield Candidates(np.asarray(positions, np.intp), values)))

    return Attack(begin)


def anything(candidates):
    return np.ones(len(candidates.rows), bool)


def named(attacks):
    return dict(zip(("first", "second", "third"), attacks, strict=False))


def attacked(attacks, victim, *, n_rows=1, rows=None, budget=100, allowed=anything, **options):
    rows = np.arange(n_rows) if rows is None else np.asarray(rows, np.intp)
    return run(
        named(attacks),
        victim,
        np.zeros((n_rows, 1)),
        rows,
        budget=budget,
        allowed=allowed,
        **options,
    )


def shrunk(attacks, victim, *, n_rows=1, rows=None, budget=100, allowed=anything, **options):
    rows = np.arange(n_rows) if rows is None else np.asarray(rows, np.intp)
    return shrink(
        named(attacks),
        victim,
        np.zeros((n_rows, 1)),
        rows,
        budget=budget,
        allowed=allowed,
        distance=lambda rows, values: np.abs(values[:, 0]),
        **options,
    )


def test_without_rows_the_model_is_never_asked():
    log = Log()

    outcome = attacked([proposing(([0], [1]))], log.victim(), rows=[])

    assert not outcome.broken.any()
    assert log.asked == log.confirmed == []


def test_without_attacks_nothing_is_broken():
    assert not attacked([], Log().victim()).broken.any()


def test_an_attack_that_gives_up_at_once_breaks_nothing():
    assert not attacked([proposing()], Log().victim()).broken.any()


def test_an_attack_that_asks_about_nothing_is_ended():
    def asks_nothing(rows):
        while True:
            yield Candidates(rows[:0], np.zeros((0, 1)))

    assert not attacked([Attack(asks_nothing)], Log().victim()).broken.any()


def test_a_budget_is_never_exceeded_even_within_a_step():
    log = Log()
    attack = proposing(([0] * 3, [0.1] * 3), ([0] * 3, [0.2] * 3), ([0] * 3, [0.3] * 3))

    outcome = attacked([attack], log.victim(), budget=4)

    assert outcome.queries.tolist() == [4]
    assert [len(block.rows) for block in log.asked] == [3, 1]


def test_the_first_candidates_of_a_row_are_those_that_the_budget_buys():
    log = Log()

    attacked([proposing(([1, 0, 1, 0], [1, 2, 3, 4]))], log.victim(2), n_rows=2, budget=1)

    assert log.asked[0].rows.tolist() == [1, 0]
    assert log.asked[0].values[:, 0].tolist() == [1, 2]


def test_candidates_that_were_not_asked_come_back_with_an_infinite_margin():
    answers = []
    attack = remembering(answers, ([0, 0], [0.1, 0.2]), ([1], [0.1]))

    attacked([attack], Log().victim(2), n_rows=2, budget=1)

    assert answers[0].margins.tolist() == pytest.approx([0.4, np.inf])
    assert answers[0].live.tolist() == [1]


def test_an_unasked_candidate_never_looks_good():
    attack = proposing(([0, 0, 1], [0.1, 9, 0.1]), ([1], [0.2]))

    outcome = attacked([attack], Log().victim(2), n_rows=2, budget=1)

    assert outcome.least.tolist() == pytest.approx([0.4, 0.4])
    assert not outcome.broken.any()


def test_all_rows_and_all_attacks_share_one_call_a_step():
    log = Log()
    attacks = [proposing(([0, 1], [0.1, 0.2])), proposing(([1, 0], [0.3, 0.4]))]

    attacked(attacks, log.victim(2), n_rows=2)

    assert [block.values[:, 0].tolist() for block in log.asked] == [[0.1, 0.2, 0.3, 0.4]]


def test_each_attack_gets_the_answers_to_its_own_candidates():
    first, second = [], []
    attacks = [
        remembering(first, ([0], [0.1]), ([0], [0])),
        remembering(second, ([0, 0], [0.2, 0.3]), ([0], [0])),
    ]

    attacked(attacks, Log().victim())

    assert first[0].margins.tolist() == pytest.approx([0.4])
    assert second[0].margins.tolist() == pytest.approx([0.3, 0.2])


def test_a_broken_row_is_never_asked_about_again():
    log, answers = Log(), []
    attack = remembering(answers, ([0, 1], [9, 0.1]), ([0, 1], [0.2, 0.2]))

    outcome = attacked([attack], log.victim(2), n_rows=2)

    assert outcome.broken.tolist() == [True, False]
    assert [block.rows.tolist() for block in log.asked] == [[0, 1], [1]]
    assert answers[0].live.tolist() == [1]


def test_the_attack_ends_when_every_row_is_broken():
    log = Log()

    attacked([proposing(*[([0], [9])] * 5)], log.victim())

    assert len(log.asked) == 1


def test_the_best_candidate_of_each_row_is_kept():
    attack = proposing(([0, 1, 0], [0.2, 0.1, 0.3]), ([0, 1], [0.1, 0.4]))

    outcome = attacked([attack], Log().victim(2), n_rows=2)

    assert outcome.values[:, 0].tolist() == [0.3, 0.4]
    assert outcome.least.tolist() == pytest.approx([0.2, 0.1])


def test_rows_that_are_not_attacked_stay_as_they_are():
    outcome = attacked([proposing(([1], [9]))], Log().victim(3), n_rows=3, rows=[1])

    assert outcome.broken.tolist() == [False, True, False]
    assert outcome.values[:, 0].tolist() == [0, 9, 0]
    assert outcome.queries.tolist() == [0, 1, 0]


def test_probabilities_alone_break_nothing():
    log = Log(threshold=np.inf, centre=0.5)

    outcome = attacked([proposing(([0], [9]))], log.victim())

    assert outcome.least[0] < 0
    assert not outcome.broken[0]


def test_a_row_whose_claim_is_refused_goes_on():
    log = Log(threshold=2, centre=0.5)

    outcome = attacked([proposing(([0], [1]), ([0], [3]))], log.victim())

    assert outcome.broken[0]
    assert outcome.values[0, 0] == 3


def test_predict_has_the_last_word_on_rows_whose_probabilities_never_flipped():
    log = Log(threshold=0.3, centre=0.5)

    assert attacked([proposing(([0], [0.4]))], log.victim()).broken[0]


@pytest.mark.parametrize(("threshold", "broken"), [(0.5, False), (0.49, True)])
def test_a_tie_is_settled_by_predict(threshold, broken):
    log = Log(threshold=threshold, centre=0.5)

    outcome = attacked([proposing(([0], [0.5]))], log.victim())

    assert outcome.least[0] == 0
    assert outcome.broken[0] == broken


def test_a_row_is_done_with_when_predict_settles_a_tie_against_it():
    log = Log(threshold=0.49, centre=0.5)

    attacked([proposing(([0], [0.5]), ([0], [0.1]))], log.victim())

    assert len(log.asked) == 1


def test_what_an_attacker_could_not_present_breaks_nothing():
    log = Log()

    outcome = attacked([proposing(([0], [9]))], log.victim(), allowed=lambda c: c.values[:, 0] < 1)

    assert outcome.least[0] < 0
    assert not outcome.broken[0]


def test_claims_are_confirmed_together():
    log = Log()
    steps = [([row, 9], [9, 0.1]) for row in range(8)]

    attacked([proposing(*steps)], log.victim(10), n_rows=10)

    assert [len(block.rows) for block in log.confirmed] == [8, 1]


def test_without_probabilities_margins_are_one_or_minus_one():
    log, answers = Log(), []
    victim = Victim(np.zeros(2, np.intp), log.predict)
    attack = remembering(answers, ([0, 1], [0.1, 9]), ([0], [0]))

    outcome = attacked([attack], victim, n_rows=2)

    assert answers[0].margins.tolist() == [1, -1]
    assert outcome.broken.tolist() == [False, True]


def test_two_attacks_share_the_budget_of_a_row():
    log = Log()
    attacks = [proposing(([0, 0], [0.1, 0.1])), proposing(([0, 0], [0.1, 0.1]))]

    outcome = attacked(attacks, log.victim(), budget=3)

    assert outcome.queries.tolist() == [3]
    assert len(log.asked[0].rows) == 3


def test_one_attack_goes_on_when_the_other_gives_up():
    attacks = [proposing(([0], [0.1])), proposing(([0], [0.1]), ([0], [9]))]

    assert attacked(attacks, Log().victim()).broken[0]


def test_many_rows_are_attacked_in_blocks_of_bounded_size():
    log, n_rows, n_columns = Log(), 1000, 150

    def begin(rows):
        yield Candidates(rows, np.where(rows % 2, 9.0, 0.1)[:, None] * np.ones(n_columns))

    outcome = run(
        {"one": Attack(begin)},
        log.victim(n_rows),
        np.zeros((n_rows, n_columns)),
        np.arange(n_rows),
        budget=10,
        allowed=anything,
    )

    assert len(log.asked) == 2
    assert outcome.broken.tolist() == [False, True] * 500


def test_calls_and_rows_are_counted_confirmations_included():
    log = Log()
    victim = log.victim(2)

    attacked([proposing(([0, 0, 1], [0.1, 9, 0.1]))], victim, n_rows=2)

    assert (victim.calls, victim.rows) == (2, 5)


def test_progress_never_goes_back_and_ends_at_its_total():
    seen = []
    steps = [([0, 1], [0.1, 9]), ([0], [0.2]), ([0], [0.3])]

    attacked(
        [proposing(*steps)],
        Log().victim(2),
        n_rows=2,
        budget=5,
        work=Work(lambda *step: seen.append(step)),
        label="search",
    )

    assert {(label, total) for label, _, total in seen} == {("search", 10)}
    done = [at for _, at, _ in seen]
    assert done == sorted(done)
    assert done[0] < 10
    assert done[-1] == 10


def test_the_attack_that_broke_a_row_is_named_and_its_query_counted():
    attacks = [proposing(([0, 0], [0.1, 0.2])), proposing(([0, 0, 1], [0.3, 9, 0.4]))]

    outcome = attacked(attacks, Log().victim(2), n_rows=2)

    assert outcome.won.tolist() == ["second", ""]
    assert outcome.queries_to_success.tolist() == [4, 0]
    assert outcome.queries.tolist() == [4, 1]


def test_a_success_in_a_later_step_counts_the_queries_before_it():
    attack = proposing(([0, 1], [0.1, 0.1]), ([0, 1], [0.2, 9]), ([0, 0], [9, 8]))

    outcome = attacked([attack], Log().victim(2), n_rows=2)

    assert outcome.queries_to_success.tolist() == [3, 2]


def test_whoever_is_refused_at_the_end_has_not_won():
    log = Log(threshold=np.inf, centre=0.5)

    outcome = attacked([proposing(([0], [9]))], log.victim())

    assert outcome.won.tolist() == [""]
    assert outcome.queries_to_success.tolist() == [0]


def test_the_first_of_equals_wins():
    attacks = [proposing(([0], [1])), proposing(([0, 0], [1, 1]))]

    outcome = attacked(attacks, Log().victim())

    assert (outcome.won[0], outcome.queries_to_success[0]) == ("first", 1)


def test_a_longer_name_is_written_out():
    outcome = run(
        {"a": proposing(), "a much longer name": proposing(([0], [9]))},
        Log().victim(),
        np.zeros((1, 1)),
        np.arange(1),
        budget=9,
        allowed=anything,
    )

    assert outcome.won.tolist() == ["a much longer name"]


def test_an_attack_without_budget_asks_nothing():
    log = Log()

    outcome = attacked([proposing(([0], [9]))], log.victim(), budget=0)

    assert log.asked == log.confirmed == []
    assert not outcome.broken.any()


def test_the_nearest_point_that_breaks_a_row_is_kept():
    attack = proposing(([0, 0, 1], [3, 2, 0.1]), ([0, 1], [5, -4]), ([0, 0], [1, 0.4]))

    outcome = shrunk([attack], Log().victim(2), n_rows=2)

    assert outcome.broken.tolist() == [True, False]
    assert outcome.values[:, 0].tolist() == [1, 0]
    assert outcome.least.tolist() == [1, np.inf]
    assert outcome.queries.tolist() == [5, 2]


def test_shrinking_goes_on_when_a_row_is_broken_until_its_budget_is_used_up():
    log = Log()
    attack = proposing(([0], [9]), ([0], [8]), ([0], [7]), ([0], [6]))

    outcome = shrunk([attack], log.victim(), budget=3)

    assert outcome.values[0, 0] == 7
    assert outcome.queries.tolist() == [3]


def test_shrinking_counts_to_the_first_success_and_names_who_came_nearest():
    attacks = [
        proposing(([0], [0.1]), ([0], [5])),
        proposing(([0], [0.2]), ([0], [4]), ([0], [3])),
    ]

    outcome = shrunk(attacks, Log().victim())

    assert outcome.queries_to_success.tolist() == [4]  # of two successes in a step the nearer
    assert outcome.won.tolist() == ["second"]
    assert outcome.least.tolist() == [3]


def test_shrinking_keeps_nothing_that_an_attacker_could_not_present():
    attack = proposing(([0, 0], [3, 2]), ([0], [2.5]))

    outcome = shrunk([attack], Log().victim(), allowed=lambda c: c.values[:, 0] > 2.2)

    assert outcome.least.tolist() == [2.5]


def test_shrinking_asks_for_labels_only_and_confirms_nothing():
    log = Log()

    shrunk([proposing(([0, 0], [0.1, 9]))], log.victim())

    assert log.asked == []
    assert [len(block.rows) for block in log.confirmed] == [2]


def test_shrinking_answers_with_one_or_minus_one():
    answers = []

    shrunk([remembering(answers, ([0, 0], [0.1, 9]), ([0], [0]))], Log().victim())

    assert answers[0].margins.tolist() == [1, -1]
    assert answers[0].live.tolist() == [0]


def test_shrinking_without_rows_or_budget_asks_nothing():
    log = Log()

    shrunk([proposing(([0], [9]))], log.victim(), rows=[])
    outcome = shrunk([proposing(([0], [9]))], log.victim(), budget=0)

    assert log.confirmed == []
    assert not outcome.broken.any()


def test_shrinking_tells_its_progress_to_the_end():
    seen = []
    work = Work(lambda *step: seen.append(step))

    shrunk(
        [proposing(([0, 1], [9, 9]), ([0], [8]))], Log().victim(2), n_rows=2, budget=4, work=work
    )

    assert [at for _, at, _ in seen] == [2, 3, 8]
    assert {total for _, _, total in seen} == {8}


def test_attacks_that_are_wide_meet_fewer_rows_at_a_time():
    seen = []

    def begin(rows):
        seen.append(len(rows))
        yield Candidates(rows, np.full((len(rows), 1), 0.1))

    width = MAX_CELLS // 4
    run(
        {"one": Attack(begin, width // 2), "two": Attack(begin, width // 2)},
        Log().victim(10),
        np.zeros((10, 1)),
        np.arange(10),
        budget=1,
        allowed=anything,
    )

    assert seen == [4, 4, 4, 4, 2, 2]


def test_one_row_is_attacked_at_a_time_where_even_that_is_more_than_a_block():
    seen = []

    def begin(rows):
        seen.append(rows.tolist())
        yield Candidates(rows, np.full((len(rows), 1), 0.1))

    run(
        {"one": Attack(begin, 2 * MAX_CELLS)},
        Log().victim(2),
        np.zeros((2, 1)),
        np.arange(2),
        budget=1,
        allowed=anything,
    )

    assert seen == [[0], [1]]


@pytest.mark.parametrize(
    ("probabilities", "truth", "margin"),
    [
        ([0.8, 0.2], 0, np.log(4)),
        ([0.8, 0.2], 1, -np.log(4)),
        ([0.5, 0.3, 0.2], 1, np.log(0.3 / 0.5)),
        ([0.5, 0.3, 0.2], 0, np.log(0.5 / 0.3)),
        ([0.4, 0.4, 0.2], 1, 0),
        ([1, 0], 0, np.log(1e300)),
        ([1, 0], 1, -np.log(1e300)),
    ],
)
def test_a_margin_is_the_log_odds_against_the_strongest_rival(probabilities, truth, margin):
    victim = Victim(np.array([truth]), lambda c: c, lambda c: np.array([probabilities], float))
    origin = Candidates(np.zeros(1, np.intp), np.zeros((1, 1)))

    assert victim.margins(origin) == pytest.approx([margin], abs=1e-12)
