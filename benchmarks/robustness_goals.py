"""The promises about attacks and proofs, and whether they are kept.

A promise about several models is kept if it is by each. What was not measured is NaN, and NaN keeps
no promise.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from robustness_cells import PORTFOLIOS, Record
from robustness_data import BOOSTED, TREES
from robustness_text import FEWEST

WALK = f"portfolio {PORTFOLIOS[0]}"
"""What is held against ART's HopSkipJump, and against exact minima."""
RECORDED_MS, RECORDED_SUCCESS = 37.8, 0.85
"""DeepWordBug by TextAttack 0.3.11, CPU per document, on a corpus like this one; see README.md."""
SIZE = {"bc": 0.05, "mc": 0.02}
"""At which certificates are judged: the larger timed one that leaves most rows robust."""
EXACT = 0.01
"""Lower and upper bounds this near each other, relative to the upper, are an exact answer."""


@dataclass(frozen=True)
class Goal:
    """A promise, what was measured, and whether it is kept; None for what is only said."""

    promise: str
    measured: str
    met: bool | None


def goals(records: Sequence[Record]) -> list[Goal]:
    """Judge every promise that these records can decide."""
    found = []
    for cell, judge in JUDGES.items():
        some = [record for record in records if record["cell"] == cell]
        if some:
            found += [*judge(some)]
    return found


def of(records: Sequence[Record], *models: str) -> list[Record]:
    """Return the records of some models."""
    return [record for record in records if record["model"] in models]


def _worst(
    promise: str,
    records: Sequence[Record],
    value: Callable[[Record], float],
    limit: float,
    *,
    form: str = "{:.3g}",
    least: bool = False,
) -> Iterator[Goal]:
    """Judge the worst of some cells against a limit: `least` if values have to be above it."""
    if not records:
        return
    values = np.array([value(record) for record in records], dtype=np.float64)
    met = bool((values >= limit).all() if least else (values <= limit).all())
    place = np.argmin(np.nan_to_num(values if least else -values, nan=-np.inf))
    worst, median = (form.format(one) for one in (values[place], np.median(values)))
    about = f"{records[place]['data']} {records[place]['model']}"
    yield Goal(promise, f"{worst} ({about})" + f"; median {median}" * (len(values) > 1), met)


# --- smallest changes -----------------------------------------------------------------------------


def speed(record: Record, key: str) -> float:
    """Return ART's CPU seconds per row over ours; rows without a start cost it next to nothing."""
    art = np.array(record["art"]["seconds"])[np.isfinite(record["art"]["distances"])]
    return float(art.mean() / record["ours"][key]["seconds"]) if len(art) else np.nan


def length(record: Record, key: str) -> float:
    """Return our median distance over ART's, on the rows that ART broke."""
    art = np.array(record["art"]["distances"])
    ours = np.array(record["ours"][key]["distances"])[: len(art)]
    both = np.isfinite(art)
    return float(np.median(ours[both]) / np.median(art[both])) if both.any() else np.nan


def asked(record: Record, key: str) -> float:
    """Return our queries per row over ART's, where it had a start."""
    art = np.array(record["art"]["queries"])[np.isfinite(record["art"]["distances"])]
    return float(record["ours"][key]["queries"] / art.mean()) if len(art) else np.nan


def success(record: Record, key: str) -> float:
    """Return the share of rows that ours broke."""
    return float(np.isfinite(record["ours"][key]["distances"]).mean())


def _distances(records: Sequence[Record]) -> Iterator[Goal]:
    jump, walk = "HopSkipJump", WALK
    for models, limit in ((("LR", "HGB"), 5), (("RF",), 12)):
        promise = f"HopSkipJump at ART's budget, {' and '.join(models)}: >= {limit} x its speed"
        of_jump = of(records, *models)
        yield from _worst(promise, of_jump, lambda r: speed(r, jump), limit, least=True)
    yield from _worst(
        "the same: median L2 over ART's, <= 1", records, lambda r: length(r, jump), 1.0
    )
    yield from _worst(
        "the same: success 100 %", records, lambda r: success(r, jump), 1.0, least=True
    )
    yield from _worst(
        "the same: queries over ART's, <= 1.01", records, lambda r: asked(r, jump), 1.01
    )
    yield from _worst(
        "portfolio: >= 15 x the speed of ART's HopSkipJump",
        records,
        lambda r: speed(r, walk),
        15,
        least=True,
    )
    yield from _worst(
        "the same: queries over ART's, <= 1/4", records, lambda r: asked(r, walk), 0.25
    )
    yield from _worst(
        "the same, trees: median L2 over ART's, <= .75",
        of(records, *TREES),
        lambda r: length(r, walk),
        0.75,
    )


