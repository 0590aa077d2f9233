"""Faults name the argument, whatever the orchestrator calls the file."""

import pickle

import pytest

from modelwarden.errors import EvidenceError, InputError, Rejected, StoreError
from modelwarden.jobs.arguments import naming


@naming
def job(model, *, tables=None, evidence="", error):
    raise error


def where(error, **given):
    with pytest.raises(type(error)) as caught:
        job(error=error, **given)
    return caught.value.where


@pytest.mark.parametrize(
    ("at", "named"),
    [
        ("/s3/b/kept", "kept /s3/b/kept"),
        ("/s3/b/kept: column a", "kept /s3/b/kept: column a"),
        ("/s3/b/kept, expectation 2", "kept /s3/b/kept, expectation 2"),
        ("s3://e/f/sha256/0a", "evidence s3://e/f/sha256/0a"),
        ("/m", "model /m"),
        ("/model", "/model"),  # begins like another path, and is none of them
        ("/m-2", "/m-2"),
        ("s3://else/where", "s3://else/where"),
        ("option alpha", "option alpha"),
    ],
)
def test_a_uri_is_called_what_it_was_given_as(at, named):
    given = {"model": "/m", "tables": {"kept": "/s3/b/kept", "rows": ""}, "evidence": "s3://e/f"}

    assert where(InputError(at, "a", "b"), **given) == named


def test_what_is_closer_to_the_fault_counts():
    given = {"model": "s3://e/f/model", "evidence": "s3://e/f"}

    assert where(EvidenceError("s3://e/f/model", "a", "b"), **given) == "model s3://e/f/model"
    assert where(EvidenceError("s3://e/f/m", "a", "b"), **given) == "evidence s3://e/f/m"


def test_one_file_given_twice_is_named_twice():
    given = {"model": "/t", "tables": {"trusted": "/t"}}

    assert where(InputError("/t", "a", "b"), **given) == "model or trusted /t"


def test_what_is_no_uri_at_all_is_told_by_what_came():
    error = InputError("URI", "s3://bucket/key", repr("s3:///x"), "correct it")

    assert where(error, model="/m", evidence="s3:///x") == "evidence"


def test_a_named_fault_still_pickles_and_may_be_retried():
    fault = StoreError("/m", "an answer", "none", retryable=True)
    assert where(fault, model="/m") == "model /m"
    again = pickle.loads(pickle.dumps(fault))

    assert again.args[0] == "model /m"
    assert (str(again), again.retryable) == ("model /m: expected an answer, got none", True)


def test_a_verdict_stays_as_it_is():
    verdict = Rejected("/m", ("no",))
    with pytest.raises(Rejected) as caught:
        job("/m", error=verdict)

    assert caught.value.subject == "/m"
    assert str(caught.value) == "/m: rejected: no"


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError):
        job("/m", error=ZeroDivisionError())
