"""E-values: of clean data each has mean 1, so that chance reaches E in one of E tables at most."""

import itertools
import math

import numpy as np
import pytest
from scipy.special import expit, logsumexp
from scipy.stats import hypergeom

from modelwarden.suspicion.expectation import (
    SHARES,
    SHIFTS,
    WEIGHTS,
    Expectation,
    frequency_evidence,
    sum_by_code,
    tail_evidence,
)


@pytest.mark.parametrize(("n", "m", "together"), [(60, 40, 12), (30, 90, 15), (500, 500, 10)])
def test_counts_of_clean_rows_are_no_evidence_on_average(n, m, together):
    mean = sum(
        hypergeom.pmf(k, n + m, together, n) * math.exp(frequency_evidence(k, together - k, n, m))
        for k in range(together + 1)
        if k <= n and together - k <= m
    )

    assert mean == pytest.approx(1, abs=1e-9)


def test_the_more_rows_are_submitted_ones_the_stronger():
    found = [frequency_evidence(k, 20 - k, 100, 100) for k in range(21)]

    assert found[10] < 0 < found[20]
    assert all(later > earlier for earlier, later in itertools.pairwise(found[8:]))
    assert frequency_evidence(15, 0, 100, 300) > frequency_evidence(15, 0, 300, 100) > 0


def test_tails_of_clean_rows_are_no_evidence_on_average():
    share = 0.6
    terms = [
        math.exp(j * math.log(share) + math.log1p(-share) + tail_evidence(j, 600, 400))
        for j in range(2000)
    ]
    mean = sum(terms)

    assert mean == pytest.approx(1, abs=0.02)
    assert tail_evidence(30, 600, 400) > 3 > 0 > tail_evidence(0, 600, 400)


def fitted(n=400, m=300, seed=0, strength=2.0, shift=0.0):
    """Return an expectation whose forecasts are right, and what it was fitted to."""
    random = np.random.default_rng(seed)
    odds, trusted_odds = (strength * random.normal(size=size) for size in (n, m))
    hit, trusted_hit = (random.random(len(o)) < expit(o + shift) for o in (odds, trusted_odds))
    values = random.integers(0, 20, (5, m)).astype(np.int32)
    return Expectation.fit(odds, hit, trusted_odds, trusted_hit, values), odds, hit


def test_labels_of_clean_rows_are_no_evidence_on_average():
    expectation, odds, _ = fitted()
    prior, p = expectation.prior(), expectation.expected[:6]
    mean = 0.0
    for labels in itertools.product([False, True], repeat=6):
        hit = np.array(labels)
        sign = np.where(hit, 1, -1)[:, None]
        odds = np.log(p / (1 - p))
        null = -np.logaddexp(0, -sign * (odds[:, None] + SHIFTS)).sum(axis=0)
        shares = np.array(SHARES)
        one = np.log(shares + (1 - shares) * p[:, None])
        other = np.log((1 - shares) * (1 - p[:, None]))
        planted = np.where(hit[:, None], one, other).sum(axis=0)
        chance = math.exp(logsumexp(prior + null))
        mean += chance * math.exp(expectation.evidence(null, planted, prior))

    assert np.exp(prior).sum() == pytest.approx(1)
    assert np.exp(WEIGHTS).sum() == pytest.approx(1)
    assert mean == pytest.approx(1, abs=1e-9)


def evidence(expectation, rows, known=None):
    null, planted = expectation.null[rows].sum(axis=0), expectation.planted[rows].sum(axis=0)
    return expectation.evidence(null, planted, expectation.prior() if known is None else known)


def test_rows_that_have_the_label_against_expectation_are_evidence():
    expectation, odds, hit = fitted()
    against = np.flatnonzero(hit & (odds < 0))[:10]
    expected = np.flatnonzero(hit & (odds > 2))[:10]
    mixed = np.arange(20)

    assert evidence(expectation, against) > 4
    assert abs(evidence(expectation, expected)) < 3
    assert evidence(expectation, mixed) < 0


def test_what_trusted_rows_with_the_value_say_explains_it():
    expectation, odds, hit = fitted()
    against = np.flatnonzero(hit & (odds < 0))[:10]
    same = expectation.prior() + expectation.null[np.flatnonzero(hit & (odds < 0))[10:20]].sum(
        axis=0
    )

    assert evidence(expectation, against, same) < evidence(expectation, against) - 2
    assert evidence(expectation, against, expectation.prior(3.0)) < evidence(expectation, against)


def test_forecasts_are_fitted_to_classes_that_became_more_frequent():
    expectation, _, hit = fitted(n=4000, shift=1.5)

    assert expectation.expected.mean() == pytest.approx(hit.mean(), abs=0.02)


def test_noisy_labels_make_every_forecast_less_sure():
    random = np.random.default_rng(0)
    odds = np.where(random.random(2000) < 0.5, 6.0, -6.0)
    noisy = (odds > 0) ^ (random.random(2000) < 0.2)
    values = np.zeros((1, 2000), dtype=np.int32)
    expectation = Expectation.fit(odds, noisy, odds, noisy, values)

    assert expectation.expected.min() == pytest.approx(0.2, abs=0.05)
    assert expectation.expected.max() == pytest.approx(0.8, abs=0.05)


def test_values_that_shift_labels_among_trusted_rows_widen_the_spread():
    random = np.random.default_rng(0)
    values = random.integers(0, 40, 2000).astype(np.int32)
    shifts = random.normal(size=40) * 2
    odds = random.normal(size=2000)
    moved, still = (random.random(2000) < expit(odds + s) for s in (shifts[values], 0))
    wide, narrow = (
        Expectation.fit(odds, hit, odds, hit, values[None, :]).spread for hit in (moved, still)
    )

    assert narrow < 1 <= wide


def test_sums_by_code():
    sums = sum_by_code(np.array([0, 2, 2], dtype=np.int32), np.array([[1.0], [2], [3]]), 4)

    assert sums.ravel().tolist() == [1, 0, 5, 0]


def test_a_rare_value_that_decides_the_label_is_honest_if_trusted_rows_say_so():
    """Most values do nothing, so the spread is narrow; this one is special on both sides."""
    n, random = 1000, np.random.default_rng(0)
    odds = np.where(np.arange(n) < 40, 1.0, 3 * random.normal(size=n))
    hit = (random.random(n) < expit(odds)) | (np.arange(n) < 40)
    values = random.integers(0, 20, (8, n)).astype(np.int32)
    expectation = Expectation.fit(odds, hit, odds, hit, values)
    told = expectation.prior() + expectation.trusted_null[:13].sum(axis=0)

    assert evidence(expectation, np.arange(40), told) < 4 < evidence(expectation, np.arange(40))
