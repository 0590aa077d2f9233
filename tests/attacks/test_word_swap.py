from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from modelwarden.attacks.engine import Victim, run, shrink
from modelwarden.attacks.word_swap import Guided, word_swap
from modelwarden.space.box import Box
from modelwarden.space.points import Candidates
from modelwarden.space.text import TextSpace


def coded(n_rows, n_columns, *, codes=2, most=np.inf, origin=0.0, fixed=()):
    """A box of columns that take the codes 0, 1, ..., of which at most `most` may change."""
    shape = (n_rows, n_columns)
    start = np.full(shape, float(origin))
    high = np.full(shape, max(origin, codes - 1.0))
    low = np.zeros(shape)
    low[:, fixed], high[:, fixed] = start[:, fixed], start[:, fixed]
    zeros = np.zeros(n_columns)
    return Box(
        origin=start,
        low=low,
        high=high,
        step=zeros,
        unit=np.ones(n_columns),
        codes=np.full(n_columns, codes),
        group=np.arange(n_columns),
        norm="l0",
        radius=most,
    )


class Model:
    """A model whose true class is 0, with this margin; `threshold` is that of its labels."""

    def __init__(self, margin, *, labels_only=False, threshold=0.0):
        self.margin, self.labels_only, self.threshold = margin, labels_only, threshold
        self.asked = []

    def predict(self, candidates):
        return (self.margin(candidates.values) <= self.threshold).astype(np.intp)

    def predict_proba(self, candidates):
        self.asked.append(candidates)
        odds = self.margin(candidates.values)
        wrong = 1 / (1 + np.exp(np.clip(odds, -500, 500)))
        return np.stack([1 - wrong, wrong], axis=1)

    def victim(self, kind, n_rows):
        scores = None if self.labels_only else self.predict_proba
        return kind(np.zeros(n_rows, np.intp), self.predict, scores)


def linear(weights, lead):
    """What is changed counts by its weight against the lead."""
    return lambda values: lead - (values > 0) @ np.asarray(weights, float)


def attacked(margin, box, *, queries=400, rows=None, seed=0, **options):
    model = Model(margin, **options)
    n_rows = len(box.origin)
    rows = np.arange(n_rows) if rows is None else np.asarray(rows, np.intp)
    attack = {"swap": word_swap(box, queries=queries, seed=seed)}
    victim = model.victim(Victim, n_rows)
    return run(attack, victim, box.origin, rows, budget=queries, allowed=box.contains)


def smallest(margin, box, *, queries=400, seed=0, **options):
    model = Model(margin, **options)
    n_rows = len(box.origin)
    return shrink(
        {"swap": word_swap(box, queries=queries, seed=seed)},
        model.victim(Guided, n_rows),
        box.origin,
        np.arange(n_rows),
        budget=queries,
        allowed=box.contains,
        distance=box.distance,
    )


class BagOfWords:
    """Labels a text 1 when the weights of its words add up to more than 0."""

    def __init__(self, **weights):
        self.weights = weights

    def scores(self, cells):
        return np.array([sum(self.weights.get(w, 0.0) for w in cell.split()) for cell in cells])


def on_texts(model, cells, epsilon, *, queries=400, calls=None):
    texts = TextSpace(pd.DataFrame({"text": cells}), np.arange(len(cells)))
    box = texts.box(epsilon)

    def scores(candidates):
        return model.scores(texts.present(candidates)["text"].tolist())

    def probabilities(candidates):
        positive = 1 / (1 + np.exp(-scores(candidates)))
        return np.stack([1 - positive, positive], axis=1)

    truth = np.ones(len(cells), np.intp)
    victim = Victim(truth, lambda asked: (scores(asked) > 0).astype(np.intp), probabilities)
    found = run(
        {"swap": word_swap(box, queries=queries)},
        victim,
        texts.origin,
        np.arange(len(cells)),
        budget=queries,
        allowed=lambda asked: texts.allows(box, asked.rows, texts.present(asked)),
    )
    if calls is not None:
        calls.append(victim.calls)
    rows = np.arange(len(cells))
    return found, texts.present(Candidates(rows, found.values))["text"].tolist()


@pytest.mark.parametrize("labels_only", [False, True])
def test_a_model_that_never_errs_is_never_broken(labels_only):
    def always(values):
        return np.ones(len(values))

    found = attacked(always, coded(3, 5), labels_only=labels_only)

    assert not found.broken.any()
    assert (found.queries <= 400).all()


def test_without_coordinates_of_codes_nothing_is_asked():
    box = coded(2, 3, fixed=[0, 1, 2])

    assert attacked(linear([9, 9, 9], 1), box).queries.tolist() == [0, 0]


