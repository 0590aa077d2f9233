import hashlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from modelwarden.checks.integrity import integrity
from modelwarden.errors import InputError
from modelwarden.report import canonical
from modelwarden.store import File
from modelwarden.tables import Table
from modelwarden.work import Work

SUITE = Path(__file__).parents[2] / "expectations" / "suites" / "breast_cancer.json"
SUITE_URI = "s3://bucket/suite.json"
SMALL = "id,name,age\n1,Jane Doe,44\n2,John Roe,987654\n3,,\n"


@pytest.fixture
def store(tmp_path):
    """Return a function that makes a File of a text."""

    def write(text, uri="s3://bucket/data.csv"):
        body = text if isinstance(text, bytes) else text.encode()
        digest = hashlib.sha256(body).hexdigest()
        path = tmp_path / digest
        path.write_bytes(body)
        return File(uri, path, digest, len(body))

    return write


@pytest.fixture
def check(store):
    """Return a function that holds a CSV text against expectations."""

    def report(text, *expectations):
        entries = [{"type": kind, "kwargs": kwargs} for kind, kwargs in expectations]
        suite = store(json.dumps({"name": "suite", "expectations": entries}), SUITE_URI)
        return integrity(Table.open(store(text)), suite).report

    return report


@pytest.fixture(scope="module")
def clean():
    frame = load_breast_cancer(as_frame=True).frame
    return frame.rename(columns=lambda name: name.replace(" ", "_"))


@pytest.fixture
def check_cancer(store):
    """Return a function that holds a frame, as CSV, against the suite that people reviewed."""

    def report(frame):
        suite = store(SUITE.read_bytes(), SUITE_URI)
        return integrity(Table.open(store(frame.to_csv(index=False))), suite).report

    return report


def between(column, **bounds):
    return "expect_column_values_to_be_between", {"column": column, **bounds}


# The suite of the demonstration


def test_clean_data_holds(check_cancer, clean):
    report = check_cancer(clean)

    assert report.failures == ()
    assert report.metrics == {
        "rows": 569,
        "evaluated_expectations": 96,
        "failed_expectations": 0,
    }


@pytest.mark.parametrize("seed", range(3))
def test_the_suite_does_not_mistake_a_sample_or_flipped_labels_for_damage(
    check_cancer, clean, seed
):
    sample = clean.sample(frac=0.6, random_state=seed)
    malignant = sample.index[sample["target"] == 0]
    flipped = malignant[: int(0.2 * len(sample))]

    assert check_cancer(sample).failures == ()
    assert (
        check_cancer(
            sample.assign(target=sample["target"].where(~sample.index.isin(flipped), 1))
        ).failures
        == ()
    )


def damaged(clean, how):
    frame = clean.copy()
    if how == "range":
        frame.loc[7, "mean_area"] = 25_010.0
    if how == "infinite":
        frame.loc[7, "mean_area"] = np.inf
    if how == "null":
        frame.loc[7, "worst_radius"] = np.nan
    if how == "label":
        frame.loc[7, "target"] = 2
    if how == "balance":
        frame.loc[frame.index[30:], "target"] = 1
    return frame.head(19) if how == "rows" else frame


@pytest.mark.parametrize(
    ("how", "failure"),
    [
        ("range", "expect_column_values_to_be_between on column mean_area"),
        ("infinite", "expect_column_values_to_be_between on column mean_area"),
        ("null", "expect_column_values_to_not_be_null on column worst_radius"),
        ("label", "expect_column_values_to_be_in_set on column target"),
        ("balance", "expect_column_mean_to_be_between on column target"),
        ("rows", "expect_table_row_count_to_be_between on the table"),
    ],
)
def test_damage_is_named(check_cancer, clean, how, failure):
    report = check_cancer(damaged(clean, how))

    assert f"expectation {failure} does not hold" in report.failures
    assert report.metrics["failed_expectations"] == len(report.failures)


def test_text_in_a_column_of_numbers_is_a_wrong_type(check_cancer, clean):
    frame = clean.astype({"mean_area": object})
    frame.loc[7, "mean_area"] = "large"

    assert check_cancer(frame).failures == (
        "expectation expect_column_values_to_be_between on column mean_area could not be evaluated",
        "expectation expect_column_values_to_be_of_type on column mean_area does not hold",
    )


def test_a_missing_column_fails_whatever_was_expected_of_it(check_cancer, clean):
    report = check_cancer(clean.rename(columns={"mean_area": "mean_aera"}))

    lost = [failure for failure in report.failures if "column mean_area could not be" in failure]
    named = report.details["expectations"][3]
    assert len(lost) == 3
    assert report.metrics["failed_expectations"] == 4
    assert named["expectation"] == "expect_table_columns_to_match_set"
    assert named["missing_columns"] == ["mean_area"]
    assert named["unexpected_columns"] == ["mean_aera"]