def excess(record: Record, key: str) -> float:
    """Return the median of our distances over the exact ones; NaN if most are not known."""
    lower, upper, ours = (
        np.array(part) for part in (record["lower"], record["upper"], record["ours"][key])
    )
    known = (upper - lower <= EXACT * upper) & np.isfinite(upper) & (upper > 0)
    return float(np.median(ours[known] / upper[known])) if known.mean() > 0.5 else np.nan


def _minima(records: Sequence[Record]) -> Iterator[Goal]:
    for name, models, limit in (("linear", ("LR",), 1.02), ("trees", TREES, 1.25)):
        promise = f"portfolio, {name}: median L2 over the exact minimum, <= {limit}"
        chosen = of(records, *models)
        yield from _worst(promise, chosen, lambda r: excess(r, WALK), limit)


# --- robust accuracy and proofs -------------------------------------------------------------------


def gap(size: Record) -> float:
    """Return how far robust accuracy by attack is outside [certified, certified + unknown]."""
    attacked, certified = 1 - np.mean(size["broken"]), np.mean(size["robust"])
    most = 1 - np.mean(size["lost"])
    return float(max(attacked - most, certified - attacked, 0.0))


def contradictions(size: Record) -> int:
    """Return how many rows are proved robust and broken all the same."""
    return int((np.array(size["robust"]) & np.array(size["lost"])).sum())


def _accuracy(records: Sequence[Record]) -> Iterator[Goal]:
    yield from _worst(
        "robust accuracy: points off the exact answer, <= 3, in every cell",
        records,
        lambda r: round(100 * max(map(gap, r["sizes"])), 9),
        3,
    )
    yield from _worst("the same: rows, >= 300", records, lambda r: r["rows"], 300, least=True)
    yield from _worst(
        "the same: predict calls, <= 60",
        records,
        lambda r: max(size["calls"] for size in r["sizes"]),
        60,
    )
    yield from _worst(
        "the same: queries per row, <= 400, confirmations included",
        records,
        lambda r: max(size["queries"] for size in r["sizes"]),
        400,
    )
    yield from _worst(
        "the same, boosted trees: CPU ms per row, <= 5",
        of(records, *BOOSTED),
        lambda r: 1000 * max(size["seconds"] for size in r["sizes"]),
        5,
    )
    yield from _worst(
        "rows proved robust and broken all the same: none; all changes within epsilon",
        records,
        lambda r: sum(contradictions(s) + (not s["inside"]) for s in r["sizes"]),
        0,
    )


def judged(record: Record) -> Record:
    """Return the size at which certificates of a data set are judged."""
    (size,) = (s for s in record["sizes"] if s["epsilon"] == SIZE[record["data"]])
    return dict(size)


def _certificates(records: Sequence[Record]) -> Iterator[Goal]:
    sizes = ", ".join(f"{data} {size:g}" for data, size in SIZE.items())
    for models, limit in ((BOOSTED, 10), (("RF",), 100)):
        yield from _worst(
            f"certificate at one epsilon ({sizes}), {', '.join(models)}: median ms, <= {limit}",
            of(records, *models),
            lambda r: 1000 * float(np.median(judged(r)["seconds"])),
            limit,
        )
    yield from _worst(
        "the same: rows decided, >= 95 %", records, lambda r: decided(judged(r)), 0.95, least=True
    )
    for record in records:
        if "art" in record:
            yield from _unsound(record)
        if "centred" in record:
            yield from _cliques(record)


def decided(size: Record) -> float:
    """Return the share of rows that are proved robust, or have a witness that holds."""
    return float(np.mean(np.array(size["robust"]) | np.array(size["lost"])))


def _cliques(record: Record) -> Iterator[Goal]:
    """Judge our speed where ART's method is sound."""
    about = f"{record['data']} {record['model']}, base_score 0.5"
    for key, what in (
        ("centred", f"epsilon {record['centred']['epsilon']:g}"),
        ("centred radii", "the radius"),
    ):
        one = record[key]
        art, ours = (float(np.mean(one[name])) for name in ("seconds", "our seconds"))
        yield Goal(
            f"ART's clique method over ours, {what}, {about}: >= 40 x its speed",
            f"{art / ours:.3g} ({1000 * art:.3g} over {1000 * ours:.3g} ms, "
            f"n = {len(one['seconds'])})",
            bool(art / ours >= 40),
        )


