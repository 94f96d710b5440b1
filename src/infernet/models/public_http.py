"""For a process that opens URLs of strangers: only the public internet, never this machine or its network."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import urllib.request
from typing import Any


def refuse_private_addresses() -> None:
    """From now on `urllib` in this process connects to public addresses only, after a redirect as well, and whatever a
    name stands for by then. No proxy is used: it would connect in our place.
    """
    urllib.request.install_opener(
        urllib.request.build_opener(urllib.request.ProxyHandler({}), _PublicHttp(), _PublicHttps())
    )


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet."""
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None) or found
    return bool(mapped.is_global and not mapped.is_multicast)


class _PublicHttp(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_PublicConnection, req)


class _PublicHttps(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_PublicTlsConnection, req)


class _PublicConnection(http.client.HTTPConnection):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._create_connection = _connect  # what `connect` calls in both classes of the library


class _PublicTlsConnection(http.client.HTTPSConnection):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._create_connection = _connect


def _connect(address: tuple[str, int], *options: Any) -> socket.socket:
    host, port = address
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    public = [ip for ip in found if is_public(ip)]
    if not public:
        raise OSError(f"{host} is no address of the public internet")
    return socket.create_connection((public[0], port), *options)
