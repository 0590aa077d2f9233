"""How good copies are, at every number of queries that was tried."""

from collections.abc import Iterable, Mapping

from modelwarden.proportions import interval
from modelwarden.theft.copies import Copy, agreement
from modelwarden.theft.hauls import Haul
from modelwarden.theft.rows import Matrix, Positions

HALVINGS = 2
"""How often the gap between a safe and an unsafe number of queries is halved, as a factor."""


def ladder(queries: int, width: int) -> tuple[int, ...]:
    """Return the numbers of queries to try: 30, 100, 300, ... up to `queries`, and `width` + 1.

    That many equations determine a linear model with `width` weights.
    """
    steps = {queries, min(width + 1, queries)}
    for power in range(1, 7):
        steps |= {step for step in (10**power, 3 * 10**power) if 30 <= step < queries}
    return tuple(sorted(steps))


class Study:
    """Copies of one model, held against what it says of rows that no thief has.

    Parameters
    ----------
    hauls : mapping of str to Haul
        What each thief asked.
    n_classes : int
        Classes of the model.
    rows : matrix of shape (n_rows, n_features)
        Rows that nobody asked about, as copies see them.
    labels : ndarray of int, shape (n_rows,)
        What the model says of them.
    seed : int
        Seeds the copies.
    unaided : int, default=0
        In how many rows a copy agrees that was made without a query; a thief has that anyway.
    """

    def __init__(
        self,
        hauls: Mapping[str, Haul],
        n_classes: int,
        rows: Matrix,
        labels: Positions,
        seed: int,
        unaided: int = 0,
    ) -> None:
        self.hauls, self.n_rows, self.unaided = dict(hauls), len(labels), unaided
        self._n_classes, self._rows, self._labels, self._seed = n_classes, rows, labels, seed
        self._agreeing: dict[tuple[str, int], int] = {}

    def measure(self, queries: int) -> None:
        """Fit and judge every thief's copies after that many queries."""
        for name, haul in self.hauls.items():
            if queries <= len(haul) and (name, queries) not in self._agreeing:
                self._agreeing[name, queries] = haul.best(
                    queries, self._n_classes, self._seed, self._rows, self._labels
                )

    def curve(self, name: str) -> dict[int, float]:
        """Return one thief's fidelity by number of queries, as it was measured."""
        known = sorted((q, n) for (thief, q), n in self._agreeing.items() if thief == name)
        return {queries: count / self.n_rows for queries, count in known}

    def best(self, queries: int, outputs: str) -> int:
        """Return in how many rows the best copy of at most that many queries agrees.

        A thief who gets probabilities also gets labels, and one whose copy is worse than without
        any query keeps that one.
        """
        return max(self.unaided, *(n for n, _, _ in self._copies(queries, outputs)), 0)

    def _copies(self, queries: int, outputs: str) -> list[tuple[int, int, str]]:
        """Return agreeing rows, queries (fewer is better, so negative) and thief of every copy."""
        return [
            (n, -q, name)
            for (name, q), n in self._agreeing.items()
            if q <= queries and outputs in ("probabilities", self.hauls[name].outputs)
        ]

    def reached(self, share: float, outputs: str) -> int | None:
        """Return the fewest queries tried with which a copy agrees in `share`; None if none did."""
        tried = sorted({0, *(q for _, q in self._agreeing)})
        return next((q for q in tried if self.best(q, outputs) >= share * self.n_rows), None)

    def safe(self, limit: float, outputs: str) -> int:
        """Return the most queries tried whose best copy stays below `limit`, 0 if none does.

        Below means that the upper end of the 95 % interval of its fidelity is. The gap between the
        last safe number and the first unsafe one is narrowed to a third of its factor and less.
        """
        tried = sorted({q for _, q in self._agreeing})
        unsafe = next((q for q in tried if not self._is_safe(q, limit, outputs)), None)
        low = max((q for q in tried if unsafe is None or q < unsafe), default=0)
        if unsafe is None or not low:
            return low
        for _ in range(HALVINGS):
            middle = round((low * unsafe) ** 0.5)
            self.measure(middle)
            if self._is_safe(middle, limit, outputs):
                low = middle
            else:
                unsafe = middle
        return low

    def _is_safe(self, queries: int, limit: float, outputs: str) -> bool:
        return interval(self.best(queries, outputs), self.n_rows)[1] < limit

    def winner(self, queries: int, outputs: str) -> Copy:
        """Return the copy that agrees best of those made of at most that many queries."""
        agreeing, asked, name = max(self._copies(queries, outputs))
        made = self.hauls[name].copies(-asked, self._n_classes, self._seed).values()
        return next(c for c in made if agreement(c, self._rows, self._labels) == agreeing)


def unaided(copies: Iterable[Copy], rows: Matrix, labels: Positions) -> int:
    """Return in how many rows the best copy agrees that was made without the model."""
    return max(agreement(copy, rows, labels) for copy in copies)
