"""What is asked: the options of the check, checked."""

from dataclasses import dataclass, replace

import numpy as np

from modelwarden.errors import InputError
from modelwarden.report import finite
from modelwarden.space.box import NORMS

LARGEST_EPSILON = 1e6
LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Question:
    """What is asked; see the options of :func:`modelwarden.checks.evasion.evasion`.

    Raises
    ------
    InputError
        If an option cannot be used.
    """

    epsilon: float
    norm: str
    rows: int
    queries: int
    distance_queries: int
    nodes: int
    examples: int
    seed: int

    def __post_init__(self) -> None:
        size = finite(self.epsilon)
        if size is None or not 0 < size <= LARGEST_EPSILON:
            expected = f"a number above 0, at most {LARGEST_EPSILON:g}"
            raise InputError("epsilon", expected, repr(self.epsilon), "0.1 is usual")
        if self.norm not in ("auto", *NORMS):
            raise InputError("norm", f"auto, {', '.join(NORMS)}", repr(self.norm), "auto is usual")
        _expect_whole("rows", self.rows, least=1, usual=300)
        _expect_whole("queries", self.queries, least=1, usual=400)
        _expect_whole("distance_queries", self.distance_queries, least=0, usual=1000)
        _expect_whole("nodes", self.nodes, least=0, usual=10_000)
        _expect_whole("examples", self.examples, least=0, usual=0)
        _expect_whole("seed", self.seed, least=0, usual=0)
        if self.seed > LARGEST_SEED:
            raise InputError("seed", f"at most {LARGEST_SEED}", repr(self.seed), "0 is usual")

    def about(self, *, text: bool) -> "Question":
        """Return the question about texts or tables, its norm known."""
        if self.norm == "auto":
            return replace(self, norm="l0" if text else "linf")
        if text and self.norm != "l0":
            fix = "words are counted; leave the norm at auto"
            raise InputError("norm", "l0 for a column of text", repr(self.norm), fix)
        return self

    def sizes(self, *, text: bool) -> tuple[float, ...]:
        """Return the sizes of the curve, ascending, the policy's among them."""
        sizes = {factor * self.epsilon for factor in (0.25, 0.5, 1.0, 2.0)}
        if self.norm == "l0" and not text:  # columns are counted
            sizes = {float(np.floor(size)) for size in sizes if size >= 1} | {self.epsilon}
        return tuple(sorted(sizes))


def _expect_whole(name: str, value: object, *, least: int, usual: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        expected = f"a whole number, {least} or more"
        raise InputError(name, expected, repr(value), f"{usual} is usual")
