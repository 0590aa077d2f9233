"""Logs of every format, damaged and hostile ones, as one relation."""

import gzip
import hashlib
import json

import pandas as pd
import pyarrow as pa
import pytest

from modelwarden.errors import InputError
from modelwarden.logs.log import LINE_BYTES, Log
from modelwarden.store import File, Store
from querylogs import apigateway, envoy, kserve, log_of, nginx, sagemaker


@pytest.fixture
def rows(tmp_path):
    """Return a function that reads files as canonical rows, and says what was rejected."""

    def read(files, **options):
        with log_of(tmp_path, files) as log, log.read(**options) as reading:
            columns = "strftime(time, '%Y-%m-%d %H:%M:%S'), client, address, status, queries"
            found = reading.database.run(f"SELECT {columns}, label, features FROM log ORDER BY ALL")
            return found, reading.rejected()

    return read


NOON = "2026-03-01 12:00:00"


@pytest.mark.parametrize(
    ("line", "options", "row"),
    [
        (
            kserve(instances=[[1, 2], [3, 4]]),
            {"client": "metadata.x-client-id"},
            (NOON, "alice", None, None, 2, None, '{"instances":[[1,2],[3,4]]}'),
        ),
        (kserve(kind="response"), {}, (NOON, None, None, None, 0, None, None)),
        (
            sagemaker(data="1,2\n3,4\n"),
            {},
            (NOON, "alice", None, None, 2, "1", "1,2\n3,4\n"),
        ),
        (
            sagemaker(data="AAEC", encoding="BASE64"),
            {},
            (NOON, "alice", None, None, 1, "1", None),
        ),
        (envoy(), {}, (NOON, "10.0.0.1", "10.0.0.1", 200, 1, None, None)),
        (envoy("[2001:db8::1]:80"), {}, (NOON, "2001:db8::1", "2001:db8::1", 200, 1, None, None)),
        (
            envoy(),
            {"client": "x_forwarded_for"},
            (NOON, "203.0.113.9", "10.0.0.1", 200, 1, None, None),
        ),
        (apigateway(), {}, (NOON, "K1", "10.0.0.1", 200, 1, None, None)),
        (apigateway("-"), {}, (NOON, "10.0.0.1", "10.0.0.1", 200, 1, None, None)),
        (nginx(), {}, (NOON, "10.0.0.1", "10.0.0.1", 200, 1, None, None)),
        (
            nginx(user="al", time="01/Mar/2026:13:00:00 +0100"),
            {"client": "remote_user"},
            (NOON, "al", "10.0.0.1", 200, 1, None, None),
        ),
        (
            "Timestamp,api_key,status_code,prediction,age\n1772366400,k,200,1,44",
            {},
            (NOON, "k", None, 200, 1, "1", '{"age":"44"}'),
        ),
        (
            'time,client,queries,"odd ""name"\n2026-03-01T12:00:00Z,"a, b",7,x',
            {},
            (NOON, "a, b", None, None, 7, None, '{"odd \\"name":"x"}'),
        ),
    ],
)
def test_reads_each_format(rows, line, options, row):
    assert rows({"a": line + "\n"}, **options) == ([row], 0)


def test_a_v2_request_counts_its_rows(rows):
    inputs = [{"name": "x", "shape": [50, 2], "datatype": "FP64", "data": []}]

    assert rows({"a": kserve(data={"inputs": inputs})})[0][0][4] == 50


@pytest.mark.parametrize("claim", [0, -5, "many", 10**30])
def test_no_claim_takes_queries_back(rows, claim):
    inputs = [{"name": "x", "shape": [claim, 2], "datatype": "FP64", "data": []}]
    found, _ = rows(
        {"a": kserve(data={"inputs": inputs}), "b.csv": f"time,queries\n1772366400,{claim}"}
    )

    assert all(1 <= row[4] <= 10**9 for row in found)


