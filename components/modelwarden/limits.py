"""Query budgets: how much of a model one client may see before its copy is too good."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from modelwarden.documents import read_json
from modelwarden.errors import InputError
from modelwarden.report import Json, canonical, finite

OUTPUTS = ("labels", "probabilities")
"""What an endpoint answers with."""


@dataclass(frozen=True)
class Budget:
    """The most queries that one client may put in a period.

    Parameters
    ----------
    model : str
        SHA-256 of the model that it was measured on.
    queries : int
        Rows that a client may ask about in all, per period; 0 when no number of queries is safe.
    days : int
        Length of the period.
    outputs : {"labels", "probabilities"}
        What a query is answered with.
    fidelity : float
        Share of predictions in which a thief's copy may agree with the model; the best copy that
        was made with `queries` queries stays below.
    unaided : float
        The same share for a copy made without a single query, from public labelled rows; NaN is not
        allowed, -1 where it was not measured.
    """

    model: str
    queries: int
    days: int
    outputs: str
    fidelity: float
    unaided: float

    def as_bytes(self) -> bytes:
        """Return the budget as a JSON document; `read` undoes it."""
        return canonical({"version": 1, **asdict(self)})

    @classmethod
    def read(cls, body: bytes, where: str) -> "Budget":
        """Read a budget, strictly.

        Raises
        ------
        InputError
            If `body` is anything else, or a value is out of its range.
        """
        document = read_json(body, where, InputError)
        expected = {"version", *(field.name for field in fields(cls))}
        if not isinstance(document, Mapping) or set(document) != expected:
            got = sorted(document) if isinstance(document, Mapping) else type(document).__name__
            way_out = "give the table `budget` that the check extraction wrote"
            raise InputError(where, f"a budget with {sorted(expected)}", f"{got}", way_out)
        values = dict(document)
        if values.pop("version") != 1:
            raise InputError(where, "version 1", repr(document["version"]), "update modelwarden")
        for name, expected_value, holds in _RULES:
            if not holds(values[name]):
                raise InputError(f"{where}, {name}", expected_value, repr(values[name])[:100])
        return cls(**values)


def _whole(value: Json, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= 10**12


def _share(value: Json, low: float) -> bool:
    number = finite(value)
    return number is not None and low <= number <= 1


def _digest(value: Json) -> bool:
    return isinstance(value, str) and len(value) == 64 and not set(value) - set("0123456789abcdef")


_RULES: tuple[tuple[str, str, Any], ...] = (
    ("model", "a SHA-256 in hex", _digest),
    ("queries", "a whole number from 0", lambda value: _whole(value, 0)),
    ("days", "a whole number from 1", lambda value: _whole(value, 1)),
    ("outputs", f"one of {', '.join(OUTPUTS)}", lambda value: value in OUTPUTS),
    ("fidelity", "a share from 0 to 1", lambda value: _share(value, 0)),
    ("unaided", "a share from 0 to 1, or -1", lambda value: value == -1 or _share(value, 0)),
)
