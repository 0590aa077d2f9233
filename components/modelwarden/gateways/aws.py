"""AWS: a rule group of the web application firewall, and a usage plan of API Gateway.

Both as YAML for the AWS command line, version 2, which unlike JSON can hold the traps.
"""

from modelwarden.errors import InputError
from modelwarden.gateways.heading import heading, told_apart
from modelwarden.limits import Budget
from modelwarden.rates import DAY, Unit, windowed
from modelwarden.serving import Serving

LEAST = 10
"""The smallest limit of a rate-based rule."""

_WINDOWS = tuple(Unit(f"{seconds} seconds", seconds) for seconds in (60, 120, 300, 600))
_PERIODS = (Unit("DAY", DAY), Unit("WEEK", 7 * DAY), Unit("MONTH", 28 * DAY))

WAF_TRAPS = (
    "A rate-based rule leaves out every request that lacks its key, so a client without the header "
    "would be unlimited: hence the first rule, which blocks it.",
    "A block answers 403 by default: hence the custom responses.",
    "It estimates, and reacts some seconds late: a fast client gets more than its burst before it "
    "is blocked. No window is longer than ten minutes.",
    "Changing the rule sets every counter to zero. Refused requests count too, so a client that "
    "goes on asking stays blocked.",
    "Capacity is our estimate; `aws wafv2 check-capacity` has the last word. A rule group does "
    "nothing before a web ACL refers to it.",
)
PLAN_TRAPS = (
    "AWS calls usage plans best effort, not hard limits, and advises against relying on them to "
    "block access. Measure what gets through, and add aws-waf where it matters.",
    "Clients are told apart by API key, whatever the serving file says: give each client "
    "one key, or let a Lambda authorizer return it (apiKeySource: AUTHORIZER), and set "
    "apiKeyRequired on every method; a method without it is not limited.",
    "Refusals are 429 without Retry-After: add it to the gateway responses THROTTLED and "
    "QUOTA_EXCEEDED.",
    "An API key is no secret of authentication: keep the authorizer.",
)

_WAF = """\
# aws wafv2 create-rule-group --cli-input-yaml file://this-file.yaml
Name: {name}-query-budget
Scope: REGIONAL
Capacity: 200
VisibilityConfig:
{metrics}
Rules:
  - Name: names-its-client
    Priority: 0
    Statement:
      NotStatement:
        Statement:
          SizeConstraintStatement:
            FieldToMatch: {{SingleHeader: {{Name: '{header}'}}}}
            ComparisonOperator: GT
            Size: 0
            TextTransformations: [{{Priority: 0, Type: NONE}}]
    Action: {{Block: {{CustomResponse: {{ResponseCode: 401}}}}}}
    VisibilityConfig:
{inner}
"""
_RULE = """\
  - Name: {rule}
    Priority: {priority}
    Statement:
      RateBasedStatement:
        Limit: {limit}
        EvaluationWindowSec: {seconds}
        AggregateKeyType: CUSTOM_KEYS
        CustomKeys:
          - Header:
              Name: '{header}'
              TextTransformations:
{transformations}
    Action:
      Block:
        CustomResponse:
          ResponseCode: 429
          ResponseHeaders: [{{Name: Retry-After, Value: "{seconds}"}}]
    VisibilityConfig:
{metrics}
"""
_METRICS = """\
{indent}SampledRequestsEnabled: false  # samples hold the headers of clients
{indent}CloudWatchMetricsEnabled: true
{indent}MetricName: '{name}'"""
_RAW = "                - {Priority: 0, Type: NONE}"
_FOLDED = """\
                - {Priority: 0, Type: COMPRESS_WHITE_SPACE}
                - {Priority: 1, Type: LOWERCASE}  # bearer and Bearer are one client"""
_PLAN = """\
# aws apigateway create-usage-plan --cli-input-yaml file://this-file.yaml
name: {name}-query-budget
description: {requests} requests per {unit}, in bursts of {burst}
throttle:
  burstLimit: {burst}
  rateLimit: {rate}
quota:
  limit: {requests}
  period: {unit}
"""


def waf(budget: Budget, serving: Serving) -> str:
    """Return the input of ``aws wafv2 create-rule-group``."""
    if serving.burst < LEAST:
        got = f"{serving.burst}, and a rule counts from {LEAST}"
        raise InputError("target aws-waf", f"a burst of {LEAST} or more", got)
    rate = windowed(budget, serving, _WINDOWS, "aws-waf")
    header, name = serving.client.header, serving.name
    raw = header != "authorization"
    group = _WAF.format(
        name=name,
        header=header,
        metrics=_METRICS.format(indent="  ", name=name),
        inner=_METRICS.format(indent="      ", name=f"{name}-unnamed"),
    )
    limits = {"minute": (serving.burst, 60), "budget": (rate.requests, rate.unit.seconds)}
    rules = (
        _RULE.format(
            rule=f"{rule}-per-client",
            priority=priority,
            limit=limit,
            seconds=seconds,
            header=header,
            transformations=_RAW if raw else _FOLDED,
            metrics=_METRICS.format(indent="      ", name=f"{name}-{rule}"),
        )
        for priority, (rule, (limit, seconds)) in enumerate(limits.items(), start=1)
    )
    promise = (
        f"{serving.burst} requests per minute and {rate.requests} per {rate.unit.name}, roughly; "
        f"{rate.within(budget.days * DAY)} in any {budget.days} days."
    )
    return (
        heading(budget, serving, promise, (*WAF_TRAPS, told_apart(serving)))
        + group
        + "".join(rules)
    )


def usage_plan(budget: Budget, serving: Serving) -> str:
    """Return the input of ``aws apigateway create-usage-plan``."""
    rate = windowed(budget, serving, _PERIODS, "aws-usage-plan")
    text = _PLAN.format(
        name=serving.name,
        requests=rate.requests,
        unit=rate.unit.name,
        burst=serving.burst,
        rate=f"{serving.burst / 60:.4f}",
    )
    promise = (
        f"{rate.requests} requests per {rate.unit.name.lower()}, as far as AWS keeps it; then at "
        f"most {rate.within(budget.days * DAY)} in any {budget.days} days."
    )
    return heading(budget, serving, promise, PLAN_TRAPS) + text
