"""Strict reading of the small documents that people and other programs write: JSON and YAML.

Both formats let the last of two equal keys win, silently: a second ``value: 0.1`` disarms a
policy. YAML 1.1 also reads ``no`` as false, ``012`` as ten and ``1e-3`` as text. Here equal keys
are refused and scalars mean what they mean in JSON; everything else is text.
"""

import json
import math
import re
from datetime import datetime
from typing import Any

import yaml

from modelwarden.errors import EvidenceError, InputError, PolicyError
from modelwarden.report import Json

MAX_DOCUMENT = 1 << 20  # bytes; a policy, a trust file or an envelope is a few KB


def read_json(
    body: bytes, where: str, kind: type[InputError | EvidenceError] = EvidenceError
) -> Json:
    """Read one JSON document: UTF-8, no equal keys, finite numbers.

    Raises
    ------
    EvidenceError or InputError
        As `kind` says, if `body` is anything else.
    """
    try:
        _bounded(body)
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite_float,
        )
    except (ValueError, RecursionError) as error:
        raise kind(where, "a JSON document", _first_line(error)) from error


def read_yaml(body: bytes, where: str) -> Json:
    """Read one YAML document: no equal keys, no aliases, no tags, scalars as in JSON.

    Raises
    ------
    PolicyError
        If `body` is anything else.
    """
    try:
        _bounded(body)
        return yaml.load(body.decode("utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise PolicyError(where, "a YAML document", _first_line(error)) from error


def read_time(text: str) -> datetime:
    """Read an RFC 3339 time; one without a zone is a ValueError."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return time


def _bounded(body: bytes) -> None:
    if len(body) > MAX_DOCUMENT:
        raise ValueError(f"{len(body)} bytes; {MAX_DOCUMENT} are allowed")


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} twice")
    return found


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name}, which is not a number")


def _finite_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text}, which is too large for a number")
    return number


def _first_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    text = getattr(error, "problem", None) or str(error) or type(error).__name__
    return f"{text.splitlines()[0]}{place}"


class _Loader(yaml.SafeLoader):
    """A SafeLoader without implicit YAML 1.1 scalars, aliases and equal keys."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own shape

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "an alias, which is not allowed", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        pairs = [(self.construct_object(key, deep=True), key) for key, _ in node.value]
        seen: set[str] = set()
        for name, key in pairs:
            if not isinstance(name, str) or name in seen:
                problem = (
                    f"the key {name!r} twice" if name in seen else f"the key {name!r}, not text"
                )
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


_JSON_NUMBER = r"-?(?:0|[1-9][0-9]*)"
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|false)$", "tf"),
    ("null", r"^(?:null|~|)$", ["n", "~", ""]),
    ("int", rf"^{_JSON_NUMBER}$", "-0123456789"),
    ("float", rf"^{_JSON_NUMBER}(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)$", "-0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))
