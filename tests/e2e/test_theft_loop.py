"""The whole loop: steal the model, derive a budget, enforce it, probe it, find the thief.

Everything is what users run: the check, the renderer, a real nginx on this machine, the probe, the
audit of a log.
"""

import json
from io import BytesIO
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier

from endpoints import TOKENS
from modelwarden.jobs.check import check
from modelwarden.jobs.limits import render
from modelwarden.limits import Budget
from modelwarden.theft.rows import TableRows
from nginx import NGINX, Nginx
from servings import parse

pytestmark = pytest.mark.skipif(not NGINX, reason="nginx is not installed")

LIMIT, BURST = 0.91, 8
HONEST = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("loop")


@pytest.fixture(scope="module")
def rows(folder):
    """Store a model and held-out rows; return the rows without their labels."""
    x, y = make_classification(
        5000,
        20,
        n_informative=12,
        n_redundant=2,
        n_clusters_per_class=3,
        class_sep=0.8,
        random_state=3,
    )
    frame = pd.DataFrame(x, columns=[f"c{i}" for i in range(20)])
    model = RandomForestClassifier(30, random_state=0).fit(frame.iloc[:2000], y[:2000])
    joblib.dump(model, folder / "model.joblib")
    frame.iloc[2000:].assign(target=y[2000:]).to_csv(folder / "held_out.csv", index=False)
    return frame.iloc[2000:].reset_index(drop=True)


@pytest.fixture(scope="module")
def extraction(folder, rows):
    """What the theft of the model came to."""
    return check(
        "extraction",
        inputs={"model": at(folder, "model.joblib"), "evaluation": at(folder, "held_out.csv")},
        options={
            "target": "target",
            "limit": LIMIT,
            "queries": 5000,
            "days": 1,
            "public_rows": 100,
        },
        tables={"budget": at(folder, "budget.json")},
    ).report.metrics


@pytest.fixture(scope="module")
def budget(folder, extraction):
    return Budget.read((folder / "budget.json").read_bytes(), "budget.json")


def at(folder, name):
    return str(folder / name)


def test_the_theft_gives_a_budget(extraction, budget):
    assert extraction["unaided_fidelity"] < LIMIT
    assert 1440 + BURST <= budget.queries < 5000
    assert extraction["queries_to_99"] == 5001


def test_a_real_gateway_keeps_the_budget_and_the_probe_says_so(folder, budget, monkeypatch):
    monkeypatch.delenv("MODELWARDEN_ENDPOINTS", raising=False)
    for name, token in TOKENS.items():
        monkeypatch.setenv(f"MODELWARDEN_PROBE_{name.upper()}", token)
    serving = {"burst": BURST, "max_rows": 1, "client": {"header": "authorization"}}
    (folder / "serving.json").write_text(json.dumps(parse(**serving).model_dump()))
    limits = render(at(folder, "budget.json"), at(folder, "serving.json"), target="nginx")
    with Nginx(folder / "nginx", limits, TOKENS) as nginx:
        probed = parse(url=nginx.url, hosts=["127.0.0.1"], **serving)
        (folder / "staging.json").write_text(json.dumps(probed.model_dump()))
        inputs = {
            "model": at(folder, "model.joblib"),
            "serving": at(folder, "staging.json"),
            "budget": at(folder, "budget.json"),
        }
        report = check("endpoint", inputs=inputs, options={"seconds": 100}).report

    assert report.failures == ()
    assert report.metrics["limits_clients"] == 1
    assert report.metrics["violations"] == 0


def asked(client, frame, start, every):
    """Return log lines of a client that asks about each row, so many seconds apart."""
    times = pd.Timestamp("2026-03-01", tz="UTC") + pd.to_timedelta(
        start + every * np.arange(len(frame)), unit="s"
    )
    return frame.assign(time=times.strftime("%Y-%m-%dT%H:%M:%SZ"), client=client, status=200)


def test_the_thief_shows_in_the_audit_before_the_budget_is_used_up(folder, rows, budget):
    """A thief who asks a little less than the gateway allows, among forty honest clients."""
    random = np.random.default_rng(0)
    honest = [
        asked(f"c{i}", rows.sample(60, random_state=i), random.integers(3600), 600)
        for i in range(HONEST)
    ]
    stolen = TableRows(rows.iloc[:300]).mixed(int(0.6 * budget.queries), random)
    log = pd.concat([*honest, asked("thief", stolen, 0, 40)])
    (folder / "log").mkdir()
    log.to_csv(folder / "log" / "2026-03-01.csv", index=False)
    outcome = check(
        "traffic",
        inputs={
            "model": at(folder, "model.joblib"),
            "logs": f"{folder}/log/",
            "budget": at(folder, "budget.json"),
            "reference": at(folder, "held_out.csv"),
        },
        options={"target": "target"},
        tables={"alerts": at(folder, "alerts.jsonl"), "clients": at(folder, "clients.csv")},
    )
    alerts = [json.loads(line) for line in Path(folder / "alerts.jsonl").read_text().splitlines()]
    metrics = outcome.report.metrics

    assert 0.5 < metrics["max_budget_used"] < 1
    assert metrics["clients_over_budget"] == 0
    assert [a["who"] for a in alerts if a["cause"] == "budget"] == ["thief"]
    assert {a["who"] for a in alerts} == {"thief"}
    clients = pd.read_csv(BytesIO((folder / "clients.csv").read_bytes()))
    assert len(clients) == HONEST + 1
