"""The proxy that the environment sets for the API server, by the rules that kubectl follows."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def environment_proxy(server: str) -> str | None:
    """Return the proxy that HTTPS_PROXY and NO_PROXY set for the API server, as kubectl reads them.

    Rules: https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config
    """
    url = urlsplit(server)
    proxy = getproxies().get(url.scheme)
    if not proxy or _needs_no_proxy(url.hostname or "") or proxy_bypass(url.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _needs_no_proxy(host: str) -> bool:
    """Return True for loopback addresses and for the address ranges in NO_PROXY, which urllib ignores."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or any(address in network for network in _networks(getproxies().get("no", "")))


def _networks(no_proxy: str) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for entry in no_proxy.split(","):
        with contextlib.suppress(ValueError):  # a host name
            yield ipaddress.ip_network(entry.strip(), strict=False)
