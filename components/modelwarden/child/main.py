"""What runs in a model's own process: limits first, then the bytes, then questions and answers.

Started by :mod:`modelwarden.model_process` as ``python -m modelwarden.child.main`` with one of two
jobs: to answer for a fitted model, or to fit an estimator again and again.
"""

import ctypes
import hashlib
import os
import random
import resource
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from modelwarden.child.formats import examine
from modelwarden.errors import InputError
from modelwarden.model_messages import Head, brief, receive, send

MAX_FILES = 256
MAX_PRINTED_BYTES = 2**24
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # from linux/sched.h


# --- the job of a model ---------------------------------------------------------------------------


class Answers:
    """A fitted model that answers; `facts` is a :class:`modelwarden.models.ModelFacts`."""

    def __init__(self, setup: Head, data: bytes) -> None:
        self.facts, self._model = examine(data, vouched=setup.get("vouched") is True)

    def __call__(self, request: Head, body: bytearray) -> tuple[Head, Any]:
        """Return the positions of the predicted classes, the probabilities, or the structure."""
        if request["call"] == "structure":
            return self._structure()
        return {}, self._answer(request, body)

    def _structure(self) -> tuple[Head, Any]:
        from modelwarden.child.structure import UnsupportedError, structure_of
        from modelwarden.structure import pack

        try:
            return pack(structure_of(self._model))
        except UnsupportedError as part:
            return {"why": str(part)}, b""

    def _answer(self, request: Head, body: bytearray) -> Any:
        import numpy as np

        table, n_rows = _table(request, body, self.facts), request["shape"][0]
        if request["call"] == "predict":
            labels = _shaped(self._model.predict(table), (n_rows,))
            return _codes(labels, np.asarray(self._model.classes_))
        shape = (n_rows, len(self.facts["classes"]))
        values = _shaped(self._model.predict_proba(table), shape)
        return np.ascontiguousarray(values, dtype=np.float64)


def _table(request: Head, body: bytearray, facts: Head) -> Any:
    """Return the rows as the model was fitted: a frame, an array, or a list of texts."""
    import numpy as np

    names = facts["feature_names"]
    if not request["arrow"]:
        block = np.frombuffer(body).reshape(request["shape"], order="F")
        if not names:
            return block
        import pandas as pd

        return pd.DataFrame(block, columns=names, copy=False)
    frame = _frame(_arrow_table(body))
    if names:
        return frame
    is_text = facts["n_features"] is None and frame.shape[1] == 1
    return frame.iloc[:, 0].to_numpy() if is_text else frame.to_numpy()


def _codes(labels: Any, classes: Any) -> Any:
    """Return the position of each label in `classes`, shape (n_rows,)."""
    import numpy as np

    order = np.argsort(classes, kind="stable")
    nearest = np.searchsorted(classes, labels, sorter=order).clip(max=len(classes) - 1)
    codes = order[nearest]
    if not np.array_equal(classes[codes], labels):
        raise InputError("model", "labels among its classes_", "others")
    return codes.astype(np.int64)


def _shaped(values: Any, shape: tuple[int, ...]) -> Any:
    import numpy as np

    array = np.asarray(values)
    if array.shape != shape:
        raise InputError("model", f"predictions of shape {shape}", f"shape {array.shape}")
    return array


# --- the job of an estimator ----------------------------------------------------------------------


class Fits:
    """An estimator that is fitted again for each question, always from the same beginning."""

    def __init__(self, setup: Head, data: bytes) -> None:
        made = _made(setup, data) if "module" in setup else _unpickled(data)
        self._estimator = _checked(made)
        self.facts: Head = {"estimator": type(made).__name__}

    def __call__(self, request: Head, body: bytearray) -> tuple[Head, Any]:
        """Fit a clone, or return the positions of the classes that it predicts."""
        import numpy as np

        if request["call"] == "fit":
            self._classes = np.asarray(request["classes"])
            self._fit(_arrow_table(body), request["features"])
            return {}, b""
        labels = self._model.predict(_frame(_arrow_table(body)))
        return {}, _codes(_shaped(labels, (request["rows"],)), self._classes)

    def _fit(self, table: Any, n_features: int) -> None:
        """Fit rows whose last columns are class codes and, if given, weights."""
        import numpy as np
        from sklearn.base import clone

        random.seed(0)  # so that the same rows give the same model, whatever was fitted before
        np.random.seed(0)
        labels = self._classes[table.column(n_features).to_numpy()]
        weights = [column.to_numpy() for column in table.columns[n_features + 1 :]]
        named = {_weight_name(self._estimator): weight for weight in weights}
        rows = _frame(table.select(range(n_features)))
        try:
            self._model = clone(self._estimator)
            self._model.fit(rows, labels, **named)
        except MemoryError:
            raise
        except Exception as error:
            raise InputError("estimator", "an estimator that fits", brief(error)) from error


