"""Exact answers about linear models: the smallest change that turns a row, in closed form.

For each rival class a row's lead is a sum of what its columns add, so the nearest row of that class
is found by spending distance where it buys most: a sort per row and class, whatever the norm.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.certificates import Nearest
from modelwarden.space.table import Reach
from modelwarden.structure import TIE, Linear, Structure

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

_NUMBER = object()
SUMMED = 1e-12
"""Relative rounding of what all movers add up to."""
BEYOND = 1e-6
"""How far behind the boundary a witness is, as a share of the lead: rounding must not undo it."""


def nearest(
    structure: Structure, reach: Reach, frame: pd.DataFrame, truth: Positions, *, norm: str
) -> Nearest:
    """Return the smallest change that turns each row of a linear model.

    Exact for numbers and for categories that cost nothing; where categories cost distance, or
    numbers have steps, `lower` may be below the truth.

    Parameters
    ----------
    structure : Structure
        The model; its encoding may mix columns.
    reach : Reach
        Where each row may go.
    frame : DataFrame of n_rows rows
        The rows.
    truth : ndarray of int, shape (n_rows,)
        Their classes. A row that has another label already is 0 away.
    norm : {"linf", "l2", "l1", "l0"}

    References
    ----------
    .. [1] Hein and Andriushchenko, "Formal Guarantees on the Robustness of a Classifier against
       Adversarial Manipulation", NeurIPS 2017, for linear models without bounds.
    """
    if not isinstance(structure.model, Linear):
        raise TypeError("a model that is not linear")
    with np.errstate(invalid="ignore"):  # of infinite cells nothing is known, so nothing is proved
        return _nearest(structure, reach, frame, truth, norm)


def _nearest(
    structure: Structure, reach: Reach, frame: pd.DataFrame, truth: Positions, norm: str
) -> Nearest:
    movers = _Movers(structure, reach, frame)
    scores = _all_scores(structure.scores(frame))
    n_rows = len(frame)
    lower, upper = np.full(n_rows, np.inf), np.full(n_rows, np.inf)
    chosen, spent = np.zeros(n_rows, dtype=np.intp), np.zeros((n_rows, movers.count))
    each = np.arange(n_rows)
    for rival in range(scores.shape[1]):
        gain, room, bonus = movers.gains(rival, truth)
        lead = scores[each, truth] - scores[:, rival]
        size = TIE * (1.0 + np.abs(scores).max(axis=1)) + SUMMED * gain.sum(axis=1)
        size += movers.rounding(rival, truth)
        asked = rival != truth
        least, _ = movers.spend(gain, room, np.maximum(lead - size - bonus, 0.0), norm)
        most, way = movers.spend(gain, room, np.maximum(lead, 0.0) * (1 + BEYOND) + size, norm)
        if reach.most is not None:
            few, _ = movers.spend(gain, room, np.maximum(lead - size - bonus, 0.0), "l0")
            least = np.where(few > reach.most, np.inf, least)
            needed = np.maximum(lead, 0.0) * (1 + BEYOND) + size
            few, some = movers.spend(gain, room, needed, "l0")
            most = np.where(few > reach.most, np.inf, most)
            if norm == "linf":  # not how little of each, but how few of all that is within reach
                way = some
        lower = np.where(asked, np.minimum(lower, least), lower)
        better = asked & (most < upper)
        upper[better], chosen[better], spent[better] = most[better], rival, way[better]
    is_wrong = scores.argmax(axis=1) != truth
    lower[is_wrong], spent[is_wrong] = 0.0, 0.0
    witness = movers.witness(frame, truth, chosen, spent)
    upper = _distances(reach, frame, witness, norm)
    is_turned = structure.labels(witness) != truth
    upper = np.where(is_wrong, 0.0, np.where(is_turned, upper, np.inf))
    lower = np.where(np.isnan(lower), 0.0, np.minimum(lower, upper))
    return Nearest(lower, upper, witness)


def _distances(reach: Reach, frame: pd.DataFrame, witness: pd.DataFrame, norm: str) -> Floats:
    """Return how far each witness is from its row."""
    moves = np.zeros((len(frame), frame.shape[1]))
    for place, name in enumerate(map(str, frame.columns)):
        here, there, unit = frame[name], witness[name], reach.units[name]
        if name in reach.values:
            differs = ((here != there) & ~(here.isna() & there.isna())).to_numpy(dtype=bool)
            moves[:, place] = differs if norm == "l0" else differs / unit
            continue
        own, new = (side.to_numpy(dtype=np.float64, na_value=np.nan) for side in (here, there))
        way = np.nan_to_num(np.abs(new - own))  # missing and infinite cells stay as they are
        moves[:, place] = way > 0 if norm == "l0" else way / unit
    if norm == "l0":
        groups = np.array([reach.groups[str(name)] for name in frame.columns])
        known, member = np.unique(groups, return_inverse=True)
        joint = np.zeros((len(frame), len(known)))
        np.maximum.at(joint.T, member, moves.T)
        return np.asarray(joint.sum(axis=1))
    return np.asarray(np.linalg.norm(moves, ord={"linf": np.inf, "l2": 2, "l1": 1}[norm], axis=1))


def _all_scores(scores: Floats) -> Floats:
    """Return one score per class, also of two classes."""
    if scores.shape[1] > 1:
        return scores
    return np.concatenate([np.zeros_like(scores), scores], axis=1)


class _Movers:
    """The columns that can move, and what they add to each class's score.

    A mover is a column of numbers, one of categories, or a one-hot group. It can be spent distance
    on, up to its room (shape (n_rows, n_movers)), in units of distance; a free one costs nothing.
    """

    def __init__(self, structure: Structure, reach: Reach, frame: pd.DataFrame) -> None:
        model, encoding = structure.model, structure.encoding
        if not isinstance(model, Linear):
            raise TypeError("a model that is not linear")
        weights = np.asarray((encoding.matrix.T @ model.weights.T).T)
        self.weights = _all_scores(weights.T).T  # (n_classes, n_units)
        self.of_features = _all_scores(model.weights.T).T  # (n_classes, n_features)
        self.reach, columns = reach, [str(name) for name in frame.columns]
        self.values, _ = encoding.read(frame)
        self.units: dict[str, list[tuple[int, Any]]] = {}
        self.number: dict[str, int] = {}
        for place, unit in enumerate(encoding.units):
            column = columns[unit.column] if isinstance(unit.column, int) else unit.column
            if unit.kind == "number":
                self.number[column] = place
            elif unit.kind == "equals":
                self.units.setdefault(column, []).append((place, unit.value))
        grouped = {name for names in reach.one_hot for name in names}
        alone = [n for n in columns if (n in self.number or n in self.units) and n not in grouped]
        self.movers: list[tuple[str, ...]] = [*((name,) for name in alone), *reach.one_hot]
        self.count = len(self.movers)
        firsts = [names[0] for names in self.movers]
        self.free = np.array([not np.isfinite(reach.units[n]) for n in firsts], dtype=bool)
        self.group = np.array([reach.groups[n] for n in firsts], dtype=np.intp)
        self.slack = encoding.slack(self._largest())

    def _largest(self) -> Floats:
        """Return the largest absolute value of each unit within reach."""
        largest = np.maximum(np.abs(self.values), 1.0)
        for name, place in self.number.items():
            for side in self.reach.numbers[name]:
                largest[:, place] = np.fmax(largest[:, place], np.abs(side))
        return largest

    def rounding(self, rival: int, truth: Positions) -> Floats:
        """Return how far the rounding of features may move a rival's lead, shape (n_rows,)."""
        slope = np.abs(self.of_features[rival] - self.of_features[truth])
        return np.asarray((slope * self.slack).sum(axis=1))

    def gains(self, rival: int, truth: Positions) -> tuple[Floats, Floats, Floats]:
        """Return what movers can add to a rival's lead, and for what.

        Returns
        -------
        gain, room : ndarray, shape (n_rows, n_movers)
            What each mover adds at most, and the distance that all of it costs.
        bonus : ndarray, shape (n_rows,)
            What else may be added, at an unknown price.
        """
        gain, room = np.zeros((2, len(truth), self.count))
        bonus = np.zeros(len(truth))
        for place, names in enumerate(self.movers):
            unit = self.reach.units[names[0]]
            scale = unit if np.isfinite(unit) else 1.0
            options = self._options(names)
            if options is not None:
                worth = np.where(options[1], self._worth(names, options[0], rival, truth), -np.inf)
                best = worth.max(axis=1, initial=-np.inf) - self._now(names, rival, truth)
                gain[:, place], room[:, place] = np.maximum(best, 0.0), 1.0 / scale
                continue
            slope, way = self._way(names[0], rival, truth)
            gain[:, place], room[:, place] = np.abs(slope) * way, way / scale
            bonus += self._bonus(names[0], rival, truth)
        return gain, room, bonus

    def _options(self, names: tuple[str, ...]) -> tuple[list[tuple[Any, ...]], Mask] | None:
        """Return the values that columns may take together, and which of them each row may."""
        if names[0] in self.reach.values:
            known, mask = self.reach.values[names[0]]
            return [(value,) for value in known], mask
        sides = [self.reach.numbers[name] for name in names]
        if len(names) > 1:
            ones = np.stack([high >= 1 for _, high in sides], axis=1)
            zeros = np.stack([low <= 0 for low, _ in sides], axis=1)
            others = zeros.sum(axis=1)[:, None] - zeros
            values = [tuple(float(i == j) for j in range(len(names))) for i in range(len(names))]
            return values, ones & (others == len(names) - 1)
        low, high = sides[0]
        known_ends = np.isin(np.concatenate([low, high]), (0, 1)) | np.isnan([*low, *high])
        if self.reach.steps[names[0]] != 1 or not known_ends.all():
            return None
        return [(0.0,), (1.0,)], np.stack([low <= 0, high >= 1], axis=1)

    def _way(self, name: str, rival: int, truth: Positions) -> tuple[Floats, Floats]:
        """Return what one more of a number adds, and how many more or fewer are within reach."""
        if name not in self.number:
            return np.zeros(len(truth)), np.zeros(len(truth))
        place, (low, high) = self.number[name], self.reach.numbers[name]
        slope = self.weights[rival, place] - self.weights[truth, place]
        own = self.values[:, place]
        with np.errstate(invalid="ignore"):  # infinite cells stay where they are
            return slope, np.nan_to_num(np.where(slope > 0, high - own, own - low))

    def _bonus(self, name: str, rival: int, truth: Positions) -> Floats:
        """Return the most that a number adds by being equal to something, or no longer so."""
        known = self.units.get(name, [])
        low, high = self.reach.numbers[name]
        best, now = np.zeros(len(truth)), np.zeros(len(truth))
        for place, value in known:
            slope = self.weights[rival, place] - self.weights[truth, place]
            could = (low <= _number(value)) & (_number(value) <= high)
            best = np.maximum(best, np.where(could, slope, 0.0))
            now += slope * self.values[:, place]
        return np.where(high > low, np.maximum(best - now, 0.0), 0.0)

    def _made_of(self, names: tuple[str, ...]) -> list[tuple[int, int, Any]]:
        """Return the units of columns: place, which column, and what an "equals" compares with."""
        found: list[tuple[int, int, Any]] = []
        for at, name in enumerate(names):
            found += [(place, at, value) for place, value in self.units.get(name, [])]
            if name in self.number:
                found.append((self.number[name], at, _NUMBER))
        return found

    def _worth(
        self,
        names: tuple[str, ...],
        values: Sequence[tuple[Any, ...]],
        rival: int,
        truth: Positions,
    ) -> Floats:
        """Return what values of columns add to a rival's lead, shape (n_rows, n_values)."""
        worth = np.zeros((len(truth), len(values)))
        for place, at, wanted in self._made_of(names):
            slope = self.weights[rival, place] - self.weights[truth, place]
            cells = [value[at] for value in values]
            units = [float(cell) if wanted is _NUMBER else cell == wanted for cell in cells]
            worth += slope[:, None] * np.array(units, dtype=np.float64)
        return worth

    def _now(self, names: tuple[str, ...], rival: int, truth: Positions) -> Floats:
        places = [place for place, _, _ in self._made_of(names)]
        slope = self.weights[rival][places] - self.weights[truth][:, places]
        return np.asarray((slope * self.values[:, places]).sum(axis=1))

    def spend(self, gain: Floats, room: Floats, needed: Floats, norm: str) -> tuple[Floats, Floats]:
        """Return the least distance that buys what is needed, and the share of each mover's room.

        Parameters
        ----------
        gain, room : ndarray, shape (n_rows, n_movers)
            What each mover buys with all of its room.
        needed : ndarray, shape (n_rows,)
        """
        if norm == "l0":
            return _fewest(gain, needed, self.group)
        given = np.where(self.free, gain, 0.0).sum(axis=1)
        left = np.maximum(needed - given, 0.0)
        paid = np.where(self.free | (room <= 0), 0.0, gain)
        slope = np.divide(paid, room, out=np.zeros_like(paid), where=paid > 0)
        way = {"linf": _evenly, "l1": _dearest_first, "l2": _in_proportion}[norm]
        distance, spent = way(slope, np.where(paid > 0, room, 0.0), left)
        share = np.divide(spent, room, out=np.zeros_like(spent), where=room > 0)
        return distance, np.where(self.free, 1.0, share)

    def witness(
        self, frame: pd.DataFrame, truth: Positions, chosen: Positions, share: Floats
    ) -> pd.DataFrame:
        """Return the rows that spending these shares makes."""
        moved: dict[str, Any] = {}
        for place, names in enumerate(self.movers):
            used = share[:, place] > 0
            options = self._options(names)
            if options is not None and used.any():
                moved |= self._taken(frame, names, options, truth, chosen, used)
            elif used.any() and names[0] in self.number:
                column = frame[names[0]]
                moved[names[0]] = self._moved(names[0], truth, chosen, share[:, place], column)
        return frame.assign(**moved).astype(frame.dtypes.to_dict())

    def _taken(
        self,
        frame: pd.DataFrame,
        names: tuple[str, ...],
        options: tuple[list[tuple[Any, ...]], Mask],
        truth: Positions,
        chosen: Positions,
        used: Mask,
    ) -> dict[str, Any]:
        """Return columns with the value that adds most to the chosen rival's lead."""
        values, mask = options
        worth = np.zeros(mask.shape)
        for rival in np.unique(chosen).tolist():
            rows = np.flatnonzero(chosen == rival)
            worth[rows] = self._worth(names, values, rival, truth[rows])
        best = np.where(mask, worth, -np.inf).argmax(axis=1)
        change = np.flatnonzero(used & mask.any(axis=1))
        taken: dict[str, Any] = {}
        for at, name in enumerate(names):
            cells = frame[name].astype(object).to_numpy().copy()
            for row in change.tolist():
                cells[row] = values[best[row]][at]
            taken[name] = pd.Series(cells, index=frame.index)
        return taken

    def _moved(
        self,
        name: str,
        truth: Positions,
        chosen: Positions,
        share: Floats,
        column: "pd.Series[Any]",
    ) -> Floats:
        """Return a column of numbers, moved by a share of its room towards the chosen rival."""
        place, (low, high) = self.number[name], self.reach.numbers[name]
        slope = self.weights[chosen, place] - self.weights[truth, place]
        own = column.to_numpy(dtype=np.float64, na_value=np.nan)
        with np.errstate(invalid="ignore"):  # infinite cells stay where they are
            room = np.where(slope > 0, high - own, low - own)
        step = self.reach.steps.get(name, 0.0)
        way = share * room
        if step:
            way = np.sign(way) * np.ceil(np.abs(way) / step - 1e-9) * step
        there = np.clip(own + way, low, high)
        return np.where((share > 0) & (slope != 0) & ~np.isnan(there), there, own)


