"""DuckDB, locked up: it reads the files that it is given, and nothing else."""

import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwarden.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import pyarrow as pa

MEMORY_MB = 600
"""What queries may hold before they use the disk; the process needs some 150 MB beside it."""

THREADS = 2
SPILL_GB = 200


class Database:
    """An in-memory DuckDB that can open some files, and no network, extension or other file.

    Use it as a context manager.

    Parameters
    ----------
    paths : sequence of Path
        The files that it may open.
    where : str
        What they are, for messages.
    threads : int, default=2
        Threads of queries.
    memory_mb : int, default=600
        Memory of queries; what does not fit goes to a private directory on disk.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        where: str,
        *,
        threads: int = THREADS,
        memory_mb: int = MEMORY_MB,
    ) -> None:
        duckdb = _duckdb()
        self._where = where
        self._directory = tempfile.TemporaryDirectory(prefix="modelwarden-")
        self._connection = duckdb.connect(
            config={
                "threads": threads,
                "memory_limit": f"{memory_mb}MiB",
                "temp_directory": self._directory.name,
                "max_temp_directory_size": f"{SPILL_GB}GiB",
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_community_extensions": False,
                "python_enable_replacements": False,
            }
        )
        allowed = ", ".join(literal(str(path)) for path in paths)
        for setting in (
            "TimeZone = 'UTC'",
            "enable_progress_bar = false",  # it would write into the answer
            f"allowed_paths = [{allowed}]",
            "enable_external_access = false",
            "lock_configuration = true",  # the last one: none can be taken back
        ):
            self._connection.execute(f"SET {setting}")

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything, on disk too."""
        self._connection.close()
        self._directory.cleanup()

    def run(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query; `values` stand where it has a ``?``."""
        with self._errors():
            rows: list[tuple[Any, ...]] = self._connection.execute(sql, list(values)).fetchall()
        return rows

    def one(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
        """Return the only row of a query."""
        return self.run(sql, values)[0]

    def frame(self, sql: str, values: Sequence[Any] = ()) -> "pd.DataFrame":
        """Return the rows of a query as a frame."""
        with self._errors():
            frame: pd.DataFrame = self._connection.execute(sql, list(values)).df()
        return frame

    def arrow(self, sql: str, schema: "pa.Schema") -> "pa.Table":
        """Return the rows of a query as a table of Arrow with this schema."""
        with self._errors():
            return self._connection.sql(sql).to_arrow_table().cast(schema)

    def register(self, name: str, table: "pa.Table") -> None:
        """Make a table of Arrow a relation."""
        with self._errors():
            self._connection.register(name, table)

    @contextmanager
    def _errors(self) -> "Iterator[None]":
        duckdb = _duckdb()
        try:
            yield
        except duckdb.OutOfMemoryException as error:
            fix = "audit a shorter stretch of time"
            raise InputError(self._where, "a log that fits on disk", "too much", fix) from error
        except duckdb.Error as error:
            fix = "look whether the files are whole; a compressed one may be cut off"
            got = type(error).__name__  # its words may quote the log
            raise InputError(self._where, "a log that can be read", got, fix) from error


def literal(text: str) -> str:
    """Return `text` as a string of SQL, whatever is in it."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return `name` as a name of SQL, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def _duckdb() -> Any:
    try:
        import duckdb
    except ModuleNotFoundError as error:
        fix = "pip install 'modelwarden[checks,logs]'"
        raise InputError("query logs", "the extra [logs]", "no module duckdb", fix) from error
    return duckdb
