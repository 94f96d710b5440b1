"""HTTP requests of contracts, against servers with real sockets."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_server import Reply, Seen, SmallServer, serve

from infernet.protocol.abi_codec import decode_abi, encode_abi
from infernet.protocol.hashing import keccak
from infernet.testing.spc_call import MemoryCall
from infernet.vm.spc.call import SpcOutOfGas, SpcRevert
from infernet.vm.spc.http import Http
from infernet.vm.spc.outbound import OutboundClient, is_public
from infernet.vm.spc.prices import Limits, Prices

PRICES = Prices()
HOST = "texts.example"


def _echo(seen: Seen) -> Reply:
    return Reply(body=f"{seen.method} {seen.path} ".encode() + seen.body)


def _client(
    *, allows: Callable[[str], bool] = lambda _: True, resolve: Callable[[str], list[str]] | None = None
) -> OutboundClient:
    return OutboundClient(timeout_s=5, allows=allows, resolve=resolve or (lambda _: ["127.0.0.1"]))


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with serve(_echo) as server:
        yield server


@pytest.fixture
def http(server: SmallServer) -> Iterator[Http]:
    with closing(_client()) as client:
        yield Http(client, [f"{HOST}:{server.port}"], PRICES, Limits(http_bytes=1_000))


def _encode_get(url: str) -> bytes:
    return keccak(b"get(string)")[:4] + encode_abi(["string"], [url])


def _encode_request(method: str, url: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> bytes:
    types = ["string", "string", "(string,string)[]", "bytes"]
    return keccak(b"request(string,string,(string,string)[],bytes)")[:4] + encode_abi(
        types, [method, url, list(headers), body]
    )


def _run(http: Http, data: bytes, call: MemoryCall | None = None) -> tuple[int, bytes]:
    call = (call or MemoryCall(is_static=True)).next(data, is_static=True, gas=call.gas_left if call else 10**12)
    status, body = decode_abi(["uint16", "bytes"], http.run(call))
    return status, body


def _refuse(http: Http, data: bytes) -> str:
    with pytest.raises(SpcRevert) as caught:
        _run(http, data)
    return caught.value.reason


# --- Answers


def test_a_get_brings_status_and_body(http: Http, server: SmallServer) -> None:
    assert _run(http, _encode_get(server.url("/a?b=c", HOST))) == (200, b"GET /a?b=c ")


def test_a_request_carries_method_headers_and_body(http: Http, server: SmallServer) -> None:
    data = _encode_request("POST", server.url("/x", HOST), [("X-Key", "1"), ("Accept", "text/plain")], b"\x00\xff")
    assert _run(http, data) == (200, b"POST /x \x00\xff")
    seen = server.seen[0]
    assert (seen.headers["x-key"], seen.headers["accept"]) == ("1", "text/plain")
    assert seen.headers["host"] == f"{HOST}:{server.port}"


def test_any_status_is_an_answer(http: Http, server: SmallServer) -> None:
    server.answer = lambda _: Reply(status=503, body=b"busy")
    assert _run(http, _encode_get(server.url("/", HOST))) == (503, b"busy")


def test_a_head_has_no_body(http: Http, server: SmallServer) -> None:
    server.answer = lambda _: Reply(body=b"never sent")
    assert _run(http, _encode_request("HEAD", server.url("/", HOST))) == (200, b"")


def test_no_cookie_is_kept(http: Http, server: SmallServer) -> None:
    server.answer = lambda _: Reply(headers={"Set-Cookie": "a=b"})
    for _ in range(2):
        _run(http, _encode_get(server.url("/", HOST)))
    assert "cookie" not in server.seen[1].headers


def test_it_works_where_a_loop_already_runs(http: Http, server: SmallServer) -> None:
    async def call() -> tuple[int, bytes]:
        return _run(http, _encode_get(server.url("/", HOST)))

    assert asyncio.run(call())[0] == 200


def test_the_same_call_can_be_made_after_close(server: SmallServer) -> None:
    client = _client()
    http = Http(client, [f"{HOST}:{server.port}"], PRICES, Limits())
    for _ in range(2):
        assert _run(http, _encode_get(server.url("/", HOST)))[0] == 200
        client.close()


# --- Redirects


def test_a_redirect_within_the_list_is_followed(http: Http, server: SmallServer) -> None:
    server.answer = lambda seen: Reply(302, headers={"Location": "/b"}) if seen.path == "/a" else _echo(seen)
    assert _run(http, _encode_get(server.url("/a", HOST))) == (200, b"GET /b ")


def test_a_redirected_post_is_an_answer(http: Http, server: SmallServer) -> None:
    server.answer = lambda _: Reply(307, headers={"Location": "/b"})
    assert _run(http, _encode_request("POST", server.url("/a", HOST))) == (307, b"")
    assert len(server.seen) == 1


def test_a_redirect_out_of_the_list_is_refused(http: Http, server: SmallServer) -> None:
    server.answer = lambda _: Reply(302, headers={"Location": f"http://other.example:{server.port}/"})
    reason = _refuse(http, _encode_get(server.url("/a", HOST)))
    assert reason == f"the host other.example:{server.port} is not among those that this layer asks"
    assert len(server.seen) == 1


def test_a_redirect_to_another_scheme_is_refused(http: Http, server: SmallServer) -> None:
    server.answer = lambda _: Reply(302, headers={"Location": "file:///etc/passwd"})
    assert "neither http:// nor https://" in _refuse(http, _encode_get(server.url("/a", HOST)))


def test_endless_redirects_end(http: Http, server: SmallServer) -> None:
    server.answer = lambda seen: Reply(302, headers={"Location": seen.path + "x"})
    assert _refuse(http, _encode_get(server.url("/", HOST))) == "there were more than 5 redirects"
    assert len(server.seen) == 6


def test_headers_are_not_told_to_another_host(server: SmallServer) -> None:
    server.answer = lambda seen: (
        Reply(302, headers={"Location": server.url("/b", "two.example")}) if seen.path == "/a" else _echo(seen)
    )
    hosts = [f"{name}:{server.port}" for name in ("one.example", "two.example")]
    with closing(_client()) as client:
        http = Http(client, hosts, PRICES, Limits())
        _run(http, _encode_request("GET", server.url("/a", "one.example"), [("Authorization", "secret")]))
    assert [seen.headers.get("authorization") for seen in server.seen] == ["secret", None]


# --- Addresses


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.8.8.8", "169.254.169.254", "172.16.0.1"),
        *("192.0.0.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "fec0::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1"),
        *("64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1", "2001:0:4136:e378:8000:63bf:80ff:fffe"),
    ],
)
def test_an_address_that_is_not_public_is_known_as_such(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]
)
def test_a_public_address_is_known_as_such(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_what_wraps_an_address_is_as_public_as_the_address(address: object) -> None:
    packed = address.packed.hex()  # type: ignore[attr-defined]
    for wrapped in (
        f"::ffff:{packed[:4]}:{packed[4:]}",
        f"64:ff9b::{packed[:4]}:{packed[4:]}",
        f"2002:{packed[:4]}:{packed[4:]}::",
    ):
        assert is_public(wrapped) == is_public(str(address))


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["::ffff:127.0.0.1"]])
def test_a_listed_name_with_a_private_address_is_refused(server: SmallServer, addresses: list[str]) -> None:
    with closing(_client(allows=is_public, resolve=lambda _: addresses)) as client:
        http = Http(client, [f"{HOST}:{server.port}"], PRICES, Limits())
        reason = _refuse(http, _encode_get(server.url("/", HOST)))
    assert reason == f"the host {HOST} has an address that is not public"
    assert server.seen == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_a_listed_private_address_is_refused(server: SmallServer, host: str) -> None:
    listed = f"{host.strip('[]')}:{server.port}"
    with closing(_client(allows=is_public)) as client:
        http = Http(
            client, [listed, f"[::ffff:7f00:1]:{server.port}", f"::ffff:7f00:1:{server.port}"], PRICES, Limits()
        )
        assert "not public" in _refuse(http, _encode_get(server.url("/", host)))
    assert server.seen == []


def test_a_redirect_to_a_private_address_is_refused() -> None:
    """127.0.0.2 plays the public Internet, 127.0.0.1 the producer's own machine."""
    with serve(_echo) as private, serve(_echo, "127.0.0.2") as public:
        public.answer = lambda _: Reply(302, headers={"Location": private.url("/", "inner.example")})
        addresses = {"outer.example": ["127.0.0.2"], "inner.example": ["127.0.0.1"]}
        with closing(_client(allows=lambda ip: ip == "127.0.0.2", resolve=addresses.__getitem__)) as client:
            http = Http(client, [f"outer.example:{public.port}", f"inner.example:{private.port}"], PRICES, Limits())
            reason = _refuse(http, _encode_get(public.url("/", "outer.example")))
        assert reason == "the host inner.example has an address that is not public"
        assert len(public.seen) == 1
        assert private.seen == []


