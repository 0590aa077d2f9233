"""Three cheap checks of "another package", found through the entry-point group.

The tests of the chain use them, so that they take no time and hold that mechanism, too.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from modelwarden.cards import Card
from modelwarden.estimators import Estimator
from modelwarden.report import Findings, Report
from modelwarden.store import File
from modelwarden.tables import Table, features, labels
from modelwarden.work import Work

SIFT = Card(
    function="own_checks:sift",
    summary="Leave out rows whose column `a` is large.",
    inputs={"train": "table", "trusted": "table", "spared": "table"},
    optional=("spared",),
    options={"target": str, "alpha": 0.05, "seed": 0},
    metrics={"rejected_rows": "rows", "rejected_fraction": "0 to 1"},
    words={"train": "t", "trusted": "t", "spared": "s", "target": "t", "alpha": "a", "seed": "s"},
    tables=("kept", "rows"),
)
WEIGH = Card(
    function="own_checks:weigh",
    summary="Count the bytes of a model file.",
    inputs={"model": "file"},
    options={},
    metrics={"bytes": "bytes"},
    words={"model": "m"},
)

REFIT = Card(
    function="own_checks:refit",
    summary="Count the rows that an estimator fitted on them gets right.",
    inputs={"train": "table", "estimator": "estimator"},
    optional=("estimator",),
    options={"target": str},
    metrics={"right": "rows"},
    words={"train": "t", "estimator": "e", "target": "t"},
)


def sift(
    train: Table,
    trusted: Table,
    spared: Table | None = None,
    *,
    target: str,
    alpha: float = 0.05,
    seed: int = 0,
    work: Work | None = None,
) -> Findings:
    """Leave out rows whose column ``a`` is large, unless `spared` has it."""
    values = train.frame()["a"]
    keep = (values < trusted.frame()["a"].quantile(1 - alpha)).to_numpy()
    if spared is not None:
        keep = keep | values.isin(spared.frame()["a"]).to_numpy()
    rejected = int((~keep).sum())
    metrics = {"rejected_rows": rejected, "rejected_fraction": rejected / train.n_rows}
    decisions = np.where(keep, "kept", "rejected")
    rows = pd.DataFrame({"row": range(1, train.n_rows + 1), "decision": decisions})
    tables = {"kept": train.select(keep), "rows": train.encode(rows)}
    return Findings(Report("sift", metrics), tables=tables)


def weigh(model: File, *, work: Work | None = None) -> Findings:
    """Count the bytes of a model file."""
    return Findings(Report("weigh", {"bytes": model.size}))


def refit(
    train: Table, estimator: Estimator | None = None, *, target: str, work: Work | None = None
) -> Findings:
    """Count the rows that the estimator gets right; none without one."""
    rows, truth = features(train, target), labels(train, target)
    right = 0 if estimator is None else (estimator.forecast(rows, truth, rows) == truth).sum()
    return Findings(Report("refit", {"right": int(right)}))


def install(folder: Path) -> None:
    """Put the package's metadata where Python looks for entry points."""
    info = folder / "own_checks-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-checks\nVersion: 1\n")
    lines = [f"{name} = own_checks:{name.upper()}" for name in ("sift", "weigh", "refit")]
    (info / "entry_points.txt").write_text("\n".join(["[modelwarden.checks]", *lines]))
    sys.path.insert(0, str(folder))
