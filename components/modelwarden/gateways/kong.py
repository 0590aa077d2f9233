"""Kong: windows by the calendar, up to a year, as a declarative file."""

from modelwarden.gateways.heading import heading, told_apart
from modelwarden.limits import Budget
from modelwarden.rates import DAY, Unit, windowed
from modelwarden.serving import Serving

UNITS = (
    Unit("hour", 3600),
    Unit("day", DAY),
    Unit("month", 28 * DAY),
    Unit("year", 365 * DAY),
)
TRAPS = (
    "policy: local, Kong's default for new plugins, counts per node: n nodes let n times as much "
    "through. Hence redis.",
    "fault_tolerant: true, the default, lets everything through while Redis is away. Hence false: "
    "then it answers 500.",
    "Where it cannot tell who asks, Kong counts by address; so put an authentication plugin "
    "(key-auth, jwt, openid-connect) on the same service, and give it no anonymous consumer.",
    "Windows follow the calendar (UTC): at the turn of a minute two bursts may come at once, and "
    "the promise above counts two full windows.",
)

_TEMPLATE = """\
_format_version: "3.0"
plugins:
  - name: rate-limiting
    service: '{name}'
    config:
      minute: {burst}
      {unit}: {requests}
      limit_by: {limit_by}
{header}      policy: redis
      redis:
        host: redis  # yours
        port: 6379
      fault_tolerant: false
      hide_client_headers: false  # clients need Retry-After
      error_code: 429
"""


def kong(budget: Budget, serving: Serving) -> str:
    """Return a declarative file with the plugin rate-limiting, for Kong 3.6 or newer."""
    rate = windowed(budget, serving, UNITS, "kong")
    own = not serving.counts_credentials
    text = _TEMPLATE.format(
        name=serving.name,
        burst=serving.burst,
        unit=rate.unit.name,
        requests=rate.requests,
        limit_by="header" if own else "consumer",
        header=f"      header_name: '{serving.client.header}'\n" if own else "",
    )
    promise = (
        f"{serving.burst} requests per minute and {rate.requests} per {rate.unit.name}; at most "
        f"{rate.within(budget.days * DAY)} in any {budget.days} days."
    )
    return heading(budget, serving, promise, (*TRAPS, told_apart(serving))) + text
