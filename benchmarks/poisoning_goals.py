"""The promises of the filter, and whether they are kept.

A cell is a data set, an attack and a number of trusted rows, averaged over seeds. Methods are
compared on the runs that both have: the means of differences, never the differences of means.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

OURS = "modelwarden"
BASELINES = ("unfiltered", "oracle")
CELL = ["set", "attack", "trusted"]
RUN = [*CELL, "seed"]
MODELS = ("LR", "RF")
BACKDOORS = ("column1", "column5", "clean-column5", "inbounds5", "clean-inbounds5")
ALPHA = 0.05
F1_GOALS = {
    "random10": 0.75,
    "random20": 0.80,
    "direction10": 0.65,
    "subpopulation5": 0.65,
    "column5": 0.85,
    "clean-column5": 0.75,
    "inbounds5": 0.65,
}


@dataclass(frozen=True)
class Goal:
    """A promise, what was measured, and whether it is kept."""

    promise: str
    measured: str
    met: bool


def goals(runs: pd.DataFrame) -> list[Goal]:
    """Judge every promise that these runs can decide.

    Parameters
    ----------
    runs : DataFrame
        A record per row; see `poisoning_scores`.
    """
    ours = runs[runs["method"] == OURS]
    if ours.empty:
        return []
    return [
        *_detection(ours),
        *_against_rivals(runs),
        *_discovery(runs),
        *_accuracy(runs),
        *_backdoors(runs),
        *_contributors(ours),
    ]


def _detection(ours: pd.DataFrame) -> Iterator[Goal]:
    for attack, least in F1_GOALS.items():
        f1 = cells(ours[ours["attack"] == attack], "f1").mean()
        if np.isfinite(f1):
            yield Goal(f"F1, {attack}: mean >= {least:.2f}", f"{f1:.3f}", bool(f1 >= least))
    shares = cells(ours, "clean_rejected")
    worst = f"{shares.mean():.2%}; worst cell {shares.max():.2%}, {_named(shares.idxmax())}"
    yield Goal("clean rows rejected: mean <= 2 %", worst, bool(shares.mean() <= 0.02))
    promised = ALPHA + 0.01
    yield Goal(
        f"clean rows rejected: mean <= alpha + .01 = {promised:.2f}",
        f"{shares.mean():.3f}; above it in {(shares > promised).mean():.0%} of cells",
        bool(shares.mean() <= promised),
    )


def _against_rivals(runs: pd.DataFrame) -> Iterator[Goal]:
    gains = [cells_of(paired(runs, OURS, rival, "f1")) for rival in rivals(runs)]
    if any(len(gain) for gain in gains):
        least = pd.concat(gains, axis=1).min(axis=1)
        good = (least >= -0.02).mean()
        yield Goal(
            "F1 at least the cell's best rival's - .02: >= 90 % of cells",
            f"{good:.1%} of {len(least)}; worst {least.min():+.2f}, {_named(least.idxmin())}",
            bool(good >= 0.9),
        )


def _discovery(runs: pd.DataFrame) -> Iterator[Goal]:
    for method in sorted(set(runs["method"])):
        if method.startswith(f"{OURS} fdr="):
            fdr = float(method.partition("=")[2])
            share = cells(runs[runs["method"] == method], "false_discovery").mean()
            promise = f"fdr={fdr}: realised false discovery <= {fdr + 0.02:.2f} on the mean"
            yield Goal(promise, f"{share:.3f}", bool(share <= fdr + 0.02))


def _accuracy(runs: pd.DataFrame) -> Iterator[Goal]:
    to_oracle = _changes(runs, "oracle")
    if to_oracle.empty:
        return
    means = cells_of(to_oracle)
    near = (means >= -0.01).mean()
    yield Goal(
        "test accuracy within 1 point of the oracle's: >= 90 % of cells",
        f"{near:.1%} of {len(means)} (of single runs {(to_oracle >= -0.01).mean():.1%}); "
        f"worst {means.min():+.3f}, {_named(means.idxmin())}",
        bool(near >= 0.9),
    )
    change = _changes(runs, "unfiltered")
    means = cells_of(change)
    yield Goal(
        "test accuracy never more than 0.5 points below not filtering, in any cell",
        f"{(means < -0.005).sum()} of {len(means)} cells; worst {means.min():+.3f}, "
        f"{_named(means.idxmin())}",
        bool((means >= -0.005).all()),
    )
    highs = change.groupby([*CELL, "model"]).agg(lambda values: interval(values)[1]).dropna()
    if len(highs):  # one seed has no interval
        yield Goal(
            "no cell where the interval of that change excludes -1 point",
            f"{(highs < -0.01).sum()} of {len(highs)} cells",
            bool((highs >= -0.01).all()),
        )


def _changes(runs: pd.DataFrame, baseline: str) -> "pd.Series[float]":
    """Return the filter's accuracy minus a baseline's, for every run and model."""
    changes = {m: paired(runs, OURS, baseline, f"accuracy {m}") for m in MODELS}
    return pd.concat(changes, names=["model"])


def _backdoors(runs: pd.DataFrame) -> Iterator[Goal]:
    harmless = stopped(runs, OURS)
    if len(harmless):
        others = "; ".join(
            f"{name} {stopped(runs, name).mean():.0%}" for name in ["unfiltered", *rivals(runs)]
        )
        yield Goal(
            "backdoor success <= 10 % or within 5 points of the oracle's: >= 90 % of runs",
            f"{harmless.mean():.1%} of {len(harmless)} ({others})",
            bool(harmless.mean() >= 0.9),
        )


def _contributors(ours: pd.DataFrame) -> Iterator[Goal]:
    if "ranked_first" not in ours:
        return
    judged = ours[ours["ranked_first"].notna()]
    large = judged[judged["group_rows"] >= 100]
    if len(large):
        first = large["ranked_first"].astype(bool).mean()
        yield Goal(
            "the three poisoning contributors rank first: >= 80 % of runs with >= 100 rows each",
            f"{first:.0%} of {len(large)}; suspect {large['poisoners_suspect'].mean():.1f} of 3",
            bool(first >= 0.8),
        )
        accused = int((large["honest_suspect"] > 0).sum())
        yield Goal(
            "no honest contributor is suspect", f"in {accused} of {len(large)} runs", accused == 0
        )


def rivals(runs: pd.DataFrame) -> list[str]:
    """Return the methods that are neither the filter nor a baseline, in order of appearance."""
    names = runs["method"].unique().tolist()
    return [n for n in names if n not in BASELINES and not n.startswith(OURS)]


def figures(runs: pd.DataFrame, method: str, column: str) -> "pd.Series[float]":
    """Return a figure of a method, by set, attack, trusted rows and seed, where it is defined."""
    return runs[runs["method"] == method].set_index(RUN)[column].dropna().astype(float)


def paired(runs: pd.DataFrame, method: str, other: str, column: str) -> "pd.Series[float]":
    """Return the difference of a figure, one method's minus another's, where both are defined."""
    return (figures(runs, method, column) - figures(runs, other, column)).dropna()


def cells(runs: pd.DataFrame, column: str) -> "pd.Series[float]":
    """Return a figure of one method, averaged over seeds."""
    return cells_of(runs.set_index(RUN)[column].dropna().astype(float))


def cells_of(values: "pd.Series[float]") -> "pd.Series[float]":
    """Return the mean over seeds of what is indexed by runs."""
    return values.groupby([name for name in values.index.names if name != "seed"]).mean()


def stopped(runs: pd.DataFrame, method: str) -> "pd.Series[bool]":
    """Say for every run and model whether a backdoor is left without effect."""
    found = []
    for model in MODELS:
        column = f"success {model}"
        success = figures(runs[runs["attack"].isin(BACKDOORS)], method, column)
        more = (success - figures(runs, "oracle", column)).reindex(success.index)
        found.append((success <= 0.1) | (more <= 0.05))
    return pd.concat(found)


def interval(values: "pd.Series[float]", draws: int = 2000) -> tuple[float, float]:
    """Return a 95 % bootstrap interval, over seeds, of the mean over cells.

    Whole seeds are drawn: cells of one seed share rows.
    """
    table = values.unstack("seed").to_numpy()  # cells x seeds, NaN where not measured
    if table.size == 0 or table.shape[1] < 2:
        return float("nan"), float("nan")
    known = np.isfinite(table)
    rng = np.random.default_rng(0)
    draw = rng.integers(0, table.shape[1], (draws, table.shape[1]))
    counts = np.stack([np.bincount(d, minlength=table.shape[1]) for d in draw])  # draws x seeds
    sums, sizes = counts @ np.where(known, table, 0).T, counts @ known.T.astype(int)
    means = np.divide(sums, sizes, out=np.full(sums.shape, np.nan), where=sizes > 0)
    low, high = np.quantile(np.nanmean(means, axis=1), [0.025, 0.975])
    return float(low), float(high)


def _named(cell: object) -> str:
    return " ".join(str(part) for part in (cell if isinstance(cell, tuple) else (cell,)))
