"""Rows that stand where none should, or too many: what a mean does not show.

Poison is few rows that agree with each other. Two in a hundred move no distribution by much, but
they crowd together: in a narrow range of a column, in one value, beyond what was ever seen, or as
copies of one row.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from modelwarden.reference.findings import Tested
from modelwarden.reference.profile import ColumnProfile, Profile

Floats = npt.NDArray[np.float64]

BINS = 200
"""Ranges of a column, equally likely in the reference."""


def crowds(batch: pd.DataFrame, reference: pd.DataFrame, profile: Profile) -> list[Tested]:
    """Test for crowds in single columns, for values beyond the profile, and for copies.

    Parameters
    ----------
    batch, reference : DataFrame
        Both :func:`modelwarden.suspicion.encoding.plain`, with the same columns.
    profile : Profile
        Of all trusted rows, of which `reference` is a sample.

    Returns
    -------
    list of Tested
        Each corrected for the ranges or values that it looked at. ``crowd``: the effect is the
        share of rows too many. ``beyond``: the share of rows beyond what was seen. ``copies``: the
        share of rows that repeat another.
    """
    found = [_copies(batch, reference)]
    for name in batch.columns:
        new, old = batch[name], reference[name]
        is_number = new.dtype == np.float64
        new, old = (c.dropna() if is_number else c[c != ""] for c in (new, old))
        if not len(new) or not len(old):
            continue
        column = profile.by_name[name]
        if is_number:
            found.append(_crowd(name, *_ranges(new, old)))
            if column.kind != "flag":  # which has no value beyond
                found.append(_beyond(name, new, column, profile.rows))
        else:
            found.append(_crowd(name, *_values(new, old)))
            found.append(_unknown(name, new, old, column))
    return found


def _ranges(new: "pd.Series[float]", old: "pd.Series[float]") -> tuple[Floats, Floats]:
    """Return how many rows of both fall into each range; a value that is frequent is its own."""
    values = old.to_numpy()
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    # the values themselves, and what lies between two of them
    parts = []
    for column in (new.to_numpy(), values):
        place = np.searchsorted(edges, column, side="left")
        hit = place < len(edges)
        hit[hit] = edges[place[hit]] == column[hit]
        parts.append(np.bincount(2 * place + hit, minlength=2 * len(edges) + 1).astype(float))
    return parts[0], parts[1]


def _values(new: "pd.Series[str]", old: "pd.Series[str]") -> tuple[Floats, Floats]:
    counts = pd.DataFrame({"new": new.value_counts(), "old": old.value_counts()}).fillna(0)
    counts = counts[counts["old"] > 0]  # values that were never seen are beyond
    return counts["new"].to_numpy(dtype=float), counts["old"].to_numpy(dtype=float)


def _crowd(name: str, new: Floats, old: Floats) -> Tested:
    """Test each range for more rows than its share of the reference lets expect."""
    n, m = float(new.sum()), float(old.sum())
    if not n or not m:
        return Tested("crowd", name, 1.0, 0.0, "nothing to compare")
    p_each = stats.binom.sf(new - 1, new + old, n / (n + m))
    place = int(np.argmin(p_each))
    p = min(1.0, float(p_each[place]) * len(p_each))
    effect = max(0.0, float(new[place]) / n - float(old[place]) / m)
    return Tested(
        "crowd", name, p, effect, f"{100 * effect:.2g} % of the rows too many in one place"
    )


def _beyond(name: str, new: "pd.Series[float]", column: ColumnProfile, rows: int) -> Tested:
    """Test numbers for those never seen: by chance, the k largest of n + m are rarely all new."""
    n, m = len(new), max(1, rows - column.missing)
    outside = [int((new < column.low).sum()), int((new > column.high).sum())]
    p = min(1.0, 2 * (n / (n + m)) ** max(outside)) if max(outside) else 1.0
    return _never_seen(name, p, sum(outside), n)


def _unknown(
    name: str, new: "pd.Series[str]", old: "pd.Series[str]", column: ColumnProfile
) -> Tested:
    """Test texts for those never seen, whose share is about that of those seen once [1]_.

    References
    ----------
    .. [1] Good, "The Population Frequencies of Species and the Estimation of Population
       Parameters", 1953.
    """
    n = len(new)
    seen = int((~new.isin({*old.unique(), *column.values})).sum())
    once = int((old.value_counts() == 1).sum())
    p = float(stats.poisson.sf(seen - 1, n * (once + 1) / len(old))) if seen else 1.0
    return _never_seen(name, p, seen, n)


def _never_seen(name: str, p: float, seen: int, n: int) -> Tested:
    return Tested("beyond", name, p, seen / n, f"{seen} of {n} values were never seen before")


def _copies(batch: pd.DataFrame, reference: pd.DataFrame) -> Tested:
    """Test for rows that repeat another, beside as many rows of the reference."""
    size = min(len(batch), len(reference))
    new, old = (int(part.iloc[:size].duplicated().sum()) for part in (batch, reference))
    p = float(stats.binom.sf(new - 1, new + old, 0.5)) if new else 1.0
    return Tested("copies", "", p, new / size, f"{new} of {size} rows repeat another, {old} before")