def _unpickled(data: bytes) -> Any:
    facts, model = examine(data)
    if model is None:
        fix = "save a scikit-learn estimator, or give python:module:name"
        raise InputError("estimator", "an estimator that loads", facts["why"], fix)
    return model


def _made(setup: Head, source: bytes) -> Any:
    """Run the very source that was hashed, and return the estimator that the URI names."""
    name, path = setup["module"], setup["path"]
    sys.path += [entry for entry in setup["paths"] if entry not in sys.path]
    if "." in name:
        import_module(name.rpartition(".")[0])
    inside = [str(Path(path).parent)] if Path(path).stem == "__init__" else None
    spec = spec_from_file_location(name, path, submodule_search_locations=inside)
    if spec is None:
        raise InputError("estimator", "a module of Python", path)
    module = sys.modules[name] = module_from_spec(spec)
    exec(compile(source, path, "exec"), vars(module))  # noqa: S102 - trusted by name and digest
    found = getattr(module, setup["name"])
    return found() if isinstance(found, type) or not hasattr(found, "fit") else found


def _checked(made: Any) -> Any:
    """Return what can be fitted and asked for classes, and refuse the rest."""
    from sklearn.base import is_regressor

    name = type(made).__name__
    if not all(hasattr(made, method) for method in ("get_params", "fit", "predict")):
        raise InputError("estimator", "a scikit-learn estimator", f"a {name}")
    if is_regressor(made):
        raise InputError("estimator", "a classifier", f"a regressor, {name}")
    return made


def _weight_name(estimator: Any) -> str:
    """Return what sample weights are called; in a pipeline they belong to its last step."""
    from sklearn.pipeline import Pipeline

    steps = []
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        steps.append(f"{name}__")
    return "".join(steps) + "sample_weight"


def _arrow_table(body: bytearray) -> Any:
    import pyarrow as pa

    return pa.ipc.open_stream(pa.py_buffer(body)).read_all()


def _frame(table: Any) -> Any:
    return table.to_pandas(use_threads=False)


# --- the process ----------------------------------------------------------------------------------


def _limit(kind: int, value: int) -> None:
    _soft, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _confine(memory: int) -> None:
    """Take away what a model does not need: cores, files, processes, memory, the network."""
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, MAX_FILES),
        (resource.RLIMIT_FSIZE, MAX_PRINTED_BYTES),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_AS, memory),
    ):
        with suppress(OSError, ValueError):  # not every system has every limit
            _limit(kind, value)
    with suppress(OSError, AttributeError):  # Linux; containers may forbid it
        libc = ctypes.CDLL(None)
        _ = libc.unshare(CLONE_NEWNET) and libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)


def _allow(seconds: float) -> None:
    """Bound the processor time of one call, should the parent no longer be there to do it."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    until = int(time.process_time() + seconds) + 2
    until = until if hard == resource.RLIM_INFINITY else min(until, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (until, hard))


def _verified(path: str, sha256: str) -> bytes:
    data = Path(path).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise InputError("model", f"sha256 {sha256}", f"sha256 {found}", "read the model again")
    return data


def _attempt(work: Callable[[], tuple[Head, Any]]) -> tuple[Head, Any]:
    """Return what `work` returns, or the fault to report."""
    try:
        return work()
    except InputError as error:
        return {"fault": [error.expected, error.got, error.fix]}, b""
    except MemoryError:
        return {"fault": ["to stay within the memory limit", "more", "use fewer rows"]}, b""
    except Exception as error:  # noqa: BLE001 - a hostile model can make anything raise anything
        return {"fault": ["an answer", brief(error), ""]}, b""


def main() -> None:
    """Answer until the parent closes the pipe."""
    requests, replies = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0)
    os.dup2(2, 1)  # what a model prints is not an answer
    warnings.simplefilter("ignore")
    setup, _ = receive(requests, 0)
    job: Any = None

    def load() -> tuple[Head, Any]:
        nonlocal job
        data = _verified(setup["path"], setup["sha256"])
        _confine(setup["memory"])
        job = {"answer": Answers, "fit": Fits}[setup["job"]](setup, data)
        return job.facts, b""

    send(replies, *_attempt(load))
    while True:
        try:
            request, body = receive(requests, setup["memory"])
        except EOFError:
            return
        _allow(setup["seconds"])
        send(replies, *_attempt(lambda: job(request, body)))  # noqa: B023


if __name__ == "__main__":
    main()