def test_parquet_of_several_schemas_joins_rotated_text(rows, tmp_path):
    times = pd.to_datetime(["2026-03-01 12:00:00"])
    one = pd.DataFrame({"ts": times, "client": ["a"], "age": [44.0]})
    two = pd.DataFrame({"timestamp": [1772366400000], "user": ["b"], "label": [1]})
    files = {"1.parquet": one.to_parquet(), "2.parquet": two.to_parquet()}
    files |= {"log.1.gz": gzip.compress(f"{nginx()}\n".encode()), "log": nginx("10.0.0.2") + "\n"}
    files["log.2.zst"] = pa.compress(nginx("10.0.0.3").encode(), "zstd", asbytes=True)
    found, rejected = rows(files)

    assert {row[1] for row in found} == {"a", "b", "10.0.0.1", "10.0.0.2", "10.0.0.3"}
    assert {row[0] for row in found} == {NOON}
    assert rejected == 0


def test_what_cannot_be_read_is_counted(rows):
    long = "x" * (LINE_BYTES + 10)
    lines = [nginx(), "", "no log line", nginx()[:40], long, "a\x01b", nginx(time="yesterday")]
    body = "\n".join(lines).encode() + b"\n\xff\xfe\n" + nginx().encode()[:-8]
    found, rejected = rows({"access.log": body})

    assert sum(row[0] is not None for row in found) == 2  # the last one lacks its user agent only
    assert sum(row[0] is None for row in found) == 4
    assert rejected == 2


def test_a_line_of_ten_megabytes_is_a_line(rows):
    long = kserve(instances=[["x" * 10_000_000]], client="b")
    found, rejected = rows({"a": f"{kserve()}\n{long}\n{kserve()}\n"})

    assert (len(found), rejected) == (3, 0)
    assert all(row[0] == NOON for row in found)


def test_a_truncated_last_line_and_other_json_are_unreadable(rows):
    body = "\n".join([kserve(), "{}", "[1]", "null", "{" * 5000, '{"time":5}', kserve()[:60]])

    assert [row[0] is None for row in rows({"a": body})[0]] == [False] + [True] * 6


def test_rows_of_other_widths_are_counted(rows):
    found, rejected = rows({"a.csv": "time,client,x\n1772366400,a,1\n1772366400,a\n1,a,2,3\n"})

    assert (len(found), rejected) == (1, 2)


@pytest.mark.parametrize(
    "body",
    [
        b"PK\x03\x04\n\x00\x01\n",
        b"BZh91AY&SY\n",
        b"age,sex\n1,2\n",
        b"time,Time,client\n1,2,3\n",
        b"x" * 200_000 + b"\n",
        b'"' + b"{" * 100_000,
        b"\x00" * 100,
    ],
)
def test_unknown_files_are_counted_not_dropped(rows, body):
    found, rejected = rows({"a": f"{nginx()}\n".encode(), "b": body})

    assert sum(row[0] is None for row in found) + rejected >= 1
    assert sum(row[0] is not None for row in found) == 1


@pytest.mark.parametrize(
    "time", ["500000000", "500000000.5", "500000000000", "5e14", "1985-11-05T00:53:20Z"]
)
def test_times_are_told_by_their_size(rows, time):
    assert rows({"a.csv": f"time,client\n{time},a\n"})[0][0][0] == "1985-11-05 00:53:20"


@pytest.mark.parametrize("time", ["infinity", "-infinity", "9999999999999999999", "NaN", ""])
def test_impossible_times_are_no_times(tmp_path, time):
    with log_of(tmp_path, {"a.csv": f"time,client\n{time},a\n"}) as log, log.read() as reading:
        assert reading.database.one("SELECT count(*) FROM log WHERE isfinite(time)") == (0,)


