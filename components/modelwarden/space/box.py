"""Where rows may move, in coordinates; what every attack asks and every proof is about."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from modelwarden.space.points import Candidates, Floats, Mask, Positions
from modelwarden.space.relation import Relation

NORMS = ("linf", "l2", "l1", "l0")
ROUNDING = 1e-9
"""Of a radius, and of a step: what is forgiven besides the rounding of the numbers themselves."""

_EPS = float(np.finfo(np.float64).eps)
_POWER = {"l1": 1.0, "l2": 2.0}


@dataclass(frozen=True)
class Box:
    """Where rows may move.

    Parameters
    ----------
    origin, low, high : ndarray, shape (n_rows, n_columns)
        Each row as it is, and its finite bounds, ``low <= origin <= high``. All three are NaN in a
        cell that is missing and has to stay so.
    step : ndarray, shape (n_columns,)
        Columns with a step take the values ``origin + k * step`` only, as their bounds do; 0 for
        columns that take any number.
    unit : ndarray, shape (n_columns,)
        How far one unit of distance is: a column's scale over its cost; infinite where moving costs
        nothing.
    codes : ndarray of int, shape (n_columns,)
        Of columns that hold category codes, whose order means nothing, how many codes (from 0) each
        row may take besides its own; 0 for columns of numbers.
    group : ndarray of int, shape (n_columns,)
        Columns with the same number count as one where changed columns are counted.
    norm : {"linf", "l2", "l1", "l0"}
        How distances of columns are joined.
    radius : float
        The largest distance, 0 or more; infinite where only the bounds count.
    most : int or None
        How many groups may change at most, whatever the norm.
    relations : tuple of Relation
        What has to hold; of a row for which one does not hold as it is, it is not asked.
    narrow : mapping of dtype to ndarray of int
        Columns that the model gets as floats of fewer than 64 bits, by their type; bounds are such
        numbers.
    """

    origin: Floats
    low: Floats
    high: Floats
    step: Floats
    unit: Floats
    codes: Positions
    group: Positions
    norm: str = "linf"
    radius: float = np.inf
    most: int | None = None
    relations: tuple[Relation, ...] = ()
    narrow: Mapping["np.dtype[np.floating]", Positions] = field(default_factory=dict)

    @property
    def nominal(self) -> Mask:
        """Which columns hold category codes, shape (n_columns,)."""
        return np.asarray(self.codes > 0)

    @property
    def movable(self) -> Mask:
        """Which cells have room to move, shape (n_rows, n_columns)."""
        return np.asarray(self.high > self.low)

    @property
    def fewest(self) -> int | None:
        """How many groups may change, by the norm or besides it; None for any number."""
        by_norm = int(self.radius) if self.norm == "l0" and np.isfinite(self.radius) else None
        limits = [limit for limit in (by_norm, self.most) if limit is not None]
        return min(limits, default=None)

    def take(self, rows: Positions) -> "Box":
        """Return the box of some of the rows."""
        return replace(self, origin=self.origin[rows], low=self.low[rows], high=self.high[rows])

    def distance(self, rows: Positions, values: Floats) -> Floats:
        """Return how far `values`, shape (len(rows), ..., n_columns), are from their rows."""
        if self.norm == "l0":
            return self.changed(rows, values).astype(np.float64)
        return self._length(self._moves(_aligned(self.origin[rows], values), values))

    def changed(self, rows: Positions, values: Floats) -> Positions:
        """Return how many groups of columns differ from their rows."""
        origin = _aligned(self.origin[rows], values)
        differs = (values != origin) & ~(np.isnan(values) & np.isnan(origin))
        if not self._is_grouped:
            return np.asarray(differs.sum(axis=-1))
        return np.asarray(self._by_group(differs, np.logical_or.reduceat).sum(axis=-1))

    def inside(self, candidates: Candidates) -> Mask:
        """Tell which cells of `candidates` are within the bounds, steps and codes of their row."""
        rows, values = candidates.rows, candidates.values
        origin, low, high = self.origin[rows], self.low[rows], self.high[rows]
        within = (values >= low) & (values <= high)
        near = np.where(within, values, origin)  # so that infinite ones do no harm
        step = np.where(self.step > 0, self.step, 1.0)
        steps = (near - origin) / step
        precision = np.full(len(step), _EPS)
        for kind, columns in self.narrow.items():
            precision[columns] = np.finfo(kind).eps
        forgiven = ROUNDING + (np.abs(near) + np.abs(origin)) * precision / step
        within &= (self.step == 0) | (np.abs(steps - np.rint(steps)) <= forgiven)
        coded = (near == np.rint(near)) & ((near < self.codes) | (near == origin))
        within &= ~self.nominal | coded
        return np.asarray(within | (np.isnan(values) & np.isnan(origin)))

    def contains(self, candidates: Candidates) -> Mask:
        """Tell which candidates an attacker may present, missing cells still missing.

        Nothing is forgiven but the rounding of floats.
        """
        rows, values = candidates.rows, candidates.values
        inside = self.inside(candidates)
        values = np.where(inside, values, self.origin[rows])
        allowed = inside.all(axis=1) & ~self._is_beyond(rows, values)
        if self.most is not None:
            allowed &= self.changed(rows, values) <= self.most
        for relation in self.relations:
            allowed &= relation.holds(values) | ~relation.holds(self.origin[rows])
        return np.asarray(allowed)

    def fit(self, rows: Positions, values: Floats) -> Floats:
        """Move `values`, shape (len(rows), ..., n_columns), to a point nearby that is allowed.

        Bounds, steps and codes come first, then what relations compute; then moves shrink towards
        the row until they are within the radius, and the smallest go back until few enough are
        left. What breaks a relation is taken back, as much of it as that takes. A point that is
        allowed stays where it is.
        """
        fitted = self._on_grid(rows, values)
        if self.relations:
            fitted = self._computed(rows, fitted)
        if self.norm in _POWER and np.isfinite(self.radius):
            fitted = self._shrunk(rows, fitted)
        if self.fewest is not None:
            fitted = self._with_few_changes(rows, fitted, self.fewest)
        if self.relations:
            fitted = self._taken_back(rows, fitted)
        if self.narrow and (self.relations or self.norm in _POWER):
            fitted = self._rounded(rows, fitted)  # else bounds suffice: no rounding leaves them
        if self.relations:
            fitted = self._put_back(rows, fitted)
        return fitted

    @cached_property
    def _is_grouped(self) -> bool:
        return len(np.unique(self.group)) < len(self.group)

    @cached_property
    def _blur(self) -> Floats:
        """How far from each row a point may seem to be because numbers are rounded, (n_rows,)."""
        largest = np.maximum(np.abs(self.low), np.abs(self.high))
        blur = np.where(self.nominal, 0.0, 2 * largest * _EPS / self.unit)
        return self._length(np.nan_to_num(blur))

    def _moves(self, origin: Floats, values: Floats) -> Floats:
        """Return how far each column moved, in units of distance; 0 for missing cells."""
        moves = np.abs(values - origin)
        if self.nominal.any():
            moves = np.where(self.nominal, moves > 0, moves)
        moves /= self.unit
        moves[np.isnan(moves)] = 0.0
        return moves

    def _length(self, moves: Floats) -> Floats:
        """Return the length of moves; one that is too large for its square is infinite."""
        if self.norm == "l2":
            return np.asarray(np.sqrt(np.einsum("...i,...i->...", moves, moves)))
        if self.norm == "l1":
            return np.asarray(moves.sum(axis=-1))
        return np.asarray(moves.max(axis=-1, initial=0.0))

    def _is_beyond(self, rows: Positions, values: Floats) -> Mask:
        """Tell what is farther from its row than the radius, by more than rounding."""
        limit = self.radius * (1 + ROUNDING)
        blur = 0.0 if self.norm == "l0" else _aligned(self._blur[rows, None], values)[..., 0]
        return np.asarray(~(self.distance(rows, values) <= limit + blur))

    def _by_group(self, cells: Floats | Mask, join: Callable[..., Floats]) -> Floats:
        """Join the cells of each group, shape (..., n_groups)."""
        order = np.argsort(self.group, kind="stable")
        starts = np.unique(self.group[order], return_index=True)[1]
        return join(cells[..., order], starts, axis=-1)

    def _on_grid(self, rows: Positions, values: Floats) -> Floats:
        """Return values within bounds, on steps, with codes that their row may take."""
        origin, low, high = (
            _aligned(side[rows], values) for side in (self.origin, self.low, self.high)
        )
        fitted = np.clip(np.where(np.isnan(values), origin, values), low, high)
        if (self.step > 0).any():
            fitted = origin + self._stepped(fitted - origin, np.rint)
            np.clip(fitted, low, high, out=fitted)
        if self.nominal.any():
            codes = np.rint(fitted)
            fitted = np.where(self.nominal, np.where(codes < self.codes, codes, origin), fitted)
        return fitted

    def _stepped(self, moves: Floats, rounding: np.ufunc) -> Floats:
        """Return moves in whole steps, in columns that have one."""
        stepped = self.step > 0
        step = np.where(stepped, self.step, 1.0)
        steps = moves / step
        rounding(steps, out=steps, where=stepped)
        steps *= step
        return steps

    def _computed(self, rows: Positions, values: Floats) -> Floats:
        """Compute what relations compute, as far as bounds and steps allow."""
        fitted = values
        for relation, asked in self._asked(rows, values):
            if relation.target >= 0:
                computed = relation.computed(fitted)
                use = asked & ~relation.holds(fitted) & ~np.isnan(computed)
                fitted = fitted.copy()
                fitted[..., relation.target] = np.where(use, computed, fitted[..., relation.target])
        return self._on_grid(rows, fitted)

    def _asked(self, rows: Positions, values: Floats) -> list[tuple[Relation, Mask]]:
        """Return the relations, and of which rows each is asked, shaped to stand beside values."""
        shape = (len(rows), *[1] * (values.ndim - 2))
        return [(r, r.holds(self.origin[rows]).reshape(shape)) for r in self.relations]

    def _shrunk(self, rows: Positions, values: Floats) -> Floats:
        """Pull values towards their row until they are within the radius."""
        far = self._is_beyond(rows, values)
        if not far.any():
            return values
        origin = _aligned(self.origin[rows], values)
        closer, left = self._affordable(origin, values)
        length = self._length(np.where(self.nominal, 0.0, self._moves(origin, closer)))
        factor = np.minimum(left / np.maximum(length, 1e-300), 1.0)[..., None]
        moves = self._stepped((closer - origin) * factor, np.trunc)
        closer = np.where(self.nominal, closer, origin + moves)
        return np.where(far[..., None], closer, values)

    def _affordable(self, origin: Floats, values: Floats) -> tuple[Floats, Floats]:
        """Return values with the cheapest new categories that the radius pays, and what is left."""
        power, prices = _POWER[self.norm], np.where(self.nominal, 1.0 / self.unit, 0.0)
        budget = np.asarray(self.radius) ** power
        if not prices.any():
            return values, np.asarray(self.radius)
        bill = np.where(values != origin, prices, 0.0) ** power
        order = np.argsort(bill, axis=-1, kind="stable")
        paid = np.cumsum(np.take_along_axis(bill, order, axis=-1), axis=-1) <= budget
        keep = np.empty(values.shape, dtype=bool)
        np.put_along_axis(keep, order, paid, axis=-1)
        left = np.maximum(budget - np.where(keep, bill, 0.0).sum(axis=-1), 0.0)
        return np.where(keep | (bill == 0), values, origin), left ** (1 / power)

    def _with_few_changes(self, rows: Positions, values: Floats, few: int) -> Floats:
        """Put back the groups that moved least, until at most `few` are changed."""
        origin = _aligned(self.origin[rows], values)
        many = self.changed(rows, values) > few
        if not many.any():
            return values
        unit = np.where(np.isfinite(self.unit), self.unit, 1.0)
        moves = np.where(self.nominal, values != origin, np.abs(values - origin)) / unit
        moves = np.where(np.isnan(moves), 0.0, moves)
        grouped = self._by_group(moves, np.maximum.reduceat) if self._is_grouped else moves
        order = np.argsort(-grouped, axis=-1, kind="stable")
        keep = np.zeros(grouped.shape, dtype=bool)
        np.put_along_axis(keep, order[..., :few], True, axis=-1)
        if self._is_grouped:
            keep = keep[..., np.unique(self.group, return_inverse=True)[1]]
        return np.where(keep | ~many[..., None], values, origin)

    def _taken_back(self, rows: Positions, values: Floats) -> Floats:
        """Take back as much of each move as breaks a relation."""
        origin = _aligned(self.origin[rows], values)
        relations, fitted = self._asked(rows, values), values
        for _ in relations:  # taking back for one may break another
            for relation, asked in relations:
                back = relation.taken_back(fitted, origin, self.step)
                fitted = np.where(asked[..., None], back, fitted)
        return fitted

    def _rounded(self, rows: Positions, values: Floats) -> Floats:
        """Round narrow columns to what the model will get, towards the row: that keeps it near."""
        rounded = values.copy()
        origin = np.broadcast_to(_aligned(self.origin[rows], values), values.shape)
        for kind, columns in self.narrow.items():
            wanted, own = values[..., columns], origin[..., columns]
            held = wanted.astype(kind)
            over = np.abs(held - own) > np.abs(wanted - own)
            rounded[..., columns] = np.where(over, np.nextafter(held, own.astype(kind)), held)
        return rounded

    def _put_back(self, rows: Positions, values: Floats) -> Floats:
        """Put back all columns of relations that do not hold, or the row if that does not help."""
        origin = np.broadcast_to(_aligned(self.origin[rows], values), values.shape)
        relations, fitted = self._asked(rows, values), values
        for _ in relations:
            for relation, asked in relations:
                broken = asked & ~relation.holds(fitted)
                fitted = np.where(broken[..., None] & (relation.weights != 0), origin, fitted)
        names = np.broadcast_to(rows.reshape(-1, *[1] * (values.ndim - 2)), values.shape[:-1])
        flat = Candidates(names.ravel(), fitted.reshape(-1, fitted.shape[-1]))
        allowed = self.contains(flat).reshape(fitted.shape[:-1])
        return np.where(allowed[..., None], fitted, origin)


def _aligned(side: Floats, values: Floats) -> Floats:
    """Return one line per row, shaped to stand beside `values`."""
    return side.reshape((len(side), *[1] * (values.ndim - 2), side.shape[-1]))
