"""UBJSON as XGBoost writes it: a strict reader, and a writer for what was read and checked."""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

NUMBERS = {
    b"i": ">i1",
    b"U": ">u1",
    b"I": ">i2",
    b"l": ">i4",
    b"L": ">i8",
    b"d": ">f4",
    b"D": ">f8",
}
"""What each type of number is, by its mark."""
MARKS = {np.dtype(code).newbyteorder("="): mark for mark, code in NUMBERS.items()}
MAX_DEPTH = 32


def read(data: bytes) -> Any:
    """Read one document: dicts, lists, text, numbers, and arrays where all numbers are of one type.

    Raises
    ------
    ValueError
        If it is cut off, nested deeply, claims more than there is, or names a key twice.
    """
    reader = _Reader(data)
    value = reader.value(0)
    if reader.place != len(data):
        raise ValueError(f"{len(data) - reader.place} bytes behind its end")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self.place = data, 0

    def value(self, depth: int) -> Any:
        """Read what comes next."""
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels")
        mark = self._take(1)
        if mark in NUMBERS:
            return self._numbers(mark, 1)[0].item()
        if mark in (b"T", b"F"):
            return mark == b"T"
        if mark == b"S":
            return self._text()
        if mark == b"[":
            return self._array(depth)
        if mark == b"{":
            return self._object(depth)
        raise ValueError(f"the unknown mark {mark!r}")

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._data[self.place : self.place + 1] != b"}":
            key = self._text()
            if key in found:
                raise ValueError(f"the key {key[:50]!r} twice")
            found[key] = self.value(depth + 1)
        self.place += 1
        return found

    def _array(self, depth: int) -> Any:
        mark = self._take(1)
        if mark == b"$":
            kind, mark = self._take(1), self._take(1)
            if kind in NUMBERS and mark == b"#":
                return self._numbers(kind, self._count())
        elif mark == b"#":
            return [self.value(depth + 1) for _ in range(self._count())]
        raise ValueError("an array that does not say what it holds")

    def _text(self) -> str:
        return self._take(self._count()).decode()

    def _count(self) -> int:
        """Read how many there are; each takes a byte at least."""
        mark = self._take(1)
        if mark not in (b"i", b"U", b"I", b"l", b"L"):
            raise ValueError(f"a length that starts with {mark!r}")
        count = int(self._numbers(mark, 1)[0])
        if not 0 <= count <= len(self._data) - self.place:
            raise ValueError(f"a length of {count} where {len(self._data) - self.place} bytes are")
        return count

    def _numbers(self, mark: bytes, count: int) -> npt.NDArray[Any]:
        kind = np.dtype(NUMBERS[mark])
        values = np.frombuffer(self._take(count * kind.itemsize), kind)
        return values.astype(kind.newbyteorder("="))

    def _take(self, count: int) -> bytes:
        taken = self._data[self.place : self.place + count]
        if len(taken) < count:
            raise ValueError("no end")
        self.place += count
        return taken


def write(value: Any) -> bytes:
    """Return a document; `read` undoes it."""
    if isinstance(value, dict):
        parts = [_sized(key.encode()) + write(part) for key, part in value.items()]
        return b"".join([b"{", *parts, b"}"])
    if isinstance(value, list):
        return b"".join([b"[#L", struct.pack(">q", len(value)), *map(write, value)])
    if isinstance(value, str):
        return b"S" + _sized(value.encode())
    if isinstance(value, int):
        return b"L" + struct.pack(">q", value)
    mark = MARKS[value.dtype]
    body: bytes = value.astype(NUMBERS[mark]).tobytes()
    return b"[$" + mark + b"#L" + struct.pack(">q", len(value)) + body


def _sized(text: bytes) -> bytes:
    return b"L" + struct.pack(">q", len(text)) + text
