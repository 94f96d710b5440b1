"""Reads over HTTP, with the standard library: a stream from any byte on, and small JSON answers."""

from __future__ import annotations

import http.client
import ipaddress
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from infernet.errors import InfernetError, InvalidInput, NodeMisconfigured, RetryLater

TIMEOUT_S = 30.0
"""For a connection, and for each read of one."""
CHUNK_BYTES = 1 << 20
MAX_JSON_BYTES = 1 << 20


def stream_http(
    url: str, headers: Mapping[str, str], start: int = 0, *, is_public_only: bool = False
) -> Iterator[bytes]:
    """What lies at a URL from byte `start` on. A server that knows no ranges sends all; the first bytes are skipped.

    Args:
        is_public_only: refuse servers of this machine and of its own networks, also as the target of a redirect.

    Raises:
        FileNotFoundError: there is nothing.
        RetryLater: `storage.unreachable`, also when the connection breaks half way.
        NodeMisconfigured: `storage.refused`, `storage.private_address`.
        InvalidInput: `storage.bad_request`.
    """
    asked = {**headers, "Range": f"bytes={start}-"} if start else dict(headers)
    with _open(url, asked, _PUBLIC if is_public_only else _ANY) as response:
        to_skip = 0 if response.status == http.HTTPStatus.PARTIAL_CONTENT else start
        try:
            while chunk := response.read1(CHUNK_BYTES):  # what is there, so that progress is seen
                if len(chunk) > to_skip:
                    yield chunk[to_skip:]
                to_skip = max(0, to_skip - len(chunk))
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(url, error) from error


def fetch_json(url: str, headers: Mapping[str, str]) -> Any:
    """A JSON answer of at most 1 MiB. Raises as `stream_http`, and RetryLater, `storage.unreadable`."""
    with _open(url, headers, _ANY) as response:
        try:
            return json.loads(response.read(MAX_JSON_BYTES))
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(url, error) from error
        except ValueError as error:
            raise RetryLater("storage.unreadable", f"{name_host(url)} answers what is no JSON: {error}") from error


def name_host(url: str) -> str:
    """Scheme, host and port: what an error may show of a URL that can hold a password or a token."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


class _PublicConnection(http.client.HTTPConnection):
    """Looks at the address that it is connected to before it says anything: a name can lead anywhere."""

    def connect(self) -> None:
        super().connect()
        _check_public(self)


class _PublicTlsConnection(http.client.HTTPSConnection):
    """The same over TLS."""

    def connect(self) -> None:
        super().connect()
        _check_public(self)


class _PublicHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_PublicConnection, req)


class _PublicTlsHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_PublicTlsConnection, req)


_ANY = urllib.request.build_opener()
_PUBLIC = urllib.request.build_opener(_PublicHandler, _PublicTlsHandler)


def _check_public(connection: http.client.HTTPConnection) -> None:
    """Raises NodeMisconfigured, `storage.private_address`. Of a proxy nothing is asked: it has rules of its own."""
    if connection.host in {urlsplit(proxy).hostname for proxy in urllib.request.getproxies().values()}:
        return
    found = ipaddress.ip_address(connection.sock.getpeername()[0].partition("%")[0])
    address = getattr(found, "ipv4_mapped", None) or found
    if not address.is_global or address.is_multicast:
        connection.close()
        raise NodeMisconfigured(
            "storage.private_address",
            f"{connection.host} is an address of this network ({address}), and whoever published the model wrote it: "
            "set models.private_addresses where that is meant",
        )


def _open(url: str, headers: Mapping[str, str], opener: urllib.request.OpenerDirector) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "infernet", **headers})  # noqa: S310  (see `_check`)
    _check(url)
    try:
        return opener.open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            raise _translate(url, error.code) from None
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(url, error) from error


def _check(url: str) -> None:
    """The library would open more: a `file:` URL for one."""
    if not url.lower().startswith(("http://", "https://")):
        raise NodeMisconfigured("storage.unknown_scheme", f"{url} is no http or https URL")


def _translate(url: str, status: int) -> InfernetError | OSError:
    if status in (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE):
        return FileNotFoundError(url)
    if status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
        return NodeMisconfigured("storage.refused", f"{name_host(url)} refuses to show it ({status}): give credentials")
    if status == http.HTTPStatus.BAD_REQUEST:
        return InvalidInput("storage.bad_request", f"{name_host(url)} does not understand what it is asked for")
    if status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return FileNotFoundError(f"{url} is shorter than it was")
    return RetryLater("storage.unreachable", f"{name_host(url)} answers with status {status}: try again later")


def _unreachable(url: str, error: Exception) -> RetryLater:
    reason = getattr(error, "reason", None) or error
    return RetryLater("storage.unreachable", f"{name_host(url)} cannot be reached: {reason}")
