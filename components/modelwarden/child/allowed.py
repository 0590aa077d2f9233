"""What a scikit-learn file may name, and what it may call while it loads: the one allow-list."""

import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from types import FunctionType
from typing import Any, cast

import numpy as np
from numpy._core.multiarray import scalar
from numpy._core.numeric import _frombuffer  # type: ignore[attr-defined]
from sklearn.base import BaseEstimator


class Refused(pickle.UnpicklingError):
    """The file asks for something that is not on the allow-list.

    Parameters
    ----------
    names : tuple of str
        What was refused, such as ``posix.system``; never empty.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(names)
        self.names = names


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


ARRAY = type("ndarray", (), {"__module__": "numpy"})
"""Stands for numpy's array classes: pickles name them, and nobody may call them, ever."""

ARRAYS = words("numpy.ndarray numpy.ma.MaskedArray numpy.ma.core.MaskedArray")

INERT: Any = object()
"""Stands for what was refused, and for random generators: a fitted classifier does not draw."""

GENERATORS = words("""
    numpy.random._pickle.__randomstate_ctor numpy.random._pickle.__bit_generator_ctor
    numpy.random._pickle.__generator_ctor numpy.random._mt19937.MT19937 numpy.random._pcg64.PCG64
    numpy.random.bit_generator.SeedSequence numpy.random.bit_generator.__pyx_unpickle_SeedSequence
""")

NAMED = words("""
    builtins.object builtins.float builtins.int builtins.bool builtins.str
    numpy.mean
    scipy.interpolate._bsplines.BSpline
    scipy._lib.array_api_compat.numpy._aliases.asarray
    scipy.sparse._csr.csr_matrix scipy.sparse._csr.csr_array
    scipy.sparse._csc.csc_matrix scipy.sparse._csc.csc_array
    sklearn.feature_selection._mutual_info.mutual_info_classif
    sklearn.feature_selection._univariate_selection.chi2
    sklearn.feature_selection._univariate_selection.f_classif
    sklearn.metrics._classification.accuracy_score
    sklearn.metrics._classification.balanced_accuracy_score
    sklearn.metrics._classification.brier_score_loss
    sklearn.metrics._classification.f1_score
    sklearn.metrics._classification.log_loss
    sklearn.metrics._classification.matthews_corrcoef
    sklearn.metrics._classification.precision_score
    sklearn.metrics._classification.recall_score
    sklearn.metrics._ranking.average_precision_score
    sklearn.metrics._ranking.roc_auc_score
    sklearn.utils.validation.check_array
""")
"""What a model may refer to; functions among them are never called while loading."""

PACKAGES = words("""
    base calibration cluster compose covariance cross_decomposition decomposition
    discriminant_analysis dummy ensemble feature_extraction feature_selection frozen
    gaussian_process impute isotonic kernel_approximation linear_model manifold mixture
    model_selection multiclass multioutput naive_bayes neighbors neural_network pipeline
    preprocessing random_projection semi_supervised svm tree
""")
"""Where scikit-learn's estimators live."""

INTERNAL = words("""
    sklearn._loss._loss sklearn._loss.link sklearn._loss.loss sklearn.calibration
    sklearn.compose._column_transformer sklearn.ensemble._hist_gradient_boosting.predictor
    sklearn.gaussian_process.kernels sklearn.linear_model._sgd_fast sklearn.metrics._dist_metrics
    sklearn.metrics._scorer sklearn.model_selection._split sklearn.neighbors._ball_tree
    sklearn.neighbors._kd_tree sklearn.neural_network._stochastic_optimizers sklearn.tree._tree
    sklearn.utils._metadata_requests
""")
"""Modules whose classes are the parts of estimators."""

COMPILED = words("sklearn._loss._loss sklearn.linear_model._sgd_fast sklearn.tree._tree")
"""Modules whose pickles call their classes, with numbers."""


