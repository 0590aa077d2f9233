"""A policy in sentences, for people who review one and do not write one."""

from collections.abc import Iterator, Mapping

from modelwarden.cards import Card
from modelwarden.policy.document import ANY, CHAIN, MODEL, Policy
from modelwarden.policy.file import Rule
from modelwarden.report import Json


def explain(policy: Policy, cards: Mapping[str, Card]) -> list[str]:
    """Return what `policy` demands, one sentence a line.

    Parameters
    ----------
    policy : Policy
        The policy.
    cards : mapping of str to Card
        The checks that it speaks about.
    """
    return [
        f"This policy decides about {policy.action}.",
        *([] if policy.enforce else ["It only records: no decision made with it ever allows."]),
        "The builder must have signed which table the model was trained on.",
        *(_sentence(rule, cards[rule.check]) for rule in policy.rules),
        *(line for check, asked in policy.asked.items() for line in _pins(check, asked)),
        f"Statements must be at most {policy.evidence_age} old when the gate decides.",
        f"The release must follow within {policy.decision_age} of the decision.",
        _approvals(policy),
        "A model that was superseded is refused."
        if policy.refuse_superseded
        else "A model that was superseded may still be used; a revoked one may not.",
    ]


def _sentence(rule: Rule, card: Card) -> str:
    bound = "at most" if rule.op == "<=" else "at least"
    beside = ""
    if rule.worse_by is not None:
        beside = (
            f", and at most {rule.worse_by:g} worse than at the current release if there is one"
        )
    otherwise = "the model is denied" if rule.severity == "block" else "a warning is written down"
    meaning = card.metrics[rule.metric]
    named = f"{rule.check}.{rule.metric} ({meaning})"
    return f"{named} must be {bound} {rule.value:g}{beside}; otherwise {otherwise}."


def _pins(check: str, asked: Mapping[str, Mapping[str, Json]]) -> Iterator[str]:
    """Yield what `check` must have been asked, what it may, and what it must not."""
    values = {name: value for kind in asked.values() for name, value in kind.items()}
    pinned = [f"{n}={v}" for n, v in values.items() if v not in (ANY, CHAIN, MODEL, None)]
    if pinned:
        yield f"{check} must have been asked with {', '.join(pinned)}."
    for wanted, words in (
        (ANY, "any value, so whoever runs the check chooses it"),
        (CHAIN, "only a table of the model's own chain of data"),
        (MODEL, "only the model that is decided about"),
        (None, "nothing: it must have been left out"),
    ):
        names = [name for name, value in values.items() if value is wanted or value == wanted]
        if names:
            yield f"{check} accepts for {', '.join(names)} {words}."


def _approvals(policy: Policy) -> str:
    if not policy.approvals:
        return "Nobody needs to approve."
    people = "1 person" if policy.approvals == 1 else f"{policy.approvals} people"
    return (
        f"{people} other than the author must approve within {policy.approval_age}, "
        "each with a key and a second factor."
    )
