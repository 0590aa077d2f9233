"""Envoy Gateway: a BackendTrafficPolicy with a global limit, counted in Redis."""

from modelwarden.gateways.heading import heading, told_apart
from modelwarden.limits import Budget
from modelwarden.rates import DAY, Unit, windowed
from modelwarden.serving import Serving

UNITS = (
    Unit("Hour", 3600),
    Unit("Day", DAY),
    Unit("Month", 30 * DAY),  # the rate limit service's month
    Unit("Year", 365 * DAY),
)
TRAPS = (
    "Global limits need Redis, set up in the EnvoyGateway configuration (rateLimit.backend), and "
    "let everything through while it is away, or slower than rateLimit.timeout (20 ms), unless "
    "rateLimit.failClosed is true there.",
    "Local limits would count per proxy replica. Global ones count per route unless shared is "
    "true: hence shared. shadowMode must stay away: it counts and never refuses.",
    "A request without the header matches no rule and is not limited: a SecurityPolicy on the same "
    "routes has to refuse it (jwt with claimToHeaders, or apiKeyAuth with forwardClientIDHeader).",
    "The limit is told apart by the raw value. Of `authorization` that is a trap: `bearer` and "
    "`Bearer` are two clients. Take a header that authentication writes.",
    "Refusals are 429 without Retry-After (they say x-ratelimit-reset). responseOverride adds one: "
    "the time after which a minute's burst is back, too short where the larger limit is used up.",
)

_TEMPLATE = """\
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata:
  name: {name}-query-budget
spec:
  targetRefs:
    - group: gateway.networking.k8s.io
      kind: HTTPRoute
      name: '{name}'
  rateLimit:
    global:
      rules:
        - clientSelectors:
            - headers:
                - {{type: Distinct, name: '{header}'}}
          limit: {{requests: {burst}, unit: Minute}}
          shared: true
        - clientSelectors:
            - headers:
                - {{type: Distinct, name: '{header}'}}
          limit: {{requests: {requests}, unit: {unit}}}
          shared: true
  responseOverride:
    - match:
        statusCodes:
          - {{type: Value, value: 429}}
      response:
        header:
          set:
            - {{name: Retry-After, value: "60"}}
"""


def envoy_gateway(budget: Budget, serving: Serving) -> str:
    """Return a BackendTrafficPolicy for the HTTPRoute of that name and a current Envoy Gateway."""
    rate = windowed(budget, serving, UNITS, "envoy")
    text = _TEMPLATE.format(
        name=serving.name,
        header=serving.client.header,
        burst=serving.burst,
        requests=rate.requests,
        unit=rate.unit.name,
    )
    promise = (
        f"{serving.burst} requests per minute and {rate.requests} per {rate.unit.name.lower()}; at "
        f"most {rate.within(budget.days * DAY)} in any {budget.days} days."
    )
    return heading(budget, serving, promise, (*TRAPS, told_apart(serving))) + text
