from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import uvicorn

from infernet.errors import InvalidInput, JobRejected, NodeMisconfigured, RetryLater
from infernet.web import HttpServer, JSONResponse, Request, Response, Route, build_application, read_json
from infernet.web.strict_json import decode_json

ERRORS: dict[str, Exception] = {
    "invalid": InvalidInput("a.b", "wrong"),
    "rejected": JobRejected("a.b", "never"),
    "later": RetryLater("a.b", "not now"),
    "many": RetryLater("requests.too_many", "not so fast"),
    "misconfigured": NodeMisconfigured("a.b", "operator"),
    "bug": ValueError("secret words"),
    "surrogate": InvalidInput("a.b", "half \ud800 a pair"),
}


async def echo(request: Request) -> Response:
    return JSONResponse(await read_json(request, 1000))


async def fail(request: Request) -> Response:
    raise ERRORS[request.path_params["name"]]


@pytest.fixture
async def url() -> AsyncIterator[str]:
    routes = [Route("/echo", echo, methods=["POST"]), Route("/fail/{name}", fail)]
    async with HttpServer(build_application(routes), "127.0.0.1", 0) as server:
        yield server.url


async def fetch(method: str, url: str, **options: Any) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.request(method, url, **options) as response:
        return response.status, await response.json()


async def test_json_comes_back(url: str) -> None:
    assert await fetch("POST", url + "/echo", data=b'{"a": 1}') == (200, {"a": 1})


async def test_answers_on_an_open_connection_are_not_held_back(url: str) -> None:
    async def measure(connector: aiohttp.TCPConnector) -> float:
        begin = time.monotonic()
        async with aiohttp.ClientSession(connector=connector) as session:
            for _ in range(50):
                async with session.post(url + "/echo", data=b"1") as response:
                    assert await response.json() == 1
        return time.monotonic() - begin

    kept, anew = [
        min([await measure(aiohttp.TCPConnector(force_close=is_anew)) for _ in range(3)]) for is_anew in (False, True)
    ]
    assert kept < 4 * anew  # with Nagle's algorithm each waits 40 ms for an acknowledgement


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 200, b"1" * 999 + b"x", b"NaN", b'{"a": -Infinity}'])
async def test_a_body_that_is_no_json_is_refused(url: str, body: bytes) -> None:
    status, answer = await fetch("POST", url + "/echo", data=body)
    assert (status, answer["error"]["code"]) == (400, "request.not_json")


def test_json_that_is_nested_too_deep_is_refused_whatever_the_interpreter_allows() -> None:
    before = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(100_000)  # as packages do that the node imports
        for text in ("[" * 1_000_000, '{"a":' * 200_000, '["]",' * 300 + "1"):
            with pytest.raises(InvalidInput) as caught:
                decode_json(text)
            assert caught.value.code == "request.too_deep"
    finally:
        sys.setrecursionlimit(before)


def test_json_with_many_brackets_that_are_not_nested_is_read() -> None:
    value = [["[[[{{{", '\\"[', {"{": []}]] * 1000
    assert decode_json(json.dumps(value)) == value
    assert decode_json("[" * 256 + "]" * 256) is not None


def test_strings_that_do_not_end_are_refused_at_once() -> None:
    def measure(start: str, length: int) -> float:
        took_s = []
        for _ in range(5):
            begin = time.process_time()
            with pytest.raises(InvalidInput):
                decode_json(start + '\\"' * length)
            took_s.append(time.process_time() - begin)
        return min(took_s)

    for start in ("[" * 300, '["[' * 300):
        assert measure(start, 4_000_000) < 64 * measure(start, 250_000)  # 256 times, were it quadratic; 16 it is


