"""Trees as a mixed-integer program, for norms and rules that boxes cannot express.

References
----------
.. [1] Kantchelian, Tygar and Joseph, "Evasion and Hardening of Tree Ensemble Classifiers", ICML
   2016.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from modelwarden.space.table import Bond
from modelwarden.trees.duel import Duel
from modelwarden.trees.ensemble import LEAF
from modelwarden.trees.grid import Choice, Grid
from modelwarden.trees.measure import Measure
from modelwarden.trees.program import Program, Result
from modelwarden.trees.witness import Locator, Part, Point

Floats = npt.NDArray[np.float64]
Terms = list[tuple[int, float]]

SLACK = 1e-4
"""How much a sum may fall short of 0, as a share of the largest leaf, and a distance exceed the
radius: HiGHS is right up to 1e-6 only, and may wrongly call impossible what is tighter."""
TIGHT = 2e-6
"""How much less than a relation allows a strict program uses, as a share of the sum of its parts:
HiGHS may overstep by less."""
ROOT = 8
"""Nodes of a program's search that its root is worth: there all bounds and cuts are made."""
POWER = {"linf": 1.0, "l1": 1.0, "l2": 2.0}


@dataclass(frozen=True)
class Solution:
    """What a program found.

    Parameters
    ----------
    is_impossible : bool
        Whether nothing within reach turns the row.
    bound : float
        No distance below it suffices; 0 where nothing is known.
    point : Point or None
        Where the row is turned, or tied.
    is_tie : bool
        Whether it is tied only.
    values : mapping of str to float
        Of columns in relations, the number at that point.
    steps : int
        Nodes of the search.
    """

    is_impossible: bool
    bound: float
    point: Point | None
    is_tie: bool
    values: Mapping[str, float]
    steps: int


NOTHING = Solution(False, 0.0, None, False, {}, 0)


