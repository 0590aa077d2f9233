"""Formats of query logs: how to tell them, and one SELECT each into the canonical columns.

The statements read a relation with one column, ``line``, which nobody trusts: a value is cast only
where it can be, and a line that is something else gets no time.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from modelwarden.logs.database import literal
from modelwarden.report import Json

COLUMNS = ("time", "client", "address", "status", "queries", "label", "features")
"""The canonical columns; ``time`` is null for what could not be read, ``queries`` 0 for lines that
are no queries, such as responses."""

LABEL_LENGTH = 64
MOST_QUERIES = 10**9  # that one line may claim


@dataclass(frozen=True)
class Format:
    """A format of text logs.

    Parameters
    ----------
    recognises : callable
        Whether a line, and the same as JSON (None if it is none), looks like it.
    select : callable
        The SELECT, given the relation and what names the client; "" for what the format has by
        itself.
    tells : tuple of str
        Columns that it fills, besides time and client.
    """

    recognises: Callable[[str, Json], bool]
    select: Callable[[str, str], str]
    tells: tuple[str, ...]


def recognise(lines: list[str], known: "Mapping[str, Format]") -> str:
    """Return the one of the `known` formats that most `lines` are in, "" for none."""
    votes = [name for line in lines if (name := _format_of(line, known))]
    return max(sorted(set(votes)), key=votes.count) if votes else ""


def _format_of(line: str, known: "Mapping[str, Format]") -> str:
    document = None
    if line.lstrip().startswith("{"):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            return ""
    return next((n for n, f in known.items() if f.recognises(line, document)), "")


def pointers(client: str) -> list[str]:
    """Return where a JSON line may hold `client`: a key, or keys joined by dots; its first value.

    ``metadata.x-key`` is looked for as a key of that name, then as ``x-key`` in ``metadata``; where
    that is a list, as Kubernetes writes headers, its first entry counts.
    """
    escaped = client.replace("~", "~0").replace("/", "~1")
    places = [f"/{escaped}", "/" + escaped.replace(".", "/")]
    return [f"{place}/0" for place in places] + places


def _json(source: str, paths: list[str], client: str, columns: Mapping[str, str]) -> str:
    """Return a SELECT over JSON lines, in which v[i] is the text at the i-th path."""
    asked = [*paths, *(pointers(client) if client else [])]
    listed = ", ".join(literal(path) for path in asked)
    named = ", ".join(f"v[{i}]" for i in range(len(paths) + 1, len(asked) + 1))
    chosen = {**columns, **({"client": f"coalesce({named})"} if client else {})}
    picked = ", ".join(f"{chosen.get(name, _EMPTY[name])} AS {name}" for name in COLUMNS)
    valid = f"SELECT CASE WHEN json_valid(line) THEN line END AS line FROM {source}"
    values = f"SELECT line, json_extract_string(line, [{listed}]) AS v FROM ({valid})"
    return f"SELECT {picked} FROM ({values})"


_EMPTY = {
    "time": "NULL::TIMESTAMP",
    "client": "NULL::VARCHAR",
    "address": "NULL::VARCHAR",
    "status": "NULL::INTEGER",
    "queries": "1::BIGINT",
    "label": "NULL::VARCHAR",
    "features": "NULL::VARCHAR",
}
NOTHING = "SELECT " + ", ".join(f"{value} AS {name}" for name, value in _EMPTY.items())
"""The SELECT for what nobody can read."""


def moment(value: str) -> str:
    """Return an expression for an ISO time of text; without a zone it is UTC."""
    return f"try_cast({value} AS TIMESTAMPTZ)::TIMESTAMP"


def epoch(value: str) -> str:
    """Return an expression for seconds, milli- or microseconds since 1970, told by their size."""
    number = f"try_cast({value} AS DOUBLE)"
    return (
        f"CASE WHEN {number} BETWEEN 0 AND 4e15 THEN make_timestamp(CAST({number} * CASE "
        f"WHEN {number} >= 1e14 THEN 1 WHEN {number} >= 1e11 THEN 1000 ELSE 1000000 END AS BIGINT))"
        " END"
    )


def clf(value: str) -> str:
    """Return an expression for a time as web servers write it, ``10/Oct/2026:13:55:36 +0000``."""
    return f"try_strptime({value}, '%d/%b/%Y:%H:%M:%S %z')::TIMESTAMP"


def _host(value: str) -> str:
    """Return an expression for an address without its port: ``10.0.0.1:80``, ``[::1]:80``."""
    return rf"regexp_replace({value}, '^\[?([^\]]*?)\]?(:\d+)?$', '\1')"


def _kserve(source: str, client: str) -> str:
    instances = "json_array_length(line, '/data/instances')"
    shape = "try_cast(v[4] AS BIGINT)"
    asked = f"least(greatest(1, {instances}, {shape}), {MOST_QUERIES})"
    return _json(
        source,
        ["/time", "/type", "/data", "/data/inputs/0/shape/0", "/client", "/clientid"],
        client,
        {
            "time": moment("v[1]"),
            "client": "coalesce(v[5], v[6])",
            "queries": f"(CASE WHEN v[2] LIKE '%.response' THEN 0 ELSE {asked} END)::BIGINT",
            "features": "CASE WHEN v[2] NOT LIKE '%.response' THEN v[3] END",
        },
    )


def _sagemaker(source: str, client: str) -> str:
    lines = r"len(list_filter(string_split(v[2], chr(10)), lambda x: trim(x) <> ''))"
    instances = "json_array_length(v[2], '/instances')"
    asked = f"CASE WHEN json_valid(v[2]) THEN {instances} ELSE {lines} END"
    claimed = f"greatest(1, {asked})"
    answer = f"CASE WHEN length(v[6]) <= {LABEL_LENGTH} THEN trim(v[6]) END"
    return _json(
        source,
        [
            "/eventMetadata/inferenceTime",
            "/captureData/endpointInput/data",
            "/captureData/endpointInput/encoding",
            "/eventMetadata/customAttributes/0",
            "/eventMetadata/customAttributes",
            "/captureData/endpointOutput/data",
        ],
        client,
        {
            "time": moment("v[1]"),
            "client": "coalesce(v[4], v[5])",
            "queries": f"(CASE WHEN v[3] = 'BASE64' THEN 1 ELSE {claimed} END)::BIGINT",
            "label": answer,
            "features": "CASE WHEN v[3] IS DISTINCT FROM 'BASE64' THEN v[2] END",
        },
    )


def _envoy(source: str, client: str) -> str:
    host = _host("v[2]")
    return _json(
        source,
        ["/start_time", "/downstream_remote_address", "/response_code"],
        client,
        {
            "time": moment("v[1]"),
            "client": host,
            "address": host,
            "status": "try_cast(v[3] AS INTEGER)",
        },
    )


def _api_gateway(source: str, client: str) -> str:
    key = "coalesce(nullif(v[3], '-'), nullif(v[4], '-'), v[5])"
    return _json(
        source,
        ["/requestTime", "/requestTimeEpoch", "/apiKeyId", "/apiKey", "/ip", "/status"],
        client,
        {
            "time": f"coalesce({clf('v[1]')}, {epoch('v[2]')})",
            "client": key,
            "address": "v[5]",
            "status": "try_cast(v[6] AS INTEGER)",
        },
    )


_NGINX = r'^(\S+) \S+ (\S+) \[([^\]]+)\] "(?:[^"\\]|\\.)*" (\d{3}) '


def _nginx(source: str, client: str) -> str:
    named = "v.remote_user" if client == "remote_user" else "v.remote_addr"
    fields = "['remote_addr', 'remote_user', 'time_local', 'status']"
    return f"""
        SELECT {clf("v.time_local")} AS time, nullif({named}, '-') AS client,
            v.remote_addr AS address, try_cast(v.status AS INTEGER) AS status,
            1::BIGINT AS queries, NULL::VARCHAR AS label, NULL::VARCHAR AS features
        FROM (SELECT regexp_extract(line, {literal(_NGINX)}, {fields}) AS v FROM {source})"""


def _has(*keys: str) -> Callable[[str, Json], bool]:
    def recognises(_: str, document: Json) -> bool:
        return isinstance(document, dict) and all(key in document for key in keys)

    return recognises


def _is_api_gateway(_: str, document: Json) -> bool:
    known = isinstance(document, dict) and "requestId" in document
    return known and ("requestTime" in document or "requestTimeEpoch" in document)


_ASKED = ("queries", "label", "features")
_SERVED = ("address", "status")

FORMATS: Mapping[str, Format] = {
    "kserve": Format(_has("specversion", "type", "time"), _kserve, _ASKED),
    "sagemaker": Format(_has("captureData", "eventMetadata"), _sagemaker, _ASKED),
    "envoy": Format(_has("start_time", "response_code"), _envoy, _SERVED),
    "apigateway": Format(_is_api_gateway, _api_gateway, _SERVED),
    "nginx": Format(lambda line, _: re.match(_NGINX, line) is not None, _nginx, _SERVED),
}
"""Text logs by name; CSV and Parquet are told by their columns, in ``modelwarden.logs.columns``."""
