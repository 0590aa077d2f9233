"""Attacks held against what is proved, and proofs against each other."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from robustness_attacks import Attacked, in_the_box, smallest_change
from robustness_cells import PORTFOLIOS, Record, bits
from robustness_data import Target, target

from modelwarden.certificates import Certificate, Nearest
from modelwarden.exact import certify, nearest
from modelwarden.space.points import Floats, Positions
from modelwarden.trees.certify import Case

EPSILONS = (0.02, 0.05, 0.1)
ROWS, QUERIES = 300, 400
NODES = 10_000
"""Search steps per row: the default of the check."""
TIMED_ROWS, FEWER_ROWS, TIMED = 300, 60, (0.02, 0.05)
"""Rows whose proofs are timed; fewer of the forest on `mc`, which takes a second a row."""
CLIQUE_ROWS, CLIQUE_SIZE, FIRST_RADIUS = 20, 0.05, 0.1
"""Rows that ART is asked about, at which size, and the radius that it tries first of ten."""
MINIMA_ROWS = {"LR": 300}
"""Rows whose smallest change is computed; 20 of boosted trees, whose programs take
seconds; those of forests take minutes."""


def accuracy(data: str, name: str, cap: float) -> Record:
    """Attack at each size, and prove what can be proved about the rows that were not broken."""
    whole = target(data, name, ROWS)
    sizes = []
    for epsilon in EPSILONS:
        attacked = in_the_box(whole, epsilon, QUERIES)
        left = np.flatnonzero(~attacked.broken)
        robust, lost, seconds = np.zeros(len(whole.x), bool), attacked.broken.copy(), 0.0
        if len(left):
            found, each = proved(whole, epsilon, left)
            robust[left], seconds = found.robust, sum(each)
            lost[left] = whole.breaks(left, found, epsilon)
        sizes.append(
            {
                "epsilon": epsilon,
                "broken": bits(attacked.broken),
                "inside": bool(_inside(whole, attacked, epsilon)),
                "robust": bits(robust),
                "lost": bits(lost),
                "seconds": attacked.seconds / len(whole.x),
                "proof seconds": seconds / max(1, len(left)),
                "queries": attacked.queries,
                "calls": attacked.calls,
            }
        )
    return {"rows": len(whole.x), "sizes": sizes}


def _inside(whole: Target, attacked: Attacked, epsilon: float) -> bool:
    moves = np.abs(attacked.values - whole.x)[attacked.broken]
    return bool((moves <= epsilon * (1 + 1e-9)).all())


def proved(whole: Target, epsilon: float, rows: Positions) -> tuple[Certificate, list[float]]:
    """Prove rows robust within epsilon; return also CPU seconds of each.

    What all rows share, such as reading them, is shared out evenly.
    """
    structure, box = whole.structure, whole.space.box(epsilon)
    with _watched() as searches:
        begun = time.process_time()
        found = certify(
            structure,
            whole.space.reach(box).take(rows),
            whole.frame.iloc[rows],
            whole.truth[rows],
            norm="linf",
            radius=epsilon,
            nodes=NODES,
        )
        spent = time.process_time() - begun
    shared = (spent - sum(searches)) / len(rows)
    searches += [0.0] * (len(rows) - len(searches))  # linear models are not searched
    return found, [shared + search for search in searches]


@contextmanager
def _watched() -> Iterator[list[float]]:
    """Collect the CPU seconds of the search of each row."""
    judge, seconds = Case.judge, []

    def timed(case: Case, radius: float) -> Any:
        begun = time.process_time()
        verdict = judge(case, radius)
        seconds.append(time.process_time() - begun)
        return verdict

    Case.judge = timed  # type: ignore[method-assign]
    try:
        yield seconds
    finally:
        Case.judge = judge  # type: ignore[method-assign]


def certificates(data: str, name: str, cap: float) -> Record:
    """Time proofs at a fixed size; ask ART's clique method about the same rows where it can."""
    whole = target(data, name, FEWER_ROWS if (data, name) == ("mc", "RF") else TIMED_ROWS)
    rows = np.arange(len(whole.x))
    sizes = []
    for epsilon in TIMED:
        found, seconds = proved(whole, epsilon, rows)
        lost = whole.breaks(rows, found, epsilon)
        sizes.append(
            {
                "epsilon": epsilon,
                "seconds": seconds,
                "robust": bits(found.robust),
                "lost": bits(lost),
            }
        )
    record: Record = {"rows": len(rows), "sizes": sizes}
    if (data, name) in (("bc", "XGB"), ("bc", "RF")):
        record["art"] = _clique(whole, CLIQUE_SIZE, cap)
    if (data, name) == ("bc", "XGB"):
        record["art radii"] = _radii(whole, cap)
        centred = target(data, name, ROWS, base_score=0.5)
        record["centred"] = _clique(centred, CLIQUE_SIZE, cap)
        record["centred radii"] = _radii(centred, cap)
    return record


