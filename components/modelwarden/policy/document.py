"""Policy files: read strictly, completed with what the checks' cards say, and compared."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from modelwarden.cards import Card
from modelwarden.errors import InputError, PolicyError
from modelwarden.policy.file import Rule, parse, unknown
from modelwarden.report import Json

ANY = "any"
"""What a policy writes to accept every value that is there."""

CHAIN = "chain"
"""What an input must be that a card calls chained: a table of the model's own chain of data."""

MODEL = "the model that is decided about"
"""What a model must be that a card calls chained; where it is optional, a policy says `model`."""

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


@dataclass(frozen=True)
class Policy:
    """A policy file, read and checked.

    Parameters
    ----------
    sha256 : str
        Digest of the file's bytes: the policy's identity.
    action : str
        What the decision is about, such as ``deploy:prod``.
    rules : tuple of Rule
        In the file's order.
    asked : mapping of str to mapping
        By check: the options and inputs that its statement must have, and no others: a value,
        `ANY`, `CHAIN`, `MODEL`, or None for an optional input that must have been left out.
    evidence_age, decision_age : timedelta
        How old a statement may be at the gate, and a decision at the release.
    enforce : bool
        False to record what would be denied; such a decision never allows.
    approvals : int
        How many people must approve an allowing decision before it is used.
    approval_age : timedelta
        How long after the decision they may approve, and how old an approval may be at the release.
    refuse_superseded : bool
        Whether a model is refused once another was released after it.
    """

    sha256: str
    action: str
    rules: tuple[Rule, ...]
    asked: Mapping[str, Mapping[str, Mapping[str, Json]]]
    evidence_age: timedelta
    decision_age: timedelta
    enforce: bool
    approvals: int = 0
    approval_age: timedelta = timedelta(0)
    refuse_superseded: bool = False

    @property
    def compares(self) -> bool:
        """Whether a rule looks at the current release."""
        return any(rule.worse_by is not None for rule in self.rules)

    @classmethod
    def read(cls, body: bytes, where: str, cards: Mapping[str, Card]) -> "Policy":
        """Read a policy file.

        Parameters
        ----------
        body : bytes
            The YAML text.
        where : str
            Its URI, for errors.
        cards : mapping of str to Card
            The checks that rules may speak about.

        Raises
        ------
        PolicyError
            If the file is malformed, or a rule speaks about something that no check has.
        """
        parsed = parse(body, where)
        for number, rule in enumerate(parsed.rules, start=1):
            _check_names(rule, f"{where}: rule {number}", cards)
        return cls(
            sha256=hashlib.sha256(body).hexdigest(),
            action=parsed.action,
            rules=tuple(parsed.rules),
            asked=_gather(parsed.rules, where, cards),
            evidence_age=parsed.evidence.span,
            decision_age=parsed.decision.span,
            enforce=parsed.enforce,
            approvals=parsed.approvals.required if parsed.approvals else 0,
            approval_age=parsed.approvals.span if parsed.approvals else timedelta(0),
            refuse_superseded=parsed.superseded == "refuse",
        )


def same(got: Json, wanted: Json) -> bool:
    """Compare as JSON does: True is not 1."""
    return type(got) is type(wanted) and bool(got == wanted)


def _check_names(rule: Rule, where: str, cards: Mapping[str, Card]) -> None:
    card = cards.get(rule.check)
    if card is None:
        raise unknown(where, "check", rule.check, cards)
    if rule.metric not in card.metrics:
        raise unknown(where, f"metric of {rule.check}", rule.metric, card.metrics)
    for name in rule.options:
        if name not in card.options:
            raise unknown(where, f"option of {rule.check}", name, card.options)
    besides = [name for name in card.inputs if name != card.subject]
    for name, digest in rule.inputs.items():
        if name not in besides:
            raise unknown(where, f"pinned input of {rule.check}", name, besides)
        _check_digest(digest, f"{where}: inputs.{name}", may_be_model=_is_own_model(name, card))


def _check_digest(said: str, where: str, *, may_be_model: bool) -> None:
    if said == ANY or (may_be_model and said == "model") or _SHA256.fullmatch(said):
        return
    words = "model or any" if may_be_model else "any"
    raise PolicyError(where, f"a SHA-256 digest or {words}", repr(said))


def _is_own_model(name: str, card: Card) -> bool:
    """Whether an input may be asked to be the model that is decided about."""
    return name in card.chained and card.inputs[name] == "model"


def _gather(
    rules: Sequence[Rule], where: str, cards: Mapping[str, Card]
) -> dict[str, dict[str, dict[str, Json]]]:
    """Return what each check must have been asked; rules of one check say it once or agree."""
    asked: dict[str, dict[str, dict[str, Json]]] = {}
    for rule in rules:
        entry = asked.setdefault(rule.check, {"options": {}, "inputs": {}})
        for kind, said in (("options", rule.options), ("inputs", rule.inputs)):
            for name, value in said.items():
                if not same(entry[kind].setdefault(name, value), value):
                    raise PolicyError(
                        where, f"one value of {rule.check}.{kind}.{name}", "two that differ"
                    )
    return {check: _complete(check, entry, where, cards[check]) for check, entry in asked.items()}


def _complete(
    check: str, said: dict[str, dict[str, Json]], where: str, card: Card
) -> dict[str, dict[str, Json]]:
    """Fill in the options' defaults; refuse what was neither pinned nor left open."""
    place = f"{where}: {check}"
    try:
        options = {
            name: ANY if said["options"].get(name) == ANY else card.option(name, said["options"])
            for name in card.options
        }
    except InputError as error:
        fix = "pin it under options, or write any"
        raise PolicyError(f"{place}: {error.where}", error.expected, error.got, fix) from error
    besides = [name for name in card.inputs if name != card.subject]
    inputs = {name: _input(name, said["inputs"].get(name), place, card) for name in besides}
    return {"options": options, "inputs": inputs}


def _input(name: str, said: str | None, place: str, card: Card) -> str | None:
    """Return what an input must have been; the safe thing where the policy says nothing."""
    if said is None and name in card.optional:
        return None
    if said is None and name in card.chained:
        return MODEL if _is_own_model(name, card) else CHAIN
    if said is None:
        fix = f"write inputs: {{{name}: <SHA-256>}}, or any to leave it open"
        raise PolicyError(f"{place}: input {name}", "a pinned digest", "nothing", fix)
    if said == "model":
        return MODEL
    return said if said == ANY else said.removeprefix("sha256:")
