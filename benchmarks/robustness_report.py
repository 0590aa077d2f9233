"""The robustness benchmark's section of RESULTS.md."""

import platform
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata

import numpy as np
from robustness_cells import Record
from robustness_goals import (
    asked,
    contradictions,
    decided,
    excess,
    gap,
    goals,
    length,
    mistakes,
    pixel_speed,
    speed,
    success,
)
from robustness_text import FEWEST

TITLE = "# Robustness benchmark"
PACKAGES = (
    "numpy",
    "scikit-learn",
    "xgboost-cpu",
    "lightgbm",
    "adversarial-robustness-toolbox",
    "foolbox",
    "dtai-veritas",
)
MET = {True: "met", False: "**MISSED**", None: ""}


def markdown(records: Sequence[Record]) -> str:
    """Return the section that these records can fill.

    Parameters
    ----------
    records : sequence of Record
        One for every cell, data set and model; see `robustness_cells` and its neighbours.
    """
    tables = {name: [r for r in records if r["cell"] == name] for name in TABLES}
    parts = [
        f"{TITLE}\n",
        _preamble(records),
        table(
            "## Promises\n",
            ("goal", "measured: the worst cell, and the median of all", ""),
            ([g.promise, g.measured, MET[g.met]] for g in goals(records)),
        ),
        *(TABLES[name](some) for name, some in tables.items() if some),
    ]
    return "\n".join(part for part in parts if part)


def into(text: str, section: str) -> str:
    """Put a section where one with its title stands, or at the end.

    Parameters
    ----------
    text : str
        Markdown whose sections of the first level begin with ``# ``.
    section : str
        What replaces that section.
    """
    lines = text.splitlines()
    title = section.splitlines()[0]
    heads = [place for place, line in enumerate(lines) if line.startswith("# ")]
    starts = [place for place in heads if lines[place] == title]
    if not starts:
        return (
            f"{text.rstrip()}\n\n{section.rstrip()}\n" if text.strip() else f"{section.rstrip()}\n"
        )
    end = next((place for place in heads if place > starts[0]), len(lines))
    before, after = "\n".join(lines[: starts[0]]), "\n".join(lines[end:])
    return "\n\n".join(part.strip() for part in (before, section, after) if part.strip()) + "\n"


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table below its caption."""
    body = ["| " + " | ".join(row) + " |" for row in rows]
    if not body:
        return ""
    return "\n".join(
        [f"{caption}\n", "| " + " | ".join(head) + " |", "|---" * len(head) + "|", *body, ""]
    )


def _preamble(records: Sequence[Record]) -> str:
    packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    codes = sorted({record["code"] for record in records})
    mixed = "" if len(codes) == 1 else " Cells were measured with different versions of the code."
    return f"""\
