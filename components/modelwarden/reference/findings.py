"""What a test of a batch against the reference says."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tested:
    """One test.

    Parameters
    ----------
    test : str
        Its name.
    column : str
        The column, or the columns that it is about; "" for all.
    p : float
        The chance of such a difference, or a larger one, where nothing has changed.
    effect : float
        How large the difference is, in the test's own units.
    words : str
        What was seen, in a sentence without values of single rows.
    """

    test: str
    column: str
    p: float
    effect: float
    words: str
