import numpy as np
import pytest

from modelwarden.suspicion.judgement import Judgement
from modelwarden.suspicion.rejection import reject


def judged(p_value, wrong_label=None, novel=None, triggered=None, trusted=()):
    """Return a judgement; labels are surely wrong where nothing else is said."""
    n = len(p_value)
    signals = [
        np.full(n, default) if signal is None else np.asarray(signal, dtype=float)
        for signal, default in ((wrong_label, 0.9), (novel, 0.0), (triggered, 0.0))
    ]
    return Judgement(
        poison=np.max(signals, axis=0),
        wrong_label=signals[0],
        novel=signals[1],
        triggered=signals[2],
        p_value=np.asarray(p_value, dtype=float),
        trusted_poison=np.asarray(trusted, dtype=float),
        triggers=(),
        separable=None,
    )


def decide(judgement, vouched=None, alpha=0.05, fdr=0.0):
    nobody = np.zeros(len(judgement.poison), dtype=bool)
    return reject(judgement, nobody if vouched is None else vouched, alpha=alpha, fdr=fdr)


def test_no_rows_give_no_decision():
    rejection = decide(judged([]))

    assert rejection.rejected.shape == rejection.reasons.shape == (0,)


def test_without_trusted_rows_the_probability_alone_decides():
    rejection = decide(judged([np.nan, np.nan], wrong_label=[0.6, 0.4]))

    assert rejection.rejected.tolist() == [True, False]
    assert rejection.trusted_rejected is None


def test_without_trusted_rows_no_share_of_false_discoveries_can_be_held():
    assert not decide(judged([np.nan, np.nan]), fdr=0.9).rejected.any()


def test_a_p_value_of_alpha_is_small_enough():
    rejection = decide(judged([0.0499, 0.05, 0.0501]), alpha=0.05)

    assert rejection.rejected.tolist() == [True, True, False]


def test_what_is_as_likely_clean_as_poison_is_kept():
    rejection = decide(judged([0.01, 0.01], wrong_label=[0.5, 0.501]))

    assert rejection.rejected.tolist() == [False, True]


def test_vouched_rows_are_never_rejected():
    rejection = decide(judged([0.01, 0.01]), vouched=np.array([True, False]))

    assert rejection.rejected.tolist() == [False, True]
    assert rejection.reasons.tolist() == ["", "label contradicted"]


def test_reasons_name_every_sign_of_a_rejected_row():
    rejection = decide(
        judged(
            [0.01, 0.01, 0.01, 0.9],
            wrong_label=[0.9, 0.5, 0.1, 0.9],
            novel=[0.9, 0.9, 0.0, 0.9],
            triggered=[0.9, 0.0, 0.8, 0.9],
        )
    )

    assert rejection.reasons.tolist() == [
        "carries a trigger, unlike trusted rows, label contradicted",
        "unlike trusted rows",
        "carries a trigger",
        "",
    ]
    assert rejection.triggered.tolist() == [True, False, True, False]
    assert rejection.strange.tolist() == [True, True, True, False]


def test_a_row_that_only_its_label_condemns_is_not_strange():
    rejection = decide(judged([0.01], novel=[0.5], triggered=[0.5]))

    assert rejection.rejected.tolist() == [True]
    assert rejection.strange.tolist() == [False]


# trusted rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha", "share"),
    [
        (0.24, 0.0),  # the highest of four has a p-value of 1/4 among the others
        (0.25, 0.25),
        (0.75, 0.75),  # ties count against both: 3/4
        (1.0, 0.75),  # the fourth is not suspect
    ],
)
def test_the_rule_is_tried_on_trusted_rows(alpha, share):
    judgement = judged([0.5], trusted=[0.9, 0.6, 0.6, 0.5])

    assert decide(judgement, alpha=alpha).trusted_rejected == share


# false discoveries -------------------------------------------------------------------------------


def test_a_bound_on_false_discoveries_holds_back_what_alpha_would_reject():
    p_value = [0.001, 0.02, 0.04, *[0.9] * 7]  # lines at 0.01, 0.02, 0.03 ...

    assert decide(judged(p_value)).rejected.sum() == 3
    assert decide(judged(p_value), fdr=0.1).rejected.tolist() == [True, True] + [False] * 8


@pytest.mark.parametrize("reason", ["vouched", "not suspect", "beyond alpha"])
def test_rows_that_are_kept_do_not_vouch_for_the_rejection_of_others(reason):
    p_value = np.array([0.03, *[0.04] * 9])  # all ten are below 0.1, the first not below 0.01
    others = np.arange(10) > 0
    suspect = np.where(others & (reason == "not suspect"), 0.4, 0.9)
    judgement = judged(p_value, wrong_label=suspect)

    rejection = decide(
        judgement,
        vouched=others & (reason == "vouched"),
        alpha=0.035 if reason == "beyond alpha" else 0.05,
        fdr=0.1,
    )

    assert not rejection.rejected.any()
    assert decide(judged(p_value), fdr=0.1).rejected.all()


def test_the_share_of_clean_rows_among_the_rejected_is_held_over_200_simulated_sets():
    generator = np.random.default_rng(0)
    shares, found = [], []
    for _ in range(200):
        p_value = generator.random(200)
        p_value[:30] **= 4  # poison, some of it hard to see
        rejected = decide(judged(p_value, wrong_label=1 - 5 * p_value), fdr=0.2).rejected
        shares.append(rejected[30:].sum() / max(rejected.sum(), 1))
        found.append(rejected[:30].mean())

    assert np.mean(shares) <= 0.2
    assert np.mean(found) > 0.3
