"""Every error that ModelWarden raises.

::

    ModelWardenError
    |-- InputError (ValueError)        a table, model, suite or option that cannot be used
    |-- PolicyError (ValueError)       a policy or trust file that cannot be used
    |-- EvidenceError                  a statement, key or digest that cannot be trusted
    |-- StoreError (OSError)           storage did not do what was asked
    |   |-- NotFoundError              there is nothing at that URI
    |   `-- ConflictError              something else is already at that URI
    `-- Rejected                       not a fault: the verdict of a check or a policy

The first four are faults; of these only a :class:`StoreError` with ``retryable`` set may go away by
itself. `Rejected` is a verdict and is never retried. The command line exits with ``exit_code``.
Every error pickles: its ``args`` are its constructor's arguments.
"""

from typing import ClassVar


class ModelWardenError(Exception):
    """What went wrong, in four parts.

    Parameters
    ----------
    where : str
        The URI, file, column or option at fault.
    expected : str
        What would have been right.
    got : str
        What came instead.
    fix : str, default=""
        The way out, as an imperative.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, where: str, expected: str, got: str, fix: str = "") -> None:
        Exception.__init__(self, where, expected, got, fix)
        self.where, self.expected, self.got, self.fix = where, expected, got, fix

    def __str__(self) -> str:
        way_out = f"; {self.fix}" if self.fix else ""
        return f"{self.where}: expected {self.expected}, got {self.got}{way_out}"


class InputError(ModelWardenError, ValueError):
    """A table, model, suite or option that cannot be used."""


class PolicyError(ModelWardenError, ValueError):
    """A policy or trust file that cannot be used."""


class EvidenceError(ModelWardenError):
    """A statement, key or digest that cannot be trusted."""

    exit_code = 3


class StoreError(ModelWardenError, OSError):
    """Storage did not do what was asked.

    Parameters
    ----------
    where, expected, got, fix : str
        As in :class:`ModelWardenError`.
    retryable : bool, default=False
        Whether the same call may succeed later.
    """

    exit_code = 4

    def __init__(
        self, where: str, expected: str, got: str, fix: str = "", retryable: bool = False
    ) -> None:
        ModelWardenError.__init__(self, where, expected, got, fix)
        # OSError reads its own meaning into args; BaseException's setter does not
        self.args = (where, expected, got, fix, retryable)
        self.retryable = retryable


class NotFoundError(StoreError):
    """There is nothing at that URI."""


class ConflictError(StoreError):
    """Something else is already at that URI; nothing was overwritten."""


class Rejected(ModelWardenError):  # noqa: N818 - a verdict is not an error
    """A check or a policy said no.

    Parameters
    ----------
    subject : str
        What was judged, usually a URI.
    reasons : tuple of str
        One sentence per reason; never empty.
    evidence : str, default=""
        Where the report or decision is.
    """

    exit_code = 1

    def __init__(self, subject: str, reasons: tuple[str, ...], evidence: str = "") -> None:
        Exception.__init__(self, subject, reasons, evidence)
        self.subject, self.reasons, self.evidence = subject, reasons, evidence

    def __str__(self) -> str:
        see = f" (evidence: {self.evidence})" if self.evidence else ""
        return f"{self.subject}: rejected: {'; '.join(self.reasons)}{see}"
