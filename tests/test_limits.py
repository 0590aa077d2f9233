"""Budgets: what a file may say."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwarden.errors import InputError
from modelwarden.limits import Budget

BUDGET = Budget("ab" * 32, 3000, 30, "labels", 0.95, 0.81)


@pytest.mark.parametrize("change", [{}, {"queries": 0, "days": 1, "fidelity": 1, "unaided": -1}])
def test_a_budget_comes_back_as_it_was_written(change):
    budget = replace(BUDGET, **change)

    assert Budget.read(budget.as_bytes(), "budget.json") == budget


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"queries": True}, "queries: expected a whole number from 0, got True"),
        ({"queries": -1}, "whole number"),
        ({"queries": 3000.0}, "whole number"),
        ({"queries": None}, "whole number"),
        ({"days": 0}, "days: expected a whole number from 1"),
        ({"fidelity": "0.9"}, "fidelity: expected a share"),
        ({"fidelity": 1.1}, "fidelity"),
        ({"unaided": -0.5}, "unaided"),
        ({"outputs": "logits"}, "labels, probabilities"),
        ({"model": "AB" * 32}, "SHA-256"),
        ({"version": 2}, "version 1"),
        ({"note": ""}, "a budget with"),
    ],
)
def test_refuses_what_is_no_budget(change, expected):
    body = json.dumps({"version": 1, **asdict(BUDGET), **change}).encode()

    with pytest.raises(InputError, match=expected):
        Budget.read(body, "budget.json")


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_any_bytes_are_only_refused(body):
    with pytest.raises(InputError):
        Budget.read(body, "budget.json")
