"""The traffic benchmark: its clients are what they are said to be, and it runs."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True, scope="module")
def importable():
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def rows():
    from traffic_clients import mixed

    return mixed(1500)


@pytest.mark.parametrize("name", ["uniform", "marginals", "perturb", "lines", "half", "natural"])
def test_attacks_ask_for_rows_of_the_same_columns(rows, name):
    from traffic_clients import ATTACKS

    asked = ATTACKS[name](rows, 60, np.random.default_rng(0))
    real = set(rows.itertuples(index=False, name=None))
    known = [row for row in asked.itertuples(index=False, name=None) if row in real]

    assert asked.shape == (60, rows.shape[1])
    assert list(asked.columns) == list(rows.columns)
    assert not asked.isna().any().any()
    least = {"natural": 60, "half": 30, "perturb": 6}.get(name, 0)
    assert least <= len(known) <= max(least, 2)


def test_honest_clients_ask_about_real_rows_each_about_others(rows):
    from traffic_clients import honest

    random = np.random.default_rng(0)
    clients = [honest(rows, 100, random) for _ in range(8)]

    assert all(len(client.drop_duplicates()) == 100 for client in clients)
    assert pd.concat(clients)["x0"].groupby(np.repeat(range(8), 100)).mean().std() > 0.2


def test_prada_alarms_as_rarely_as_it_was_told(rows):
    from traffic_clients import honest
    from traffic_prada import prada

    random = np.random.default_rng(0)
    clients = [honest(rows, 40, random) for _ in range(60)]
    theirs = prada(rows, clients, alpha=0.05)

    assert sum(theirs.flags(client) for client in clients) == 3


@pytest.mark.parametrize(
    ("hits", "n", "text"),
    [(0, 0, "-"), (20, 20, "1.000 [0.839, 1.000]"), (5, 10, "0.500 [0.237, 0.763]")],
)
def test_intervals_are_wilsons(hits, n, text):
    from traffic import wilson

    assert wilson(hits, n) == text


def test_engines_agree_and_are_timed(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "traffic.py"), "speed", "--rows", "20000"]
    done = subprocess.run([*command, "--repeats", "1"], capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]

    assert [line.split()[1] for line in lines] == ["engine", "modelwarden", "duckdb", "pandas"]
    assert 50 < float(lines[1].split()[-2]) < 1000
