"""Greedy search over codes: which words to change, and into what.

Built for texts, whose words are coordinates of codes; it serves every table of categories.
"""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from modelwarden.attacks.engine import Answers, Attack, Victim
from modelwarden.space.box import Box
from modelwarden.space.points import Candidates, Floats, Positions

ROUNDS = 2
"""Times that coordinates are ranked: as the row is, and once more where that has led."""
SINGLES, JOINED = 1 / 3, 1 / 6
STRIDE = 1.5
"""From one number of changes to the next, where they are not near the one that should do."""
LEAST = 1e-9
"""Margin of what scores say is broken and ``predict`` says is not."""

_Phase = Generator[Candidates, Answers, None]


def word_swap(box: Box, *, queries: int, seed: int = 0) -> Attack:
    """Return an attack that changes as few coordinates of codes as it needs.

    One wide step asks about single changes: how much each helps, and which code helps most. The
    next asks about prefixes of that ranking: because the margin need not fall from one to the next,
    all those that are about as long as the ranking says will do. Then both are done once more, from
    the shortest prefix that broke the row or, where none did, from the best, its last change left
    out: there coordinates are worth what they are worth beside the others, and a change can turn
    out to be needless. That is four steps.

    Where a row has more coordinates than there are single changes, groups of them are changed
    first, and those of the best groups by themselves in the second round.

    Parameters
    ----------
    box : Box
        Where rows may move. Only coordinates of codes are changed.
    queries : int
        Candidates per row: a third for single changes and a sixth for prefixes, in each round. Of
        more codes a part is tried, low codes first.
    seed : int, default=0
        Seeds which coordinates share a group, and the sets that take the place of a ranking.

    Returns
    -------
    Attack
        What happens to a row does not depend on the others.

    Notes
    -----
    Labels alone rank nothing, because one change seldom breaks a row. For such rows random sets of
    changes are asked about, of all sizes and then of the largest, which is much weaker. With
    :func:`.engine.shrink`, which asks for labels, use :class:`Guided`.

    References
    ----------
    .. [1] Gao, Lanchantin, Soffa and Qi, "Black-box Generation of Adversarial Text Sequences to
       Evade Deep Learning Classifiers" (DeepWordBug), 2018.
    """
    singles, joined = max(1, int(queries * SINGLES)), max(1, int(queries * JOINED))

    def begin(rows: Positions) -> Generator[Candidates, Answers, None]:
        search = _Search(box.take(rows), rows, singles, joined, seed)
        for _ in range(ROUNDS):
            yield from search.rank()
            yield from search.join()

    return Attack(begin, max(singles, joined))


class Guided(Victim):
    """A victim that tells :func:`.engine.shrink` how near a candidate is, not only its label.

    What the probabilities call broken is put to ``predict``, at once; what they do not, is not.
    """

    def sides(self, candidates: Candidates) -> Floats:
        """Return margins that are above 0 wherever ``predict`` is right or was not asked."""
        if self._predict_proba is None:
            return super().sides(candidates)
        margins = self.margins(candidates)
        claimed = np.flatnonzero(margins <= 0)
        if len(claimed):
            claims = Candidates(candidates.rows[claimed], candidates.values[claimed])
            refused = claimed[~self.fools(claims)]
            margins[refused] = np.maximum(LEAST, -margins[refused])
        return margins


@dataclass(frozen=True)
class _Told:
    """What was answered: by row, ascending, in the order in which it was asked."""

    rows: Positions
    values: Floats
    margins: Floats

    def by_row(self) -> Iterator[tuple[int, Floats, Floats]]:
        if not len(self.rows):
            return iter(())
        rows, starts = np.unique(self.rows, return_index=True)
        parts = (np.split(part, starts[1:]) for part in (self.values, self.margins))
        return zip(rows.tolist(), *parts, strict=True)


