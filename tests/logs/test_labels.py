"""Label balance against shares that are known."""

import pytest

from modelwarden.logs.labels import MOST_LABELS
from querylogs import log_of, nginx, sagemaker, shifts_of


@pytest.fixture
def measured(tmp_path):
    def run(asked, least=1):
        lines = [f"2026-03-01,{client},{label}" for client, label in asked]
        body = "\n".join(["time,client,label", *lines])
        with log_of(tmp_path, {"a.csv": body}) as log, log.read() as reading:
            return shifts_of(reading, least)

    return run


def test_is_the_total_variation_from_all_labels(measured):
    asked = [("a", 0)] * 60 + [("a", 1)] * 20 + [("b", 1)] * 10 + [("b", 2)] * 10

    assert measured(asked) == {
        "a": pytest.approx(60 / 80 - 60 / 100),
        "b": pytest.approx(10 / 20 - 30 / 100 + 10 / 20 - 10 / 100),
    }


def test_the_largest_comes_first_and_small_clients_are_left_out(measured):
    asked = [("a", 0)] * 50 + [("b", 1)] * 9 + [("c", 1)] * 10 + [("", 1)] * 90

    assert list(measured(asked, 10)) == ["a", "c"]


def test_scores_are_no_labels(measured):
    assert measured([("a", i) for i in range(MOST_LABELS + 1)]) == {}
    assert measured([("a", 1)] * 50) == {}
    assert len(measured([("a", i) for i in range(MOST_LABELS)])) == 1


def test_access_logs_have_none_and_sagemaker_has(tmp_path):
    with log_of(tmp_path, {"a": nginx()}) as log, log.read() as reading:
        assert shifts_of(reading, 1) == {}
    lines = [sagemaker("eve", answer="1"), sagemaker("eve", answer="0"), sagemaker("bob")]
    with log_of(tmp_path, {"a": "\n".join(lines)}) as log, log.read() as reading:
        assert set(shifts_of(reading, 1)) == {"eve", "bob"}