def _clique(whole: Target, epsilon: float, cap: float) -> Record:
    """Ask ART of rows whether nothing within epsilon turns them, and ours of all rows.

    Half of the rows are broken by an attack: there a proof would be wrong.
    """
    attacked = in_the_box(whole, epsilon, QUERIES)
    halves = (np.flatnonzero(attacked.broken), np.flatnonzero(~attacked.broken))
    rows = np.concatenate([half[: CLIQUE_ROWS // 2] for half in halves])
    found, each = proved(whole, epsilon, np.arange(len(whole.x)))
    method = _art_method(whole)
    seconds: list[float] = []
    robust: list[bool] = []
    for row in rows.tolist():
        if sum(seconds) < cap:
            x, y = whole.x[row : row + 1].astype(np.float32), whole.truth[row : row + 1]
            begun = time.process_time()
            _, error = method.verify(x, y, eps_init=epsilon, nb_search_steps=1)
            seconds.append(time.process_time() - begun)
            robust.append(error == 0)
    rows = rows[: len(robust)]
    return {
        "epsilon": epsilon,
        "seconds": seconds,
        "our seconds": each,
        "robust": bits(np.array(robust)),
        "our robust": bits(found.robust[rows]),
        "broken": bits(attacked.broken[rows]),
    }


def _art_method(whole: Target) -> Any:
    """Return ART's clique method for a model of trees."""
    from art.estimators.classification import SklearnClassifier, XGBoostClassifier
    from art.metrics import RobustnessVerificationTreeModelsCliqueMethod

    if whole.name == "XGB":
        model = XGBoostClassifier(whole.model, nb_features=whole.x.shape[1], nb_classes=2)
    else:
        model = SklearnClassifier(whole.model)
    return RobustnessVerificationTreeModelsCliqueMethod(model, verbose=False)


def _radii(whole: Target, cap: float) -> Record:
    """Let ART's clique method and ours look for the largest epsilon that turns nothing."""
    method = _art_method(whole)
    bounds: list[float] = []
    seconds: list[float] = []
    for row in range(min(CLIQUE_ROWS, len(whole.x))):
        if sum(seconds) < cap:
            x, y = whole.x[row : row + 1].astype(np.float32), whole.truth[row : row + 1]
            begun = time.process_time()
            bounds.append(method.verify(x, y, eps_init=FIRST_RADIUS)[0])
            seconds.append(time.process_time() - begun)
    rows = np.arange(len(bounds))
    begun = time.process_time()
    found = _nearest(whole, rows, "linf")
    spent = time.process_time() - begun
    witness = found.witness.to_numpy(dtype=np.float64)
    turned = (whole.model.predict(witness) != whole.truth[rows]) & (witness.min(axis=1) >= 0)
    away = np.abs(witness - whole.x[rows]).max(axis=1)
    return {
        "seconds": seconds,
        "bounds": bounds,
        "our seconds": spent / len(rows),
        "lower": found.lower.tolist(),
        "turned at": np.where(turned & (witness.max(axis=1) <= 1), away, np.inf).tolist(),
    }


def minima(data: str, name: str, cap: float) -> Record:
    """Compare the smallest changes found with the smallest there are."""
    whole = target(data, name, MINIMA_ROWS.get(name, 20))
    found = {f"portfolio {n}": smallest_change(whole, "portfolio", n) for n in PORTFOLIOS}
    lengths: dict[str, Floats] = {key: one.distances(whole) for key, one in found.items()}
    best = np.min([*lengths.values()], axis=0)
    begun = time.process_time()
    exact = _nearest(whole, np.arange(len(whole.x)), "l2", best)
    seconds = time.process_time() - begun
    witness = exact.witness.to_numpy(dtype=np.float64)
    away = np.where(whole.broken(witness), np.linalg.norm(witness - whole.x, axis=1), np.inf)
    return {
        "rows": len(whole.x),
        "lower": exact.lower.tolist(),
        "upper": np.minimum(away, best).tolist(),
        "seconds": seconds / len(whole.x),
        "ours": {key: some.tolist() for key, some in lengths.items()},
    }


def _nearest(whole: Target, rows: Positions, norm: str, upper: Floats | None = None) -> Nearest:
    """Return bounds of the smallest change."""
    return nearest(
        whole.structure,
        whole.space.reach(whole.space.box(np.inf, norm)).take(rows),
        whole.frame.iloc[rows],
        whole.truth[rows],
        norm=norm,
        nodes=NODES,
        upper=upper,
    )
