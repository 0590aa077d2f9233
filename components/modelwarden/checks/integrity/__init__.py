"""Integrity: whether a table still looks the way that people wrote down, and as it used to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from modelwarden.checks.integrity.contract import Contract, Kept, keeps
from modelwarden.checks.integrity.data_docs import page
from modelwarden.checks.integrity.expectations import Outcome, evaluate, figure, outcome, quietly
from modelwarden.concerns import ALERT, Concern, detail
from modelwarden.errors import InputError
from modelwarden.reference.contract import Change
from modelwarden.reference.profile import Profile
from modelwarden.report import Figure, Findings, Json, Report, Series
from modelwarden.suites import read_suite
from modelwarden.work import Work

if TYPE_CHECKING:
    from modelwarden.store import File
    from modelwarden.tables import Table

NAMED_FAILURES = 10  # that the report names one by one
LISTED = 100  # expectations and changes that the report lists, the failed ones first


def integrity(
    data: "Table",
    suite: "File | None" = None,
    profile: "File | None" = None,
    sample: "Table | None" = None,
    *,
    target: str = "",
    ignore: str = "",
    engine: str = "pandas",
    work: Work | None = None,
) -> Findings:
    """Hold a table against a Great Expectations suite, the profile of trusted data, or both.

    **The suite** is what people wrote down. An expectation that raises, such as one on a column
    that is not there, has failed. All expectations weigh the same, whatever their ``severity``. The
    report says how many values are unexpected, never which.

    **The profile** is a contract that nobody has to write: columns that are missing, new, renamed,
    moved or of another type; rows that repeat or nearly repeat each other; labels that were never
    seen, and classes whose share changed; columns that all but are the label. A finding names the
    column and the kind of change, never a row.

    Parameters
    ----------
    data : Table
        What is to be trusted.
    suite : File, optional
        An expectation suite as Great Expectations 1.x writes it, in JSON.
    profile : File, optional
        What ``modelwarden profile`` wrote.
    sample : Table, optional
        The sample that it wrote beside it; without it rows are not compared.
    target : str, default=""
        Column of labels; "" leaves labels alone.
    ignore : str, default=""
        Columns that the profile is not held against, such as row numbers, separated by commas.
    engine : {"pandas", "spark"}, default="pandas"
        Which engine of Great Expectations evaluates the suite.
    work : Work, optional
        Told before and after each part.

    Returns
    -------
    Findings
        It fails when an expectation does, or the contract is not kept; with a suite, the page
        ``data_docs``, which is Great Expectations' own.

    Raises
    ------
    InputError
        If there is neither suite nor profile, or what only a profile can answer is asked without
        one; if `suite` is no suite, has no expectations or an unknown one, one without its values
        or with wrong ones, with parameters to fill in, or with what would be executed; if `profile`
        is none, `sample` is another's, or `target` holds no labels.

    Notes
    -----
    Importing Great Expectations takes 3 to 4.5 s of CPU. A hundred expectations then take 0.4 s on
    569 rows of 31 columns, and 6 to 8 s on a million rows of 23. The contract takes no import,
    and 0.2 to 0.3 s on a million rows; 0.15 s more where few columns tell no rows apart.
    """
    work = work or Work()
    if suite is None and profile is None:
        fix = "give what people wrote down, what trusted data looks like, or both"
        raise InputError("integrity", "a suite or a profile", "neither", fix)
    contract = _contract(profile, sample, target, ignore)
    outcomes, docs = _expected(data, suite, engine, work) if suite else ([], b"")
    kept = Kept((), {}, ())
    if contract is not None:
        work.step("contract", 0, 1)
        kept = keeps(data, contract)
        work.step("contract", 1, 1)
    # a column that was renamed explains the expectations that fail on it
    failed = [_sentence(change) for change in kept.changes]
    failed += [str(one) for one in outcomes if not one.success]
    more = [f"and {len(failed) - NAMED_FAILURES} more"] if len(failed) > NAMED_FAILURES else []
    report = Report(
        check="integrity",
        metrics={"rows": data.n_rows, **_counts(outcomes), **kept.metrics},
        failures=(*failed[:NAMED_FAILURES], *more),
        notes=kept.notes,
        details=_details(outcomes, kept.changes),
    )
    return Findings(
        report,
        tables={"data_docs": docs} if suite else {},
        figures=tuple(drawn for drawn in (figure(outcomes), _figure(kept.changes)) if drawn.series),
        pages=("data_docs",) if suite else (),
    )


def _contract(
    profile: "File | None", sample: "Table | None", target: str, ignore: str
) -> Contract | None:
    """Return what data is held against, or refuse questions that need a profile."""
    if profile is not None:
        return Contract.of(Profile.open(profile, sample), sample, target, ignore)
    asked = {"a sample": sample is not None, "a target": bool(target), "ignore": bool(ignore)}
    for what, given in asked.items():
        if given:
            fix = "write one with modelwarden profile, or leave that out"
            raise InputError("integrity", "a profile to hold data against", f"only {what}", fix)
    return None


def _expected(data: "Table", suite: "File", engine: str, work: Work) -> tuple[list[Outcome], bytes]:
    """Return what became of each expectation, the failed ones first, and the page about them."""
    entries = read_suite(suite)
    work.step("expectations", 0, len(entries))
    with quietly():
        validation = evaluate(data, data.frame(), entries, engine)
        found = [outcome(result.to_json_dict()) for result in validation.results]
        docs = page(validation, found, suite.uri.rpartition("/")[2])
    work.step("expectations", len(found), len(found))
    return sorted(found), docs


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    if not outcomes:
        return {}
    failed = sum(not one.success for one in outcomes)
    return {"evaluated_expectations": len(outcomes), "failed_expectations": failed}


def _sentence(change: Change) -> str:
    return f"contract, {change.change}: {f'column {change}' if change.column else change}"


def _details(outcomes: Sequence[Outcome], changes: Sequence[Change]) -> Mapping[str, Json]:
    parts = {
        "expectations": [one.as_json() for one in outcomes[:LISTED]],
        "contract": [
            {"column": one.column, "change": one.change, "words": one.words}
            for one in changes[:LISTED]
        ],
    }
    concerns = [
        *(Concern(", ".join(o.columns), ALERT, str(o)) for o in outcomes if not o.success),
        *(Concern(change.column, ALERT, _sentence(change)) for change in changes),
    ]
    return {**{name: found for name, found in parts.items() if found}, **detail(concerns)}


def _figure(changes: Sequence[Change]) -> Figure:
    counts = Counter(one.change for one in changes)
    kinds = tuple(sorted(counts))
    series = Series("findings", kinds, tuple(float(counts[kind]) for kind in kinds))
    return Figure(
        kind="bars",
        title="Against the profile",
        x_label="",
        y_label="findings",
        series=(series,) if kinds else (),
        caption="What differs from trusted data, by kind; any of it refuses the table.",
    )