class _Search:
    """The search of some rows; here rows are counted from 0."""

    def __init__(
        self, box: Box, names: Positions, n_singles: int, n_joined: int, seed: int
    ) -> None:
        self.box, self.names, self.n_singles, self.n_joined = box, names, n_singles, n_joined
        random, n_columns = np.random.default_rng(seed), len(box.codes)
        self.coded = box.movable & box.nominal
        self.columns = random.permutation(n_columns)  # of all, whatever the other rows may do
        self.keys = random.random((2, n_singles + 2 * n_joined, n_columns))
        largest = np.where(self.coded, np.maximum(box.origin, box.codes - 1), 0.0)
        self.n_codes = int(largest.max(initial=0)) + 1
        self.live = np.arange(len(names))
        self.context = box.origin.copy()
        self.into = np.where(self.coded, np.where(box.origin == 0, 1.0, 0.0), box.origin)
        self.worth = np.zeros_like(box.origin)
        self.start = np.full(len(names), np.inf)
        self.blind = np.zeros(len(names), dtype=bool)
        self.n_sets = np.zeros(len(names), dtype=np.intp)
        self.is_ranked = False

    def ask(self, asked: Mapping[int, Floats]) -> Generator[Candidates, Answers, _Told]:
        """Ask about candidates of some rows; what the box does not contain is left out."""
        parts = [(row, values) for row, values in sorted(asked.items()) if len(values)]
        if not parts:
            return _Told(np.empty(0, np.intp), np.empty((0, 0)), np.empty(0))
        rows = np.repeat([row for row, _ in parts], [len(values) for _, values in parts])
        values = np.concatenate([values for _, values in parts])
        allowed = self.box.contains(Candidates(rows, values))
        rows, values = rows[allowed], values[allowed]
        answers = yield Candidates(self.names[rows], values)
        self.live = np.searchsorted(self.names, answers.live)
        known = np.isfinite(answers.margins)
        return _Told(rows[known], values[known], answers.margins[known])

    def rank(self) -> _Phase:
        """Learn what changes are worth beside those of the context, and try sets on blind rows."""
        rows = self.live[self.coded[self.live].any(axis=1)].tolist()
        sets = self.random_sets([row for row in rows if self.blind[row]], self.n_singles)
        groups = self.groups([row for row in rows if not self.is_ranked and self.is_long(row)])
        others = [row for row in rows if row not in sets and row not in groups]
        told = yield from self.ask(sets | groups | {row: self.singles(row) for row in others})
        for row, values, margins in told.by_row():
            if row in sets:
                self.go_on(row, values, margins)
            elif not self.is_ranked and margins.min() == margins.max():
                self.blind[row] = True
            elif row in groups:
                self.learn_from_groups(row, values, margins)
            else:
                self.learn(row, values, margins)
        self.is_ranked = True

    def join(self) -> _Phase:
        """Ask about prefixes of the rankings, and go on from the best of each row."""
        blind = self.blind[self.live]
        prefixes = self.prefixes(self.live[~blind].tolist())
        sets = self.random_sets(self.live[blind].tolist(), self.n_joined)
        told = yield from self.ask(prefixes | sets)
        for row, values, margins in told.by_row():
            self.go_on(row, values, margins)

    def go_on(self, row: int, values: Floats, margins: Floats) -> None:
        """Take what breaks a row with the fewest changes as its context, or what nearly does."""
        changed = self.box.changed(np.full(len(values), row), values)
        fooled = np.flatnonzero(margins <= 0)
        if len(fooled):
            self.context[row] = values[fooled[changed[fooled].argmin()]]
            self.blind[row] = False
        elif not self.blind[row]:
            # one change less, so that there is room for another
            less = np.flatnonzero(changed < changed[margins.argmin()])
            self.context[row] = values[less[-1]] if len(less) else self.box.origin[row]

    def mine(self, row: int) -> Positions:
        """Return the columns that a row may change, those worth most first."""
        mine = self.columns[self.coded[row, self.columns]]
        return np.asarray(mine[np.argsort(-self.worth[row, mine], kind="stable")])

    def is_long(self, row: int) -> bool:
        return int(self.coded[row].sum()) > self.n_singles - 1

    def singles(self, row: int) -> Floats:
        """Return the context, then what one column makes of it: put back, or with another code."""
        context, origin, mine = self.context[row], self.box.origin[row], self.mine(row)
        back = mine[context[mine] != origin[mine]]
        codes, low, high = np.arange(self.n_codes)[:, None], self.box.low[row], self.box.high[row]
        new = (codes >= low[mine]) & (codes <= high[mine]) & (codes < self.box.codes[mine])
        new &= (codes != origin[mine]) & (codes != context[mine])
        code, place = np.nonzero(new)  # every column's first code, then every column's second
        columns = np.concatenate([back, mine[place]])[: self.n_singles - 1]
        into = np.concatenate([origin[back], code])[: self.n_singles - 1]
        values = np.repeat(context[None], len(columns) + 1, axis=0)
        values[np.arange(1, len(values)), columns] = into
        return values

    def groups(self, rows: list[int]) -> dict[int, Floats]:
        """Return rows as they are, then with one group of columns changed after the other."""
        rankings = [(row, self.mine(row)) for row in rows]
        grouped = {}
        for (row, mine), room in zip(rankings, self.room(rankings)[1].tolist(), strict=True):
            size = min(room, -(-len(mine) // max(1, self.n_singles - 1)))
            mine = mine[: size * (self.n_singles - 1)]
            line = 1 + np.arange(len(mine)) // max(1, size)
            values = np.repeat(self.box.origin[row][None], line.max(initial=0) + 1, axis=0)
            values[line, mine] = self.into[row, mine]
            grouped[row] = values
        return grouped

    def random_sets(self, rows: list[int], number: int) -> dict[int, Floats]:
        """Return rows with random columns changed: first of all numbers, then the most."""
        rankings = [(row, self.mine(row)) for row in rows]
        sets = {}
        for (row, mine), room in zip(rankings, self.room(rankings)[1].tolist(), strict=True):
            first = int(self.n_sets[row])
            chances, codes = self.keys[:, first : first + number, mine]
            self.n_sets[row] += number
            sizes = np.linspace(1 if first == 0 else room, room, number).round()
            changed = chances.argsort(axis=1).argsort(axis=1) < sizes[:, None]
            origin = self.box.origin[row, mine]
            n_codes = np.minimum(self.box.high[row, mine], self.box.codes[mine])  # without its own
            new = np.floor(codes * n_codes)
            values = np.repeat(self.box.origin[row][None], number, axis=0)
            values[:, mine] = np.where(changed, new + (new >= origin), origin)
            sets[row] = values
        return sets

    def learn(self, row: int, values: Floats, margins: Floats) -> None:
        """Keep each column's best code, and how much that is better than the row's own."""
        context, mine = self.context[row], np.flatnonzero(self.coded[row])
        table = np.full((self.n_codes, len(mine)), np.inf)
        table[context[mine].astype(np.intp), np.arange(len(mine))] = margins[0]
        lines, places = np.nonzero(values[:, mine] != context[mine])
        table[values[lines, mine[places]].astype(np.intp), places] = margins[lines]
        own = table[self.box.origin[row, mine].astype(np.intp), np.arange(len(mine))]
        asked = np.isfinite(own) & (np.isfinite(table).sum(axis=0) > 1)
        best = table.min(axis=0)
        into = np.where(best < margins[0], table.argmin(axis=0), context[mine])
        self.worth[row, mine[asked]] = (own - best)[asked]
        self.into[row, mine[asked]] = into[asked]
        self.start[row] = margins[0] + (own - margins[0])[asked].sum()

    def learn_from_groups(self, row: int, values: Floats, margins: Floats) -> None:
        """Give every column an equal part of what its group is worth."""
        changed = values != self.box.origin[row]
        changed &= self.coded[row]
        worth = (margins[0] - margins) / np.maximum(changed.sum(axis=1), 1)
        self.worth[row] = worth @ changed
        self.start[row] = margins[0]

    def prefixes(self, rows: list[int]) -> dict[int, Floats]:
        """Return rows with the first few columns of their ranking changed."""
        rankings = [(row, self.ranking(row)) for row in rows]
        rank, room = self.room(rankings)
        prefixes = {}
        for line, (row, ranked) in enumerate(rankings):
            first = rank[line] < self.sizes(row, ranked[: room[line]])[:, None]
            prefixes[row] = np.where(first, self.into[row], self.box.origin[row])
        return prefixes

    def ranking(self, row: int) -> Positions:
        """Return the columns worth changing, best first, those never asked about last."""
        mine = self.mine(row)
        helps = (self.into[row, mine] != self.box.origin[row, mine]) & (self.worth[row, mine] >= 0)
        return np.asarray(mine[helps])

    def sizes(self, row: int, ranked: Positions) -> Positions:
        """Return how many columns to change: all numbers near what should do, few beyond."""
        longest = len(ranked)
        sizes = np.arange(1, longest + 1)
        left = self.start[row] - np.cumsum(self.worth[row, ranked])
        if self.start[row] > 0 and (left <= 0).any():  # else nothing is foretold
            enough = int((left <= 0).argmax()) + 1
            strides = np.arange(1 + int(np.log(longest) / np.log(STRIDE)))
            beyond = np.rint(STRIDE**strides).astype(np.intp)
            near = sizes[enough // 2 : enough + 1]
            sizes = np.unique(np.concatenate([near, beyond, sizes[-1:]]))
        if len(sizes) > self.n_joined:
            sizes = sizes[np.linspace(0, len(sizes) - 1, self.n_joined).astype(np.intp)]
        return sizes

    def room(self, rankings: list[tuple[int, Positions]]) -> tuple[Positions, Positions]:
        """Return each column's place in its row's ranking, and how many may change at once."""
        rows = np.array([row for row, _ in rankings], dtype=np.intp)
        rank = np.full((len(rows), len(self.box.codes)), len(self.box.codes))
        for line, (_, ranked) in enumerate(rankings):
            rank[line, ranked] = np.arange(len(ranked))
        least = np.zeros(len(rows), dtype=np.intp)
        most = (rank < rank.shape[1]).sum(axis=1)
        while (least < most).any():
            middle = (least + most + 1) // 2
            changed = rank < middle[:, None]
            values = np.where(changed, self.into[rows], self.box.origin[rows])
            fits = self.box.contains(Candidates(rows, values))
            least, most = np.where(fits, middle, least), np.where(fits, most, middle - 1)
        return rank, least
