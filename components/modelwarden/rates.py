r"""Rates that keep a budget: what a gateway has to count, so that a period's total stays below.

A budget is a total per client and period; gateways count by the minute, the day or the month. Two
kinds of counting are rendered, and for both the total is bounded over *any* span of the period's
length, not only over those that begin with it:

- **Windows.** A counter starts again at every full unit. A span of :math:`T` touches at most
  :math:`\lceil T / u \rceil + 1` units of length :math:`u`, and a client may use up all of them.
- **A bucket.** It holds `burst` requests and is refilled steadily: at most `burst` plus the rate
  times :math:`T`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from modelwarden.errors import InputError
from modelwarden.limits import Budget
from modelwarden.serving import Serving

DAY = 86_400
MINUTE = 60


@dataclass(frozen=True)
class Unit:
    """A length of time that a gateway can count by.

    Parameters
    ----------
    name : str
        What the gateway calls it.
    seconds : int
        The shortest that it lasts: 28 days for a month by the calendar.
    """

    name: str
    seconds: int


@dataclass(frozen=True)
class Rate:
    """At most so many requests in a unit of time."""

    requests: int
    unit: Unit

    def within(self, seconds: int) -> int:
        """Return the most requests that windows of this rate let through in any such span."""
        return self.requests * _windows(seconds, self.unit)


def total(budget: Budget, serving: Serving) -> int:
    """Return the requests that one client may put in the budget's period.

    A gateway counts requests, and a request carries up to `max_rows` queries.

    Raises
    ------
    InputError
        If no limit helps, or the budget is smaller than one burst.
    """
    if budget.queries == 0 or budget.unaided >= budget.fidelity:
        raise InputError(
            "budget",
            "a number of queries that is safe",
            f"{budget.queries} queries, and a copy made without any agrees in {budget.unaided:g}",
            "no limit helps: keep labelled rows to yourself, or accept a closer copy in the policy",
        )
    requests = budget.queries // serving.max_rows
    if requests < serving.burst:
        raise InputError(
            "budget",
            f"at least a burst of {serving.burst} requests of {serving.max_rows} rows",
            f"{budget.queries} queries in {budget.days} days",
            "lower burst or max_rows, or shorten the budget's period",
        )
    return requests


def windowed(budget: Budget, serving: Serving, units: Sequence[Unit], target: str) -> Rate:
    """Return the finest rate in windows that keeps the budget and still admits a burst.

    Parameters
    ----------
    budget, serving
        What is safe, and what is needed at once.
    units : sequence of Unit
        What the target counts by, the finest first.
    target : str
        Its name, for errors.

    Raises
    ------
    InputError
        If every unit is too short for it.
    """
    requests = total(budget, serving)
    rates = [Rate(requests // _windows(budget.days * DAY, unit), unit) for unit in units]
    for rate in rates:
        if rate.requests >= serving.burst:
            return rate
    raise _too_small(target, rates[-1], serving.burst)


def refilled(budget: Budget, serving: Serving, unit: Unit, target: str) -> Rate:
    """Return the rate that refills a bucket of `burst` requests and keeps the budget.

    It never exceeds `burst` per minute.

    Raises
    ------
    InputError
        If less than one request in `unit` is safe.
    """
    left = total(budget, serving) - serving.burst
    safe = left * unit.seconds // (budget.days * DAY)
    rate = Rate(min(safe, serving.burst * unit.seconds // MINUTE), unit)
    if rate.requests < 1:
        raise _too_small(target, rate, 1)
    return rate


def _windows(seconds: int, unit: Unit) -> int:
    return -(-seconds // unit.seconds) + 1


def _too_small(target: str, rate: Rate, wanted: int) -> InputError:
    return InputError(
        f"target {target}",
        f"a budget of {wanted} requests or more per {rate.unit.name}, the longest that it counts",
        f"{rate.requests}",
        "take a target that counts longer (kong, envoy, istio: a year; aws-usage-plan: a month), "
        "shorten the budget's period, lower burst or max_rows, or answer less and measure again",
    )
