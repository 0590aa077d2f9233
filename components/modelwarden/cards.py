"""What the house knows of a check without importing it."""

from collections.abc import Mapping
from dataclasses import dataclass

from modelwarden.errors import InputError
from modelwarden.report import Json, finite

TAXONOMIES: Mapping[str, str] = {
    "atlas": "5.6.0",
    "nist_ai_100_2": "E2025",
    "owasp_ml": "2023",
}
"""The versions of MITRE ATLAS, NIST AI 100-2 and OWASP ML that cards quote; ``taxonomy.json`` lists
the ids."""


@dataclass(frozen=True)
class Card:
    """What a check reads, how it may be asked, and what it measures.

    Policies, the gate and the skins need nothing else of a check, so they need none of the
    libraries that the check itself imports.

    Parameters
    ----------
    function : str
        ``"module:function"``; imported when the check runs, never before.
    summary : str
        One line for ``--help``.
    inputs : mapping of str to {"table", "model", "estimator", "file", "log", "bucket"}
        What is left of ``*``; the first is the subject that the statement is about.
    options : mapping of str to JSON or type
        What is right of ``*``, with its default; a type where there is no default.
    metrics : mapping of str to str
        What a policy may speak about, with its unit and meaning.
    words : mapping of str to str
        One line about each input, option and table.
    tables : tuple of str, default=()
        Tables that the check writes. Data that passed a filter is called ``kept``.
    optional : tuple of str, default=()
        Inputs that may be left out, which the function gets as None; never the subject.
    chained : tuple of str, default=()
        Inputs that belong to the model under decision, unless a policy says otherwise. Tables: only
        those that a filter of its chain of data read or wrote. A model: only itself; where it is
        optional, a policy demands it with the word ``model``.
    extra : str, default="checks"
        The extra that installs what the check needs.
    risks : tuple of str, default=()
        What the check looks for, as ids of the `TAXONOMIES`.
    split : str, default=""
        ``"module:function"`` that takes what the check takes, and returns it as
        :class:`modelwarden.blocks.Blocks`; "" for a check that many machines cannot share.

    Raises
    ------
    InputError
        If a name stands for two things, or an input that is not there, or the subject, is listed as
        optional or chained.
    """

    function: str
    summary: str
    inputs: Mapping[str, str]
    options: Mapping[str, Json]
    metrics: Mapping[str, str]
    words: Mapping[str, str]
    tables: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    chained: tuple[str, ...] = ()
    extra: str = "checks"
    risks: tuple[str, ...] = ()
    split: str = ""

    def __post_init__(self) -> None:
        where, names = f"card of {self.function}", [*self.inputs, *self.options, *self.tables]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(where, "one meaning for each name", f"two for {twice}")
        for name in (*self.optional, *self.chained):
            if name not in self.inputs or name == self.subject:
                raise InputError(where, "inputs besides the subject", name)

    @property
    def subject(self) -> str:
        """Return the name of the input that the statement is about."""
        return next(iter(self.inputs))

    @property
    def about_model(self) -> bool:
        """Whether the check speaks about a model, not about data."""
        return "model" in self.inputs

    def ask(self, options: Mapping[str, Json]) -> dict[str, Json]:
        """Return every option with its right type, defaults filled in.

        Templates render numbers as text and Kubeflow sends integers as floats; both are read back
        as what the default says they are.

        Raises
        ------
        InputError
            If an option is unknown, missing or of the wrong type.
        """
        unknown = sorted(set(options) - set(self.options))
        if unknown:
            known = ", ".join(self.options) or "no options"
            raise InputError(f"option {unknown[0]}", f"one of: {known}", "an unknown name")
        return {name: self.option(name, options) for name in self.options}

    def option(self, name: str, options: Mapping[str, Json]) -> Json:
        """Return one option out of `options` with its right type, or its default."""
        default = self.options[name]
        if name in options:
            return _typed(name, options[name], default)
        if isinstance(default, type):
            raise InputError(f"option {name}", f"a value ({default.__name__})", "nothing")
        return default


def _typed(name: str, value: Json, default: Json) -> Json:
    kind = default if isinstance(default, type) else type(default)
    if kind is str and isinstance(value, str) and (value or not isinstance(default, type)):
        return value
    if kind is bool and isinstance(value, bool):
        return value
    number = _number(value) if kind in (int, float) else None
    if kind is float and number is not None:
        return number
    if kind is int and number is not None and number == int(number):
        return int(number)
    raise InputError(f"option {name}", f"a value of type {kind.__name__}", repr(value))


def _number(value: Json) -> float | None:
    if not isinstance(value, str):
        return finite(value)
    try:
        return finite(float(value))
    except ValueError:
        return None
