from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest

from infernet.api import build_routes
from infernet.errors import InfernetError, InvalidInput, RetryLater
from infernet.keys.signer import LocalSigner
from infernet.protocol.hashing import compute_container_id, keccak, to_address
from infernet.protocol.signing import compute_delegate_digest
from infernet.protocol.subscription import DelegateRequest, Subscription
from infernet.protocol.wire_json import encode_delegate_json
from infernet.types import (
    Address,
    ChainId,
    ChainStatus,
    Gas,
    Interval,
    JobReport,
    ModelUse,
    SubscriptionId,
    SubscriptionKey,
    SubscriptionReport,
    Timestamp,
    TxHash,
    Wei,
)
from infernet.web import HttpServer, build_application

CHAIN_ID = ChainId(5)
COORDINATOR = to_address("0x" + "c0" * 20)
OWNER = to_address("0x" + "0a" * 20)
NODE = to_address("0x" + "0b" * 20)
SIGNER = LocalSigner(b"\1" * 32)
MODEL = ModelUse("sum", "sum version 3", "ab" * 32, "run-1")
REPORT = SubscriptionReport(
    "sum",
    7,
    "due",
    "interval 1 is to be answered",
    (
        JobReport(Interval(1), "delivered", "", "", 0, TxHash(b"\5" * 32), (MODEL,)),
        JobReport(Interval(2), "failed", "container.failed", "ValueError: no", 5, None),
    ),
)


class FakeChain:
    """A `ports.ChainService` of its attributes."""

    def __init__(self) -> None:
        self.head_age_s: float | None = 0.0
        self.refusal: InfernetError | None = None
        self.accepted: list[DelegateRequest] = []

    def status(self) -> ChainStatus:
        return ChainStatus(CHAIN_ID, COORDINATOR, NODE, 9, self.head_age_s, 2, {"delivered": 3})

    async def accept_request(self, request: DelegateRequest) -> SubscriptionKey:
        if self.refusal is not None:
            raise self.refusal
        self.accepted.append(request)
        return SubscriptionKey(CHAIN_ID, COORDINATOR, request.subscription.owner, request.id)

    def report(self, owner: Address, number: SubscriptionId) -> SubscriptionReport | None:
        return REPORT if (owner, number) == (OWNER, 3) else None


@pytest.fixture
def chain() -> FakeChain:
    return FakeChain()


@pytest.fixture
async def url(chain: FakeChain) -> AsyncIterator[str]:
    routes = build_routes({(CHAIN_ID, COORDINATOR): chain}, ["sum", "reverse"], stale_after_s=10)
    async with HttpServer(build_application(routes), "127.0.0.1", 0) as server:
        yield server.url


async def fetch(method: str, url: str, **options: Any) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.request(method, url, **options) as response:
        return response.status, await response.json()


def sign() -> DelegateRequest:
    subscription = Subscription(
        owner=OWNER,
        container_id=compute_container_id("sum"),
        features_hash=keccak(b"\1"),
        frequency=1,
        period=0,
        active_at=Timestamp(1),
        redundancy=1,
        max_gas_price=Wei(1),
        max_gas_limit=Gas(1),
    )
    digest = compute_delegate_digest(CHAIN_ID, COORDINATOR, 4, Timestamp(99), subscription)
    return DelegateRequest(4, Timestamp(99), subscription, "sum", b"\1", SIGNER.sign_digest(digest))


def encode(chain_id: ChainId = CHAIN_ID, coordinator: Address = COORDINATOR) -> dict[str, Any]:
    return encode_delegate_json(chain_id, coordinator, sign())


@pytest.mark.parametrize(("age_s", "status", "word"), [(0.0, 200, "ok"), (9.9, 200, "ok"), (10.0, 503, "stale")])
async def test_health_follows_the_age_of_the_chains_last_answer(
    url: str, chain: FakeChain, age_s: float, status: int, word: str
) -> None:
    chain.head_age_s = age_s
    found, body = await fetch("GET", url + "/health")
    assert (found, body["status"], body["chains"][0]["status"]) == (status, word, word)
    assert body["chains"][0]["headAgeS"] == age_s


async def test_a_node_that_has_not_seen_its_chain_yet_is_not_healthy(url: str, chain: FakeChain) -> None:
    chain.head_age_s = None
    status, body = await fetch("GET", url + "/health")
    assert (status, body["chains"][0]["headAgeS"]) == (503, None)


