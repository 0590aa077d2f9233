"""Attacks that together look for the smallest change, each where the others are weak."""

from modelwarden.attacks.boundary_walk import boundary_walk
from modelwarden.attacks.engine import Attack
from modelwarden.attacks.hop_skip_jump import hop_skip_jump
from modelwarden.attacks.score_walk import score_walk
from modelwarden.space.box import Box
from modelwarden.space.points import Floats, Positions

SHARE = 0.4
"""Of the queries, what goes to the attack that needs labels only and suits the norm best."""
FEW = 2500
"""Queries of which the score walk makes the most by itself, unless changed columns are counted."""
LEAST_DIRECTIONS, MOST_DIRECTIONS = 10, 100


def portfolio(
    box: Box,
    truth: Positions,
    pool: Floats,
    pool_labels: Positions,
    *,
    queries: int,
    scored: bool = False,
    seed: int = 0,
) -> dict[str, Attack]:
    """Return the attacks that suit a norm and a model, by name.

    HopSkipJump follows the slope of smooth models. For trees, which have none, the score walk
    follows the scores, and without scores the boundary walk does what labels allow.

    Parameters
    ----------
    box : Box
        Where rows may move, without a radius; its norm is what becomes small.
    truth : ndarray of int, shape (n_rows,)
        True classes.
    pool : ndarray, shape (n_pool, n_columns)
        Rows to start from.
    pool_labels : ndarray of int, shape (n_pool,)
        What the model predicts for them.
    queries : int
        Candidates per row, of all attacks together; some hundreds are the least that helps, about
        6000 the most.
    scored : bool, default=False
        Whether the model gives probabilities, and the victim tells them
        (:class:`.word_swap.Guided`).
    seed : int, default=0
        Seeds everything random.
    """
    near = box, truth, pool, pool_labels
    if scored and queries < FEW and box.norm != "l0":
        return {"score walk": score_walk(*near, queries=queries, seed=seed)}
    some, found = int(SHARE * queries), dict[str, Attack]()
    if box.norm in ("l2", "linf"):
        directions = min(MOST_DIRECTIONS, max(LEAST_DIRECTIONS, some // 24))
        jump = hop_skip_jump(*near, queries=some, directions=directions, seed=seed)
        found["HopSkipJump"] = jump
    if not found or not scored:
        walking = some if scored else queries - (some if found else 0)
        found["boundary walk"] = boundary_walk(*near, queries=walking, seed=seed)
    if scored:
        found["score walk"] = score_walk(*near, queries=queries - some, seed=seed)
    return found
