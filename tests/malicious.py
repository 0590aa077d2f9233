"""Model files that do harm, made here so that none has to be stored.

`CORPUS` names files that run code under ``joblib.load``: the proof is a marker file that they
create. `FORGERIES` names files that need no forbidden name: they abuse what every model needs, to
make numpy or scipy follow addresses of the file's choice. Do not load those anywhere.
"""

import bz2
import copyreg
import hashlib
import io
import operator
import os
import pickle
import runpy
import subprocess
import timeit
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import scipy.sparse
import scipy.stats
from joblib.numpy_pickle import NumpyArrayWrapper
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Bunch

from modelwarden.store import File

MARKER = "executed"


class Call:
    """Pickles as a call of `function`, with an optional state to write into its result."""

    def __init__(self, function: Any, *args: Any, state: Any = None) -> None:
        self.recipe = (function, args) if state is None else (function, args, state)

    def __reduce__(self) -> Any:
        return self.recipe


def _touch(folder: Path) -> str:
    return f"open({str(folder / MARKER)!r}, 'w').close()"


def _inner(folder: Path) -> str:
    path = folder / "inner.pkl"
    path.write_bytes(pickle.dumps(Call(exec, _touch(folder))))
    return str(path)


def _script(folder: Path) -> str:
    path = folder / "script.py"
    path.write_text(_touch(folder))
    return str(path)


def _npy(folder: Path) -> str:
    path = folder / "inner.npy"
    np.save(path, np.array([Call(exec, _touch(folder))], dtype=object), allow_pickle=True)
    return str(path)


def _distribution(folder: Path) -> Any:
    """Return a distribution that, like all of scipy's, executes a text in its state."""
    distribution = type(scipy.stats.norm)(name="norm")
    distribution._parse_arg_template = _touch(folder)
    return distribution


PAYLOADS: dict[str, Callable[[Path], Any]] = {
    "os.system": lambda folder: Call(os.system, f"touch {folder / MARKER}"),
    "subprocess.call": lambda folder: Call(subprocess.call, ["touch", str(folder / MARKER)]),
    "eval": lambda folder: Call(eval, _touch(folder)),
    "exec": lambda folder: Call(exec, _touch(folder)),
    "methodcaller": lambda folder: Call(operator.methodcaller("touch"), folder / MARKER),
    "runpy": lambda folder: Call(runpy.run_path, _script(folder)),
    "timeit": lambda folder: Call(timeit.timeit, _touch(folder), "pass", timeit.default_timer, 1),
    "joblib.load": lambda folder: Call(joblib.load, _inner(folder)),
    "numpy.load": lambda folder: Call(np.load, _npy(folder), None, True),
    "pandas.read_pickle": lambda folder: Call(pd.read_pickle, _inner(folder)),
    "scipy.stats": _distribution,
}


def joblib_bytes(value: Any, compress: Any = 0, protocol: int | None = None) -> bytes:
    """Return what joblib writes."""
    stream = io.BytesIO()
    joblib.dump(value, stream, compress=compress, protocol=protocol)
    return stream.getvalue()


CONTAINERS: dict[str, Callable[[Any], bytes]] = {
    "pickle": pickle.dumps,
    "joblib": joblib_bytes,
    "compressed": lambda value: joblib_bytes(value, compress=3),
}


def _model() -> LogisticRegression:
    return LogisticRegression().fit([[0.0], [1.0]], [0, 1])


def _hidden(payload: Any) -> Any:
    """Return a working model with the payload among its attributes."""
    model = _model()
    model.notes_ = [np.arange(3), payload]
    return model


def _shell(folder: Path) -> bytes:
    return f"touch {folder / MARKER}".encode()


SPECIAL: dict[str, Callable[[Path], bytes]] = {
    "dotted name": lambda folder: (
        pickle.dumps(Path.touch, 4)[:-1] + pickle.dumps((folder / MARKER,), 4)[2:-1] + b"R."
    ),
    "dotted name through sklearn": lambda folder: (
        b"\x80\x04\x8c\x0csklearn.base\x8c\x12platform.os.system\x93"
        + pickle.dumps((_shell(folder).decode(),), 4)[2:-1]
        + b"R."
    ),
    "broken tail": lambda folder: joblib_bytes([PAYLOADS["os.system"](folder), np.arange(9)])[:-20],
    "opcode INST": lambda folder: b"(S'" + _shell(folder) + b"'\nios\nsystem\n.",
    "opcode OBJ": lambda folder: b"(cos\nsystem\nS'" + _shell(folder) + b"'\no.",
    "protocol 0": lambda folder: b"cos\nsystem\n(S'" + _shell(folder) + b"'\ntR.",
    "protocol 0 joblib": lambda folder: joblib_bytes(_hidden(PAYLOADS["exec"](folder)), protocol=0),
    "object array": lambda folder: joblib_bytes(
        np.array([PAYLOADS["exec"](folder), None], dtype=object)
    ),
    "compressed object array": lambda folder: bz2.compress(
        joblib_bytes(np.array([PAYLOADS["eval"](folder)], dtype=object))
    ),
}

CORPUS = [
    *(f"{payload} in {container}" for payload in PAYLOADS for container in CONTAINERS),
    *SPECIAL,
]
"""Names for `corpus_file`."""


def corpus_file(name: str, folder: Path) -> bytes:
    """Return the file of that name; when it runs, it creates `MARKER` in `folder`."""
    if name in SPECIAL:
        return SPECIAL[name](folder)
    payload, _, container = name.partition(" in ")
    return CONTAINERS[container](_hidden(PAYLOADS[payload](folder)))


# --- without a forbidden name ---------------------------------------------------------------------

