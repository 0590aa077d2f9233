"""Novelty: submitted rows that a forest can tell from trusted ones, by features and label.

Backdoors often leave accuracy and labels alone, but their rows carry something that trusted rows
do not: a value, or values that do not occur together. The same holds for honest news, so what is
found here is called novel, not poison.

One fold of trusted rows plays submitted rows: the forest learns "submitted" from them as well, and
cannot treat a clean submitted row and a row of that fold differently. Their scores say how novel a
clean row may look (Marandon et al., "Adaptive Novelty Detection with False Discovery Rate
Guarantee", Annals of Statistics 2024).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modelwarden.suspicion.bagging import out_of_bag
from modelwarden.suspicion.forecasts import FOLDS, deal

Floats = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]
Codes = npt.NDArray[np.intp]
Small = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

TREES = 50  # per fold
LEAF = 5
MOST_TRUSTED = 500  # a tree; twice as many submitted rows
RAREST = 3  # columns whose repeated new values are shown to the forest


@dataclass(frozen=True)
class Novelty:
    """How surely a forest calls rows submitted, 0.5 where it cannot tell.

    Parameters
    ----------
    submitted : ndarray of shape (5, n_judged)
        By fold of trusted rows that played submitted rows.
    trusted, folds : ndarray of shape (n_trusted,)
        Trusted rows while they played submitted ones, and their folds.
    """

    submitted: Floats
    trusted: Floats
    folds: Codes


def novelty(
    x: Floats,
    y: Codes,
    codes: Small,
    trusted_x: Floats,
    trusted_y: Codes,
    trusted_codes: Small,
    *,
    twins: Codes | None = None,
    judged: Codes | None = None,
    seed: int = 0,
) -> Novelty:
    """Tell submitted rows from trusted ones, out of bag.

    Parameters
    ----------
    x, y, codes : ndarray of shape (n_rows, n_features), (n_rows,) and (n_rows, n_columns)
        Submitted rows: encoded, class codes, and cells as codes of equal values.
    trusted_x, trusted_y, trusted_codes : ndarray
        Trusted rows likewise; every class at least twice.
    twins : ndarray of int of shape (n_rows + n_trusted,), optional
        Equal numbers for equal rows, submitted before trusted; none judges the other.
    judged : ndarray of int of shape (n_judged,), optional
        Submitted rows to judge, by default all; the forest learns from all of them anyway.
    seed : int, default=0
        Seeds folds, samples and trees.
    """
    asked = np.arange(len(x)) if judged is None else judged
    kin = np.arange(len(x) + len(trusted_x)) if twins is None else twins
    identity = np.eye(int(trusted_y.max()) + 1)
    rows = np.hstack([x, identity[y]])
    trusted = np.hstack([trusted_x, identity[trusted_y]])
    folds = deal(trusted_y, seed)
    copies = np.isin(kin[: len(x)], kin[len(x) :])  # trusted rows may have been drawn from these
    submitted, of_trusted = np.empty((FOLDS, len(asked))), np.empty(len(trusted_x))
    for fold in range(FOLDS):
        playing = folds == fold
        there = np.vstack([codes, trusted_codes[playing]])
        news, old_news = _news(
            np.vstack([x, trusted_x[playing]]),
            there,
            trusted_x[~playing],
            trusted_codes[~playing],
            np.concatenate([~copies, np.ones(playing.sum(), dtype=bool)]),
        )
        scores = _scores(
            np.hstack([np.vstack([rows, trusted[playing]]), news]).astype(np.float32),
            np.hstack([trusted[~playing], old_news]).astype(np.float32),
            np.concatenate([kin[: len(x)], kin[len(x) :][playing], kin[len(x) :][~playing]]),
            np.concatenate([asked, len(x) + np.arange(playing.sum())]),
            seed + fold,
        )
        submitted[fold], of_trusted[playing] = scores[: len(asked)], scores[len(asked) :]
    return Novelty(submitted, of_trusted, folds)


def _scores(there: Single, here: Single, twins: Codes, judged: Codes, seed: int) -> Floats:
    """Return how surely some rows of `there` are told from those of `here`."""
    n_there, n_here = len(there), len(here)
    few = min(n_here, MOST_TRUSTED)
    many = min(2 * few, max(n_there // 2, 1))
    families = int(twins.max()) + 1
    repeats = len(np.unique(twins[:n_there])) < n_there

    def draw(generator: np.random.Generator) -> Codes:
        pool = np.arange(n_there)
        if repeats:  # else a row with many copies is in every sample, and never judged
            some = np.flatnonzero((generator.random(families) < 0.5)[twins[:n_there]])
            pool = some if len(some) else pool
        of_there = generator.choice(pool, min(many, len(pool)), replace=False, shuffle=False)
        return np.concatenate([of_there, n_there + generator.integers(0, n_here, few)])

    probabilities = out_of_bag(
        np.vstack([there, here]),
        np.repeat([1, 0], [n_there, n_here]),
        draw,
        n_classes=2,
        trees=TREES,
        seed=seed,
        max_features=None,
        min_samples_leaf=LEAF,
        class_weight="balanced",
        twins=twins,
        judged=judged,
    )
    return probabilities[:, 1]


def _news(
    x: Floats, codes: Small, here_x: Floats, here_codes: Small, counted: Mask
) -> tuple[Floats, Floats]:
    """Return what is new about rows beside `here`, and about each row of `here` beside the others.

    A tree sees neither that a value repeats nor that it was never seen before; so it is told, for
    the three columns where that is most striking, and how far outside the range the row lies. Only
    rows that are `counted` repeat a value: a copy of a trusted row is no news.
    """
    repeated, old_repeated = np.zeros(codes.shape), np.zeros(here_codes.shape)
    for column in range(codes.shape[1]):
        size = int(max(codes[:, column].max(), here_codes[:, column].max())) + 1
        count = np.bincount(codes[counted, column], minlength=size)
        old = np.bincount(here_codes[:, column], minlength=size)
        repeated[:, column] = np.where(old == 0, np.log(np.maximum(count, 1)), 0)[codes[:, column]]
        alone = np.where(old == 1, np.log(count + 1), 0)
        old_repeated[:, column] = alone[here_codes[:, column]]
    low, high = np.sort(here_x, axis=0)[:2], np.sort(here_x, axis=0)[-2:][::-1]
    beyond = np.maximum(x - high[0], low[0] - x).max(axis=1)
    next_low = np.where(here_x == low[0], low[-1], low[0])  # a row's range is that of the others
    next_high = np.where(here_x == high[0], high[-1], high[0])
    old_beyond = np.maximum(here_x - next_high, next_low - here_x).max(axis=1)
    return (
        np.column_stack([_largest(repeated), np.maximum(beyond, 0)]),
        np.column_stack([_largest(old_repeated), np.maximum(old_beyond, 0)]),
    )


def _largest(table: Floats) -> Floats:
    count = min(RAREST, table.shape[1])
    return -np.sort(np.partition(-table, count - 1, axis=1)[:, :count], axis=1)
