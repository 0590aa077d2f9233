"""Rates: whatever a client does, a period's total stays below the budget."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwarden.errors import InputError
from modelwarden.limits import Budget
from modelwarden.rates import DAY, Unit, refilled, total, windowed
from servings import parse

BUDGET = Budget("ab" * 32, 3000, 30, "labels", 0.95, 0.81)
SERVING = parse()
UNITS = (Unit("hour", 3600), Unit("day", DAY), Unit("month", 28 * DAY), Unit("year", 365 * DAY))
budgets = st.builds(
    replace, st.just(BUDGET), queries=st.integers(1, 10**9), days=st.integers(1, 400)
)
servings = st.builds(
    lambda burst, rows: SERVING.model_copy(update={"burst": burst, "max_rows": rows}),
    st.integers(2, 200),
    st.integers(1, 20),
)


def most_in_windows(rate, start, span):
    """Count what a client gets that uses up every window which [start, start + span) touches."""
    touched = {second // rate.unit.seconds for second in (start, start + span - 1)}
    return rate.requests * (max(touched) - min(touched) + 1)


def most_in_a_bucket(rate, burst, span):
    """Let time pass event by event: a full bucket, and a client that takes every drop."""
    drops = span * rate.requests // rate.unit.seconds
    return burst + drops


@settings(deadline=None)
@given(budgets, servings, st.integers(0, 800 * DAY))
def test_windows_keep_the_budget_wherever_the_period_begins(budget, serving, start):
    try:
        rate = windowed(budget, serving, UNITS, "kong")
    except InputError:
        return

    most = most_in_windows(rate, start, budget.days * DAY)
    assert most <= rate.within(budget.days * DAY)
    assert most * serving.max_rows <= budget.queries
    assert rate.requests >= serving.burst


@settings(deadline=None)
@given(budgets, servings)
def test_a_bucket_keeps_the_budget(budget, serving):
    try:
        rate = refilled(budget, serving, Unit("minute", 60), "nginx")
    except InputError:
        return

    most = most_in_a_bucket(rate, serving.burst, budget.days * DAY)
    assert most * serving.max_rows <= budget.queries
    assert 1 <= rate.requests <= serving.burst


def test_the_finest_unit_that_admits_a_burst_is_taken():
    assert windowed(BUDGET, parse(burst=20, max_rows=1), UNITS, "kong").unit.name == "day"
    assert windowed(BUDGET, parse(burst=97, max_rows=1), UNITS, "kong").unit.name == "month"


def test_the_known_figures():
    """3000 in any 30 days: 31 days are touched, or three calendar months."""
    assert windowed(BUDGET, parse(burst=20, max_rows=1), UNITS, "kong").requests == 96
    assert windowed(BUDGET, parse(burst=97, max_rows=1), UNITS, "kong").requests == 1000
    big = replace(BUDGET, queries=43_200 * 5 + 20)
    assert refilled(big, parse(burst=20, max_rows=1), Unit("minute", 60), "nginx").requests == 5


def test_a_burst_counts_into_the_total_of_a_bucket():
    unit = Unit("minute", 60)
    short = replace(BUDGET, queries=43_200 * 5 + 19)

    assert refilled(short, parse(burst=20, max_rows=1), unit, "nginx").requests == 4


def test_rows_of_a_request_count_one_by_one():
    assert total(BUDGET, parse(max_rows=7)) == 428


def test_a_target_that_counts_too_short_says_the_ways_out():
    with pytest.raises(InputError, match=r"target nginx: .* per minute.*kong.* shorten"):
        refilled(BUDGET, parse(max_rows=1), Unit("minute", 60), "nginx")
    with pytest.raises(InputError, match=r"20 requests or more per hour.* got 4"):
        windowed(BUDGET, parse(max_rows=1), UNITS[:1], "x")


@pytest.mark.parametrize("change", [{"queries": 0}, {"unaided": 0.95}, {"unaided": 0.99}])
def test_where_no_budget_helps_it_says_so(change):
    with pytest.raises(InputError, match="no limit helps"):
        total(replace(BUDGET, **change), parse())


def test_a_budget_below_one_burst_is_refused():
    with pytest.raises(InputError, match="a burst of 20 requests of 200 rows"):
        total(BUDGET, parse(max_rows=200))
