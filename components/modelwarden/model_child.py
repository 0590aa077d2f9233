"""What runs in a model's own process: limits first, then the bytes, then questions and answers.

Started by :mod:`modelwarden.models` as ``python -m modelwarden.model_child``. Both sides speak in
messages: a JSON object and a block of raw numbers, each preceded by its length. Nothing is ever
pickled, and the answers hold only JSON, class numbers and probabilities, so that whatever happens
to this process, its parent parses nothing else.
"""

import ctypes
import hashlib
import io
import json
import os
import resource
import struct
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwarden.errors import InputError

if TYPE_CHECKING:
    from modelwarden.unpickling import Loaded

LENGTHS = struct.Struct(">IQ")
MAX_HEAD_BYTES = 2**24
MAX_FILES = 256
MAX_PRINTED_BYTES = 2**24
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # from linux/sched.h

Head = dict[str, Any]
"""The JSON object of a message."""


# --- messages -------------------------------------------------------------------------------------


def send(pipe: io.RawIOBase, head: Head, body: Any = b"") -> None:
    """Write one message; `body` is any contiguous buffer."""
    text = json.dumps(head).encode()
    payload = memoryview(body).cast("B") if len(body) else memoryview(b"")
    for part in (LENGTHS.pack(len(text), len(payload)) + text, payload):
        rest = memoryview(part)
        while rest:
            rest = rest[pipe.write(rest) :]


def receive(pipe: io.RawIOBase, max_body: int) -> tuple[Head, bytearray]:
    """Read one message.

    Raises
    ------
    EOFError
        If the other side is gone.
    ValueError
        If what it says is not a message, or longer than allowed.
    """
    head_bytes, body_bytes = LENGTHS.unpack(_read(pipe, LENGTHS.size))
    if head_bytes > MAX_HEAD_BYTES or body_bytes > max_body:
        raise ValueError("a message that is too long")
    head = json.loads(_read(pipe, head_bytes))
    if not isinstance(head, dict):
        raise ValueError("a message that is not an object")
    return head, _read(pipe, body_bytes)


def _read(pipe: io.RawIOBase, size: int) -> bytearray:
    data = bytearray(size)
    rest = memoryview(data)
    while rest:
        count = pipe.readinto(rest)
        if not count:
            raise EOFError("the other side is gone")
        rest = rest[count:]
    return data


def printable(text: str) -> str:
    """Return the start of `text` on one line, without what would move a terminal's cursor."""
    return "".join(filter(str.isprintable, " ".join(text[:2000].split())))[:300]


# --- formats --------------------------------------------------------------------------------------


def _unpickled(data: bytes) -> "Loaded":
    from modelwarden.unpickling import load

    return load(data)


@dataclass(frozen=True)
class Format:
    """A model format: how to know it by its content, and how to load it where that is safe."""

    name: str
    matches: Callable[[bytes], bool]
    load: Callable[[bytes], "Loaded"] | None = None


