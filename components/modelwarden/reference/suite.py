"""A Great Expectations suite from a profile, for people to read and correct."""

import json
from collections.abc import Mapping

import numpy as np
import pandas as pd

from modelwarden.reference.profile import ColumnProfile, Profile
from modelwarden.report import Json

SLACK = 0.5
"""How far beyond the range that was seen a number may lie, as a share of it."""
LISTED = 50
"""Values of a text that are listed."""
DIVERGENCE = 0.2
BINS = 10
HOLDOUT = 0.001
"""Weight of what was never seen; without it a single new value is infinitely far away."""
MANY = 0.98
"""Share of the rows that a rule about values holds for."""


def suite(profile: Profile, sample: pd.DataFrame, name: str) -> bytes:
    """Return a suite as Great Expectations 1.x reads it.

    The columns, what share may be missing, ranges of numbers, values of texts, and the divergence
    of each distribution [1]_. Everything is a starting point: narrow what you know better.

    Parameters
    ----------
    profile : Profile
        What was seen.
    sample : DataFrame
        Its sample, for the distributions.
    name : str
        Name of the suite.

    References
    ----------
    .. [1] Kullback and Leibler, "On Information and Sufficiency", 1951.
    """
    names = [column.name for column in profile.columns]
    entries = [_entry("expect_table_columns_to_match_set", column_set=names, exact_match=True)]
    for column in profile.columns:
        entries += _about(column, profile.rows, sample[column.name])
    document: dict[str, Json] = {
        "name": name,
        "id": None,
        "notes": f"Derived from {profile.rows} rows, sha256 {profile.source}. Correct it.",
        "meta": {},
        "expectations": entries,
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _entry(kind: str, **kwargs: Json) -> dict[str, Json]:
    return {"type": kind, "kwargs": kwargs}


def _about(column: ColumnProfile, rows: int, values: "pd.Series[float]") -> list[dict[str, Json]]:
    """Return what a column should be like."""
    present = (rows - column.missing) / rows
    mostly = 1.0 if present == 1 else max(0.0, round(present - 0.05, 3))
    entries = [_entry("expect_column_values_to_not_be_null", column=column.name, mostly=mostly)]
    if column.kind == "number" and column.missing < rows:
        entries.append(_range(column))
        partition = _bins(values.astype("float64"))
        if partition:
            entries.append(_divergence(column.name, partition))
    is_listed = column.kind == "text" and column.distinct == len(column.values)
    if is_listed and 0 < column.distinct <= LISTED:
        known = sorted(column.values)
        entry = {"column": column.name, "value_set": known, "mostly": MANY}
        entries.append(_entry("expect_column_values_to_be_in_set", **entry))
        total = sum(column.values.values())
        weights = [column.values[value] / total for value in known]
        entries.append(_divergence(column.name, {"values": known, "weights": weights}))
    return entries


def stops(column: ColumnProfile, value: float | str, share: float, rows: int) -> bool:
    """Whether a suite drawn from a profile fails on a table because of one value.

    Parameters
    ----------
    column : ColumnProfile
        The column.
    value : float or str
        The value; NaN or "" is missing.
    share : float
        Share of the table's rows that have it, 0 to 1.
    rows : int
        Rows of the profile.
    """
    if value == "" or value != value:  # NaN is missing
        present = (rows - column.missing) / rows
        return share > (0.0 if present == 1 else 1 - max(0.0, round(present - 0.05, 3)))
    if isinstance(value, str):
        listed = column.kind == "text" and 0 < column.distinct == len(column.values) <= LISTED
        return listed and value not in column.values and share > 1 - MANY
    if column.kind != "number" or column.missing == rows:
        return False
    low, high = _bounds(column)
    return not low <= value <= high


def _bounds(column: ColumnProfile) -> tuple[float, float]:
    room = SLACK * (column.high - column.low)
    low, high = column.low - room, column.high + room
    # what was never negative should not become so
    return (max(0.0, low) if column.low >= 0 else low), high


def _range(column: ColumnProfile) -> dict[str, Json]:
    low, high = _bounds(column)
    return _entry(
        "expect_column_values_to_be_between",
        column=column.name,
        min_value=low,
        max_value=high,
    )


def _bins(values: "pd.Series[float]") -> Mapping[str, Json]:
    """Return bins that are about equally likely; none where a column has too few values."""
    known = values[np.isfinite(values)].to_numpy()
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1))) if len(known) else known
    if len(edges) < 3:
        return {}
    counts = np.histogram(known, edges)[0]
    return {"bins": edges.tolist(), "weights": (counts / counts.sum()).tolist()}


def _divergence(name: str, partition: Mapping[str, Json]) -> dict[str, Json]:
    holdouts = ("tail_weight_holdout", "internal_weight_holdout") if "bins" in partition else ()
    return _entry(
        "expect_column_kl_divergence_to_be_less_than",
        column=name,
        partition_object=dict(partition),
        threshold=DIVERGENCE,
        **dict.fromkeys(holdouts, HOLDOUT),
    )
