"""Rows for people to review."""

import hashlib

import pandas as pd
import pytest

from modelwarden.errors import ConflictError, InputError
from modelwarden.jobs.sample import sample
from modelwarden.keys import new_key


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    pd.DataFrame({"id": range(100), "label": [0, 1] * 50}).to_csv(path, index=False)
    return str(path)


def test_draws_distinct_rows_in_their_order(table, tmp_path):
    drawn = sample(table, rows=30, to=str(tmp_path / "s.csv"))
    rows = pd.read_csv(drawn.uri)

    assert len(rows) == 30
    assert rows["id"].is_monotonic_increasing
    assert rows["id"].is_unique
    assert hashlib.sha256((tmp_path / "s.csv").read_bytes()).hexdigest() == drawn.sha256


def test_the_seed_decides(table, tmp_path):
    draws = [
        sample(table, rows=30, seed=s, to=str(tmp_path / n)).sha256
        for s, n in zip((0, 0, 1), "abc", strict=True)
    ]

    assert draws[0] == draws[1] != draws[2]


def test_signs_how_it_was_drawn(table, tmp_path):
    (tmp_path / "k.pem").write_bytes(new_key()[0])
    to, evidence, key = (str(tmp_path / name) for name in ("s.csv", "e", "k.pem"))
    drawn = sample(table, rows=5, to=to, evidence=evidence, key=key)

    assert drawn.sha256 in drawn.statement.uri


@pytest.mark.parametrize("rows", [0, -1, 101])
def test_refuses_more_rows_than_there_are(table, tmp_path, rows):
    with pytest.raises(InputError, match="rows: expected 1 to 100"):
        sample(table, rows=rows, to=str(tmp_path / "s.csv"))


def test_never_overwrites(table, tmp_path):
    (tmp_path / "s.csv").write_text("mine")

    with pytest.raises(ConflictError):
        sample(table, rows=5, to=str(tmp_path / "s.csv"))


def test_refuses_a_key_without_a_place_for_evidence(table, tmp_path):
    with pytest.raises(InputError, match="both evidence and key"):
        sample(table, rows=5, to=str(tmp_path / "s.csv"), key="k")