def test_memory_is_bounded_by_the_widest_step():
    assert word_swap(coded(1, 1), queries=60).width == 20


@pytest.mark.parametrize("queries", [0, 1, 2, 3, 5, 7, 12])
@pytest.mark.parametrize("labels_only", [False, True])
def test_no_budget_is_too_small_nor_exceeded(queries, labels_only):
    box = coded(2, 20)

    found = attacked(linear([1] * 20, 10), box, queries=queries, labels_only=labels_only)

    assert (found.queries <= queries).all()


def test_the_decisive_word_is_found_and_nothing_else_changes():
    model = BagOfWords(splendid=3.0, plot=-1.0, acting=-1.0)

    found, (text,) = on_texts(model, ["The acting: so-so.  A splendid plot!\n"], 0.15)

    assert found.broken.all()
    assert text.startswith("The acting: so-so.  A ")
    assert text.endswith(" plot!\n")
    assert "splendid" not in text


def test_a_text_is_robust_where_more_words_decide_than_may_change():
    model = BagOfWords(good=1.0, great=1.0)

    found, _ = on_texts(model, ["good and great", "good but not great at all"], 0.3)

    assert not found.broken.any()


def test_a_batch_of_texts_takes_five_predict_calls():
    words = np.array(["alpha", "beta", "gamma", "delta", "omega", "mu", "nu", "xi", "rho", "tau"])
    random = np.random.default_rng(0)
    cells = [" ".join(random.choice(words, 12)) for _ in range(40)]
    model = BagOfWords(alpha=2.0, beta=1.0, gamma=1.0, mu=-0.5, xi=0.5)
    cells = [cell for cell, score in zip(cells, model.scores(cells), strict=True) if score > 0]
    calls = []

    found, _ = on_texts(model, cells, 0.3, calls=calls)

    assert found.broken.any()
    assert not found.broken.all()
    assert calls[0] <= 5


@pytest.mark.parametrize("seed", range(12))
def test_the_smallest_change_of_an_additive_model_is_found(seed):
    random = np.random.default_rng(seed)
    weights, lead = random.normal(size=9), random.uniform(0.2, 2.5)
    margin = linear(weights, lead)

    found = smallest(margin, coded(1, 9))

    sums = np.cumsum(np.sort(weights)[::-1])
    assert found.broken.tolist() == [bool((sums >= lead).any())]
    assert found.least[0] == (1 + (sums >= lead).argmax() if found.broken[0] else np.inf)


@pytest.mark.parametrize("seed", range(12))
def test_the_smallest_change_of_a_model_of_pairs_is_nearly_found(seed):
    random = np.random.default_rng(seed)
    weights, pairs = random.normal(size=8), np.triu(random.normal(size=(8, 8)) * 0.3, 1)

    def margin(values):
        on = (values > 0).astype(float)
        return 2.0 - on @ weights - np.einsum("ri,ij,rj->r", on, pairs, on)

    found = smallest(margin, coded(1, 8))

    sets = [chosen for size in range(9) for chosen in combinations(range(8), size)]
    values = np.zeros((len(sets), 8))
    for line, chosen in enumerate(sets):
        values[line, list(chosen)] = 1
    fewest = next((len(s) for s, m in zip(sets, margin(values), strict=True) if m <= 0), np.inf)
    assert fewest <= found.least[0] <= fewest + 1


def test_a_change_that_turns_out_to_be_needless_is_taken_back():
    def margin(values):
        a, b, c, d = (values > 0).T.astype(float)
        return 2.0 - 0.5 * a - 0.4 * b - 0.3 * c - 2.0 * b * c - 0.1 * d

    found = smallest(margin, coded(1, 4))

    assert found.least.tolist() == [2.0]
    assert found.values.tolist() == [[0, 1, 1, 0]]


def test_the_best_code_of_a_column_is_used():
    def margin(values):
        return 3.5 - (values == 3).sum(axis=1) + 0.1 * (values == 1).sum(axis=1)

    found = attacked(margin, coded(1, 8, codes=5, most=4))

    assert found.broken.tolist() == [True]
    assert (found.values == 3).sum() == 4


def test_a_column_goes_back_to_its_own_code_and_to_lower_ones():
    def margin(values):
        return 1.5 - (values == 0).sum(axis=1)

    found = attacked(margin, coded(1, 3, codes=4, origin=2.0, most=2))

    assert found.broken.tolist() == [True]
    assert sorted(found.values[0]) == [0, 0, 2]


def test_an_own_code_that_nobody_else_may_take_is_no_hindrance():
    box = coded(1, 6, codes=2, origin=9.0)

    for labels_only in (False, True):
        found = attacked(lambda v: 5.5 - (v == 1).sum(axis=1), box, labels_only=labels_only)
        assert found.broken.tolist() == [True]
        found = attacked(lambda v: 3.5 - (v < 9).sum(axis=1), box, labels_only=labels_only)
        assert found.broken.tolist() == [True]


