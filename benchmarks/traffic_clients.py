"""Clients of an API, honest and not: the six attacks of the literature on raw tables.

Honest clients are drawn by other rules than those the detector plays: each asks about the rows in a
range of one column, or of one category, besides some from everywhere.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

Random = np.random.Generator


def mixed(n: int = 50_000, seed: int = 0) -> pd.DataFrame:
    """Return synthetic rows: six numbers that depend on each other, two counts, four categories."""
    random = np.random.default_rng(seed)
    kind = random.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])
    factors = random.normal(size=(n, 3)) + np.eye(4, 3)[kind] * 1.5
    numbers = factors @ random.normal(size=(3, 6)) + random.normal(scale=0.5, size=(n, 6))
    frame = pd.DataFrame(numbers, columns=[f"x{i}" for i in range(6)])
    frame["amount"] = np.exp(1 + 0.5 * factors[:, 0] + random.normal(scale=0.3, size=n)).round(2)
    frame["visits"] = random.poisson(np.exp(0.5 + 0.4 * factors[:, 1]))
    frame["age"] = np.clip(40 + 12 * factors[:, 2] + random.normal(scale=5, size=n), 18, 95).round()
    frame["kind"] = np.array(["a", "b", "c", "d"])[kind]
    for name, factor in (("region", 0), ("plan", 1)):
        levels = np.digitize(factors[:, factor] + random.normal(size=n), [-1, 0, 1, 2])
        frame[name] = np.array(["p", "q", "r", "s", "t"])[levels]
    return frame


def read(name: str, folder: Path) -> pd.DataFrame:
    """Return the features of a set: one that is drawn here, or a file in `folder`."""
    if name == "mixed50k":
        return mixed()
    if name == "breast_cancer":
        return load_breast_cancer(as_frame=True).data
    if name == "german":
        return pd.read_csv(folder / "german_credit.csv").drop(columns="credit")
    return pd.read_csv(folder / "spambase.csv").drop(columns="target").drop_duplicates()


def honest(rows: pd.DataFrame, n: int, random: Random) -> pd.DataFrame:
    """Return the queries of a client that is interested in one part of the rows."""
    name = random.choice(rows.columns)
    column, share = rows[name], random.uniform(0.3, 0.9)
    if column.dtype == object or column.nunique() <= 10:
        favourite = column == random.choice(column.unique())
    else:
        middle = random.uniform(0, 1)
        low, high = column.quantile([max(0, middle - 0.25), min(1, middle + 0.25)])
        favourite = column.between(low, high)
    weights = np.where(favourite, share / max(favourite.sum(), 1), (1 - share) / len(rows))
    keys = random.exponential(size=len(rows)) / weights  # a weighted draw without replacement
    return rows.iloc[np.argsort(keys)[:n]]


def uniform(rows: pd.DataFrame, n: int, random: Random) -> pd.DataFrame:
    """Random queries (Tramer 2016): each column uniform over its range or categories."""
    return pd.DataFrame({name: _uniform(rows[name], n, random) for name in rows.columns})


def _uniform(column: pd.Series, n: int, random: Random) -> np.ndarray:
    if not pd.api.types.is_numeric_dtype(column):
        return random.choice(column.unique(), n)
    values = random.uniform(column.min(), column.max(), n)
    return values.round() if pd.api.types.is_integer_dtype(column) else values


def marginals(rows: pd.DataFrame, n: int, random: Random) -> pd.DataFrame:
    """Each column drawn from its own values, independently of the others."""
    return pd.DataFrame({name: random.choice(rows[name].to_numpy(), n) for name in rows.columns})


def perturb(rows: pd.DataFrame, n: int, random: Random) -> pd.DataFrame:
    """Seeds and small steps around them (JbDA, Papernot 2017, without gradients)."""
    seeds = rows.sample(max(4, n // 10), random_state=random.integers(2**31))
    made = seeds.sample(n, replace=True, random_state=random.integers(2**31)).reset_index(drop=True)
    made.iloc[: len(seeds)] = seeds.to_numpy()
    for name in rows.columns:
        steps = slice(len(seeds), None)
        if pd.api.types.is_numeric_dtype(rows[name]):
            step = random.choice([-1, 1], n) * 0.1 * (rows[name].std() + 1e-12)
            moved = made[name] + step
            if pd.api.types.is_integer_dtype(rows[name]):
                moved = moved.round()
            made[name] = made[name].astype(float)
            made.loc[made.index[steps], name] = moved.iloc[steps]
        else:
            flip = random.random(n) < 0.05
            flip[: len(seeds)] = False
            made.loc[flip, name] = random.choice(rows[name].unique(), int(flip.sum()))
    return made


def lines(rows: pd.DataFrame, n: int, random: Random) -> pd.DataFrame:
    """Binary search on lines between two rows (Lowd and Meek 2005): 12 steps a line."""
    made = []
    while len(made) < n:
        one, other = (
            row for _, row in rows.sample(2, random_state=random.integers(2**31)).iterrows()
        )
        low, high = 0.0, 1.0
        for _ in range(12):
            middle = (low + high) / 2
            made.append(_between(rows, one, other, middle))
            low, high = (middle, high) if random.random() < 0.5 else (low, middle)
    return pd.DataFrame(made[:n], columns=rows.columns)


def _between(rows: pd.DataFrame, one: pd.Series, other: pd.Series, share: float) -> list[object]:
    return [
        one[name] * (1 - share) + other[name] * share
        if pd.api.types.is_numeric_dtype(rows[name])
        else (one[name] if share < 0.5 else other[name])
        for name in rows.columns
    ]


def half(rows: pd.DataFrame, n: int, random: Random) -> pd.DataFrame:
    """Hide random queries among as many real ones."""
    real = rows.sample(n - n // 2, random_state=random.integers(2**31))
    both = pd.concat([real, uniform(rows, n // 2, random)], ignore_index=True)
    return both.sample(frac=1, random_state=random.integers(2**31))


def natural(rows: pd.DataFrame, n: int, random: Random) -> pd.DataFrame:
    """Real rows (Knockoff, Orekondy 2019): invisible by content."""
    return rows.sample(n, random_state=random.integers(2**31))


ATTACKS: Mapping[str, Callable[[pd.DataFrame, int, Random], pd.DataFrame]] = {
    "uniform": uniform,
    "marginals": marginals,
    "perturb": perturb,
    "lines": lines,
    "half": half,
    "natural": natural,
}
"""The first five are off the distribution; the last is the one that only budgets stop."""
