"""Which addresses may be probed, and that a name is asked for once."""

import ipaddress
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoints import TOKENS, Endpoint
from modelwarden.errors import InputError
from modelwarden.probing.address import pin
from modelwarden.probing.asking import Asking
from modelwarden.probing.probe import Probe, Tokens
from servings import parse

HOST = "churn.staging.example.com"


def resolves_to(monkeypatch, *answers):
    """Let names resolve, the first time to the first answer, and so on."""
    asked, left = [], list(answers)

    def getaddrinfo(host, port, *_, **__):
        asked.append(host)
        found = left.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize(
    "ip",
    [
        "169.254.169.254",
        "169.254.1.1",
        "fe80::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "224.0.0.1",
        "ff02::1",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "255.255.255.255",
        "::ffff:169.254.169.254",
        "::ffff:0.0.0.0",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ],
)
def test_refuses_addresses_that_nobody_may_probe(monkeypatch, ip):
    resolves_to(monkeypatch, [ip])

    with pytest.raises(InputError, match="an address that may be probed"):
        pin(parse())


def test_one_bad_address_among_good_ones_is_enough(monkeypatch):
    resolves_to(monkeypatch, ["203.0.113.7", "169.254.169.254"])

    with pytest.raises(InputError, match="link-local"):
        pin(parse())


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.7", "::1", "fd12::1", "93.184.216.34"])
def test_the_platforms_own_networks_may_be_probed_when_they_are_listed(monkeypatch, ip):
    resolves_to(monkeypatch, [ip])

    address = pin(parse())
    assert (address.host, address.ip, address.port, address.tls) == (HOST, ip, 443, True)


def test_tokens_do_not_travel_in_the_clear_beyond_a_private_network(monkeypatch):
    resolves_to(monkeypatch, ["93.184.216.34"], ["10.0.0.7", "93.184.216.34"], ["10.0.0.7"])
    serving = parse(url=f"http://{HOST}")

    for _ in range(2):
        with pytest.raises(InputError, match="https beyond a private network"):
            pin(serving)
    assert not pin(serving).tls


def test_only_listed_hosts_are_resolved_at_all(monkeypatch):
    asked = resolves_to(monkeypatch, ["93.184.216.34"])

    with pytest.raises(InputError, match="a host on the allow-list"):
        pin(parse(), ["other.example.com"])
    with pytest.raises(InputError, match="environment: staging"):
        pin(parse(environment="production"))
    assert asked == []
    assert pin(parse(), [HOST]).ip == "93.184.216.34"


def test_a_name_that_is_not_found_is_one_clear_error(monkeypatch):
    def fails(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fails)

    with pytest.raises(InputError, match="a host that is found, got no address"):
        pin(parse())


def test_a_name_that_resolves_elsewhere_later_does_not_move_the_probe(monkeypatch):
    """DNS rebinding: the second answer is the metadata service, and nobody asks for it."""
    with Endpoint() as server, Endpoint() as other:
        serving = parse(url=f"http://{HOST}:{server.port}")
        asked = resolves_to(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
        address = pin(serving)
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{other.port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{other.port}")
        with Asking(serving, address, requests=200, seconds=600, clock=server.clock) as asking:
            probe = Probe(serving, Tokens(**TOKENS), asking)
            probe.run()

    assert probe.violations == []
    assert asked == [HOST]
    assert other.asked == []
    assert {headers["host"] for _, headers in server.asked} == {f"{HOST}:{server.port}"}


@settings(deadline=None)
@given(st.ip_addresses())
def test_no_spelling_of_a_link_local_address_passes(ip):
    from modelwarden.probing.address import _forbidden

    if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        assert _forbidden(ip)
    if ip.version == 4:
        mapped = ipaddress.ip_address(f"::ffff:{ip}")
        assert bool(_forbidden(ip)) == bool(_forbidden(mapped))
