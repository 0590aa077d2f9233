"""What a suite of expectations says about the values of columns."""

import difflib
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from modelwarden.errors import InputError
from modelwarden.report import Json, finite
from modelwarden.suites import Expectation

_ENDS = {  # by expectation, which ends of its range bound every value
    "expect_column_values_to_be_between": ("min_value", "max_value"),
    "expect_column_min_to_be_between": ("min_value",),
    "expect_column_max_to_be_between": ("max_value",),
}
_SET = "expect_column_values_to_be_in_set"


@dataclass(frozen=True)
class Limits:
    """What a column may hold.

    Parameters
    ----------
    least, most : float
        Bounds, infinite where there are none.
    open_least, open_most : bool
        Whether the bound itself is out of bounds.
    values : tuple or None
        The only values, where they are listed.
    """

    least: float = -math.inf
    most: float = math.inf
    open_least: bool = False
    open_most: bool = False
    values: tuple[Json, ...] | None = None


def limits(
    expectations: Iterable[Expectation], numbers: Collection[str], others: Collection[str]
) -> dict[str, Limits]:
    """Return what expectations say about columns; of several bounds the narrowest.

    An expectation that need not hold for all rows (``mostly``) says nothing, and neither does a
    range of what are no numbers.

    Parameters
    ----------
    expectations : iterable of Expectation
    numbers, others : collection of str
        The table's columns, by whether they hold numbers.

    Raises
    ------
    InputError
        If a column is not there, a bound is not a number, or no value is left.
    """
    found: dict[str, Limits] = {}
    for entry in expectations:
        if entry.kind != _SET and entry.kind not in _ENDS:
            continue
        name = _column(entry, {*numbers, *others})
        mostly = entry.kwargs.get("mostly")
        if mostly is not None and finite(mostly) != 1:
            continue
        known = found.get(name, Limits())
        if entry.kind == _SET:
            found[name] = _within_set(known, entry)
        elif name in numbers:
            found[name] = _within_range(known, entry)
    return found


def _column(entry: Expectation, known: Collection[str]) -> str:
    name = entry.kwargs.get("column")
    if isinstance(name, str) and name in known:
        return name
    near = difflib.get_close_matches(str(name), known, 1)
    fix = f"did you mean {near[0]!r}?" if near else "use the suite of this table"
    raise InputError(f"{entry.where} ({entry.kind})", "a column of the table", repr(name), fix)


def _within_set(known: Limits, entry: Expectation) -> Limits:
    values = entry.kwargs.get("value_set")
    if not isinstance(values, list) or not values:
        raise InputError(f"{entry.where} ({entry.kind})", "a list as value_set", repr(values)[:60])
    left = [v for v in (values if known.values is None else known.values) if v in values]
    if not left:
        raise InputError(f"{entry.where} ({entry.kind})", "a value that other sets hold", "none")
    return replace(known, values=tuple(left))


def _within_range(known: Limits, entry: Expectation) -> Limits:
    ends = {end: _bound(entry, end) for end in _ENDS[entry.kind]}
    least, most = ends.get("min_value", -math.inf), ends.get("max_value", math.inf)
    if least > known.least or (least == known.least and entry.kwargs.get("strict_min")):
        known = replace(known, least=least, open_least=bool(entry.kwargs.get("strict_min")))
    if most < known.most or (most == known.most and entry.kwargs.get("strict_max")):
        known = replace(known, most=most, open_most=bool(entry.kwargs.get("strict_max")))
    if known.least > known.most:
        got = f"{known.least:g} to {known.most:g}, with the others of the column"
        raise InputError(f"{entry.where} ({entry.kind})", "a range with values in it", got)
    return known


def _bound(entry: Expectation, end: str) -> float:
    """Return one end of a range; infinite where it is left out."""
    given = entry.kwargs.get(end)
    if given is None:
        return -math.inf if end == "min_value" else math.inf
    number = finite(given)
    if number is None:
        raise InputError(f"{entry.where} ({entry.kind})", f"a number as {end}", repr(given)[:60])
    return number