def _number(value: Any) -> float:
    """Return what a number would have to be to equal `value`; NaN where none can."""
    return float(value) if isinstance(value, (bool, int, float)) else np.nan


def _evenly(slope: Floats, room: Floats, needed: Floats) -> tuple[Floats, Floats]:
    """Spend the same on every mover, up to its room: the maximum norm."""
    order = np.argsort(room, axis=1, kind="stable")
    rooms, slopes = (np.take_along_axis(part, order, axis=1) for part in (room, slope))
    full = np.cumsum(rooms * slopes, axis=1)
    before = full - rooms * slopes
    behind = np.cumsum(slopes[:, ::-1], axis=1)[:, ::-1]
    place = _place(before + behind * rooms, needed)
    distance = _interpolated(before, behind, place, needed)
    distance = np.where(full[:, -1:].max(axis=1, initial=0.0) >= needed, distance, np.inf)
    distance = np.where(needed <= 0, 0.0, distance)
    return distance, np.minimum(np.where(np.isfinite(distance), distance, 0.0)[:, None], room)


def _in_proportion(slope: Floats, room: Floats, needed: Floats) -> tuple[Floats, Floats]:
    """Spend in proportion to what it buys, up to the room: the Euclidean norm."""
    ratio = np.divide(room, slope, out=np.full_like(room, np.inf), where=slope > 0)
    order = np.argsort(ratio, axis=1, kind="stable")
    ratios, slopes, rooms = (np.take_along_axis(p, order, axis=1) for p in (ratio, slope, room))
    full = np.cumsum(rooms * slopes, axis=1)
    before = full - rooms * slopes
    behind = np.cumsum((slopes**2)[:, ::-1], axis=1)[:, ::-1]
    reached = before + behind * np.where(np.isfinite(ratios), ratios, 0.0)
    reached = np.where(slopes > 0, reached, full)
    place = _place(reached, needed)
    factor = _interpolated(before, behind, place, needed)
    enough = full[:, -1:].max(axis=1, initial=0.0) >= needed
    factor = np.where(enough & (needed > 0), factor, 0.0)
    spent = np.minimum(factor[:, None] * slope, room)
    return np.where(enough, np.sqrt((spent**2).sum(axis=1)), np.inf), spent


