"""The one address that a probe speaks to: allowed by name, resolved once, and then pinned."""

import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass

from modelwarden.errors import InputError
from modelwarden.serving import Serving

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

METADATA = tuple(
    ipaddress.ip_address(text)
    for text in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
)
"""Where clouds hand out credentials, besides the link-local 169.254.169.254."""

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address behind NAT64


@dataclass(frozen=True)
class Address:
    """Where a probe connects to, whatever the name resolves to later.

    Parameters
    ----------
    host : str
        The name, for TLS and the header Host.
    ip : str
        The address.
    port : int
    tls : bool
        Whether the connection is encrypted, and the certificate has to be for `host`.
    """

    host: str
    ip: str
    port: int
    tls: bool

    @property
    def named(self) -> str:
        """Return the value of the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def pin(serving: Serving, allowed: Collection[str] = ()) -> Address:
    """Resolve an endpoint's name, once, and refuse what must not be probed.

    Parameters
    ----------
    serving : Serving
        Where the endpoint is.
    allowed : collection of str, optional
        Hosts that the platform allows, beside the serving file's own list; all where it is empty.

    Raises
    ------
    InputError
        If the environment is not staging, the host is not allowed or not found, any of its
        addresses is link-local, multicast, unspecified or a cloud's metadata service, or a token
        would travel in the clear beyond a private network.
    """
    where = f"endpoint {serving.url}"
    if serving.environment != "staging":
        fix = "probe a copy of it that nobody depends on"
        raise InputError(where, "environment: staging", serving.environment, fix)
    if serving.host not in serving.hosts or (allowed and serving.host not in allowed):
        fix = "let whoever runs the platform add it to MODELWARDEN_ENDPOINTS"
        raise InputError(where, "a host on the allow-list", serving.host, fix)
    addresses = _resolved(serving, where)
    for ip in addresses:
        why = _forbidden(ip)
        if why:
            raise InputError(where, "an address that may be probed", f"{ip}, {why}")
    if serving.scheme == "http" and not all(_is_near(ip) for ip in addresses):
        raise InputError(where, "https beyond a private network", "http", "tokens would be read")
    return Address(serving.host, str(addresses[0]), serving.port, serving.scheme == "https")


def _resolved(serving: Serving, where: str) -> list[Ip]:
    try:
        found = socket.getaddrinfo(serving.host, serving.port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(str(entry[4][0])) for entry in found]
    except (OSError, ValueError) as error:
        raise InputError(where, "a host that is found", "no address") from error
    if not addresses:
        raise InputError(where, "a host that is found", "no address")
    return addresses


def _forbidden(ip: Ip) -> str:
    """Say why nobody may probe an address, "" if one may; what it hides is looked at as well."""
    inner = _hidden(ip)
    if inner is not None:
        return _forbidden(inner)
    for name in ("link_local", "multicast", "unspecified"):
        if getattr(ip, f"is_{name}"):
            return f"which is {name.replace('_', '-')}"
    if ip in METADATA:
        return "a metadata service"
    if ip == ipaddress.ip_address("255.255.255.255") or (ip.version == 4 and int(ip) < 2**24):
        return "no host's address"
    return ""


def _hidden(ip: Ip) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for."""
    if ip.version == 4:
        return None
    if ip in _TRANSLATED:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.ipv4_mapped is not None or ip.sixtofour is not None:
        return ip.ipv4_mapped or ip.sixtofour
    return ip.teredo[1] if ip.teredo else None


def _is_near(ip: Ip) -> bool:
    inner = _hidden(ip) or ip
    return inner.is_loopback or inner.is_private