def _sklearn(module: str, name: str) -> Any:
    """Return a class of scikit-learn, or what makes a compiled one; None for everything else."""
    package, *inner = module.split(".")
    if package != "sklearn" or not inner or "tests" in inner:
        return None
    if inner[0] not in PACKAGES and module not in INTERNAL:
        return None
    found: Any = vars(import_module(module)).get(name)
    if module in INTERNAL and (name == "newObj" or name.startswith("__pyx_unpickle_Cy")):
        return found
    own = isinstance(found, type) and found.__module__ == module
    return found if own and (module in INTERNAL or issubclass(found, BaseEstimator)) else None


def _number_or_ufunc(module: str, name: str) -> Any:
    """Return a scalar type or universal function of numpy; None for everything else."""
    found: Any = vars(np).get(name) if module == "numpy" else None
    if isinstance(found, type):
        return found if issubclass(found, (np.number, np.bool_)) else None
    return found if isinstance(found, np.ufunc) else None


def allowed(module: str, name: str) -> Any:
    """Return what a file may name; None for everything else."""
    try:
        if f"{module}.{name}" in NAMED:
            return vars(import_module(module)).get(name)
        return _number_or_ufunc(module, name) or _sklearn(module, name)
    except (ImportError, ValueError):
        return None  # there is no such module


def refuse_unless(sound: bool, what: str) -> None:
    """Raise `Refused` for what is not sound."""
    if not sound:
        raise Refused((what,))


def _dtype(code: str, *_: object) -> np.dtype[Any]:
    sound = isinstance(code, str) and re.fullmatch(r"[biufcSUV]\d+|O8", code) is not None
    refuse_unless(sound, "call of numpy.dtype")
    return np.dtype(code, copy=True)


def _empty_array(*_: object) -> np.ndarray[Any, Any]:
    return np.empty(0, np.int8)  # its state follows


def _empty_masked_array(*_: object) -> Any:
    return np.ma.MaskedArray(np.empty(0, np.int8), mask=np.empty(0, np.bool_))


def _array_from(data: object, dtype: object, *shape_and_order: Any) -> Any:
    sound = isinstance(data, (bytes, bytearray)) and isinstance(dtype, np.dtype)
    refuse_unless(sound, "call of numpy.frombuffer")
    return _frombuffer(data, dtype, *shape_and_order)


def _scalar(dtype: object, data: object = b"") -> Any:
    sound = isinstance(dtype, np.dtype) and not dtype.hasobject and isinstance(data, bytes)
    refuse_unless(sound, "call of numpy scalar")
    return scalar(dtype, data)


def _latin1(text: str, encoding: str) -> bytes:
    refuse_unless(encoding == "latin1", "call of _codecs.encode")
    return str.encode(text, "latin1")


def _partial(function: object) -> partial[Any]:
    """Return a partial function, never a partial class: that is a call with chosen arguments."""
    refuse_unless(isinstance(function, (FunctionType, np.ufunc)), "call of functools.partial")
    return partial(cast("Callable[..., Any]", function))


def plain_object(cls: Any, base: type, state: object) -> object:
    """Return an object of a class, made without its ``__init__``."""
    refuse_unless(base is object and state is None, "call of copyreg._reconstructor")
    return cls.__new__(cls)


MAKERS: Mapping[str, Callable[..., Any]] = {
    "builtins.bytearray": bytearray,
    "builtins.bytes": bytes,
    "builtins.complex": complex,
    "builtins.frozenset": frozenset,
    "builtins.range": range,
    "builtins.set": set,
    "builtins.slice": slice,
    "_codecs.encode": _latin1,
    "collections.OrderedDict": lambda: OrderedDict(),
    "copyreg._reconstructor": plain_object,
    "functools.partial": _partial,
    "numpy.dtype": _dtype,
    "numpy.core.multiarray._reconstruct": _empty_array,
    "numpy._core.multiarray._reconstruct": _empty_array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _array_from,
    "numpy._core.numeric._frombuffer": _array_from,
    "numpy.ma.core._mareconstruct": _empty_masked_array,
}
"""What a file may call while it loads, by the name that it uses."""
