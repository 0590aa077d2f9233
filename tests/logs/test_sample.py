"""Which queries are looked at, and as what rows."""

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from modelwarden.logs.payloads import rows_of
from modelwarden.logs.sample import MOST_LINES, busiest, duplicates, sample
from querylogs import kserve, log_of, nginx

REFERENCE = pd.DataFrame({"a": [1.0], "b": [2], "kind": ["x"]})


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('{"instances":[[1,2,"x"],["3.5",null,"y"]]}', [[1, 2, "x"], [3.5, np.nan, "y"]]),
        ('{"instances":[{"b":2,"a":1,"kind":"x","id":9}]}', [[1, 2, "x"]]),
        ('{"kind":"x","b":"true","a":"","z":0}', [[np.nan, 1, "x"]]),
        ('1,2,x\n3,4,"y,z"\n', [[1, 2, "x"], [3, 4, "y,z"]]),
        ('[[1,2,"x"]]', [[1, 2, "x"]]),
        (
            '{"inputs":[{"name":"q","shape":[2,3],"data":[1,2,"x",3,4,"y"]}]}',
            [[1, 2, "x"], [3, 4, "y"]],
        ),
        (
            '{"inputs":[{"name":"kind","shape":[2,1],"data":["x","y"]},'
            '{"name":"a","shape":[2],"data":[1,3]},{"name":"b","shape":[2],"data":[2,4]}]}',
            [[1, 2, "x"], [3, 4, "y"]],
        ),
    ],
)
def test_reads_rows_of_every_payload(text, rows):
    frame, misfits = rows_of([text], REFERENCE)

    assert misfits == 0
    expected = pd.DataFrame(rows, columns=["a", "b", "kind"]).astype({"a": float, "b": float})
    pd.testing.assert_frame_equal(frame, expected, check_dtype=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"instances":[[1,2]]}',
        '{"instances":[[1,2,"x",4]]}',
        '{"instances":[{"a":1,"b":2}]}',
        '{"instances":[[1,"much","x"]]}',
        '{"instances":[[1,[2],"x"]]}',
        '{"instances":[5]}',
        '{"inputs":[{"name":"q","shape":[9,9],"data":[1]}]}',
        '{"inputs":[{"shape":[1]}]}',
        '{"inputs":[7]}',
        "[" * 3000,
        '"text"',
        "null",
        "1,2\n",
        'a,"b\n',
    ],
)
def test_other_rows_do_not_fit(text):
    frame, misfits = rows_of([text], REFERENCE)

    assert len(frame) == 0
    assert list(frame.columns) == ["a", "b", "kind"]
    assert misfits == (0 if not text else 1)


def rows_in(payload):
    return json.loads(payload)["instances"][0][0]


@pytest.fixture
def asked(tmp_path):
    """Return a function that samples (seconds, client, value) of a log."""

    def run(queries, seed=0, **lines):
        times = [f"2026-03-01T{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}Z" for s, _, _ in queries]
        written = [
            kserve(time=t, instances=[[v]], clientid=c)
            for t, (_, c, v) in zip(times, queries, strict=True)
        ]
        counted = lines or {c: sum(q[1] == c for q in queries) for _, c, _ in queries}
        with log_of(tmp_path, {"a": "\n".join(written)}) as log, log.read() as reading:
            return {
                c: list(map(rows_in, texts)) for c, texts in sample(reading, counted, seed).items()
            }

    return run


def test_all_distinct_queries_of_a_small_client_in_the_order_of_time(asked):
    assert asked([(9, "a", 1), (5, "a", 2), (5, "b", 3), (7, "a", 1)]) == {"a": [2, 1], "b": [3]}


def test_only_those_who_were_named(asked):
    assert asked([(1, "a", 1), (1, "b", 2)], b=1) == {"b": [2]}
    assert asked([(1, "a", 1)], x=1) == {}


def test_a_large_client_is_looked_at_in_stretches(asked, monkeypatch):
    found = asked([(i, "a", i) for i in range(3000)])["a"]

    assert len(found) == MOST_LINES
    assert found == sorted(found)
    assert sum(b - a == 1 for a, b in pairwise(found)) > 0.8 * MOST_LINES


def test_another_seed_looks_at_others(asked):
    queries = [(i, "a", i) for i in range(3000)]

    assert asked(queries, 0) == asked(queries, 0)
    assert asked(queries, 0) != asked(queries, 1)


def test_repetition_hides_nothing(asked):
    queries = [(i, "a", 7) for i in range(3000)] + [(i * 20, "a", 1000 + i) for i in range(100)]

    assert len(asked(queries, a=3100)["a"]) == 101


def test_a_burst_is_looked_at_even_when_few_stretches_are(asked):
    queries = [(5, "a", i) for i in range(2000)]

    assert len(asked(queries, a=10**6)["a"]) >= 5  # one in fifty is looked at


def test_duplicates_are_those_of_the_same_client(tmp_path):
    lines = [kserve(instances=[[i % 10]], clientid="a") for i in range(50)]
    lines += [kserve(instances=[[3]], clientid="b"), kserve(kind="response"), nginx()]
    with log_of(tmp_path, {"a": "\n".join(lines)}) as log, log.read() as reading:
        assert duplicates(reading) == (51, 40)


def test_the_busiest_with_enough_queries(monkeypatch):
    clients = [("a", 90, 9), ("b", 50, 50), ("c", 40, 40), ("d", 39, 39)]

    assert list(busiest(clients, 40)) == ["a", "b", "c"]
    monkeypatch.setattr("modelwarden.logs.sample.CLIENTS", 2)

    assert busiest(clients, 40) == {"a": 9, "b": 50}
