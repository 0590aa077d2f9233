"""A staging endpoint, asked whether it keeps what the budget relies on: the one impure check."""

import os
import re

from modelwarden.documents import MAX_DOCUMENT
from modelwarden.errors import InputError
from modelwarden.keys import read_secret
from modelwarden.limits import Budget
from modelwarden.probing.address import pin
from modelwarden.probing.asking import Asking
from modelwarden.probing.probe import PROPERTIES, Probe, Tokens, needed, tolerance
from modelwarden.rates import total
from modelwarden.report import Figure, Findings, Report, Series
from modelwarden.serving import Serving
from modelwarden.store import File
from modelwarden.work import Work

ALLOWED = "MODELWARDEN_ENDPOINTS"
"""A variable of the platform: hosts that may be probed, separated by commas; any where not set."""

NOT_SEEN = (
    "Only the burst of one client is tried, never the total of a period: that is in the gateway's "
    "logs.",
    "Which model answers is not seen, nor what happens to a request of more rows than max_rows.",
    "Two counters that stand behind one balancer by address look like one from here.",
)


def endpoint(
    model: File,
    serving: File,
    budget: File,
    *,
    requests: int = 200,
    seconds: int = 120,
    work: Work | None = None,
) -> Findings:
    """Probe a staging endpoint within a small, bounded number of requests.

    Parameters
    ----------
    model : File
        The model that the endpoint serves; the budget has to be about it.
    serving : File
        The serving file: where it is, who may ask, and how much at once.
    budget : File
        What one client may ask in a period.
    requests : int, default=200
        Requests in all, however the endpoint answers.
    seconds : int, default=120
        Seconds in all.
    work : Work, optional
        Told about progress.

    Returns
    -------
    Findings
        1 for every property of :data:`modelwarden.probing.probe.PROPERTIES` that holds, 0 for one
        that does not, None for one that could not be judged. It fails unless all that the serving
        file promises holds.

    Raises
    ------
    InputError
        If a file or option is not what it should be, a credential is missing, or the endpoint must
        not be probed.
    """
    with budget.path.open("rb") as stream:
        limit = Budget.read(stream.read(MAX_DOCUMENT + 1), budget.uri)
    known = _agreed(model, Serving.read(serving), limit)
    least = needed(known)
    if requests < least:
        raise InputError("option requests", f"{least} or more for this burst", str(requests))
    if seconds < 1:
        raise InputError("option seconds", "1 or more", str(seconds))
    tokens = _tokens(known, serving.uri)
    allowed = [name.strip() for name in os.environ.get(ALLOWED, "").split(",") if name.strip()]
    address = pin(known, allowed)
    work = work or Work()
    work.step("probe", 0, 1)
    with Asking(known, address, requests=requests, seconds=seconds) as asking:
        probe = Probe(known, tokens, asking)
        probe.run()
    work.step("probe", 1, 1)
    return findings(known, probe, asking.used)


def findings(serving: Serving, probe: Probe, used: int) -> Findings:
    """Return what a probe found, as a report."""
    asked = {n: v for n, v in probe.found.items() if n != "demands_step_up" or serving.step_up}
    unknown = [name for name, holds in asked.items() if holds is None]
    untold = [n for n in unknown if not any(end.startswith(n) for end in probe.open_ends)]
    open_ends = [f"not judged: {', '.join(untold)}"] if untold else []
    report = Report(
        "endpoint",
        {
            **{n: None if holds is None else int(holds) for n, holds in probe.found.items()},
            "requests": used,
            "violations": sum(holds is False for holds in probe.found.values()),
        },
        failures=(*probe.violations, *probe.open_ends, *open_ends),
        notes=_notes(serving),
        details={
            "properties": dict(PROPERTIES),
            "burst": serving.burst,
            "answers": dict(sorted(probe.statuses.items())),
            "served": {name: tally.served for name, tally in probe.tallies.items()},
        },
    )
    return Findings(report, figures=(_figure(serving, probe),))


def _agreed(model: File, serving: Serving, budget: Budget) -> Serving:
    """Return the serving file, once it is certain that the budget is about this model."""
    if budget.model != model.sha256:
        got = f"one of {budget.model[:12]}..."
        fix = "run the check extraction on this model"
        raise InputError("budget", f"the budget of {model.sha256[:12]}...", got, fix)
    total(budget, serving)
    return serving


def _tokens(serving: Serving, where: str) -> Tokens:
    """Read the credentials from their variables."""
    named = serving.credentials
    if named is None:
        raise InputError(where, "credentials, the variables to probe with", "none")
    references = {"first": named.first, "second": named.second}
    if serving.step_up and named.weak:
        references["weak"] = named.weak
    tokens = {name: _token(reference) for name, reference in references.items()}
    if len(set(tokens.values())) < len(tokens):
        raise InputError(f"{where}, credentials", "another credential for each", "one twice")
    return Tokens(**tokens)


def _token(reference: str) -> str:
    token = read_secret(reference).decode("utf-8", "replace").strip()
    if not re.fullmatch(r"[\x21-\x7e]{1,8000}", token):
        got = "something else" if token else "nothing"
        raise InputError(reference, "a credential: visible ASCII without spaces", got)
    return token


def _notes(serving: Serving) -> tuple[str, ...]:
    promise = (
        f"Promised are {serving.burst} requests of one client at once and in a minute; up to "
        f"{tolerance(serving)} more are let pass."
    )
    none = "The serving file asks for no second factor, so demands_step_up is undefined."
    return (promise, *NOT_SEEN, *([] if serving.step_up else [none]))


def _figure(serving: Serving, probe: Probe) -> Figure:
    names = tuple(f"{name} client" for name in probe.tallies)
    tallies = probe.tallies.values()
    return Figure(
        "bars",
        "What each client got",
        "client",
        "requests",
        (
            Series("served", names, tuple(float(tally.served) for tally in tallies)),
            Series("refused", names, tuple(float(len(tally.refusals)) for tally in tallies)),
        ),
        threshold=float(serving.burst),
        threshold_label="promised",
        caption="Served requests should end at the line, for either client.",
    )
