"""What stands in a policy file: its keys, their types, and the JSON Schema that editors read."""

import difflib
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator

from modelwarden.cards import Card
from modelwarden.documents import read_yaml
from modelwarden.errors import PolicyError
from modelwarden.report import Json

SCHEMA_ID = "urn:modelwarden:policy:v1"

_AGE = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_DIGEST = r"^(any|(sha256:)?[0-9a-f]{64})$"
_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)


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
    worse_by : float, optional
        How much worse than at the current release it may be, beside `value`; negative demands
        that it is better by so much.
    options : mapping of str to JSON, optional
        What must have been asked; ``any`` accepts everything.
    inputs : mapping of str to str, optional
        SHA-256 of what must have been read besides the subject; ``any`` accepts everything.
    severity : {"block", "warn"}, default="block"
        Whether failing it denies.
    """

    model_config = _STRICT

    check: str
    metric: str
    op: Literal["<=", ">="]
    value: FiniteFloat
    worse_by: FiniteFloat | None = None
    options: dict[str, Json] = {}
    inputs: dict[str, str] = {}
    severity: Literal["block", "warn"] = "block"

    def __str__(self) -> str:
        text = f"{self.check}.{self.metric} {self.op} {self.value:g}"
        if self.worse_by is None:
            return text
        return f"{text} and at most {self.worse_by:g} worse than the current release"

    def holds(self, measured: float | None) -> bool:
        """Whether `measured` satisfies the threshold; written so that NaN and None do not."""
        return self._within(measured, self.value)

    def holds_beside(self, measured: float | None, current: float | None) -> bool:
        """Whether `measured` is at most `worse_by` worse than the current release's value."""
        if current is None or self.worse_by is None:
            return False
        slack = self.worse_by if self.op == "<=" else -self.worse_by
        return self._within(measured, current + slack)

    def _within(self, measured: float | None, bound: float) -> bool:
        if measured is None:
            return False
        return measured <= bound if self.op == "<=" else measured >= bound


class Ages(BaseModel):
    """How old something may be, such as ``7d``."""

    model_config = _STRICT

    max_age: Annotated[str, Field(json_schema_extra={"pattern": f"^{_AGE.pattern}$"})] = "7d"

    @field_validator("max_age")
    @classmethod
    def _is_an_age(cls, text: str) -> str:
        if not _AGE.fullmatch(text):
            raise ValueError("write an age as 30m, 24h or 7d")
        return text

    @property
    def span(self) -> timedelta:
        """Return it as a time span."""
        number, unit = _AGE.fullmatch(self.max_age).groups()  # type: ignore[union-attr]
        return timedelta(**{_UNITS[unit]: int(number)})


class Approvals(Ages):
    """How many people must approve a decision, and how old their approvals may be."""

    max_age: Annotated[str, Field(json_schema_extra={"pattern": f"^{_AGE.pattern}$"})] = "24h"
    required: Annotated[int, Field(ge=1, le=10)]


class PolicyFile(BaseModel):
    """A policy file as it stands; :class:`modelwarden.policy.Policy` is what it means."""

    model_config = _STRICT

    version: Literal[1]
    action: Annotated[str, Field(min_length=1, max_length=100)] = "deploy"
    enforce: bool = True
    evidence: Ages = Ages()
    decision: Ages = Ages(max_age="24h")
    approvals: Approvals | None = None
    superseded: Literal["accept", "refuse"] = "accept"
    rules: Annotated[list[Rule], Field(min_length=1, max_length=200)]


_PARTS: Mapping[str, type[BaseModel]] = {
    "rules": Rule,
    "evidence": Ages,
    "decision": Ages,
    "approvals": Approvals,
}


def parse(body: bytes, where: str) -> PolicyFile:
    """Read the YAML text of a policy strictly; a PolicyError names the first thing wrong."""
    try:
        return PolicyFile.model_validate(read_yaml(body, where))
    except ValidationError as error:
        problems = error.errors(include_url=False)
        misspelt = [p for p in problems if p["type"] == "extra_forbidden"]
        problem = (misspelt or problems)[0]  # a misspelt key explains one that is missing
        steps = [str(part) for part in problem["loc"]]
        if problem["type"] == "extra_forbidden":
            part = _PARTS.get(steps[0], PolicyFile) if len(steps) > 1 else PolicyFile
            raise unknown(where, "key of a policy", steps[-1], part.model_fields) from error
        got = f"{'.'.join(steps) or 'the document'}: {problem['msg']}"
        raise PolicyError(where, "a policy", got, "see docs/policy.md") from error


def unknown(where: str, what: str, name: str, known: Iterable[str]) -> PolicyError:
    """Return the error about a name that is not among `known`, with the one that was meant."""
    near = difflib.get_close_matches(name, list(known), n=1)
    fix = f"did you mean {near[0]}?" if near else ""
    return PolicyError(where, f"a {what} ({', '.join(known) or 'none'})", repr(name), fix)


def schema(cards: Mapping[str, Card]) -> dict[str, Json]:
    """Return the JSON Schema of policies about these checks, for editors to complete.

    It knows the names and types; what only the parser can say (equal keys, rules of one check that
    disagree, inputs that nobody pinned) it leaves to ``modelwarden policy check``.
    """
    document = PolicyFile.model_json_schema()
    rule = document["$defs"]["Rule"]
    rule["properties"]["check"] = {"enum": sorted(cards), "title": "Check"}
    rule["allOf"] = [_about(name, cards[name]) for name in sorted(cards)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **document,
        "title": "ModelWarden policy",
    }


def _about(name: str, card: Card) -> dict[str, Json]:
    """Return what a rule may say once it speaks about this check."""
    besides = [given for given in card.inputs if given != card.subject]
    metrics = [{"const": metric, "description": text} for metric, text in card.metrics.items()]
    options = {option: {"description": card.words[option]} for option in card.options}
    return {
        "if": {"properties": {"check": {"const": name}}},
        "then": {
            "properties": {
                "metric": {"oneOf": metrics},
                "options": {"properties": options, "additionalProperties": False},
                "inputs": {
                    "properties": {n: _input(n, card) for n in besides},
                    "additionalProperties": False,
                },
            }
        },
    }


def _input(name: str, card: Card) -> dict[str, Json]:
    own = name in card.chained and card.inputs[name] == "model"
    pattern = _DIGEST.replace("any", "any|model") if own else _DIGEST
    return {"description": card.words[name], "pattern": pattern}
