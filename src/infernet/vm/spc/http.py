"""HTTP requests of contracts, at 0x0801. Recorded: the block says what the answer was."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from yarl import URL

from infernet.protocol.abi_codec import encode_abi
from infernet.vm.spc.addresses import HTTP
from infernet.vm.spc.call import SpcCall, SpcRevert
from infernet.vm.spc.dispatch import Methods
from infernet.vm.spc.outbound import AnswerTooLarge, OutboundClient, OutboundFailed, OutboundRequest
from infernet.vm.spc.outside import Question
from infernet.vm.spc.prices import Limits, Prices

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_CONNECTION_HEADERS = frozenset(
    {"connection", "content-length", "cookie", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
_MAX_URL_BYTES = 2_048
_MAX_HEADERS = 32
_MAX_HEADER_BYTES = 4_096
_STATUS_BYTES = 2


class Http:
    """The precompile.

    Args:
        hosts: which may be asked: names or addresses as they stand in URLs, with `:port` where it is not the scheme's.
    """

    address = HTTP
    name = "http"
    recorded = True

    def __init__(self, client: OutboundClient, hosts: Collection[str], prices: Prices, limits: Limits) -> None:
        self._client = client
        self._hosts = frozenset(host.lower() for host in hosts)
        self._prices = prices
        self._limits = limits
        self._methods = Methods(
            prices,
            {
                "get(string) view returns (uint16,bytes)": self._get,
                "request(string,string,(string,string)[],bytes) view returns (uint16,bytes)": self._request,
            },
        )

    def run(self, call: SpcCall) -> bytes:
        """As `Spc` says."""
        return self._methods.run(call)

    def _get(self, call: SpcCall, url: str) -> tuple[int, bytes]:
        return self._request(call, "GET", url, (), b"")

    def _request(
        self, call: SpcCall, method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[int, bytes]:
        if method not in _METHODS:
            raise SpcRevert(f"the method is none of {', '.join(sorted(_METHODS))}")
        _check_headers(headers)
        try:
            request = OutboundRequest(
                method, self._parse(url), tuple(headers), body, self._limits.http_bytes, self._check
            )
            return self._send(call, request)
        except OutboundFailed as error:
            raise SpcRevert(str(error)) from error

    def _send(self, call: SpcCall, request: OutboundRequest) -> tuple[int, bytes]:
        """What is asked does not depend on the gas that is left: with less of it the question is still the same."""
        call.charge(self._prices.http_request)
        try:
            answer = call.ask(self._build_question(request))
        except AnswerTooLarge:
            if call.gas_left < self._prices.http_byte * self._limits.http_bytes:
                call.charge(call.gas_left + 1)
            raise
        status, body = int.from_bytes(answer[:_STATUS_BYTES], "big"), answer[_STATUS_BYTES:]
        call.charge(self._prices.http_byte * len(body))
        return status, body

    def _build_question(self, request: OutboundRequest) -> Question:
        def ask() -> bytes:
            answer = self._client.fetch(request)
            return answer.status.to_bytes(_STATUS_BYTES, "big") + answer.body

        values = [request.method, str(request.url), request.headers, request.body]
        asked = encode_abi(["string", "string", "(string,string)[]", "bytes"], values)
        return Question(f"http {request.url.host}", asked, ask)

    def _parse(self, url: str) -> URL:
        if not url.isascii() or not url.isprintable() or " " in url or len(url) > _MAX_URL_BYTES:
            raise SpcRevert(f"the URL is not ASCII of at most {_MAX_URL_BYTES} bytes")
        try:
            parsed = URL(url)
        except ValueError:
            raise SpcRevert("the URL is malformed") from None
        self._check(parsed)
        return parsed

    def _check(self, url: URL) -> None:
        """Of the request, and of every place that it is redirected to."""
        if url.scheme not in _DEFAULT_PORTS or url.raw_host is None:
            raise OutboundFailed("the URL is neither http:// nor https:// and a host")
        if url.raw_user is not None or url.raw_password is not None:
            raise OutboundFailed("the URL holds a user or a password, which everyone could read in the block")
        host = url.raw_host.lower()
        listed = host if url.port == _DEFAULT_PORTS[url.scheme] else f"{host}:{url.port}"
        if listed not in self._hosts:
            raise OutboundFailed(f"the host {listed} is not among those that this layer asks")


def _check_headers(headers: Sequence[tuple[str, str]]) -> None:
    names = [name.lower() for name, _ in headers]
    if len(names) > _MAX_HEADERS or len(set(names)) != len(names):
        raise SpcRevert(f"there are more than {_MAX_HEADERS} headers, or one twice")
    for name, (_, value) in zip(names, headers, strict=True):
        if not name or not _TOKEN.issuperset(name) or name in _CONNECTION_HEADERS or name.startswith("proxy-"):
            raise SpcRevert(f"the header {name[:64]!r} may not be set")
        if not value.isascii() or not value.isprintable() or len(value) > _MAX_HEADER_BYTES:
            raise SpcRevert(f"the header {name[:64]} is not printable ASCII of at most {_MAX_HEADER_BYTES} bytes")