async def test_containers_are_listed(url: str) -> None:
    assert await fetch("GET", url + "/v1/containers") == (200, {"containers": [{"id": "sum"}, {"id": "reverse"}]})


async def test_a_signed_request_is_handed_on_as_it_was_signed(url: str, chain: FakeChain) -> None:
    status, body = await fetch("POST", url + "/v1/subscriptions/delegated", json=encode())
    assert (status, body) == (202, {"owner": OWNER, "id": sign().id})
    assert chain.accepted == [sign()]


async def test_another_chain_or_coordinator_is_not_served(url: str, chain: FakeChain) -> None:
    for body in (encode(ChainId(6)), encode(coordinator=OWNER)):
        status, answer = await fetch("POST", url + "/v1/subscriptions/delegated", json=body)
        assert (status, answer["error"]["code"]) == (404, "chain.not_served")
    assert chain.accepted == []


def _without(name: str) -> Mapping[str, Any]:
    return {key: value for key, value in encode().items() if key != name}


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        "text",
        7,
        _without("signature"),
        encode() | {"extra": 1},
        encode() | {"\ud800": 1},
        encode() | {"nonce": "x"},
        encode() | {"nonce": -1},
        encode() | {"nonce": 2**31},
        encode() | {"expiry": 2**40},
        encode() | {"chainId": -1},
        encode() | {"chainId": 10**400},
        encode() | {"coordinator": "0x12"},
        encode() | {"features": "zz"},
        encode() | {"features": 5},
        encode() | {"subscription": None},
        encode() | {"subscription": {**encode()["subscription"], "redundancy": 2**16}},
    ],
)
async def test_what_is_no_request_is_refused_with_a_line_of_words(url: str, chain: FakeChain, body: Any) -> None:
    status, answer = await fetch("POST", url + "/v1/subscriptions/delegated", json=body)
    assert status in (400, 404)
    assert answer["error"]["code"]
    assert "\n" not in answer["error"]["message"]
    assert chain.accepted == []


@pytest.mark.parametrize(
    ("refusal", "status"),
    [(InvalidInput("request.signature", "no"), 400), (RetryLater("chain.unreachable", "later"), 503)],
)
async def test_a_refusal_of_the_chains_side_reaches_the_client(
    url: str, chain: FakeChain, refusal: InfernetError, status: int
) -> None:
    chain.refusal = refusal
    found, answer = await fetch("POST", url + "/v1/subscriptions/delegated", json=encode())
    assert (found, answer) == (status, {"error": {"code": refusal.code, "message": refusal.message}})


async def test_the_jobs_of_a_subscription_say_why_there_is_no_answer(url: str) -> None:
    status, body = await fetch("GET", f"{url}/v1/jobs/{CHAIN_ID}/{COORDINATOR.lower()}/{OWNER}/3")
    assert status == 200
    model = {"container": "sum", "version": "sum version 3", "manifestHash": "ab" * 32, "run": "run-1"}
    assert body["jobs"] == [
        {
            "interval": 1,
            "state": "delivered",
            "code": "",
            "reason": "",
            "attempts": 0,
            "tx": "0x" + "05" * 32,
            "models": [model],
        },
        {
            "interval": 2,
            "state": "failed",
            "code": "container.failed",
            "reason": "ValueError: no",
            "attempts": 5,
            "tx": None,
            "models": [],
        },
    ]
    assert (body["container"], body["createdBlock"], body["code"]) == ("sum", 7, "due")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"5/{COORDINATOR}/{OWNER}/4", 404, "subscription.unknown"),
        (f"5/{COORDINATOR}/{OWNER}/{2**64}", 404, "subscription.unknown"),
        (f"6/{COORDINATOR}/{OWNER}/3", 404, "chain.not_served"),
        (f"5/{OWNER}/{OWNER}/3", 404, "chain.not_served"),
        (f"5/0x12/{OWNER}/3", 400, "address.invalid"),
        (f"5/{COORDINATOR}/{OWNER[:-1]}/3", 400, "address.invalid"),
        (f"5/{COORDINATOR}/{OWNER}/x", 400, "request.malformed"),
        (f"-5/{COORDINATOR}/{OWNER}/3", 400, "request.malformed"),
        (f"5/{COORDINATOR}/{OWNER}/{'9' * 5000}", 400, "request.malformed"),
    ],
)
async def test_an_unknown_subscription_is_not_found(url: str, path: str, status: int, code: str) -> None:
    found, answer = await fetch("GET", f"{url}/v1/jobs/{path}")
    assert (found, answer["error"]["code"]) == (status, code)
