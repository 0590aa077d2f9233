"""What OpenLineage hears of a check."""

import jsonschema
import pytest

from modelwarden.airflow_lineage import assertion, dataset, lineage
from modelwarden.airflow_operators import IntegrityOperator
from modelwarden.airflow_results import summary
from modelwarden.checks import card

# DataQualityAssertionsDatasetFacet 1-1-0 of the OpenLineage specification
ASSERTION = {
    "type": "object",
    "properties": {
        "assertion": {"type": "string"},
        "success": {"type": "boolean"},
        "column": {"type": "string"},
        "severity": {"type": "string", "enum": ["error", "warn"]},
    },
    "required": ["assertion", "success"],
    "additionalProperties": False,
}
OUTCOME = {
    "check": "integrity",
    "success": False,
    "failures": ["a is null"],
    "metrics": {"rows": 2.0},
    "tables": {"kept": "s3://data/kept.csv"},
    "report": "s3://evidence/sha256/ab",
    "page": "s3://evidence/sha256/cd.html",
    "statement": "",
    "sha256": "",
}
READ = {"data": "s3://data/train.csv", "suite": "/suites/a.json"}


@pytest.mark.parametrize(
    ("on_fail", "severity"), [("record", "error"), ("fail", "error"), ("warn", "warn")]
)
def test_an_assertion_is_as_the_specification_wants_it(on_fail, severity):
    said = assertion(summary(OUTCOME, on_fail))

    jsonschema.validate(said, ASSERTION)
    assert said == {"assertion": "modelwarden.integrity", "success": False, "severity": severity}


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("s3://data/a/b.csv", ("s3://data", "a/b.csv")),
        ("/data/a.csv", ("file", "/data/a.csv")),
        ("file:///data/a.csv", ("file", "/data/a.csv")),
        ("python:module:name", None),
        ("s3://data", None),
        ("", None),
    ],
)
def test_a_uri_is_named_as_openlineage_names_it(uri, place):
    assert dataset(uri) == place


def test_a_summary_names_the_report_and_its_digest_when_nothing_is_signed():
    result = summary(OUTCOME, "record")

    assert (result["evidence"], result["sha256"]) == ("s3://evidence/sha256/ab", "ab")


def test_a_summary_holds_finite_numbers_only():
    metrics = {"nan": float("nan"), "inf": float("-inf"), "true": True, "half": 0.5}
    found = summary({**OUTCOME, "metrics": metrics}, "record")["metrics"]

    assert found == {"nan": None, "inf": None, "true": None, "half": 0.5}


def test_the_operator_tells_openlineage_what_was_read_written_and_found():
    pytest.importorskip("airflow.providers.openlineage", reason="no openlineage provider")
    operator = IntegrityOperator(task_id="v", data="d", suite="s")
    assert not operator.get_openlineage_facets_on_failure(None).inputs
    operator.inputs, operator.result = READ, summary(OUTCOME, "record")
    told = operator.get_openlineage_facets_on_complete(None)

    assert [(d.namespace, d.name) for d in told.inputs] == [
        ("s3://data", "train.csv"),
        ("file", "/suites/a.json"),
    ]
    (said,) = told.inputs[0].facets["dataQualityAssertions"].assertions
    assert (said.assertion, said.success) == ("modelwarden.integrity", False)
    assert not told.inputs[1].facets
    assert {d.name for d in told.outputs} == {"kept.csv", "sha256/ab"}


def test_without_the_provider_nothing_is_told():
    try:
        import airflow.providers.openlineage  # noqa: F401
    except ImportError:
        assert lineage(card("integrity"), READ, summary(OUTCOME, "record")) is None
    else:
        pytest.skip("the openlineage provider is installed")