def test_a_name_that_changes_its_address_after_the_check_gains_nothing() -> None:
    """Each connection goes to an address that this very connection's check has seen."""
    with serve(_echo) as private, serve(_echo, "127.0.0.2") as public:
        answers = iter([["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2"]])
        with closing(_client(allows=lambda ip: ip == "127.0.0.2", resolve=lambda _: next(answers))) as client:
            http = Http(client, [f"{HOST}:{public.port}"], PRICES, Limits())
            assert _run(http, _encode_get(public.url("/", HOST)))[0] == 200
            assert "not public" in _refuse(http, _encode_get(public.url("/", HOST)))
            assert _run(http, _encode_get(public.url("/", HOST)))[0] == 200
        assert private.seen == []


# --- Refusals


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://texts.example/", "neither http"),
        ("texts.example/", "neither http"),
        ("http:///path", "neither http"),
        ("http://other.example/", "other.example is not among"),
        ("http://texts.example/", "texts.example is not among"),  # listed with another port
        ("http://texts.example:99999/", "malformed"),
        ("http://u:p@texts.example/", "a user or a password"),
        ("http://tëxts.example/", "not ASCII"),
        ("http://texts.example/a b", "not ASCII"),
        ("http://texts.example/\r\nHost: x", "not ASCII"),
        ("http://texts.example/" + "a" * 2_048, "not ASCII"),
    ],
)
def test_a_url_that_is_not_to_be_asked_is_refused(http: Http, server: SmallServer, url: str, reason: str) -> None:
    assert reason in _refuse(http, _encode_get(url))
    assert server.seen == []


