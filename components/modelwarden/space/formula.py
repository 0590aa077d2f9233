"""What has to hold between columns, as people write it down; read, and never evaluated."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from modelwarden.space.points import LARGEST

_NAME = r"(?:[^\W\d]\w*|`[^`]+`)"
_TERM = re.compile(
    rf"\s*(?P<sign>[+-])?\s*(?:(?P<number>\d+(?:\.\d+)?)(?:\s*\*\s*(?P<times>{_NAME}))?"
    rf"|(?P<name>{_NAME}))\s*"
)
_UNQUOTED = r"(?=(?:[^`]*`[^`]*`)*[^`]*$)"  # an even number of backticks follows
_COMPARISON, _EQUALS = (re.compile(form + _UNQUOTED) for form in ("(<=|>=|==)", "(=)"))


@dataclass(frozen=True)
class Formula:
    """A relation or repair: ``sum of weight * column + constant`` is at most 0, or is 0.

    Parameters
    ----------
    weights : mapping of str to float
        By column, none of them 0.
    constant : float
    equal : bool
        Whether it has to be 0.
    target : str
        The column that is computed; "" where nothing is.
    text : str
        As it was written.
    """

    weights: Mapping[str, float]
    constant: float
    equal: bool
    target: str
    text: str


def relation(text: str) -> Formula:
    """Read what has to hold: sums of columns on both sides of ``<=``, ``>=`` or ``==``.

    Raises
    ------
    ValueError
        If it is anything else, or says nothing about any column.
    """
    left, op, right = _sides(text, _COMPARISON, "a <= b, a >= b or a == b")
    weights, constant = _difference(left, right) if op != ">=" else _difference(right, left)
    if not weights:
        raise ValueError(f"{text!r} says nothing about any column")
    return Formula(weights, constant, op == "==", "", text)


def repair(text: str) -> Formula:
    """Read what is computed: one column, ``=``, and a sum of others.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    target, _, right = _sides(text, _EQUALS, "column = expression")
    made, constant = _expression(target)
    if len(made) != 1 or constant or set(made.values()) != {1.0}:
        raise ValueError(f"{text!r}: one column to the left of =")
    (name,) = made
    if name in _expression(right)[0]:
        raise ValueError(f"{text!r}: {name!r} on one side only")
    weights, constant = _difference(target, right)
    return Formula(weights, constant, True, name, text)


def _sides(text: str, between: "re.Pattern[str]", form: str) -> tuple[str, str, str]:
    parts = between.split(text)
    if len(parts) != 3:
        raise ValueError(f"{text!r}: write {form}")
    return parts[0], parts[1], parts[2]


def _difference(left: str, right: str) -> tuple[dict[str, float], float]:
    weights, constant = _expression(left)
    others, other = _expression(right)
    for name, weight in others.items():
        weights[name] = weights.get(name, 0.0) - weight
    return {name: weight for name, weight in weights.items() if weight}, constant - other


def _expression(text: str) -> tuple[dict[str, float], float]:
    """Read a sum of columns, numbers, and columns times numbers; nothing is ever evaluated."""
    weights: dict[str, float] = {}
    constant, place = 0.0, 0
    while place < len(text) or not place:
        term = _TERM.match(text, place)
        if term is None:
            raise ValueError(f"{text.strip()!r}: write sums such as 2 * a + b - 3")
        if place and not term["sign"]:
            raise ValueError(f"{text.strip()!r}: + or - between terms")
        factor = float(term["number"] or 1.0) * (-1.0 if term["sign"] == "-" else 1.0)
        if abs(factor) > LARGEST:
            raise ValueError(f"{term['number'][:10]}...: too large for a number")
        name = (term["times"] or term["name"] or "").strip("`")
        if name:
            weights[name] = weights.get(name, 0.0) + factor
        else:
            constant += factor
        place = term.end()
    return weights, constant
