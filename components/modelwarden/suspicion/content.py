"""Content: clients whose queries are unlike those of honest ones.

Whoever copies a model through its answers asks what is cheap to make up: random rows, columns
filled independently, small steps around a few rows, lines between two. Honest clients ask about
rows like those that the model was made for, each about another kind of them. So honest clients are
played with reference rows, drawn in unequal groups, and what a client looks like is measured as its
distance from what they look like.

- how far its rows lie from the nearest reference row, on average and in its worst part
- how early an isolation forest cuts its rows off
- how surely a forest takes its rows for rows whose columns were shuffled independently
- how close its rows lie to each other, on average and in its closest part
- how many of them differ from their nearest one in a single column: enumeration, lines
- how far the mean of its rows is from the reference's, in a kernel's feature space (MMD)

Each is a number of standard deviations of honest clients with as many rows; a client is judged by
the largest, against the quantile of the same among honest clients (PRADA, Juuti et al. 2019, and
Chen et al. 2019 judge by one of these). Somebody who asks about real rows only looks honest: that
is what budgets are for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.errors import InputError
from modelwarden.suspicion.encoding import Encoder, plain

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

SIZES = (20, 40, 100, 300)
"""Numbers of rows that honest clients are played with; a client is judged by the largest that it
has distinct rows for."""

SIGNALS = (
    "distance",
    "far_share",
    "isolation",
    "shuffled",
    "closeness",
    "close_share",
    "single",
    "mmd",
)

MOST_ROWS = 6000  # of the reference
FEWEST_ROWS = 120
PLAYED = 1000  # honest clients, per size
GROUPS = 8
TREES = 60  # of a forest that knows shuffled rows
WAVES = 256  # random Fourier features
TINY = 1e-6  # distance of rows that are equal up to rounding


@dataclass(frozen=True)
class Opinion:
    """What a client looks like.

    Parameters
    ----------
    size : int
        Rows that were looked at.
    score : float
        Its largest signal, in standard deviations of honest clients.
    threshold : float
        What honest clients exceed with probability alpha.
    signal : str
        Which of `SIGNALS` is the largest.
    scores : tuple of float
        All of them, in the order of `SIGNALS`.
    near_duplicates : float
        Share of the rows that repeat another one, numbers rounded to a quarter of a deviation.
    """

    size: int
    score: float
    threshold: float
    signal: str
    scores: tuple[float, ...]
    near_duplicates: float

    @property
    def flagged(self) -> bool:
        """Whether the client is unlike honest ones."""
        return not self.score <= self.threshold


class Likeness:
    """What honest clients look like, learnt from reference rows.

    Parameters
    ----------
    reference : DataFrame of shape (n_rows, n_columns)
        At least 120 distinct rows; of more than 6000, a sample.
    alpha : float
        Share of honest clients that may be flagged, from 0.002.
    seed : int
        Seed of everything random.
    where : str
        Where the rows came from, for messages.

    Raises
    ------
    InputError
        If there are too few rows.

    Notes
    -----
    Learning costs two isolation forests and 500 small distance matrices per size: about 2 s of one
    core for 6000 rows of 20 columns. A client then costs some 20 ms.
    """

    def __init__(self, reference: pd.DataFrame, *, alpha: float, seed: int, where: str) -> None:
        frame = plain(reference).drop_duplicates()
        if len(frame) < FEWEST_ROWS:
            fix = "give more rows like those that honest clients ask about"
            raise InputError(where, f"{FEWEST_ROWS} distinct rows", str(len(frame)), fix)
        self._frame = frame.sample(min(len(frame), MOST_ROWS), random_state=seed)
        self._encoder = Encoder.fit(self._frame)
        self._x = self._encoder.encode(self._frame)
        self._values = _values(self._frame)
        self._alpha, self._seed = alpha, seed
        self._played: dict[int, tuple[Floats, Floats, float]] = {}
        self._fit()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the sizes that the reference is large enough for: three of them fit into it.

        With less to draw from, played clients are too much alike, and honest ones are flagged: 5 %
        of those with 100 rows, by a reference of 284.
        """
        return tuple(size for size in SIZES if size <= len(self._x) // 3)

    def judge(self, rows: pd.DataFrame, *, least: int = SIZES[0]) -> Opinion | None:
        """Return what a client with these rows looks like, None when they are too few.

        Parameters
        ----------
        rows : DataFrame of shape (n_queries, n_columns)
            The columns of the reference; repeated rows count once.
        least : int, default=20
            Distinct rows below which there is no opinion.
        """
        distinct = plain(rows[list(self._frame.columns)]).drop_duplicates()
        fitting = [size for size in self.sizes if size <= len(distinct)]
        if not fitting or len(distinct) < least:
            return None
        size = fitting[-1]
        # in the order in which they were asked: steps lie next to each other
        start = (len(distinct) - size) // 2
        part = distinct.iloc[start : start + size]
        x = self._encoder.encode(part)
        near = self._distances(x)
        alien = np.mean([forest(x) for forest in self._forests], axis=0)
        mmd = float(np.linalg.norm(self._waves(x).mean(axis=0) - self._known.mean(axis=0)))
        signals = self._signals(near, alien, x, _values(part), mmd)
        mean, deviation, threshold = self._honest(size)
        scores = (signals - mean) / deviation
        worst = int(np.argmax(scores))
        rounded = np.unique(np.round(x * 4), axis=0)
        return Opinion(
            size=size,
            score=float(scores[worst]),
            threshold=threshold,
            signal=SIGNALS[worst],
            scores=tuple(float(score) for score in scores),
            near_duplicates=1 - len(rounded) / size,
        )

    def _fit(self) -> None:
        from sklearn.neighbors import NearestNeighbors

        self._neighbours = NearestNeighbors(n_neighbors=2).fit(self._x)
        own = self._neighbours.kneighbors(self._x)[0][:, 1]  # the first is the row itself
        self._near = np.log(own + TINY)
        self._far = float(np.quantile(self._near, 0.95))
        # no row is judged by a forest that knows it
        odd = np.arange(len(self._x)) % 2 == 1
        self._forests = [self._grow(self._x[~odd]), self._grow(self._x[odd])]
        self._alien = np.empty((len(self._x), 2))
        self._alien[odd] = self._forests[0](self._x[odd])
        self._alien[~odd] = self._forests[1](self._x[~odd])
        scale = float(np.median(own)) + float(np.median(np.linalg.norm(self._x, axis=1))) + TINY
        random = np.random.default_rng(self._seed)
        self._frequencies = random.normal(size=(self._x.shape[1], WAVES)) / scale
        self._phases = random.uniform(0, 2 * np.pi, WAVES)
        self._known = self._waves(self._x)

    def _grow(self, x: Floats) -> "Callable[[Floats], Floats]":
        """Return what scores rows by an isolation forest, and by one that knows shuffled rows."""
        from sklearn.ensemble import ExtraTreesClassifier, IsolationForest

        random = np.random.default_rng(self._seed)
        shuffled = np.column_stack([random.permutation(column) for column in x.T])
        isolation = IsolationForest(random_state=self._seed, n_jobs=1).fit(x)
        forest = ExtraTreesClassifier(
            TREES, min_samples_leaf=3, max_features=0.5, random_state=self._seed, n_jobs=1
        ).fit(np.vstack([x, shuffled]), np.repeat([0, 1], len(x)))
        return lambda rows: np.column_stack(
            [-isolation.score_samples(rows), forest.predict_proba(rows)[:, 1]]
        )

    def _honest(self, size: int) -> tuple[Floats, Floats, float]:
        """Return mean and deviation of the signals, and the threshold, for a size."""
        if size not in self._played:
            self._played[size] = self._play(size)
        return self._played[size]

    def _play(self, size: int) -> tuple[Floats, Floats, float]:
        total = self._known.sum(axis=0)
        played = np.empty((PLAYED, len(SIGNALS)))
        for number, rows in enumerate(self._clients(size)):
            known = self._known[rows].sum(axis=0)
            # against the rest, as the rows of a client are no reference rows
            mmd = np.linalg.norm(known / size - (total - known) / (len(self._x) - size))
            values = [column[rows] for column in self._values]
            played[number] = self._signals(
                self._near[rows], self._alien[rows], self._x[rows], values, float(mmd)
            )
        mean = played.mean(axis=0)
        deviation = np.maximum(played.std(axis=0), 1 / size * np.array([0, 1, 0, 0, 0, 1, 1, 0]))
        deviation = np.maximum(deviation, TINY)
        scores = np.sort(((played - mean) / deviation).max(axis=1))
        rank = int(np.ceil((PLAYED + 1) * (1 - self._alpha)))
        return mean, deviation, float(scores[min(rank, PLAYED) - 1])

    def _clients(self, size: int) -> list[Codes]:
        """Return rows of honest clients: a third each mixed, of few groups, and to one side."""
        random, n, groups = self._random(size), len(self._x), self._groups
        clients = []
        for number in range(PLAYED):
            weights = np.ones(n)
            if number % 3 == 1:
                weights = random.dirichlet(np.full(GROUPS, 0.5))[groups]
            if number % 3 == 2:
                side = self._x @ random.normal(size=self._x.shape[1])
                side = (side - side.mean()) / (side.std() + TINY)
                weights = np.exp(random.uniform(0, 2) * np.clip(side, -3, 3))
            # the largest keys are a weighted draw without replacement
            keys = random.exponential(size=n) / (weights + TINY)
            clients.append(np.argsort(keys)[:size])
        return clients

    @cached_property
    def _groups(self) -> Codes:
        from sklearn.cluster import KMeans

        return np.asarray(KMeans(GROUPS, n_init=1, random_state=self._seed).fit_predict(self._x))

    def _random(self, size: int) -> np.random.Generator:
        return np.random.default_rng((self._seed, size))  # whatever was asked before

    def _signals(
        self,
        near: Floats,
        alien: Floats,
        x: Floats,
        values: "Sequence[npt.NDArray[np.generic]]",
        mmd: float,
    ) -> Floats:
        squares = (x * x).sum(axis=1)
        gaps = squares[:, None] + squares - 2 * x @ x.T
        np.fill_diagonal(gaps, np.inf)
        twin = gaps.argmin(axis=1)
        close = 0.5 * np.log(np.maximum(gaps[np.arange(len(x)), twin], 0) + TINY**2)
        changed = sum((column != column[twin]).astype(int) for column in values)
        return np.array(
            [
                near.mean(),
                (near > self._far).mean(),
                *alien.mean(axis=0),
                -close.mean(),
                (close < self._close).mean(),
                (changed <= 1).mean(),
                mmd,
            ]
        )

    @cached_property
    def _close(self) -> float:
        """Return the distance below which two rows are closer than all but few reference rows."""
        return float(np.quantile(self._near, 0.02))

    def _distances(self, x: Floats) -> Floats:
        return np.asarray(np.log(self._neighbours.kneighbors(x, n_neighbors=1)[0][:, 0] + TINY))

    def _waves(self, x: Floats) -> Floats:
        return np.asarray(np.sqrt(2 / WAVES) * np.cos(x @ self._frequencies + self._phases))


def _values(frame: pd.DataFrame) -> "list[npt.NDArray[np.generic]]":
    return [frame[name].to_numpy() for name in frame.columns]
