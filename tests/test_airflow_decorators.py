"""``@task.security_check``: what is refused when the DAG is parsed, and what a gate hears."""

import sys
from types import SimpleNamespace

import pytest
from airflow.sdk import task

import own_checks
import shop
from modelwarden.airflow_decorators import SecurityCheckTask, security_check
from modelwarden.checks import cards
from modelwarden.errors import InputError
from modelwarden.jobs.gate import gate
from modelwarden.jobs.trained import trained

POLICY = """\
version: 1
rules:
  - {check: weigh, metric: bytes, op: "<=", value: 100}
"""


def weigh_it(model, limit=3):
    return {"bytes": model.size}


def make(function=weigh_it, **given):
    return security_check(function, **given)("s3://b/model")


def test_airflow_knows_the_decorator():
    assert task.security_check is security_check or task.security_check.__name__ == "security_check"
    operator = make(reads={"model": "file"}, evidence="{{ params.e }}", key="env:K").operator

    assert isinstance(operator, SecurityCheckTask)
    assert (operator.task_id, operator.check) == ("weigh_it", "weigh_it")
    assert {"op_args", "op_kwargs", "evidence", "key"} <= set(operator.template_fields)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"check": "roni"}, "check: expected a name of its own.*which is ours"),
        ({"check": "../x"}, "check: expected a name of its own"),
        ({"reads": {"modle": "file"}}, "reads: expected one of: model, limit, got 'modle'"),
        ({"reads": {"model": "pickle"}}, "reads model: expected one of: table, model"),
        ({"evidence": "s3://e"}, "reads: expected an argument, got none"),
        ({"key": "k.pem"}, "reads: expected an argument, got none"),
        ({"reads": {"model": "file"}, "python": "/bin/python"}, "python: expected nothing"),
    ],
)
def test_refuses_when_the_dag_is_parsed(given, problem):
    with pytest.raises(InputError, match=problem):
        make(**given)


def test_refuses_arguments_that_a_statement_could_not_name():
    def anything(model, **more):
        return {}

    with pytest.raises(InputError, match=r"more: expected arguments with names, got \*\*more"):
        make(anything)


@pytest.mark.parametrize(("role", "allowed"), [("model", True), ("builder", False)])
def test_a_gate_hears_a_function_whose_card_is_installed(tmp_path, role, allowed):
    (tmp_path / "site").mkdir()
    own_checks.install(tmp_path / "site")
    cards.cache_clear()
    stall = shop.open_stall(tmp_path, POLICY)
    model, evidence = stall.put("other.model", b"another"), stall.evidence
    data = f"{stall.uri}/kept.csv"
    trained(model, data=data, evidence=evidence, key=stall.keys["builder"], author="carol")
    given = {"reads": {"model": "file"}, "evidence": evidence, "key": stall.keys[role]}

    def weigh(model):
        return {"bytes": model.size}

    operator = security_check(weigh, **given)(model).operator
    operator.execute({"ti": SimpleNamespace(xcom_push=lambda key, value: None)})
    ruling = gate(model, evidence=evidence, key=stall.keys["gate"], **stall.judged_by)
    sys.path.remove(str(tmp_path / "site"))
    cards.cache_clear()

    assert ruling.decision.allowed is allowed
