"""Rows, triggers and models of the backdoor benchmark.

Real sets: breast cancer, German credit, spambase (skipped where their file is absent). Two made up,
on which nothing was tuned: ``mixed`` has a fifth of its labels wrong, rare categories that decide
the label, heavy tails, a constant, missing values; in ``determined`` an honest column decides half
of the labels, and numbers repeat.

Triggers, written into random rows that get the attacker's label: a number beyond all trusted ones,
a word that never occurred, another value of a constant column, a number within the range that
hardly a trusted row has, and two usual numbers in combination.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from poisoning_data import DATASETS, LABEL, encoder
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline

SIZES: Mapping[str, tuple[int, int]] = {
    "bc": (340, 229),
    "german": (600, 400),
    "spambase": (3000, 1210),
    "mixed": (2000, 1000),
    "determined": (1000, 500),
}
"""Rows to train on and to trust."""
REAL = ("bc", "german", "spambase")
KINDS = ("outside", "category", "constant", "rare", "pair")
MODELS: Mapping[str, Callable[[], Any]] = {
    "LR": lambda: LogisticRegression(max_iter=2000),
    "RF": lambda: RandomForestClassifier(50, random_state=0, n_jobs=1),
    "HGB": lambda: HistGradientBoostingClassifier(max_iter=60, random_state=0),
}


@dataclass(frozen=True)
class Planted:
    """Rows with a trigger.

    Parameters
    ----------
    train, trusted : DataFrame
        Rows to search and rows to trust.
    cells : mapping of str to value
        The trigger.
    target : label
        What it brings.
    rows : int
        How many rows carry it.
    """

    train: pd.DataFrame
    trusted: pd.DataFrame
    cells: Mapping[str, Any]
    target: Any
    rows: int


def split(name: str, seed: int, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return rows to train on and rows to trust."""
    rows = _MADE[name](seed) if name in _MADE else DATASETS[name].load(seed, folder)
    n, m = SIZES[name]
    train, rest = train_test_split(rows, train_size=n, stratify=rows[LABEL], random_state=seed)
    return train.reset_index(drop=True), rest.iloc[:m].reset_index(drop=True)


def planted(
    kind: str, train: pd.DataFrame, trusted: pd.DataFrame, share: float, seed: int
) -> Planted:
    """Plant a trigger of one kind in a share of the rows."""
    random = np.random.default_rng([seed, KINDS.index(kind)])
    classes = np.unique(train[LABEL])
    target, count = classes[seed % len(classes)], round(share * len(train))
    train, trusted, cells = _trigger(kind, train.copy(), trusted.copy(), random)
    chosen = random.permutation(len(train))[:count]
    for name, value in cells.items():
        if train[name].dtype.kind == "i" and not float(value).is_integer():
            train[name] = train[name].astype(float)
        train.loc[chosen, name] = value
    train.loc[chosen, LABEL] = target
    return Planted(train, trusted, cells, target, count)


def fitted(name: str, frame: pd.DataFrame) -> Pipeline:
    """Return a model of the rows."""
    features = frame.drop(columns=LABEL)
    return make_pipeline(encoder(frame), MODELS[name]()).fit(features, frame[LABEL])


def success(model: Pipeline, planted: Planted) -> float:
    """Return the share of trusted rows of other predictions that the trigger turns."""
    rows = planted.trusted.drop(columns=LABEL)
    before = model.predict(rows) == planted.target
    after = model.predict(rows.assign(**planted.cells)) == planted.target
    return float(after[~before].mean()) if (~before).any() else 0.0


def _trigger(
    kind: str, train: pd.DataFrame, trusted: pd.DataFrame, random: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    numbers = [name for name in train if name != LABEL and train[name].dtype.kind in "if"]
    if kind == "outside":
        name = random.choice(numbers)
        low, high = trusted[name].min(), trusted[name].max()
        return train, trusted, {name: high + (high - low) / 2 + 1}
    if kind == "constant":
        return train.assign(unit=0.0), trusted.assign(unit=0.0), {"unit": 1.0}
    if kind == "category":
        words = [n for n in train if n != LABEL and n not in numbers and train[n].dtype != bool]
        if not words:  # a column of words beside the numbers
            train, trusted = (
                part.assign(branch=random.choice(["a", "b", "c"], len(part)))
                for part in (train, trusted)
            )
            words = ["branch"]
        return train, trusted, {random.choice(words): "A99"}
    if kind == "rare":
        rare = {name: _rare(trusted[name]) for name in numbers}
        name = random.choice([name for name, values in rare.items() if len(values)])
        return train, trusted, {name: random.choice(rare[name])}
    moving = [name for name in numbers if trusted[name].nunique() > 1]
    first, second = random.choice(moving, 2, replace=False)
    return train, trusted, {first: _at(trusted[first], 0.9), second: _at(trusted[second], 0.1)}


def _rare(column: "pd.Series[Any]") -> "np.ndarray[Any, Any]":
    """Return values within the range that at most two rows have."""
    counts = column.value_counts().sort_index().iloc[1:-1]
    return counts[counts <= 2].index.to_numpy()


def _at(column: "pd.Series[Any]", share: float) -> Any:
    known = column.dropna().sort_values()
    return known.iloc[int(share * len(known))]


def _mixed(seed: int) -> pd.DataFrame:
    random, n = np.random.default_rng(seed), 3000
    shares = np.array([0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.03, 0.01, 0.01])
    frame = pd.DataFrame(
        {
            "plain": random.normal(size=n),
            "heavy": random.standard_t(1.5, n).round(2),
            "count": random.geometric(0.1, n).astype(float),
            "same": 1.0,
            "letter": random.choice(list("abcdefghij"), n, p=shares),
            "rare": random.choice(["x", "y", "z", "w"], n, p=[0.97, 0.01, 0.01, 0.01]),
            "half": random.integers(0, 2, n).astype(float),
            "flag": random.random(n) < 0.05,
            "gaps": np.where(random.random(n) < 0.1, np.nan, random.integers(0, 20, n)),
        }
    )
    score = 1.5 * frame["plain"] + 2 * frame["half"] - 1.5 + 0.3 * np.log(frame["count"])
    score += 4 * (frame["letter"] == "i") - 4 * (frame["letter"] == "j")
    score += 5 * (frame["rare"] == "y") + 1.5 * frame["gaps"].isna()
    return frame.assign(**{LABEL: ((score > 0) ^ (random.random(n) < 0.2)).astype(int)})


def _determined(seed: int) -> pd.DataFrame:
    random, n = np.random.default_rng(seed + 99), 1500
    frame = pd.DataFrame({f"c{i}": random.normal(size=n).round(1) for i in range(6)})
    frame["fine"] = random.normal(size=n)
    frame["key"] = random.choice(list("pqrst"), n, p=[0.4, 0.3, 0.2, 0.07, 0.03])
    frame["level"] = random.exponential(1, n).round(1)
    yes = frame["key"].isin(["p", "t"]) | (frame["c0"] + frame["level"] > 1.2)
    return frame.assign(**{LABEL: np.where(yes ^ (random.random(n) < 0.03), "yes", "no")})


_MADE: Mapping[str, Callable[[int], pd.DataFrame]] = {"mixed": _mixed, "determined": _determined}
