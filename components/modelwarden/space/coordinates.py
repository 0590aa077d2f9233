"""From a table and what people wrote down to coordinates and relations between them."""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from modelwarden.errors import InputError
from modelwarden.space.columns import (
    LARGEST_INTEGER,
    Choice,
    Column,
    Coordinate,
    is_number,
)
from modelwarden.space.formula import Formula
from modelwarden.space.points import LARGEST
from modelwarden.space.relation import ROUNDING, Relation
from modelwarden.space.rules import ColumnRule, Image, Rules

MAX_VALUES = 10_000
"""Different categories of one movable column."""


def coordinates(
    frame: pd.DataFrame, rules: Rules, where: str
) -> tuple[dict[str, Coordinate], dict[str, str]]:
    """Return what may move, sorted by name, and why other columns may not.

    Columns that may not are coordinates all the same where a relation speaks about them.

    Raises
    ------
    InputError
        If the rules name columns that are not there, or ask of a column what it cannot do.
    """
    names = [str(name) for name in frame.columns]
    _check_names(rules, names, where)
    found: dict[str, Coordinate] = {}
    fixed: dict[str, str] = {}
    usual = _pixel_rule(frame, rules.image, where)
    for group, members in rules.one_hot.items():
        found[group] = _one_hot(frame, group, members, where)
    grouped = {name for members in rules.one_hot.values() for name in members}
    for name in (name for name in names if name not in grouped):
        rule, place = rules.columns.get(name, usual), f"{where}, column {name!r}"
        known = _why_fixed(name, rules) or _coordinate(frame[name], rule, place)
        if isinstance(known, str):
            fixed[name] = known
        else:
            found[name] = known
    for formula in rules.formulas():
        for name in fixed.keys() & formula.weights:
            found[name] = _spoken_of(frame[name], f"{where}, {formula.text!r}")
    return dict(sorted(found.items())), fixed


def _why_fixed(name: str, rules: Rules) -> str:
    """Return why the rules keep a column as it is; "" where they do not."""
    if name in rules.fixed:
        return "fixed by the space file"
    left_out = rules.others == "fixed" and name not in rules.columns
    return "not named in the space file" if left_out else ""


def relation(formula: Formula, columns: Mapping[str, Coordinate], where: str) -> Relation:
    """Return a formula over coordinates.

    Raises
    ------
    InputError
        If it speaks about columns that hold no numbers, or computes one that cannot move.
    """
    names, weights, rounding = [*columns], np.zeros(len(columns)), ROUNDING
    for name, weight in formula.weights.items():
        known = columns.get(name)
        if not isinstance(known, Column):
            got = f"{name!r}, which holds none"
            raise InputError(f"{where}, {formula.text!r}", "columns of numbers", got)
        weights[names.index(name)] = weight
        if known.dtype.kind == "f":
            rounding = max(rounding, 4 * float(np.finfo(known.dtype).eps))
    target = columns.get(formula.target)
    if isinstance(target, Column) and target.is_still:
        got, fix = f"{formula.target!r}, which is fixed", "name it under columns with bounds"
        raise InputError(f"{where}, {formula.text!r}", "a column that can move", got, fix)
    place = names.index(formula.target) if formula.target else -1
    return Relation(weights, formula.constant, formula.equal, place, rounding)


def _check_names(rules: Rules, columns: Sequence[str], where: str) -> None:
    for name in sorted(rules.named - {*columns}):
        near = difflib.get_close_matches(name, columns, 1)
        fix = f"did you mean {near[0]!r}?" if near else "correct the space file"
        raise InputError(where, "columns of the table", repr(name), fix)


def _coordinate(column: "pd.Series[Any]", rule: ColumnRule | None, where: str) -> Coordinate | str:
    """Return a column as a coordinate; where it can never move, say why."""
    if rule is None:
        return Column.of(column)
    if is_number(column) is not (rule.values is None):
        of = "numbers" if rule.values is not None else "text, categories or truth values"
        expected, got = ("bounds", "values") if is_number(column) else ("values", "bounds")
        raise InputError(where, f"{expected} for a column of {of}", got)
    if rule.values is not None:
        return _choice(column, rule.values, rule.cost or 0.0, where)
    if rule.step and column.dtype.kind in "iu" and rule.step != np.rint(rule.step):
        raise InputError(where, "whole steps for a column of integers", f"{rule.step:g}")
    return Column.of(column, rule)


def _one_hot(frame: pd.DataFrame, name: str, names: Sequence[str], where: str) -> Choice:
    """Return a group of columns of 0 and 1 as one coordinate."""
    if name in frame.columns:
        raise InputError(where, "a name of its own for a one-hot group", repr(name))
    choice = Choice(tuple(names), tuple(range(len(names))), len(names), 0.0, one_hot=True)
    are_numbers = all(is_number(frame[n]) or frame[n].dtype == bool for n in names)
    wrong = int(np.isnan(choice.encode(frame, name)).sum()) if are_numbers else len(frame)
    if wrong:
        expected = "columns of 0 and 1, one of them 1 in each row"
        raise InputError(f"{where}, group {name!r}", expected, f"others in {wrong} rows")
    return choice


def _choice(
    column: "pd.Series[Any]", allowed: Sequence[Any], cost: float, where: str
) -> Choice | str:
    own = [value for value in column.drop_duplicates().tolist() if not pd.isna(value)]
    if not own:
        return "no value in it"
    kinds = {type(value) for value in own}
    for value, count in Counter(allowed).items():
        if type(value) not in kinds or count > 1:
            raise InputError(where, "different values of the column's type", repr(value))
        if isinstance(column.dtype, pd.CategoricalDtype) and value not in column.cat.categories:
            raise InputError(where, "categories of the column", repr(value))
    known = (*allowed, *sorted({*own} - {*allowed}, key=repr))
    if len(known) > MAX_VALUES:
        raise InputError(where, f"{MAX_VALUES} values at most", str(len(known)))
    return Choice((str(column.name),), known, len(allowed), cost, one_hot=False)


def _spoken_of(column: "pd.Series[Any]", where: str) -> Column:
    """Return a column that never moves, for a relation that speaks about it."""
    if not is_number(column):
        raise InputError(where, "columns of numbers", f"{column.name!r}, which holds none")
    numbers = column.to_numpy(dtype=np.float64)
    largest = np.abs(numbers[np.isfinite(numbers)]).max(initial=0.0)
    if largest > (LARGEST if column.dtype.kind == "f" else LARGEST_INTEGER):
        raise InputError(where, f"numbers up to {LARGEST:g}, integers up to 2^53", f"{largest:g}")
    return Column.still(column)


def _pixel_rule(frame: pd.DataFrame, image: Image | None, where: str) -> ColumnRule | None:
    """Return what may happen to a pixel: all share one range, which is one unit of distance."""
    if image is None:
        return None
    size = image.height * image.width * image.channels
    if size != frame.shape[1]:
        got = f"{frame.shape[1]} feature columns"
        raise InputError(where, f"{size} columns, the pixels of the image", got)
    for name, column in frame.items():
        if not is_number(column):
            raise InputError(f"{where}, column {name!r}", "a pixel", f"type {column.dtype}")
    numbers = frame.to_numpy(dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    least, most = float(numbers.min(initial=np.inf)), float(numbers.max(initial=-np.inf))
    if not 1 / LARGEST <= most - least <= LARGEST:
        raise InputError(where, "pixels of different brightness", "an image of one value")
    step = None if image.levels is None else (most - least) / (image.levels - 1)
    return ColumnRule(least=least, most=most, scale=most - least, step=step)
