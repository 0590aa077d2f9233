"""The attacks of this project and those of others, on the same rows of the same model."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from robustness_data import Asked, OutOfTime, Target

from modelwarden.attacks.box_search import box_search
from modelwarden.attacks.engine import Attack, Outcome, Victim, run, shrink
from modelwarden.attacks.hop_skip_jump import hop_skip_jump
from modelwarden.attacks.one_pixel import one_pixel
from modelwarden.attacks.portfolio import portfolio
from modelwarden.attacks.starts import Neighbours
from modelwarden.attacks.word_swap import Guided
from modelwarden.space.box import Box
from modelwarden.space.points import Floats, Mask

CLASSES = {"bc": 2, "mc": 2, "digits": 10, "digits28": 10}


@dataclass(frozen=True)
class Attacked:
    """What an attack came to.

    Parameters
    ----------
    values : ndarray, shape (n_rows, n_columns)
        Where it ended, one for each row; the row itself where it failed.
    broken : ndarray of bool, shape (n_rows,)
        Whether that is within bounds and has another label, asked anew.
    seconds : float
        CPU seconds, of all rows.
    queries : float
        Rows that the model was asked about, per row.
    calls : int
        Predict calls, for all rows.
    """

    values: Floats
    broken: Mask
    seconds: float
    queries: float
    calls: int

    def distances(self, target: Target) -> Floats:
        """Return Euclidean lengths, infinite where the attack failed."""
        lengths = np.linalg.norm(self.values - target.x[: len(self.values)], axis=1)
        return np.where(self.broken, lengths, np.inf)


def measured(work: Callable[[Asked], Floats], target: Target, seconds: float = np.inf) -> Attacked:
    """Let an attack work on the rows of a target."""
    asked = Asked(target.model, seconds)
    begun = time.process_time()
    values = work(asked)
    spent = time.process_time() - begun
    n_rows = len(target.x)
    return Attacked(values, target.broken(values), spent, asked.rows / n_rows, asked.calls)


# --- ours -----------------------------------------------------------------------------------------


def free_box(x: Floats, norm: str, *, radius: float = np.inf, step: float = 0.0) -> Box:
    """Return the box in which all columns move within 0 and 1."""
    n_columns = x.shape[1]
    return Box(
        origin=x,
        low=np.zeros_like(x),
        high=np.ones_like(x),
        step=np.full(n_columns, step),
        unit=np.ones(n_columns),
        codes=np.zeros(n_columns, dtype=np.intp),
        group=np.arange(n_columns),
        norm=norm,
        radius=radius,
    )


def victim(target: Target, asked: Asked, kind: type[Victim] = Victim) -> Victim:
    """Return the model as attacks see it."""
    return kind(
        target.truth, lambda some: asked.labels(some.values), lambda some: asked.shares(some.values)
    )


def smallest_change(target: Target, name: str, queries: int) -> Attacked:
    """Look for the smallest Euclidean change with HopSkipJump, or with the portfolio."""

    def work(asked: Asked) -> Floats:
        box = free_box(target.x, "l2")
        near = (box, target.truth, target.pool, asked.labels(target.pool))
        if name == "HopSkipJump":  # by labels only, as ART's
            attacks, kind = {name: hop_skip_jump(*near, queries=queries)}, Victim
        else:
            attacks, kind = portfolio(*near, queries=queries, scored=True), Guided
        return _shrunk(attacks, victim(target, asked, kind), box, queries).values

    return measured(work, target)


def _shrunk(attacks: dict[str, Attack], victim: Victim, box: Box, queries: int) -> Outcome:
    rows = np.arange(len(box.origin))
    return shrink(
        attacks,
        victim,
        box.origin,
        rows,
        budget=queries,
        allowed=box.contains,
        distance=box.distance,
    )


def in_the_box(target: Target, epsilon: float, queries: int) -> Attacked:
    """Look for another label within epsilon of each column; the pool's labels are known, as the
    check knows those of its rows."""
    labels = np.asarray(target.model.predict(target.pool)).astype(np.intp)

    def work(asked: Asked) -> Floats:
        box = target.space.box(epsilon, "linf")
        attack = box_search(box, target.truth, target.pool, labels, queries=queries)
        return _run({"box search": attack}, victim(target, asked), box, queries).values

    return measured(work, target)


def _run(attacks: dict[str, Attack], victim: Victim, box: Box, queries: int) -> Outcome:
    rows = np.arange(len(box.origin))
    return run(attacks, victim, box.origin, rows, budget=queries, allowed=box.contains)


def one_of_the_pixels(target: Target) -> tuple[Attacked, str]:
    """Change one pixel, to any of 17 levels; return also what that promises."""
    coverage = []

    def work(asked: Asked) -> Floats:
        box = free_box(target.x, "l0", radius=1.0, step=1 / 16)
        attack = one_pixel(box)
        coverage.append(attack.coverage)
        attacks: dict[str, Attack] = {"one pixel": attack}
        return _run(attacks, victim(target, asked), box, attack.queries).values

    return measured(work, target), coverage[0]


# --- others ---------------------------------------------------------------------------------------


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, which others draw from, and put it back."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


def art_hop_skip_jump(target: Target, row: int) -> Attacked:
    """Let ART attack one row; it attacks rows one by one, so nothing is lost by asking so."""
    from art.attacks.evasion import HopSkipJump
    from art.estimators.classification import BlackBoxClassifier

    one = target.row(row)

    def work(asked: Asked) -> Floats:
        model = BlackBoxClassifier(
            asked.shares, one.x[0].shape, CLASSES[one.data], clip_values=(0.0, 1.0)
        )
        attack = HopSkipJump(model, batch_size=1_000_000, norm=2, verbose=False)
        with seeded(row):
            return np.asarray(attack.generate(one.x.astype(np.float32)), dtype=np.float64)

    return measured(work, one)


def art_pixel(target: Target, row: int, side: int) -> Attacked:
    """Let ART change one pixel of one row, with differential evolution."""
    from art.attacks.evasion import PixelAttack
    from art.estimators.classification import BlackBoxClassifierNeuralNetwork

    one = target.row(row)

    def work(asked: Asked) -> Floats:
        model = BlackBoxClassifierNeuralNetwork(
            lambda x: asked.shares(x.reshape(len(x), -1)),
            (side, side, 1),
            CLASSES[one.data],
            channels_first=False,
            clip_values=(0.0, 1.0),
        )
        attack = PixelAttack(model, th=1, es=1, verbose=False)
        image = one.x.astype(np.float32).reshape(1, side, side, 1)
        with seeded(row):
            found = attack.generate(image, one.truth)
        return np.asarray(found, dtype=np.float64).reshape(1, -1)

    return measured(work, one)


def foolbox_hop_skip_jump(target: Target, seconds: float) -> Attacked | None:
    """Let Foolbox attack all rows at once, from the starts that ours begin with; None if too slow.

    It takes as many steps of as many directions as ART does.
    """
    import eagerpy as ep
    from foolbox import NumPyModel
    from foolbox.attacks import HopSkipJumpAttack

    box = free_box(target.x, "l2")
    rows = np.arange(len(target.x))
    labels = np.asarray(target.model.predict(target.pool)).astype(np.intp)
    starts = target.pool[Neighbours(box, target.pool, labels).of(rows, target.truth)[:, 0]]

    def work(asked: Asked) -> Floats:
        model = NumPyModel(lambda x: asked.shares(x).astype(np.float32), bounds=(0, 1))
        attack = HopSkipJumpAttack(steps=50)
        x = ep.NumPyTensor(target.x.astype(np.float32))
        points = ep.NumPyTensor(starts.astype(np.float32))
        with seeded(0):
            found = attack.run(model, x, ep.NumPyTensor(target.truth), starting_points=points)
        return np.asarray(found.numpy(), dtype=np.float64)

    try:
        return measured(work, target, seconds)
    except OutOfTime:
        return None
