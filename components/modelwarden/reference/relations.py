"""All columns together: correlations, lone rows, and whether a classifier tells batch apart."""

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.ensemble import ExtraTreesClassifier, IsolationForest

from modelwarden.reference.findings import Tested

Floats = npt.NDArray[np.float64]

ROWS = 10_000
"""Rows of each side at most that a classifier learns from and is judged by."""
TREES = 100
LONE = 0.01
"""Share of the reference that is called lone."""


def correlations(batch: Floats, reference: Floats, names: list[str]) -> Tested:
    """Test whether any two columns move together otherwise than before.

    Rank correlations, compared by Fisher's transformation with the variance 1.06 / (n - 3) [1]_,
    corrected for the number of pairs.

    Parameters
    ----------
    batch, reference : ndarray of shape (n_rows, n_columns)
        Columns of numbers, without gaps.
    names : list of str
        Their names.

    References
    ----------
    .. [1] Fieller, Hartley and Pearson, "Tests for Rank Correlation Coefficients", 1957.
    """
    usable = (np.ptp(batch, axis=0) > 0) & (np.ptp(reference, axis=0) > 0)
    names = [name for name, use in zip(names, usable, strict=True) if use]
    sizes = len(batch), len(reference)
    if len(names) < 2 or min(sizes) < 10:
        return Tested("correlation", "", 1.0, 0.0, "nothing to compare")
    ranks = [stats.rankdata(part[:, usable], axis=0) for part in (batch, reference)]
    rho = [np.clip(np.corrcoef(part, rowvar=False), -0.999, 0.999) for part in ranks]
    gap = np.arctanh(rho[0]) - np.arctanh(rho[1])
    z = np.triu(np.abs(gap), 1) / np.sqrt(sum(1.06 / (size - 3) for size in sizes))
    first, second = np.unravel_index(int(z.argmax()), z.shape)
    pairs = len(names) * (len(names) - 1) / 2
    p = min(1.0, float(2 * stats.norm.sf(z.max())) * pairs)
    words = (
        f"the rank correlation is {rho[0][first, second]:.2f}, {rho[1][first, second]:.2f} before"
    )
    columns = f"{names[first]}, {names[second]}"
    return Tested("correlation", columns, p, float(abs(rho[0] - rho[1])[first, second]), words)


def classifier(batch: Floats, reference: Floats, *, seed: int = 0) -> Tested:
    """Test whether a classifier can tell batch from reference, on rows that it was not trained on.

    Trained on one half, judged on the other: so the area under its curve has its known
    distribution where nothing has changed [1]_, without any permutation.

    References
    ----------
    .. [1] Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017.
    """
    size = min(len(batch), len(reference), ROWS)
    if size < 20 or not batch.shape[1]:
        return Tested("classifier", "", 1.0, 0.5, "nothing to compare")
    random = np.random.default_rng(seed)
    sides = [part[random.permutation(len(part))[:size]] for part in (batch, reference)]
    half = size // 2
    model = ExtraTreesClassifier(TREES, min_samples_leaf=5, random_state=seed)
    model.fit(np.vstack([side[:half] for side in sides]), np.repeat([1, 0], half))
    scores = [model.predict_proba(side[half:])[:, 1] for side in sides]
    done = stats.mannwhitneyu(*scores, alternative="greater", method="asymptotic")
    area = float(done.statistic) / len(scores[0]) / len(scores[1])
    words = f"a classifier tells the batch from the reference with an area of {area:.3f}"
    return Tested("classifier", "", float(done.pvalue), area, words)


def loneliness(batch: Floats, reference: Floats, *, seed: int = 0) -> Tested:
    """Test for more rows that stand apart, by an isolation forest of half of the reference.

    The other half says how lone rows usually are.
    """
    half = len(reference) // 2
    if half < 20 or not batch.shape[1]:
        return Tested("lone rows", "", 1.0, 0.0, "nothing to compare")
    forest = IsolationForest(n_estimators=TREES, random_state=seed).fit(reference[:half])
    usual, new = (-forest.score_samples(part) for part in (reference[half:], batch))
    bar = np.quantile(usual, 1 - LONE)
    alone = [int((scores > bar).sum()) for scores in (new, usual)]
    table = [[alone[0], len(new) - alone[0]], [alone[1], len(usual) - alone[1]]]
    p = float(stats.fisher_exact(table, alternative="greater").pvalue)
    share = alone[0] / len(new)
    return Tested(
        "lone rows",
        "",
        p,
        share,
        f"{100 * share:.3g} % of the rows stand apart, {100 * LONE:g} % before",
    )
