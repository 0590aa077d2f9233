"""A table as Spark sees it: the same values, types and missing cells as for pandas."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from modelwarden.errors import InputError

if TYPE_CHECKING:
    from modelwarden.tables import Table


@contextmanager
def opened(table: "Table") -> Iterator[Any]:
    """Yield a table as a DataFrame of Spark.

    A session that runs is used, and left running. Otherwise one is started as ``spark-defaults``
    says, on this machine where it says nothing, and stopped afterwards. Rows go through the driver,
    so workers need no access to the file.

    Raises
    ------
    InputError
        If pyspark is not installed, or Spark does not start.
    """
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        fix = "pip install 'modelwarden[spark]', or leave the engine to pandas"
        raise InputError("engine spark", "pyspark", "none", fix) from error
    ours = SparkSession.getActiveSession() is None
    try:
        session = _session(SparkSession)
        frame = session.createDataFrame(_cells(table))
    except (PySparkException, OSError, RuntimeError, TypeError) as error:
        fix = "install Java 17 or later and look at JAVA_HOME"
        raise InputError("engine spark", "Spark that starts", "none", fix) from error
    try:
        yield frame
    finally:
        if ours:
            session.stop()


def _session(spark: Any) -> Any:
    builder = spark.builder.appName("modelwarden")
    for name in ("spark.ui.enabled", "spark.ui.showConsoleProgress"):
        builder = builder.config(name, "false")
    session = builder.config("spark.sql.caseSensitive", "true").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def _cells(table: "Table") -> pa.Table:
    """Return all columns; what pandas calls missing is null, and categories are their values."""
    columns = table.columns_of(table.columns)
    return pa.Table.from_arrays([_plain(column) for column in columns], names=list(table.columns))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    if types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column
