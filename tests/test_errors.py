"""Errors cross process borders and speak in one line."""

import pickle

import pytest

from modelwarden import errors

EXAMPLES = [
    errors.InputError("s3://b/k", "a table", "nothing", "upload it"),
    errors.PolicyError("p.yaml", "rules", "none"),
    errors.EvidenceError("s3://b/k", "a signature", "none"),
    errors.StoreError("s3://b/k", "an answer", "a timeout", "try again", True),
    errors.NotFoundError("s3://b/k", "an object", "nothing"),
    errors.ConflictError("s3://b/k", "no object", "another"),
    errors.Rejected("s3://b/k", ("too fragile", "too old"), "s3://e/d"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_survives_pickling(error):
    again = pickle.loads(pickle.dumps(error))

    assert (type(again), again.args, vars(again)) == (type(error), error.args, vars(error))
    assert str(again) == str(error)


@pytest.mark.parametrize("error", EXAMPLES[:-1], ids=lambda error: type(error).__name__)
def test_says_where_what_was_expected_and_what_came(error):
    assert f"{error.where}: expected {error.expected}, got {error.got}" in str(error)
    assert "\n" not in str(error)


def test_says_the_way_out():
    assert str(EXAMPLES[0]) == "s3://b/k: expected a table, got nothing; upload it"


def test_a_verdict_names_every_reason_and_the_evidence():
    rejected = "s3://b/k: rejected: too fragile; too old (evidence: s3://e/d)"

    assert str(EXAMPLES[-1]) == rejected


@pytest.mark.parametrize(
    ("error", "code"), [(EXAMPLES[0], 2), (EXAMPLES[2], 3), (EXAMPLES[4], 4), (EXAMPLES[-1], 1)]
)
def test_exit_codes_tell_verdict_from_fault(error, code):
    assert error.exit_code == code


def test_the_tree_in_the_docstring_is_the_tree():
    for error in EXAMPLES:
        assert type(error).__name__ in errors.__doc__
        assert isinstance(error, errors.ModelWardenError)
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.StoreError, OSError)
