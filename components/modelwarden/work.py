"""What travels beside a check's data: progress. It never reaches a Report."""

from collections.abc import Callable


class Work:
    """How far a long piece of work has come, for whoever watches.

    Parameters
    ----------
    watch : callable(label, done, total), optional
        Called at each step; nothing by default.
    """

    def __init__(self, watch: Callable[[str, int, int], None] | None = None) -> None:
        self._watch = watch

    def step(self, label: str, done: int, total: int) -> None:
        """Say that `done` of `total` steps of `label` are finished."""
        if self._watch is not None:
            self._watch(label, done, total)
