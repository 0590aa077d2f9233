"""What is concluded from copies: ladders, budgets, exact equations."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from modelwarden.proportions import interval
from modelwarden.theft.copies import Answers, agreement, copies
from modelwarden.theft.hauls import Haul, active, mixed, natural
from modelwarden.theft.rows import TableRows
from modelwarden.theft.study import Study, ladder, unaided


@pytest.fixture(scope="module")
def linear():
    """A linear model of 12 columns and 3 classes, with rows that it was not trained on."""
    random = np.random.default_rng(0)
    x = random.normal(size=(1500, 12))
    y = (x @ random.normal(size=(12, 3))).argmax(axis=1)
    return LogisticRegression().fit(x[:500], y[:500]), x[500:], y[500:]


def asked(model):
    return lambda frame: Answers(
        model.predict(frame.to_numpy()), model.predict_proba(frame.to_numpy())
    )


@pytest.mark.parametrize(
    ("queries", "width", "steps"),
    [
        (10_000, 20, (21, 30, 100, 300, 1000, 3000, 10_000)),
        (500, 64, (30, 65, 100, 300, 500)),
        (30, 64, (30,)),
    ],
)
def test_the_ladder_ends_at_what_was_asked_for_and_knows_the_equations(queries, width, steps):
    assert ladder(queries, width) == steps


def test_one_query_more_than_weights_solves_a_linear_model(linear):
    model, x, _ = linear
    rows, said = x[:13], asked(model)(pd.DataFrame(x[:13]))

    copy = copies(rows, said, 3, seed=0)["linear"]
    short = copies(rows[:8], said.first(8), 3, seed=0)["linear"]

    assert agreement(copy, x[100:], model.predict(x[100:])) == len(x) - 100
    assert agreement(short, x[100:], model.predict(x[100:])) < len(x) - 100


def test_saturated_answers_do_not_bend_the_plane(linear):
    model, x, _ = linear
    sharp = LogisticRegression().fit(x[:9], model.predict(x[:9]))
    sharp.coef_, sharp.intercept_ = 5 * model.coef_, 5 * model.intercept_
    frame = pd.DataFrame(x[:600])
    said = asked(sharp)(frame)
    saturated = (said.probabilities < 1e-12).any(axis=1)

    copy = copies(frame.to_numpy(), said, 3, seed=0)["linear"]

    assert 0.5 < saturated.mean() < 0.95
    assert agreement(copy, x[600:], sharp.predict(x[600:])) >= 0.99 * 400


def test_answers_of_one_class_make_a_copy_that_says_so():
    said = Answers(np.ones(5, dtype=int))

    for copy in copies(np.zeros((5, 2)), said, 3, seed=0).values():
        assert copy(np.zeros((2, 2))).argmax(axis=1).tolist() == [1, 1]


def test_natural_thieves_ask_about_each_row_once(linear):
    model, x, _ = linear
    known = TableRows(pd.DataFrame(x[:50]))

    haul = natural(known, asked(model), 200, np.random.default_rng(0))

    assert len(haul) == 50
    assert len(np.unique(haul.rows, axis=0)) == 50


@pytest.mark.parametrize("queries", [30, 31, 500])
def test_thieves_ask_as_often_as_they_may(linear, queries):
    model, x, _ = linear
    known, random = TableRows(pd.DataFrame(x[:100])), np.random.default_rng(0)
    counted = []

    def ask(frame):
        counted.append(len(frame))
        return asked(model)(frame)

    for haul in (
        mixed(known, ask, queries, random),
        active(known, ask, queries, 3, random, seed=0),
    ):
        assert len(haul) == queries == len(haul.rows) == len(haul.answers.probabilities)
    assert sum(counted) == 2 * queries


def test_active_thieves_need_fewer_queries(linear):
    model, x, _ = linear
    known, rows = TableRows(pd.DataFrame(x[:100])), x[200:]
    seen, truth = known.encode(pd.DataFrame(rows)), model.predict(rows)

    def ask(frame):
        return Answers(asked(model)(frame).labels)

    agreeing = np.array(
        [
            [
                haul.best(300, 3, 0, seen, truth)
                for haul in (
                    mixed(known, ask, 300, np.random.default_rng(seed)),
                    active(known, ask, 300, 3, np.random.default_rng(seed), seed=0),
                )
            ]
            for seed in range(3)
        ]
    )

    assert agreeing[:, 1].mean() > agreeing[:, 0].mean() + 0.005 * len(rows)


class Scripted(Haul):
    """Answers whose copies agree in a share of 1000 rows that grows with the queries."""

    def best(self, count, *_):
        return min(1000, int(700 + 25 * np.log2(count)))


def scripted(labels="labels"):
    answers = Answers(np.zeros(10_000, dtype=int))
    if labels == "probabilities":
        answers = Answers(answers.labels, np.zeros((10_000, 2)))
    haul = Scripted("mixed", np.zeros((10_000, 1)), answers)
    study = Study({labels: haul}, 2, np.zeros((1000, 1)), np.zeros(1000, dtype=int), 0)
    for step in (30, 100, 300, 1000, 3000, 10_000):
        study.measure(step)
    return study


def test_a_budget_is_the_most_that_is_safe_by_the_intervals_upper_end():
    study = scripted()

    safe = study.safe(0.95, "labels")

    assert 300 <= safe < 1000
    assert interval(study.best(safe, "labels"), 1000)[1] < 0.95
    assert interval(study.best(round(safe * (10 / 3) ** 0.5), "labels"), 1000)[1] >= 0.95


@pytest.mark.parametrize(("limit", "safe"), [(1.0, 3000), (0.5, 0)])
def test_a_budget_is_never_more_than_was_tried_and_0_where_none_is_safe(limit, safe):
    assert scripted().safe(limit, "labels") >= safe
    assert scripted().safe(limit, "labels") <= (10_000 if safe else 0)


def test_queries_are_not_extrapolated():
    study = scripted()

    assert study.reached(0.9, "labels") == 300
    assert study.reached(0.95, "labels") == 3000
    assert study.reached(1.0, "labels") == 10_000
    assert Study({}, 2, np.zeros((1, 1)), np.zeros(1, dtype=int), 0).reached(0.9, "labels") is None


def test_a_thief_keeps_the_copy_made_without_a_query_while_it_is_better():
    study = scripted()
    study.unaided = 960

    assert study.best(30, "labels") == 960
    assert study.best(10_000, "labels") == 1000
    assert study.reached(0.95, "labels") == 0
    assert study.safe(0.95, "labels") == 0


def test_an_endpoint_that_answers_labels_is_judged_by_thieves_of_labels():
    study = scripted("probabilities")

    assert study.best(10_000, "labels") == 0
    assert study.best(10_000, "probabilities") == 1000
    assert scripted().best(10_000, "probabilities") == 1000


def test_a_copy_without_queries_counts_by_its_best_kind(linear):
    model, x, y = linear
    made = copies(x[:200], Answers(y[:200]), 3, seed=0)
    truth = model.predict(x[200:])

    assert unaided(made.values(), x[200:], truth) == max(
        agreement(copy, x[200:], truth) for copy in made.values()
    )
