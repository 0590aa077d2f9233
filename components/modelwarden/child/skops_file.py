"""Load a scikit-learn model from a skops file under the rules for pickles.

A skops file is a zip: a tree of nodes in ``schema.json``, each with the name of what it is, and
arrays beside it. skops itself asks its user which names to trust, and then lets a file call them.
Here each kind of node can be one thing only; which names a file may use, and which states, is
decided by :mod:`modelwarden.child.unpickling`. skops need not be installed.
"""

import io
import json
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator

from modelwarden.child.allowed import COMPILED, INERT, NAMED, Refused, allowed, plain_object
from modelwarden.child.formats import UnfitError
from modelwarden.child.parts import is_looked_at, unsound
from modelwarden.child.unpickling import Loaded, Seen, SoundBunch, is_sound, title

PROTOCOL = 2
MAX_BYTES = 1 << 30
MAX_MEMBERS = 100_000
SCHEMA = "schema.json"
SUFFIXES = (".npy", ".npz")
PLAIN = (str, int, float, bool, type(None))
MATRICES: Mapping[str, Any] = {
    name: getattr(sparse, name) for name in ("csr_matrix", "csr_array", "csc_matrix", "csc_array")
}


def load(data: bytes) -> Loaded:
    """Load one file.

    Raises
    ------
    Refused
        With everything that the file asks for and must not have.
    UnfitError
        If it is written in another way than skops does.
    """
    archive = _Archive(data)
    maker = _Maker(archive)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = maker.made(archive.schema)
    except (UnfitError, Refused):
        raise
    except Exception as error:
        if not maker.seen.refused:  # else it broke on what stands for a refused name
            raise UnfitError(f"a skops file that cannot be read: {error!r}") from error
    for part in unsound(maker.seen.parts):
        maker.seen.refuse(f"state of {title(part)}")
    if maker.seen.refused:
        raise Refused(tuple(maker.seen.refused))
    return Loaded(model, "skops", maker.seen.sklearn)


# --- the zip --------------------------------------------------------------------------------------


