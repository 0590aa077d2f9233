"""Serving files: where a model answers, who may ask, and how much at once, as people write it."""

import ipaddress
import json
import re
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from modelwarden.documents import MAX_DOCUMENT, read_yaml
from modelwarden.errors import InputError, PolicyError
from modelwarden.report import Json

if TYPE_CHECKING:  # the store brings boto3, which reading a document does not need
    from modelwarden.store import File

CREDENTIAL = r"^env:MODELWARDEN_PROBE_[A-Z0-9_]{1,50}$"
"""Variables that a probe may send; a serving file must not be able to name any other secret."""

_NAME = r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$"
_HEADER = r"^[a-z][a-z0-9-]{0,62}[a-z0-9]$"
_PATH = r"^(/[A-Za-z0-9._~:@-]+)+$"
_HOST = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$"

# What every client, or every proxy on the way, writes as it likes
_NOT_A_CLIENT = (
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "forwarded",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-forwarded-for",
    "x-real-ip",
)
_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)
_Header = Annotated[str, Field(pattern=_HEADER)]


class Question(NamedTuple):
    """One request: how and where, the body, and the key that only a served answer has."""

    method: str
    path: str
    body: bytes
    expects: str


class Route(BaseModel):
    """A path of the endpoint, and what to ask there; a bare path stands for one with defaults.

    Parameters
    ----------
    path : str
        The path, without query.
    method : {"POST", "GET"}, default="POST"
        How it is asked; GET has no body.
    body : JSON, optional
        What a probe sends there; the serving file's where it is left out.
    expects : str, optional
        A key of served answers; the serving file's where it is left out.
    """

    model_config = _STRICT

    path: Annotated[str, Field(pattern=_PATH, max_length=200)]
    method: Literal["POST", "GET"] = "POST"
    body: Json = None
    expects: Annotated[str, Field(min_length=1, max_length=100)] | None = None

    @field_validator("path")
    @classmethod
    def _is_plain(cls, path: str) -> str:
        if {".", ".."} & set(path.split("/")):
            raise ValueError("no . and .. in a path")
        return path


_Route = Annotated[Route, BeforeValidator(lambda v: {"path": v} if isinstance(v, str) else v)]
_Routes = Annotated[list[_Route], Field(max_length=10)]


class Client(BaseModel):
    """What a gateway tells clients apart by.

    Parameters
    ----------
    header : str
        A request header, in lower case. Either the one that carries the credential, or one that
        the layer which authenticates writes itself, over whatever a client sent.
    """

    model_config = _STRICT

    header: _Header

    @field_validator("header")
    @classmethod
    def _is_not_written_by_everybody(cls, header: str) -> str:
        if header in _NOT_A_CLIENT:
            raise ValueError(f"{header} is written by whoever asks; name what authentication sets")
        return header


class Credentials(BaseModel):
    """Where a probe finds its credentials: names of variables, never their values.

    Parameters
    ----------
    first, second : str
        Two clients that may ask everything: ``env:MODELWARDEN_PROBE_...``.
    weak : str, optional
        A client without a second factor.
    """

    model_config = _STRICT

    first: Annotated[str, Field(pattern=CREDENTIAL)]
    second: Annotated[str, Field(pattern=CREDENTIAL)]
    weak: Annotated[str, Field(pattern=CREDENTIAL)] | None = None


