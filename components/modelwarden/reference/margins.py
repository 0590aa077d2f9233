"""One column at a time: whether a batch is distributed like the reference."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from modelwarden.reference.findings import Tested

Floats = npt.NDArray[np.float64]

EXPECTED = 5
"""Rows that each cell of a chi-square test expects at least; rarer values share a cell."""
CLASSES = 10
"""Quantile bins of the population stability index."""


def margins(batch: pd.DataFrame, reference: pd.DataFrame) -> list[Tested]:
    """Test each column's values, and how many of them are missing.

    Parameters
    ----------
    batch, reference : DataFrame
        Both :func:`modelwarden.suspicion.encoding.plain`, with the same columns.

    Returns
    -------
    list of Tested
        ``values``: the effect is the largest difference of the distribution functions (numbers) or
        the total variation distance (texts), both from 0 to 1. ``missing``: the difference of the
        shares.
    """
    found = []
    for name in batch.columns:
        new, old = batch[name], reference[name]
        gone = [_missing(column) for column in (new, old)]
        found.append(_shares(name, *gone))
        new, old = new[~gone[0]], old[~gone[1]]
        if len(new) and len(old):
            is_number = new.dtype == np.float64
            found.append(_numbers(name, new, old) if is_number else _texts(name, new, old))
    return found


def stability(batch: "pd.Series[float]", reference: "pd.Series[float]") -> tuple[float, float]:
    """Return the population stability index of a column of numbers, and its size by chance alone.

    By chance it is about a chi-square with ``bins - 1`` degrees of freedom times
    ``1 / n + 1 / m`` [1]_, so no threshold such as .2 fits batches of every size; the second value
    is its 99.9th percentile.

    References
    ----------
    .. [1] Yurdakul, "Statistical Properties of Population Stability Index", 2018.
    """
    new, old = batch.dropna().to_numpy(), reference.dropna().to_numpy()
    if not len(new) or not len(old):
        return 0.0, 0.0
    edges = np.unique(np.quantile(old, np.linspace(0, 1, CLASSES + 1)[1:-1]))
    counts = [
        np.bincount(np.searchsorted(edges, part, side="right"), minlength=len(edges) + 1)
        for part in (new, old)
    ]
    p, q = (np.maximum(count, 0.5) / count.sum() for count in counts)
    by_chance = stats.chi2.ppf(0.999, max(1, len(edges))) * (1 / len(new) + 1 / len(old))
    return float(((p - q) * np.log(p / q)).sum()), float(by_chance)


def _missing(column: "pd.Series[float] | pd.Series[str]") -> npt.NDArray[np.bool_]:
    """Tell which cells have no value; a text that is missing is empty."""
    return np.asarray(column.isna() if column.dtype == np.float64 else column == "")


def _shares(name: str, new: npt.NDArray[np.bool_], old: npt.NDArray[np.bool_]) -> Tested:
    table = [[int(gone.sum()), int((~gone).sum())] for gone in (new, old)]
    p = float(stats.fisher_exact(table).pvalue)
    effect = abs(float(new.mean()) - float(old.mean()))
    return Tested(
        "missing",
        name,
        p,
        effect,
        f"{100 * new.mean():.3g} % missing, {100 * old.mean():.3g} % before",
    )


def _numbers(name: str, new: "pd.Series[float]", old: "pd.Series[float]") -> Tested:
    done = stats.ks_2samp(new.to_numpy(), old.to_numpy(), method="asymp")
    p, effect = float(done.pvalue), float(done.statistic)
    return Tested("values", name, p, effect, f"the distribution moved by {effect:.3f}")


def _texts(name: str, new: "pd.Series[str]", old: "pd.Series[str]") -> Tested:
    counts = pd.DataFrame({"new": new.value_counts(), "old": old.value_counts()}).fillna(0)
    table = counts.to_numpy()
    expected = table.sum(axis=1) * min(len(new), len(old)) / (len(new) + len(old))
    rare = expected < EXPECTED
    table = np.vstack([table[~rare], table[rare].sum(axis=0, keepdims=True)])
    table = table[table.sum(axis=1) > 0]
    if len(table) < 2:
        return Tested("values", name, 1.0, 0.0, "one value, as before")
    p = float(stats.chi2_contingency(table, correction=False).pvalue)
    effect = float(np.abs(table[:, 0] / len(new) - table[:, 1] / len(old)).sum() / 2)
    return Tested("values", name, p, effect, f"{100 * effect:.3g} % of the rows have other values")
