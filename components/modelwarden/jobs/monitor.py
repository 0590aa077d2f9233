"""Analyse what is new, and tell people what changed: ``modelwarden monitor``, for cron."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from modelwarden.alerts import Verdict
from modelwarden.alerts.file import Batches, Plan, Traffic, read_plan
from modelwarden.errors import ModelWardenError, StoreError
from modelwarden.jobs.alert import raise_alerts
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.batches import mark, new_batches
from modelwarden.jobs.channels import send
from modelwarden.jobs.check import check
from modelwarden.jobs.raising import Alerted
from modelwarden.jobs.session import Connections, Session, now
from modelwarden.keys import open_key
from modelwarden.report import Json
from modelwarden.signing import Signer
from modelwarden.work import Work


@dataclass(frozen=True)
class Monitored:
    """What a run looked at, and what it told people.

    Parameters
    ----------
    run : str
        Its name.
    batches : tuple of str
        The batches that were new.
    alerted : Alerted
        What people were told.
    """

    run: str
    batches: tuple[str, ...]
    alerted: Alerted

    def as_json(self) -> dict[str, Json]:
        """Return it as a small JSON value."""
        return {"run": self.run, "batches": len(self.batches), **self.alerted.as_json()}


@dataclass
class _Watch:
    """One run of a plan."""

    plan: Plan
    work: Work | None
    connections: Connections | None
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)
    crashes: list[Exception] = field(default_factory=list)

    def look(self, name: str, inputs: Mapping[str, str], options: Mapping[str, Json]) -> bool:
        """Run one check; False if it may be worth another try later."""
        self.expected[name] = self.expected.get(name, 0) + 1
        found = self.verdicts.setdefault(name, [])
        try:
            outcome = check(
                name,
                inputs=inputs,
                options=options,
                evidence=self.plan.evidence,
                key=self.plan.key,
                work=self.work,
                connections=self.connections,
            )
        except ModelWardenError as error:
            # what came instead may be a value of the data
            problem = f"there is no verdict: {error.where}: expected {error.expected}"[:300]
            found.append(Verdict(None, problem=problem))
            return not (isinstance(error, StoreError) and error.retryable)
        except Exception as error:  # noqa: BLE001 - people are told first, then it is raised
            problem = f"there is no verdict: the check crashed with {type(error).__name__}"
            found.append(Verdict(None, problem=problem))
            self.crashes.append(error)
            return False
        found.append(Verdict(outcome.report, outcome.page_uri))
        return True


@naming
def monitor(
    plan: str,
    *,
    run: str = "",
    work: Work | None = None,
    connections: Connections | None = None,
) -> Monitored:
    """Run the checks of a plan on what is new, sign what they found, and tell people.

    Parameters
    ----------
    plan : str
        URI of the file; see :class:`modelwarden.alerts.file.Plan`.
    run : str, default=""
        Name of the run, if it is done again; by default the time and a random word.
    work : Work, optional
        Told about progress.
    connections : Connections, optional
        Where data and evidence are.

    Returns
    -------
    Monitored
        `Alerted.require_delivery` raises what went wrong on the way; everything else is done.
    """
    with Session(connections) as session:
        read = read_plan(session.data.read(plan), plan)
        key = open_key(read.key) if read.key else None
        name = run or f"{now():%Y-%m-%dT%H:%M:%SZ} {secrets.token_hex(4)}"
        watch = _Watch(read, work, connections)
        batches: list[str] = []
        done: list[str] = []
        if read.batches is not None:
            wanted = read.batches
            batches = new_batches(session, wanted.prefix, read.state, wanted.at_most, key)
            done = [uri for uri in batches if _judge(watch, wanted, uri)]
        if read.traffic is not None:
            _audit(watch, read.traffic)
        alerted = raise_alerts(
            session.records,
            read.model,
            watch.verdicts,
            state=read.state,
            run=name,
            channels={channel.name: partial(send, channel) for channel in read.channels},
            expected=watch.expected,
            limits=_limits(read),
            signer=Signer(key) if key else None,
            rules=read.rules,
        )
        mark(session.records, read.state, done, name, key)
    if watch.crashes:
        raise watch.crashes[0]
    return Monitored(name, tuple(batches), alerted)


def _judge(watch: _Watch, wanted: Batches, uri: str) -> bool:
    """Judge one batch by all checks; False if storage kept one from it."""
    inputs = {"batch": uri, "profile": wanted.profile, "sample": wanted.sample}
    options = {"alpha": wanted.alpha, "ignore": wanted.ignore}
    judged = watch.look("drift", {**inputs, "predictor": wanted.predictor}, options)
    if wanted.suite:
        judged &= watch.look("integrity", {"data": uri, "suite": wanted.suite}, {})
    return judged


def _audit(watch: _Watch, wanted: Traffic) -> None:
    """Hold yesterday's log against the budget."""
    yesterday = (now() - timedelta(days=1)).strftime(wanted.folder)
    inputs = {
        "model": watch.plan.model,
        "logs": f"{wanted.logs.removesuffix('/')}/{yesterday}",
        "budget": wanted.budget,
        "reference": wanted.reference,
    }
    watch.look("traffic", inputs, {"target": wanted.target})


def _limits(plan: Plan) -> dict[str, Mapping[str, float]]:
    limits: dict[str, Mapping[str, float]] = {}
    if plan.batches is not None:
        limits.update(plan.batches.limits.items())
    if plan.traffic is not None:
        limits["traffic"] = plan.traffic.limits
    return limits