def _unsound(record: Record) -> Iterator[Goal]:
    """Say how often ART's method contradicts a change that ``predict`` has confirmed."""
    about = f"{record['data']} {record['model']}"
    robust, broken = (np.array(record["art"][key], dtype=bool) for key in ("robust", "broken"))
    yield Goal(
        f"rows that ART's clique method calls robust at {record['art']['epsilon']:g} and an attack "
        f"broke, {about}",
        f"{(robust & broken).sum()} of {broken.sum()} that were broken",
        None,
    )
    for key, model in (("art radii", about), ("centred radii", f"{about}, base_score 0.5")):
        if key in record:
            bounds, turned = (np.array(record[key][name]) for name in ("bounds", "turned at"))
            yield Goal(
                f"rows that are turned nearer than the radius ART's method proves, {model}",
                f"{(bounds > turned * (1 + 1e-6)).sum()} of {len(bounds)}",
                None,
            )


# --- pixels, tables, text, memory -----------------------------------------------------------------


def _pixels(records: Sequence[Record]) -> Iterator[Goal]:
    small = [r for r in records if r["data"] == "digits"]
    promise = "one pixel, 8 x 8: every pixel and level tried, the answer of brute force in each row"
    yield from _worst(promise, small, lambda r: mistakes(r) + (r["coverage"] != "exact"), 0)
    for data, sides in (("digits", "8 x 8"), ("digits28", "28 x 28, extremes")):
        some = [r for r in records if r["data"] == data]
        promise = f"one pixel, {sides}, LR: >= 100 x ART's PixelAttack"
        yield from _worst(promise, of(some, "LR"), pixel_speed, 100, least=True)
        promise = f"the same, {sides}: rows broken less ART's, on the same rows, >= 0"
        yield from _worst(promise, some, pixel_lead, 0, least=True, form="{:g}")


def mistakes(record: Record) -> int:
    """Return in how many rows a one-pixel attack is not what brute force says."""
    differ = np.array(record["ours"]["broken"]) != np.array(record["brute"])
    return int(differ.sum()) + (record["changed"] > 1)


def pixel_speed(record: Record) -> float:
    """Return the CPU seconds of ART's PixelAttack per row over ours."""
    return float(np.mean(record["art"]["seconds"]) / record["ours"]["seconds"])


def pixel_lead(record: Record) -> float:
    """Return how many rows more than ART's ours broke, of those that ART attacked."""
    art = record["art"]["broken"]
    return float(sum(record["ours"]["broken"][: len(art)]) - sum(art))


def _tables(records: Sequence[Record]) -> Iterator[Goal]:
    yield from _worst(
        "tables under constraints: predict calls for 200 rows, <= 60",
        records,
        lambda r: r["calls"] if r["rows"] == 200 else np.nan,
        60,
    )
    yield from _worst(
        "the same: broken rows that are valid and confirmed, 100 %",
        records,
        lambda r: min(r["valid"], r["confirmed"]) / r["broken"] if r["broken"] else np.nan,
        1.0,
        least=True,
    )
    yield from _worst(
        "the same: CPU of a query asked alone over one asked together, >= 100",
        records,
        lambda r: r["singly per query"] / r["per query"] if r["same"] else np.nan,
        100,
        least=True,
    )


def _text(records: Sequence[Record]) -> Iterator[Goal]:
    def blocks(record: Record) -> list[Record]:
        return list(record["ours"]["1.0"])

    yield from _worst(
        "text: predict calls for 200 documents, <= 5",
        records,
        lambda r: max(b["calls"] for e, some in r["ours"].items() if e != FEWEST for b in some),
        5,
    )
    words = of(records, "words")
    yield from _worst(
        f"text, words: DeepWordBug's recorded {RECORDED_MS} ms over ours, >= 10",
        words,
        lambda r: RECORDED_MS / (1000 * np.mean([b["seconds"] for b in blocks(r)])),
        10,
        least=True,
    )
    yield from _worst(
        f"the same: success, all confirmed, >= the recorded {RECORDED_SUCCESS}",
        words,
        lambda r: float(
            np.mean([b["broken"] for b in blocks(r)])
            if all(b["confirmed"] for b in blocks(r))
            else np.nan
        ),
        RECORDED_SUCCESS,
        least=True,
    )


def _memory(records: Sequence[Record]) -> Iterator[Goal]:
    yield from _worst(
        "10,000 rows x 1,000 columns: peak GB, <= 2",
        records,
        lambda r: r["peak"] / 1e9 if r["broken"] and r["rows"] == 10_000 else np.nan,
        2,
    )


JUDGES: dict[str, Callable[[Sequence[Record]], Iterator[Goal]]] = {
    "distances": _distances,
    "minima": _minima,
    "accuracy": _accuracy,
    "certificates": _certificates,
    "pixels": _pixels,
    "tables": _tables,
    "text": _text,
    "memory": _memory,
}
