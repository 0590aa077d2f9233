"""The check of endpoints: the right one passes, every broken one fails for its own reason."""

import json
import socket
from dataclasses import replace
from functools import cache
from hashlib import sha256

import pytest

from endpoints import BROKEN, BURST, TOKENS, Endpoint, ManualClock
from modelwarden.checks import CHECKS
from modelwarden.checks.endpoint import endpoint, findings
from modelwarden.errors import InputError
from modelwarden.jobs.check import check
from modelwarden.limits import Budget
from modelwarden.probing.address import pin
from modelwarden.probing.asking import Asking, Spent
from modelwarden.probing.probe import PROPERTIES, Probe, Tokens, needed
from modelwarden.store import File
from servings import parse

MODEL = b"a model"
BUDGET = Budget(sha256(MODEL).hexdigest(), 10**7, 30, "labels", 0.95, 0.81)


def serving_of(port, **changes):
    return parse(**{"url": f"http://127.0.0.1:{port}", "hosts": ["127.0.0.1"], **changes})


def probe_of(server, *, requests=200, seconds=600, request_seconds=5.0, **changes):
    """Probe a server on its own clock, so that nothing has to be waited for."""
    serving = serving_of(server.port, **changes)
    with Asking(
        serving,
        pin(serving),
        requests=requests,
        seconds=seconds,
        clock=server.clock,
        request_seconds=request_seconds,
    ) as asking:
        probe = Probe(serving, Tokens(**TOKENS), asking)
        probe.run()
    return probe, findings(serving, probe, asking.used)


def test_the_right_endpoint_keeps_every_promise():
    with Endpoint() as server:
        probe, found = probe_of(server)

    assert probe.found == dict.fromkeys(PROPERTIES, True)
    assert found.report.failures == ()
    assert found.report.metrics["violations"] == 0
    assert found.report.metrics["requests"] == len(server.asked) <= needed(serving_of(1))
    assert probe.tallies["first"].served == BURST
    assert server.clock.slept == [3.1]


@cache
def result(fault):
    """Probe a broken endpoint, once for all tests."""
    bounds = {"request_seconds": 0.5} if fault in ("hang", "drip", "hang_when_limited") else {}
    if fault == "hang_when_limited":  # every request from the limit on costs its deadline
        bounds["requests"] = 48
    with Endpoint(fault) as server:
        probe, found = probe_of(server, **bounds)
    return probe, found, server.asked


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_endpoint_fails_for_its_own_reason(fault):
    probe, found, _ = result(fault)
    broken = {name for name, holds in probe.found.items() if holds is False}

    assert broken == BROKEN[fault]
    assert found.report.metrics["violations"] == len(broken)
    assert {failure.partition(":")[0] for failure in found.report.failures} >= broken
    assert found.report.metrics["requests"] <= 200


@pytest.mark.parametrize("fault", ["", *BROKEN])
def test_no_credential_gets_into_a_report_or_beyond_the_header_it_belongs_in(fault):
    _, found, asked = result(fault)
    said = repr(found) + json.dumps(found.report.as_json()) + repr(Tokens(**TOKENS))

    assert "s3cr3t" not in said
    for path, headers in asked:
        others = {name: value for name, value in headers.items() if name != "authorization"}
        assert "s3cr3t" not in path + repr(others)


def test_what_is_sent_to_whom_is_modest():
    with Endpoint() as server:
        probe_of(server)

    assert {headers["host"] for _, headers in server.asked} == {f"127.0.0.1:{server.port}"}
    assert all(h["user-agent"].startswith("modelwarden/") for _, h in server.asked)
    strong = [
        p for p, h in server.asked if "/export" in p and "first" in h.get("authorization", "")
    ]
    assert strong == []  # nobody's second factor is used up, and nothing is exported


def test_a_double_burst_at_the_turn_of_a_minute_is_asked_again():
    with Endpoint() as server:
        over, turns = server.over, iter([15])

        def turning(client):
            if len(server.asked) > 30 and next(turns, None):
                server._levels.clear()
            return over(client)

        server.over = turning
        probe, _ = probe_of(server)

    assert probe.found["limits_clients"] is True
    assert 61 in server.clock.slept


def test_a_limit_that_is_lifted_while_it_is_tried_is_not_judged():
    with Endpoint() as server:
        over = server.over
        server.over = lambda client: len(server.asked) < 60 and over(client)
        probe, found = probe_of(server)

    lifted = [name for name in PROPERTIES if name.startswith("resists")]
    assert None in [probe.found[name] for name in lifted]
    assert not any(probe.found[name] is False for name in lifted)
    assert any("lifted while it was tried" in failure for failure in found.report.failures)


@pytest.mark.parametrize("requests", [0, 3, 12, 40, 70])
def test_a_probe_stops_when_its_requests_are_used_and_what_is_open_denies(requests):
    with Endpoint() as server:
        probe, found = probe_of(server, requests=requests)

    assert len(server.asked) <= requests
    assert None in probe.found.values()
    assert any("requests are used" in failure for failure in found.report.failures)
    assert found.report.metrics["recovers"] is None


def test_a_probe_stops_when_its_time_is_up():
    with Endpoint() as server:
        probe, found = probe_of(server, seconds=2)

    assert probe.found["recovers"] is None
    assert any("Retry-After asks for 3 s, more" in failure for failure in found.report.failures)