def test_a_cut_off_gzip_file_is_one_error(rows):
    whole = gzip.compress(
        "".join(f"{nginx(f'10.0.0.{i % 250}')}{i}\n" for i in range(9000)).encode()
    )

    with pytest.raises(InputError, match="cut off") as raised:
        rows({"log.gz": whole[: len(whole) // 2]})
    assert "10.0.0" not in str(raised.value)


def test_a_broken_parquet_file_is_one_error(rows):
    with pytest.raises(InputError, match="look whether the files are whole"):
        rows({"a.parquet": b"PAR1" + b"x" * 50 + b"PAR1"})


def test_an_index_without_a_name_is_a_feature(rows):
    assert rows({"a.csv": ",time,client\n7,1772366400,a\n"}) == (
        [(NOON, "a", None, None, 1, None, '{"column 1":"7"}')],
        0,
    )


def test_an_empty_log_has_no_rows(rows, tmp_path):
    assert rows({}) == ([], 0)
    assert rows({"a": b"", "b": b"\n\n"}) == ([], 0)


HOSTILE = ["x' OR '1'='1", "'; SELECT 1; --", '"; --', "{source}", "a/b~c", "\\", "v[1]", "a.b'"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_outside_are_names(rows, name):
    line = json.dumps({"start_time": "2026-03-01T12:00:00Z", "response_code": 200, name: "eve"})
    frame = pd.DataFrame({"time": [1772366400], name: ["eve"], f"f{name}": [1]})
    files = {"a": line, "b.parquet": frame.to_parquet(), "c.csv": frame.to_csv(index=False)}
    found, rejected = rows(files, client=name)

    assert [row[1] for row in found] == ["eve"] * 3
    assert rejected == 0


def test_a_database_opens_nothing_else(tmp_path):
    (tmp_path / "secret").write_text("time,client\n1,a\n")
    with log_of(tmp_path, {"a": nginx()}) as log, log.read() as reading:
        for sql in (
            f"SELECT * FROM read_csv('{tmp_path}/secret')",
            "SELECT * FROM read_text('/etc/passwd')",
            "SELECT * FROM read_csv('https://example.com/x.csv')",
            f"COPY (SELECT 1) TO '{tmp_path}/out'",
            f"COPY (SELECT 1) TO '{log.files[0].path}'",
            "INSTALL httpfs",
            "LOAD httpfs",
            f"ATTACH '{tmp_path}/x.db'",
            "SET enable_external_access = true",
            "SET allowed_paths = ['/etc/passwd']",
            "SET memory_limit = '64GB'",
        ):
            with pytest.raises(InputError, match="a log that can be read"):
                reading.database.run(sql)
    assert not (tmp_path / "out").exists()


def test_refuses_an_unknown_format(rows):
    with pytest.raises(InputError, match="one of auto, csv, kserve"):
        rows({"a": nginx()}, format="apache")


def test_a_named_format_is_not_guessed(rows):
    assert rows({"a": f"{kserve()}\n{nginx()}\n"}, format="nginx")[0][0][1] == "10.0.0.1"


# The digest


def test_the_digest_of_a_folder_is_of_names_digests_and_sizes(tmp_path):
    with log_of(tmp_path, {"b": "2\n", "a/c": "11\n"}) as log:
        listed = [
            ["a/c", hashlib.sha256(b"11\n").hexdigest(), 3],
            ["b", hashlib.sha256(b"2\n").hexdigest(), 2],
        ]
        text = json.dumps(listed, separators=(",", ":")).encode()

        assert log.sha256 == hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize("change", [{"b": "3\n"}, {"c": "2\n"}, {"a/c": ""}])
def test_the_digest_notices(tmp_path, change):
    with log_of(tmp_path, {"b": "2\n", "a/c": "11\n"}) as log:
        before = log.sha256
    with log_of(tmp_path, change) as log:
        assert log.sha256 != before


def test_a_file_has_its_own_digest(tmp_path):
    (tmp_path / "x").write_text(nginx())
    with Store() as store:
        log = Log.fetch(str(tmp_path / "x"), store)

    assert log.sha256 == hashlib.sha256(nginx().encode()).hexdigest()
    assert isinstance(log.files[0], File)


def test_refuses_a_prefix_of_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr("modelwarden.folders.MAX_FILES", 1)
    with (
        pytest.raises(InputError, match="at most 1 objects, got 2"),
        log_of(tmp_path, {"a": "", "b": ""}),
    ):
        pass
