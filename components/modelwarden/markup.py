"""Markup that every page and figure is made of.

Column names and class labels come from tables that an attacker may have written. So text becomes
markup in one place only: `tag` escapes everything that is not `Markup` already, and shows the
characters that nobody can see, such as those that reverse the direction of reading.
"""

from collections.abc import Iterable
from html import escape

from modelwarden.report import finite

_CHARACTERS = 5000  # that are shown of a text


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def joined(parts: Iterable[Markup]) -> Markup:
    """Return the parts as one piece of markup."""
    return Markup("".join(parts))


def visible(text: str) -> str:
    """Return `text` with what cannot be seen as ``[U+202E]``, cut at 5,000 characters."""
    kept = text[:_CHARACTERS]
    if not kept.isprintable():
        kept = "".join(c if c.isprintable() else f"[U+{ord(c):04X}]" for c in kept)
    cut = len(text) - _CHARACTERS
    return f"{kept}… ({cut:,} more characters)" if cut > 0 else kept


def tag(name: str, /, *children: str, **attributes: str | float) -> Markup:
    """Return one element.

    Parameters
    ----------
    name : str
        Name of the element; ours, never from data.
    *children : str or Markup
        What it holds; everything but `Markup` is escaped.
    **attributes : str or float
        ``class_`` means ``class``, ``aria_label`` means ``aria-label``. Numbers are rounded to
        tenths, texts are escaped, empty ones left off.
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value != ""
    )
    inner = (c if isinstance(c, Markup) else escape(visible(c)) for c in children)
    return Markup(f"<{name}{said}>{''.join(inner)}</{name}>")


def _attribute(value: str | float) -> str:
    return escape(visible(value)) if isinstance(value, str) else f"{round(value, 1) + 0.0:g}"


def number(value: object) -> str:
    """Return a number in four significant digits, or what there is in place of a finite one.

    >>> number(0.93333), number(12345.0), number(1.5e300), number(None)
    ('0.9333', '12,345', '1.5e300', 'undefined')
    """
    known = finite(value)
    if known is None:
        return "undefined" if value is None else str(value)
    if abs(known) < 1e9 and (known.is_integer() or abs(known) >= 1000):
        return f"{known + 0.0:,.0f}"
    return short_power(f"{known:.4g}")


def short_power(text: str) -> str:
    """Return ``1.5e-05`` as ``1.5e-5``."""
    digits, power, exponent = text.partition("e")
    return f"{digits}{power}{int(exponent)}" if power else text
