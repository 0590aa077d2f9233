"""The profile of a table: small, without rows, and enough to hold later batches against."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modelwarden.documents import read_json
from modelwarden.errors import InputError
from modelwarden.report import canonical

if TYPE_CHECKING:
    from modelwarden.store import File
    from modelwarden.tables import Table

_Count = Annotated[int, Field(ge=0)]
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class ColumnProfile(_Strict):
    """One column.

    Parameters
    ----------
    name, type : str
        Its name, and the type of its cells, such as ``double``.
    kind : {"number", "flag", "time", "text"}
        How it is compared; times are seconds since 1970.
    missing : int
        Rows without a value; NaN and infinities count.
    distinct : int
        Different values; -1 for more than were counted.
    low, high, mean, deviation : float
        Of numbers and times; 0 where there are none.
    whole : bool
        Whether all numbers are whole.
    values : mapping of str to int
        How often the values of flags and texts occur, where five rows or more share one.
    """

    name: str
    type: str
    kind: Literal["number", "flag", "time", "text"]
    missing: _Count
    distinct: Annotated[int, Field(ge=-1)]
    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0
    deviation: Annotated[float, Field(ge=0)] = 0.0
    whole: bool = False
    values: dict[str, _Count] = {}


class Profile(_Strict):
    """A table, as it was trusted.

    Parameters
    ----------
    rows : int
        Rows of the table.
    source : str
        SHA-256 of the table.
    sample : str
        SHA-256 of the sample of its rows, which is a file of its own.
    columns : tuple of ColumnProfile
        In the table's order.
    """

    version: Literal[1] = 1
    rows: Annotated[int, Field(ge=1)]
    source: _Digest
    sample: _Digest
    columns: tuple[ColumnProfile, ...]

    @property
    def by_name(self) -> Mapping[str, ColumnProfile]:
        """Return the columns by name."""
        return {column.name: column for column in self.columns}

    @classmethod
    def beside(cls, file: "File", sample: "Table") -> "Profile":
        """Read the profile of `file`, whose sample must be `sample`.

        Raises
        ------
        InputError
            If it is no profile, or the sample of another one was given.
        """
        known = cls.parse(file.path.read_bytes(), file.uri)
        if known.sample != sample.sha256:
            expected, fix = f"the sample of {file.uri}", "give the one that was written beside it"
            raise InputError(sample.uri, expected, "another table", fix)
        return known

    def as_bytes(self) -> bytes:
        """Return the profile as a JSON document; `open` undoes it."""
        return canonical(self.model_dump(mode="json"))

    @classmethod
    def parse(cls, body: bytes, where: str) -> "Profile":
        """Read a profile, strictly.

        Raises
        ------
        InputError
            If `body` is anything else.
        """
        way_out = "write it with modelwarden profile"
        document = read_json(body, where, InputError)
        if isinstance(document, dict) and isinstance(document.get("columns"), list):
            document["columns"] = tuple(document["columns"])  # JSON has no tuples
        try:
            found = cls.model_validate(document)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            place = ".".join(map(str, problem["loc"]))
            raise InputError(where, "a profile", f"{place}: {problem['msg']}", way_out) from error
        if len(found.by_name) < len(found.columns):
            raise InputError(where, "columns of different names", "one twice", way_out)
        return found