class Encoder:
    """One row and one rival as a program.

    Parameters
    ----------
    grid : Grid
        The boxes of all rows.
    locator : Locator
        How cells and numbers go together.
    measure : Measure
        The norm, and what has to hold.
    row : int
    duel : Duel
        Its true class against a rival.
    budget : int
        Steps that are left. A node of the program costs as many as leaves are within reach, and its
        root `ROOT` times that; where that is too much, nothing is asked.
    strict : bool, default=False
        Whether only points count that are beyond all ties and surely within reach: then nothing is
        forgiven, and that nothing is found proves nothing.
    """

    def __init__(
        self,
        grid: Grid,
        locator: Locator,
        measure: Measure,
        row: int,
        duel: Duel,
        *,
        budget: int,
        strict: bool = False,
    ) -> None:
        self.grid, self.locator, self.measure, self.row = grid, locator, measure, row
        self._budget, self._sign = budget, -1.0 if strict else 1.0
        self.reach, self.duel = measure.reach, duel
        self.low, self.high = grid.low[row].tolist(), grid.high[row].tolist()
        self.program = Program()
        self.below: dict[int, dict[int, int]] = {}  # by feature and split: 1 if the cell is below
        self.picks: dict[int, dict[int, int]] = {}  # by choice and value
        self.numbers: dict[str, int] = {}
        self._groups: dict[int, int] = {}
        self.n_leaves = 0
        self.is_too_large = False
        self._sum_up()
        if not self.is_too_large:
            self._chain()
            self._choose()
            self._relate()

    def is_possible(self, radius: float) -> Solution:
        """Find a point within a distance that turns the row, or that there is none."""
        if self.is_too_large:
            return NOTHING
        if self.measure.norm != "linf":
            terms, constant = self._distance()
            power = POWER.get(self.measure.norm, 1.0)
            limit = radius**power * (1 + self._sign * SLACK) - constant
            self.program.demand(terms, -np.inf, limit)
        self._limit()
        found = self.program.solve(self._nodes)
        return Solution(found.is_infeasible, 0.0, *self._point(found), self._steps(found))

    def nearest(self) -> Solution:
        """Find the nearest point that turns the row."""
        if self.is_too_large:
            return NOTHING
        terms, constant = self._distance()
        for variable, weight in terms:
            self.program.cost[variable] += weight
        self._limit()
        found = self.program.solve(self._nodes)
        bound = (found.bound + constant) * (1 - SLACK) - 1e-9
        if self.measure.norm == "l0":
            bound = float(np.ceil(bound - 1e-3))
        bound = max(bound, 0.0) ** (1 / POWER.get(self.measure.norm, 1.0))
        return Solution(found.is_infeasible, bound, *self._point(found), self._steps(found))

    @property
    def _nodes(self) -> int:
        return max(1, self._budget // max(self.n_leaves, 1) - ROOT)

    def _steps(self, found: Result) -> int:
        return (ROOT + found.steps) * self.n_leaves

    # --- the sum of leaves -----------------------------------------------------------------------

    def _sum_up(self) -> None:
        """Demand that the leaves' sum turns the row."""
        trees, gain = self.duel.trees, self.duel.gain
        self._feature, self._split = trees.feature.tolist(), self.duel.split.tolist()
        self._left, self._right = trees.left.tolist(), trees.right.tolist()
        self._gain = gain.tolist()
        total: Terms = []
        base = self.duel.base
        for root in trees.roots.tolist():
            node = self._decided(root)
            if self._feature[node] == LEAF:
                base += self._gain[node]
                continue
            leaves = self._tree(node)
            if self.n_leaves * (ROOT + 1) > self._budget:
                self.is_too_large = True
                return
            self.program.demand([(variable, 1.0) for variable, _ in leaves], 1.0, 1.0)
            total += leaves
        self._leaves, self._base = total, base
        scale = max((abs(weight) for _, weight in total), default=1.0) or 1.0
        need = -(base + self._sign * self.duel.margin) / scale - self._sign * SLACK
        self.program.demand([(v, weight / scale) for v, weight in total], need, np.inf)

    def _decided(self, node: int) -> int:
        """Return the first node from here on that the row may pass on either side, or the leaf."""
        while (feature := self._feature[node]) != LEAF:
            split = self._split[node]
            if self.high[feature] < split:
                node = self._left[node]
            elif self.low[feature] >= split:
                node = self._right[node]
            else:
                return node
        return node

    def _tree(self, root: int) -> Terms:
        """Add a tree; return its leaves and what they add.

        A node's splits narrow the cells below it, so that no leaf is there which no cell leads to.
        """
        node = self._decided(root)
        if self._feature[node] == LEAF:
            self.n_leaves += 1
            return [(self.program.variable(), self._gain[node])]
        feature, split = self._feature[node], self._split[node]
        below = self._below(feature, split)
        high, self.high[feature] = self.high[feature], split - 1
        left = self._tree(self._left[node])
        self.high[feature] = high
        low, self.low[feature] = self.low[feature], split
        right = self._tree(self._right[node])
        self.low[feature] = low
        self.program.demand([*((v, 1.0) for v, _ in left), (below, -1.0)], -np.inf, 0.0)
        self.program.demand([*((v, 1.0) for v, _ in right), (below, 1.0)], -np.inf, 1.0)
        return left + right

    def _below(self, feature: int, split: int) -> int:
        """Return the variable that is 1 where a feature's cell is below a split."""
        known = self.below.setdefault(feature, {})
        if split not in known:
            known[split] = self.program.variable(integer=True)
        return known[split]

    # --- what cells go together ------------------------------------------------------------------

    def _chain(self) -> None:
        """Demand that what is below a split is below all larger ones."""
        for known in self.below.values():
            ordered = [known[split] for split in sorted(known)]
            for first, second in pairwise(ordered):
                self.program.demand([(first, 1.0), (second, -1.0)], -np.inf, 0.0)

    def _choose(self) -> None:
        """Demand that each choice takes one value, and its features are where that puts them."""
        for place, choice in enumerate(self.grid.choices):
            allowed = np.flatnonzero(choice.allowed[self.row]).tolist()
            features = {int(f): at for at, f in enumerate(choice.features)}
            if len(allowed) < 2 or not features.keys() & self.below.keys():
                continue
            picks = {value: self.program.variable(integer=True) for value in allowed}
            self.picks[place] = picks
            self.program.demand([(v, 1.0) for v in picks.values()], 1.0, 1.0)
            for feature, at in features.items():
                for split, below in self.below.get(feature, {}).items():
                    surely = [(v, -1.0) for k, v in picks.items() if choice.high[k, at] < split]
                    maybe = [(v, -1.0) for k, v in picks.items() if choice.low[k, at] < split]
                    self.program.demand([(below, 1.0), *surely], 0.0, np.inf)
                    self.program.demand([(below, 1.0), *maybe], -np.inf, 0.0)

    @property
    def _chosen(self) -> set[str]:
        return {name for place in self.picks for name in self.grid.choices[place].columns}

    # --- distance --------------------------------------------------------------------------------

    def _moved(self) -> dict[str, list[tuple[Part, list[tuple[int, int]]]]]:
        """Return the columns of numbers that may move: their features, splits and variables."""
        found: dict[str, list[tuple[Part, list[tuple[int, int]]]]] = {}
        for name in self.locator.numbers.keys() - self._chosen:
            parts = [
                (part, sorted(self.below[part.feature].items()))
                for part in self.locator.numbers[name]
                if part.feature in self.below
            ]
            if parts:
                found[name] = parts
        return dict(sorted(found.items()))

    def _distance(self) -> tuple[Terms, float]:
        """Return the distance, to the norm's power, as a sum of variables and a constant."""
        if self.measure.norm == "l0":
            return [(v, 1.0) for v in self._changed().values()], 0.0
        power = POWER[self.measure.norm]
        sums: list[tuple[Terms, float]] = []
        for name, parts in self._moved().items():
            costs = [self._cost(name, part, known, power) for part, known in parts]
            sums.append(costs[0] if len(costs) == 1 else self._largest(costs))
        for place, picks in self.picks.items():
            choice = self.grid.choices[place]
            if np.isfinite(self.reach.units[choice.columns[0]]):
                sums.append(([(v, self._price(choice, pick)) for pick, v in picks.items()], 0.0))
        if self.measure.norm == "linf":
            return self._largest(sums)
        return [term for terms, _ in sums for term in terms], sum(rest for _, rest in sums)

    def _price(self, choice: Choice, pick: int) -> float:
        """Return the distance of a value of a choice, to the norm's power."""
        if pick == choice.own[self.row]:
            return 0.0
        change = {choice.columns[0]: choice.values[pick][0]}
        price: float = self.measure.distance(self.row, change) ** POWER[self.measure.norm]
        return price

    def _largest(self, sums: Sequence[tuple[Terms, float]]) -> tuple[Terms, float]:
        """Return a variable that is at least each of some sums."""
        largest = self.program.variable(0.0, np.inf)
        for terms, rest in sums:
            self.program.demand([(largest, 1.0), *((v, -w) for v, w in terms)], rest, np.inf)
        return [(largest, 1.0)], 0.0

    def _cost(
        self, name: str, part: Part, known: Sequence[tuple[int, int]], power: float
    ) -> tuple[Terms, float]:
        """Return what a feature's cell costs, which is told by the splits that it is below."""
        own = self.measure.own(self.row, name)
        unit, step = self.reach.units[name], self.reach.steps[name]
        splits = [split for split, _ in known]
        firsts = [self.low[part.feature], *splits]
        lasts = [*(split - 1 for split in splits), self.high[part.feature]]
        costs = []
        for first, last in zip(firsts, lasts, strict=True):
            start, end = self.locator.interval(part, first, last, inward=False)
            away = max(0.0, start - own, own - end)
            if step:
                away = np.ceil(away / step - 1e-6) * step
            costs.append((away / unit) ** power)
        terms = [(v, costs[i] - costs[i + 1]) for i, (_, v) in enumerate(known)]
        return terms, costs[-1]

    def _changed(self) -> dict[int, int]:
        """Return for each group that may change the variable that is 1 where it does."""
        if self._groups:
            return self._groups
        for name, parts in self._moved().items():
            group = self._group(name)
            for part, known in parts:
                own = self.grid.own[self.row, part.feature]
                for split, below in known:
                    # own is on one side of each split; the nearest of them would do
                    if own < split:
                        self.program.demand([(group, 1.0), (below, 1.0)], 1.0, np.inf)
                    else:
                        self.program.demand([(group, 1.0), (below, -1.0)], 0.0, np.inf)
        for place, picks in self.picks.items():
            choice = self.grid.choices[place]
            group = self._group(choice.columns[0])
            own = picks.get(int(choice.own[self.row]))
            if own is not None:
                self.program.demand([(group, 1.0), (own, 1.0)], 1.0, np.inf)
        return self._groups

    def _group(self, name: str) -> int:
        return self._groups.setdefault(self.reach.groups[name], self.program.variable(integer=True))

    def _limit(self) -> None:
        """Demand that no more groups change than may."""
        if self.reach.most is not None:
            groups = [(v, 1.0) for v in self._changed().values()]
            self.program.demand(groups, -np.inf, float(self.reach.most))

    # --- relations -------------------------------------------------------------------------------

    def _relate(self) -> None:
        """Demand that relations hold, between numbers that are where their features' cells are."""
        for bond in self.reach.relations:
            if bond.asked[self.row]:
                self._relation(bond)

    def _relation(self, bond: Bond) -> None:
        terms = [(self._value(name), weight) for name, weight in bond.weights.items()]
        sides = [self.reach.numbers[name] for name in bond.weights]
        sizes = [max(abs(low[self.row]), abs(high[self.row])) for low, high in sides]
        weights = [abs(weight) for weight in bond.weights.values()]
        scale = sum(w * s for w, s in zip(weights, sizes, strict=True)) + abs(bond.constant) or 1.0
        slack = SLACK if self._sign > 0 else -TIGHT * (not bond.equal)
        most = -bond.constant / scale + slack
        least = -bond.constant / scale - slack if bond.equal else -np.inf
        self.program.demand([(v, w / scale) for v, w in terms], least, most)

    def _value(self, name: str) -> int:
        """Return the variable that is a column's number."""
        if name in self.numbers:
            return self.numbers[name]
        low, high = (float(side[self.row]) for side in self.reach.numbers[name])
        value = self.numbers[name] = self.program.variable(low, high)
        step = self.reach.steps[name]
        if step:
            own = self.measure.own(self.row, name)
            down, up = np.ceil((low - own) / step - 1e-6), np.floor((high - own) / step + 1e-6)
            steps = self.program.variable(float(down), float(up), integer=True)
            self.program.demand([(value, 1.0), (steps, -step)], own, own)
        for part in self.locator.numbers.get(name, ()):
            for split, below in self.below.get(part.feature, {}).items():
                left = self.locator.interval(part, self.low[part.feature], split - 1, inward=False)
                right = self.locator.interval(part, split, self.high[part.feature], inward=False)
                for (start, end), sign in ((left, 1.0), (right, -1.0)):
                    self._stay_between(value, below, sign, (max(start, low), min(end, high)), name)
        return value

    def _stay_between(
        self, value: int, below: int, sign: float, ends: tuple[float, float], name: str
    ) -> None:
        """Demand that a number is between two ends if `below` is 1, or if it is 0."""
        low, high = (float(side[self.row]) for side in self.reach.numbers[name])
        start, end = ends
        shift = 0.0 if sign > 0 else 1.0
        # value >= low + (start - low) * on, where on is below, or 1 - below
        self.program.demand(
            [(value, 1.0), (below, -sign * (start - low))], low + shift * (start - low), np.inf
        )
        self.program.demand(
            [(value, 1.0), (below, sign * (high - end))], -np.inf, high - shift * (high - end)
        )

    # --- back to cells ---------------------------------------------------------------------------

    def _point(self, found: Result) -> tuple[Point | None, bool, dict[str, float]]:
        if found.x is None:
            return None, False, {}
        x = found.x
        output = self._base + sum(weight for v, weight in self._leaves if x[v] > 0.5)
        cells = {}
        for feature, known in self.below.items():
            firsts = [split for split, v in known.items() if x[v] < 0.5]
            behind = [split for split, v in known.items() if x[v] > 0.5]
            last = min(behind) - 1 if behind else self.high[feature]
            cells[feature] = (max(firsts, default=self.low[feature]), last)
        picks = {
            place: [*taken][int(np.argmax(x[[*taken.values()]]))]
            for place, taken in self.picks.items()
        }
        values = {name: float(x[v]) for name, v in self.numbers.items()}
        return Point(cells, picks), output <= self.duel.margin, values