# What the report says


def test_the_report_counts_and_never_quotes(check):
    report = check(
        SMALL,
        between("age", max_value=120),
        ("expect_column_values_to_be_in_set", {"column": "name", "value_set": ["Ann"]}),
        ("expect_column_distinct_values_to_be_in_set", {"column": "name", "value_set": ["Ann"]}),
        ("expect_column_max_to_be_between", {"column": "age", "max_value": 120}),
        ("expect_column_min_to_be_between", {"column": "name", "max_value": 120}),
        ("expect_column_median_to_be_between", {"column": "age", "max_value": 44}),
        ("expect_column_most_common_value_to_be_in_set", {"column": "name", "value_set": ["Ann"]}),
        (
            "expect_column_quantile_values_to_be_between",
            {"column": "age", "quantile_ranges": {"quantiles": [1], "value_ranges": [[0, 9]]}},
        ),
        ("unexpected_rows_expectation", {"unexpected_rows_query": "select * from {batch}"}),
    )

    text = canonical(report.as_json()).decode()
    assert report.metrics["failed_expectations"] == 9
    assert not [value for value in ("Jane", "John", "987654", "44") if value in text]


def test_the_report_says_how_many_values_are_unexpected(check):
    report = check(SMALL, between("age", max_value=120))

    assert report.details["expectations"] == [
        {
            "expectation": "expect_column_values_to_be_between",
            "column": "age",
            "success": False,
            "element_count": 3,
            "missing_count": 1,
            "unexpected_count": 1,
            "unexpected_percent": 50.0,
        }
    ]


def test_what_sums_up_all_rows_is_observed(check):
    report = check(SMALL, ("expect_table_row_count_to_equal", {"value": 4}))

    assert report.details["expectations"][0]["observed_value"] == 3


@pytest.mark.parametrize(
    ("expectation", "subject"),
    [
        (("expect_table_row_count_to_equal", {"value": 4}), "the table does not hold"),
        (
            ("expect_column_pair_values_to_be_equal", {"column_A": "id", "column_B": "age"}),
            "columns id, age does not hold",
        ),
        (
            ("expect_multicolumn_sum_to_equal", {"column_list": ["id", "age"], "sum_total": 0}),
            "columns id, age does not hold",
        ),
        (
            ("expect_column_values_to_match_regex", {"column": "name", "regex": "("}),
            "column name could not be evaluated",
        ),
        (between("age", min_value=2, max_value=1), "column age could not be evaluated"),
    ],
)
def test_a_failure_names_its_columns(check, expectation, subject):
    assert check(SMALL, expectation).failures == (f"expectation {expectation[0]} on {subject}",)


def test_names_ten_failures_and_lists_a_hundred_expectations(check):
    wrong = [between("id", min_value=bound) for bound in range(10, 22)]
    right = [between("id", min_value=-bound) for bound in range(100)]

    report = check(SMALL, *right, *wrong)

    listed = [found["success"] for found in report.details["expectations"]]
    assert report.metrics["evaluated_expectations"] == 112
    assert len(report.failures) == 11
    assert report.failures[-1] == "and 2 more"
    assert listed == [False] * 12 + [True] * 88


def test_equal_expectations_count_each(check):
    report = check(SMALL, between("id", min_value=9), between("id", min_value=9))

    assert report.metrics["evaluated_expectations"] == 2
    assert report.metrics["failed_expectations"] == 2


def test_the_order_of_a_suite_changes_nothing(check):
    asked = [
        between("id", min_value=2),
        between("id", min_value=3),
        between("age", min_value=0),
        ("expect_column_to_exist", {"column": "nowhere"}),
        ("expect_table_row_count_to_equal", {"value": 3}),
    ]

    assert canonical(check(SMALL, *asked).as_json()) == canonical(
        check(SMALL, *asked[::-1]).as_json()
    )


def test_the_figure_counts_what_holds_and_what_fails(store):
    entries = [between("id", min_value=bound) for bound in (2, 1, 0)]
    suite = {"expectations": [{"type": kind, "kwargs": kwargs} for kind, kwargs in entries]}

    findings = integrity(Table.open(store(SMALL)), store(json.dumps(suite)))

    hold, fail = findings.figures[0].series
    assert (hold.x, hold.y) == (("column values to be between",), (2.0,))
    assert (fail.x, fail.y) == (("column values to be between",), (1.0,))


def test_progress_reaches_the_end(store):
    steps = []
    work = Work(lambda label, done, total: steps.append((label, done, total)))

    integrity(Table.open(store("target\n0\n")), store(SUITE.read_bytes()), work=work)

    assert steps == [("expectations", 0, 96), ("expectations", 96, 96)]


