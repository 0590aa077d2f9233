"""Rows that a thief has, how new ones are made of them, and how a copy sees both."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types
from sklearn.feature_extraction.text import TfidfVectorizer

from modelwarden.suspicion.encoding import Encoder, plain

Positions = npt.NDArray[np.intp]
Matrix = Any
"""A float matrix of shape (n_rows, n_features), dense, or sparse for texts."""

NOISE = 0.05
"""What is added to numbers, in standard deviations of their column."""
WORDS = 20_000
"""Words that a copy of a text classifier knows at most."""


class Rows(Protocol):
    """What a thief has.

    Attributes
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        The rows, as the model takes them.
    width : int
        Features that a copy sees.
    are_texts : bool
    """

    frame: pd.DataFrame
    width: int
    are_texts: bool

    def mixed(self, count: int, random: np.random.Generator) -> pd.DataFrame:
        """Return `count` new rows, each made of two that the thief has."""
        ...

    def encode(self, frame: pd.DataFrame) -> Matrix:
        """Return rows as a copy sees them."""
        ...


class TableRows:
    """Rows of a table; see :class:`Rows`.

    New rows are half blends, half crossovers of two rows; numbers get a little noise and stay in
    the range of their column, whole numbers stay whole, everything else is one parent's.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Rows that the thief has, one or more.
    """

    are_texts = False

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame.reset_index(drop=True)
        simple = plain(self.frame)
        self._encoder = Encoder.fit(simple, farthest=np.inf)
        self.width = self._encoder.encode(simple.iloc[:1]).shape[1]

    def mixed(self, count: int, random: np.random.Generator) -> pd.DataFrame:
        """Return `count` new rows, each made of two that the thief has."""
        first, second = random.integers(len(self.frame), size=(2, count))
        blends, share = random.random(count) < 0.5, random.random(count)
        return pd.DataFrame(
            {
                name: _crossed(self.frame[name], first, second, blends, share, random)
                for name in self.frame.columns
            }
        )

    def encode(self, frame: pd.DataFrame) -> Matrix:
        """Return rows as a copy sees them: standardised numbers, a column per category."""
        return self._encoder.encode(plain(frame))


class TextRows:
    """Rows of one column of texts; see :class:`Rows`.

    A new text has the first words of one and the last words of another.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, 1)
        Texts that the thief has, one or more.
    """

    are_texts = True

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame.reset_index(drop=True)
        self._texts = [str(text) for text in self.frame.iloc[:, 0]]
        self._words = TfidfVectorizer(max_features=WORDS, analyzer=str.split)
        self.width = self._words.fit_transform([*self._texts, "text"]).shape[1]

    def mixed(self, count: int, random: np.random.Generator) -> pd.DataFrame:
        """Return `count` new rows, each made of two that the thief has."""
        pairs = random.integers(len(self._texts), size=(count, 2))
        parts = random.random(count)
        texts = [
            _spliced(self._texts[a], self._texts[b], part)
            for (a, b), part in zip(pairs, parts, strict=True)
        ]
        return pd.DataFrame({self.frame.columns[0]: texts})

    def encode(self, frame: pd.DataFrame) -> Matrix:
        """Return texts as a copy sees them: weights of words."""
        return self._words.transform([str(text) for text in frame.iloc[:, 0]])


def _crossed(
    column: "pd.Series[Any]",
    first: Positions,
    second: Positions,
    blends: npt.NDArray[np.bool_],
    share: npt.NDArray[np.float64],
    random: np.random.Generator,
) -> "pd.Series[Any]":
    """Return one column of the new rows."""
    parent = np.where(random.random(len(first)) < share, first, second)
    if not _is_measured(column):
        return column.take(parent).reset_index(drop=True)
    known = column.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.where(np.isinf(known), np.nan, known)
    blend = share * known[first] + (1 - share) * known[second]
    values = np.where(blends, blend, known[parent])
    values = values + NOISE * np.nanstd(known) * random.standard_normal(len(values))
    values = np.clip(values, np.nanmin(known), np.nanmax(known))
    if not types.is_integer_dtype(column.dtype) and not _is_whole(known):
        return pd.Series(values)
    whole = pd.Series(np.rint(values))
    return whole.astype(column.dtype) if whole.notna().all() else whole


def _is_measured(column: "pd.Series[Any]") -> bool:
    """Tell whether values between two of a column's values make sense."""
    is_number = types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype)
    return is_number and column.nunique() > 2


def _is_whole(values: npt.NDArray[np.floating[Any]]) -> bool:
    finite = values[~np.isnan(values)]
    return bool((finite == np.floor(finite)).all())


def _spliced(first: str, second: str, part: float) -> str:
    head, tail = first.split(), second.split()
    return " ".join([*head[: round(part * len(head))], *tail[round(part * len(tail)) :]])
