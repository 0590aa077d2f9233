"""One pixel: how much a single place of a row can do, every value tried where that can be paid."""

from collections.abc import Generator
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from modelwarden.attacks.engine import Answers, Attack
from modelwarden.space.box import Box
from modelwarden.space.points import Candidates, Floats, Positions

MOST = 10_000
"""Candidates per row at most."""
WIDE = 2048
"""Candidates per row and step: wide steps make few calls."""
LEVELS = 16
"""Values per column where it cannot be tried with all that it takes."""
POPULATION = 100
WEIGHT = 0.5
"""How far differential evolution steps along the difference of two members."""

Coverage = Literal["exact", "extremes", "evolution"]


@dataclass(frozen=True)
class OnePixel(Attack):
    """A one-pixel attack, and what it can promise.

    Parameters
    ----------
    queries : int
        Candidates per row that it needs; with fewer it promises nothing.
    coverage : {"exact", "extremes", "evolution"}
        ``exact``: every change of one group is tried that the box allows, so a row that stays
        unbroken cannot be broken. ``extremes``: the ends of each column's range and some values
        between them, or all corners of a pixel's channels. ``evolution``: a search.
    """

    queries: int = 0
    coverage: Coverage = "evolution"


def one_pixel(box: Box, *, seed: int = 0) -> OnePixel:
    """Return an attack that changes one group of columns in each row.

    All groups are tried while groups times levels are at most `MOST`; beyond that differential
    evolution looks for place and value together.

    Parameters
    ----------
    box : Box
        Where rows may move: norm ``l0`` and radius 1, or nothing is exact.
    seed : int, default=0
        Seeds the evolution, whose random numbers all rows share.

    Returns
    -------
    OnePixel

    References
    ----------
    .. [1] Su, Vargas and Sakurai, "One Pixel Attack for Fooling Deep Neural Networks", IEEE TEVC
       2019.
    """
    movable = box.movable.any(axis=0)
    groups = [
        np.flatnonzero((box.group == group) & movable) for group in np.unique(box.group[movable])
    ]
    size = max(map(len, groups), default=1)
    if len(groups) * 2**size > MOST:
        return _evolution(box, groups, seed)
    return _enumeration(box, groups)


def _enumeration(box: Box, groups: list[Positions]) -> OnePixel:
    """Return the attack that tries everything, or as much of it as can be paid."""
    counts = [_count(box, int(columns[0])) for columns in groups]
    is_exact = all(len(columns) == 1 for columns in groups) and box.fewest == 1
    if not is_exact or sum(counts) > MOST:
        is_exact = False
        most = min(LEVELS, MOST // max(1, len(groups)))
        counts = [min(count, most) for count in counts]
    tried = [_shares(len(g), count) for g, count in zip(groups, counts, strict=True)]
    columns = np.repeat(_members(groups), [len(shares) for shares in tried], axis=0)
    shares = np.concatenate([np.empty((0, columns.shape[1])), *_padded(tried, columns.shape[1])])
    order = np.argsort(((shares > 0) & (shares < 1)).any(axis=1), kind="stable")  # the ends first

    def begin(rows: Positions) -> Generator[Candidates, Answers, None]:
        live = rows
        for start in range(0, len(order), WIDE):
            part = order[start : start + WIDE]
            cube = _changed(box, live, columns[part][None], shares[part][None])
            answers = yield Candidates(np.repeat(live, len(part)), cube.reshape(-1, cube.shape[2]))
            live = answers.live

    coverage: Coverage = "exact" if is_exact else "extremes"
    return OnePixel(begin, min(WIDE, len(order)), len(order), coverage)


def _count(box: Box, column: int) -> int:
    """Return how many values a column can take in the row where it can take most."""
    if box.nominal[column]:
        return int(box.codes[column])
    if box.step[column] == 0:
        return MOST + 1
    room = np.nanmax(box.high[:, column] - box.low[:, column])
    return int(np.rint(room / box.step[column])) + 1


def _shares(n_columns: int, count: int) -> Floats:
    """Return where in their range to put the columns of a group, from lowest (0) to highest (1)."""
    if n_columns > 1:
        return np.array(list(product((0.0, 1.0), repeat=n_columns)))
    return np.linspace(0, 1, max(2, count))[:, None]


def _padded(parts: list[Floats], width: int) -> list[Floats]:
    """Repeat the last entry of each line, as :func:`_members` does."""
    return [np.pad(part, ((0, 0), (0, width - part.shape[1])), mode="edge") for part in parts]


def _members(groups: list[Positions]) -> Positions:
    """Return the columns of each group, the last repeated in smaller groups."""
    size = max(map(len, groups), default=1)
    lines = [np.pad(columns, (0, size - len(columns)), mode="edge") for columns in groups]
    return np.array(lines, dtype=np.intp).reshape(-1, size)


def _changed(box: Box, rows: Positions, columns: Positions, shares: Floats) -> Floats:
    """Return rows with one group changed, shape (n_rows, n_changes, n_columns).

    `columns` and `shares` have shape (n_rows or 1, n_changes, n_columns_of_a_group).
    """
    shape = (len(rows), *columns.shape[1:])
    columns, each = np.broadcast_to(columns, shape), rows[:, None, None]
    low, high = box.low[each, columns], box.high[each, columns]
    codes = np.rint(shares * (box.codes[columns] - 1))
    values = np.where(box.nominal[columns], codes, low + shares * (high - low))
    cube = np.repeat(box.origin[rows][:, None], shape[1], axis=1)
    np.put_along_axis(cube, columns, values, axis=2)
    return box.fit(rows, cube)


def _evolution(box: Box, groups: list[Positions], seed: int) -> OnePixel:
    """Return the search for place and value: members are (place, share of each channel)."""
    members = _members(groups)

    def cube_of(rows: Positions, genes: Floats) -> Floats:
        columns = members[(genes[..., 0] * len(members)).astype(np.intp)]
        return _changed(box, rows, columns, genes[..., 1:])

    def begin(rows: Positions) -> Generator[Candidates, Answers, None]:
        random = np.random.default_rng(seed)
        first = random.random((POPULATION, 1 + members.shape[1]))
        genes = np.repeat(first[None], len(rows), axis=0)
        margins = np.full((len(rows), POPULATION), np.inf)
        live, trial = np.arange(len(rows)), genes
        for _ in range(MOST // POPULATION):
            cube = cube_of(rows[live], trial)
            flat = Candidates(np.repeat(rows[live], POPULATION), cube.reshape(-1, cube.shape[2]))
            answers = yield flat
            tried = answers.margins.reshape(-1, POPULATION)
            better = tried <= margins[live]
            genes[live] = np.where(better[..., None], trial, genes[live])
            margins[live] = np.where(better, tried, margins[live])
            live = np.searchsorted(rows, answers.live)
            one, two, three = random.integers(POPULATION, size=(3, POPULATION))
            old = genes[live]
            trial = old[:, one] + WEIGHT * (old[:, two] - old[:, three])
            trial[..., 0] %= 1
            trial = np.clip(trial, 0.0, 1 - 1e-9)  # a place that rounds to 1 would be none

    return OnePixel(begin, POPULATION, MOST // POPULATION * POPULATION, "evolution")
