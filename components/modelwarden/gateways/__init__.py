"""Gateways: a budget as the configuration of what stands in front of a model.

Every renderer returns a text whose comments name what its gateway gets wrong by default. Nothing is
quoted or escaped here: what is inserted are whole numbers, and names that `Serving` has read by
strict patterns.
"""

from collections.abc import Callable, Mapping

from modelwarden.errors import InputError
from modelwarden.gateways.aws import usage_plan, waf
from modelwarden.gateways.envoy import envoy_gateway
from modelwarden.gateways.istio import istio
from modelwarden.gateways.kong import kong
from modelwarden.gateways.nginx import nginx
from modelwarden.limits import Budget
from modelwarden.serving import Serving

TARGETS: Mapping[str, Callable[[Budget, Serving], str]] = {
    "envoy": envoy_gateway,
    "istio": istio,
    "nginx": nginx,
    "aws-waf": waf,
    "aws-usage-plan": usage_plan,
    "kong": kong,
}


def render(budget: Budget, serving: Serving, target: str) -> str:
    """Return the configuration of a gateway that keeps a budget.

    Parameters
    ----------
    budget : Budget
        What one client may ask in a period.
    serving : Serving
        Where the model answers, and what tells clients apart.
    target : str
        One of `TARGETS`.

    Raises
    ------
    InputError
        If the target is unknown, or cannot keep the budget.
    """
    if target not in TARGETS:
        raise InputError("target", f"one of {', '.join(TARGETS)}", repr(target)[:100])
    return TARGETS[target](budget, serving)