FROM_BUFFER = np.zeros(1).__reduce_ex__(5)[0]
ADDRESS = b"A" * 8
OBJECT = np.dtype(object)
WINDOW = {"shape": (8,), "typestr": "|u1", "data": (0x414141414141, False), "version": 3}


def _then_build(first: Any, state: Any) -> bytes:
    """Return a pickle that writes `state` into `first` after it is complete."""
    return pickle.dumps(first, 2)[:-1] + pickle.dumps(state, 2)[2:-1] + b"b."


def _with(**attributes: Any) -> LogisticRegression:
    model = _model()
    vars(model).update(attributes)
    return model


class Made(LogisticRegression):
    """Pickles as a LogisticRegression that is made with an argument."""

    def __reduce_ex__(self, protocol: int) -> Any:
        self.__class__ = LogisticRegression
        return copyreg.__newobj__, (LogisticRegression, 1)


def _rebuilt(shape: Any, dtype: Any, elements: Any) -> Call:
    make = np.zeros(1).__reduce__()[0]
    return Call(make, np.ndarray, (0,), b"b", state=(1, shape, dtype, False, elements))


def _header(**attributes: Any) -> NumpyArrayWrapper:
    header = NumpyArrayWrapper(np.ndarray, (1,), "C", OBJECT)
    vars(header).update(attributes)
    return header


def _wild_matrix() -> scipy.sparse.csr_matrix:
    matrix = scipy.sparse.csr_matrix(np.eye(3))
    matrix.indices[0] = 2**30
    return matrix


def _dtype(code: str, *state: Any) -> Call:
    return Call(np.dtype, code, False, True, state=(3, "|", None, *state))


FORGERIES: dict[str, Callable[[], bytes]] = {
    "array over bytes as objects": lambda: pickle.dumps(Call(np.ndarray, (1,), OBJECT, ADDRESS)),
    "array with fewer objects than it says": lambda: pickle.dumps(_rebuilt((9999,), OBJECT, [0])),
    "array of objects from bytes": lambda: pickle.dumps(_rebuilt((1,), OBJECT, ADDRESS)),
    "array that gets a second state": lambda: _then_build(
        np.arange(9.0), _rebuilt((1,), OBJECT, [0]).recipe[2]
    ),
    "dtype that hides an object": lambda: pickle.dumps(
        _dtype("V8", ("a",), {"a": (OBJECT, 0)}, 8, 1, 0)
    ),
    "dtype of objects that says it has none": lambda: pickle.dumps(
        Call(
            np.zeros(1).__reduce__()[0],
            np.ndarray,
            (0,),
            b"b",
            state=(1, (1,), _dtype("O8", None, None, -1, -1, 0), False, ADDRESS),
        )
    ),
    "dtype with a base": lambda: pickle.dumps(
        Call(np.dtype, "V8", False, True, state=(3, "|", (OBJECT, (1,)), None, None, 8, 1, 0))
    ),
    "dtype from a recipe": lambda: pickle.dumps(Call(np.dtype, [("a", "O")])),
    "scalar of objects": lambda: pickle.dumps(Call(np.float64(1).__reduce__()[0], OBJECT, ADDRESS)),
    "window on memory": lambda: pickle.dumps(_with(__array_interface__=WINDOW)),
    "window on memory in a bunch": lambda: pickle.dumps(Bunch(__array_interface__=WINDOW)),
    "window on memory as slots": lambda: _then_build(
        _model(), (None, {"__array_interface__": WINDOW})
    ),
    "another class": lambda: pickle.dumps(_with(__class__=Bunch)),
    "changed class": lambda: _then_build(LogisticRegression, (None, {"predict": 1})),
    "called class": lambda: pickle.dumps(Call(LogisticRegression)),
    "called function": lambda: pickle.dumps(Call(np.add, 1, 2)),
    "joblib array with a reader": lambda: pickle.dumps(_header(read=LogisticRegression)),
    "joblib array of no dtype": lambda: pickle.dumps(_header(dtype=_model())),
    "foreign append": lambda: pickle.dumps(_with(append=1, extend=2))[:-1] + b"K\x01a.",
    "sparse matrix out of bounds": lambda: pickle.dumps(_with(coef_=_wild_matrix())),
    "class in a partial": lambda: pickle.dumps(partial(LogisticRegression, 1)),
    "function that changes in a partial": lambda: pickle.dumps(
        Call(partial, np.add, state=(LogisticRegression, (), {}, None))
    ),
    "attributes in a partial": lambda: pickle.dumps(
        Call(partial, np.add, state=(np.add, (), {}, {"__array_interface__": WINDOW}))
    ),
    "array of numbers from a list": lambda: pickle.dumps(_rebuilt((1,), np.dtype("f8"), [1.0])),
    "array over another array": lambda: pickle.dumps(
        Call(FROM_BUFFER, np.arange(3.0), np.dtype("i8"), (3,), "C")
    ),
    "dtype from a list of codes": lambda: pickle.dumps(Call(np.dtype, "f8,O8")),
    "class made with arguments": lambda: pickle.dumps(Made(1)),
    "object of a base": lambda: pickle.dumps(Call(copyreg._reconstructor, Bunch, int, 1)),
    "opcode OBJ": lambda: b"(csklearn.linear_model._logistic\nLogisticRegression\no.",
    "persistent id": lambda: b"\x80\x02X\x01\x00\x00\x00aQ.",
    "extension code": lambda: b"\x80\x02\x82\x01.",
    "codec": lambda: b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00hex\x86R.",
}
"""Files that must be refused before anything believes them."""


def stored(folder: Path, data: bytes, name: str = "model.joblib") -> File:
    """Return `data` as a file that came from storage."""
    path = folder / name
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    return File(uri=f"s3://bucket/{name}", path=path, sha256=digest, size=len(data))