Written by `benchmarks/robustness.py`; README.md there says what each figure means. Python
{platform.python_version()}, {packages}; one thread, CPU time. What is compared stands in one
process, on the same rows of the same model, ours and the rival by turns.{mixed}
"""


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def _named(record: Record) -> list[str]:
    return [record["data"], record["model"]]


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g}"


def _median(values: Sequence[float]) -> str:
    return f"{np.median(values):.3f}" if len(values) else "-"


def _distances(records: Sequence[Record]) -> str:
    rows = []
    for record in records:
        art, foolbox = record["art"], record["foolbox"]
        ours = [
            f"{_ms(one['seconds'])} ({speed(record, key):.3g} x), {length(record, key):.2f}"
            for key, one in record["ours"].items()
        ]
        theirs = "too slow"
        if foolbox is not None:
            theirs = f"{_ms(foolbox['seconds'])}, {_median(foolbox['distances'])}"
        n, found = len(art["distances"]), np.isfinite(art["distances"])
        shown = _median(np.array(art["distances"])[found])
        rows.append(
            [
                *_named(record),
                f"{n}",
                f"{found.mean():.2f}",
                f"{_ms(np.mean(np.array(art['seconds'])[found]))}, {shown}",
                *ours,
                f"{min(success(record, key) for key in record['ours']):.2f}",
                f"{asked(record, 'HopSkipJump'):.2f}",
                theirs,
            ]
        )
    keys = [*records[0]["ours"]]
    return table(
        "## Smallest Euclidean changes\n\nCPU ms per row and median L2. Of ours, how many times "
        "ART's speed that is, and the median L2 over ART's on the rows that ART broke. n are the "
        "rows that ART attacked within its CPU seconds; ours and Foolbox attack 50 at once, and "
        "Foolbox begins where ours does. Last but one: our HopSkipJump's queries over ART's.",
        (
            "data",
            "model",
            "n",
            "ART's success",
            "ART HopSkipJump",
            *keys,
            "our success",
            "queries",
            "Foolbox",
        ),
        rows,
    )


def _minima(records: Sequence[Record]) -> str:
    rows = []
    for record in records:
        lower, upper = np.array(record["lower"]), np.array(record["upper"])
        rows.append(
            [
                *_named(record),
                str(record["rows"]),
                f"{np.mean(upper - lower <= 0.01 * upper):.2f}",
                _median(upper),
                *(f"{excess(record, key):.3f}" for key in record["ours"]),
                _ms(record["seconds"]),
            ]
        )
    return table(
        "## Smallest changes over the exact minimum\n\nMedian ratio over rows whose minimum is "
        "known within 1 %, and the share of these.",
        ("data", "model", "n", "known", "median minimum", *records[0]["ours"], "exact: ms"),
        rows,
    )


def _accuracy(records: Sequence[Record]) -> str:
    rows = []
    for record in records:
        for size in record["sizes"]:
            robust, lost = np.mean(size["robust"]), np.mean(size["lost"])
            rows.append(
                [
                    *_named(record),
                    f"{size['epsilon']:g}",
                    f"{1 - np.mean(size['broken']):.3f}",
                    f"{robust:.3f}",
                    f"{max(0.0, 1 - robust - lost + contradictions(size) / record['rows']):.3f}",
                    f"{100 * gap(size):.1f}",
                    str(size["calls"]),
                    f"{size['queries']:.0f}",
                    _ms(size["seconds"]),
                    _ms(size["proof seconds"]),
                ]
            )
    return table(
        "## Robust accuracy within epsilon of each column\n\nBy attack (at most 400 queries a row) "
        "and what is proved about the rows that it left: robust, or unknown. Columns lie within 0 "
        "and 1. Queries and calls include all confirmations.",
        (
            "data",
            "model",
            "epsilon",
            "by attack",
            "certified",
            "unknown",
            "points off",
            "calls",
            "queries a row",
            "attack: ms a row",
            "proof: ms a row left",
        ),
        rows,
    )


def _certificates(records: Sequence[Record]) -> str:
    rows = []
    for record in records:
        for size in record["sizes"]:
            quantiles = np.quantile(size["seconds"], (0.5, 0.95))
            rows.append(
                [
                    *_named(record),
                    str(record["rows"]),
                    f"{size['epsilon']:g}",
                    *(_ms(q) for q in quantiles),
                    _ms(np.mean(size["seconds"])),
                    f"{np.mean(size['robust']):.2f}",
                    f"{decided(size):.2f}",
                ]
            )
    return table(
        "## Certificates at one epsilon\n\nCPU ms per row; what rows share is shared out evenly.",
        ("data", "model", "n", "epsilon", "median", "95 %", "mean", "robust", "decided"),
        rows,
    )


def _pixels(records: Sequence[Record]) -> str:
    rows = [
        [
            *_named(r),
            r["coverage"],
            f"{np.mean(r['ours']['broken']):.2f}",
            f"{np.mean(r['brute']):.2f}",
            str(mistakes(r)),
            f"{sum(r['ours']['broken'][: len(r['art']['broken'])])} / {sum(r['art']['broken'])} of "
            f"{len(r['art']['broken'])}",
            _ms(r["ours"]["seconds"]),
            _ms(np.mean(r["art"]["seconds"])),
            f"{pixel_speed(r):.3g} x",
        ]
        for r in records
    ]
    return table(
        "## One pixel\n\nDigits of 8 x 8, each pixel at any of 17 levels, and the same enlarged to "
        "28 x 28, where only extremes and some levels between them are tried (`extremes`). Brute "
        "force tries all 17 levels of all pixels. ART's PixelAttack: differential evolution, any "
        "level of 256.",
        (
            "data",
            "model",
            "coverage",
            "success",
            "brute force",
            "rows that differ",
            "ours / ART's",
            "ms a row",
            "ART: ms a row",
            "speed",
        ),
        rows,
    )


def _tables(records: Sequence[Record]) -> str:
    rows = [
        [
            r["model"],
            f"{r['broken']} / {r['valid']} / {r['confirmed']}",
            str(r["calls"]),
            f"{r['queries']:.0f}",
            _ms(r["seconds"]),
            f"{1e6 * r['per query']:.3g}",
            f"{1e6 * r['singly per query']:.3g}",
            "yes" if r["same"] else "no",
        ]
        for r in records
    ]
    return table(
        "## A table with categories under constraints\n\nDrawn applicants for a loan: 9 columns, "
        "two of them fixed, bounds by share and by value, whole steps, one direction, two columns "
        "of categories, a relation, at most four changes. 200 rows through a pipeline on data "
        "frames; the same queries of five of them with one row in each predict call.",
        (
            "model",
            "broken / valid / confirmed",
            "calls",
            "queries a row",
            "ms a row",
            "us a query",
            "us a query alone",
            "same results",
        ),
        rows,
    )


def _text(records: Sequence[Record]) -> str:
    rows = []
    for record in records:
        for size, blocks in record["ours"].items():
            how = "fewest words" if size == FEWEST else f"{float(size):.0%} of words"
            rows.append([record["model"], f"ours, {how}", *_attack(blocks)])
        rows.append([record["model"], "DeepWordBug, written anew", *_attack(record["DeepWordBug"])])
    about = records[0]
    return table(
        f"## Texts\n\n{about['documents']:,} paragraphs of docstrings of SciPy and scikit-learn, "
        f"{about['words']:.0f} words each; TF-IDF and a logistic regression, accuracy "
        f"{about['accuracy']:.3f} on words. Three blocks of {about['rows']} documents, of which "
        "DeepWordBug attacks 20 each. `fewest words` goes on with its 400 queries once a text is "
        "broken, as DeepWordBug does not. Recorded with TextAttack on another corpus of this kind: "
        "success 0.85, 7 words, 13 calls and 37.8 ms a document.",
        (
            "features",
            "attack",
            "success",
            "median words",
            "queries a document",
            "calls",
            "ms a document",
        ),
        rows,
    )


def _attack(blocks: Sequence[Record]) -> list[str]:
    changed = np.concatenate([block["changed"] for block in blocks])
    shares = [float(np.mean(block["broken"])) for block in blocks]
    n_rows = np.mean([len(block["broken"]) for block in blocks])
    return [
        f"{np.mean(shares):.3f}",
        f"{np.median(changed[changed > 0]):g}" if (changed > 0).any() else "-",
        f"{np.mean([block['queries'] for block in blocks]):.0f}",
        f"{np.mean([block['calls'] for block in blocks]):.0f} for {n_rows:.0f}",
        _ms(np.mean([block["seconds"] for block in blocks])),
    ]


def _memory(records: Sequence[Record]) -> str:
    rows = [
        [
            f"{r['rows']:,} x {r['columns']:,}",
            f"{r['attacked']:,} / {r['broken']:,}",
            f"{r['before'] / 1e9:.2f}",
            f"{r['peak'] / 1e9:.2f}",
            f"{r['seconds']:.0f}",
        ]
        for r in records
    ]
    return table(
        "## Memory\n\nPeak of a process of its own, the data included; a logistic regression.",
        ("table", "attacked / broken", "GB before", "GB at most", "CPU s"),
        rows,
    )


TABLES: dict[str, Callable[[Sequence[Record]], str]] = {
    "distances": _distances,
    "minima": _minima,
    "accuracy": _accuracy,
    "certificates": _certificates,
    "pixels": _pixels,
    "tables": _tables,
    "text": _text,
    "memory": _memory,
}
