"""What is rendered for nginx, in a real nginx, with the check of endpoints in front of it."""

import json
import re
from dataclasses import replace
from hashlib import sha256

import pytest

from endpoints import TOKENS
from modelwarden.gateways import render
from modelwarden.jobs.check import check
from modelwarden.probing.probe import PROPERTIES
from nginx import NGINX, Nginx
from servings import BUDGET, parse

pytestmark = pytest.mark.skipif(not NGINX, reason="nginx is not installed")

BURST = 20
MODEL = b"a model"


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.delenv("MODELWARDEN_ENDPOINTS", raising=False)
    for name, token in TOKENS.items():
        monkeypatch.setenv(f"MODELWARDEN_PROBE_{name.upper()}", token)


def probed(folder, limits, *, seconds=40, **changes):
    """Start nginx with these limits and let the check speak to it."""
    with Nginx(folder / "nginx", limits, TOKENS) as nginx:
        serving = parse(url=nginx.url, hosts=["127.0.0.1"], burst=BURST, **changes)
        files = {
            "model": MODEL,
            "serving": json.dumps(serving.model_dump()).encode(),
            "budget": replace(BUDGET, model=sha256(MODEL).hexdigest(), queries=10**8).as_bytes(),
        }
        for name, body in files.items():
            (folder / name).write_bytes(body)
        uris = {name: str(folder / name) for name in files}
        return check("endpoint", inputs=uris, options={"seconds": seconds}).report


def limits(**changes):
    return render(replace(BUDGET, queries=10**8), parse(burst=BURST, **changes), "nginx")


BEARER = {"client": {"header": "authorization"}}


def test_what_is_rendered_keeps_every_promise(tmp_path):
    report = probed(tmp_path, limits(**BEARER), **BEARER)

    assert {name: report.metrics[name] for name in PROPERTIES} == dict.fromkeys(PROPERTIES, 1)
    assert report.failures == ()
    assert report.details["served"]["first"] >= BURST


def test_without_its_limit_the_same_nginx_is_refused(tmp_path):
    text = limits(**BEARER)
    unlimited = re.sub(r"(?m)^limit_req .*\n", "", text)
    assert unlimited != text
    report = probed(tmp_path, unlimited, seconds=10, **BEARER)

    assert report.metrics["limits_clients"] == 0
    assert report.metrics["refuses_anonymous"] == 1


@pytest.mark.parametrize(
    ("line", "broken"),
    [
        (r"(?m)^limit_req_status.*\n", "answers_429"),
        (r"(?m)^add_header.*\n", "says_retry_after"),
    ],
)
def test_without_what_repairs_nginxs_own_ways_it_is_refused(tmp_path, line, broken):
    text = limits(**BEARER)
    crippled = re.sub(line, "", text)
    assert crippled != text
    report = probed(tmp_path, crippled, seconds=10, **BEARER)

    assert report.metrics[broken] == 0
    assert report.metrics["limits_clients"] == 1


def test_a_header_that_nobody_overwrites_is_found_out(tmp_path):
    """Told apart by x-client-id, with nothing in front that writes it: the trap in the comment."""
    report = probed(tmp_path, limits(), seconds=10)

    assert report.metrics["resists_header_bypass"] == 0
    assert any("a forged x-client-id" in failure for failure in report.failures)
