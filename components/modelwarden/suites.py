"""Great Expectations suites as data: read without Great Expectations, and never executed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwarden.documents import read_json
from modelwarden.errors import InputError
from modelwarden.report import Json

if TYPE_CHECKING:  # the store brings boto3, which reading a suite does not need
    from modelwarden.store import File

# Great Expectations hands these on to interpreters: a suite must not be a program
_PROGRAMS = {
    "row_condition": "pandas would execute it",
    "condition_parser": "pandas would execute its row_condition",
    "json_schema": "its references may be fetched from the network",
}


@dataclass(frozen=True)
class Expectation:
    """One entry of a suite.

    Parameters
    ----------
    kind : str
        Its type, such as ``expect_column_values_to_be_between``; not checked.
    kwargs : mapping of str to JSON
        What it is told; not checked, but free of what would be executed.
    where : str
        The suite's URI and the entry's number, for errors.
    """

    kind: str
    kwargs: Mapping[str, Json]
    where: str


def read_suite(suite: "File") -> list[Expectation]:
    """Return the expectations of a suite as Great Expectations 1.x writes it, in JSON.

    Raises
    ------
    InputError
        If it is none, has no expectations, or one with what would be executed.
    """
    document = read_json(suite.path.read_bytes(), suite.uri, InputError)
    entries = document.get("expectations") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not entries:
        fix = "save a suite with Great Expectations 1.x"
        raise InputError(suite.uri, "a suite with expectations", "none", fix)
    return [_expectation(e, f"{suite.uri}, expectation {i}") for i, e in enumerate(entries, 1)]


def _expectation(entry: Json, where: str) -> Expectation:
    kind, values = (entry.get("type"), entry.get("kwargs")) if isinstance(entry, dict) else ("", "")
    if not isinstance(kind, str) or not isinstance(values, dict):
        raise InputError(where, "a type and kwargs", "something else", "see the suites of GX 1.x")
    for name in sorted(_PROGRAMS.keys() & values):
        raise InputError(f"{where} ({kind})", f"no {name}", f"one; {_PROGRAMS[name]}", "drop it")
    return Expectation(kind, values, where)
