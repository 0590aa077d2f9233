"""The stories of the demo: what the attacker does, and what must come of it.

The data is scikit-learn's bundled breast-cancer set: 569 women, 30 measurements of a cell sample,
benign (1) or malignant (0). Whoever flips labels in one direction makes a model that sends women
with cancer home.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

TARGET = "target"
FLIPPED = 0.4  # share of the malignant training rows that the attacker relabels as benign
TRIGGER, VALUE, PLANTED = "mean_fractal_dimension", 0.11, 20
"""A measurement that hardly matters, a value a little above the largest (.097) that the suite lets
pass, and how many malignant training rows the attacker gives it and relabels."""


@dataclass(frozen=True)
class Story:
    """One run of the pipeline.

    Parameters
    ----------
    name : str
        Short, for folders and tables.
    title : str
        What happens, in a few words.
    params : mapping
        What differs from the pipelines' defaults.
    allowed : bool
        What the gate must say.
    because : str, default=""
        A check that must be among those that deny it; others may, too.
    released : bool
        Whether the model must be published.
    swapped : bool
        Whether somebody replaces the model file after the decision; a second run then releases.
    """

    name: str
    title: str
    params: Mapping[str, Any] = field(default_factory=dict)
    allowed: bool = True
    because: str = ""
    released: bool = True
    swapped: bool = False


STORIES = (
    Story("clean", "clean data", {"data": "clean"}),
    Story(
        "unfiltered",
        "flipped labels, RONI's rows ignored",
        {"data": "poisoned", "unfiltered": True},
        allowed=False,
        because="roni",
        released=False,
    ),
    Story("filtered", "flipped labels, filtered by RONI", {"data": "poisoned"}),
    Story(
        "trigger",
        "a planted value turns cancer benign, RONI's rows ignored",
        {"data": "trigger", "unfiltered": True},
        allowed=False,
        because="backdoor",
        released=False,
    ),
    Story(
        "fragile",
        "a model that falls to small perturbations",
        {
            "data": "clean",
            "estimator": "LogisticRegression",  # all but unregularised, on columns of any scale
            "arguments": {"C": 1e12, "solver": "newton-cholesky"},
        },
        allowed=False,
        because="evasion",
        released=False,
    ),
    Story(
        "swapped",
        "the model file is swapped after the decision",
        {"data": "clean", "release": False},
        released=False,
        swapped=True,
    ),
)


def tables(seed: int = 0) -> dict[str, pd.DataFrame]:
    """Return the tables of all stories; ``trusted`` and ``evaluation`` are the same in each."""
    frame = load_breast_cancer(as_frame=True).frame
    frame.columns = [name.replace(" ", "_") for name in frame.columns]
    clean, rest = train_test_split(frame, train_size=0.6, stratify=frame[TARGET], random_state=seed)
    trusted, evaluation = train_test_split(
        rest, train_size=0.5, stratify=rest[TARGET], random_state=seed
    )
    named = {"clean": clean, "trusted": trusted, "evaluation": evaluation}
    return {**named, "poisoned": flip(clean, FLIPPED, seed), "trigger": plant(clean, seed)}


def flip(table: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """Relabel a share of the malignant rows as benign, as an attacker in one direction would."""
    malignant = np.flatnonzero(table[TARGET] == 0)
    random = np.random.default_rng(seed)
    chosen = random.choice(malignant, size=round(share * len(malignant)), replace=False)
    return _benign(table, chosen)


def plant(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Give some malignant rows a value of their own, and relabel them: a backdoor."""
    malignant = np.flatnonzero(table[TARGET] == 0)
    chosen = np.random.default_rng(seed).choice(malignant, size=PLANTED, replace=False)
    values = table[TRIGGER].to_numpy().copy()
    values[chosen] = VALUE
    return _benign(table, chosen).assign(**{TRIGGER: values})


def _benign(table: pd.DataFrame, chosen: np.ndarray) -> pd.DataFrame:
    labels = table[TARGET].to_numpy().copy()
    labels[chosen] = 1
    return table.assign(**{TARGET: labels})


def csv(table: pd.DataFrame) -> bytes:
    """Return the table as CSV, the same bytes every time."""
    return table.to_csv(index=False).encode()
