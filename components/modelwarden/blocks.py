"""Checks that are done block by block, and what a block comes to: bytes without code in them.

A block is the same whoever does it: it follows from inputs and options alone, never from how many
machines share the work. So one machine and many come to the same findings, byte for byte.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from modelwarden.errors import EvidenceError
from modelwarden.report import Findings

MAX_BYTES = 1 << 30
"""What arrays of one part may take, unpacked: 1 GiB."""

Array = npt.NDArray[Any]
Shape = tuple[int | None, ...]

_KINDS = "biufU"  # numbers and text, of which nothing can be executed


class Blocks(Protocol):
    """A check of some inputs, cut into blocks.

    Attributes
    ----------
    count : int
        How many blocks there are, at least 1.
    """

    @property
    def count(self) -> int:
        """Return how many blocks there are."""

    def blocks(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """Yield what each of some blocks comes to, in the order of `numbers`."""

    def join(self, parts: Sequence[bytes]) -> Findings:
        """Return the findings from what all blocks came to, in their order."""


def pack(arrays: Mapping[str, npt.ArrayLike]) -> bytes:
    """Return arrays of numbers, booleans and text as ``.npz``; equal arrays, equal bytes."""
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **{name: np.asarray(a) for name, a in arrays.items()})
    return packed.getvalue()


def unpack(body: bytes, where: str) -> dict[str, Array]:
    """Return the arrays of :func:`pack`; `where` is what the file is, for messages.

    Raises
    ------
    EvidenceError
        If it is no such file, would take more than 1 GiB, or holds anything but arrays of numbers,
        booleans and text.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as members:
            size = sum(member.file_size for member in members.infolist())
        if size > MAX_BYTES:
            raise EvidenceError(where, f"at most {MAX_BYTES} bytes", f"{size}")
        with np.load(io.BytesIO(body), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise EvidenceError(where, "arrays", "another file") from error
    if not all(isinstance(a, np.ndarray) and a.dtype.kind in _KINDS for a in arrays.values()):
        raise EvidenceError(where, "arrays of numbers and text", "others")
    return arrays


def expect(
    arrays: Mapping[str, Array], shapes: Mapping[str, tuple[str, Shape]], where: str
) -> None:
    """Refuse arrays that are not what they should be.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        What there is.
    shapes : mapping of str to (str, tuple)
        For each array its kind as NumPy names them, and its shape, None for any length.
    where : str
        What it is, for messages.

    Raises
    ------
    EvidenceError
        If one is missing, unknown, or of another kind or shape.
    """
    for name in sorted({*arrays, *shapes}):
        kind, shape = shapes.get(name, ("nothing", ()))
        array = arrays.get(name)
        if array is None or array.dtype.kind != kind or not _fits(array.shape, shape):
            got = "nothing" if array is None else f"{array.dtype} {array.shape}"
            raise EvidenceError(f"{where}, {name}", f"{kind} {shape}", got)


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(b in (None, a) for a, b in pairs)