def _starts(*starts: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(starts)


def _zipped(member: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(b"PK\x03\x04") and member in data


ZLIB = tuple(bytes([0x78, level]) for level in (0x01, 0x5E, 0x9C, 0xDA))
FORMATS = (
    Format("pickle", _starts(*(bytes([0x80, protocol]) for protocol in range(6))), _unpickled),
    Format("ONNX", lambda data: data[:1] == b"\x08" and data[2:3] == b"\x12"),
    Format("XGBoost", lambda data: data[:1] == b"{" and b"learner" in data[:4096]),
    Format("LightGBM", _starts(b"tree\nversion=")),
    Format("CatBoost", _starts(b"CBM1")),
    Format("skops", _zipped(b"schema.json")),
    Format("PyTorch", _zipped(b"data.pkl")),
    Format("Keras", _zipped(b"config.json")),
    Format("numpy", lambda data: _starts(b"\x93NUMPY")(data) or _zipped(b".npy")(data)),
    Format("HDF5", _starts(b"\x89HDF\r\n\x1a\n")),
    Format("safetensors", lambda data: data[7:9] == b"\x00{" and b"dtype" in data[:4096]),
    Format("GGUF", _starts(b"GGUF")),
    # compressed, or too old to have a first byte of its own: the loader refuses what is neither
    Format("pickle", _starts(*ZLIB, b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x5d\x00"), _unpickled),
    Format("pickle", lambda data: data.endswith(b"."), _unpickled),
)
"""The formats, most telling first; a further one is a line here and a function that loads it."""


def examine(data: bytes) -> tuple[Head, Any]:
    """Return what a file is, as :class:`modelwarden.models.ModelFacts`, and the model it holds."""
    form = next((known for known in FORMATS if known.matches(data)), None)
    if form is None:
        start = ascii(data[:20])[2:-1]
        why = f"an unknown file that starts with '{start}'" if data else "an empty file"
        return {"format": "unknown", "why": why}, None
    if form.load is None:
        why = f"a model in the format {form.name}, which is not supported yet"
        return {"format": form.name, "why": why}, None
    from modelwarden.unpickling import Refused

    try:
        loaded = form.load(data)
        facts = {"format": loaded.format, "sklearn": loaded.sklearn, **_described(loaded.model)}
    except Refused as refused:
        names = ", ".join(refused.names[:5]) + (", ..." if len(refused.names) > 5 else "")
        why = f"a file that asks for what is not on the allow-list: {names}"
        return {"format": form.name, "why": why, "refused": refused.names}, None
    except Exception as error:  # noqa: BLE001 - a hostile file can make anything raise anything
        why = f"a {form.name} that cannot be read: {_brief(error)}"
        return {"format": form.name, "why": why}, None
    return facts, loaded.model


def _described(model: Any) -> Head:
    """Return what a classifier says of itself, or why it is not one."""
    import numpy as np
    import sklearn
    from sklearn.base import BaseEstimator, is_regressor

    name = type(model).__name__
    if not isinstance(model, BaseEstimator):
        return {"why": f"a {name}, not a scikit-learn estimator"}
    facts = {"estimator": name, "sklearn_installed": sklearn.__version__}
    if is_regressor(model):
        return {**facts, "why": f"a regressor, {name}; only classifiers are supported"}
    classes = getattr(model, "classes_", None)
    if classes is None or not hasattr(model, "predict"):
        return {**facts, "why": f"{name} without classes_, so no fitted classifier"}
    labels = np.asarray(classes)
    kinds = {type(label) for label in labels.tolist()}
    if len(kinds) != 1 or not kinds <= {bool, int, float, str}:
        return {**facts, "why": f"{name} with several outputs, or labels of several types"}
    names = getattr(model, "feature_names_in_", None)
    return {
        **facts,
        "loads": True,
        "classes": labels.tolist(),
        "n_features": _int_or_none(getattr(model, "n_features_in_", None)),
        "feature_names": [] if names is None else [str(name) for name in names],
        "has_proba": hasattr(model, "predict_proba"),
    }


def _int_or_none(value: Any) -> int | None:
    return None if value is None else int(value)


def _brief(error: BaseException) -> str:
    return printable(f"{type(error).__name__}: {error}").rstrip(": ")


# --- answers --------------------------------------------------------------------------------------


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
    import pyarrow as pa

    frame = pa.ipc.open_stream(pa.py_buffer(body)).read_all().to_pandas(use_threads=False)
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


def answer(model: Any, facts: Head, request: Head, body: bytearray) -> Any:
    """Return the positions of the predicted classes, or the probabilities."""
    import numpy as np

    table, n_rows = _table(request, body, facts), request["shape"][0]
    if request["call"] == "predict":
        labels = _shaped(model.predict(table), (n_rows,))
        return _codes(labels, np.asarray(model.classes_))
    values = _shaped(model.predict_proba(table), (n_rows, len(facts["classes"])))
    return np.ascontiguousarray(values, dtype=np.float64)


def _shaped(values: Any, shape: tuple[int, ...]) -> Any:
    import numpy as np

    array = np.asarray(values)
    if array.shape != shape:
        raise InputError("model", f"predictions of shape {shape}", f"shape {array.shape}")
    return array


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
    except Exception as error:  # noqa: BLE001 - so can a hostile model
        return {"fault": ["an answer", _brief(error), ""]}, b""


def main() -> None:
    """Answer until the parent closes the pipe."""
    requests, replies = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0)
    os.dup2(2, 1)  # what a model prints is not an answer
    warnings.simplefilter("ignore")
    setup, _ = receive(requests, 0)
    model: Any = None

    def load() -> tuple[Head, Any]:
        nonlocal model
        data = _verified(setup["path"], setup["sha256"])
        _confine(setup["memory"])
        facts, model = examine(data)
        return facts, b""

    facts, _ = _attempt(load)
    send(replies, facts)
    while True:
        try:
            request, body = receive(requests, setup["memory"])
        except EOFError:
            return
        _allow(setup["seconds"])
        head, block = _attempt(lambda: ({}, answer(model, facts, request, body)))  # noqa: B023
        send(replies, head, block)


if __name__ == "__main__":
    main()
