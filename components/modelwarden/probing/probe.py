"""Try whether an endpoint keeps what was promised: who is served, how often, and what gets around.

The promise about one client is `burst` requests at once, and no more per minute. An answer of the
probe is a property that holds, one that does not, or one that could not be judged, which denies.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from modelwarden.probing.asking import WIDTH, Asking, Spent
from modelwarden.probing.detours import Detour, detours, siblings
from modelwarden.probing.line import Answer
from modelwarden.serving import Serving

PROPERTIES: Mapping[str, str] = {
    "serves_clients": "known credentials are served on every route",
    "refuses_anonymous": "no credential: 401 or 403 on every path",
    "refuses_unknown_credentials": "a made-up credential: 401 or 403 on every path",
    "demands_step_up": "no second factor: 401 or 403 where one is asked for",
    "limits_clients": "one client is cut off at the burst",
    "answers_429": "every refusal of a client over its limit is a 429",
    "says_retry_after": "every 429 says Retry-After",
    "resists_header_bypass": "no forged header gets around the limit",
    "resists_path_bypass": "no other path gets around the limit",
    "resists_new_connections": "no new connection gets around the limit",
    "serves_other_clients": "another client is served while the first is refused",
    "limits_other_clients": "the other client is cut off as well, eight connections at once",
    "recovers": "the first client is served again after Retry-After",
    "avoids_redirects": "no path of the serving file answers with a redirect",
}
"""What is tried, in words."""

REFUSALS = 8  # of one client that are enough to know it is cut off
MADE_UP = "modelwarden-made-up-credential"
MINUTE = 60.0

_BYPASSES = {
    "header": "resists_header_bypass",
    "path": "resists_path_bypass",
    "connection": "resists_new_connections",
}


@dataclass
class Tally:
    """What one client got so far; `since` is when it first asked."""

    since: float
    served: int = 0
    refusals: list[Answer] = field(default_factory=list)


@dataclass(frozen=True)
class Tokens:
    """The credentials of a probe; they are sent, and stand in nothing that it returns."""

    first: str = field(repr=False)
    second: str = field(repr=False)
    weak: str = field(default="", repr=False)


def tolerance(serving: Serving) -> int:
    """Return how many requests above the promise are let pass: a tenth of the burst, at least 1."""
    return max(1, serving.burst // 10)


def needed(serving: Serving) -> int:
    """Return how many requests a probe may need."""
    limited = serving.burst + tolerance(serving) + REFUSALS + WIDTH
    return 2 * limited + 4 * (len(serving.routes) + len(serving.step_up)) + 60


class Probe:
    """One probe of one endpoint.

    Parameters
    ----------
    serving : Serving
        What was promised.
    tokens : Tokens
        Who asks.
    asking : Asking
        How it asks.

    Attributes
    ----------
    found : dict of str to bool or None
        Every property; None where it could not be judged.
    violations : list of str
        What does not hold.
    open_ends : list of str
        Why something could not be judged.
    tallies : dict of str to Tally
        What the first and the second client got.
    """

    def __init__(self, serving: Serving, tokens: Tokens, asking: Asking) -> None:
        self._serving, self._tokens, self._asking = serving, tokens, asking
        self.found: dict[str, bool | None] = dict.fromkeys(PROPERTIES)
        self.violations: list[str] = []
        self.open_ends: list[str] = []
        self.statuses: Counter[str] = Counter()
        self.tallies = {name: Tally(asking.clock.now()) for name in ("first", "second")}
        self._redirects: Counter[int] = Counter()

    def run(self) -> None:
        """Try everything, as far as the bounds allow."""
        try:
            self._try()
        except Spent as spent:
            self.open_ends.append(f"{spent}: not everything was tried")
        if self._redirects:
            code, number = next(iter(self._redirects)), self._redirects.total()
            why = f"{number} answers are redirects, such as {code}; none was followed"
            self._judge("avoids_redirects", False, why)

    def _try(self) -> None:
        if not self._is_served():
            return
        self._refuses("refuses_anonymous", {}, "without a credential")
        made_up = self._serving.bears(MADE_UP)
        self._refuses("refuses_unknown_credentials", made_up, "with a made-up credential")
        self._demands_step_up()
        self.found["avoids_redirects"] = True  # every path was asked
        if not self._exhausts("first", "limits_clients", together=False):
            return
        self._refuses_rightly()
        self._resists()
        self._leaves_others_alone()
        self._recovers()

    def _judge(self, name: str, holds: bool, why: str) -> bool:
        self.found[name] = holds
        if not holds:
            self.violations.append(f"{name}: {why}")
        return holds

    def _ask(
        self, path: str, headers: Mapping[str, str], *, fresh: bool = False, listed: bool = True
    ) -> Answer:
        """Put a question; `listed` paths must not redirect, their variants may."""
        answer = self._asking.one(path, headers, fresh=fresh)
        self._note(answer, listed)
        return answer

    def _note(self, answer: Answer, listed: bool = True) -> None:
        self.statuses[str(answer.status or answer.problem)] += 1
        if listed and 300 <= answer.status < 400:
            self._redirects[answer.status] += 1

    def _as(self, client: str) -> dict[str, str]:
        return self._serving.bears(getattr(self._tokens, client))

    def _is_served(self) -> bool:
        """Ask every route as the first client: without that nothing else means anything."""
        for path in self._serving.paths:
            answer = self._ask(path, self._as("first"))
            self._count("first", answer)
            if not answer.served:
                return self._judge("serves_clients", False, f"{path}: {_words(answer)}")
        return self._judge("serves_clients", True, "")

    def _refuses(self, name: str, headers: dict[str, str], words: str) -> None:
        """Every listed path answers 401 or 403, and no variant of the first route serves."""
        for path in (*self._serving.paths, *self._serving.guarded):
            answer = self._ask(path, headers)
            if answer.status == 429:
                self.open_ends.append(f"{name}: {path} is limited before it looks at credentials")
                return
            if answer.status not in (401, 403):
                self._judge(name, False, f"{path} {words}: {_words(answer)}")
                return
        for _, path in siblings(self._serving):
            if self._ask(path, headers, listed=False).served:
                self._judge(name, False, f"{path} {words} is served")
                return
        self._judge(name, True, "")

    def _demands_step_up(self) -> None:
        """Ask as a client that is served elsewhere: else its refusal would say nothing."""
        if not self._serving.step_up:
            return
        control = self._ask(self._serving.paths[0], self._as("weak"))
        if not control.served:
            why = f"the weak client is not served on {self._serving.paths[0]}: {_words(control)}"
            self.open_ends.append(f"demands_step_up: {why}")
            return
        for path in self._serving.guarded:
            answer = self._ask(path, self._as("weak"))
            if answer.status not in (401, 403):
                why = f"{path} without a second factor: {_words(answer)}"
                self._judge("demands_step_up", False, why)
                return
        self._judge("demands_step_up", True, "")

    def _exhausts(self, client: str, name: str, *, together: bool) -> bool:
        """Ask until a client is cut off; one after the other, an excess has to happen twice.

        Counters that begin anew with every minute let two bursts through at its turn, which cannot
        happen twice in a row. All at once it is over before a minute turns, and an excess there is
        the mark of a gateway that looks first and counts later.
        """
        why = self._excess(client, together)
        if why and not together and self._asking.wait(MINUTE + 1):
            self.tallies[client] = Tally(self._asking.clock.now())
            try:
                why = self._excess(client, together)
            except Spent:
                self._judge(name, False, why)
                raise
        return self._judge(name, not why, why)

    def _excess(self, client: str, together: bool) -> str:
        """Ask until a client is cut off ("" then), or got more than was promised."""
        path, headers, tally = self._serving.paths[0], self._as(client), self.tallies[client]
        while len(tally.refusals) < REFUSALS:
            if together:
                answers = self._asking.together(path, headers)
            else:
                answers = [self._asking.one(path, headers)]
            for answer in answers:
                self._note(answer)
                self._count(client, answer)
            if tally.served > self._promised(tally):
                why = (
                    f"{tally.served} requests were served where {self._serving.burst} are promised"
                )
                return f"{why}, beside {len(tally.refusals)} that were refused"
        return ""

    def _count(self, client: str, answer: Answer) -> None:
        tally = self.tallies[client]
        if answer.served:
            tally.served += 1
        else:
            tally.refusals.append(answer)

    def _promised(self, tally: Tally) -> float:
        """Return what a client may have got by now."""
        passed = self._asking.clock.now() - tally.since
        refilled = self._serving.burst * passed / MINUTE
        return self._serving.burst + refilled + tolerance(self._serving)

    def _refuses_rightly(self) -> None:
        refusals = self.tallies["first"].refusals
        others = [answer for answer in refusals if answer.status != 429]
        if others:
            why = f"{len(others)} of {len(refusals)} refusals differ: {_words(others[0])}"
            self._judge("answers_429", False, why)
        else:
            self._judge("answers_429", True, "")
        right = [answer for answer in refusals if answer.status == 429]
        if right:
            silent = sum(answer.retry_after is None for answer in right)
            why = f"{silent} of {len(right)} say none that can be read"
            self._judge("says_retry_after", not silent, why)

    def _resists(self) -> None:
        """Try each way around the limit; a kind resists when none of its ways passes."""
        lifted = set()
        for number, way in enumerate(detours(self._serving, self._tokens.first, 0)):
            passes = self._passes(number, way)
            if passes:
                self._judge(_BYPASSES[way.kind], False, f"{way.words} gets around the limit")
            elif passes is None:
                lifted.add(_BYPASSES[way.kind])
        for name in _BYPASSES.values():
            if self.found[name] is None and name in lifted:
                self.open_ends.append(f"{name}: the limit was lifted while it was tried")
            elif self.found[name] is None:
                self._judge(name, True, "")

    def _passes(self, number: int, way: Detour) -> bool | None:
        """Whether a detour is served again and again, while the straight way is refused.

        A limit that is refilled serves one request now and then, however it is asked.
        """
        started = self._asking.clock.now()
        if not self._take(way).served:
            return False
        others = (
            list(detours(self._serving, self._tokens.first, attempt))[number]
            for attempt in range(1, 6)
        )
        served = 1 + sum(self._take(other).served for other in others)
        passed = self._asking.clock.now() - started
        if served <= 1 + int(self._serving.burst * passed / MINUTE):
            return False
        straight = self._ask(self._serving.paths[0], self._as("first"))
        return None if straight.served else True

    def _take(self, way: Detour) -> Answer:
        headers = {**self._as("first"), **way.headers}
        return self._ask(way.path, headers, fresh=way.fresh, listed=way.kind != "path")

    def _leaves_others_alone(self) -> None:
        """Ask as the second client, once and then on all connections at once."""
        self.tallies["second"].since = self._asking.clock.now()
        answer = self._ask(self._serving.paths[0], self._as("second"))
        if self._judge("serves_other_clients", answer.served, _words(answer)):
            self._count("second", answer)
            self._exhausts("second", "limits_other_clients", together=True)

    def _recovers(self) -> None:
        """Wait as long as the server asks to, and ask again."""
        path, headers = self._serving.paths[0], self._as("first")
        refused = self._ask(path, headers)
        if refused.served:
            self._judge("recovers", True, "")
            return
        if refused.retry_after is None:
            self.open_ends.append("recovers: no Retry-After says when")
            return
        if not self._asking.wait(refused.retry_after + 0.1):
            why = f"Retry-After asks for {refused.retry_after:g} s, more than are left"
            self.open_ends.append(f"recovers: {why}")
            return
        answer = self._ask(path, headers)
        why = f"{refused.retry_after:g} s later, as Retry-After said: {_words(answer)}"
        self._judge("recovers", answer.served, why)


def _words(answer: Answer) -> str:
    if answer.problem:
        return answer.problem
    if answer.served:
        return f"{answer.status}, and it is served"
    if 200 <= answer.status < 300:
        return f"{answer.status} without what a served answer holds"
    return str(answer.status)
