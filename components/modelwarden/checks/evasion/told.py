"""What an attack on the rows of one block comes to, as arrays; and what all blocks say together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from modelwarden.blocks import Array, Shape, expect, pack, unpack
from modelwarden.checks.evasion.campaign import Distances, Found, Size, ranked
from modelwarden.space.points import Mask, Positions

_COUNTS = ("contradictions", "calls", "asked_rows")


@dataclass(frozen=True)
class Told:
    """What one block says.

    Parameters
    ----------
    right : ndarray of bool, shape (n_rows,)
        Rows that the model gets right.
    differing : int
        Rows that it labelled differently when it was asked again.
    has_scores : bool
        Whether it gives probabilities.
    arrays : mapping of str to ndarray
        What became of the rows; empty where none could be attacked.
    """

    right: Mask
    differing: int
    has_scores: bool
    arrays: Mapping[str, Array]

    def as_bytes(self) -> bytes:
        """Return it as a file; `read` undoes it."""
        counts = np.array(self.differing), np.array(self.has_scores)
        known = dict(zip(("right", "differing", "has_scores"), (self.right, *counts), strict=True))
        return pack({**known, **self.arrays})

    @classmethod
    def read(
        cls, body: bytes, n_rows: int, n_sizes: int, *, distances: bool, points: bool, where: str
    ) -> "Told":
        """Read what `as_bytes` wrote about so many rows and sizes.

        Raises
        ------
        EvidenceError
            If it says something else.
        """
        shapes: dict[str, tuple[str, Shape]] = {
            "right": ("b", (n_rows,)),
            "differing": ("i", ()),
            "has_scores": ("b", ()),
        }
        own = tuple(shapes)
        arrays = unpack(body, where)
        if set(arrays) != set(own):
            shapes |= _shapes(n_rows, n_sizes, distances=distances, points=points)
        expect(arrays, shapes, where)
        right, differing, has_scores = (arrays.pop(name) for name in own)
        return cls(right, int(differing), bool(has_scores), arrays)


def arrays_of(found: Found, *, points: bool) -> dict[str, Array]:
    """Return what was found, a line per row; what broke rows is data, and only there on request."""
    sizes = [*found.curve.values()]
    arrays = {
        "broken": np.array([size.broken for size in sizes]).T,
        "robust": np.array([size.robust for size in sizes]).T,
        "won": np.array([size.won for size in sizes], dtype=np.str_).T,
        "queries": np.array([size.queries for size in sizes]).T,
        "first": np.array([size.queries_to_success for size in sizes]).T,
        "moved": np.array([*found.moved], dtype=np.str_),
        "moves": np.array([*found.moved.values()], dtype=np.int64),
        "uncertified": np.array(found.uncertified),
        "enumerated": np.array(found.enumerated),
        "counts": np.array([getattr(found, name) for name in _COUNTS], dtype=np.int64),
    }
    if found.distances is not None:
        arrays |= {"distance": found.distances.values, "lower": found.distances.lower}
    if points:
        known = found.distances
        arrays["points"] = found.main.values if known is None else known.points
    return arrays


def _shapes(
    n_rows: int, n_sizes: int, *, distances: bool, points: bool
) -> dict[str, tuple[str, Shape]]:
    kinds = {"broken": "b", "robust": "b", "won": "U", "queries": "i", "first": "i"}
    return {
        **{name: (kind, (n_rows, n_sizes)) for name, kind in kinds.items()},
        "moved": ("U", (None,)),
        "moves": ("i", (None,)),
        "uncertified": ("U", ()),
        "enumerated": ("b", ()),
        "counts": ("i", (len(_COUNTS),)),
        **(dict.fromkeys(("distance", "lower"), ("f", (n_rows,))) if distances else {}),
        **({"points": ("f", (n_rows, None))} if points else {}),
    }


def joined(
    told: Sequence[Told],
    places: Sequence[Positions],
    columns: Sequence[str],
    sizes: Sequence[float],
    main: float,
) -> Found:
    """Return what was found about all rows; at least one block was attacked.

    Parameters
    ----------
    told : sequence of Told
        What each block says.
    places : sequence of ndarray of int
        Where the rows of each are among all rows.
    columns : sequence of str
        The coordinates in their order.
    sizes : sequence of float
        Sizes of perturbation, ascending.
    main : float
        The policy's size.
    """
    attacked = [one.arrays for one in told if one.arrays]
    uncertified = next((str(a["uncertified"]) for a in attacked if a["uncertified"]), "")
    every = _Rows(told, places)
    n_rows, n_sizes = every.n_rows, len(sizes)
    broken, robust = every("broken", False, n_sizes), every("robust", False, n_sizes)
    won, points = every("won", "", n_sizes), every("points", np.nan, len(columns))
    queries, first = every("queries", 0, n_sizes), every("first", 0, n_sizes)
    curve = {
        size: Size(
            broken=broken[:, k],
            robust=robust[:, k] & (not uncertified),  # a proof counts where all rows were put to it
            values=points,
            won=tuple(won[:, k].tolist()),
            queries=queries[:, k],
            queries_to_success=first[:, k],
        )
        for k, size in enumerate(sizes)
    }
    distances = None
    if "distance" in attacked[0]:
        distances = Distances(every("distance", np.inf), every("lower", 0.0), points)
    counts = np.sum([arrays["counts"] for arrays in attacked], axis=0).tolist()
    right = np.zeros(n_rows, dtype=bool)
    for one, at in zip(told, places, strict=True):
        right[at] = one.right
    return Found(
        curve=curve,
        main=curve[main],
        distances=distances,
        right=right,
        has_scores=told[0].has_scores,
        moved=_moved(attacked, columns),
        uncertified=uncertified,
        enumerated=all(bool(arrays["enumerated"]) for arrays in attacked),
        **dict(zip(_COUNTS, counts, strict=True)),
    )


def _moved(attacked: Sequence[Mapping[str, Array]], columns: Sequence[str]) -> dict[str, int]:
    total = Counter(dict.fromkeys(columns, 0))
    for arrays in attacked:
        total.update(dict(zip(arrays["moved"].tolist(), arrays["moves"].tolist(), strict=True)))
    return ranked(total)


class _Rows:
    """Puts rows back where they were; those of a block that was not attacked stay empty."""

    def __init__(self, told: Sequence[Told], places: Sequence[Positions]) -> None:
        self._parts = [(one.arrays, at) for one, at in zip(told, places, strict=True)]
        self.n_rows = sum(map(len, places))

    def __call__(self, name: str, empty: bool | int | float | str, *width: int) -> Array:
        kind = object if isinstance(empty, str) else type(empty)
        whole: Array = np.full((self.n_rows, *width), empty, dtype=kind)
        for arrays, at in self._parts:
            if name in arrays:
                part = arrays[name]
                # texts of a block may all have fewer words than the longest there is
                whole[(at, slice(part.shape[1])) if width else at] = part
        return whole
