"""Space files: what an attacker may change, as people write it down."""

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from modelwarden.documents import MAX_DOCUMENT, read_yaml
from modelwarden.errors import InputError, PolicyError
from modelwarden.space.formula import Formula, relation, repair
from modelwarden.space.points import LARGEST

if TYPE_CHECKING:  # the store brings boto3, which reading a document does not need
    from modelwarden.store import File

Cell = bool | int | float | str

_EXPECTED = {  # what pydantic says in its own words, or in a hundred digits
    "model_type": "keys with values",
    "dict_type": "keys with values",
    "list_type": "a list",
    "string_type": "text; write it in quotes",
    "too_short": "a list that is not empty",
    "string_too_long": "at most {max_length} characters",
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
    "greater_than": "above {gt:g}",
}

_Size = Annotated[FiniteFloat, Field(ge=1 / LARGEST, le=LARGEST)]
_Text = Annotated[str, Field(max_length=1000)]


class ColumnRule(BaseModel):
    """What may happen to one column.

    Parameters
    ----------
    least, most : float, optional
        Bounds of the column; the range of the table where they are left out. A value beyond them
        may come back, and go no further.
    by : float, optional
        How far each row may move at most, in the column's own unit.
    by_share : float, optional
        The same as a share of the row's own value: 0.1 is ten per cent.
    direction : {"up", "down"}, optional
        The only way that numbers may go.
    step : float, optional
        Rows move by whole multiples of it; 1 for integers.
    scale : float, optional
        One unit of epsilon; the interquartile range where it is left out.
    cost : float, default=1 for numbers, 0 for categories
        Units of epsilon that one scale, or another category, uses up.
    values : list, optional
        Categories that a row may change to; it makes a column of text, categories or truth values
        movable.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    least: FiniteFloat | None = None
    most: FiniteFloat | None = None
    by: FiniteFloat | None = Field(default=None, ge=0)
    by_share: FiniteFloat | None = Field(default=None, ge=0)
    direction: Literal["up", "down"] | None = None
    step: _Size | None = None
    scale: _Size | None = None
    cost: FiniteFloat | None = Field(default=None, ge=0, le=1e6)
    values: list[Cell] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _is_one_kind(self) -> "ColumnRule":
        of_numbers = ("least", "most", "by", "by_share", "direction", "step", "scale")
        if self.values is not None and any(getattr(self, name) is not None for name in of_numbers):
            raise ValueError("values, or bounds of a number, not both")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError("least must not be above most")
        if self.values is None and self.cost is not None and self.cost < 1e-6:
            raise ValueError("numbers need a cost of 0.000001 or more")
        return self


class Image(BaseModel):
    """Columns that are pixels, row by row, in the table's order.

    Parameters
    ----------
    height, width : int
    channels : int, default=1
        Columns per pixel, which stand side by side and count as one.
    levels : int, optional
        How many values a pixel can take, evenly from the least to the most; any where left out.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    height: PositiveInt
    width: PositiveInt
    channels: PositiveInt = 1
    levels: int | None = Field(default=None, ge=2)


