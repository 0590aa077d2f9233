"""The audit file by file: who counts which file changes nothing."""

import json

import numpy as np
import pandas as pd
import pytest

from attacked import opened
from modelwarden.checks.traffic import split, traffic
from modelwarden.errors import EvidenceError
from modelwarden.jobs.check import check
from modelwarden.jobs.join import join
from modelwarden.jobs.shard import shard
from modelwarden.limits import Budget
from modelwarden.logs.tally import MOST_LABELS, Tally
from modelwarden.report import canonical
from querylogs import kserve, log_of, nginx

OPTIONS = {"target": "", "format": "auto", "client": "", "alpha": 0.01, "min_queries": 20}
OPTIONS |= {"seed": 0}


def files(scores=False):
    """Rotated logs: one client's busiest minute is in two files, and lines are broken."""
    random = np.random.default_rng(0)
    minute = [nginx("10.0.0.1", time="01/Mar/2026:12:00:30 +0000")] * 30
    rows = [
        f"2026-03-01T{hour:02}:{n % 60:02}:00,c{n % 7},{random.integers(99) if scores else n % 3},"
        f"{random.normal():.3f},{random.normal():.3f}"
        for hour in range(4)
        for n in range(90)
    ]
    header = "time,client,label,a,b"
    tables = {f"t{k}.csv": "\n".join([header, *rows[k::4]]) for k in range(4)}
    bad = b"\xff\xfe broken \n" + nginx("10.0.0.2").encode()
    asked = "\n".join(kserve(f"k{n % 3}", instances=((n, 0.5),)) for n in range(60))
    return {
        "a.log": "\n".join(minute),
        "b.log": "\n".join([*minute, "no line"]),
        "c.log": bad,
        **tables,
        "k.json": asked,
        "empty.log": "",
    }


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    (folder / "budget").write_bytes(Budget("0" * 64, 50, 1, "labels", 0.95, -1).as_bytes())
    (folder / "model").write_bytes(b"model")
    return {"model": str(folder / "model"), "budget": str(folder / "budget")}


@pytest.fixture
def asked(given, tmp_path):
    from modelwarden.store import Store

    with Store() as store:
        files = {name: store.get(uri) for name, uri in given.items()}
        random = np.random.default_rng(1)
        frame = pd.DataFrame(random.normal(size=(120, 2)), columns=["a", "b"])
        reference = opened(frame, tmp_path)

        def asked(logs, *, content):
            return files["model"], logs, files["budget"], reference if content else None

        yield asked


def said(findings):
    figures = [figure.as_json() for figure in findings.figures]
    return canonical(findings.report.as_json()), canonical(figures), dict(findings.tables)


@pytest.mark.parametrize(("count", "scores"), [(1, False), (3, True), (8, False), (8, True)])
def test_one_three_and_eight_machines_say_the_same(asked, tmp_path, count, scores):
    content = count == 3  # what was asked takes most of the time
    with log_of(tmp_path, files(scores)) as log:
        given = asked(log, content=content)
        alone = traffic(*given, **OPTIONS)
        parts = {}
        for index in reversed(range(count)):
            cut = split(*given, **OPTIONS)
            mine = range(index, cut.count, count)
            parts |= dict(zip(mine, cut.blocks(mine), strict=True))
        joined = split(*given, **OPTIONS).join([parts[n] for n in range(cut.count)])

    assert cut.count == 9
    assert said(joined) == said(alone)
    metrics = alone.report.metrics
    assert metrics["peak_per_minute"] == 60  # 30 in each of two files
    assert metrics["lines"] == 60 + 1 + 2 + 360 + 60
    assert metrics["unreadable_fraction"] == pytest.approx(2 / metrics["lines"])
    assert (metrics["tested_clients"] or 0) > 0 if content else metrics["tested_clients"] is None
    assert (metrics["max_label_shift"] is None) == scores


def test_blocks_of_several_files_add_up(asked, tmp_path, monkeypatch):
    """The same minute, client, label and error in every file; in one of them labels are scores."""
    monkeypatch.setattr("modelwarden.checks.traffic.audit.MOST_BLOCKS", 3)
    lines = [nginx("10.0.0.1", time="01/Mar/2026:12:00:30 +0000", status=500)] * 5
    header = "time,client,label"
    labelled = [f"2026-03-01T01:00:{n:02},c{n % 2},{n % 3}" for n in range(40)]
    logs = {f"{n}.log": "\n".join([*lines, "no line"]) for n in range(4)}
    logs |= {f"{n}.bad": b"\xff\xfe broken \n" + nginx("10.0.0.2").encode() for n in range(3)}
    logs |= {f"{n}.csv": "\n".join([header, *labelled]) for n in range(4)}
    with log_of(tmp_path, logs) as log:
        given = asked(log, content=False)
        alone, cut = traffic(*given, **OPTIONS), split(*given, **OPTIONS)
        parts = [*cut.blocks(range(cut.count))]

    assert cut.count == 3
    assert said(cut.join(parts)) == said(alone)
    assert alone.report.metrics["error_fraction"] * (20 + 3 + 160) == pytest.approx(20)
    assert alone.report.metrics["max_label_shift"] is not None
    assert alone.report.metrics["unreadable_fraction"] * alone.report.metrics["lines"] == (
        pytest.approx(7)
    )


