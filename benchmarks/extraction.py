"""Measure how many queries a copy of a model takes, and what the report costs.

``python benchmarks/extraction.py`` prints a section of RESULTS.md; about ten minutes on one core.
"""

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from art.attacks.extraction import CopycatCNN, KnockoffNets
from art.estimators.classification import SklearnClassifier
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from modelwarden.checks.extraction import extraction
from modelwarden.models import Predictor
from modelwarden.report import Report
from modelwarden.store import File
from modelwarden.tables import Table

MODELS: dict[str, Callable[[], Any]] = {
    "LR": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "RF": lambda: RandomForestClassifier(100, random_state=0),
    "HGB": lambda: HistGradientBoostingClassifier(random_state=0),
}
LIMIT = 0.95


def halves(name: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training and evaluation rows."""
    if name == "mc":
        x, y = make_classification(16_000, 20, n_informative=10, n_redundant=4, random_state=seed)
        train = 4000
    else:
        x, y = (load_breast_cancer if name == "bc" else load_digits)(return_X_y=True)
        train = len(x) // 2
    order = np.random.default_rng(seed).permutation(len(x))
    frame = pd.DataFrame(x, columns=[f"c{i}" for i in range(x.shape[1])]).assign(label=y)
    frame = frame.iloc[order].reset_index(drop=True)
    return frame.iloc[:train], frame.iloc[train:]


def stored(path: Path) -> File:
    """Return a file of this machine as the store would."""
    body = path.read_bytes()
    return File(path.name, path, sha256(body).hexdigest(), len(body))


def steal(model: Any, evaluation: pd.DataFrame, seed: int) -> tuple[Report, float]:
    """Return the report, and its CPU seconds in this process."""
    with tempfile.TemporaryDirectory() as folder:
        saved, table = Path(folder) / "model.joblib", Path(folder) / "rows.parquet"
        joblib.dump(model, saved)
        evaluation.to_parquet(table)
        with Predictor(stored(saved)) as predictor:
            start = time.process_time()
            opened = Table.open(stored(table))
            found = extraction(predictor, opened, target="label", limit=LIMIT, seed=seed)
            return found.report, time.process_time() - start


def cells(seeds: int) -> Iterator[str]:
    """Yield a line of the table for each data set and model."""
    for data in ("bc", "mc", "digits"):
        for name, made in MODELS.items():
            reports, spent = [], []
            for seed in range(seeds):
                train, evaluation = halves(data, seed)
                model = made().fit(train.drop(columns="label"), train["label"])
                report, seconds = steal(model, evaluation, seed)
                reports.append(report.metrics)
                spent.append(seconds)
            yield " | ".join(
                [
                    f"| {data} {name}",
                    _range(reports, "unaided_fidelity"),
                    _range(reports, "fidelity_labels"),
                    _range(reports, "fidelity"),
                    *(_queries(reports, share) for share in (90, 95, 99)),
                    _queries(reports, None),
                    _range(reports, "transfer_success_rate"),
                    f"{statistics.median(spent):.0f} |",
                ]
            )


def _range(reports: list[Any], name: str) -> str:
    values = [report[name] for report in reports]
    if None in values:
        return "-"
    return f"{np.mean(values):.3f} ({min(values):.3f}-{max(values):.3f})"


def _queries(reports: list[Any], share: int | None) -> str:
    name = "safe_queries" if share is None else f"queries_to_{share}"
    values = sorted(int(report[name]) for report in reports)
    middle = values[len(values) // 2]
    return "> 10000" if middle > 10_000 else str(middle)


def art() -> str:
    """Return how many of ART's extraction attacks end with scikit-learn surrogates."""
    train, evaluation = halves("bc", 0)
    x, y = train.drop(columns="label").to_numpy(), train["label"].to_numpy()
    pool, done, tried, errors = evaluation.drop(columns="label").to_numpy(), 0, 0, set()
    for made in MODELS.values():
        victim = SklearnClassifier(made().fit(x, y))
        for surrogate in ("LR", "RF"):
            for attack in (
                CopycatCNN(victim, nb_stolen=100),
                KnockoffNets(victim, nb_stolen=100, sampling_strategy="random"),
                KnockoffNets(victim, nb_stolen=100, sampling_strategy="adaptive"),
            ):
                tried += 1
                thief = SklearnClassifier(MODELS[surrogate]().fit(x[:20], y[:20]))
                try:
                    attack.extract(pool[:200], y[:200], thieved_classifier=thief)
                    done += 1
                except Exception as error:  # noqa: BLE001 - what it raises is the finding
                    errors.add(f"{type(error).__name__}: {str(error)[:80]}")
    return f"{done} of {tried} end; the others: {'; '.join(sorted(errors))}"


def main() -> None:
    """Print the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    warnings.simplefilter("ignore")
    print(f"# Extraction\n\n{seeds} seeds; means and ranges, middle numbers of queries.\n")
    print(
        "| model | without a query | from labels | from probabilities too | to 90 % | to 95 % "
        f"| to 99 % | safe below {LIMIT:.0%} | transfer | CPU s |\n" + "|---" * 10 + "|"
    )
    with threadpool_limits(1):
        for line in cells(seeds):
            print(line, flush=True)
    print(f"\nART {art()}")


if __name__ == "__main__":
    main()
