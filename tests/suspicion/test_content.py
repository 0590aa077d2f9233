"""Clients judged by what they ask: what is found, what is let alone, and what stays invisible."""

import numpy as np
import pandas as pd
import pytest

from modelwarden.errors import InputError
from modelwarden.suspicion.content import PLAYED, SIGNALS, Likeness


def rows(n, seed):
    """Return rows of five numbers that depend on each other, and a category that goes with them."""
    random = np.random.default_rng(seed)
    factor = random.normal(size=(n, 2))
    numbers = factor @ np.array([[1, 0.8, -1, 0.3, 0], [0, 0.5, 1, 1, -1]])
    frame = pd.DataFrame(numbers + random.normal(scale=0.3, size=(n, 5)), columns=list("abcde"))
    return frame.assign(kind=np.where(factor[:, 0] + random.normal(size=n) > 0, "x", "y"))


@pytest.fixture(scope="module")
def likeness():
    return Likeness(rows(900, 0), alpha=0.01, seed=0, where="s3://b/r")


def test_rows_like_the_reference_look_honest(likeness):
    flagged = [likeness.judge(rows(100, 10 + seed)).flagged for seed in range(40)]

    assert sum(flagged) <= 2  # of 40, at alpha 0.01


def test_a_larger_alpha_flags_more(likeness):
    wide = Likeness(rows(900, 0), alpha=0.3, seed=0, where="")
    clients = [rows(40, 10 + seed) for seed in range(40)]
    flagged = sum(wide.judge(client).flagged for client in clients)

    assert wide.judge(clients[0]).threshold < likeness.judge(clients[0]).threshold - 0.5
    assert 1 <= flagged <= 20  # fewer than 0.3 of 40: played clients are less alike than these


def asked(how, seed):
    random, real = np.random.default_rng(seed), rows(400, 1000 + seed)
    n = 100
    if how == "uniform":
        made = {name: random.uniform(real[name].min(), real[name].max(), n) for name in "abcde"}
        return pd.DataFrame(made).assign(kind=random.choice(["x", "y"], n))
    if how == "shuffled":
        return pd.DataFrame({name: random.permutation(real[name])[:n] for name in real})
    if how == "steps":
        seeds = real.iloc[np.arange(n) // 10].reset_index(drop=True)
        return seeds.assign(**{c: seeds[c] + random.normal(scale=0.03, size=n) for c in "abcde"})
    if how == "one column":
        return pd.concat([real.head(1)] * n, ignore_index=True).assign(a=np.linspace(-3, 3, n))
    return pd.concat([real.head(50), asked("uniform", seed).head(50)]).sample(
        frac=1, random_state=0
    )


@pytest.mark.parametrize("how", ["uniform", "shuffled", "steps", "one column", "half"])
def test_rows_that_were_made_up_are_flagged(likeness, how):
    assert [likeness.judge(asked(how, seed)).flagged for seed in range(5)] == [True] * 5


@pytest.mark.parametrize(
    ("how", "signals"),
    [
        ("uniform", ["distance", "far_share", "isolation", "shuffled"]),
        ("shuffled", ["distance", "far_share", "shuffled"]),
        ("steps", ["closeness", "close_share"]),
        ("one column", ["closeness", "close_share", "single"]),
    ],
)
def test_each_signal_points_the_right_way(likeness, how, signals):
    scores = dict(zip(SIGNALS, likeness.judge(asked(how, 0)).scores, strict=True))

    assert {name: scores[name] > 3 for name in signals} == dict.fromkeys(signals, True)


def test_says_by_which_signal(likeness):
    assert likeness.judge(asked("steps", 0)).signal in ("closeness", "close_share")
    assert likeness.judge(asked("uniform", 0)).signal in SIGNALS[:4]
    assert set(SIGNALS) >= {likeness.judge(asked("one column", 0)).signal}


def test_repeated_rows_count_once(likeness):
    few = pd.concat([rows(15, 1)] * 40, ignore_index=True)
    padded = pd.concat([asked("uniform", 0), pd.concat([rows(5, 1)] * 100)], ignore_index=True)

    assert likeness.judge(few) is None
    assert likeness.judge(padded).flagged


def test_rows_that_differ_by_little_are_near_duplicates(likeness):
    same = pd.concat([rows(1, 1)] * 50, ignore_index=True)
    close = same.assign(a=same["a"] + np.linspace(0, 0.01, 50))

    assert likeness.judge(close).near_duplicates >= 0.95
    assert likeness.judge(rows(50, 3)).near_duplicates <= 0.1


def test_a_client_is_judged_by_the_largest_size_it_has_rows_for(likeness):
    assert [likeness.judge(rows(n, 5)).size for n in (20, 39, 40, 99, 100, 700)] == [
        20,
        20,
        40,
        40,
        100,
        300,
    ]
    assert likeness.judge(rows(19, 5)) is None
    assert likeness.judge(rows(39, 5), least=40) is None


def test_small_references_judge_small_samples():
    small = Likeness(rows(130, 0), alpha=0.01, seed=0, where="")

    assert small.judge(rows(300, 1)).size == 40


def test_refuses_too_few_rows():
    frame = pd.concat([rows(119, 0)] * 3)
    with pytest.raises(InputError, match="s3://b/r: expected 120 distinct rows, got 119"):
        Likeness(frame, alpha=0.01, seed=0, where="s3://b/r")


def test_the_same_seed_gives_the_same_opinion(likeness):
    again = Likeness(rows(900, 0), alpha=0.01, seed=0, where="s3://b/r")

    assert again.judge(rows(100, 7)) == likeness.judge(rows(100, 7))


def test_missing_values_and_unknown_categories_are_judged(likeness):
    strange = rows(100, 2).assign(kind="never seen", a=np.nan)

    assert np.isfinite(likeness.judge(strange).score)


def test_the_smallest_alpha_still_has_a_quantile():
    assert int(np.ceil((PLAYED + 1) * (1 - 0.002))) <= PLAYED
