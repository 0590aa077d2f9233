"""What a model file is, by its content; runs in the model's own process."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelwarden.model_messages import Head, brief, printable

if TYPE_CHECKING:
    from modelwarden.child.unpickling import Loaded


class UnfitError(Exception):
    """A file that is not loaded; the argument says what it is instead of a sound classifier."""


def _unpickled(data: bytes) -> "Loaded":
    from modelwarden.child.unpickling import load

    return load(data)


def _xgboost(data: bytes) -> "Loaded":
    from modelwarden.child.xgboost_model import load

    return load(data)


def _lightgbm(data: bytes) -> "Loaded":
    from modelwarden.child.lightgbm_model import load

    return load(data)


def _onnx(data: bytes) -> "Loaded":
    from modelwarden.child.onnx_model import load

    return load(data)


def _skops(data: bytes) -> "Loaded":
    from modelwarden.child.skops_file import load

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
ONNX_FIELDS = tuple(bytes([tag]) for tag in (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42))
"""What may follow an ONNX file's version: the producer, and whatever else a writer puts first."""

FORMATS = (
    Format("pickle", _starts(*(bytes([0x80, protocol]) for protocol in range(6))), _unpickled),
    Format("ONNX", lambda data: data[:1] == b"\x08" and data[2:3] in ONNX_FIELDS, _onnx),
    Format("XGBoost", lambda data: data[:1] == b"{" and b"learner" in data[:4096], _xgboost),
    Format("LightGBM", _starts(b"tree\nversion="), _lightgbm),
    Format("CatBoost", _starts(b"CBM1")),
    Format("skops", _zipped(b"schema.json"), _skops),
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


def examine(data: bytes, *, vouched: bool = False) -> tuple[Head, Any]:
    """Return what a file is, as :class:`modelwarden.models.ModelFacts`, and the model it holds.

    A pickle or joblib file that somebody trusted has `vouched` for may ask for whatever it likes,
    and run it.
    """
    from modelwarden.child.archive import unpacked

    try:
        held = unpacked(data, _is_model)
    except UnfitError as unfit:
        return {"format": "archive", "why": printable(str(unfit))}, None
    if held is None:
        return _examined(data, vouched)
    facts, model = _examined(held.data, vouched)
    name = facts["format"]
    if held.formats and name not in held.formats:
        expected = " or ".join(held.formats)
        facts, model = {"why": f"the format {name} where {held.kind} says {expected}"}, None
    return {**facts, "format": f"{name} in {held.kind}"}, model


def _is_model(data: bytes) -> bool:
    """Return whether a member of an archive is a model; text may end as an old pickle does."""
    return any(known.load is not None and known.matches(data) for known in FORMATS[:-1])


def _examined(data: bytes, vouched: bool) -> tuple[Head, Any]:
    form = next((known for known in FORMATS if known.matches(data)), None)
    if form is None:
        start = ascii(data[:20])[2:-1]
        why = f"an unknown file that starts with '{start}'" if data else "an empty file"
        return {"format": "unknown", "why": why}, None
    if form.load is None:
        why = f"a model in the format {form.name}, which is not supported yet"
        return {"format": form.name, "why": why}, None
    from modelwarden.child.allowed import Refused

    try:
        loaded, is_foreign = _loaded(form.load, data, vouched)
        facts = {"format": loaded.format, "sklearn": loaded.sklearn, **_described(loaded.model)}
        facts |= {"foreign": True} if is_foreign else {}
    except Refused as refused:
        names = ", ".join(refused.names[:5]) + (", ..." if len(refused.names) > 5 else "")
        why = f"a file that asks for what is not on the allow-list: {names}"
        return {"format": form.name, "why": why, "refused": refused.names}, None
    except UnfitError as unfit:
        return {"format": form.name, "why": printable(str(unfit))}, None
    except Exception as error:  # noqa: BLE001 - a hostile file can make anything raise anything
        why = f"a {form.name} that cannot be read: {brief(error)}"
        return {"format": form.name, "why": why}, None
    return facts, loaded.model


def _loaded(load: "Callable[[bytes], Loaded]", data: bytes, vouched: bool) -> "tuple[Loaded, bool]":
    """Load by the allow-list; what it refuses only if somebody vouched for it."""
    from modelwarden.child.allowed import Refused
    from modelwarden.child.unpickling import Loaded

    try:
        return load(data), False
    except Refused:
        if not vouched or load is not _unpickled:
            raise
    import io

    import joblib

    return Loaded(joblib.load(io.BytesIO(data)), "joblib", ""), True


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
