"""Rows in blocks of one size, so that rows in memory and rows from a stream give the same bytes."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from modelwarden.errors import InputError

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

BLOCK = 65_536
TILE = 1024  # rows; divides BLOCK, and keeps what is computed for them in the processor's cache


class Block(NamedTuple):
    """Consecutive rows: `x` of shape (n_rows, n_features), class codes, weights (None: all 1)."""

    x: Floats
    y: Codes
    weight: Floats | None = None

    def part(self, rows: slice | Mask) -> "Block":
        """Return some of the rows."""
        weight = None if self.weight is None else self.weight[rows]
        return Block(self.x[rows], self.y[rows], weight)


Blocks = Callable[[], Iterable[Block]]
"""Starts again at the first row whenever it is called; yields blocks of any size."""


def even(pieces: Iterable[Block]) -> Iterator[Block]:
    """Cut and join pieces into blocks of `BLOCK` rows; the last one may be shorter."""
    held: list[Block] = []
    room = BLOCK
    for piece in pieces:
        rest = piece
        while len(rest.y):
            held.append(rest.part(slice(room)))
            rest = rest.part(slice(room, None))
            room -= len(held[-1].y)
            if room == 0:
                yield join(held)
                held, room = [], BLOCK
    if held:
        yield join(held)


def join(pieces: list[Block]) -> Block:
    """Put blocks one after the other: all weighted, or none."""
    if len(pieces) == 1:
        return pieces[0]
    x, y, weights = zip(*pieces, strict=True)
    weight = None if weights[0] is None else np.concatenate(weights)
    return Block(np.concatenate(x), np.concatenate(y), weight)


def tiles(n_rows: int, size: int = TILE) -> Iterator[slice]:
    """Cut rows into slices of `size`; the last one may be shorter."""
    return (slice(begin, min(begin + size, n_rows)) for begin in range(0, n_rows, size))


def check_block(block: Block, n_classes: int) -> None:
    """Refuse class codes that are not among `n_classes`, and weights below 0.

    Raises
    ------
    InputError
        If there are any.
    """
    if len(block.y) and not (block.y.min() >= 0 and block.y.max() < n_classes):
        got = f"{block.y.min()} to {block.y.max()}"
        raise InputError("class codes", f"0 to {n_classes - 1}", got, "count codes from 0")
    if block.weight is not None and not (block.weight >= 0).all():
        raise InputError("sample weights", "0 or more", "others", "correct the weights")
