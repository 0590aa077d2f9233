"""Serving files: what they may say, and that no secret can be named in one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwarden.errors import InputError
from modelwarden.serving import Serving, is_host
from servings import parse


def test_the_example_is_read():
    serving = parse()

    assert (serving.scheme, serving.host, serving.port) == (
        "https",
        "churn.staging.example.com",
        443,
    )
    assert serving.bears("t") == {"authorization": "Bearer t"}
    assert not serving.counts_credentials


def test_a_key_may_have_a_header_of_its_own():
    serving = parse(authentication="x-api-key", client={"header": "x-api-key"})

    assert serving.bears("t") == {"x-api-key": "t"}
    assert serving.counts_credentials


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": True}, "version"),
        ({"authentication": ...}, "authentication: Field required"),
        ({"authentication": "none; }"}, "authentication"),
        ({"authentication": "cookie"}, "authentication"),
        ({"authentication": "authorization"}, "write bearer"),
        ({"client": {"header": "x-forwarded-for"}}, "written by whoever asks"),
        ({"client": {"header": "x-id; return 200"}}, "client.header"),
        ({"client": {"header": "x-id\n"}}, "client.header"),
        ({"client": {"header": "X-Id"}}, "client.header"),
        ({"name": "churn:\n  evil: true"}, "name"),
        ({"name": "churn\n"}, "name"),
        ({"routes": []}, "routes"),
        ({"routes": ["/a", "/a"]}, "twice"),
        ({"routes": ["/a/../b"]}, "no . and .."),
        ({"routes": ["/a b"]}, "routes.0.path"),
        ({"routes": ["/a$uri"]}, "routes.0.path"),
        ({"routes": ["a"]}, "routes.0.path"),
        ({"routes": ["/a\n"]}, "routes.0.path"),
        ({"step_up": ["/v2/models/churn/infer"]}, "twice"),
        ({"hosts": ["other.example.com"]}, "does not list"),
        ({"hosts": []}, "hosts"),
        ({"burst": 1}, "burst"),
        ({"burst": True}, "burst"),
        ({"burst": "20"}, "burst"),
        ({"max_rows": 0}, "max_rows"),
        ({"environment": "prod"}, "environment"),
        ({"expects": ""}, "expects"),
        ({"brust": 3}, "brust"),
        ({"credentials": {"first": "env:MODELWARDEN_PROBE_A", "second": "x", "weak": "y"}}, "sec"),
        (
            {"credentials": dict.fromkeys(("first", "second"), "env:MODELWARDEN_PROBE_A")},
            "step_up needs credentials.weak",
        ),
    ],
)
def test_refuses_what_cannot_be(change, says):
    with pytest.raises(InputError, match=says):
        parse(**change)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://churn.staging.example.com",
        "https://churn.staging.example.com/",
        "https://churn.staging.example.com/path",
        "https://churn.staging.example.com?x",
        "https://user@churn.staging.example.com",
        "https://churn.staging.example.com:99999",
        "https://churn.staging.example.com:0",
        "https://churn.staging.example.com:",
        "https://CHURN.staging.example.com",
        "https://churn.staging.example.com\n",
        "https://127.1",
        "https://2130706433",
        "https://0x7f.0.0.1",
        "https://0x7f000001",
        "https://0177.0.0.1",
        "https://[::1",
        "https://[fe80::1%25eth0]",
        "https://[fe80::1%eth0]",
        "https://chürn.example.com",
        "https://",
    ],
)
def test_a_url_is_scheme_host_and_port_in_their_usual_form(url):
    with pytest.raises(InputError, match="got url: "):
        parse(url=url, hosts=[url.partition("//")[2], "127.0.0.1", "churn.staging.example.com"])


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1", 8080),
        ("https://[2001:db8::1]:8443", "2001:db8::1", 8443),
        ("http://churn.models.svc", "churn.models.svc", 80),
    ],
)
def test_addresses_and_ports_are_read(url, host, port):
    serving = parse(url=url, hosts=[host])

    assert (serving.host, serving.port) == (host, port)


@pytest.mark.parametrize(
    "named", ["env:AWS_SECRET_ACCESS_KEY", "env:DATA_KEY", "/run/secrets/key", "s3cr3t-t0ken"]
)
def test_only_variables_that_are_meant_for_it_can_be_sent_and_none_is_repeated(named):
    credentials = {"first": named, "second": "env:MODELWARDEN_PROBE_B", "weak": None}

    with pytest.raises(InputError, match=r"credentials\.first") as caught:
        parse(credentials=credentials, step_up=[])

    assert named not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_route_may_be_asked_in_its_own_way():
    routes = [
        "/v1/a:predict",
        {"path": "/v2/a/infer", "body": {"inputs": []}, "expects": "outputs"},
    ]
    serving = parse(routes=routes, step_up=[{"path": "/export", "method": "GET"}])

    own = b'{"instances": [[0, 0, 0]]}'
    assert serving.question("/v1/a:predict") == ("POST", "/v1/a:predict", own, "predictions")
    assert serving.question("/v2/a/infer") == ("POST", "/v2/a/infer", b'{"inputs": []}', "outputs")
    assert serving.question("/export") == ("GET", "/export", b"", "predictions")
    assert serving.question("/v1/a:predict/").body == own
    assert parse(body=...).question("/x").body == b"{}"


def test_a_host_is_no_bare_number():
    assert is_host("a-1.example.com")
    assert not any(
        is_host(text) for text in ("1", "fe80::1%eth0", "a.1", "a..b", "-a", "a" * 64, "")
    )


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_any_bytes_are_only_refused(body):
    with pytest.raises(InputError):
        Serving.parse(body, "serving.yaml")