class Text(BaseModel):
    """How words may change.

    Parameters
    ----------
    synonyms : mapping of str to list of str
        What may stand for a word, in lower case.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    synonyms: dict[str, list[str]] = {}


class Rules(BaseModel):
    """A space file.

    Parameters
    ----------
    version : {1}
    others : {"free", "fixed"}, default="free"
        What happens to columns that are not named: numbers move within the table's range, or
        nothing moves.
    fixed : list of str
        Columns that nobody can change.
    columns : mapping of str to ColumnRule
        The others.
    max_changed : int, optional
        How many columns may change at once; those that a repair computes count too.
    one_hot : mapping of str to list of str
        Columns of 0 and 1 of which exactly one is 1, by the name of what they say.
    relations : list of str
        What has to hold, such as ``total >= open`` or ``a + 2 * b <= 10``. Of rows for which one
        does not hold as they are, it is not asked.
    repairs : list of str
        What is computed, such as ``total = used + free``, in this order.
    image : Image, optional
    text : Text, optional
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    version: Annotated[int, Field(ge=1, le=1)]  # Literal[1] would take true
    others: Literal["free", "fixed"] = "free"
    fixed: list[str] = []
    columns: dict[str, ColumnRule] = {}
    max_changed: PositiveInt | None = None
    one_hot: dict[str, list[str]] = {}
    relations: list[_Text] = []
    repairs: list[_Text] = []
    image: Image | None = None
    text: Text | None = None

    @classmethod
    def read(cls, file: "File") -> "Rules":
        """Read a space file, YAML or JSON.

        Raises
        ------
        InputError
            If it is none, says something twice, or says what cannot be.
        """
        with file.path.open("rb") as stream:
            return cls.parse(stream.read(MAX_DOCUMENT + 1), file.uri)

    @classmethod
    def parse(cls, body: bytes, where: str) -> "Rules":
        """Read the text of a space file as :meth:`read` does; `where` is its URI, for errors."""
        try:
            return cls.model_validate(read_yaml(body, where))
        except PolicyError as error:
            raise InputError(where, "a space file (YAML or JSON)", error.got) from error
        except ValidationError as error:
            raise _invalid(error, where) from error

    @model_validator(mode="after")
    def _says_each_thing_once(self) -> "Rules":
        members = [name for names in self.one_hot.values() for name in names]
        _once((*self.fixed, *self.columns, *members), "places")
        _once((formula.target for formula in self.formulas() if formula.target), "repairs")
        if any(len(names) < 2 for names in self.one_hot.values()):
            raise ValueError("a one-hot group has two columns or more")
        if self.image is not None and self.one_hot:
            raise ValueError("an image has pixels, and no one-hot groups")
        return self

    @property
    def named(self) -> set[str]:
        """Return every column that the file names."""
        members = (name for names in self.one_hot.values() for name in names)
        used = (name for formula in self.formulas() for name in formula.weights)
        return {*self.fixed, *self.columns, *members, *used}

    def formulas(self) -> tuple[Formula, ...]:
        """Return relations and repairs, read."""
        return (*map(relation, self.relations), *map(repair, self.repairs))


def _once(names: Iterable[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{name!r} stands in two {where}")
        seen.add(name)


def _invalid(error: ValidationError, where: str) -> InputError:
    """Say the first thing that is wrong, with what may have been meant."""
    found = error.errors(include_url=False)
    first = min(found, key=lambda problem: problem["type"] != "extra_forbidden")  # typos first
    path = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        return _unknown(path, where)
    if first["type"] == "missing":
        got = f"no key {'.'.join(path)!r}"
        return InputError(where, "a space file", got, "write version: 1" * (path == ["version"]))
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        got = f"{'.'.join(path)}: {message}" if path else message
        return InputError(where, "a space file", got)
    if path[2:3] == ["values"] and len(path) > 3:  # else the first kind that a value may have
        path, message = path[:4], "text, a number, true or false"
    message = _EXPECTED.get(first["type"], message).format(**first.get("ctx", {}))
    place = ", ".join([where, *filter(None, [".".join(path)])])
    got = "nothing" if first["input"] is None else repr(first["input"])[:60]
    return InputError(place, message.removeprefix("Input should be "), got)


def _unknown(path: list[str], where: str) -> InputError:
    """Say which key is unknown, and which was meant."""
    models: dict[str, type[BaseModel]] = {"columns": ColumnRule, "image": Image, "text": Text}
    known = list((models.get(path[0], Rules) if len(path) > 1 else Rules).model_fields)
    near = difflib.get_close_matches(path[-1], known, 1)
    fix = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return InputError(where, "a space file", f"the unknown key {'.'.join(path)!r}", fix)