@pytest.mark.parametrize(
    "header",
    [
        *(("Host", "x"), ("cookie", "a=b"), ("Content-Length", "1"), ("Proxy-Authorization", "x")),
        *(("a b", "x"), ("", "x"), ("X", "a\r\nY: b"), ("X", "é"), ("X", "a" * 4_097)),
    ],
)
def test_a_header_of_the_connection_or_a_broken_one_is_refused(
    http: Http, server: SmallServer, header: tuple[str, str]
) -> None:
    assert "header" in _refuse(http, _encode_request("GET", server.url("/", HOST), [header]))
    assert server.seen == []


def test_unknown_methods_and_doubled_headers_are_refused(http: Http, server: SmallServer) -> None:
    assert "the method is none of" in _refuse(http, _encode_request("TRACE", server.url("/", HOST)))
    doubled = _encode_request("GET", server.url("/", HOST), [("X", "1"), ("x", "2")])
    assert "one twice" in _refuse(http, doubled)


def test_a_host_that_is_not_there_is_a_reason(server: SmallServer) -> None:
    def resolve(_: str) -> list[str]:
        raise OSError("no such host")

    with closing(_client(resolve=resolve)) as client:
        http = Http(client, [HOST], PRICES, Limits())
        assert _refuse(http, _encode_get(f"http://{HOST}/")) == f"the host {HOST} is not known"


def test_a_port_where_nobody_listens_is_a_reason(http: Http, server: SmallServer) -> None:
    server.server_close()
    assert _refuse(http, _encode_get(server.url("/", HOST))) == f"{HOST} gave no answer"


def test_a_server_that_drips_is_left(server: SmallServer) -> None:
    server.answer = lambda _: Reply(body=b"x" * 1_000, drip_s=0.05)
    client = OutboundClient(timeout_s=0.3, allows=lambda _: True, resolve=lambda _: ["127.0.0.1"])
    with closing(client):
        http = Http(client, [f"{HOST}:{server.port}"], PRICES, Limits())
        assert _refuse(http, _encode_get(server.url("/", HOST))) == "there was no answer within 0.3 s"


def test_an_answer_that_is_too_long_is_a_reason(http: Http, server: SmallServer) -> None:
    server.answer = lambda _: Reply(body=b"x" * 1_001)
    assert _refuse(http, _encode_get(server.url("/", HOST))) == "the answer is longer than 1000 bytes"


def test_a_compressed_answer_counts_by_what_it_holds(http: Http, server: SmallServer) -> None:
    server.answer = lambda _: Reply(body=gzip.compress(bytes(10_000_000)), headers={"Content-Encoding": "gzip"})
    assert _refuse(http, _encode_get(server.url("/", HOST))) == "the answer is longer than 1000 bytes"
    server.answer = lambda _: Reply(body=gzip.compress(b"small"), headers={"Content-Encoding": "gzip"})
    assert _run(http, _encode_get(server.url("/", HOST))) == (200, b"small")


# --- Gas


def test_each_byte_of_the_answer_is_charged(http: Http, server: SmallServer) -> None:
    def spend(size: int) -> int:
        server.answer = lambda _: Reply(body=b"x" * size)
        call = MemoryCall(data=_encode_get(server.url("/", HOST)), is_static=True)
        before = call.gas_left
        http.run(call)
        return before - call.gas_left

    assert spend(64) - spend(32) == 32 * PRICES.http_byte + PRICES.result_word
    assert spend(0) > PRICES.http_request


def test_the_request_is_charged_before_it_is_made(http: Http, server: SmallServer) -> None:
    call = MemoryCall(data=_encode_get(server.url("/", HOST)), is_static=True, gas_left=PRICES.http_request)
    with pytest.raises(SpcOutOfGas):
        http.run(call)
    assert server.seen == []


def test_an_answer_beyond_the_gas_is_not_read(http: Http, server: SmallServer) -> None:
    server.answer = lambda _: Reply(body=b"x" * 500)
    data = _encode_get(server.url("/", HOST))
    call = MemoryCall(data=data, is_static=True, gas_left=PRICES.http_request + 10_000)
    with pytest.raises(SpcOutOfGas):
        http.run(call)
    assert call.gas_left == 0


def test_a_failed_request_costs_the_request(http: Http, server: SmallServer) -> None:
    server.server_close()
    call = MemoryCall(data=_encode_get(server.url("/", HOST)), is_static=True)
    before = call.gas_left
    with pytest.raises(SpcRevert):
        http.run(call)
    assert PRICES.http_request < before - call.gas_left < PRICES.http_request + 5_000
