"""Take a fitted scikit-learn model apart into plain arrays; runs in the model's own process.

Preprocessing becomes one matrix over what cells say (:class:`modelwarden.structure.Unit`); then
come the weights of a linear model, or trees in one form. Rounding differs from scikit-learn's by a
few units in the last place, which whoever proves something has to allow for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from modelwarden.structure import Encoding, Linear, Structure, Unit
from modelwarden.trees.ensemble import Trees

Floats = npt.NDArray[np.float64]


class UnsupportedError(Exception):
    """A part of a model that cannot be taken apart; the argument says which, in words."""


def structure_of(model: Any) -> Structure:
    """Return what a fitted classifier is made of.

    Raises
    ------
    UnsupportedError
        If a part of it is neither affine, nor linear, nor made of trees.
    """
    from modelwarden.child.trees import TREES

    steps, estimator = _unwrapped(model)
    columns = _start(model)
    for step in steps:
        columns = _transformed(step, columns)
    kind = type(estimator).__name__
    if kind in LINEAR:
        return Structure(columns.encoding(), _linear(estimator), len(model.classes_))
    if kind not in TREES:
        raise UnsupportedError(f"{kind} is neither linear nor made of trees")
    columns, trees = TREES[kind](estimator, columns)
    encoding = columns.encoding()
    _check_apart(encoding, trees)
    return Structure(encoding, trees, len(model.classes_))


def _linear(estimator: Any) -> Linear:
    coefficients = estimator.coef_
    dense = coefficients.toarray() if sparse.issparse(coefficients) else coefficients
    weights = np.atleast_2d(np.asarray(dense, dtype=np.float64))
    bias = np.ravel(np.asarray(estimator.intercept_, dtype=np.float64))
    return Linear(weights, np.broadcast_to(bias, (len(weights),)).copy())


def _check_apart(encoding: Encoding, trees: Trees) -> None:
    """Refuse features that several columns are mixed into, where a tree compares them."""
    used = np.unique(trees.feature[trees.inner])
    for feature in used.tolist():
        places = encoding.matrix.indices[
            encoding.matrix.indptr[feature] : encoding.matrix.indptr[feature + 1]
        ]
        if len({encoding.units[place].column for place in places.tolist()}) > 1:
            raise UnsupportedError("trees behind a transformation that mixes columns")


def _unwrapped(model: Any) -> tuple[list[Any], Any]:
    """Return the steps before the last estimator, those of nested pipelines too."""
    from sklearn.pipeline import Pipeline

    steps: list[Any] = []
    while isinstance(model, Pipeline):
        steps += [step for _, step in model.steps[:-1]]
        model = model.steps[-1][1]
    return steps, model


# --- columns on their way to features -------------------------------------------------------------


class Register:
    """All units that are read, each with a place of its own."""

    def __init__(self) -> None:
        self._places: dict[tuple[Any, ...], int] = {}
        self.units: list[Unit] = []

    def place(self, unit: Unit) -> int:
        """Return the place of a unit, a new one if it was not read so far."""
        key = (unit.column, unit.kind, type(unit.value), unit.value)
        if key not in self._places:
            self._places[key] = len(self.units)
            self.units.append(unit)
        return self._places[key]


@dataclass(frozen=True)
class Raw:
    """A column of the table that nothing was done to but to fill its gaps with a word."""

    name: str | int
    fill: str | None = None


@dataclass(frozen=True)
class Columns:
    """The features so far.

    Parameters
    ----------
    register : Register
        All that is read, shared and only ever appended to.
    rows : tuple of mapping of int to float
        What each feature is made of: weights by place of the unit.
    offset : ndarray, shape (n_features,)
    keeps_missing : ndarray of bool, shape (n_features,)
    raw : tuple of (Raw or None)
        The column that a feature still is; None once it is a number made of something.
    names : tuple of str or None
        Their names; None behind a step that does not keep them.
    """

    register: Register
    rows: tuple[Mapping[int, float], ...]
    offset: Floats
    keeps_missing: npt.NDArray[np.bool_]
    raw: tuple[Raw | None, ...]
    names: tuple[str, ...] | None

    def encoding(self) -> Encoding:
        """Return the finished encoding; columns that are still raw are numbers."""
        done = self.as_numbers()
        cells = [(r, c, v) for r, row in enumerate(done.rows) for c, v in row.items()]
        places = np.array([cell[:2] for cell in cells], dtype=np.intp).reshape(-1, 2)
        values = np.array([cell[2] for cell in cells], dtype=np.float64)
        shape = (len(done.rows), len(done.register.units))
        matrix = sparse.csr_array((values, (places[:, 0], places[:, 1])), shape=shape)
        return Encoding(tuple(done.register.units), matrix, done.offset, done.keeps_missing)

    def as_numbers(self) -> "Columns":
        """Read the columns that nothing was done to as the numbers that they are."""
        if any(raw is not None and raw.fill is not None for raw in self.raw):
            raise UnsupportedError("text that is not encoded")
        rows = [
            row if raw is None else {self.place(raw.name, "number"): 1.0}
            for row, raw in zip(self.rows, self.raw, strict=True)
        ]
        return replace(self, rows=tuple(rows), raw=(None,) * len(rows))

    def place(self, name: str | int, kind: str, value: Any = None) -> int:
        """Return the place of a unit."""
        return self.register.place(Unit(name, kind, value))

    def equals(self, raw: Raw | None, category: Any) -> dict[int, float]:
        """Return a feature that is 1 where a column holds a category."""
        name = _still(raw).name
        if category is None or _is_nan(category):
            return {self.place(name, "missing"): 1.0}
        if not isinstance(category, (bool, int, float, str)):
            raise UnsupportedError(f"categories of type {type(category).__name__}")
        row = {self.place(name, "equals", category): 1.0}
        if _still(raw).fill == category:
            row[self.place(name, "missing")] = 1.0
        return row

    def take(self, places: Sequence[int]) -> "Columns":
        """Return some of the features."""
        index = np.asarray(places, dtype=np.intp)
        return replace(
            self,
            rows=tuple(self.rows[place] for place in index),
            offset=self.offset[index],
            keeps_missing=self.keeps_missing[index],
            raw=tuple(self.raw[place] for place in index),
            names=None if self.names is None else tuple(self.names[place] for place in index),
        )

    def mapped(self, factor: Any, shift: Any) -> "Columns":
        """Return each feature times its factor plus its shift."""
        done = self.as_numbers()
        n = len(done.rows)
        factors = np.broadcast_to(np.asarray(factor, dtype=np.float64), (n,))
        rows = tuple(
            {place: weight * f for place, weight in row.items()}
            for row, f in zip(done.rows, factors, strict=True)
        )
        return replace(done, rows=rows, offset=done.offset * factors + shift)

    def mixed(self, components: Floats, shift: Floats) -> "Columns":
        """Return ``components @ features + shift``."""
        done = self.as_numbers()
        rows = []
        for weights in components:
            row: dict[int, float] = {}
            for weight, made_of in zip(weights, done.rows, strict=True):
                for place, value in made_of.items():
                    row[place] = row.get(place, 0.0) + weight * value
            rows.append(row)
        keeps = np.full(len(components), bool(done.keeps_missing.any()))
        offset = components @ done.offset + shift
        return replace(
            done, rows=tuple(rows), offset=offset, keeps_missing=keeps, raw=(None,) * len(rows)
        )

    def joined(self, others: Sequence["Columns"]) -> "Columns":
        """Return the features of all `others`, side by side."""
        return replace(
            self,
            rows=tuple(row for other in others for row in other.rows),
            offset=np.concatenate([np.empty(0), *(other.offset for other in others)]),
            keeps_missing=np.concatenate(
                [np.empty(0, dtype=bool), *(other.keeps_missing for other in others)]
            ),
            raw=tuple(name for other in others for name in other.raw),
            names=None,
        )

    def made(self, made: Sequence[tuple[Mapping[int, float], float, bool]]) -> "Columns":
        """Return features of ``(what they are made of, offset, keeps missing)``."""
        return replace(
            self,
            rows=tuple(row for row, _, _ in made),
            offset=np.array([offset for _, offset, _ in made], dtype=np.float64),
            keeps_missing=np.array([keeps for _, _, keeps in made], dtype=bool),
            raw=(None,) * len(made),
            names=None,
        )


def _start(model: Any) -> Columns:
    """Return the columns as the table has them."""
    names = getattr(model, "feature_names_in_", None)
    n_features = getattr(model, "n_features_in_", None)
    if names is not None:
        columns: list[str | int] = [str(name) for name in names]
    elif n_features is not None:
        columns = [*range(int(n_features))]
    else:
        raise UnsupportedError(f"{type(model).__name__} does not say which columns it reads")
    n = len(columns)
    return Columns(
        register=Register(),
        rows=({},) * n,
        offset=np.zeros(n),
        keeps_missing=np.ones(n, dtype=bool),
        raw=tuple(map(Raw, columns)),
        names=None if names is None else tuple(map(str, columns)),
    )


def _transformed(step: Any, columns: Columns) -> Columns:
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return columns
    kind = type(step).__name__
    if kind not in TRANSFORMERS:
        raise UnsupportedError(f"{kind} is not a transformation that can be followed")
    return TRANSFORMERS[kind](step, columns)


def _pipeline(step: Any, columns: Columns) -> Columns:
    for _, part in step.steps:
        columns = _transformed(part, columns)
    return columns


def _column_transformer(step: Any, columns: Columns) -> Columns:
    parts = []
    for _, transformer, wanted in step.transformers_:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        places = _places(wanted, columns)
        if places:
            parts.append(_transformed(transformer, columns.take(places)))
    return columns.joined(parts)


def _places(wanted: Any, columns: Columns) -> list[int]:
    """Return the places of the columns that a transformer reads, however it was told."""
    n = len(columns.rows)
    if isinstance(wanted, slice) and not any(
        isinstance(end, str) for end in (wanted.start, wanted.stop)
    ):
        return [*range(n)][wanted]
    if isinstance(wanted, (str, slice)):
        raise UnsupportedError("a transformer of one column by name, or of a slice of names")
    listed = np.asarray(wanted)
    if listed.dtype == bool:
        return np.flatnonzero(listed).tolist()
    if listed.dtype.kind in "iu":
        return [int(place) % max(n, 1) for place in listed.tolist()]
    if columns.names is None:
        raise UnsupportedError("columns by name behind a transformer that does not keep names")
    return [columns.names.index(str(name)) for name in listed.tolist()]


def _standard_scaler(step: Any, columns: Columns) -> Columns:
    scale = 1.0 if step.scale_ is None else 1.0 / step.scale_
    mean = 0.0 if step.mean_ is None or not step.with_mean else step.mean_
    return columns.mapped(scale, -np.asarray(mean) * scale)


def _min_max_scaler(step: Any, columns: Columns) -> Columns:
    if step.clip:
        raise UnsupportedError("MinMaxScaler with clip=True")
    return columns.mapped(step.scale_, step.min_)


def _robust_scaler(step: Any, columns: Columns) -> Columns:
    scale = 1.0 if step.scale_ is None else 1.0 / step.scale_
    center = 0.0 if step.center_ is None else step.center_
    return columns.mapped(scale, -np.asarray(center) * scale)


def _simple_imputer(step: Any, columns: Columns) -> Columns:
    if not _is_nan(step.missing_values) and step.missing_values is not None:
        raise UnsupportedError("SimpleImputer of a value that is not a missing one")
    parts = []
    for place, fill in enumerate(step.statistics_):
        part = columns.take([place])
        if _is_nan(fill) and not step.keep_empty_features:
            continue  # an empty column, which the imputer drops
        parts.append(_filled(part, fill))
    if step.add_indicator:
        raw = [_still(columns.raw[place]) for place in step.indicator_.features_]
        marks = [({columns.place(one.name, "missing"): 1.0}, 0.0, False) for one in raw]
        parts.append(columns.made(marks))
    return columns.joined(parts)


def _filled(part: Columns, fill: Any) -> Columns:
    """Return a column without gaps; text stays a column, with a word where it is missing."""
    raw = _still(part.raw[0])
    if isinstance(fill, str):
        return replace(part, raw=(replace(raw, fill=raw.fill or fill),))
    row = {part.place(raw.name, "number"): 1.0, part.place(raw.name, "missing"): float(fill)}
    return part.made([(row, 0.0, False)])


def _still(raw: Raw | None) -> Raw:
    if raw is None:
        raise UnsupportedError("an imputer or encoder behind another transformation")
    return raw


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and bool(np.isnan(value))


def _one_hot_encoder(step: Any, columns: Columns) -> Columns:
    if getattr(step, "_infrequent_enabled", False):
        raise UnsupportedError("OneHotEncoder that joins infrequent categories")
    dropped = step.drop_idx_ if step.drop_idx_ is not None else [None] * len(step.categories_)
    made = []
    for raw, categories, drop in zip(columns.raw, step.categories_, dropped, strict=True):
        for place, category in enumerate(categories.tolist()):
            row = columns.equals(raw, category)  # dropped ones are known, too
            if drop is None or place != drop:
                made.append((row, 0.0, False))
    return columns.made(made)


def _ordinal_encoder(step: Any, columns: Columns) -> Columns:
    if getattr(step, "_infrequent_enabled", False):
        raise UnsupportedError("OrdinalEncoder that joins infrequent categories")
    others = step.unknown_value if step.handle_unknown == "use_encoded_value" else 0.0
    if _is_nan(others):
        raise UnsupportedError("OrdinalEncoder whose unknown values are missing ones")
    made = []
    for raw, categories in zip(columns.raw, step.categories_, strict=True):
        row: dict[int, float] = {}
        keeps = False
        for code, category in enumerate(categories.tolist()):
            missing = category is None or _is_nan(category)
            value = step.encoded_missing_value if missing else code
            keeps |= _is_nan(value)
            weight = 0.0 if _is_nan(value) else float(value) - float(others)
            for place, one in columns.equals(raw, category).items():
                row[place] = row.get(place, 0.0) + one * weight
        made.append((row, float(others), keeps))
    return columns.made(made)


def _function(step: Any, columns: Columns) -> Columns:
    if step.func is not None:
        raise UnsupportedError("FunctionTransformer with a function")
    return columns


def _selector(step: Any, columns: Columns) -> Columns:
    return columns.take(np.flatnonzero(step.get_support()).tolist())


def _pca(step: Any, columns: Columns) -> Columns:
    components = step.components_
    if step.whiten:
        components = components / np.sqrt(np.maximum(step.explained_variance_, 1e-300))[:, None]
    return columns.mixed(components, -components @ step.mean_)


def _svd(step: Any, columns: Columns) -> Columns:
    return columns.mixed(step.components_, np.zeros(len(step.components_)))


TRANSFORMERS: dict[str, Callable[[Any, Columns], Columns]] = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _column_transformer,
    "StandardScaler": _standard_scaler,
    "MinMaxScaler": _min_max_scaler,
    "MaxAbsScaler": lambda step, columns: columns.mapped(1.0 / step.scale_, 0.0),
    "RobustScaler": _robust_scaler,
    "SimpleImputer": _simple_imputer,
    "OneHotEncoder": _one_hot_encoder,
    "OrdinalEncoder": _ordinal_encoder,
    "FunctionTransformer": _function,
    "PCA": _pca,
    "TruncatedSVD": _svd,
    **dict.fromkeys(
        ("VarianceThreshold", "SelectKBest", "SelectPercentile", "SelectFromModel", "RFE", "RFECV"),
        _selector,
    ),
}

LINEAR = frozenset(
    (
        "LogisticRegression",
        "LogisticRegressionCV",
        "LinearSVC",
        "SGDClassifier",
        "RidgeClassifier",
        "RidgeClassifierCV",
        "Perceptron",
        "PassiveAggressiveClassifier",
        "LinearDiscriminantAnalysis",
    )
)
