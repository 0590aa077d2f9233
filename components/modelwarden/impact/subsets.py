r"""What players add to a game: a worth that depends on which of them take part.

Here players are training rows and the worth of a subset is how good a model of it is; nothing in
this module knows that, so that games with known values can test it.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pickle import PicklingError

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed

from modelwarden.errors import InputError
from modelwarden.report import finite
from modelwarden.work import Work

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

Worth = Callable[[Mask], float]
"""Tells the worth of a subset, a mask of shape (n_players,); larger is better, never NaN."""


@dataclass(frozen=True)
class Trials:
    r"""Random subsets whose worth was measured, and what follows from them for each player.

    All of its state are four plain values, so that trials can be stored and gone on with: subset
    `t` depends on `seed` and `t` alone, and trials that were interrupted end in the same bits.

    Parameters
    ----------
    n_players : int
        Number of players.
    share : float, default=0.5
        Chance of each player to be in a subset, between 0 and 1. With one half the value is
        Banzhaf's; less makes subsets smaller, hence cheaper and each player's effect larger.
    seed : int, default=0
        Seeds the subsets.
    worth : tuple of float
        Worth of the subsets measured so far.

    References
    ----------
    .. [1] Wang and Jia, "Data Banzhaf: A Robust Data Valuation Framework", AISTATS 2023.
    """

    n_players: int
    share: float = 0.5
    seed: int = 0
    worth: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < (finite(self.share) or 0) < 1:
            raise InputError("share", "a number between 0 and 1", repr(self.share), "0.5 is usual")

    def subset(self, trial: int) -> Mask:
        """Return the mask of subset `trial`, counted from 0."""
        return np.random.default_rng([self.seed, trial]).random(self.n_players) < self.share

    def values(self) -> Floats:
        """Return the mean worth of subsets with each player minus that of subsets without.

        Every subset counts for every player: "maximum sample reuse" [1]_. A player that was in all
        of them or in none gets 0.
        """
        return self._estimate()[0]

    def standard_errors(self) -> Floats:
        """Return the standard error of each value; infinite for a player that got 0 unmeasured."""
        return self._estimate()[1]

    def _estimate(self) -> tuple[Floats, Floats]:
        worth = np.array(self.worth)
        centred = worth - (worth.mean() if len(worth) else 0.0)  # squares of it lose nothing
        sums = np.zeros((2, 3, self.n_players))  # without and with: count, sum, sum of squares
        for trial, value in enumerate(centred):
            inside = self.subset(trial)
            for side, members in zip(sums, (~inside, inside), strict=True):
                side += np.array([1, value, value**2])[:, None] * members
        count, total, square = np.swapaxes(sums, 0, 1)
        known = count.min(axis=0) > 0
        mean = np.divide(total, count, where=known, out=np.zeros_like(total))
        spread = np.maximum(square - count * mean**2, 0)
        variance = np.full_like(total, np.inf)
        np.divide(spread, count * (count - 1), where=count > 1, out=variance)
        return mean[1] - mean[0], np.sqrt(variance.sum(axis=0))


def sample(
    worth: Worth, begun: Trials, count: int, *, jobs: int = 1, work: Work | None = None
) -> Trials:
    """Measure `count` more random subsets.

    Parameters
    ----------
    worth : callable(mask) -> float
        The game; it must pickle for more than one job.
    begun : Trials
        Where to go on, ``Trials(n_players)`` at first. Call again with what is returned, and store
        that between calls, to survive an interruption.
    count : int
        Number of subsets.
    jobs : int, default=1
        Processes.
    work : Work, optional
        Told after each subset.

    Returns
    -------
    Trials
        `begun` with `count` more; what `jobs` was does not show.

    Raises
    ------
    InputError
        If other processes cannot load the game, or die of it.
    """
    done = len(begun.worth)
    masks = (begun.subset(trial) for trial in range(done, done + count))
    more = _measure(worth, masks, jobs, _progress(work, "subsets", done, done + count))
    return Trials(begun.n_players, begun.share, begun.seed, (*begun.worth, *more))


def leave_one_out(
    worth: Worth, n_players: int, *, jobs: int = 1, work: Work | None = None
) -> Floats:
    """Return the worth of all players minus that without each one, shape (n_players,)."""
    everyone = np.arange(n_players)
    masks = (everyone != player for player in everyone)
    step = _progress(work, "rows left out", 0, n_players)
    return worth(everyone >= 0) - np.array(_measure(worth, masks, jobs, step))


def _measure(
    worth: Worth, masks: Iterable[Mask], jobs: int, step: Callable[[int], None]
) -> list[float]:
    found: list[float] = []
    try:
        for value in Parallel(jobs, return_as="generator")(delayed(worth)(mask) for mask in masks):
            found.append(float(value))
            step(len(found))
    except (BrokenExecutor, PicklingError) as error:
        got = f"{type(error).__name__} of {type(worth).__name__}"
        raise InputError("jobs", "what other processes can load", got, "use one job") from error
    return found


def _progress(work: Work | None, label: str, done: int, total: int) -> Callable[[int], None]:
    watched = work or Work()
    return lambda found: watched.step(label, done + found, total)
