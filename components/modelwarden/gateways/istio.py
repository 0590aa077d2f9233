"""Istio: Envoy's rate limit service, asked by the ingress gateway."""

from modelwarden.gateways.heading import heading, told_apart
from modelwarden.limits import Budget
from modelwarden.rates import DAY, Unit, windowed
from modelwarden.serving import Serving

UNITS = (
    Unit("hour", 3600),
    Unit("day", DAY),
    Unit("month", 30 * DAY),  # the rate limit service's month
    Unit("year", 365 * DAY),
)
TRAPS = (
    "Istio's local rate limit counts per replica of the proxy; this asks one service with Redis "
    "(samples/ratelimit/rate-limit-service.yaml in Istio's release), which counts for all.",
    "failure_mode_deny is false by default: then everything passes while that service is away.",
    "A request without the header yields no descriptor and is not limited: hence the "
    "AuthorizationPolicy, which denies it.",
    "The limit is told apart by the raw value. Of `authorization` that is a trap: `bearer` and "
    "`Bearer` are two clients. Take a header that authentication writes "
    "(RequestAuthentication.outputClaimToHeaders).",
    "Months and years need a rate limit service of December 2024 or newer; older ones refuse their "
    "configuration, and then nothing is limited.",
    "Refusals are 429; the Retry-After that is added here is the time after which a minute's burst "
    "is back, too short where the larger limit is used up.",
    "Names of namespace, gateway label and service are those of Istio's samples: set yours.",
)

_TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: ratelimit-config
data:
  config.yaml: |
    domain: '{name}'
    descriptors:
      - key: client_minute
        rate_limit: {{unit: minute, requests_per_unit: {burst}}}
      - key: client_{unit}
        rate_limit: {{unit: {unit}, requests_per_unit: {requests}}}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: {name}-query-budget
  namespace: istio-system
spec:
  workloadSelector:
    labels:
      istio: ingressgateway
  configPatches:
    - applyTo: HTTP_FILTER
      match:
        context: GATEWAY
        listener:
          filterChain:
            filter:
              name: envoy.filters.network.http_connection_manager
              subFilter: {{name: envoy.filters.http.router}}
      patch:
        operation: INSERT_BEFORE
        value:
          name: envoy.filters.http.ratelimit
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit
            domain: '{name}'
            failure_mode_deny: true
            timeout: 1s
            response_headers_to_add:
              - header: {{key: retry-after, value: "60"}}
            rate_limit_service:
              transport_api_version: V3
              grpc_service:
                envoy_grpc:
                  cluster_name: outbound|8081||ratelimit.default.svc.cluster.local
                  authority: ratelimit.default.svc.cluster.local
    - applyTo: VIRTUAL_HOST
      match:
        context: GATEWAY
      patch:
        operation: MERGE
        value:
          rate_limits:
            - actions:
                - request_headers: {{header_name: '{header}', descriptor_key: client_minute}}
            - actions:
                - request_headers: {{header_name: '{header}', descriptor_key: client_{unit}}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: {name}-names-its-client
  namespace: istio-system
spec:
  selector:
    matchLabels:
      istio: ingressgateway
  action: DENY
  rules:
    - when:
        - key: request.headers[{header}]
          notValues: ["*"]
"""


def istio(budget: Budget, serving: Serving) -> str:
    """Return a ConfigMap, an EnvoyFilter and an AuthorizationPolicy."""
    rate = windowed(budget, serving, UNITS, "istio")
    text = _TEMPLATE.format(
        name=serving.name,
        header=serving.client.header,
        burst=serving.burst,
        requests=rate.requests,
        unit=rate.unit.name,
    )
    promise = (
        f"{serving.burst} requests per minute and {rate.requests} per {rate.unit.name}; at most "
        f"{rate.within(budget.days * DAY)} in any {budget.days} days."
    )
    return heading(budget, serving, promise, (*TRAPS, told_apart(serving))) + text