@pytest.mark.parametrize("labels_only", [False, True])
def test_what_is_fixed_or_a_number_or_missing_stays(labels_only):
    box = coded(1, 4, fixed=[1])
    box.codes[2] = 0
    box.origin[0, 3] = box.low[0, 3] = box.high[0, 3] = np.nan

    one, two = (
        attacked(lambda v, lead=lead: lead - (v > 0).sum(axis=1), box, labels_only=labels_only)
        for lead in (1, 1.5)
    )

    assert one.values[0, :3].tolist() == [1, 0, 0]
    assert np.isnan(one.values[0, 3])
    assert not two.broken.any()


@pytest.mark.parametrize("labels_only", [False, True])
@pytest.mark.parametrize("lead", [2.5, 5])
def test_all_that_is_proposed_is_allowed(labels_only, lead):
    box = coded(2, 30, codes=4, most=3)
    model = Model(linear(np.linspace(0, 1, 30), lead), labels_only=labels_only)
    asked = []

    def predict(candidates):
        asked.append(candidates)
        return model.predict(candidates)

    scores = None if labels_only else model.predict_proba
    victim = Guided(np.zeros(2, np.intp), predict, scores)
    shrink(
        {"swap": word_swap(box, queries=90)},
        victim,
        box.origin,
        np.arange(2),
        budget=90,
        allowed=box.contains,
        distance=box.distance,
    )

    assert sum(len(each.rows) for each in asked + model.asked) > 40
    assert all(box.contains(each).all() for each in asked + model.asked)


def asked_by(run_it, margin, box, **options):
    """Return how many columns each candidate of each step changes."""
    model = Model(margin)
    attack = {"swap": word_swap(box, **options)}
    victim = model.victim(Guided if run_it is shrink else Victim, len(box.origin))
    more = {"distance": box.distance} if run_it is shrink else {}
    rows = np.arange(len(box.origin))
    run_it(attack, victim, box.origin, rows, budget=400, allowed=box.contains, **more)
    return [np.count_nonzero(each.values != box.origin[0], axis=1).tolist() for each in model.asked]


def test_steps_are_singles_then_prefixes_about_as_long_as_should_do():
    margin, box = linear([1] * 100, 20.5), coded(1, 100)

    single, joined, again, rejoined = asked_by(shrink, margin, box, queries=400)

    assert sorted(single) == [0] + [1] * 100
    assert joined == [1, 2, 3, 5, 8, *range(11, 23), 26, 38, 58, 86, 100]
    assert again == [21] + [20] * 21 + [22] * 79
    assert {20, 21, 22} < {*rejoined}
    assert len(rejoined) < 30


def test_without_a_length_that_should_do_all_are_asked():
    joined = asked_by(run, linear([1] * 100, 100.5), coded(1, 100), queries=400)[1]

    assert len(joined) == 66
    assert (joined[0], joined[-1]) == (1, 100)


def test_changes_of_a_later_round_stand_beside_those_that_helped_before():
    def margin(values):
        a, b, c, d = (values > 0).T.astype(float)
        return 3.0 - a - 0.9 * b - 0.8 * c - 0.1 * d - 1.5 * b * d

    found = attacked(margin, coded(1, 4, most=3))

    assert found.values.tolist() == [[1, 1, 0, 1]]


def test_a_change_makes_room_for_one_that_goes_better_with_the_others():
    def margin(values):
        a, b, c = (values > 0).T.astype(float)
        return 2.0 - a - 0.9 * b - 0.1 * c - 1.2 * a * c

    found = attacked(margin, coded(1, 3, most=2))

    assert found.values.tolist() == [[1, 0, 1]]