def _dearest_first(slope: Floats, room: Floats, needed: Floats) -> tuple[Floats, Floats]:
    """Spend where it buys most first: the sum of all distances."""
    order = np.argsort(-slope, axis=1, kind="stable")
    rooms, slopes = (np.take_along_axis(part, order, axis=1) for part in (room, slope))
    full = np.cumsum(rooms * slopes, axis=1)
    left = needed[:, None] - (full - rooms * slopes)
    share = np.divide(left, slopes, out=np.zeros_like(left), where=slopes > 0)
    sorted_spent = np.clip(share, 0.0, rooms)
    spent = np.empty_like(sorted_spent)
    np.put_along_axis(spent, order, sorted_spent, axis=1)
    enough = full[:, -1:].max(axis=1, initial=0.0) >= needed
    return np.where(enough, spent.sum(axis=1), np.inf), np.where(enough[:, None], spent, 0.0)


def _fewest(gain: Floats, needed: Floats, group: Positions) -> tuple[Floats, Floats]:
    """Move as few groups of columns as possible, each as far as it can go."""
    groups, member = np.unique(group, return_inverse=True)
    joint = np.zeros((len(gain), len(groups)))
    np.add.at(joint.T, member, gain.T)
    order = np.argsort(-joint, axis=1, kind="stable")
    total = np.cumsum(np.take_along_axis(joint, order, axis=1), axis=1)
    count = (total < needed[:, None]).sum(axis=1) + 1
    count = np.where(needed <= 0, 0, count)
    enough = count <= len(groups)
    rank = np.argsort(order, axis=1)
    moved = (rank[:, member] < np.where(enough, count, 0)[:, None]) & (gain > 0)
    return np.where(enough, count.astype(np.float64), np.inf), moved.astype(np.float64)


def _place(reached: Floats, needed: Floats) -> Positions:
    """Return between which two bends of each row's gain the needed one is."""
    place = (reached < needed[:, None]).sum(axis=1)
    return np.asarray(np.minimum(place, max(reached.shape[1] - 1, 0)), dtype=np.intp)


def _interpolated(before: Floats, behind: Floats, place: Positions, needed: Floats) -> Floats:
    if not before.shape[1]:
        return np.zeros(len(needed))
    each = np.arange(len(needed))
    rest, slope = needed - before[each, place], behind[each, place]
    return np.asarray(np.divide(rest, slope, out=np.full(len(needed), np.inf), where=slope > 0))
