"""The checks: found by name, imported when they run.

:mod:`modelwarden.catalogue` has their cards; a test holds every card against the signature of its
function. Other packages add checks through the entry-point group ``modelwarden.checks``: each entry
point names a :class:`modelwarden.cards.Card`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from modelwarden.cards import Card
from modelwarden.catalogue import CHECKS
from modelwarden.errors import InputError
from modelwarden.report import Findings

__all__ = ["CHECKS", "card", "cards", "load"]


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
        if (error.name or "").startswith("modelwarden"):
            raise
        extra = card(name).extra
        raise InputError(
            f"check {name}",
            f"the extra [{extra}] to be installed",
            f"no module {error.name}",
            f"pip install 'modelwarden[{extra}]'",
        ) from error
