"""Rows that RONI rejected and people found clean, put back where they were."""

import re
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.errors import InputError
from modelwarden.report import Findings, Report
from modelwarden.tables import Table
from modelwarden.work import Work

Mask = npt.NDArray[np.bool_]
Edits = dict[str, tuple[Mask, object]]

MAX_LISTED = 100
"""Ranges that a report lists."""

_RANGE = re.compile(r"\s*([0-9]{1,12})\s*(?:-\s*([0-9]{1,12})\s*)?", re.ASCII)


def restore(
    filtered: Table, train: Table, rows: Table, *, restore: str, work: Work | None = None
) -> Findings:
    """Put rejected rows back, as they were submitted.

    What is given must be one run of RONI: the rows that it kept follow from `train` and `rows`, up
    to the trigger values that it neutralised and the columns that it dropped, both of which are
    found again by comparison. Neutralised values stay neutralised; restored rows keep theirs.

    Parameters
    ----------
    filtered : Table
        Rows that RONI kept.
    train : Table
        Rows that RONI read.
    rows : Table
        RONI's table of rows: at least ``row``, counted from 1, and ``decision``, which is ``kept``
        or ``rejected``.
    restore : str
        Numbers and ranges of rejected rows, such as ``17,20-25``.
    work : Work, optional
        Told when it is done.

    Returns
    -------
    Findings
        ``restored_rows`` and ``restored_fraction`` (of the submitted rows); the table ``kept``
        holds kept and restored rows in the order of `train`.

    Raises
    ------
    InputError
        If the tables are not of one run, or a row was not rejected.
    """
    kept = _kept(rows, train)
    restored = _chosen(restore, kept)
    dropped = [name for name in train.columns if name not in filtered.columns]
    edits = _edits(filtered, train, kept, dropped)
    if edits is None:
        expected = f"the rows of {train.uri} that {rows.uri} says were kept"
        fix = "give the three tables of one run of RONI"
        raise InputError(filtered.uri, expected, "others", fix)
    count = int(restored.sum())
    report = Report(
        check="restore",
        metrics={"restored_rows": count, "restored_fraction": count / train.n_rows},
        notes=(
            f"{count} of {(~kept).sum()} rejected rows were put back as they were submitted; "
            "nothing is measured here: whoever asked for it answers for them.",
        ),
        details={"restored": _ranges(restored)[:MAX_LISTED]},
    )
    body = train.select(kept | restored, edits, drop=dropped)
    (work or Work()).step("restore", 1, 1)
    return Findings(report, tables={"kept": body})


def _kept(rows: Table, train: Table) -> Mask:
    """Return which rows of `train` were kept, shape (n_rows,)."""
    frame = rows.frame()
    for name in ("row", "decision"):
        if name not in frame:
            fix = "give the table that RONI calls rows"
            raise InputError(rows.uri, f"a column {name!r}", ", ".join(rows.columns[:12]), fix)
    if not np.array_equal(frame["row"].to_numpy(), np.arange(1, train.n_rows + 1)):
        expected = f"the rows 1 to {train.n_rows} of {train.uri}, in order"
        fix = "give the two tables of one run of RONI"
        raise InputError(f"{rows.uri}, column 'row'", expected, f"{rows.n_rows} rows, others", fix)
    if not frame["decision"].isin(["kept", "rejected"]).all():
        raise InputError(f"{rows.uri}, column 'decision'", "kept or rejected", "something else")
    return np.asarray(frame["decision"] == "kept", dtype=bool)


def _chosen(restore: str, kept: Mask) -> Mask:
    """Return which rows are to be restored, shape (n_rows,)."""
    chosen = np.zeros(len(kept), dtype=bool)
    for first, last in _parsed(restore):
        if not 1 <= first <= last <= len(kept):
            got = f"{first}-{last}" if first != last else f"{first}"
            raise InputError("option restore", f"rows from 1 to {len(kept)}", got)
        if kept[first - 1 : last].any():
            row = first + int(kept[first - 1 : last].argmax())
            raise InputError("option restore", "rows that were rejected", f"{row}, which was kept")
        chosen[first - 1 : last] = True
    return chosen


def _parsed(restore: str) -> Iterator[tuple[int, int]]:
    for part in restore.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            got = repr(part.strip()[:40])
            raise InputError("option restore", "numbers and ranges such as 17,20-25", got)
        yield int(match[1]), int(match[2] or match[1])


def _edits(filtered: Table, train: Table, kept: Mask, dropped: list[str]) -> Edits | None:
    """Return which cells were neutralised, and by what; None where the tables do not belong."""
    with suppress(InputError):  # from tables that have nothing to do with each other
        for edits in ({}, _differences(filtered, train, kept)):
            if filtered.is_same(train.select(kept, edits, drop=dropped)):
                return edits
    return None


def _differences(filtered: Table, train: Table, kept: Mask) -> Edits:
    """Return by column the kept rows that differ, and the value of the first of them."""
    if filtered.n_rows != kept.sum():
        return {}
    before, after = train.frame()[kept], filtered.frame()
    edits: Edits = {}
    for name in set(filtered.columns) & set(train.columns):
        old, new = (frame[name].to_numpy(dtype=object) for frame in (before, after))
        changed = (old != new) & ~(pd.isna(old) & pd.isna(new))
        if changed.any():
            mask = np.zeros(len(kept), dtype=bool)
            mask[np.flatnonzero(kept)[changed]] = True
            edits[name] = (mask, new[changed][0])
    return edits


def _ranges(chosen: Mask) -> list[str]:
    """Return the chosen rows as short text, such as ``["17", "20-25"]``."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]])))
    pairs = zip(edges[::2] + 1, edges[1::2], strict=True)
    return [f"{first}" if first == last else f"{first}-{last}" for first, last in pairs]
