"""Figures of one method in one cell: what it found, and what is left of the attack.

A record is a flat mapping that JSON can hold. Its figures, None where undefined:

- ``auc``, ``ap``: ROC-AUC and average precision of the method's score for poisoned rows
- ``precision``, ``recall``, ``f1``: of the rows it rejects
- ``clean_rejected``: share of clean rows that it rejects
- ``false_discovery``: share of the rejected rows that are clean, 0 when it rejects none
- ``accuracy LR``, ``accuracy RF``: on test rows, of models trained on what it keeps
- ``success LR``, ``success RF``: share of triggered test rows that these give the attacker's label
- ``seconds``: CPU time of the method itself, without reading files, encoding or these figures
"""

import hashlib
import importlib
import io
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from poisoning_data import CONTRIBUTOR, LABEL, Cell, encoder
from poisoning_rivals import Rival, Verdict
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline

from modelwarden.checks.roni import roni
from modelwarden.errors import ModelWardenError
from modelwarden.report import Findings
from modelwarden.store import File
from modelwarden.tables import Table

Record = dict[str, Any]
Mask = npt.NDArray[np.bool_]

MODELS: Mapping[str, Callable[[], Any]] = {
    "LR": lambda: LogisticRegression(max_iter=1000),
    "RF": lambda: RandomForestClassifier(100, random_state=0),
}


def found(poisoned: Mask, verdict: Verdict) -> Record:
    """Compare what a method says with the truth."""
    rejected = verdict.rejected
    hits, n_rejected, n_poisoned = (rejected & poisoned).sum(), rejected.sum(), poisoned.sum()
    clean_rejected = (rejected & ~poisoned).sum() / (~poisoned).sum()
    figures = {
        "clean_rejected": float(clean_rejected),
        "false_discovery": float((n_rejected - hits) / n_rejected) if n_rejected else 0.0,
    }
    if not n_poisoned:
        return figures | dict.fromkeys(("auc", "ap", "precision", "recall", "f1"))
    return figures | {
        "auc": float(roc_auc_score(poisoned, verdict.score)),
        "ap": float(average_precision_score(poisoned, verdict.score)),
        "precision": float(hits / n_rejected) if n_rejected else 0.0,
        "recall": float(hits / n_poisoned),
        "f1": float(2 * hits / (n_rejected + n_poisoned)),
    }


def left(cell: Cell, kept: pd.DataFrame) -> Record:
    """Train on what is kept, and measure accuracy and the attack's success on test rows."""
    figures: Record = {}
    for name, make in MODELS.items():
        several = kept[LABEL].nunique() > 1
        model = make() if several else DummyClassifier(strategy="most_frequent")
        model = make_pipeline(encoder(kept), model).fit(kept, kept[LABEL])
        figures[f"accuracy {name}"] = _share_right(model, cell.test)
        trigger = cell.trigger
        figures[f"success {name}"] = None if trigger is None else _share_right(model, trigger)
    return figures


def _share_right(model: Any, rows: pd.DataFrame) -> float:
    return float((model.predict(rows) == rows[LABEL].to_numpy()).mean())


def baseline(cell: Cell, *, oracle: bool) -> Record:
    """Measure no filter at all, or one that knows the truth."""
    keep = ~cell.poisoned if oracle else np.ones(len(cell.train), bool)
    return left(cell, cell.train[keep]) | {"seconds": 0.0}


def rival(cell: Cell, method: Rival) -> Record:
    """Measure a rival."""
    encode = encoder(cell.train).fit(cell.train)
    x, trusted_x = encode.transform(cell.train), encode.transform(cell.trusted)
    classes, y = np.unique(cell.train[LABEL], return_inverse=True)
    trusted_y = np.searchsorted(classes, cell.trusted[LABEL])
    if method.package:
        importlib.import_module(method.package)  # its seconds do not count
    start = cpu_seconds()
    verdict = method.judge(x, y, trusted_x, trusted_y, cell.seed)
    seconds = cpu_seconds() - start
    after = left(cell, cell.train[~verdict.rejected])
    return found(cell.poisoned, verdict) | after | {"seconds": seconds}


def ours(cell: Cell, *, train: bool = True, **options: Any) -> Record:
    """Measure `roni`, called as a user calls it; `train` as in :func:`left`."""
    with tempfile.TemporaryDirectory() as folder:
        tables = _tables(cell, Path(folder))
        if cell.poisoners:
            options["group"] = CONTRIBUTOR
        start = cpu_seconds()
        try:
            findings = roni(*tables, target=LABEL, **options)
        except ModelWardenError as error:
            findings, refused = None, str(error)
        seconds = cpu_seconds() - start
    kept = _frame(findings.tables["kept"]) if findings else cell.train
    verdict = verdict_of(findings) if findings else _nothing(cell)
    figures = found(cell.poisoned, verdict) | (left(cell, kept) if train else {})
    figures["seconds"] = seconds
    if findings is None:
        return figures | {"refused": refused}
    figures["failures"] = list(findings.report.failures)
    return figures | blamed(findings.report.details.get("groups") or [], cell.poisoners)


def _nothing(cell: Cell) -> Verdict:
    """Return the verdict of a filter that refuses to judge: every row is kept."""
    return Verdict(np.zeros(len(cell.train)), np.zeros(len(cell.train), bool))


def _tables(cell: Cell, folder: Path) -> tuple[Table, Table]:
    def stored(name: str, rows: pd.DataFrame) -> Table:
        path = folder / f"{name}.parquet"
        rows.to_parquet(path, index=False)
        body = path.read_bytes()
        return Table.open(File(path.name, path, hashlib.sha256(body).hexdigest(), len(body)))

    return stored("train", cell.train), stored("trusted", cell.trusted)


def _frame(body: bytes) -> pd.DataFrame:
    read = pd.read_parquet if body[:4] == b"PAR1" else pd.read_csv
    return read(io.BytesIO(body))


def verdict_of(findings: Findings) -> Verdict:
    """Read decisions and scores from the per-row table."""
    rows = _frame(findings.tables["rows"]).sort_values("row")
    probability = rows["poison_probability"]
    score = 1 - rows["p_value"] if probability.isna().any() else probability
    rejected = (rows["decision"] == "rejected").to_numpy()
    return Verdict(score.to_numpy(dtype=np.float64), rejected)


def blamed(groups: list[Mapping[str, Any]], poisoners: tuple[str, ...]) -> Record:
    """Say whether the poisoning contributors come first, and how many of each kind are suspect."""
    if not groups or not poisoners:
        return {}
    first = {group["group"] for group in groups[: len(poisoners)]}
    suspects = {group["group"] for group in groups if group["suspect"]}
    return {
        "group_rows": min(group["rows"] for group in groups),
        "ranked_first": first == set(poisoners),
        "poisoners_suspect": len(suspects & set(poisoners)),
        "honest_suspect": len(suspects - set(poisoners)),
    }


def cpu_seconds() -> float:
    """Return CPU time of this process and its finished children."""
    children = os.times()
    return time.process_time() + children.children_user + children.children_system
