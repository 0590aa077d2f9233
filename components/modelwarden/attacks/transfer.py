"""Transfer: attack a copy of the model, and see which of its errors the model shares.

A model that gives labels only, or probabilities that are rounded to 0 and 1, has no slope to
follow. A copy fitted on what it says has one, and asking the copy costs no query.
"""

from collections.abc import Callable, Generator

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from modelwarden.attacks.box_search import box_search
from modelwarden.attacks.engine import MAX_CELLS, Answers, Attack, Victim, run
from modelwarden.attacks.starts import AT_ONCE, Neighbours
from modelwarden.space.box import Box
from modelwarden.space.points import Candidates, Floats, Positions

CRAFTING = 200
"""Candidates per row that each copy is asked about."""
PER_ROW = 10
"""Neighbours of each row."""
BESIDE = 0.3
"""How far beside the line, as a share of each column's part of it."""
TREES = 50
PLAYED_DOWN = 1e-12

Scores = Callable[[Candidates], Floats]


def neighbours(
    box: Box, truth: Positions, pool: Floats, pool_labels: Positions, *, seed: int = 0
) -> Candidates:
    """Return points between each row and its nearest rows of other classes, to learn from.

    Where the model changes its mind lies between them; a third is on the straight line, a third has
    some columns of the one and some of the other, and a third is beside the line.

    Parameters
    ----------
    box : Box
        Where rows may move at all, without a radius, or the boundary is not within it.
    truth : ndarray of int, shape (n_rows,)
        True classes.
    pool : ndarray, shape (n_pool, n_columns)
        Rows of all classes.
    pool_labels : ndarray of int, shape (n_pool,)
        What the model predicts for them.
    seed : int, default=0
        Seeds what all rows share.

    Returns
    -------
    Candidates
        `PER_ROW` of each row, fewer where that would be more than `MAX_CELLS` values.
    """
    random = np.random.default_rng(seed)
    n_rows, n_columns = box.origin.shape
    count = min(PER_ROW, MAX_CELLS // max(1, n_rows * n_columns))
    rows = np.arange(n_rows)
    closest = Neighbours(box, pool, pool_labels).of(rows, truth)
    there = pool[closest[:, random.integers(min(AT_ONCE, closest.shape[1]), size=count)]]
    here, share = box.origin[:, None], random.random((count, 1))
    kind = np.arange(count)[:, None] % 3
    way = np.where(kind == 1, random.random((count, n_columns)) < share, share)
    way = way + np.where(kind == 2, BESIDE * random.standard_normal((count, n_columns)), 0.0)
    cube = box.fit(rows, here + way * (there - here))
    return Candidates(np.repeat(rows, count), cube.reshape(-1, n_columns))


def transfer(
    box: Box, truth: Positions, pool: Floats, pool_labels: Positions, *, seed: int = 0
) -> Attack:
    """Return an attack that proposes what fools copies of the model.

    A logistic regression and a forest learn the model's labels of the pool. Against each, and
    against their mean, :func:`.box_search.box_search` looks for the point of the box where the true
    class has the lowest score.

    Parameters
    ----------
    box : Box
        Where rows may move.
    truth : ndarray of int, shape (n_rows,)
        True classes.
    pool : ndarray, shape (n_pool, n_columns)
        Rows to learn from, :func:`neighbours` among them; their order is no matter.
    pool_labels : ndarray of int, shape (n_pool,)
        What the model predicts for them.
    seed : int, default=0
        Seeds the forest and the search.

    Returns
    -------
    Attack
        Proposes one candidate per copy and row; none where all of the pool has one label.

    References
    ----------
    .. [1] Papernot, McDaniel and Goodfellow, "Transferability in Machine Learning", 2016.
    """

    def begin(rows: Positions) -> Generator[Candidates, Answers, None]:
        if len(copies) and box.movable[rows].any():
            found = np.stack([craft(search, box, truth, rows, copy) for copy in copies], axis=1)
            yield Candidates(np.repeat(rows, len(copies)), found.reshape(-1, found.shape[2]))

    copies = _copies(pool, pool_labels, int(truth.max(initial=0)), seed)
    search = box_search(box, truth, pool, pool_labels, queries=CRAFTING, seed=seed)
    return Attack(begin)


def _copies(pool: Floats, labels: Positions, highest: int, seed: int) -> list[Scores]:
    """Return the probabilities of all classes as copies of the model see them."""
    if len(np.unique(labels)) < 2:
        return []
    order = np.lexsort((labels, *pool.T))
    models = [
        make_pipeline(
            SimpleImputer(keep_empty_features=True),
            StandardScaler(),
            LogisticRegression(C=10.0, max_iter=1000),
        ),
        make_pipeline(
            SimpleImputer(keep_empty_features=True),
            ExtraTreesClassifier(TREES, min_samples_leaf=2, random_state=seed),
        ),
    ]
    n_classes = 1 + max(highest, int(labels.max()))
    for model in models:
        model.fit(pool[order], labels[order])

    first, second = (_scores(model, n_classes) for model in models)
    return [first, second, lambda c: (first(c) + second(c)) / 2]


def _scores(model: Pipeline, n_classes: int) -> Scores:
    def scores(candidates: Candidates) -> Floats:
        known = np.zeros((len(candidates.rows), n_classes))
        known[:, model.classes_] = model.predict_proba(candidates.values)
        return known

    return scores


def craft(search: Attack, box: Box, truth: Positions, rows: Positions, copy: Scores) -> Floats:
    """Return the point of each row's box where a copy is least sure of the true class.

    Parameters
    ----------
    search : Attack
        Looks for it, with `CRAFTING` candidates per row that only the copy sees.
    box : Box
        Where rows may move.
    truth : ndarray of int, shape (n_rows,)
        True classes.
    rows : ndarray of int
        The rows to move.
    copy : callable(Candidates) -> ndarray of shape (n, n_classes)
        Probabilities of the classes, as the copy sees them.
    """

    def own_leads(candidates: Candidates) -> Floats:
        """Play the rivals down: the search goes on where it would think that it has won."""
        scores, own = copy(candidates), truth[candidates.rows, None]
        return np.where(np.arange(scores.shape[1]) == own, scores, PLAYED_DOWN * scores)

    asked = Victim(truth, lambda candidates: truth[candidates.rows], own_leads)
    nothing = lambda candidates: np.zeros(len(candidates.rows), dtype=bool)  # noqa: E731
    found = run({"": search}, asked, box.origin, rows, budget=CRAFTING, allowed=nothing)
    return found.values[rows]
