"""Plain data, and what counts as a number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwarden.report import Decision, Figure, Report, RuleResult, Series, canonical, finite


@pytest.mark.parametrize(
    "value", [True, False, None, "0.9", float("nan"), float("inf"), -float("inf"), [1], 10**400]
)
def test_what_is_not_a_finite_number_is_undefined(value):
    assert Report("c", {"m": value}).metrics == {"m": None}
    assert finite(value) is None


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**300), 10**300))
def test_finite_numbers_stay(value):
    assert finite(value) == float(value)


def test_canonical_text_does_not_depend_on_the_order_of_keys():
    assert (
        canonical({"b": 1, "a": "é"}) == canonical({"a": "é", "b": 1}) == '{"a":"é","b":1}'.encode()
    )


def test_canonical_text_refuses_what_json_cannot_say():
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"m": float("nan")})


def test_a_report_survives_json():
    report = Report("c", {"m": 0.5, "n": None}, ("bad",), ("note",), {"d": [1]})

    assert Report.from_json(report.as_json()) == report


def test_a_figure_survives_json():
    figure = Figure("bars", "t", "x", "y", (Series("s", ("a",), (1.0,)),), 0.5, "limit", "see")

    assert Figure.from_json(figure.as_json()) == figure


def test_a_decision_without_rules_denies():
    assert not Decision(results=()).allowed


def test_a_decision_of_warnings_only_denies():
    assert not Decision(results=(RuleResult("r", 1.0, passed=True, severity="warn"),)).allowed


def test_a_failed_warning_does_not_deny():
    results = (
        RuleResult("r", 1.0, passed=True),
        RuleResult("w", 0.0, passed=False, severity="warn"),
    )

    assert Decision(results).allowed
    assert Decision(results).reasons == ()


def test_one_failed_rule_denies_and_says_why():
    results = (RuleResult("r", 1.0, passed=True), RuleResult("s", 0.1, passed=False, why="low"))

    assert not Decision(results).allowed
    assert Decision(results).reasons == ("s: low",)


def test_a_policy_that_only_records_never_allows():
    decision = Decision((RuleResult("r", 1.0, passed=True),), enforced=False)

    assert not decision.allowed
    assert "only records" in decision.reasons[0]
