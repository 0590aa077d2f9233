"""The judge: from verified claims and a policy to a decision; whatever is missing denies."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from modelwarden.cards import Card
from modelwarden.policy.document import ANY, CHAIN, MODEL, Policy, same
from modelwarden.policy.file import Rule
from modelwarden.report import TRAINED, Claim, Decision, Json, RuleResult, finite

CLOCK_SKEW = timedelta(seconds=60)


def judge(
    policy: Policy,
    model: str,
    claims: Sequence[Claim],
    cards: Mapping[str, Card],
    now: datetime,
    current: str = "",
) -> Decision:
    """Decide from verified claims whether `model` may be deployed.

    The data that the model was trained on comes from the builder's ``trained`` statement. From
    there the statements of filters lead back: a table that a filter kept brings the table that the
    filter read, so that checks of either count. Only filters are followed that a blocking rule
    speaks about and that were asked what the policy asks: any other might have kept anything.
    Missing, stale, failed, contradicting or differently asked evidence denies. Where a check spoke
    more than once, every time counts.

    Parameters
    ----------
    policy : Policy
        What must hold.
    model : str
        SHA-256 of the model as it is now.
    claims : sequence of Claim
        Whatever was found about the model and its data; order does not matter.
    cards : mapping of str to Card
        The checks.
    now : datetime
        The moment of the decision, with a time zone.
    current : str, default=""
        SHA-256 of the model that is released now; "" when there is none. Rules with `worse_by`
        compare with the best that was measured of it, asked the same.
    """
    bench = _Bench(policy, model, claims, cards, now)
    before = _Bench(policy, current, claims, cards, now) if current and policy.compares else None
    if before:
        before.judge_training()
    results = (
        bench.judge_training(),
        *(bench.judge_rule(rule, before) for rule in policy.rules),
    )
    return Decision(
        results=results,
        used=tuple(sorted(bench.used | (before.used if before else set()))),
        notes=tuple(bench.notes),
        enforced=policy.enforce,
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
        self.lineage: set[str] = set()  # the training data and what it was filtered from
        self.chain: set[str] = set()  # the same, and whatever else those filters wrote
        self.behind: set[str] = set()  # all that lies behind, through whatever filter
        self.dropped: dict[str, str] = {}  # why a filter on the way does not count

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
        """Find the chain of filters behind the training data.

        Whether a filter was asked as the policy wants may depend on the chain, and the chain on
        the filters that count. So the walk is repeated without those that were asked otherwise,
        until there are none.
        """
        on_the_way = self._walk(data, [claim for claim in self.claims if self._is_filter(claim)])
        self._use(on_the_way)
        self.behind = self.lineage
        governed = {rule.check for rule in self.policy.rules if rule.severity == "block"}
        for check in sorted({claim.check for claim in on_the_way} - governed):
            self.notes.append(f"{check} filtered the data, but no blocking rule speaks about it")
        counted = [claim for claim in on_the_way if claim.check in governed]
        while wrong := {
            claim.sha256: why
            for claim in self._walk(data, counted)
            if (why := self._asked_otherwise(claim))
        }:
            self.dropped |= wrong
            counted = [claim for claim in counted if claim.sha256 not in wrong]

    def _walk(self, data: str, claims: list[Claim]) -> list[Claim]:
        """Walk back from the training data; return the filters among `claims` on the way."""
        reached, waiting = [], [data]
        self.lineage = {data}
        while waiting:
            table = waiting.pop()
            for claim in claims:
                source = claim.subjects.get(self._subject(claim), "")
                if source and claim.outputs.get("kept") == table:
                    reached.append(claim)
                    waiting += {source} - self.lineage
                    self.lineage.add(source)
        self.chain = self.lineage.union(*(claim.outputs.values() for claim in reached))
        return reached

    def judge_rule(self, rule: Rule, before: "_Bench | None" = None) -> RuleResult:
        spoken, answers = self._heard(rule)
        self._use(answers or spoken)
        worst = _worst([claim.metrics.get(rule.metric) for claim in answers], rule)
        why = self._why_not(rule, answers, worst) if answers else self._why_none(rule, spoken)
        passed, current = not why, None
        if passed and rule.worse_by is not None:
            passed, current, why = _compare(rule, worst, before)
        return RuleResult(str(rule), worst, passed, why, rule.severity, current)

    def best(self, rule: Rule) -> float | None:
        """Return the best that was measured by the claims that answer `rule`, and use them."""
        _, answers = self._heard(rule)
        self._use(answers)
        measured = [finite(claim.metrics.get(rule.metric)) for claim in answers]
        values = [value for value in measured if value is not None]
        if not values:
            return None
        return min(values) if rule.op == "<=" else max(values)

    def _heard(self, rule: Rule) -> tuple[list[Claim], list[Claim]]:
        """Return the claims of the rule's check, and those of them that answer the rule."""
        card = self.cards[rule.check]
        about = {self.model} if card.about_model else self.behind
        spoken = [
            claim
            for claim in self.claims
            if claim.check == rule.check and claim.subjects.get(card.subject, "") in about
        ]
        asked = [claim for claim in spoken if not self._asked_otherwise(claim)]
        return spoken, [c for c in asked if card.about_model or self._is_in_chain(c)]

    def _why_none(self, rule: Rule, spoken: list[Claim]) -> str:
        """Return why nothing that the check said counts."""
        if not spoken:
            return f"no trusted statement of {rule.check}"
        otherwise = [self.dropped.get(c.sha256) or self._asked_otherwise(c) for c in spoken]
        if all(otherwise):
            at_first = next((c for c in spoken if c.sha256 in self.dropped), spoken[0])
            return f"asked otherwise: {otherwise[spoken.index(at_first)]}"
        verb = "kept" if self._is_filter(spoken[0]) else "checked"
        return f"the model was not trained on the rows that {rule.check} {verb}"

    def _is_in_chain(self, claim: Claim) -> bool:
        """Whether a claim is about data that was trained on and, from a filter, kept such data."""
        return claim.subjects.get(self._subject(claim)) in self.lineage and (
            not self._is_filter(claim) or claim.outputs.get("kept") in self.lineage
        )

    def _is_filter(self, claim: Claim) -> bool:
        return claim.check in self.cards and "kept" in self.cards[claim.check].tables

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
        wanted = self.policy.asked[claim.check]
        besides = {n: d for n, d in claim.inputs.items() if n != self._subject(claim)}
        for kind, got in (("options", claim.options), ("inputs", besides)):
            for name in dict.fromkeys([*wanted[kind], *got]):
                asked, allowed = got.get(name), wanted[kind].get(name)
                if not self._fits(asked, allowed):
                    return f"{name}={_short(asked)}, the policy wants {_short(allowed)}"
        return ""

    def _fits(self, asked: Json, allowed: Json) -> bool:
        """Whether what was asked is what the policy allows; None stands for what is not there."""
        if allowed == ANY:
            return asked is not None
        if allowed == MODEL:
            return same(asked, self.model)
        return asked in self.chain if allowed == CHAIN else same(asked, allowed)

    def _stale(self, claims: list[Claim]) -> str:
        """Return why the newest of `claims` is too old or too new to count, or nothing."""
        try:
            newest = max(datetime.fromisoformat(claim.finished) for claim in claims)
            age = self.now - newest
        except (ValueError, TypeError):
            return "its time is unreadable"
        if age < -CLOCK_SKEW:
            return f"it is from the future: {newest.isoformat()}"
        if not age <= self.policy.evidence_age:
            return f"it is from {newest.isoformat()}, the policy allows {self.policy.evidence_age}"
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


def _compare(
    rule: Rule, measured: float | None, before: _Bench | None
) -> tuple[bool, float | None, str]:
    """Hold what was measured against the current release; return passed, its value and why."""
    if before is None:
        return True, None, "no current release to compare with"
    current = before.best(rule)
    if current is None:
        why = "the current release was not asked the same; run the check on it"
        return False, None, why
    passed = rule.holds_beside(measured, current)
    why = "" if passed else f"measured {measured:.4g}, the current release {current:.4g}"
    return passed, current, why


def _worst(measured: list[float | None], rule: Rule) -> float | None:
    known = [value for value in measured if value is not None]
    if not known or len(known) < len(measured):
        return None
    return max(known) if rule.op == "<=" else min(known)


def _short(value: Json) -> str:
    text = "nothing" if value is None else "a table of its chain" if value == CHAIN else str(value)
    return text if len(text) <= 20 or value == MODEL else f"{text[:12]}..."
