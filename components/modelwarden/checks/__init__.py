"""The checks, as a table of contents that costs nothing to import.

A card tells the rest of the house what a check reads, how it may be asked and what it measures, so
that policies, the gate and the skins need none of the libraries that the check itself needs. A test
holds every card against the signature of its function.

Other packages add checks through the entry-point group ``modelwarden.checks``: each entry point
names a :class:`Card`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from modelwarden.errors import InputError
from modelwarden.report import Findings, Json

REQUIRED = ...
"""Stands for the default of an option that has none."""


@dataclass(frozen=True)
class Card:
    """What the rest of the house knows of a check.

    Parameters
    ----------
    function : str
        ``"module:function"``; imported when the check runs, never before.
    summary : str
        One line for ``--help``.
    inputs : mapping of str to {"table", "model", "file"}
        What is left of ``*``; the first is the subject that the statement is about.
    options : mapping of str to JSON
        What is right of ``*``, with defaults; `REQUIRED` where there is none.
    metrics : mapping of str to str
        What a policy may speak about, with its unit and meaning.
    tables : tuple of str, default=()
        Tables that the check writes. Data that passed a filter is called ``kept``.
    extra : str, default="checks"
        The extra that installs what the check needs.
    """

    function: str
    summary: str
    inputs: Mapping[str, str]
    options: Mapping[str, Json]
    metrics: Mapping[str, str]
    tables: tuple[str, ...] = ()
    extra: str = "checks"

    @property
    def subject(self) -> str:
        """Return the name of the input that the statement is about."""
        return next(iter(self.inputs))

    @property
    def about_model(self) -> bool:
        """Whether the check speaks about a model, not about data."""
        return "model" in self.inputs


CHECKS: Mapping[str, Card] = {
    "integrity": Card(
        function="modelwarden.checks.integrity:integrity",
        summary="Hold a table against a Great Expectations suite.",
        inputs={"data": "table", "suite": "file"},
        options={},
        metrics={
            "rows": "rows of the table",
            "evaluated_expectations": "expectations that were evaluated",
            "failed_expectations": "expectations that do not hold, those that raised included",
        },
        extra="gx",
    ),
    "roni": Card(
        function="modelwarden.checks.roni:roni",
        summary="Reject training rows with a negative impact (RONI).",
        inputs={"train": "table", "trusted": "table"},
        options={"target": REQUIRED, "alpha": 0.05, "max_rejected": 0.25, "seed": 0},
        metrics={
            "rows": "submitted rows",
            "rejected_rows": "rows that were rejected",
            "rejected_fraction": "rejected over submitted rows, 0 to 1",
            "accuracy_before": "trusted accuracy with all rows, 0 to 1",
            "accuracy_after": "trusted accuracy without the rejected rows, 0 to 1",
            "accuracy_random": "trusted accuracy without as many random rows, 0 to 1",
        },
        tables=("kept", "quarantine"),
    ),
    "evasion": Card(
        function="modelwarden.checks.evasion:evasion",
        summary="Attack a model with small perturbations.",
        inputs={"model": "model", "evaluation": "table"},
        options={"target": REQUIRED, "epsilon": 0.1, "rows": 300, "queries": 400, "seed": 0},
        metrics={
            "rows": "rows that were evaluated",
            "accuracy": "accuracy on the rows as they are, 0 to 1",
            "accuracy_low": "lower end of its 95 % interval",
            "robust_accuracy": "accuracy under attack at epsilon, 0 to 1: an upper bound",
            "robust_accuracy_low": "lower end of its 95 % interval",
        },
    ),
    "model_file": Card(
        function="modelwarden.checks.model_file:model_file",
        summary="Refuse a model file that could execute code.",
        inputs={"model": "file"},
        options={},
        metrics={
            "unsafe_globals": "names in the file that are not on the allow-list",
            "loads": "1 when the file loads as a classifier, else 0",
        },
    ),
}


@cache
def cards() -> Mapping[str, Card]:
    """Return every check: ours, and those of installed packages. Ours cannot be replaced."""
    others = {point.name: point.load() for point in entry_points(group="modelwarden.checks")}
    return {**others, **CHECKS}


def card(name: str) -> Card:
    """Return the card of a check, or say which checks there are."""
    if name not in cards():
        known = ", ".join(sorted(cards()))
        raise InputError("check", f"one of {known}", repr(name), "correct the name")
    return cards()[name]


def load(name: str) -> Callable[..., Findings]:
    """Import a check's function."""
    module, _, function = card(name).function.partition(":")
    try:
        return getattr(import_module(module), function)  # type: ignore[no-any-return]
    except ModuleNotFoundError as error:
        extra = card(name).extra
        raise InputError(
            f"check {name}",
            f"the extra [{extra}] to be installed",
            f"no module {error.name}",
            f"pip install 'modelwarden[{extra}]'",
        ) from error