class _Archive:
    """A zip of which every member is small enough, known and used."""

    def __init__(self, data: bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            self._names = _checked(self._zip)
            self.schema, used = _schema(self._zip.read(SCHEMA))
            unused = sorted(self._names - used)
            if unused:
                raise ValueError(f"a member that nothing uses, {ascii(unused[0])[:100]}")
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:
            raise UnfitError(f"a skops file that cannot be read: {error}") from error
        self._arrays: dict[str, Any] = {}

    def array(self, name: str) -> Any:
        """Return an array, the same one each time."""
        if name not in self._arrays:
            self._arrays[name] = _array(self._read(name, ".npy"))
        return self._arrays[name]

    def matrix(self, name: str, kind: Any) -> Any:
        """Return a sparse matrix, whose parts are arrays in a zip of their own."""
        with zipfile.ZipFile(io.BytesIO(self._read(name, ".npz"))) as parts:
            _checked(parts)
            read = {part: _array(parts.read(f"{part}.npy")) for part in ("shape", "format")}
            code = kind.__name__[:3]
            if read["format"].item() not in (code, code.encode()):
                raise ValueError(f"a {kind.__name__} that is none")
            held = [_array(parts.read(f"{part}.npy")) for part in ("data", "indices", "indptr")]
        return kind(tuple(held), shape=tuple(read["shape"].tolist()))

    def _read(self, name: object, suffix: str) -> bytes:
        if not isinstance(name, str) or name not in self._names or not name.endswith(suffix):
            raise ValueError(f"no member {ascii(name)[:50]}")
        return self._zip.read(name)


def _checked(archive: zipfile.ZipFile) -> set[str]:
    """Return the names of members that are, unpacked, not too many and not too large."""
    members = archive.infolist()
    names = {member.filename for member in members}
    size = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or size > MAX_BYTES:
        raise ValueError(f"{len(members)} members of {size} bytes, which is too much")
    if len(names) < len(members):
        raise ValueError("two members of one name")
    for name in names:
        if name != SCHEMA and not (name.endswith(SUFFIXES) and name.isprintable()):
            raise ValueError(f"a member {ascii(name)[:100]}, which skops does not write")
    return names


def _schema(text: bytes) -> tuple[dict[str, Any], set[str]]:
    """Return the tree of nodes, and the members that it uses."""
    used = {SCHEMA}

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a key twice")
        if isinstance(found.get("file"), str):
            used.add(found["file"])
        return found

    schema = json.loads(text.decode(), object_pairs_hook=unique)
    told = schema.get("protocol") if isinstance(schema, dict) else None
    if told != PROTOCOL:
        fix = "save it again with the current skops"
        raise ValueError(f"protocol {told!r:.20}; only {PROTOCOL} is supported: {fix}")
    return schema, used


def _array(data: bytes) -> Any:
    """Return an array of numbers or text; numpy makes no objects without pickle."""
    stream = io.BytesIO(data)
    array: Any = np.lib.format.read_array(stream, allow_pickle=False)
    if array.dtype.kind not in "biufcSUV" or array.dtype.hasobject or stream.read(1):
        raise ValueError(f"an array of {array.dtype}, or something behind it")
    return array


# --- the nodes ------------------------------------------------------------------------------------


class _Maker:
    """Makes what nodes say, each once."""

    def __init__(self, archive: _Archive) -> None:
        self._archive = archive
        self._known: dict[int, Any] = {}
        self.seen = Seen(joblib=False)

    def made(self, node: Any) -> Any:
        """Return what a node says."""
        number = node.get("__id__")
        if number is not None and number in self._known:
            return self._known[number]
        kind = node["__loader__"]
        name = f"{node['__module__']}.{node['__class__']}"
        if kind not in NODES:
            return self.seen.refuse(f"{kind} of {name}")
        made = NODES[kind](self, node, name)
        if number is not None:
            self._known[number] = made
        return made

    def text(self, node: Any, _name: str) -> Any:
        value = json.loads(node["content"])
        if not isinstance(value, PLAIN):
            raise ValueError("text that holds more than one value")
        return value

    def list(self, node: Any, name: str) -> Any:
        """Make a list, a set or a tuple."""
        kinds = {"builtins.list": list, "builtins.tuple": tuple, "builtins.set": set}
        if name not in kinds:
            return self.seen.refuse(f"call of {name}")
        return kinds[name]([self.made(item) for item in node["content"]])

    def dict(self, node: Any, name: str) -> Any:
        kinds = {
            "builtins.dict": dict,
            "collections.OrderedDict": OrderedDict,
            "sklearn.utils._bunch.Bunch": SoundBunch,
        }
        if name not in kinds:
            return self.seen.refuse(f"call of {name}")
        found: Any = kinds[name]()
        keys = self.made(node["key_types"])
        for kind, (key, value) in zip(keys, node["content"].items(), strict=True):
            found[_key(kind, key)] = self.made(value)
        return found

    def slice(self, node: Any, _name: str) -> Any:
        ends = [node["content"][end] for end in ("start", "stop", "step")]
        return slice(*[end if isinstance(end, PLAIN) else None for end in ends])

    def array(self, node: Any, name: str) -> Any:
        if node["type"] == "json":
            return self._objects(node, name)
        array = self._archive.array(node["file"])
        if name == "numpy.ndarray":
            return array
        scalar = array[()]
        if f"numpy.{type(scalar).__name__}" != name:
            return self.seen.refuse(f"call of {name}")
        return scalar

    def _objects(self, node: Any, name: str) -> Any:
        shape = self.made(node["shape"])
        items = [self.made(item) for item in node["content"]]
        for _ in shape[1:]:
            items = [item for row in items for item in row]
        if name != "numpy.ndarray":
            return self.seen.refuse(f"call of {name}")
        array = np.empty(len(items), dtype=object)
        for place, item in enumerate(items):
            array[place] = item
        return array.reshape(shape)

    def masked(self, node: Any, _name: str) -> Any:
        parts = [self.made(node["content"][part]) for part in ("data", "mask")]
        if not all(isinstance(part, np.ndarray) for part in parts):
            raise ValueError("a masked array that is none")
        return np.ma.MaskedArray(*parts)

    def matrix(self, node: Any, name: str) -> Any:
        kind = MATRICES.get(name.rpartition(".")[2]) if name in NAMED else None
        if kind is None:
            return self.seen.refuse(name)
        return self._noted(self._archive.matrix(node["file"], kind))

    def type(self, node: Any, name: str) -> Any:
        found = allowed(node["__module__"], node["__class__"])
        return found if isinstance(found, type) else self.seen.refuse(name)

    def function(self, node: Any, name: str) -> Any:
        found = allowed(node["__module__"], node["__class__"])
        is_listed = name in NAMED and not isinstance(found, type)
        return found if is_listed or isinstance(found, np.ufunc) else self.seen.refuse(name)

    def partial(self, node: Any, _name: str) -> Any:
        parts = {part: self.made(value) for part, value in node["content"].items()}
        is_function = isinstance(parts["func"], (FunctionType, np.ufunc))
        if not is_function or parts.get("namespace"):  # a class would be a call
            return self.seen.refuse("call of functools.partial")
        return partial(parts["func"], *parts["args"], **parts["kwds"])

    def nothing(self, node: Any, _name: str) -> Any:
        """Stand for a random generator: a fitted classifier does not draw."""
        content = node["content"]
        for part in [content] if "__loader__" in content else content.values():
            self.made(part)
        return INERT

    def compiled(self, node: Any, name: str) -> Any:
        """Make a part that scikit-learn compiled, which is called, with numbers."""
        kind = self.type(node, name)
        if kind is INERT or node["__module__"] not in COMPILED:
            return self.seen.refuse(f"call of {name}")
        args = self.made(node["__reduce__"]["args"])
        instance = kind(*args)
        state = self.made(node["content"])
        return self._filled(instance, state) if state else self._noted(instance)

    def object(self, node: Any, name: str) -> Any:
        """Make an object without running its ``__init__``."""
        kind = self.type(node, name)
        if kind is INERT or name.startswith(("builtins.", "numpy.")):
            return self.seen.refuse(f"call of {name}")
        instance = plain_object(kind, object, None)
        if node.get("content") is None:
            return self._noted(instance)
        state = self.made(node["content"])
        return self._noted(instance) if state is None else self._filled(instance, state)

    def _filled(self, instance: Any, state: Any) -> Any:
        """Write a state into an object, if it may have it."""
        if not is_sound(instance, state):
            return self.seen.refuse(f"state of {title(instance)}")
        if isinstance(instance, BaseEstimator) and "_sklearn_version" in state:
            self.seen.sklearn = ascii(state["_sklearn_version"])[1:-1][:20]
        if hasattr(instance, "__setstate__"):
            instance.__setstate__(state)
        else:
            vars(instance).update(state)
        return self._noted(instance)

    def _noted(self, instance: Any) -> Any:
        if is_looked_at(instance):
            self.seen.parts.append(instance)
        return instance


def _key(kind: Any, text: str) -> Any:
    """Return a key, which JSON has as text, as what it was."""
    if kind in (str, int, float):
        return kind(text)
    if isinstance(kind, type) and issubclass(kind, np.number):
        return kind(text)
    raise ValueError("a key that is neither text nor a number")


NODES: Mapping[str, Callable[[_Maker, Any, str], Any]] = {
    "JsonNode": _Maker.text,
    "ListNode": _Maker.list,
    "TupleNode": _Maker.list,
    "SetNode": _Maker.list,
    "DictNode": _Maker.dict,
    "SliceNode": _Maker.slice,
    "NdArrayNode": _Maker.array,
    "MaskedArrayNode": _Maker.masked,
    "SparseMatrixNode": _Maker.matrix,
    "TypeNode": _Maker.type,
    "FunctionNode": _Maker.function,
    "PartialNode": _Maker.partial,
    "RandomStateNode": _Maker.nothing,
    "RandomGeneratorNode": _Maker.nothing,
    "TreeNode": _Maker.compiled,
    "LossNode": _Maker.compiled,
    "ObjectNode": _Maker.object,
}
"""The kinds of nodes, and what makes them; all others are refused."""