async def test_a_body_that_is_too_large_is_refused_before_it_is_read_whole(url: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 1000
            await asyncio.sleep(0)

    status, answer = await fetch("POST", url + "/echo", data=endless())
    assert (status, answer["error"]["code"]) == (413, "request.too_large")


@pytest.mark.parametrize(
    ("name", "status"), [("invalid", 400), ("rejected", 422), ("later", 503), ("misconfigured", 500)]
)
async def test_every_kind_of_error_has_its_status(url: str, name: str, status: int) -> None:
    found, answer = await fetch("GET", f"{url}/fail/{name}")
    assert found == status
    assert answer == {"error": {"code": "a.b", "message": str(ERRORS[name])}}


async def test_too_many_requests_have_their_own_status(url: str) -> None:
    status, answer = await fetch("GET", url + "/fail/many")
    assert (status, answer["error"]["code"]) == (429, "requests.too_many")


async def test_a_fault_of_the_node_tells_a_stranger_nothing(url: str) -> None:
    status, answer = await fetch("GET", url + "/fail/bug")
    assert (status, answer["error"]["code"]) == (500, "node.failed")
    assert "secret" not in str(answer)


async def test_half_a_surrogate_pair_in_a_message_is_replaced(url: str) -> None:
    status, answer = await fetch("GET", url + "/fail/surrogate")
    assert (status, answer["error"]["message"]) == (400, "half ? a pair")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/echo", 405)])
async def test_a_wrong_path_or_method_is_an_error_object_too(url: str, method: str, path: str, status: int) -> None:
    found, answer = await fetch(method, url + path)
    assert (found, answer["error"]["code"]) == (status, f"http.{status}")


async def test_a_client_that_leaves_in_the_middle_does_no_harm(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert await fetch("POST", url + "/echo", data=b"1") == (200, 1)


async def test_a_port_in_use_is_said_so() -> None:
    application = build_application([])
    async with HttpServer(application, "127.0.0.1", 0) as first:
        port = int(first.url.rsplit(":", 1)[1])
        with pytest.raises(NodeMisconfigured) as caught:
            await HttpServer(application, "127.0.0.1", port).__aenter__()
    assert (caught.value.code, str(port) in caught.value.message) == ("port.in_use", True)


@pytest.mark.parametrize("host", ["nowhere.invalid", "300.1.1.1", "192.0.2.1", "a" * 70 + ".b"])
async def test_a_host_that_is_not_this_machine_is_said_so(host: str) -> None:
    with pytest.raises(NodeMisconfigured) as caught:
        await HttpServer(build_application([]), host, 0).__aenter__()
    assert caught.value.code == "api.unusable"


async def test_the_port_is_free_again_after_the_end() -> None:
    async with HttpServer(build_application([]), "127.0.0.1", 0) as server:
        port = int(server.url.rsplit(":", 1)[1])
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_a_server_that_ends_before_it_has_started_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def break_down(self: uvicorn.Server, sockets: object = None) -> None:
        raise OSError("no kernel objects left")

    monkeypatch.setattr(uvicorn.Server, "startup", break_down)
    with pytest.raises(NodeMisconfigured, match="no kernel objects left") as caught:
        await HttpServer(build_application([]), "127.0.0.1", 0).__aenter__()
    assert caught.value.code == "api.ended"
    assert isinstance(caught.value.__cause__, OSError)


async def test_whoever_watches_learns_that_the_server_ended_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def break_down(self: uvicorn.Server, counter: int) -> bool:
        raise OSError("the network is gone")

    async with HttpServer(build_application([]), "127.0.0.1", 0) as server:
        monkeypatch.setattr(uvicorn.Server, "on_tick", break_down)
        with pytest.raises(NodeMisconfigured, match="the network is gone") as caught:
            await server.wait_end()
    assert caught.value.code == "api.ended"


async def test_whoever_watches_is_let_go_when_the_server_is_told_to_end() -> None:
    async with HttpServer(build_application([]), "127.0.0.1", 0) as server:
        watching = asyncio.create_task(server.wait_end())
        given_up = asyncio.create_task(server.wait_end())
        await asyncio.sleep(0.05)
        given_up.cancel()
        await asyncio.wait([given_up])
        assert await fetch("GET", server.url + "/nowhere") == (
            404,
            {"error": {"code": "http.404", "message": "Not Found"}},
        )
    await watching
    await server.wait_end()
