"""Ways around a limit: what a refused client tries next."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from modelwarden.serving import Serving

FORWARDED = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP")
"""Headers by which proxies say who asked, and which anybody can write."""

_SCHEMES = ("bearer", "BEARER", "bEARER", "beARER", "beaRER", "bearER")


@dataclass(frozen=True)
class Detour:
    """One way around a limit.

    Parameters
    ----------
    kind : {"header", "path", "connection"}
        Which property it tries.
    words : str
        What it is.
    path : str
        Where it asks.
    headers : mapping of str to str
        What it sends instead.
    fresh : bool, default=False
        Whether it asks on a new connection.
    """

    kind: str
    words: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    fresh: bool = False


def detours(serving: Serving, token: str, attempt: int) -> Iterator[Detour]:
    """Yield the detours in their order; each `attempt` (0 to 5) sends another value."""
    route = serving.paths[0]
    for name in FORWARDED:
        address = f"198.51.100.{attempt + 1}"
        value = f"for={address}" if name == "Forwarded" else address
        yield Detour("header", f"a forged {name}", route, {name: value})
    if not serving.counts_credentials:
        forged = {serving.client.header: f"modelwarden-{attempt}"}
        yield Detour("header", f"a forged {serving.client.header}", route, forged)
    if serving.authentication == "bearer":
        other = {"authorization": f"{_SCHEMES[attempt]} {token}"}
        yield Detour("header", "another spelling of Bearer", route, other)
    for words, path in siblings(serving, attempt):
        yield Detour("path", words, path)
    yield Detour("connection", "a new connection", route, fresh=True)


def siblings(serving: Serving, attempt: int = 0) -> Iterator[tuple[str, str]]:
    """Yield other paths that may lead to the first route's model, with what they are."""
    route, *others = serving.paths
    head, _, tail = route.rpartition("/")
    yield from ((f"the route {other}", other) for other in others)
    yield "a slash at the end", f"{route}/"
    yield "a query string", f"{route}?modelwarden={attempt}"
    yield "a doubled slash", f"{head}//{tail}"
    yield "a dot in the path", f"{head}/./{tail}"
    yield "an encoded letter", f"{route[:-1]}%{ord(route[-1]):02X}"
