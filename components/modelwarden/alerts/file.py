"""What people want to be watched, and who is to be told: the file of ``modelwarden monitor``."""

import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from modelwarden.alerts.state import Rules
from modelwarden.documents import read_yaml
from modelwarden.errors import InputError
from modelwarden.report import Json

_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)
_DAYS = re.compile(r"([1-9][0-9]{0,2})d")
_Place = Annotated[str, Field(min_length=1, max_length=1024)]


class Channel(BaseModel):
    """One way to people.

    Parameters
    ----------
    kind : {"json", "slack", "teams", "alertmanager", "sns", "apprise"}
        What is at the other end; all but the last two are webhooks of that shape.
    url : str
        Its address, or ``env:NAME``: the addresses of Slack and Teams are secrets. Not for ``sns``.
    topic : str
        ARN of the SNS topic. Only for ``sns``.
    secret : str, default=""
        ``env:NAME`` of what signs the body of a webhook.
    """

    model_config = _STRICT

    kind: Literal["json", "slack", "teams", "alertmanager", "sns", "apprise"]
    url: str = ""
    topic: str = ""
    secret: str = ""

    @model_validator(mode="after")
    def _is_whole(self) -> "Channel":
        sns, webhook = self.kind == "sns", self.kind not in ("sns", "apprise")
        if bool(self.topic) is not sns or bool(self.url) is sns:
            raise ValueError("sns takes a topic and nothing else, all other kinds a url")
        if self.secret and not (webhook and self.secret.startswith("env:")):
            raise ValueError("secret is env:NAME, and for webhooks only")
        return self

    @property
    def name(self) -> str:
        """Return what it is called in records; its address stays out of them."""
        return f"{self.kind} {hashlib.sha256((self.url or self.topic).encode()).hexdigest()[:12]}"


class Batches(BaseModel):
    """New batches of data.

    Parameters
    ----------
    prefix : str
        Folder whose objects are batches; each is analysed once.
    profile, sample : str
        What ``modelwarden profile`` wrote.
    suite : str, default=""
        A Great Expectations suite; "" runs no ``integrity``.
    predictor, alpha, ignore
        Options of ``drift``.
    at_most : int, default=20
        Batches of one run, in the order of their names; the rest waits for the next.
    limits : mapping of str to mapping of str to float, optional
        For each check, the largest usual value of its metrics.
    """

    model_config = _STRICT

    prefix: _Place
    profile: _Place
    sample: _Place
    suite: str = ""
    predictor: str = ""
    alpha: FiniteFloat = 0.05
    ignore: str = ""
    at_most: Annotated[int, Field(ge=1, le=1000)] = 20
    limits: Mapping[Literal["drift", "integrity"], Mapping[str, FiniteFloat]] = {}


class Traffic(BaseModel):
    """The query log.

    Parameters
    ----------
    logs : str
        Folder of the log.
    folder : str, default="%Y/%m/%d/"
        Pattern of strftime below it, filled with yesterday's date; a budget of a month needs the
        log of a month, such as ``%Y/%m/``.
    budget : str
        The query budget.
    reference, target : str, default=""
        Rows like those of honest clients, and their label column.
    limits : mapping of str to float, optional
        Largest usual value of metrics.
    """

    model_config = _STRICT

    logs: _Place
    folder: Annotated[str, Field(pattern="/$")] = "%Y/%m/%d/"
    budget: _Place
    reference: str = ""
    target: str = ""
    limits: Mapping[str, FiniteFloat] = {"unreadable_fraction": 0.01}


class Plan(BaseModel):
    """The whole file.

    Parameters
    ----------
    version : int
        1.
    model : str
        What alerts are about; for `traffic` the URI of the model.
    evidence : str
        Prefix for reports and statements.
    state : str
        Prefix for what is known about alerts; nothing else writes there.
    key : str, default=""
        Key that signs statements and state; without one, whoever writes at `state` can silence.
    reminder : str, default="7d"
        After this long a fault that lasts is told again.
    quiet_runs : int, default=2
        Runs in a row without the fault until it has recovered.
    batches, traffic : optional
        What is watched; at least one.
    channels : list of Channel
        Who is told; all of them.
    """

    model_config = _STRICT

    version: Literal[1]
    model: _Place
    evidence: _Place
    state: _Place
    key: str = ""
    reminder: Annotated[str, Field(pattern=f"^{_DAYS.pattern}$")] = "7d"
    quiet_runs: Annotated[int, Field(ge=1, le=100)] = 2
    batches: Batches | None = None
    traffic: Traffic | None = None
    channels: Annotated[list[Channel], Field(min_length=1, max_length=20)]

    @model_validator(mode="after")
    def _watches(self) -> "Plan":
        if self.batches is None and self.traffic is None:
            raise ValueError("neither batches nor traffic is watched")
        return self

    @property
    def rules(self) -> Rules:
        """Return how patient people are."""
        return Rules(timedelta(days=int(self.reminder.removesuffix("d"))), self.quiet_runs)


def read_plan(body: bytes, where: str) -> Plan:
    """Read the file strictly; a PolicyError or InputError names the first thing wrong."""
    try:
        return Plan.model_validate(read_yaml(body, where))
    except ValidationError as error:
        raise _refused(error, where, "what is to be watched") from error


def read_channels(value: Json, where: str = "channels") -> tuple[Channel, ...]:
    """Read a list of channels, as in the file."""
    if not isinstance(value, list):
        raise InputError(
            where, "a list of channels", type(value).__name__, "see docs/monitoring.md"
        )
    try:
        return tuple(Channel.model_validate(one) for one in value)
    except ValidationError as error:
        raise _refused(error, where, "a channel") from error


def _refused(error: ValidationError, where: str, expected: str) -> InputError:
    problems = error.errors(include_url=False, include_input=False)
    misspelt = [p for p in problems if p["type"] == "extra_forbidden"]
    problem = (misspelt or problems)[0]
    place = ".".join(str(part) for part in problem["loc"]) or "the document"
    return InputError(where, expected, f"{place}: {problem['msg']}", "see docs/monitoring.md")
