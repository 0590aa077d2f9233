"""nginx: a bucket per client in shared memory, for the `http` block."""

from modelwarden.gateways.heading import heading, told_apart
from modelwarden.limits import Budget
from modelwarden.rates import DAY, MINUTE, Unit, refilled
from modelwarden.serving import Serving

TRAPS = (
    "nginx refuses with 503 by default, which clients take for an outage and repeat: hence "
    "limit_req_status. It says no Retry-After by itself: hence the second map.",
    "The counters are in the memory of one nginx. With n replicas a client gets n times as much: "
    "send each client to one replica, or divide the budget by n.",
    "It counts every request of every server of this nginx, whatever its path, so that no path "
    "gets around it. A server or location with a limit_req, or an add_header, of its own does not "
    "inherit the one here.",
    "A request without a client is counted by its address: by default nginx does not count an "
    "empty key at all. limit_req_dry_run must be off.",
)

_TEMPLATE = """\
map ${variable} $modelwarden_{zone} {{
    default "address $remote_addr";
    "{pattern}" "client $modelwarden_{zone}_name";
}}
map $status $modelwarden_{zone}_after {{
    default "";
    429 {after};
}}
limit_req_zone $modelwarden_{zone} zone=modelwarden_{zone}:20m rate={rate}r/m;
limit_req zone=modelwarden_{zone} burst={burst} nodelay;
limit_req_status 429;
limit_req_log_level warn;
add_header Retry-After $modelwarden_{zone}_after always;
"""


def nginx(budget: Budget, serving: Serving) -> str:
    """Return a file to include in nginx's `http` block.

    Notes
    -----
    `burst` of nginx counts what comes on top of the first request. The smallest rate of nginx is
    one request per minute: about 43,000 in 30 days.
    """
    rate = refilled(budget, serving, Unit("minute", MINUTE), "nginx")
    most = serving.burst + rate.requests * budget.days * DAY // MINUTE
    zone = serving.name.replace("-", "_")
    text = _TEMPLATE.format(
        variable=f"http_{serving.client.header.replace('-', '_')}",
        zone=zone,
        pattern=_pattern(serving, f"modelwarden_{zone}_name"),
        after=_after(rate.requests),
        rate=rate.requests,
        burst=serving.burst - 1,
    )
    promise = (
        f"{serving.burst} requests at once, then {rate.requests} per minute; at most {most} in any "
        f"{budget.days} days."
    )
    return heading(budget, serving, promise, (*TRAPS, told_apart(serving))) + text


def _after(rate: int) -> int:
    """Return after how many seconds a full bucket takes one more request.

    nginx keeps thousandths of a request per second and drops the rest: 1r/m is 16, not 16.67, so
    that a request comes back after 62.5 seconds.
    """
    return -(-1000 // (rate * 1000 // MINUTE))


def _pattern(serving: Serving, name: str) -> str:
    """Return the pattern of a client; `Bearer` may be written in any case, and is one client."""
    if serving.client.header == "authorization":
        return rf"~*^bearer +(?<{name}>[^ ]+)$"
    return f"~^(?<{name}>.+)$"