@pytest.mark.parametrize("n_words", [300, 2000])
def test_a_long_text_is_searched_by_groups(n_words):
    weights = np.zeros(n_words)
    weights[:: n_words // 20] = 1.0

    found = attacked(linear(weights, 15), coded(1, n_words, most=n_words // 10))

    assert found.broken.tolist() == [True]


def test_groups_keep_within_the_few_changes_that_are_allowed():
    first = asked_by(run, linear([1] * 200, 9), coded(1, 200, most=1), queries=400)[0]

    assert first == [0] + [1] * 132


def test_groups_are_as_small_as_there_are_questions():
    first = asked_by(run, linear([1] * 200, 90.5), coded(1, 200), queries=400)[0]

    assert first == [0] + [2] * 100


@pytest.mark.parametrize("place", range(4))
def test_one_column_too_many_is_enough_for_groups(place):
    weights = np.full(4, 0.01)
    weights[place] = 1.0

    assert attacked(linear(weights, 0.9), coded(1, 4, most=2), queries=12).broken.all()


def test_a_margin_that_falls_and_rises_again_is_broken_where_it_is_low():
    def margin(values):
        return np.abs((values > 0).sum(axis=1) - 3) - 0.5

    assert attacked(margin, coded(1, 12)).broken.all()
    assert smallest(margin, coded(1, 12)).least.tolist() == [3.0]


def test_a_label_that_needs_more_than_the_probabilities_say_is_broken_all_the_same():
    margin = linear([1] * 10, 3.5)

    assert attacked(margin, coded(1, 10), threshold=-3.0).broken.all()
    assert smallest(margin, coded(1, 10), threshold=-3.0).least.tolist() == [7.0]


@pytest.mark.parametrize(("most", "broken"), [(12, True), (11, False)])
def test_labels_alone_suffice_where_enough_words_may_change(most, broken):
    margin = linear([1] * 30, 11.5)

    found = attacked(margin, coded(1, 30, most=most), labels_only=True)

    assert found.broken.tolist() == [broken]


def test_labels_alone_are_asked_about_sets_of_all_sizes():
    def margin(values):
        return np.abs((values > 0).sum(axis=1) - 3) - 0.5

    assert attacked(margin, coded(1, 20), labels_only=True).broken.all()


def test_changes_that_are_needed_together_but_not_one_by_one_are_told_apart():
    # sets of 1, 5, 9, ... are asked about; of the 5 that break it no single one is needed
    found = smallest(linear([1] * 20, 2.5), coded(1, 20), labels_only=True, queries=36)

    assert found.least.tolist() == [3.0]


def test_labels_alone_come_near_the_smallest_change():
    margin, box = linear([1] * 15 + [0] * 15, 3.5), coded(1, 30)

    least = [smallest(margin, box, labels_only=True, queries=120, seed=s).least for s in range(10)]

    assert np.mean(least) <= 5  # 4 is the least


def test_a_small_change_is_found_with_labels_alone():
    found = smallest(linear([1] * 4 + [0] * 12, 3.5), coded(1, 16), labels_only=True)

    assert 4 <= found.least[0] <= 6


def test_what_happens_to_a_row_does_not_depend_on_the_others():
    weights = np.random.default_rng(1).normal(size=40)
    box = coded(6, 40, codes=3, most=9)
    box.high[2, 5:] = 0.0
    box.high[4, 30:] = 0.0
    for labels_only in (False, True):
        margin = linear(weights, 4)

        together = attacked(margin, box, queries=90, labels_only=labels_only)
        for row in range(6):
            alone = attacked(margin, box, queries=90, labels_only=labels_only, rows=[row])
            assert alone.values[row].tolist() == together.values[row].tolist()
            assert alone.queries[row] == together.queries[row]


@pytest.mark.parametrize("labels_only", [False, True])
def test_the_seed_decides(labels_only):
    margin, box = linear([1.0] * 60, 20.5), coded(1, 60, most=30)

    def values(seed):
        return attacked(margin, box, queries=60, labels_only=labels_only, seed=seed).values.tolist()

    assert values(0) == values(0)
    assert len({str(values(seed)) for seed in range(4)}) > 1


class TestGuided:
    rows = np.zeros(3, np.intp)
    candidates = Candidates(rows, np.array([[0.0], [1.0], [2.0]]))

    def sides(self, margin, threshold=0.0, labels_only=False):
        model = Model(margin, threshold=threshold, labels_only=labels_only)
        self.victim = model.victim(Guided, 1)
        return self.victim.sides(self.candidates)

    def test_sides_are_margins_where_predict_agrees(self):
        assert self.sides(lambda v: 1.5 - v[:, 0]) == pytest.approx([1.5, 0.5, -0.5])

    def test_what_predict_refuses_is_not_broken(self):
        sides = self.sides(lambda v: 1.5 - v[:, 0], threshold=-1.0)

        assert sides == pytest.approx([1.5, 0.5, 0.5])

    def test_a_tie_that_predict_refuses_is_not_broken(self):
        assert self.sides(lambda v: 0 * v[:, 0], threshold=-1.0).min() > 0

    def test_only_claims_are_put_to_predict(self):
        self.sides(lambda v: 1.5 - v[:, 0])
        assert (self.victim.calls, self.victim.rows) == (2, 4)

        self.sides(lambda v: 9 - v[:, 0])
        assert (self.victim.calls, self.victim.rows) == (1, 3)

    def test_without_probabilities_sides_are_labels(self):
        assert self.sides(lambda v: 1.5 - v[:, 0], labels_only=True).tolist() == [1, 1, -1]
