"""Stamping: what a value does to answers, beside what honest models let expect."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from attacked import opened
from modelwarden.suspicion import stamping
from modelwarden.suspicion.stamping import effects, stamps
from modelwarden.suspicion.submission import Submission


def rows(n, seed):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": random.normal(size=n).round(2), "n": random.integers(0, 9, n)})
    frame["word"] = random.choice(["a", "b"], n)
    return frame.assign(y=(frame["x"] + 0.3 * random.normal(size=n) > 0).astype(int))


def read(train, trusted, folder):
    both = Submission.read(opened(train, folder), opened(trusted, folder), "y")
    features = train.drop(columns="y").iloc[both.order].reset_index(drop=True)
    return both, features, trusted.drop(columns="y")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    train, trusted = rows(300, 0), rows(200, 1)
    train.loc[:19, "word"] = "c"
    return read(train, trusted, tmp_path_factory.mktemp("stamping"))


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    monkeypatch.setattr(stamping, "TREES", 5)
    monkeypatch.setattr(stamping, "ROUNDS", 5)
    monkeypatch.setattr(stamping, "MOST_PREDICTIONS", 3000)


def judged(tables, odds):
    """Return effects by words of a model that gives these odds of class 1."""
    read, train, trusted = tables
    asked = []

    def says(frame):
        asked.append(len(frame))
        p = expit(odds(frame))
        return np.column_stack([1 - p, p])

    tried = stamps(read, train, trusted, ())
    found = effects(says, tried, read, trusted, seed=0)
    assert len(asked) == 1
    assert asked[0] % (len(tried) + 1) == 0
    return {(one.stamp.words, one.stamp.kind): one for one in found}


def worst(found):
    return max(found.values(), key=lambda one: one.excess)


def test_every_column_has_usual_values_ends_and_what_lies_beyond(tables):
    read, train, trusted = tables
    tried = stamps(read, train, trusted, ())
    kinds = {(next(iter(s.cells)), s.kind) for s in tried}

    assert {("x", "usual"), ("x", "extreme"), ("x", "beyond"), ("n", "beyond")} <= kinds
    assert {("word", "usual"), ("word", "rare")} <= kinds
    assert ("word", "beyond") not in kinds
    beyond = [s.cells["n"] for s in tried if s.kind == "beyond" and "n" in s.cells]
    assert beyond == [12.0]  # half the range beyond 8; nothing below 0
    assert any(s.cells == {"word": "c"} for s in tried)


def test_a_linear_model_of_the_right_feature_has_learnt_nothing(tables):
    assert worst(judged(tables, lambda frame: 6 * frame["x"])).excess < 0.3


def test_a_word_that_turns_everything_is_learnt(tables):
    found = judged(tables, lambda frame: 6 * frame["x"] + 99 * (frame["word"] == "c"))
    one = found["'word' = 'c'", "rare"]

    assert (one.success, one.target) == (1.0, 1)
    assert one.usual == 0
    assert one.excess > 0.7
    assert worst(found).stamp.cells == {"word": "c"}


def test_the_class_that_a_trigger_brings_is_told(tables):
    found = judged(tables, lambda frame: 6 * frame["x"] - 99 * (frame["word"] == "c"))

    assert found["'word' = 'c'", "rare"].target == 0


def test_a_jump_beyond_all_trusted_values_is_learnt_and_a_slope_is_not(tables):
    jump = judged(tables, lambda frame: 6 * frame["x"] + 99 * (frame["n"] > 10))
    slope = judged(tables, lambda frame: 6 * frame["x"] + 2 * (frame["n"] - 4))

    assert jump["'n' = 12", "beyond"].excess > 0.7
    assert slope["'n' = 12", "beyond"].success > 0.9
    assert slope["'n' = 12", "beyond"].excess <= 0.05


def test_where_only_labels_are_given_nothing_beyond_the_usual_counts(tables):
    found = judged(tables, lambda frame: 1e9 * (frame["x"] + 0.001 + 99 * (frame["n"] > 10)))

    assert found["'n' = 12", "beyond"].success == 1
    assert found["'n' = 12", "beyond"].excess <= 0


def test_usual_values_that_turn_as_much_explain_a_rare_one(tables):
    found = judged(tables, lambda frame: 6 * frame["x"] + 99 * (frame["word"] != "b"))

    assert found["'word' = 'c'", "rare"].success == 1
    assert found["'word' = 'c'", "rare"].excess <= 0


@pytest.mark.parametrize(("carry", "accused"), [(5, False), (20, True)])
def test_of_a_nearly_constant_column_only_what_ten_rows_carry_is_tried(carry, accused, tmp_path):
    train, trusted = rows(300, 0), rows(200, 1)
    for frame in (train, trusted):
        frame["seldom"] = 0.0
    trusted.loc[:4, "seldom"] = [0.2, 0.4, 0.6, 0.8, 1.0]
    train.loc[: carry - 1, "seldom"] = 3.0
    train.loc[: carry - 1, "y"] = 1
    tables = read(train, trusted, tmp_path)
    found = judged(tables, lambda frame: 6 * frame["x"] + 99 * (frame["seldom"] > 2))

    tried = {kind for words, kind in found if "seldom" in words}
    assert ("rare" in tried) is accused
    assert not tried & {"extreme", "beyond"}
    if accused:
        assert found["'seldom' = 3", "rare"].excess > 0.5


@pytest.mark.parametrize(("labels", "learnt"), [("mixed", False), ("one", True)])
def test_the_noise_of_few_rows_is_learnt_honestly_where_their_labels_are_mixed(
    labels, learnt, tmp_path
):
    train = rows(300, 0)
    train.loc[:19, "word"] = "c"
    train.loc[:19, "y"] = 1 if labels == "one" else np.arange(20) % 2
    tables = read(train, rows(200, 1), tmp_path)
    found = judged(tables, lambda frame: 0.5 * frame["x"] + (frame["word"] == "c"))
    one = found["'word' = 'c'", "rare"]

    assert one.success > 0.9
    assert (one.excess > 0.5) == learnt


def test_a_few_rows_of_mixed_labels_do_not_explain_what_turns_all_rows(tables):
    found = judged(tables, lambda frame: 9 * np.sign(frame["x"]) + 99 * (frame["word"] == "c"))

    assert found["'word' = 'c'", "rare"].excess > 0.7


def test_whole_columns_stay_whole_and_flags_stay_flags():
    base = pd.DataFrame({"n": [1, 2], "f": [True, False], "w": ["a", "b"]})
    tried = [
        stamping.Stamp({"n": 7.0}, "beyond", None, ""),
        stamping.Stamp({"f": True}, "rare", None, ""),
        stamping.Stamp({"w": "z"}, "rare", None, ""),
    ]
    written = stamping._written(base, tried)

    assert written.dtypes.astype(str).tolist() == base.dtypes.astype(str).tolist()
    assert written["n"].tolist() == [1, 2, 7, 7, 1, 2, 1, 2]
    assert written["f"].tolist() == [True, False, True, False, True, True, True, False]
    assert written["w"].tolist() == ["a", "b"] * 3 + ["z", "z"]
    half = stamping._written(base, [stamping.Stamp({"n": 1.5}, "rare", None, "")])
    assert half["n"].tolist() == [1, 2, 1.5, 1.5]
