"""What a model is made of: how columns become features, and weights or trees over them.

The model's own process takes it apart (:mod:`modelwarden.child.structure`); here it is checked and
computed with. Whoever proves something about it compares its labels with the model's first.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from modelwarden.errors import InputError
from modelwarden.trees.ensemble import Trees

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
Value = bool | int | float | str

KINDS = ("number", "equals", "missing")
ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""Relative error of a feature: the model scales in another order than one matrix does."""
TIE = 1e-9
"""Scores closer than that, relative to the largest, may fall either way by rounding."""


@dataclass(frozen=True)
class Unit:
    """Something that a cell says as a number.

    Parameters
    ----------
    column : str or int
        Its column; a position for models that were fitted on arrays.
    kind : {"number", "equals", "missing"}
        The number in the cell, 0 where it is missing; or 1 where the cell is `value`, else 0; or 1
        where it is missing.
    value : bool, int, float or str, optional
        What an "equals" compares with.
    """

    column: str | int
    kind: str
    value: Value | None = None


@dataclass(frozen=True)
class Encoding:
    """How cells become features: ``matrix @ units + offset``.

    Parameters
    ----------
    units : tuple of Unit
        What is read.
    matrix : sparse array, shape (n_features, n_units)
        What features are made of.
    offset : ndarray, shape (n_features,)
        Added to each feature.
    keeps_missing : ndarray of bool, shape (n_features,)
        Features that are missing where a number that they are made of is.

    Raises
    ------
    InputError
        If the parts do not fit: they may come from a model that lies.
    """

    units: tuple[Unit, ...]
    matrix: sparse.csr_array
    offset: Floats
    keeps_missing: Mask

    def __post_init__(self) -> None:
        n_features, n_units = self.matrix.shape
        fits = (
            n_units == len(self.units)
            and self.offset.shape == self.keeps_missing.shape == (n_features,)
            and bool(np.isfinite(self.matrix.data).all() and np.isfinite(self.offset).all())
            and all(unit.kind in KINDS for unit in self.units)
        )
        if not fits:
            raise InputError("model", "an encoding", "parts that do not fit", "do not trust it")

    @property
    def n_features(self) -> int:
        """Return how many features there are."""
        return len(self.offset)

    def read(self, frame: pd.DataFrame) -> tuple[Floats, Mask]:
        """Return the units of each row, and which of them tell of a missing cell."""
        values = np.zeros((len(frame), len(self.units)))
        gaps = np.zeros(values.shape, dtype=bool)
        cells: dict[str | int, pd.Series] = {}
        for place, unit in enumerate(self.units):
            if unit.column not in cells:
                cells[unit.column] = _column(frame, unit.column)
            column = cells[unit.column]
            missing = column.isna().to_numpy()
            if unit.kind == "missing":
                values[:, place], gaps[:, place] = missing, missing
            elif unit.kind == "equals":
                equal = column.astype(object).eq(_wanted(unit)).fillna(False).to_numpy(dtype=bool)
                values[:, place] = equal & ~missing
            else:
                numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
                gaps[:, place] = missing
                values[:, place] = np.where(missing, 0.0, numbers)
        return values, gaps

    def slack(self, values: Floats) -> Floats:
        """Return how far rounding may take features from what the model itself computes."""
        size: Floats = (abs(self.matrix) @ np.abs(values).T).T + np.abs(self.offset)
        return ROUNDING * size

    def features(self, frame: pd.DataFrame) -> Floats:
        """Return the features of each row, shape (n_rows, n_features)."""
        return self.features_of(*self.read(frame))

    def nearby(self, frame: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
        """Return the features of each row, and what rounding may make of them: less and more."""
        values, gaps = self.read(frame)
        features, slack = self.features_of(values, gaps), self.slack(values)
        return features, features - slack, features + slack

    def features_of(self, values: Floats, gaps: Mask) -> Floats:
        """Return the features of rows whose units were read."""
        features: Floats = (self.matrix @ values.T).T + self.offset
        return np.where(self.missing(gaps), np.nan, features)

    def missing(self, gaps: Mask) -> Mask:
        """Return which features are missing in rows with these gaps."""
        if not gaps.any() or not self.keeps_missing.any():
            return np.zeros((len(gaps), self.n_features), dtype=bool)
        made_of = self.matrix.copy()
        made_of.data = np.ones_like(made_of.data)  # a weight of 0 tells a gap, too
        found = (made_of @ gaps.T.astype(np.float64)).T > 0
        return np.asarray(found & self.keeps_missing)


@dataclass(frozen=True)
class Linear:
    """A linear model: ``features @ weights.T + bias``.

    Parameters
    ----------
    weights : ndarray, shape (n_outputs, n_features)
    bias : ndarray, shape (n_outputs,)
    """

    weights: Floats
    bias: Floats

    def __post_init__(self) -> None:
        fits = self.weights.ndim == 2 and self.bias.shape == self.weights.shape[:1]
        if not fits or not (np.isfinite(self.weights).all() and np.isfinite(self.bias).all()):
            raise InputError("model", "finite weights", "others", "do not trust this model")

    @property
    def n_outputs(self) -> int:
        """Return how many scores a row gets."""
        return len(self.bias)

    def scores(self, features: Floats) -> Floats:
        """Return the scores of rows, shape (n_rows, n_outputs)."""
        scores: Floats = features @ self.weights.T + self.bias
        return scores


@dataclass(frozen=True)
class Structure:
    """A classifier, taken apart.

    Parameters
    ----------
    encoding : Encoding
        How columns become features.
    model : Linear or Trees
        What is computed from them.
    n_classes : int
        Two classes have one score, and class 1 where it is above 0; more have a score each, and
        the class of the first largest.
    """

    encoding: Encoding
    model: Linear | Trees
    n_classes: int

    def __post_init__(self) -> None:
        outputs = 1 if self.n_classes == 2 else self.n_classes
        model, n_features = self.model, self.encoding.n_features
        used = model.weights.shape[1] if isinstance(model, Linear) else _used(model)
        fits = used == n_features if isinstance(model, Linear) else used <= n_features
        if self.n_classes < 2 or model.n_outputs != outputs or not fits:
            got = f"{model.n_outputs} scores of {used} features for {self.n_classes} classes"
            raise InputError("model", "a structure that fits together", got, "do not trust it")

    def scores(self, frame: pd.DataFrame) -> Floats:
        """Return the scores of rows, shape (n_rows, 1 or n_classes)."""
        return self.model.scores(self.encoding.features(frame))

    def labels(self, frame: pd.DataFrame) -> Positions:
        """Return the class of each row, by position."""
        return self._decided(self.scores(frame))

    def agrees(self, frame: pd.DataFrame, labels: Positions) -> Mask:
        """Tell for which rows this is the model that gave `labels`.

        Where a feature is on a threshold, or scores are tied, up to rounding, either side will do.
        """
        agreed = np.zeros(len(frame), dtype=bool)
        for features in self.encoding.nearby(frame):
            scores = self.model.scores(features)
            agreed |= self._decided(scores) == labels
            agreed |= self.lead(scores, labels) >= -TIE * np.abs(scores).max(axis=1, initial=1.0)
        return agreed

    def lead(self, scores: Floats, labels: Positions) -> Floats:
        """Return by how much each row's class leads its strongest rival."""
        if self.n_classes == 2:
            return np.where(labels == 1, scores[:, 0], -scores[:, 0])
        rivals = scores.copy()
        rivals[np.arange(len(rivals)), labels] = -np.inf
        return np.asarray(scores[np.arange(len(rivals)), labels] - rivals.max(axis=1))

    def _decided(self, scores: Floats) -> Positions:
        if self.n_classes == 2:
            return (scores[:, 0] > 0).astype(np.intp)
        return np.asarray(scores.argmax(axis=1))


def _wanted(unit: Unit) -> Any:
    return unit.value


def _used(trees: Trees) -> int:
    return int(trees.feature.max(initial=-1)) + 1


def _column(frame: pd.DataFrame, name: str | int) -> "pd.Series[float]":
    """Return a column by name, or by position in a model that was fitted on an array."""
    if isinstance(name, int):
        if not 0 <= name < frame.shape[1]:
            raise InputError("model", f"columns up to {frame.shape[1] - 1}", str(name))
        return frame.iloc[:, name]
    if name not in frame.columns:
        raise InputError("model", "columns of the table", repr(name), "do not trust this model")
    return frame[name]


def pack(structure: Structure) -> tuple[dict[str, Any], bytes]:
    """Return a structure as a JSON object and a block of bytes; `unpack` undoes it."""
    encoding, model = structure.encoding, structure.model
    matrix = encoding.matrix.tocsr()
    parts: dict[str, npt.NDArray[Any]] = {
        "weights": matrix.data,
        "indices": matrix.indices,
        "indptr": matrix.indptr,
        "offset": encoding.offset,
        "keeps_missing": encoding.keeps_missing,
        **{f"model.{field.name}": getattr(model, field.name) for field in fields(model)},
    }
    head = {
        "linear": isinstance(model, Linear),
        "n_classes": structure.n_classes,
        "units": [[unit.column, unit.kind, unit.value] for unit in encoding.units],
        "shapes": {name: list(np.shape(part)) for name, part in parts.items()},
    }
    return head, b"".join(
        np.ascontiguousarray(part, dtype=_dtype(name)).tobytes() for name, part in parts.items()
    )


def unpack(head: Mapping[str, Any], block: bytearray) -> Structure:
    """Rebuild a structure, every number checked: whoever sent it may lie.

    Raises
    ------
    InputError, TypeError, ValueError, KeyError
        If it is none.
    """
    parts, place = {}, 0
    for name, shape in head["shapes"].items():
        size = math.prod(shape)
        parts[name] = np.frombuffer(block, _dtype(name), size, place).reshape(shape)
        place += size * _dtype(name).itemsize
    units = tuple(Unit(column, kind, value) for column, kind, value in head["units"])
    if not all(isinstance(unit.column, (str, int)) for unit in units):
        raise TypeError("columns that are neither names nor positions")
    indices, indptr = parts["indices"], parts["indptr"]
    shape = (len(parts["offset"]), len(units))
    sound = (
        indptr.shape == (shape[0] + 1,)
        and indptr[0] == 0
        and indptr[-1] == len(indices) == len(parts["weights"])
        and (np.diff(indptr) >= 0).all()
        and (indices >= 0).all()
        and (indices < shape[1]).all()
    )
    if not sound:
        raise ValueError("a matrix that is none")
    matrix = sparse.csr_array((parts["weights"], indices, indptr), shape=shape)
    encoding = Encoding(units, matrix, parts["offset"], parts["keeps_missing"])
    kind = Linear if head["linear"] is True else Trees
    model: dict[str, Any] = {field.name: parts[f"model.{field.name}"] for field in fields(kind)}
    if kind is Trees:
        model["single"] = bool(model["single"])
    return Structure(encoding, kind(**model), int(head["n_classes"]))


def _dtype(name: str) -> "np.dtype[Any]":
    """Return the type that an array travels in."""
    if name in ("keeps_missing", "model.missing_left", "model.single"):
        return np.dtype(bool)
    if name in (
        "indices",
        "indptr",
        *(f"model.{n}" for n in ("roots", "feature", "left", "right")),
    ):
        return np.dtype(np.int64)
    return np.dtype(np.float64)
