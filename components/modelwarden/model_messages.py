"""What a model's process and its parent say to each other: a JSON object and a block of bytes.

Each is preceded by its length. Nothing is ever pickled, and answers hold only JSON, class numbers
and probabilities, so that whatever happens to the process, its parent parses nothing else.
"""

import io
import json
import struct
from typing import Any

LENGTHS = struct.Struct(">IQ")
MAX_HEAD_BYTES = 2**24

Head = dict[str, Any]
"""The JSON object of a message."""


def send(pipe: io.RawIOBase, head: Head, body: Any = b"") -> None:
    """Write one message; `body` is any contiguous buffer."""
    text = json.dumps(head).encode()
    payload = memoryview(body)
    payload = payload.cast("B") if payload.nbytes else memoryview(b"")  # no row cannot be cast
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


def brief(error: BaseException) -> str:
    """Return an error's type and the first line of what it says."""
    first, *_ = str(error).strip().splitlines() or [""]
    return printable(f"{type(error).__name__}: {first}").rstrip(": ")
