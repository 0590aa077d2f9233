"""What is measured of models of numbers: a record for a data set and a model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from robustness_attacks import (
    Attacked,
    art_hop_skip_jump,
    art_pixel,
    foolbox_hop_skip_jump,
    one_of_the_pixels,
    smallest_change,
)
from robustness_data import Target, target

from modelwarden.space.points import Floats, Mask

Record = dict[str, Any]

BATCH = 50
"""Rows that ours and Foolbox attack at once."""
RIVAL_ROWS, ROUNDS = 20, 3
"""Rows that ART attacks, where there is time; ours runs once after each third of them."""
ART_QUERIES = 24_450
"""What ART's HopSkipJump asks about per row, where it found no start to count by."""
PORTFOLIOS = (4600, 1000)
"""Queries of the portfolio: with confirmations a quarter of ART's, and the check's default."""
SIDES = {"digits": 8, "digits28": 28}
PIXEL_ROWS = {"digits": 100, "digits28": 30}


def distances(data: str, name: str, cap: float) -> Record:
    """Compare the smallest changes found, on the rows that ART attacks in its CPU seconds."""
    whole = target(data, name, BATCH)
    art: list[Attacked] = []
    ours: dict[str, list[Attacked]] = {}
    queries = 0
    for part in np.array_split(np.arange(min(RIVAL_ROWS, len(whole.x))), ROUNDS):
        for row in part.tolist():
            if sum(one.seconds for one in art) < cap:
                art.append(art_hop_skip_jump(whole, row))
        counted = [one.queries for one in art if one.broken.all()]
        queries = queries or int(np.mean(counted or [ART_QUERIES]))
        for kind, budget in (("HopSkipJump", queries), *(("portfolio", n) for n in PORTFOLIOS)):
            key = f"{kind} {budget}" if kind == "portfolio" else kind
            ours.setdefault(key, []).append(smallest_change(whole, kind, budget))
    foolbox = foolbox_hop_skip_jump(whole, cap / 3)
    return {
        "rows": len(whole.x),
        "budget": queries,
        "art": {
            "seconds": [one.seconds for one in art],
            "distances": [float(one.distances(whole.row(row))[0]) for row, one in enumerate(art)],
            "queries": [one.queries for one in art],
            "calls": [one.calls for one in art],
        },
        "ours": {key: repeated(runs, whole) for key, runs in ours.items()},
        "foolbox": None if foolbox is None else repeated([foolbox], whole),
    }


def repeated(runs: Sequence[Attacked], target: Target) -> Record:
    """Return what the same attack did several times: the median of its CPU seconds, per row."""
    first = runs[0]
    same = all(np.array_equal(run.values, first.values) for run in runs)
    return {
        "seconds": float(np.median([run.seconds for run in runs])) / len(target.x),
        "distances": first.distances(target).tolist(),
        "queries": first.queries,
        "calls": first.calls,
        "same": same,
    }


def pixels(data: str, name: str, cap: float) -> Record:
    """Compare one-pixel attacks with each other, and with every pixel and level tried."""
    whole, side = target(data, name, PIXEL_ROWS[data]), SIDES[data]
    art: list[Attacked] = []
    ours: list[Attacked] = []
    for part in np.array_split(np.arange(min(RIVAL_ROWS, len(whole.x))), ROUNDS):
        for row in part.tolist():
            if sum(one.seconds for one in art) < cap:
                art.append(art_pixel(whole, row, side))
        attacked, coverage = one_of_the_pixels(whole)
        ours.append(attacked)
    changed = [(one.values != whole.x).sum(axis=1).max() for one in ours]
    return {
        "rows": len(whole.x),
        "coverage": coverage,
        "art": {
            "seconds": [one.seconds for one in art],
            "broken": bits(np.array([one.broken[0] for one in art])),
            "queries": [one.queries for one in art],
        },
        "ours": repeated(ours, whole) | {"broken": bits(ours[0].broken)},
        "changed": int(max(changed)),
        "brute": bits(_brute(whole)),
    }


def _brute(target: Target) -> Mask:
    """Tell which rows some level of some pixel breaks; written apart from the attack."""
    levels = np.arange(17) / 16
    broken = np.zeros(len(target.x), dtype=bool)
    for row, (x, truth) in enumerate(zip(target.x, target.truth, strict=True)):
        cube: Floats = np.tile(x, (len(x), len(levels), 1))
        for pixel in range(len(x)):
            cube[pixel, :, pixel] = levels
        broken[row] = (target.model.predict(cube.reshape(-1, len(x))) != truth).any()
    return broken


def bits(mask: Mask) -> list[int]:
    return np.asarray(mask).astype(int).tolist()
