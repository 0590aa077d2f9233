"""Traffic: budgets, alarms, and what a report gives away."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from modelwarden.checks.traffic import traffic
from modelwarden.checks.traffic.alarms import MAX_ALARMS, Alarm, alarm_lines
from modelwarden.errors import InputError
from modelwarden.limits import Budget
from modelwarden.report import canonical
from modelwarden.store import File
from modelwarden.tables import Table
from querylogs import kserve, log_of, nginx


def handed(tmp_path, name, body):
    path = tmp_path / name
    path.write_bytes(body)
    return File(f"s3://b/{name}", path, hashlib.sha256(body).hexdigest(), len(body))


@pytest.fixture
def audit(tmp_path):
    """Return a function that audits files against a budget."""

    def run(files, queries=10, days=1, **options):
        model = handed(tmp_path, "model", b"model")
        body = Budget(model.sha256, queries, days, "labels", 0.95, -1).as_bytes()
        with log_of(tmp_path, files) as log:
            return traffic(model, log, handed(tmp_path, "budget", body), **options)

    return run


def asked(**clients):
    lines = ["time,client"]
    for client, queries in clients.items():
        lines += [f"2026-03-01T12:00:00Z,{client}"] * queries
    return {"a.csv": "\n".join(lines)}


def alarms(findings):
    return [json.loads(line) for line in findings.tables["alerts"].decode().splitlines()]


@pytest.mark.parametrize(
    ("queries", "used", "half", "over", "level"),
    [
        (4, 0.4, 0, 0, None),
        (5, 0.5, 0, 0, "warning"),
        (6, 0.6, 1, 0, "warning"),
        (10, 1.0, 1, 0, "warning"),
        (11, 1.1, 1, 1, "alert"),
    ],
)
def test_half_of_the_budget_warns_and_more_than_all_of_it_alerts(
    audit, queries, used, half, over, level
):
    findings = audit(asked(eve=queries, bob=1))
    metrics = findings.report.metrics

    assert metrics["max_budget_used"] == pytest.approx(used)
    assert (metrics["clients_over_half"], metrics["clients_over_budget"]) == (half, over)
    assert [(a["level"], a["who"]) for a in alarms(findings)] == ([(level, "eve")] if level else [])
    assert ("eve" in findings.tables["block"].decode()) == (over == 1)


def test_a_network_is_held_against_the_budget_but_not_blocked(audit):
    findings = audit({"log": "\n".join(nginx(f"10.0.0.{i}") for i in range(1, 13))})

    assert findings.report.metrics["max_budget_used"] == pytest.approx(0.1)
    assert findings.report.metrics["max_pool_used"] == pytest.approx(1.2)
    assert findings.report.metrics["pools_over_budget"] == 1
    assert [(a["cause"], a["who"], a["value"]) for a in alarms(findings)] == [
        ("pool", "10.0.0.0/24", 12.0)
    ]
    assert findings.tables["block"] == b"client,reason\n"


def test_clients_without_a_name_share_a_budget_and_cannot_be_blocked(audit):
    findings = audit({"a.csv": "time,x\n" + "2026-03-01,1\n" * 11})

    assert findings.report.metrics["max_budget_used"] == pytest.approx(1.1)
    assert findings.report.metrics["unknown_client_fraction"] == 1
    assert alarms(findings)[0]["who"] == "(no client)"
    assert findings.tables["block"] == b"client,reason\n"


def test_where_no_query_is_safe_every_client_exceeds_the_budget(audit):
    findings = audit(asked(eve=1), queries=0)

    assert findings.report.metrics["max_budget_used"] is None
    assert findings.report.metrics["clients_over_budget"] == 1
    assert any("no number of queries is safe" in note for note in findings.report.notes)
    assert len(alarms(findings)) == 1


def test_an_empty_log_says_so_and_measures_nothing(audit):
    findings = audit({})

    assert findings.report.metrics["lines"] == 0
    assert findings.report.metrics["max_budget_used"] == 0
    assert "The log is empty" in findings.report.notes[0]
    assert findings.report.failures == ()


def test_a_log_that_nobody_can_read_fails(audit):
    findings = audit({"a": "what?\nwhat?\n"})

    assert "not one line" in findings.report.failures[0]
    assert findings.report.metrics["unreadable_fraction"] == 1


def test_one_readable_line_does_not_hide_the_others(audit):
    report = audit({"a": f"{nginx()}\nx\nx\nx\n"}).report

    assert (report.metrics["unreadable_fraction"], report.failures) == (0.75, ())


def test_the_report_names_no_client(audit):
    findings = audit({"log": "\n".join([nginx("10.66.77.88", "eve")] * 20)})
    text = canonical(findings.report.as_json()).decode()
    text += json.dumps([figure.as_json() for figure in findings.figures])

    assert "10.66.77" not in text
    assert "10.66.77.88" in findings.tables["clients"].decode()


def test_the_same_log_gives_the_same_bytes(audit):
    files = {"log": "\n".join(nginx(f"10.0.{i % 7}.{i % 50}") for i in range(3000))}
    one, other = audit(files), audit(files)

    assert canonical(one.report.as_json()) == canonical(other.report.as_json())
    assert one.tables == other.tables


@pytest.mark.parametrize("client", ["=HYPERLINK(1)", "+1", "-1", "@x", "|x", "%x"])
def test_no_client_is_a_formula(audit, client):
    findings = audit({"a.csv": "time,client\n" + f"2026-03-01,{client}\n" * 11})

    for table in ("clients", "block"):
        assert f"\n'{client}," in findings.tables[table].decode()


def test_says_when_the_log_is_shorter_than_the_period(audit):
    notes = audit(asked(a=1), days=30).report.notes

    assert any("spans 0.0 of 30 days" in note for note in notes)


def test_says_that_the_budget_is_of_another_model(audit, tmp_path):
    body = Budget("a" * 64, 10, 1, "labels", 0.95, -1).as_bytes()
    with log_of(tmp_path, asked(a=1)) as log:
        model = handed(tmp_path, "model", b"model")
        report = traffic(model, log, handed(tmp_path, "budget", body)).report

    assert any(f"another model, {'a' * 12}" in note for note in report.notes)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"queries":5}'])
def test_refuses_what_is_no_budget(tmp_path, body):
    with log_of(tmp_path, asked(a=1)) as log, pytest.raises(InputError, match="s3://b/budget"):
        traffic(handed(tmp_path, "model", b"m"), log, handed(tmp_path, "budget", body))


@pytest.mark.parametrize(
    "options", [{"alpha": 0.0}, {"alpha": float("nan")}, {"alpha": 0.6}, {"min_queries": 19}]
)
def test_refuses_options_out_of_range(audit, options):
    with pytest.raises(InputError, match=f"option {next(iter(options))}"):
        audit(asked(a=1), **options)


def test_alarms_are_ranked_and_capped():
    many = [Alarm("warning", "budget", f"w{i}", 6.0, 10.0) for i in range(MAX_ALARMS)]
    many += [Alarm("alert", "pool", "p", 20.0, 10.0), Alarm("alert", "budget", "b", 30.0, 10.0)]
    lines = [json.loads(line) for line in alarm_lines(many).splitlines()]

    assert [line["who"] for line in lines[:3]] == ["b", "p", "w0"]
    assert len(lines) == MAX_ALARMS + 1
    assert lines[-1] == {"level": "note", "left_out": 2}


# What clients ask


def reference(tmp_path, n=300):
    random = np.random.default_rng(0)
    factor = random.normal(size=n)
    frame = pd.DataFrame({"a": factor, "b": factor + random.normal(scale=0.1, size=n)})
    frame = frame.assign(c=factor - random.normal(scale=0.1, size=n), y=1)
    return frame, Table.open(handed(tmp_path, "r.csv", frame.to_csv(index=False).encode()))


def payloads(frame, client):
    lines = frame[["a", "b", "c"]].to_numpy().tolist()
    return [kserve(instances=[row], clientid=client) for row in lines]


@pytest.fixture
def content(audit, tmp_path):
    frame, table = reference(tmp_path)
    random = np.random.default_rng(1)
    thief = pd.DataFrame(random.uniform(-2, 2, (100, 3)), columns=list("abc"))
    lines = payloads(thief, "thief") + payloads(frame.head(60), "honest")
    lines += [kserve(instances=[[1, 2]], clientid="lost")] * 50
    return audit({"log": "\n".join(lines)}, 10_000, reference=table, target="y")


def test_a_client_that_asks_unlike_others_is_flagged_and_not_blocked(content):
    metrics = content.report.metrics

    assert (metrics["tested_clients"], metrics["flagged_clients"]) == (2, 1)
    assert metrics["flagged_fraction"] == 0.5
    assert metrics["max_flagged_used"] == pytest.approx(0.01)
    assert {(a["cause"], a["who"]) for a in alarms(content)} == {
        ("content", "thief"),
        ("columns", "lost"),
    }
    assert content.tables["block"] == b"client,reason\n"
    assert sum(content.report.details["signals"].values()) == 1


def test_rows_of_other_columns_are_reported(content):
    assert content.report.metrics["misfit_fraction"] == 1
    assert content.report.metrics["duplicate_fraction"] == pytest.approx(49 / 210, abs=0.05)


def test_the_tables_say_what_was_looked_at(content):
    lines = content.tables["clients"].decode().splitlines()

    assert lines[0].endswith(",label_shift,score,threshold,signal,near_duplicates")
    assert lines[1].startswith("thief,100,100,")
    assert "thief" not in canonical(content.report.as_json()).decode()


def test_without_a_reference_nobody_is_judged(audit):
    report = audit({"a": kserve()}).report

    assert report.metrics["flagged_clients"] is None
    assert any("No reference was given" in note for note in report.notes)


def test_an_access_log_tells_nothing_of_content(audit, tmp_path):
    report = audit({"a": nginx()}, reference=reference(tmp_path)[1]).report

    assert report.metrics["flagged_clients"] is None
    assert any("does not tell what was asked" in note for note in report.notes)


def test_label_balance_is_measured_where_labels_are(audit):
    asked = [("a", 0)] * 60 + [("a", 1)] * 20 + [("b", 1)] * 10 + [("b", 2)] * 70
    lines = ["time,client,label", *(f"2026-03-01,{who},{label}" for who, label in asked)]
    without = audit({"a.csv": nginx()}).report.metrics
    metrics = audit({"a.csv": "\n".join(lines)}).report.metrics

    assert without["max_label_shift"] is None
    assert metrics["max_label_shift"] == pytest.approx(70 / 80 - 70 / 160, abs=0.01)
