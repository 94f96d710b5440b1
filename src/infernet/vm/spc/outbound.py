"""HTTP on behalf of contracts: bounded in time and size, to public addresses alone, from a thread that may wait.

The address that is checked is the one that is connected to: names are resolved once for each connection, here. A host
that answers the check with one address and the connection with another has no moment for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")
_CHUNK_BYTES = 16_384
_RESOLVING = 64
"""Names at a time: what a name server that hangs holds is not given back in time."""

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
T = TypeVar("T")


class OutboundFailed(Exception):
    """No answer, and why, in words that may stand in a block."""


class AnswerTooLarge(OutboundFailed):
    """The answer's body is longer than it may be."""


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """One request. `check` is asked before each connection, redirects included."""

    method: str
    url: URL
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    max_answer_bytes: int = 65_536
    check: Callable[[URL], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class OutboundAnswer:
    """What came back; the body is decompressed."""

    status: int
    body: bytes


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public Internet, whatever it is wrapped in."""
    ip: IpAddress = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = _unwrap(ip)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _UNICAST:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _unwrap(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a gateway would send such packets to."""
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None


class OutboundClient:
    """Makes requests for whoever calls, from any thread, on an event loop of its own.

    Args:
        timeout_s: for all of a request: names, connections, redirects, the last byte.
        allows: whether an IP address may be connected to.
        resolve: the IP addresses of a host; the system's resolver where None.
    """

    def __init__(
        self,
        *,
        timeout_s: float,
        allows: Callable[[str], bool] = is_public,
        resolve: Callable[[str], list[str]] | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._allows = allows
        self._resolve = resolve or _resolve_by_system
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = threading.Lock()

    def fetch(self, request: OutboundRequest) -> OutboundAnswer:
        """
        Raises:
            OutboundFailed: there is no answer.
        """
        return self._run(self._fetch_in_time(request))

    def close(self) -> None:
        """End the thread. A later request starts another."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)

    def _run(self, work: Awaitable[T]) -> T:
        """A thread apart: the caller's may have a loop already, and one name server that hangs must not hold it."""
        with self._starting:
            loop = self._loop
            if loop is None:
                loop = self._loop = asyncio.new_event_loop()
                loop.set_default_executor(ThreadPoolExecutor(_RESOLVING, thread_name_prefix="spc-names"))
                threading.Thread(target=_run_loop, args=(loop,), name="spc-outbound", daemon=True).start()

        async def run() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), loop).result()

    async def _fetch_in_time(self, request: OutboundRequest) -> OutboundAnswer:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._follow(request)
        except TimeoutError:
            raise OutboundFailed(f"there was no answer within {self._timeout_s:g} s") from None

    async def _follow(self, request: OutboundRequest) -> OutboundAnswer:
        url, headers = request.url, dict(request.headers)
        connector = aiohttp.TCPConnector(resolver=_Resolver(self._resolve, self._allows), use_dns_cache=False)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            for _ in range(_MAX_REDIRECTS + 1):
                self._check(request, url)
                answer, location = await _exchange(session, request, url, headers)
                if location is None or request.method not in ("GET", "HEAD"):
                    return answer
                before, url = url, _join(url, location)
                if (url.scheme, url.host, url.port) != (before.scheme, before.host, before.port):
                    headers.clear()  # what was meant for one host is not told to another
        raise OutboundFailed(f"there were more than {_MAX_REDIRECTS} redirects")

    def _check(self, request: OutboundRequest, url: URL) -> None:
        request.check(url)
        with contextlib.suppress(ValueError):  # a name: the resolver checks what it stands for
            ipaddress.ip_address(url.host or "")
            if not self._allows(url.host or ""):
                raise OutboundFailed(_not_public(url.host or ""))


class _Resolver(AbstractResolver):
    """Addresses that may be connected to, all of them or none."""

    def __init__(self, resolve: Callable[[str], list[str]], allows: Callable[[str], bool]) -> None:
        self._resolve = resolve
        self._allows = allows

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            addresses = await asyncio.get_running_loop().run_in_executor(None, self._resolve, host)
        except (OSError, UnicodeError):
            raise OutboundFailed(f"the host {host} is not known") from None
        if not all(map(self._allows, addresses)):
            raise OutboundFailed(_not_public(host))
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        pass


async def _exchange(
    session: aiohttp.ClientSession, request: OutboundRequest, url: URL, headers: dict[str, str]
) -> tuple[OutboundAnswer, str | None]:
    """One request and its answer, and where it redirects to, if it does."""
    try:
        async with session.request(
            request.method, url, headers=headers, data=request.body or None, allow_redirects=False
        ) as response:
            location = response.headers.get("Location") if response.status in _REDIRECTS else None
            body = await _read(response, request.max_answer_bytes)
            return OutboundAnswer(response.status, body), location
    except (aiohttp.ClientSSLError, ssl.SSLError):
        raise OutboundFailed(f"the certificate of {url.host} does not hold") from None
    except (aiohttp.ClientError, OSError, ValueError):
        raise OutboundFailed(f"{url.host} gave no answer") from None


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > most:
            raise AnswerTooLarge(f"the answer is longer than {most} bytes")
    return bytes(body)


def _join(url: URL, location: str) -> URL:
    try:
        return url.join(URL(location))
    except ValueError:
        raise OutboundFailed("a redirect leads nowhere") from None


def _resolve_by_system(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def _not_public(host: str) -> str:
    return f"the host {host} has an address that is not public"
