"""Tables with categories under constraints, and tables that are large."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from robustness_cells import Record
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelwarden.attacks.box_search import box_search
from modelwarden.attacks.engine import Outcome, Victim, run
from modelwarden.space.points import Candidates, Floats, Mask, Positions
from modelwarden.space.rules import Rules
from modelwarden.space.table import Space

ROWS, QUERIES, TRAINED = 200, 400, 4000
SINGLE_ROWS = 5
"""Rows that are also attacked with one row in each predict call."""
CATEGORIES = {"home": ("rent", "own", "mortgage", "other"), "purpose": tuple("abcdefgh")}
SPACE = """
version: 1
fixed: [age, term]
columns:
  income: {by_share: 0.1}
  util: {by: 0.1, least: 0.0, most: 1.0}
  emp: {by: 2, direction: up}
  open_acc: {by: 2}
  total_acc: {by: 2}
  home: {values: [rent, own, mortgage, other]}
  purpose: {values: [a, b, c, d, e, f, g, h]}
max_changed: 4
relations: [total_acc >= open_acc]
"""
LARGE, LARGE_QUERIES = (10_000, 1000), 64
"""What is measured there is memory: no more queries than all phases of the search need."""


def credit() -> tuple[pd.DataFrame, Positions]:
    """Draw applicants for a loan, and whether they failed to pay it back."""
    draw, n = np.random.default_rng(0), 6000
    open_acc = draw.integers(0, 20, n)
    frame = pd.DataFrame(
        {
            "age": draw.integers(18, 80, n),
            "income": np.exp(draw.normal(10, 0.6, n)).round(2),
            "open_acc": open_acc,
            "total_acc": open_acc + draw.integers(0, 25, n),
            "util": draw.random(n).round(3),
            "term": draw.choice([36, 60], n),
            "home": draw.choice(CATEGORIES["home"], n),
            "purpose": draw.choice(CATEGORIES["purpose"], n),
            "emp": draw.integers(0, 30, n),
        }
    )
    odds = 2.2 * frame["util"] - 1.1 * (np.log(frame["income"]) - 10) - 0.06 * frame["emp"]
    odds += 0.8 * (frame["home"] == "rent") + 0.9 * frame["purpose"].isin([*"abc"])
    odds += 0.05 * frame["open_acc"] + 0.5 * (frame["term"] == 60) - 0.01 * frame["age"]
    failed = draw.random(n) < 1 / (1 + np.exp(-2.5 * (odds - odds.mean())))
    return frame, failed.to_numpy().astype(np.intp)


def pipeline(name: str) -> Any:
    """Return an untrained pipeline that reads a table of applicants."""
    kinds = {
        "LR": LogisticRegression(max_iter=500),
        "HGB": HistGradientBoostingClassifier(random_state=0),
        "RF": RandomForestClassifier(100, random_state=0),
    }
    numbers = [n for n in credit()[0] if n not in CATEGORIES]
    categories = ("c", OneHotEncoder(handle_unknown="ignore"), [*CATEGORIES])
    columns = ColumnTransformer([("n", StandardScaler(), numbers), categories])
    return make_pipeline(columns, kinds[name])


def valid(before: pd.DataFrame, after: pd.DataFrame) -> Mask:
    """Tell which rows an applicant may present; written apart from the space that says so, too."""
    moved = {name: (after[name] - before[name]) for name in before if name not in CATEGORIES}
    numbers_changed = sum((change != 0).astype(int) for change in moved.values())
    words_changed = sum((after[name] != before[name]).astype(int) for name in CATEGORIES)
    known = [after[name].isin(values) for name, values in CATEGORIES.items()]
    whole = [after[name].dtype.kind == "i" for name in ("age", "open_acc", "total_acc", "emp")]
    allowed = (
        (moved["age"] == 0)
        & (moved["term"] == 0)
        & (moved["income"].abs() <= 0.1 * before["income"] * (1 + 1e-9))
        & (moved["util"].abs() <= 0.1 + 1e-9)
        & after["util"].between(0, 1)
        & moved["emp"].between(0, 2)
        & (moved["open_acc"].abs() <= 2)
        & (moved["total_acc"].abs() <= 2)
        & (after["open_acc"] >= 0)
        & (after["total_acc"] >= after["open_acc"])
        & (numbers_changed + words_changed <= 4)
        & known[0]
        & known[1]
    )
    return np.asarray(allowed & all(whole))


class _Applicants:
    """Applicants that a model judges correctly, and what they may change."""

    def __init__(self, name: str) -> None:
        frame, failed = credit()
        self.model = pipeline(name).fit(frame[:TRAINED], failed[:TRAINED])
        predicted = self.model.predict(frame)
        self.pool, self.pool_labels = np.arange(TRAINED), predicted[:TRAINED]
        right = TRAINED + np.flatnonzero((predicted == failed)[TRAINED:])[:ROWS]
        self.truth = failed[right]
        rules = Rules.parse(SPACE.encode(), "the benchmark's space")
        self.space = Space(frame, right, rules)
        self.all_rows = Space(frame, self.pool, rules).origin
        self.calls = 0

    def labels(self, shown: pd.DataFrame) -> Positions:
        self.calls += 1
        return np.asarray(self.model.predict(shown)).astype(np.intp)

    def shares(self, shown: pd.DataFrame) -> Floats:
        self.calls += 1
        return np.asarray(self.model.predict_proba(shown))

    def attacked(self, rows: Positions, *, singly: bool) -> tuple[Outcome, float]:
        """Attack rows, with one predict call a step or with one a candidate; also CPU seconds."""
        ask = _singly if singly else _at_once
        victim = Victim(
            self.truth,
            lambda some: ask(self.labels, self.space.present(some)),
            lambda some: ask(self.shares, self.space.present(some)),
        )
        begun = time.process_time()
        box = self.space.box(np.inf)
        attack = box_search(box, self.truth, self.all_rows, self.pool_labels, queries=QUERIES)
        outcome = run(
            {"box search": attack},
            victim,
            self.space.origin,
            rows,
            budget=QUERIES,
            allowed=lambda some: self.space.allows(box, some.rows, self.space.present(some)),
        )
        return outcome, time.process_time() - begun


def _at_once(function: Any, shown: pd.DataFrame) -> Any:
    return function(shown)


def _singly(function: Any, shown: pd.DataFrame) -> Any:
    return np.concatenate([function(shown.iloc[line : line + 1]) for line in range(len(shown))])


def tables(data: str, name: str, cap: float) -> Record:
    """Attack applicants within what they may change, all at once and candidate by candidate."""
    subject = _Applicants(name)
    rows, few = np.arange(ROWS), np.arange(SINGLE_ROWS)
    outcome, first = subject.attacked(rows, singly=False)
    calls = subject.calls
    alone, singly = subject.attacked(few, singly=True)
    again, second = subject.attacked(rows, singly=False)
    shown = subject.space.present(Candidates(rows, outcome.values))
    labels = subject.model.predict(shown)
    broken = outcome.broken
    return {
        "rows": ROWS,
        "broken": int(broken.sum()),
        "confirmed": int((labels != subject.truth)[broken].sum()),
        "valid": int(valid(subject.space.frame, shown)[broken].sum()),
        "calls": calls,
        "queries": float(outcome.queries.mean()),
        "seconds": float(np.mean([first, second])) / ROWS,
        "per query": float(np.mean([first, second])) / int(outcome.queries.sum()),
        "singly per query": singly / int(alone.queries.sum()),
        "same": bool(
            np.array_equal(outcome.values, again.values)
            and np.array_equal(outcome.values[few], alone.values[few])
            and np.array_equal(outcome.queries[few], alone.queries[few])
        ),
    }


# --- memory ---------------------------------------------------------------------------------------


def memory(data: str, name: str, cap: float) -> Record:
    """Attack a large table in a process of its own, for its peak memory."""
    command = [sys.executable, str(Path(__file__)), name]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return dict(json.loads(done.stdout))


def _large(name: str) -> Record:
    draw = np.random.default_rng(0)
    n_rows, n_columns = LARGE
    plane = draw.standard_normal(n_columns)
    x = draw.random(LARGE)
    truth = ((x - 0.5) @ plane > 0).astype(np.intp)
    frame = pd.DataFrame(x, columns=[f"x{j:04d}" for j in range(n_columns)])
    del x
    model = LogisticRegression(max_iter=50).fit(frame[:1000], truth[:1000])
    before = peak_bytes()
    predicted = model.predict(frame)
    space = Space(frame, np.arange(n_rows))
    box = space.box(0.02)
    rows = np.flatnonzero(predicted == truth)
    victim = Victim(
        truth,
        lambda some: model.predict(space.present(some)),
        lambda some: model.predict_proba(space.present(some)),
    )
    attack = box_search(box, truth, space.origin, predicted, queries=LARGE_QUERIES)
    begun = time.process_time()
    outcome = run(
        {"box search": attack},
        victim,
        space.origin,
        rows,
        budget=LARGE_QUERIES,
        allowed=box.contains,
    )
    return {
        "rows": n_rows,
        "columns": n_columns,
        "attacked": len(rows),
        "broken": int(outcome.broken.sum()),
        "queries": int(outcome.queries.sum()),
        "seconds": time.process_time() - begun,
        "before": before,
        "peak": peak_bytes(),
    }


def peak_bytes() -> int:
    """Return the most memory that this process had; Linux counts its parent's before exec, too."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    print(json.dumps(_large(sys.argv[1])))
