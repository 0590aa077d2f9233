"""Load a scikit-learn model from a pickle without running what the file says.

A pickle is a program. Three rules keep this one harmless:

names
    The file can name only what :mod:`modelwarden.child.allowed` lists, and scikit-learn's own
    classes.
calls
    While loading, it can call only `MAKERS` and makers of compiled scikit-learn classes. All other
    classes are made without running their ``__init__``.
states
    What is written into an object is checked first. Names alone leave three ways to turn bytes into
    pointers: ``numpy.ndarray(shape, object, buffer)``, a ``numpy.dtype`` that lies about holding
    objects, and an attribute ``__array_interface__``, which is a window on any address.

A refused name becomes an inert object and reading goes on, so that all refused names are known at
the end. Nobody can promise that compiled code survives every number in a model's arrays: load in a
process that may die (:mod:`modelwarden.child.main`), never in one that holds keys.
"""

import bz2
import io
import lzma
import pickle
import sys
import warnings
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import prod
from types import FunctionType
from typing import Any, BinaryIO, ClassVar

import numpy as np
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch

from modelwarden.child.allowed import (
    ARRAY,
    ARRAYS,
    COMPILED,
    GENERATORS,
    INERT,
    INTERNAL,
    MAKERS,
    NAMED,
    Refused,
    allowed,
    plain_object,
    refuse_unless,
    words,
)
from modelwarden.child.parts import is_looked_at, unsound

MAX_REFUSED = 100
"""Names that are listed before reading stops."""

MAX_UNPACKED = 1 << 32
"""Bytes that a compressed file may hold; the process's own memory limit comes first."""

COMPRESSIONS: Mapping[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": partial(zlib.decompressobj, 31),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": lzma.LZMADecompressor,
    b"\x5d\x00\x00": lzma.LZMADecompressor,
    **{bytes([0x78, level]): zlib.decompressobj for level in (0x01, 0x5E, 0x9C, 0xDA)},
}
"""How joblib compresses, by first bytes."""


@dataclass(frozen=True)
class Loaded:
    """What a file held.

    Parameters
    ----------
    model : object
        Whatever was pickled.
    format : {"joblib", "pickle"}
        Which library wrote it.
    sklearn : str
        The scikit-learn that wrote it, by the file's own word; empty when it does not say.
    """

    model: object
    format: str
    sklearn: str


