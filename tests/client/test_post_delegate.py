from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from client_network import Network

from infernet.client.delegation import post_request
from infernet.errors import InfernetError, JobRejected, RetryLater
from infernet.protocol.hashing import ZERO_ADDRESS
from infernet.protocol.wire_json import decode_delegate_json
from infernet.types import ChainId


class NodeServer:
    """The part of a node's API that takes delegated requests: it creates them on chain with a client of its own."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 202
        self.body: object = None
        self.seen: list[object] = []

    async def handle(self, request: web.Request) -> web.Response:
        parsed = await request.json()
        self.seen.append(parsed)
        _, _, delegated = decode_delegate_json(parsed)
        body = {"owner": delegated.subscription.owner.lower(), "id": delegated.id} if self.body is None else self.body
        return web.Response(status=self.status, body=body if isinstance(body, bytes) else json.dumps(body))


@pytest.fixture
async def server() -> AsyncIterator[NodeServer]:
    server = NodeServer()
    app = web.Application()
    app.router.add_post("/v1/subscriptions/delegated", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield server
    await runner.cleanup()


@pytest.mark.chain
async def test_a_node_reads_what_was_signed_and_names_the_subscription(network: Network, server: NodeServer) -> None:
    consumer = await network.asker.deploy("SignedDigits", network.coordinator, network.asker.address)
    request = await network.asker.sign_delegate(consumer, "demo/digits:1", b"features")
    key = await network.asker.post_delegate(server.url, request)
    assert (key.owner, key.id) == (consumer, request.id)
    chain_id, coordinator, read = decode_delegate_json(server.seen[0])
    assert (chain_id, coordinator, read) == (31337, network.coordinator, request)
    assert await network.node.submit_delegate(read) == key


@pytest.mark.chain
@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (400, {"code": "request.malformed", "message": "nonce\nmissing"}, JobRejected, "request.malformed"),
        (422, {"error": {"code": "policy.owner", "message": "no"}}, JobRejected, "policy.owner"),
        (429, {"code": "rate.limited", "message": "slow down"}, RetryLater, "rate.limited"),
        (503, {"code": "node.starting", "message": "soon"}, RetryLater, "node.starting"),
        (200, b"<html>", RetryLater, "node.bad_answer"),
        (202, b"[]", RetryLater, "node.bad_answer"),
        (202, {"owner": "0x12", "id": 1}, RetryLater, "node.bad_answer"),
        (202, {"owner": ZERO_ADDRESS, "id": -1}, RetryLater, "node.bad_answer"),
        (202, {"owner": ZERO_ADDRESS, "id": 2**32}, RetryLater, "node.bad_answer"),
        (302, b"", RetryLater, "node.bad_answer"),
    ],
)
async def test_what_a_node_says_is_one_line(
    network: Network, server: NodeServer, status: int, body: object, kind: type, code: str
) -> None:
    consumer = await network.asker.deploy("SignedDigits", network.coordinator, network.asker.address)
    request = await network.asker.sign_delegate(consumer, "demo/digits:1", b"features")
    server.status, server.body = status, body
    with pytest.raises(InfernetError) as caught:
        await post_request(server.url, ChainId(31337), network.coordinator, request, 5)
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert "\n" not in caught.value.message


@pytest.mark.chain
@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "not a url", "ftp://x"])
async def test_a_node_that_is_not_there_is_one_line(network: Network, url: str) -> None:
    consumer = await network.asker.deploy("SignedDigits", network.coordinator, network.asker.address)
    request = await network.asker.sign_delegate(consumer, "demo/digits:1", b"features")
    with pytest.raises(RetryLater) as caught:
        await network.asker.post_delegate(url, request)
    assert caught.value.code == "node.unreachable"
