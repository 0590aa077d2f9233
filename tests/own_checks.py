"""Two cheap checks of "another package", found through the entry-point group.

The tests of the chain use them, so that they take no time and hold that mechanism, too.
"""

import sys
from pathlib import Path

from modelwarden.cards import Card
from modelwarden.report import Findings, Report
from modelwarden.store import File
from modelwarden.tables import Table
from modelwarden.work import Work

SIFT = Card(
    function="own_checks:sift",
    summary="Leave out rows whose column `a` is large.",
    inputs={"train": "table", "trusted": "table"},
    options={"target": str, "alpha": 0.05, "seed": 0},
    metrics={"rejected_rows": "rows", "rejected_fraction": "0 to 1"},
    words={"train": "t", "trusted": "t", "target": "t", "alpha": "a", "seed": "s", "kept": "k"},
    tables=("kept",),
)
WEIGH = Card(
    function="own_checks:weigh",
    summary="Count the bytes of a model file.",
    inputs={"model": "file"},
    options={},
    metrics={"bytes": "bytes"},
    words={"model": "m"},
)


def sift(
    train: Table,
    trusted: Table,
    *,
    target: str,
    alpha: float = 0.05,
    seed: int = 0,
    work: Work | None = None,
) -> Findings:
    """Leave out rows whose column ``a`` is large."""
    keep = (train.frame()["a"] < trusted.frame()["a"].quantile(1 - alpha)).to_numpy()
    rejected = int((~keep).sum())
    metrics = {"rejected_rows": rejected, "rejected_fraction": rejected / train.n_rows}
    return Findings(Report("sift", metrics), tables={"kept": train.select(keep)})


def weigh(model: File, *, work: Work | None = None) -> Findings:
    """Count the bytes of a model file."""
    return Findings(Report("weigh", {"bytes": model.size}))


def install(folder: Path) -> None:
    """Put the package's metadata where Python looks for entry points."""
    info = folder / "own_checks-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-checks\nVersion: 1\n")
    lines = ["[modelwarden.checks]", "sift = own_checks:SIFT", "weigh = own_checks:WEIGH"]
    (info / "entry_points.txt").write_text("\n".join(lines))
    sys.path.insert(0, str(folder))
