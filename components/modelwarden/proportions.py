"""How sure a share is that was counted."""

from scipy.special import betaincinv


def interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion by Clopper and Pearson; it is never too narrow."""
    failed = trials - successes
    low = betaincinv(successes, failed + 1, 0.025) if successes else 0.0
    high = betaincinv(successes + 1, failed, 0.975) if failed else 1.0
    return float(low), float(high)
