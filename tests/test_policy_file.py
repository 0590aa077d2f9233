"""Policy files: what is refused, what an editor is told, and what a person reads."""

import copy
import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from modelwarden.checks import CHECKS
from modelwarden.documents import read_yaml
from modelwarden.errors import PolicyError
from modelwarden.policy import Policy, explain, schema
from modelwarden.report import canonical

PUBLISHED = json.loads(files("modelwarden.policy").joinpath("policy.schema.json").read_text())
SHIPPED = sorted((Path(__file__).parents[1] / "expectations/policies").glob("*.yaml"))
WHOLE = {
    "version": 1,
    "action": "deploy:prod",
    "enforce": True,
    "evidence": {"max_age": "7d"},
    "decision": {"max_age": "24h"},
    "approvals": {"required": 2, "max_age": "30m"},
    "superseded": "refuse",
    "rules": [
        {
            "check": "evasion",
            "metric": "robust_accuracy_low",
            "op": ">=",
            "value": 0.7,
            "worse_by": 0.02,
            "severity": "warn",
            "options": {"target": "label", "epsilon": 0.2},
            "inputs": {"evaluation": "sha256:" + "0" * 64},
        },
        {"check": "model_file", "metric": "unsafe_globals", "op": "<=", "value": 0},
    ],
}
FAULTS = [
    (("version",), 2, "version"),
    (("version",), "1", "version"),
    (("acton",), "deploy", "did you mean action"),
    (("evidence",), {"max_agee": "7d"}, "did you mean max_age"),
    (("approvals",), {"requird": 2}, "required"),
    (("approvals",), {"required": 2, "max_agee": "7d"}, "did you mean max_age"),
    (("approvals", "required"), 0, "approvals.required"),
    (("approvals", "required"), True, "approvals.required"),
    (("approvals", "max_age"), "soon", "24h"),
    (("evidence", "max_age"), "0d", "24h"),
    (("superseded",), "maybe", "superseded"),
    (("enforce",), "yes", "enforce"),
    (("rules",), [], "rules"),
    (("rules", 0, "chek"), "evasion", "did you mean check"),
    (("rules", 0, "value"), "1e-3", "rules.0.value"),
    (("rules", 0, "value"), True, "rules.0.value"),
    (("rules", 0, "op"), "<", "rules.0.op"),
    (("rules", 0, "check"), "evason", "did you mean evasion"),
    (("rules", 0, "metric"), "robust_accuracy_lo", "did you mean robust_accuracy_low"),
    (("rules", 0, "options", "epsilom"), 0.2, "did you mean epsilon"),
    (("rules", 0, "inputs", "evalation"), "any", "did you mean evaluation"),
    (("rules", 0, "inputs", "evaluation"), "abc", "a SHA-256 digest or any"),
    (("rules", 0, "severity"), "fatal", "severity"),
    (("rules", 0, "worse_by"), "0.1", "worse_by"),
]


def changed(path, value):
    document = copy.deepcopy(WHOLE)
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return document


def read(document):
    return Policy.read(canonical(document), "policy.yaml", CHECKS)


def test_reads_everything_a_policy_can_say():
    policy = read(WHOLE)

    assert (policy.approvals, policy.approval_age.total_seconds()) == (2, 1800)
    assert policy.refuse_superseded
    assert policy.compares


@pytest.mark.parametrize(("path", "value", "problem"), FAULTS, ids=lambda value: str(value)[:30])
def test_refuses_a_fault_and_names_it(path, value, problem):
    with pytest.raises(PolicyError, match=problem) as caught:
        read(changed(path, value))

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["value: .nan", "value: .inf", "value: NaN", "value: 1e999"])
def test_refuses_a_threshold_that_is_no_finite_number(text):
    body = canonical(WHOLE).decode().replace('"value":0.7', text.replace("value", '"value"'))

    with pytest.raises(PolicyError):
        Policy.read(body.encode(), "policy.yaml", CHECKS)


def test_the_published_schema_is_the_one_of_our_checks():
    """Write it again with `modelwarden policy schema` after a change of checks or keys."""
    assert schema(CHECKS) == PUBLISHED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_schema_accepts_the_policies_we_ship(path):
    jsonschema.validate(read_yaml(path.read_bytes(), path.name), PUBLISHED)


def test_the_schema_accepts_everything_a_policy_can_say():
    jsonschema.Draft202012Validator.check_schema(PUBLISHED)
    jsonschema.validate(WHOLE, PUBLISHED)


@pytest.mark.parametrize(("path", "value", "_"), FAULTS, ids=lambda value: str(value)[:30])
def test_the_schema_refuses_what_the_parser_refuses(path, value, _):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(changed(path, value), PUBLISHED)


def test_explains_a_policy_in_sentences():
    text = "\n".join(explain(read(WHOLE), CHECKS))

    assert "decides about deploy:prod" in text
    assert "evasion.robust_accuracy_low (lower end of its 95 % interval) must be at least" in text
    assert "at most 0.02 worse than at the current release" in text
    assert "a warning is written down" in text
    assert "2 people other than the author must approve within 0:30:00" in text
    assert "A model that was superseded is refused." in text


def test_explains_what_whoever_runs_a_check_may_choose():
    rule = {**WHOLE["rules"][0], "inputs": {"evaluation": "any"}}
    text = "\n".join(explain(read({"version": 1, "rules": [rule], "enforce": False}), CHECKS))

    assert "evasion accepts for evaluation any value" in text
    assert "no decision made with it ever allows" in text
    assert "Nobody needs to approve." in text