# Suites that are none


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        (b"", "a JSON document"),
        (b"\xff\xfe", "a JSON document"),
        (b"<Error/>", "a JSON document"),
        (b"[" * 100_000, "a JSON document"),
        (b'{"expectations": [], "expectations": []}', "the key 'expectations' twice"),
        (b'{"expectations": [{"type": "x", "kwargs": {"max_value": NaN}}]}', "NaN, which is not"),
        (b"[]", "a suite with expectations, got none"),
        (b"{}", "a suite with expectations, got none"),
        (b'{"name": "empty", "expectations": []}', "a suite with expectations, got none"),
        (b'{"expectations": {"type": "x"}}', "a suite with expectations, got none"),
        (b'{"expectations": ["x"]}', "expectation 1: expected a type and kwargs"),
        (b'{"expectations": [{"type": "expect_column_to_exist"}]}', "a type and kwargs"),
        (b'{"expectations": [{"expectation_type": "old", "kwargs": {}}]}', "a type and kwargs"),
    ],
)
def test_refuses_a_file_that_is_no_suite(store, suite, message):
    with pytest.raises(InputError, match=message) as caught:
        integrity(Table.open(store(SMALL)), store(suite, SUITE_URI))

    assert caught.value.where.startswith(SUITE_URI)


@pytest.mark.parametrize(
    ("expectation", "message"),
    [
        (("expect_nothing", {}), ": expected a known type, got 'expect_nothing'"),
        (between("id"), "be_between.: expected right kwargs, .*cannot both be None"),
        (between("id", minimum=1), "be_between.: expected right kwargs, .*minimum extra fields"),
        (between("id", min_value="low"), "be_between.: expected right kwargs"),
        (between(7, min_value=1), "be_between.: expected right kwargs, .*str type expected"),
        (between("id", min_value=1, mostly=7), "be_between.: expected right kwargs"),
        (between("id", min_value={"$PARAMETER": "low"}), r"be_between.: .*got a \$PARAMETER"),
    ],
)
def test_refuses_an_expectation_that_great_expectations_would_drop(check, expectation, message):
    with pytest.raises(InputError, match=f"^{SUITE_URI}, expectation 2.*{message}"):
        check(SMALL, between("id", min_value=0), expectation)


@pytest.mark.parametrize(
    "condition",
    [
        {"row_condition": "@pd.io.common.os.mkdir({path!r})", "condition_parser": "pandas"},
        {
            "row_condition": {
                "type": "pass_through",
                "pass_through_filter": "@pd.io.common.os.mkdir({path!r}) == 0",
            }
        },
        {
            "row_condition": {
                "type": "nullity",
                "column": {"name": "id` == 1 or @pd.io.common.os.mkdir({path!r}) or `id"},
                "is_null": False,
            }
        },
    ],
)
def test_a_suite_cannot_run_code(check, tmp_path, condition):
    marker = tmp_path / "code-was-run"
    kwargs = json.loads(json.dumps(condition).replace("{path!r}", f"'{marker}'"))

    with pytest.raises(InputError, match="pandas would execute"):
        check(SMALL, between("id", min_value=0, **kwargs))

    assert not marker.exists()


def test_a_suite_cannot_reach_for_the_network(check):
    schema = {"$ref": "http://127.0.0.1:9/schema.json"}
    expectation = "expect_column_values_to_match_json_schema"

    with pytest.raises(InputError, match="no json_schema, got one; its references"):
        check(SMALL, (expectation, {"column": "name", "json_schema": schema}))


def test_a_fresh_process_stays_silent_and_leaves_nothing_behind(tmp_path, store):
    home = tmp_path / "home"
    home.mkdir()
    data, suite = store(SMALL), store(SUITE.read_bytes())
    program = (
        "import pathlib, sys\n"
        "from modelwarden.checks.integrity import integrity\n"
        "from modelwarden.store import File\n"
        "from modelwarden.tables import Table\n"
        "assert 'great_expectations' not in sys.modules\n"
        "data, suite = (File('', pathlib.Path(p), '', 1) for p in sys.argv[1:])\n"
        "integrity(Table.open(data), suite)\n"
    )
    environment = {**os.environ, "HOME": str(home), "OMP_NUM_THREADS": "1"}

    done = subprocess.run(
        [sys.executable, "-c", program, data.path, suite.path],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(home.iterdir()) == []


def test_great_expectations_logs_warnings_only(check):
    logging.getLogger("great_expectations").setLevel(logging.DEBUG)

    check(SMALL, between("id", min_value=0))

    assert logging.getLogger("great_expectations").level == logging.WARNING
