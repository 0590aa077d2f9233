"""ONNX files as classifiers; runs in the model's own process."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.metaestimators import available_if

from modelwarden.child.boosters import MAX_FEATURES, numbers
from modelwarden.child.formats import UnfitError
from modelwarden.child.onnx_file import Content, read
from modelwarden.child.unpickling import Loaded
from modelwarden.errors import InputError
from modelwarden.model_messages import brief

KINDS: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}
"""What an input may be."""

PROBES = (0, 1, -2)
"""Numbers in the rows that a model is first asked about."""

TOLERANCE = 1e-4
"""By how much probabilities may miss 1, as float32."""


def load(data: bytes) -> Loaded:
    """Load a classifier out of an ONNX file.

    Raises
    ------
    UnfitError
        If it is no classifier, has parts that could reach outside, or onnxruntime is not installed.
    """
    content = read(data)
    return Loaded(ONNXClassifier(content, _session(data)), "ONNX", "")


def _session(data: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        why = "an ONNX model, and onnxruntime is not installed; install modelwarden[onnx]"
        raise UnfitError(why) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_cpu_mem_arena = options.enable_profiling = False
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except MemoryError:
        raise
    except Exception as error:
        installed = f"the installed onnxruntime {onnxruntime.__version__}"
        raise UnfitError(f"a model that {installed} does not read: {brief(error)}") from error


class ONNXClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A graph whose outputs are labels and, perhaps, probabilities."""

    def __init__(self, content: Content, session: Any) -> None:
        self._session = session
        self._inputs = session.get_inputs()
        self._outputs = [one.name for one in session.get_outputs()]
        self._take_inputs()
        self._check_outputs(session.get_outputs())
        self.classes_ = np.array(_distinct(content.labels))
        self._has_shares = len(self._outputs) == 2 and self._is_sure()

    def predict(self, table: Any) -> npt.NDArray[Any]:
        """Return the labels, shape (n_rows,)."""
        if not len(table):
            return self.classes_[:0]
        (labels,) = self._session.run(self._outputs[:1], self._fed(table))
        flat = np.asarray(labels).reshape(-1)
        return flat.astype(str) if flat.dtype == object else flat

    @available_if(lambda self: self._has_shares)  # type: ignore[untyped-decorator]
    def predict_proba(self, table: Any) -> npt.NDArray[np.float64]:
        """Return the probabilities, shape (n_rows, n_classes)."""
        return self._shares(table)

    def _shares(self, table: Any) -> npt.NDArray[np.float64]:
        if not len(table):
            return np.empty((0, len(self.classes_)))
        (shares,) = self._session.run(self._outputs[1:], self._fed(table))
        if isinstance(shares, list):  # ZipMap makes a dict of each row
            labels = self.classes_.tolist()
            shares = [[row[label] for label in labels] for row in shares]
        return np.asarray(shares, dtype=np.float64)

    def _take_inputs(self) -> None:
        """Learn which columns there are: those of one matrix, or one input for each."""
        widths = [one.shape[1] if len(one.shape) == 2 else None for one in self._inputs]
        for one, width in zip(self._inputs, widths, strict=True):
            if one.type not in KINDS or len(one.shape) != 2:
                raise UnfitError(f"a model with an input that is no table, {one.type}")
            if len(widths) > 1 and width != 1:
                raise UnfitError("a model with several inputs that are not a column each")
        if not 0 < len(widths) <= MAX_FEATURES:
            raise UnfitError(f"a model with {len(widths)} inputs")
        self.n_features_in_ = widths[0] if isinstance(widths[0], int) else None
        if len(widths) > 1:
            self.n_features_in_ = len(widths)
            self.feature_names_in_ = np.array([one.name for one in self._inputs], dtype=object)

    def _check_outputs(self, outputs: Sequence[Any]) -> None:
        if len(outputs) not in (1, 2):
            raise UnfitError(f"a model with {len(outputs)} outputs, not labels and probabilities")
        if outputs[0].type not in ("tensor(int64)", "tensor(int32)", "tensor(string)"):
            raise UnfitError(f"a model whose first output is no label but {outputs[0].type}")

    def _fed(self, table: Any) -> dict[str, Any]:
        """Return a table as the graph's inputs."""
        if len(self._inputs) > 1:
            return {one.name: _column(table[[one.name]], one.type) for one in self._inputs}
        (one,) = self._inputs
        return {one.name: _column(table, one.type)}

    def _is_sure(self) -> bool:
        """Return whether the second output is probabilities: converters call scores so, too."""
        try:
            shares = self._shares(self._probe())
        except Exception:  # noqa: BLE001 - an encoder may refuse values that it does not know
            return True
        if shares.shape != (len(PROBES), len(self.classes_)):
            return False
        is_share = (shares >= -TOLERANCE) & (shares <= 1 + TOLERANCE)
        return bool(is_share.all() and np.allclose(shares.sum(axis=1), 1, atol=TOLERANCE))

    def _probe(self) -> pd.DataFrame:
        """Return rows that any model can be asked about."""
        names = getattr(self, "feature_names_in_", range(self.n_features_in_ or 1))
        kinds = [one.type for one in self._inputs] * (1 if len(self._inputs) > 1 else len(names))
        cells = {kind: PROBES if KINDS[kind] is not object else ("",) * 3 for kind in kinds}
        return pd.DataFrame({name: cells[kind] for name, kind in zip(names, kinds, strict=True)})


def _distinct(labels: Sequence[Any]) -> list[Any]:
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise UnfitError("a model that does not name its classes; convert a classifier")
    return list(labels)


def _column(table: Any, kind: str) -> npt.NDArray[Any]:
    """Return columns of one type as what the graph reads.

    Raises
    ------
    InputError
        If they hold anything else; a graph cannot tell a missing text.
    """
    dtype = KINDS[kind]
    if dtype is object:
        return _texts(np.asarray(table, dtype=object))
    if np.issubdtype(dtype, np.floating):
        return numbers(table, dtype)
    values = numbers(table, np.float64)
    with np.errstate(invalid="ignore"):
        whole = values.astype(dtype)
    if not (whole == values).all():
        raise InputError("model", f"whole numbers ({kind})", "others")
    return whole


def _texts(cells: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if not all(isinstance(cell, str) for cell in cells.flat):
        raise InputError("model", "text in each cell", "others", "fill gaps as for the training")
    return cells.reshape(len(cells), -1)
