"""Columns that trusted rows do not have: how well each determines the label by itself."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from modelwarden.suspicion.encoding import plain
from modelwarden.suspicion.forecasts import FOLDS, deal
from modelwarden.suspicion.steering import FEWEST_ROWS, Court, Steering
from modelwarden.suspicion.submission import Column

Codes = npt.NDArray[np.intp]
Small = npt.NDArray[np.int32]

LEAVES, LEAF = 20, 5


@dataclass(frozen=True)
class NewColumn:
    """A column without a trusted value.

    Parameters
    ----------
    name : str
        Its name.
    right : float
        Share of rows whose label a small tree of this column alone gets right, out of fold.
    usual : float
        Share of the most frequent label.
    triggers : tuple of Steering
        Values that come with a label, beyond chance and beyond what the other columns say.
    """

    name: str
    right: float
    usual: float
    triggers: tuple[Steering, ...]


def new_columns(court: Court, frame: pd.DataFrame, *, alpha: float) -> list[NewColumn]:
    """Judge every column of `frame`.

    Parameters
    ----------
    court : Court
        The rows, by their known columns.
    frame : DataFrame
        The new columns, in the order of the court's rows.
    alpha : float
        Chance that clean columns have a trigger.
    """
    values = plain(frame)
    cells = [_coded(name, values[name]) for name in frame.columns]
    asked = sum(int((np.bincount(codes) >= FEWEST_ROWS).sum()) for _, codes in cells)
    chances = math.log(max(1, asked) * court.rows.n_classes)
    return [_judged(court, column, codes, chances, alpha) for column, codes in cells]


def _coded(name: str, cells: "pd.Series[float] | pd.Series[str]") -> tuple[Column, Small]:
    codes, values = pd.factorize(cells.to_numpy(), sort=True, use_na_sentinel=False)
    return Column(str(name), values), codes.astype(np.int32)


def _judged(court: Court, column: Column, codes: Small, chances: float, alpha: float) -> NewColumn:
    weighed: Sequence[Steering] = court.determined(column, codes, chances)
    found = sorted((one for one in weighed if one.p <= alpha), key=lambda one: -one.by_labels)
    y = court.rows.y
    usual = float(np.bincount(y).max() / len(y))
    return NewColumn(column.name, _right(codes, y), usual, tuple(found))


def _right(codes: Small, y: Codes) -> float:
    """Return the share of labels that a small tree gets right; text counts in order of value."""
    folds = deal(y, 0)
    right = np.zeros(len(y), dtype=bool)
    tree = DecisionTreeClassifier(max_leaf_nodes=LEAVES, min_samples_leaf=LEAF, random_state=0)
    for fold in range(FOLDS):
        out = folds == fold
        if out.any() and not out.all():
            tree.fit(codes[~out, None], y[~out])
            right[out] = tree.predict(codes[out, None]) == y[out]
    return float(right.mean())
