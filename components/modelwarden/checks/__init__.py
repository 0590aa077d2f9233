"""The checks: found by name, imported when they run.

:mod:`modelwarden.catalogue` has their cards; a test holds every card against the signature of its
function. Other packages add checks through the entry-point group ``modelwarden.checks``: each entry
point names a :class:`modelwarden.cards.Card`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from modelwarden.cards import Card
from modelwarden.catalogue import CHECKS
from modelwarden.errors import InputError
from modelwarden.report import Findings

if TYPE_CHECKING:
    from modelwarden.blocks import Blocks

__all__ = ["CHECKS", "card", "cards", "load", "load_split"]


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
    return _function(name, card(name).function)  # type: ignore[no-any-return]


def load_split(name: str) -> "Callable[..., Blocks]":
    """Import the function that cuts a check into blocks."""
    if not card(name).split:
        shared = ", ".join(sorted(other for other, known in cards().items() if known.split))
        raise InputError("check", f"one that is done in blocks: {shared}", repr(name))
    return _function(name, card(name).split)  # type: ignore[no-any-return]


def _function(name: str, where: str) -> Any:
    module, _, function = where.partition(":")
    try:
        return getattr(import_module(module), function)
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