def load(data: bytes) -> Loaded:
    """Load one pickle, joblib file or compressed joblib file.

    Raises
    ------
    Refused
        With everything that the file asks for and must not have.
    pickle.UnpicklingError
        If it cannot be read for another reason.
    """
    magic = next((magic for magic in COMPRESSIONS if data.startswith(magic)), None)
    seen = Seen(joblib=magic is not None)
    try:
        content, is_whole = (data, True) if magic is None else _decompressed(data, magic)
        stream = io.BytesIO(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = _Unpickler(stream, seen).load()
            if stream.read(1) or not is_whole:  # others might take the rest for the model
                raise pickle.UnpicklingError("something behind its end")
        for part in unsound(seen.parts):
            seen.refuse(f"state of {title(part)}")
    except Refused as refused:
        raise Refused(tuple(seen.refused) or refused.names) from None
    except Exception as error:
        if not seen.refused:  # else it broke on what stands for a refused name
            raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error
    if seen.refused:
        raise Refused(tuple(seen.refused))
    return Loaded(model, "joblib" if seen.joblib else "pickle", seen.sklearn)


def _decompressed(data: bytes, magic: bytes) -> tuple[bytes, bool]:
    """Return what was compressed, and whether nothing is missing or behind it.

    joblib's own reader never ends on some files.
    """
    machine = COMPRESSIONS[magic]()
    content: bytes = machine.decompress(data, MAX_UNPACKED)
    return content, machine.eof and not machine.unused_data


class SoundBunch(Bunch):  # type: ignore[misc]
    """A bunch whose keys, which Python reads as attributes, are checked like attributes."""

    def __setitem__(self, key: object, value: object) -> None:
        refuse_unless(_is_plain({key: value}), "state of sklearn.utils.Bunch")
        super().__setitem__(key, value)


class _Array(NumpyArrayWrapper):  # type: ignore[misc]
    """A joblib array whose objects, a pickle inside the pickle, are read under the same rules."""

    def read_array(self, unpickler: "_Unpickler", ensure_native_byte_order: bool) -> Any:
        """Read what follows in the file."""
        if self.dtype.hasobject:
            return _Unpickler(unpickler.file_handle, unpickler.seen).load()
        return super().read_array(unpickler, ensure_native_byte_order)


def _is_plain(state: object) -> bool:
    """Return whether `state` is a dict of attributes, none of which Python or numpy would obey."""
    return type(state) is dict and all(
        isinstance(name, str) and not name.startswith("__") for name in state
    )


def _is_array_header(state: Any) -> bool:
    """Return whether `state` can only describe a joblib array."""
    known = words("subclass shape order dtype allow_mmap numpy_array_alignment_bytes")
    return (
        type(state) is dict
        and set(state) <= known
        and isinstance(state.get("dtype"), np.dtype)
        and type(state.get("shape")) is tuple
    )


def _is_array(state: Any) -> bool:
    """Return whether `state` holds as many elements as it says: numpy counts bytes, not objects."""
    _version, shape, dtype, _fortran, elements, *_masked = state
    if not isinstance(dtype, np.dtype) or type(shape) is not tuple:
        return False
    if not dtype.hasobject:
        return type(elements) is bytes
    return type(elements) is list and len(elements) == prod(shape)


def is_sound(instance: Any, state: Any) -> bool:
    """Return whether `state` may be written into `instance`.

    An array gets its state once: a second one would free memory that others look at.
    """
    kind = type(instance)
    if isinstance(instance, np.ndarray):
        return instance.size == 0 and _is_array(state)
    if kind is _Array:
        return _is_array_header(state)
    if kind is partial:
        return state[0] is instance.func and state[3] is None
    if kind.__module__ in INTERNAL and type(state) is tuple:
        return hasattr(kind, "__setstate__")
    known = kind is SoundBunch or kind.__module__.startswith(("sklearn.", "scipy."))
    return known and _is_plain(state)


def _finished(dtype: np.dtype[Any], state: Any) -> np.dtype[Any]:
    """Return what a pickled dtype means, made by numpy's own constructor.

    Its ``__setstate__`` would believe any flags, and would change a dtype that arrays already use.
    """
    _version, order, base, names, fields, itemsize, _alignment, _flags = state
    native = "<" if sys.byteorder == "little" else ">"
    refuse_unless(order in ("|", "=", native) and base is None, "state of numpy.dtype")
    if names is None:
        return dtype
    formats, offsets = zip(*(fields[name][:2] for name in names), strict=True)
    sound = all(isinstance(part, np.dtype) and not part.hasobject for part in formats)
    refuse_unless(sound, "state of numpy.dtype")
    parts = {"names": names, "formats": formats, "offsets": offsets, "itemsize": itemsize}
    return np.dtype(parts)  # type: ignore[call-overload, no-any-return]


@dataclass
class Seen:
    """What a file and the pickles inside it have shown so far."""

    joblib: bool
    sklearn: str = ""
    refused: dict[str, None] = field(default_factory=dict)
    callable: set[int] = field(default_factory=lambda: {id(maker) for maker in MAKERS.values()})
    parts: list[Any] = field(default_factory=list)

    def refuse(self, what: str) -> Any:
        """Note what was refused, in printable characters."""
        self.refused[ascii(what)[1:-1][:200]] = None
        refuse_unless(len(self.refused) < MAX_REFUSED, what)
        return INERT


def _into(opcode: bytes, kind: type, owner: Callable[[Any], object]) -> Callable[[Any], None]:
    """Return the opcode's function for containers of one kind: nobody else's methods are called."""
    fill = NumpyUnpickler.dispatch[opcode[0]]

    def guarded(unpickler: Any) -> None:
        refuse_unless(isinstance(owner(unpickler), kind), f"opcode {opcode!r} on another object")
        fill(unpickler)

    return guarded


def _forbidden(opcode: str) -> Callable[[Any], None]:
    return lambda _unpickler: refuse_unless(False, f"opcode {opcode}")


class _Unpickler(NumpyUnpickler):  # type: ignore[misc]
    """A pickle machine with fewer instructions, each of which looks before it acts."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = (
        {
            getattr(pickle, opcode)[0]: NumpyUnpickler.dispatch[getattr(pickle, opcode)[0]]
            for opcode in words("""
            MARK STOP POP POP_MARK DUP FLOAT INT BININT BININT1 LONG BININT2 NONE STRING BINSTRING
            SHORT_BINSTRING UNICODE BINUNICODE GLOBAL DICT EMPTY_DICT GET BINGET LONG_BINGET LIST
            EMPTY_LIST PUT BINPUT LONG_BINPUT TUPLE EMPTY_TUPLE BINFLOAT PROTO TUPLE1 TUPLE2 TUPLE3
            NEWTRUE NEWFALSE LONG1 LONG4 BINBYTES SHORT_BINBYTES SHORT_BINUNICODE BINUNICODE8
            BINBYTES8 EMPTY_SET FROZENSET STACK_GLOBAL MEMOIZE FRAME BYTEARRAY8
        """)
        }
        | {
            getattr(pickle, opcode)[0]: _forbidden(opcode)
            for opcode in words("""
            PERSID BINPERSID OBJ EXT1 EXT2 EXT4 NEWOBJ_EX NEXT_BUFFER READONLY_BUFFER
        """)
        }
        | {
            pickle.APPEND[0]: _into(pickle.APPEND, list, lambda u: u.stack[-2]),
            pickle.APPENDS[0]: _into(pickle.APPENDS, list, lambda u: u.metastack[-1][-1]),
            pickle.SETITEM[0]: _into(pickle.SETITEM, dict, lambda u: u.stack[-3]),
            pickle.SETITEMS[0]: _into(pickle.SETITEMS, dict, lambda u: u.metastack[-1][-1]),
            pickle.ADDITEMS[0]: _into(pickle.ADDITEMS, set, lambda u: u.metastack[-1][-1]),
        }
    )

    def __init__(self, stream: BinaryIO, seen: Seen) -> None:
        super().__init__("", stream, ensure_native_byte_order=True)
        self.seen = seen

    def find_class(self, module: str, name: str) -> Any:
        """Return what the file names, or something inert in its place."""
        module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        full = f"{module}.{name}"
        if full in ARRAYS:
            return ARRAY
        if full in GENERATORS:
            return INERT
        if full == "joblib.numpy_pickle.NumpyArrayWrapper":
            self.seen.joblib = True
            return _Array
        if full == "sklearn.utils._bunch.Bunch":
            return SoundBunch
        found = MAKERS.get(full) or self._imported(module, name)
        return self.seen.refuse(full) if found is None else found

    def _imported(self, module: str, name: str) -> Any:
        found = allowed(module, name)
        if f"{module}.{name}" in NAMED:
            return found
        if found is not None and (module in COMPILED or not isinstance(found, (type, np.ufunc))):
            self.seen.callable.add(id(found))
        return found

    def load_reduce(self) -> None:
        """Call a maker."""
        args, maker = self.stack.pop(), self.stack.pop()
        if maker is INERT:
            self.append(INERT)
        elif id(maker) in self.seen.callable and type(args) is tuple:
            self.append(maker(*args))
        else:
            self.append(self.seen.refuse(f"call of {title(maker)}"))

    dispatch[pickle.REDUCE[0]] = load_reduce

    def load_newobj(self) -> None:
        """Make an object without running its ``__init__``."""
        args, cls = self.stack.pop(), self.stack.pop()
        if cls is INERT:
            self.append(INERT)
        elif isinstance(cls, type) and args == ():
            self.append(plain_object(cls, object, None))
        else:
            self.append(self.seen.refuse(f"call of {title(cls)}"))

    dispatch[pickle.NEWOBJ[0]] = load_newobj

    def load_inst(self) -> None:
        """Refuse to call a class, and say which: no pickle of this century does it."""
        module, name = (self.readline()[:-1].decode("ascii") for _ in range(2))
        self.find_class(module, name)
        refuse_unless(False, f"call of {module}.{name}")

    dispatch[pickle.INST[0]] = load_inst

    def load_build(self) -> None:
        """Write a state into an object."""
        state, instance = self.stack[-1], self.stack[-2]
        if instance is not INERT and is_sound(instance, state):
            self._note(instance, state)
            super().load_build()
            return
        self.stack.pop()
        if isinstance(instance, np.dtype):
            self._replace(instance, _finished(instance, state))
        elif instance is not INERT:
            self.seen.refuse(f"state of {title(instance)}")

    dispatch[pickle.BUILD[0]] = load_build

    def _replace(self, old: object, new: object) -> None:
        self.stack[-1] = new
        if new is not old:
            self.memo: dict[int, Any]
            self.memo = {key: new if v is old else v for key, v in self.memo.items()}

    def _note(self, instance: object, state: Any) -> None:
        version = state.get("_sklearn_version") if isinstance(instance, BaseEstimator) else None
        if isinstance(version, str):
            self.seen.sklearn = ascii(version)[1:-1][:20]
        if is_looked_at(instance):
            self.seen.parts.append(instance)


def title(thing: object) -> str:
    """Return the name of a class or function, or of the class of anything else."""
    named = thing if isinstance(thing, (type, FunctionType)) else type(thing)
    return f"{named.__module__}.{named.__qualname__}"
