"""Signed requests through the HTTP API of a real node on a real chain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from infernet.api import build_routes
from infernet.chain.child import ChildChain
from infernet.keys.signer import LocalSigner
from infernet.protocol.signing import compute_delegate_digest
from infernet.protocol.subscription import DelegateRequest
from infernet.protocol.wire_json import encode_delegate_json
from infernet.testing.containers import FunctionContainer
from infernet.testing.world import RunningNode, World, build_world, wait_until
from infernet.types import SubscriptionKey, Timestamp
from infernet.web import HttpServer, build_application

pytestmark = [pytest.mark.chain, pytest.mark.both_chains]
STRANGER = LocalSigner(b"\7" * 32)


class Api:
    """A node and its API."""

    def __init__(self, world: World, node: RunningNode, url: str, runs: list[bytes]) -> None:
        self.world, self.node, self.url, self.runs = world, node, url, runs

    async def post(self, request: DelegateRequest) -> tuple[int, Any]:
        body = encode_delegate_json(self.world.chain.chain_id, self.world.coordinator, request)
        url = self.url + "/v1/subscriptions/delegated"
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
            return response.status, await response.json()

    async def fetch_report(self, request: DelegateRequest) -> tuple[int, Any]:
        place = f"{self.world.chain.chain_id}/{self.world.coordinator}/{self.world.consumer}/{request.id}"
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/v1/jobs/{place}") as response:
            return response.status, await response.json()

    async def sign(self, **options: Any) -> DelegateRequest:
        return await self.world.client.sign_delegate(self.world.consumer, "reverse", b"abc", **options)


@asynccontextmanager
async def run_api(world: World) -> AsyncIterator[Api]:
    runs: list[bytes] = []

    async def reverse(features: bytes) -> bytes:
        runs.append(features)
        return features[::-1]

    async with world.run_node(FunctionContainer("reverse", reverse)) as node:
        chains = {(world.chain.chain_id, world.coordinator): node.pipeline}
        async with HttpServer(build_application(build_routes(chains, ["reverse"])), "127.0.0.1", 0) as server:
            await wait_until(lambda: node.pipeline.status().head is not None)
            yield Api(world, node, server.url, runs)


@pytest.fixture
async def api(local_chain: ChildChain, tmp_path: Path) -> AsyncIterator[Api]:
    async with build_world(local_chain, tmp_path) as world, run_api(world) as api:
        yield api


async def test_a_request_posted_twice_is_answered_once_and_then_refused(api: Api) -> None:
    request = await api.sign()
    first, again = await api.post(request), await api.post(request)
    assert first == (202, {"owner": api.world.consumer, "id": request.id})
    key = await wait_answered(api, request)
    if again[0] != 202:  # the answer was quicker than the second post
        assert again[1]["error"]["code"] == "request.completed"
    status, answer = await api.post(request)
    assert (status, answer["error"]["code"]) == (400, "request.completed")
    assert len(await api.world.fetch_answers(key)) == 1
    assert api.runs == [b"abc"]


async def wait_answered(api: Api, request: DelegateRequest) -> SubscriptionKey:
    key = SubscriptionKey(api.world.chain.chain_id, api.world.coordinator, api.world.consumer, request.id)
    await api.world.wait_answers(key)
    await wait_until(lambda: api.node.get_state(key) == "delivered")
    return key


async def test_a_forged_signature_costs_the_node_nothing(api: Api) -> None:
    honest = await api.sign()
    digest = compute_delegate_digest(
        api.world.chain.chain_id, api.world.coordinator, honest.nonce, honest.expiry, honest.subscription
    )
    for signature in (STRANGER.sign_digest(digest), b"", b"\0" * 65, honest.signature[:-1] + b"\0"):
        status, answer = await api.post(replace(honest, signature=signature))
        assert (status, answer["error"]["code"]) == (400, "request.signature"), signature
        assert (await api.fetch_report(honest))[0] == 404
    assert api.runs == []
    assert (await api.post(honest))[0] == 202  # the forgeries did not take the nonce


async def test_a_signature_for_other_terms_is_refused(api: Api) -> None:
    honest = await api.sign()
    changed = replace(honest, subscription=replace(honest.subscription, max_gas_limit=500_000))
    status, answer = await api.post(changed)
    assert (status, answer["error"]["code"]) == (400, "request.signature")
    status, answer = await api.post(replace(honest, expiry=Timestamp(honest.expiry + 1)))
    assert (status, answer["error"]["code"]) == (400, "request.signature")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"features": b"abd"}, "request.features"),
        ({"container": "sum"}, "request.container"),
    ],
)
async def test_parts_that_are_not_those_signed_are_refused(api: Api, change: dict[str, Any], code: str) -> None:
    status, answer = await api.post(replace(await api.sign(), **change))
    assert (status, answer["error"]["code"]) == (400, code)


async def test_a_container_that_is_not_served_is_refused(api: Api) -> None:
    request = await api.world.client.sign_delegate(api.world.consumer, "reverse,sum", b"abc")
    status, answer = await api.post(request)
    assert (status, answer["error"]["code"]) == (400, "container.not_served")
    assert "sum" in answer["error"]["message"]


async def test_an_expired_request_is_refused(api: Api) -> None:
    head = await api.world.rpc.fetch_head()
    status, answer = await api.post(await api.sign(expiry=head.timestamp - 1))
    assert (status, answer["error"]["code"]) == (400, "request.expired")


async def test_a_request_for_another_node_is_refused(api: Api) -> None:
    status, answer = await api.post(await api.sign(node=STRANGER.address))
    assert (status, answer["error"]["code"]) == (400, "node.other")


async def test_the_report_of_an_answered_request_names_its_transaction(api: Api) -> None:
    request = await api.sign()
    await api.post(request)
    await wait_answered(api, request)
    status, report = await api.fetch_report(request)
    (job,) = report["jobs"]
    assert (status, report["code"], job["state"], len(job["tx"])) == (200, "over", "delivered", 66)