def test_scores_in_one_block_are_scores_in_all(asked, tmp_path):
    rows = {
        "few.csv": [f"2026-03-01T01:00:{n:02},c{n % 2},{n % 3}" for n in range(40)],
        "many.csv": [f"2026-03-01T01:{n // 60:02}:{n % 60:02},c{n % 2},{n}" for n in range(90)],
    }
    with log_of(
        tmp_path, {n: "\n".join(["time,client,label", *text]) for n, text in rows.items()}
    ) as log:
        given = asked(log, content=False)
        alone, cut = traffic(*given, **OPTIONS), split(*given, **OPTIONS)
        joined = cut.join([*cut.blocks(range(cut.count))])

    assert said(joined) == said(alone)
    assert joined.report.metrics["max_label_shift"] is None


def test_a_log_without_files_is_one_block(asked, tmp_path):
    with log_of(tmp_path, {}) as log:
        given = asked(log, content=False)
        alone, cut = traffic(*given, **OPTIONS), split(*given, **OPTIONS)

        assert cut.count == 1
        assert said(cut.join([*cut.blocks(range(1))])) == said(alone)


def test_the_statement_of_many_machines_is_that_of_one(given, tmp_path):
    with log_of(tmp_path, files()) as log:
        inputs = {**given, "logs": log.uri}
        alone = check("traffic", inputs=inputs, evidence=str(tmp_path / "alone"))
        for index in range(3):
            shard("traffic", inputs=inputs, parts=str(tmp_path / "p"), index=index, count=3)
        many = join(
            "traffic", inputs=inputs, parts=str(tmp_path / "p"), evidence=str(tmp_path / "many")
        )

    assert many.report_uri.rpartition("/")[2] == alone.report_uri.rpartition("/")[2]


def test_a_log_that_grew_on_the_way_is_refused(given, tmp_path):
    with log_of(tmp_path, files()) as log:
        inputs = {**given, "logs": log.uri}
        where = str(tmp_path / "p")
        shard("traffic", inputs=inputs, parts=where, index=0, count=2)
        with open(f"{log.uri}a.log", "a") as file:
            file.write("\n" + nginx("10.0.0.9"))
        shard("traffic", inputs=inputs, parts=where, index=1, count=2)

        with pytest.raises(EvidenceError, match="missing, the first of them 0"):
            join("traffic", inputs=inputs, parts=where)


def test_counts_come_out_as_they_went_in(tmp_path):
    with log_of(tmp_path, files()) as log, log.read() as reading:
        tally = Tally.of(reading)
        again = Tally.read(tally.as_bytes(), "part")

    for kept, counted in ((again.minutes, tally.minutes), (again.labels, tally.labels)):
        order = [(name, "ascending") for name in counted.column_names]
        assert kept == counted.sort_by(order)
    assert (again.rejected, again.formats, again.tells) == (
        tally.rejected,
        tally.formats,
        tally.tells,
    )
    assert again.as_bytes() == tally.as_bytes()
    assert 2 < len(set(tally.labels["label"].to_pylist())) <= MOST_LABELS


@pytest.mark.parametrize(
    "change",
    [
        {"minutes": b"PAR1"},
        {"minutes": "labels"},
        {"facts": "{}"},
        {"facts": "[]"},
        {"facts": json.dumps({"scores": 0, "rejected": "x", "formats": {}, "tells": []})},
    ],
)
def test_counts_that_say_something_else_are_refused(tmp_path, change):
    from modelwarden.blocks import pack, unpack

    with log_of(tmp_path, {"a.log": nginx()}) as log, log.read() as reading:
        arrays = unpack(Tally.of(reading).as_bytes(), "part")
    for name, value in change.items():
        if isinstance(value, bytes):
            arrays[name] = np.frombuffer(value, dtype=np.uint8)
        else:
            arrays[name] = arrays[value] if value in arrays else np.array(value)

    with pytest.raises(EvidenceError, match="part: expected"):
        Tally.read(pack(arrays), "part")
