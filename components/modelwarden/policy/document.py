"""Policy files: read strictly, completed with what the checks' cards say, and compared."""

import difflib
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    field_validator,
)

from modelwarden.cards import Card
from modelwarden.documents import read_yaml
from modelwarden.errors import InputError, PolicyError
from modelwarden.report import Json

ANY = "any"
"""What a policy writes to accept every value that is there."""

CHAIN = "chain"
"""What an input must be that a card calls chained: a table of the model's own chain of data."""

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_AGE = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Rule(BaseModel):
    """One threshold.

    Parameters
    ----------
    check, metric : str
        What was measured.
    op : {"<=", ">="}
        How it compares with `value`. What is not a finite number satisfies neither.
    value : float
        The threshold.
    options : mapping of str to JSON, optional
        What must have been asked; ``any`` accepts everything.
    inputs : mapping of str to str, optional
        SHA-256 of what must have been read besides the subject; ``any`` accepts everything.
    severity : {"block", "warn"}, default="block"
        Whether failing it denies.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    check: str
    metric: str
    op: Literal["<=", ">="]
    value: FiniteFloat
    options: dict[str, Json] = {}
    inputs: dict[str, str] = {}
    severity: Literal["block", "warn"] = "block"

    def __str__(self) -> str:
        return f"{self.check}.{self.metric} {self.op} {self.value:g}"

    def holds(self, measured: float | None) -> bool:
        """Whether `measured` satisfies the rule; written so that NaN and None do not."""
        if measured is None:
            return False
        return measured <= self.value if self.op == "<=" else measured >= self.value


class _Ages(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    max_age: str = "7d"

    @field_validator("max_age")
    @classmethod
    def _is_an_age(cls, text: str) -> str:
        if not _AGE.fullmatch(text):
            raise ValueError("write an age as 30m, 24h or 7d")
        return text

    @property
    def span(self) -> timedelta:
        number, unit = _AGE.fullmatch(self.max_age).groups()  # type: ignore[union-attr]
        return timedelta(**{_UNITS[unit]: int(number)})


class _PolicyFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    version: Literal[1]
    action: Annotated[str, Field(min_length=1, max_length=100)] = "deploy"
    enforce: bool = True
    evidence: _Ages = _Ages()
    decision: _Ages = _Ages(max_age="24h")
    rules: Annotated[list[Rule], Field(min_length=1, max_length=200)]


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
        `ANY`, `CHAIN`, or None for an optional input that must have been left out.
    evidence_age, decision_age : timedelta
        How old a statement may be at the gate, and a decision at the release.
    enforce : bool
        False to record what would be denied; such a decision never allows.
    """

    sha256: str
    action: str
    rules: tuple[Rule, ...]
    asked: Mapping[str, Mapping[str, Mapping[str, Json]]]
    evidence_age: timedelta
    decision_age: timedelta
    enforce: bool

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
        try:
            parsed = _PolicyFile.model_validate(read_yaml(body, where))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in problem["loc"]) or "the document"
            got = f"{place}: {problem['msg']}"
            raise PolicyError(where, "a policy", got, "see docs/policy.md") from error
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
        )


def same(got: Json, wanted: Json) -> bool:
    """Compare as JSON does: True is not 1."""
    return type(got) is type(wanted) and bool(got == wanted)


def _check_names(rule: Rule, where: str, cards: Mapping[str, Card]) -> None:
    card = cards.get(rule.check)
    if card is None:
        raise _unknown(where, "check", rule.check, cards)
    if rule.metric not in card.metrics:
        raise _unknown(where, f"metric of {rule.check}", rule.metric, card.metrics)
    for name in rule.options:
        if name not in card.options:
            raise _unknown(where, f"option of {rule.check}", name, card.options)
    besides = [name for name in card.inputs if name != card.subject]
    for name, digest in rule.inputs.items():
        if name not in besides:
            raise _unknown(where, f"pinned input of {rule.check}", name, besides)
        if digest != ANY and not _SHA256.fullmatch(digest):
            raise PolicyError(f"{where}: inputs.{name}", "a SHA-256 digest or any", repr(digest))


def _unknown(where: str, what: str, name: str, known: Iterable[str]) -> PolicyError:
    near = difflib.get_close_matches(name, list(known), n=1)
    fix = f"did you mean {near[0]}?" if near else ""
    return PolicyError(where, f"a {what} ({', '.join(known) or 'none'})", repr(name), fix)


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
        return CHAIN
    if said is None:
        fix = f"write inputs: {{{name}: <SHA-256>}}, or any to leave it open"
        raise PolicyError(f"{place}: input {name}", "a pinned digest", "nothing", fix)
    return said if said == ANY else said.removeprefix("sha256:")
