"""A suite, evaluated by Great Expectations: silently, in memory, and without a value of a row."""

import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from modelwarden.errors import InputError
from modelwarden.report import Figure, Json, Series, finite
from modelwarden.suites import Expectation

if TYPE_CHECKING:
    import pandas as pd

    from modelwarden.tables import Table

NAMED = 10  # columns of a kind that an outcome names

_COUNTS = ("element_count", "missing_count", "unexpected_count", "unexpected_percent")
# What these observe is computed from all rows, so it shows none of them
_AGGREGATES = (
    "expect_column_mean_to_be_between",
    "expect_column_proportion_of_non_null_values_to_be_between",
    "expect_column_proportion_of_unique_values_to_be_between",
    "expect_column_stdev_to_be_between",
    "expect_column_unique_value_count_to_be_between",
    "expect_table_column_count_to_be_between",
    "expect_table_column_count_to_equal",
    "expect_table_row_count_to_be_between",
    "expect_table_row_count_to_equal",
)


class Outcome(NamedTuple):
    """What became of one expectation; sorts the failed ones first."""

    success: bool
    expectation: str
    columns: tuple[str, ...]
    evaluated: bool
    observed: tuple[tuple[str, Json], ...]

    def as_json(self) -> dict[str, Json]:
        """Return the outcome for a report."""
        column = ", ".join(self.columns)
        known = {"expectation": self.expectation, "column": column, "success": self.success}
        return {**known, **dict(self.observed)}

    def __str__(self) -> str:
        columns = "columns" if len(self.columns) > 1 else "column"
        subject = f"{columns} {', '.join(self.columns)}" if self.columns else "the table"
        verdict = "does not hold" if self.evaluated else "could not be evaluated"
        return f"expectation {self.expectation} on {subject} {verdict}"


def evaluate(
    table: "Table", frame: "pd.DataFrame", entries: Sequence[Expectation], engine: str
) -> Any:
    """Let Great Expectations judge a table.

    Parameters
    ----------
    table : Table
        What is judged.
    frame : DataFrame
        The same, as pandas has it.
    entries : sequence of Expectation, 1 or more
        What is expected of it.
    engine : {"pandas", "spark"}
        Which of its engines evaluates them.

    Returns
    -------
    ValidationResult
        As Great Expectations returns it: not yet without values of rows; see `outcome`.

    Raises
    ------
    InputError
        If an expectation is unknown, lacks values or has wrong ones, or `engine` is none, or not
        there.
    """
    if engine not in ("pandas", "spark"):
        raise InputError("engine", "pandas or spark", repr(engine))
    expectations = [_expectation(entry) for entry in entries]
    sources, suite = _context().data_sources, _suite(expectations)
    if engine == "pandas":
        return _judged(sources.add_pandas("table"), frame, suite)
    from modelwarden.checks.integrity.spark import opened

    with opened(table) as rows:
        return _judged(sources.add_spark("table"), rows, suite)


@contextmanager
def quietly() -> Iterator[None]:
    """Spare the reader what Great Expectations says: 200 log lines per import, and warnings."""
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _expectation(entry: Expectation) -> Any:
    """Return an expectation, built by itself: a suite as a whole would drop invalid ones."""
    from great_expectations.exceptions.exceptions import GreatExpectationsError
    from great_expectations.expectations.registry import get_expectation_impl

    where, kind = entry.where, entry.kind
    try:
        expectation = get_expectation_impl(kind)(**{**entry.kwargs, "id": None})
    except GreatExpectationsError as error:
        raise InputError(where, "a known type", repr(kind), "correct the name") from error
    except (ValueError, TypeError) as error:
        said = " ".join(str(error).split())[:500]
        raise InputError(f"{where} ({kind})", "right kwargs", said, "correct them") from error
    if expectation.suite_parameter_options:
        raise InputError(f"{where} ({kind})", "values", "a $PARAMETER", "write its value")
    return expectation


def _context() -> Any:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _suite(expectations: list[Any]) -> Any:
    import great_expectations as gx

    return gx.ExpectationSuite("suite", expectations=expectations)


def _judged(source: Any, frame: Any, suite: Any) -> Any:
    asset = source.add_dataframe_asset("table")
    batch = asset.add_batch_definition_whole_dataframe("rows").get_batch({"dataframe": frame})
    counts_only = {"result_format": "BASIC", "partial_unexpected_count": 0}
    return batch.validate(suite, result_format=counts_only)


def outcome(result: Mapping[str, Json]) -> Outcome:
    """Return what is not a value of the table, of one result as JSON."""
    asked, found = result["expectation_config"], result["result"]
    kind, values = asked["type"], asked["kwargs"]
    named = [values[key] for key in ("column", "column_A", "column_B") if key in values]
    allowed = (*_COUNTS, "observed_value") if kind in _AGGREGATES else _COUNTS
    observed = {name: found[name] for name in allowed if finite(found.get(name)) is not None}
    if kind == "expect_table_columns_to_match_set":
        mismatched = found.get("details", {}).get("mismatched", {})
        observed |= {f"{how}_columns": names[:NAMED] for how, names in mismatched.items()}
    # whoever raised left a story for each metric in place of this flag
    evaluated = result["exception_info"].get("raised_exception") is False
    return Outcome(
        success=evaluated and result["success"] is True,
        expectation=kind,
        columns=tuple(named + values.get("column_list", [])),
        evaluated=evaluated,
        observed=tuple(sorted(observed.items())),
    )


def figure(outcomes: Sequence[Outcome]) -> Figure:
    """Return how many expectations of each type hold and fail; no series where there are none."""
    kinds = sorted({outcome.expectation for outcome in outcomes})
    counts = Counter((outcome.expectation, outcome.success) for outcome in outcomes)
    names = tuple(kind.removeprefix("expect_").replace("_", " ") for kind in kinds)
    series = (
        Series(word, names, tuple(float(counts[kind, success]) for kind in kinds))
        for word, success in (("hold", True), ("fail", False))
    )
    return Figure(
        kind="bars",
        title="Expectations",
        x_label="",
        y_label="expectations",
        series=tuple(series) if outcomes else (),
        caption="Every expectation of the suite, by type; one that fails refuses the table.",
    )
