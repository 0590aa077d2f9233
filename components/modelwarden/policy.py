"""What must hold before a model is deployed: thresholds as data that people review in a diff.

A policy pins what was asked, not only what came out: ``epsilon: 1e-6`` would pass every robustness
threshold. Options that a rule leaves out must have been left at the check's default, and every
input besides the subject must be pinned by its SHA-256, or set to ``any`` for all to see.
"""

import difflib
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from modelwarden.report import TRAINED, Claim, Decision, Json, RuleResult

ANY = "any"
CLOCK_SKEW = timedelta(seconds=60)

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
        By check: the options and inputs that its statement must have, `ANY` where all are fine.
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

    def judge(
        self, model: str, claims: Sequence[Claim], cards: Mapping[str, Card], now: datetime
    ) -> Decision:
        """Decide from verified claims whether `model` may be deployed.

        The data that the model was trained on comes from the builder's ``trained`` statement. From
        there the statements of filters lead back: a table that a filter kept brings the table that
        the filter read, so that checks of either count. Missing, stale, failed, contradicting or
        differently asked evidence denies. Where a check spoke more than once, every time counts.

        Parameters
        ----------
        model : str
            SHA-256 of the model as it is now.
        claims : sequence of Claim
            Whatever was found about the model and its data; order does not matter.
        cards : mapping of str to Card
            The checks.
        now : datetime
            The moment of the decision, with a time zone.
        """
        bench = _Bench(self, model, claims, cards, now)
        results = (bench.judge_training(), *(bench.judge_rule(rule) for rule in self.rules))
        return Decision(
            results=results,
            used=tuple(sorted(bench.used)),
            notes=tuple(bench.notes),
            enforced=self.enforce,
        )


class _Bench:
    """One judgement in progress: the claims at hand, and those that were used."""

    def __init__(
        self,
        policy: Policy,
        model: str,
        claims: Iterable[Claim],
        cards: Mapping[str, Card],
        now: datetime,
    ) -> None:
        self.policy, self.model, self.cards, self.now = policy, model, cards, now
        self.claims = sorted(claims, key=lambda claim: claim.sha256)
        self.used: set[str] = set()
        self.notes: list[str] = []
        self.lineage: set[str] = set()

    def judge_training(self) -> RuleResult:
        rule = "trained: the model comes from data that was checked"
        trained = [
            c for c in self.claims if c.check == TRAINED and self.model in c.subjects.values()
        ]
        self._use(trained)
        sources = {claim.inputs.get("data", "") for claim in trained}
        if len(sources) != 1 or not all(sources):
            why = (
                "no statement of a builder" if not trained else "its builders contradict each other"
            )
            return RuleResult(rule, None, passed=False, why=why)
        self._trace(sources.pop())
        stale = self._stale(trained)
        signers = ", ".join(sorted({claim.signer for claim in trained}))
        self.notes.append(f"training data: claimed by {signers}")
        return RuleResult(rule, None, passed=not stale, why=stale)

    def _trace(self, data: str) -> None:
        """Walk back from the training data through the filters that kept it."""
        self.lineage.add(data)
        for claim in self.claims:
            source = claim.subjects.get(self._subject(claim), "")
            if claim.outputs.get("kept") == data and source and source not in self.lineage:
                self._use([claim])
                self._trace(source)

    def judge_rule(self, rule: Rule) -> RuleResult:
        about = {self.model} if self.cards[rule.check].about_model else self.lineage
        spoken = [
            claim
            for claim in self.claims
            if claim.check == rule.check and claim.subjects.get(self._subject(claim), "") in about
        ]
        asked = [claim for claim in spoken if not self._asked_otherwise(claim)]
        answers = [claim for claim in asked if claim.outputs.get("kept", "") in {"", *self.lineage}]
        self._use(answers)
        worst = _worst([claim.metrics.get(rule.metric) for claim in answers], rule)
        if answers:
            why = self._why_not(rule, answers, worst)
        elif asked:
            why = f"the model was not trained on the rows that {rule.check} kept"
        elif spoken:
            why = f"asked otherwise: {self._asked_otherwise(spoken[0])}"
        else:
            why = f"no trusted statement of {rule.check}"
        return RuleResult(str(rule), worst, passed=not why, why=why, severity=rule.severity)

    def _why_not(self, rule: Rule, answers: list[Claim], worst: float | None) -> str:
        """Return the reason to fail the rule, or nothing."""
        if any(claim.failed for claim in answers):
            return "the check failed and says that its result must not be used"
        if stale := self._stale(answers):
            return stale
        if worst is None:
            return "not measured, or not a finite number"
        return "" if rule.holds(worst) else f"measured {worst:.4g}"

    def _asked_otherwise(self, claim: Claim) -> str:
        """Return what the claim was asked other than the policy wants, or nothing."""
        asked = self.policy.asked[claim.check]
        for kind, got in (("options", claim.options), ("inputs", claim.inputs)):
            for name, wanted in asked[kind].items():
                if wanted != ANY and not _same(got.get(name), wanted):
                    return f"{name}={_short(got.get(name))}, the policy wants {_short(wanted)}"
        return ""

    def _stale(self, claims: list[Claim]) -> str:
        """Return why the newest of `claims` is too old or too new to count, or nothing."""
        try:
            newest = max(datetime.fromisoformat(claim.finished) for claim in claims)
            age = self.now - newest
        except (ValueError, TypeError):
            return "its time is unreadable"
        if not -CLOCK_SKEW <= age <= self.policy.evidence_age:
            return f"its age is {age}, the policy allows {self.policy.evidence_age}"
        return ""

    def _subject(self, claim: Claim) -> str:
        card = self.cards.get(claim.check)
        return card.subject if card else ""

    def _use(self, claims: list[Claim]) -> None:
        self.used.update(claim.sha256 for claim in claims)
        for claim in claims:
            note = f"{claim.check}: attempt {claim.attempt}"
            if claim.attempt > 1 and note not in self.notes:
                self.notes.append(note)


def _worst(measured: list[float | None], rule: Rule) -> float | None:
    known = [value for value in measured if value is not None]
    if not known or len(known) < len(measured):
        return None
    return max(known) if rule.op == "<=" else min(known)


def _same(got: Json, wanted: Json) -> bool:
    """Compare as JSON does: True is not 1."""
    return type(got) is type(wanted) and bool(got == wanted)


def _short(value: Json) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 20 else f"{text[:12]}..."


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
                if not _same(entry[kind].setdefault(name, value), value):
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
    inputs = {name: _digest(said["inputs"].get(name)) for name in card.inputs}
    del inputs[card.subject]
    for name, digest in inputs.items():
        if not digest:
            fix = f"write inputs: {{{name}: <SHA-256>}}, or any to leave it open"
            raise PolicyError(f"{place}: input {name}", "a pinned digest", "nothing", fix)
    return {"options": options, "inputs": inputs}


def _digest(text: str | None) -> str:
    match = _SHA256.fullmatch(text or "")
    return match.group(1) if match else text or ""
