"""Logs with named columns, CSV and Parquet: which column means what."""

from collections.abc import Mapping, Sequence

from modelwarden.logs.database import identifier
from modelwarden.logs.formats import COLUMNS, NOTHING, epoch, moment

NAMES: Mapping[str, tuple[str, ...]] = {
    "time": ("time", "timestamp", "ts", "datetime", "event_time", "@timestamp", "start_time"),
    "client": ("client", "client_id", "api_key", "user", "user_id", "account", "ip"),
    "address": ("address", "ip", "client_ip", "remote_addr", "source_ip"),
    "status": ("status", "status_code", "response_code"),
    "queries": ("queries",),
    "label": ("label", "prediction", "predicted"),
}
"""Names of columns in any case, the preferred first; all others hold features."""


def roles(names: Sequence[str], client: str) -> dict[str, str]:
    """Return which column plays which role; {} where nothing tells the time."""
    lower = {name.lower(): name for name in reversed(names)}
    found = {
        role: next((lower[alias] for alias in aliases if alias in lower), "")
        for role, aliases in NAMES.items()
    }
    if client:
        found["client"] = client if client in names else ""
    return {role: name for role, name in found.items() if name} if found["time"] else {}


def select(source: str, columns: Mapping[str, str], client: str) -> str:
    """Return the SELECT for a relation whose `columns` have these DuckDB types."""
    names = list(columns)
    played = roles(names, client)
    if not played:
        return f"{NOTHING} FROM {source}"
    features = [name for name in names if name not in played.values()]
    quoted = {role: f"{source}.{identifier(name)}" for role, name in played.items()}
    chosen = {
        "time": _time(quoted["time"], columns[played["time"]]),
        "client": f"{quoted.get('client', 'NULL')}::VARCHAR",
        "address": f"{quoted.get('address', 'NULL')}::VARCHAR",
        "status": f"try_cast({quoted.get('status', 'NULL')} AS INTEGER)",
        "queries": _queries(quoted.get("queries", "")),
        "label": f"left({quoted.get('label', 'NULL')}::VARCHAR, 64)",
        "features": _features(source, features),
    }
    picked = ", ".join(f"{chosen[name]} AS {name}" for name in COLUMNS)
    return f"SELECT {picked} FROM {source}"


def _queries(column: str) -> str:
    # no claim takes a query back: at least one, whatever the log says
    return f"greatest(1, try_cast({column} AS BIGINT))" if column else "1::BIGINT"


def _time(column: str, kind: str) -> str:
    if kind.startswith(("TIMESTAMP", "DATE")):
        return f"try_cast({column} AS TIMESTAMP)"
    if kind == "VARCHAR":
        return f"coalesce({moment(column)}, {epoch(column)})"
    return epoch(column)


def _features(source: str, names: Sequence[str]) -> str:
    if not names:
        return "NULL::VARCHAR"
    packed = ", ".join(f"{identifier(name)} := {source}.{identifier(name)}" for name in names)
    return f"to_json(struct_pack({packed}))::VARCHAR"