def test_without_a_second_factor_asked_for_there_is_nothing_to_judge_and_nothing_fails():
    with Endpoint() as server:
        _, found = probe_of(server, step_up=[])

    assert found.report.metrics["demands_step_up"] is None
    assert found.report.failures == ()
    assert any("no second factor" in note for note in found.report.notes)


def test_a_weak_client_that_nobody_knows_proves_nothing():
    with Endpoint() as server:
        serving = serving_of(server.port)
        with Asking(serving, pin(serving), requests=200, seconds=600, clock=server.clock) as asking:
            probe = Probe(serving, Tokens("first-s3cr3t", "second-s3cr3t", "unknown"), asking)
            probe.run()

    assert probe.found["demands_step_up"] is None
    assert any("the weak client is not served" in end for end in probe.open_ends)


def test_a_detour_that_is_served_once_as_the_limit_refills_is_none():
    with Endpoint() as server:
        over = server.over
        spared = iter([True])

        def refilling(client):
            forged = "x-forwarded-for" in server.asked[-1][1]
            return over(client) and not (forged and next(spared, False))

        server.over = refilling
        probe, _ = probe_of(server)

    assert probe.found["resists_header_bypass"] is True


def test_an_endpoint_that_is_limited_before_it_asks_who_is_there_is_not_judged():
    with Endpoint("limited_strangers") as server:
        probe, _ = probe_of(server)

    assert probe.found["refuses_anonymous"] is None
    assert probe.found["refuses_unknown_credentials"] is True
    assert any("before it looks at credentials" in end for end in probe.open_ends)


@pytest.fixture
def files(tmp_path, monkeypatch):
    for name, token in TOKENS.items():
        monkeypatch.setenv(f"MODELWARDEN_PROBE_{name.upper()}", token)
    monkeypatch.delenv("MODELWARDEN_ENDPOINTS", raising=False)

    def write(port, budget=BUDGET, **changes):
        bodies = {
            "model": MODEL,
            "serving": json.dumps(serving_of(port, **changes).model_dump()).encode(),
            "budget": budget.as_bytes(),
        }
        for name, body in bodies.items():
            (tmp_path / name).write_bytes(body)
        return {
            name: File(name, tmp_path / name, sha256(body).hexdigest(), len(body))
            for name, body in bodies.items()
        }

    return write


def test_the_check_measures_what_its_card_says_on_the_machines_own_clock(files, tmp_path):
    with Endpoint(clock=None) as server:
        given = files(server.port)
        uris = {name: str(file.path) for name, file in given.items()}
        outcome = check("endpoint", inputs=uris, options={"seconds": 2})

    assert set(outcome.report.metrics) == set(CHECKS["endpoint"].metrics)
    assert {n for n, v in outcome.report.metrics.items() if v is None} == {"recovers"}
    assert outcome.report.metrics["violations"] == 0
    assert "s3cr3t" not in outcome.page


def refused(given, match, **options):
    with pytest.raises(InputError, match=match) as caught:
        endpoint(**given, **options)

    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"environment": "production"}, "environment: staging"),
        ({"credentials": None, "step_up": []}, "credentials, the variables to probe with"),
        ({"burst": 60}, "option requests: expected 2.. or more"),
    ],
)
def test_refuses_before_anything_is_sent(files, changes, match):
    with Endpoint() as server:
        refused(files(server.port, **changes), match)

        assert server.asked == []


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("FIRST", "", "env:MODELWARDEN_PROBE_FIRST: .* got nothing"),
        ("SECOND", "s3cr3t\r\nX-Evil: 1", "env:MODELWARDEN_PROBE_SECOND: .* got something else"),
        ("WEAK", "s3cr3t é", "env:MODELWARDEN_PROBE_WEAK"),
        ("SECOND", TOKENS["first"], "another credential for each, got one twice"),
    ],
)
def test_refuses_credentials_that_are_none_and_shows_none(files, monkeypatch, name, value, match):
    given = files(1)
    monkeypatch.setenv(f"MODELWARDEN_PROBE_{name}", value)

    refused(given, match)


def test_refuses_a_budget_of_another_model_or_one_that_does_not_help(files):
    refused(files(1, replace(BUDGET, model="cd" * 32)), "the budget of")
    refused(files(1, replace(BUDGET, queries=0)), "no limit helps")


def test_the_platform_may_narrow_what_is_probed(files, monkeypatch):
    monkeypatch.setenv("MODELWARDEN_ENDPOINTS", "churn.staging.example.com, other")

    refused(files(1), "MODELWARDEN_ENDPOINTS")


def test_nobody_there_is_a_failure_and_no_exception(files):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        report = endpoint(**files(free.getsockname()[1])).report

    assert report.metrics["serves_clients"] == 0
    assert report.failures[0].endswith("it cannot be reached")


def test_time_is_asked_of_a_clock():
    clock = ManualClock()
    serving = serving_of(1)
    with Asking(serving, pin(serving), requests=1, seconds=5, clock=clock) as asking:
        assert asking.wait(4)
        assert not asking.wait(1)
        clock.sleep(2)
        with pytest.raises(Spent, match="the time is up"):
            asking.one("/", {})
    assert clock.slept == [4, 2]