class Serving(BaseModel):
    """A serving file.

    Parameters
    ----------
    version : 1
    name : str
        What gateways call it: lower-case letters, digits and hyphens.
    url : str
        Scheme, host and port of the endpoint, nothing else.
    environment : {"staging", "production"}
        Only staging is ever probed.
    hosts : list of str
        Hosts that a probe may speak to.
    routes : list of Route
        What answers questions about the model; the first is the one that is exhausted.
    step_up : list of Route, default=[]
        What demands a second factor.
    client : Client
        What clients are told apart by.
    authentication : str
        ``bearer``, or the name of the header that carries the key. There is no "none": a limit per
        client means nothing where everybody may be anybody.
    burst : int
        Requests that one client may put at once, and in a minute.
    max_rows : int, default=1
        Rows that one request may carry.
    body : JSON, optional
        What a probe sends.
    expects : str, default="predictions"
        A key that an answer has only when the model was asked.
    credentials : Credentials, optional
        What a probe authenticates with.
    """

    model_config = _STRICT

    version: Annotated[int, Field(ge=1, le=1)]  # Literal[1] would take true
    name: Annotated[str, Field(pattern=_NAME)]
    url: Annotated[str, Field(max_length=300)]
    environment: Literal["staging", "production"]
    hosts: Annotated[list[str], Field(min_length=1, max_length=20)]
    routes: Annotated[_Routes, Field(min_length=1)]
    step_up: _Routes = []
    client: Client
    authentication: Literal["bearer"] | _Header
    burst: Annotated[int, Field(ge=2, le=10_000)]
    max_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    body: Json = None
    expects: Annotated[str, Field(min_length=1, max_length=100)] = "predictions"
    credentials: Credentials | None = None

    @classmethod
    def parse(cls, body: bytes, where: str) -> "Serving":
        """Read a serving file, strictly.

        Raises
        ------
        InputError
            If `body` is anything else; it names the first thing wrong, and never repeats a value.
        """
        try:
            return cls.model_validate(read_yaml(body, where))
        except PolicyError as error:
            raise InputError(where, error.expected, error.got, error.fix) from error
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
            misspelt = [p for p in problems if p["type"] == "extra_forbidden"]
            problem = (misspelt or problems)[0]
            key = ".".join(str(part) for part in problem["loc"]) or "the document"
            got = f"{key}: {problem['msg'].removeprefix('Value error, ')}"
            raise InputError(where, "a serving file", got, "see docs/theft.md") from None

    @classmethod
    def read(cls, file: "File") -> "Serving":
        """Read a serving file from disk."""
        with file.path.open("rb") as stream:
            return cls.parse(stream.read(MAX_DOCUMENT + 1), file.uri)

    @property
    def scheme(self) -> str:
        """Return ``http`` or ``https``."""
        return urlsplit(self.url).scheme

    @property
    def host(self) -> str:
        """Return the host, without brackets and port."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Return the port."""
        return urlsplit(self.url).port or (443 if self.scheme == "https" else 80)

    @property
    def paths(self) -> list[str]:
        """Return the paths of `routes`."""
        return [route.path for route in self.routes]

    @property
    def guarded(self) -> list[str]:
        """Return the paths of `step_up`."""
        return [route.path for route in self.step_up]

    def question(self, path: str) -> Question:
        """Return what to ask at a path; at one that is not listed, the same as on the first."""
        listed = {route.path: route for route in (*self.routes, *self.step_up)}
        route = listed.get(path, self.routes[0])
        body = self.body if route.body is None else route.body
        sent = json.dumps({} if body is None else body).encode() if route.method == "POST" else b""
        return Question(route.method, path, sent, route.expects or self.expects)

    @property
    def credential_header(self) -> str:
        """Return the header that carries the credential."""
        return "authorization" if self.authentication == "bearer" else self.authentication

    @property
    def counts_credentials(self) -> bool:
        """Whether clients are told apart by their credential itself."""
        return self.client.header == self.credential_header

    def bears(self, token: str) -> dict[str, str]:
        """Return the header that authenticates with a token."""
        return {self.credential_header: f"Bearer {token}" if self._bearer else token}

    @property
    def _bearer(self) -> bool:
        return self.authentication == "bearer"

    @field_validator("url")
    @classmethod
    def _is_an_origin(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            port = "" if parts.port is None else f":{parts.port}"
        except ValueError:
            raise ValueError("no URL") from None
        host = parts.hostname or ""
        named = f"[{host}]" if ":" in host else host
        if parts.scheme not in ("http", "https") or f"{parts.scheme}://{named}{port}" != url:
            raise ValueError("write http or https, a host in lower case and a port, nothing else")
        if parts.port == 0 or not is_host(host):
            raise ValueError("write a host name, or an address in its usual form")
        return url

    @field_validator("authentication")
    @classmethod
    def _is_a_header_of_its_own(cls, header: str) -> str:
        if header in (*_NOT_A_CLIENT, "authorization"):
            raise ValueError("write bearer, or the header that carries the key")
        return header

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Serving":
        if self.host not in self.hosts:
            raise ValueError(f"hosts does not list {self.host}, the host of url")
        if len({*self.paths, *self.guarded}) < len(self.routes) + len(self.step_up):
            raise ValueError("a path stands there twice")
        if self.step_up and self.credentials and not self.credentials.weak:
            raise ValueError("step_up needs credentials.weak, a client without a second factor")
        return self


def is_host(text: str) -> bool:
    """Whether `text` is a host name, or an IP address in its only usual form.

    Resolvers also read ``2130706433``, ``0x7f.1`` and ``127.1`` as addresses; nobody else does.
    """
    try:
        return str(ipaddress.ip_address(text)) == text and "%" not in text
    except ValueError:
        last = text.rpartition(".")[2]
        return bool(re.fullmatch(_HOST, text)) and not re.match(r"\d|0x", last) and len(text) < 254
