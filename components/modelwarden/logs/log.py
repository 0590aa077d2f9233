"""The log that a check is handed: one object, or a folder of rotated ones, read as one relation."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from modelwarden.errors import InputError
from modelwarden.folders import Folder, check_number, manifest
from modelwarden.logs import columns, formats, storage
from modelwarden.logs.database import Database, literal

if TYPE_CHECKING:
    from modelwarden.store import File, Store

LINE_BYTES = 12 * 2**20
"""Longer lines are counted as unreadable: 12 MiB."""

HEAD_LINES = 20  # that tell the format of a file

FORMATS = {**formats.FORMATS, **storage.FORMATS}
"""Formats of text by name, besides CSV."""

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


@dataclass(frozen=True)
class Log(Folder):
    """A query log on local disk.

    Parameters
    ----------
    uri : str
        Where it was read.
    names : tuple of str
        Name of each file below `uri`, sorted.
    files : tuple of File
        The files, in the same order.
    sha256 : str
        Digest of the file; of a folder, of the sorted list of (name, SHA-256, size).
    """

    @classmethod
    def fetch(cls, uri: str, store: "Store") -> "Log":
        """Bring an object, or with a ``/`` at its end everything below a prefix, to this machine.

        Raises
        ------
        InputError
            If there are more than 20,000 objects.
        """
        if not uri.endswith("/"):
            file = store.get(uri)
            return cls(uri, (uri.rpartition("/")[2],), (file,), file.sha256)
        places = [place for place in store.list(uri) if not place.endswith("/")]
        check_number(uri, len(places))
        files = tuple(store.get(place) for place in places)
        names = tuple(place.removeprefix(uri) for place in places)
        return cls(uri, names, files, manifest(names, files))

    def part(self, number: int, count: int) -> "Log":
        """Return every `count`-th file, the first of them file `number`."""
        chosen = slice(number, None, count)
        return replace(self, names=self.names[chosen], files=self.files[chosen])

    @contextmanager
    def read(self, format: str = "auto", client: str = "") -> "Iterator[Reading]":  # noqa: A002
        """Open the log as the relation ``log`` of a database.

        Parameters
        ----------
        format : str, default="auto"
            Format of all text files; by default each is told by its first lines.
        client : str, default=""
            Column, key or header that names the client; "" for the format's own.

        Raises
        ------
        InputError
            If `format` is unknown.
        """
        known = ("auto", "csv", *FORMATS)
        if format not in known:
            raise InputError("option format", f"one of {', '.join(known)}", repr(format))
        paths = [file.path for file in self.files]
        with Database(paths, self.uri) as database:
            sources: list[str] = []
            found = Counter[str]()
            groups = _groups(database, self.files, format)
            for kind, group in groups.items():
                found[kind.name or "unknown"] += len(group)
                sources.append(_source(database, f"part_{len(sources)}", kind, group, client))
            tells = frozenset[str]().union(*(_tells(kind, client) for kind in groups))
            every = f"{formats.NOTHING}, NULL::VARCHAR AS deed, NULL::VARCHAR AS object WHERE false"
            view = " UNION ALL BY NAME ".join(f"({select})" for select in [*sources, every])
            database.run(f"CREATE TEMP VIEW log AS {view}")
            yield Reading(database, dict(found), tells)


@dataclass(frozen=True)
class Reading:
    """A log that is open.

    Parameters
    ----------
    database : Database
        It has the relation ``log`` with :data:`modelwarden.logs.formats.COLUMNS`, ``deed`` and
        ``object``; see :mod:`modelwarden.logs.storage`.
    formats : mapping of str to int
        Files of each format.
    tells : frozenset of str
        The canonical columns that any of them fills; all others are the same in every row.
    """

    database: Database
    formats: Mapping[str, int]
    tells: frozenset[str]

    def rejected(self) -> int:
        """Return how many lines the scans so far could not even split: too long, or no UTF-8."""
        tables = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'"
        if not self.database.one(tables)[0]:
            return 0
        lines = "SELECT DISTINCT scan_id, file_id, line FROM reject_errors"
        return int(self.database.one(f"SELECT count(*) FROM ({lines})")[0])


@dataclass(frozen=True)
class _Kind:
    """What files have in common that are read together."""

    name: str
    compression: str = "none"
    columns: tuple[tuple[str, str], ...] = ()  # of CSV and Parquet: names and types


def _groups(database: Database, files: "tuple[File, ...]", asked: str) -> dict[_Kind, list[Path]]:
    groups: dict[_Kind, list[Path]] = {}
    for file in files:
        if file.size:
            groups.setdefault(_kind(database, file.path, asked), []).append(file.path)
    return groups


def _kind(database: Database, path: Path, asked: str) -> _Kind:
    with path.open("rb") as source:
        magic = source.read(4)
    if magic == b"PAR1":
        described = database.run(f"DESCRIBE SELECT * FROM {_parquet([path])}")
        return _Kind("parquet", columns=tuple((row[0], row[1]) for row in described))
    compression = next((name for start, name in _MAGIC.items() if magic.startswith(start)), "none")
    if asked not in ("auto", "csv"):
        return _Kind(asked, compression)
    relation = _lines([path], compression, store_rejects=False)
    lines = [row[0] for row in database.run(f"SELECT line FROM {relation} LIMIT {HEAD_LINES}")]
    name = formats.recognise(lines, FORMATS) if asked == "auto" else ""
    if name or not lines:
        return _Kind(name, compression)
    header = _header(lines[0])
    if columns.roles(header, "") and len({name.lower() for name in header}) == len(header):
        return _Kind("csv", compression, tuple((name, "VARCHAR") for name in header))
    return _Kind("", compression)


def _header(line: str) -> list[str]:
    """Return the names in the first line of CSV; nameless columns, such as an index, get one."""
    try:
        names = next(csv.reader([line.removeprefix("\ufeff")]))
    except csv.Error:
        return []
    return [name or f"column {number}" for number, name in enumerate(names, 1)]


def _source(database: Database, view: str, kind: _Kind, paths: list[Path], client: str) -> str:
    """Make the view of files of one kind; return the SELECT that makes canonical rows of it."""
    if kind.name == "parquet":
        relation = _parquet(paths)
    elif kind.name == "csv":
        relation = _table(paths, kind)
    else:
        relation = _lines(paths, kind.compression, store_rejects=True)
    database.run(f"CREATE TEMP VIEW {view} AS SELECT * FROM {relation}")
    if kind.columns:
        return columns.select(view, dict(kind.columns), client)
    if kind.name:
        return FORMATS[kind.name].select(view, client)
    return f"{formats.NOTHING} FROM {view}"


def _tells(kind: _Kind, client: str) -> frozenset[str]:
    if kind.columns:
        names = [name for name, _ in kind.columns]
        played = columns.roles(names, client)
        left = ["features"] if set(names) - set(played.values()) else []
        return frozenset([*played, *left])
    return frozenset(FORMATS[kind.name].tells) if kind.name else frozenset()


def _listed(paths: list[Path]) -> str:
    return "[" + ", ".join(literal(str(path)) for path in paths) + "]"


def _parquet(paths: list[Path]) -> str:
    return f"read_parquet({_listed(paths)})"


_TEXT = (
    "auto_detect = false, ignore_errors = true, compression = {compression}, "
    f"max_line_size = {LINE_BYTES}, buffer_size = {2 * LINE_BYTES}"
)


def _lines(paths: list[Path], compression: str, *, store_rejects: bool) -> str:
    """Return a relation with one column; blank lines are left out.

    A line ends at U+0001, which stands for a separator of columns and which no format writes.
    """
    text = _TEXT.format(compression=literal(compression))
    return (
        f"(FROM read_csv({_listed(paths)}, columns = {{'line': 'VARCHAR'}}, header = false, "
        f"delim = '\x01', quote = '', escape = '', strict_mode = false, "
        f"store_rejects = {store_rejects}, {text}) WHERE line IS NOT NULL)"
    )


def _table(paths: list[Path], kind: _Kind) -> str:
    named = ", ".join(f"{literal(name)}: 'VARCHAR'" for name, _ in kind.columns)
    text = _TEXT.format(compression=literal(kind.compression))
    return (
        f"read_csv({_listed(paths)}, columns = {{{named}}}, header = true, delim = ',', "
        f"quote = '\"', escape = '\"', store_rejects = true, {text})"
    )
