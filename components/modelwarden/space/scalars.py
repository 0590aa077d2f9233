"""Names and values as the strict reader of YAML reads them back: :mod:`modelwarden.documents`."""

import json
import re
from collections.abc import Iterable

import yaml

from modelwarden.space.points import LARGEST

_PLAIN = re.compile(r"[A-Za-z_]\w*(?: \w+)*", re.ASCII)
_WORDS = ("true", "false", "null")  # which are no text without quotes
_LONGEST_KEY = 1000  # characters; YAML wants longer ones marked


def scalar(value: bool | int | float | str) -> str:
    """Return a value on one line; in quotes where it needs them."""
    if not isinstance(value, str):
        return json.dumps(value, allow_nan=False)
    if _PLAIN.fullmatch(value) and value not in _WORDS:
        return value
    quoted: str = yaml.dump(value, default_style='"', allow_unicode=True, width=10**9)
    return quoted.removesuffix("\n")


def sequence(values: Iterable[bool | int | float | str]) -> str:
    """Return values as a list on one line."""
    return f"[{', '.join(map(scalar, values))}]"


def key(name: str, indent: int) -> str:
    """Return a key with its colon, to be indented by so many spaces."""
    text = scalar(name)
    return f"{text}:" if len(text) < _LONGEST_KEY else f"? {text}\n{' ' * indent}:"


def rounded(number: float) -> float | int:
    """Return six digits of a number from 1 / LARGEST to LARGEST, and stay within."""
    short = min(max(float(f"{number:.6g}"), 1 / LARGEST), LARGEST)
    return int(short) if short.is_integer() and short < 1e6 else short


def whole(number: float) -> float | int:
    """Return an integer where a number is one, and floats tell it from its neighbours."""
    return int(number) if number.is_integer() and abs(number) <= 2.0**53 else number
