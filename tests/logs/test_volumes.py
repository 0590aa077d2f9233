"""Volumes against an answer found the slow way."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from querylogs import log_of, nginx, volumes_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def volumes(tmp_path):
    """Return a function that measures (seconds after noon, client, queries) in a period."""

    def run(asked, days=1, name="a.csv"):
        rows = [f"{(NOON + timedelta(seconds=int(s))).isoformat()},{c},{q}" for s, c, q in asked]
        body = "\n".join(["time,client,queries", *rows]) + "\n"
        with log_of(tmp_path, {name: body}) as log, log.read() as reading:
            return volumes_of(reading, days)

    return run


def sliding(seconds, queries, days):
    """Return the most queries in any window of a period, exactly."""
    order = np.argsort(seconds)
    times, sums = np.asarray(seconds)[order], np.cumsum([0, *np.asarray(queries)[order]])
    ends = np.searchsorted(times, times + days * 86_400, side="left")
    return max(sums[ends] - sums[np.arange(len(times))])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("days", [1, 3])
def test_bounds_hold_the_busiest_window_wherever_it_begins(volumes, seed, days):
    random = np.random.default_rng(seed)
    seconds = random.uniform(0, 8 * 86_400, 300).astype(int)
    clients = random.choice(["a", "b"], 300)
    queries = random.integers(1, 50, 300)
    found = volumes(list(zip(seconds, clients, queries, strict=True)), days).clients

    for client, least, most in found[["client", "least", "most"]].itertuples(index=False):
        mine = clients == client
        exact = sliding(seconds[mine], queries[mine], days)
        assert least <= exact <= most
        assert most <= exact + queries[mine].sum() / 8 / 24 * 6  # an hour more, not a day


def test_a_burst_around_midnight_is_one_burst(volumes):
    asked = [(12 * 3600 - 1, "a", 60), (12 * 3600 + 1, "a", 60)]

    assert volumes(asked).clients["most"].tolist() == [120]
    assert volumes(asked).clients["peak"].tolist() == [60]


def test_what_is_a_period_apart_is_not_added(volumes):
    found = volumes([(0, "a", 60), (49 * 3600, "a", 70)]).clients

    assert found[["least", "most", "queries"]].to_numpy().tolist() == [[70, 70, 130]]


def test_clients_without_a_name_are_one(volumes):
    found = volumes([(0, "", 3), (0, "-", 4), (0, " ", 5), (0, "a", 6)])

    assert (found.unknown, found.n_clients, found.queries) == (12, 1, 18)
    assert found.clients["queries"].tolist() == [12, 6]
    assert pd.isna(found.clients["client"][0])


def test_networks_pool_their_clients(tmp_path):
    addresses = ["10.0.0.1", "10.0.0.2", "10.0.1.1", "2001:db8::1", "2001:0DB8:0:ffff::2", "::1"]
    addresses += ["2001:db9::1", "999", "fe80::1", "name", "1:2:3:4:5:6:7:8", "1:2:3::9"]
    body = "\n".join(nginx(address) for address in addresses)
    with log_of(tmp_path, {"log": body}) as log, log.read() as reading:
        found = volumes_of(reading, 1)

    assert found.n_clients == 12
    assert found.pools[["pool", "members", "most"]].to_numpy().tolist() == [
        ["10.0.0.0/24", 2, 2],
        ["1:2:3::/48", 2, 2],
        ["2001:db8:0::/48", 2, 2],
    ]


def test_keys_are_pooled_by_their_address(tmp_path):
    rows = [f"2026-03-01,{key},10.0.0.{i},1" for i, key in enumerate("abcd")]
    body = "\n".join(["time,client,address,x", *rows, "2026-03-01,e,10.0.1.1,1"])
    with log_of(tmp_path, {"a.csv": body}) as log, log.read() as reading:
        found = volumes_of(reading, 1).pools

    assert found[["pool", "members", "queries"]].to_numpy().tolist() == [["10.0.0.0/24", 4, 4]]


def test_one_client_in_one_network_is_no_pool(volumes):
    assert volumes([(0, "10.0.0.1", 1), (5, "10.0.0.1", 1)]).n_pools == 0


def test_wrong_clocks_are_counted_and_do_not_stretch_the_span(volumes):
    usual = [(60 * i, "a", 1) for i in range(1000)]
    skewed = [(86_400 * 365 * 5, "a", 1), (-86_400 * 400, "a", 1)]
    found = volumes([*usual, *skewed])

    assert found.skewed == 2
    assert found.span_days == pytest.approx(1000 / 1440, abs=1 / 24)
    assert volumes([*usual, (30 * 3600, "a", 1)]).skewed == 0  # less than a period after the rest


def test_time_that_goes_back_changes_nothing(volumes):
    asked = [(37 * i % 90_000, "ab"[i % 2], 1) for i in range(500)]
    forth, back = volumes(asked), volumes(asked[::-1])

    pd.testing.assert_frame_equal(forth.clients, back.clients)


def test_errors_and_unreadable_lines_are_counted(tmp_path):
    body = "\n".join([nginx(status=s) for s in (200, 399, 400, 503)] + ["x", "y\x01", ""])
    with log_of(tmp_path, {"log": body.encode() + b"\xff\n"}) as log, log.read() as reading:
        found = volumes_of(reading, 1)

    assert (found.lines, found.unreadable, found.errors, found.queries) == (7, 3, 2, 4)


def test_an_empty_log_has_no_volumes(tmp_path):
    with log_of(tmp_path, {}) as log, log.read() as reading:
        found = volumes_of(reading, 1)

    assert (found.lines, found.queries, found.n_clients, found.span_days) == (0, 0, 0, 0.0)
    assert len(found.clients) == len(found.pools) == 0


def test_a_period_beyond_time_is_the_whole_log(volumes):
    assert volumes([(0, "a", 1), (10**8, "a", 1)], days=10**12).clients["most"].tolist() == [2]


def test_the_largest_clients_are_kept(volumes, monkeypatch):
    monkeypatch.setattr("modelwarden.logs.volumes.KEPT_CLIENTS", 2)
    found = volumes([(0, "a", 1), (0, "b", 5), (0, "c", 3)])

    assert (found.clients["client"].tolist(), found.n_clients) == (["b", "c"], 3)
