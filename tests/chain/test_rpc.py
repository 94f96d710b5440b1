from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from infernet.app.deployment import CORE, deploy_suite
from infernet.chain.artifacts import load_artifact
from infernet.chain.child import ChildChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.chain.rpc import RpcChain
from infernet.chain.sending import Message, send_and_wait
from infernet.errors import InfernetError, InvalidInput, JobRejected, NodeMisconfigured, RetryLater
from infernet.keys.signer import LocalSigner
from infernet.ports import Chain
from infernet.protocol.calldata import GET_SUBSCRIPTION_INTERVAL
from infernet.protocol.hashing import ZERO_ADDRESS
from infernet.types import Address, Call, Gas, Hash32, Timestamp, Transaction, TxHash, Wei

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SIGNER = LocalSigner(DEV_ACCOUNTS[0].private_key)


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    """Start an endpoint that behaves as told; gives its URL."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/{tail:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/v2/SECRET"

    yield start
    for runner in runners:
        await runner.cleanup()


async def _answer(request: web.Request, result: Callable[[dict[str, Any]], Any]) -> web.Response:
    asked = json.loads(await request.read())
    items = asked if isinstance(asked, list) else [asked]
    answers = [{"jsonrpc": "2.0", "id": item["id"], "result": result(item)} for item in items]
    return web.json_response(list(reversed(answers)) if isinstance(asked, list) else answers[0])


async def _deploy(rpc: RpcChain, name: str, *arguments: Any) -> Address:
    data = load_artifact(name).encode_deployment(arguments)
    receipt = await send_and_wait(rpc, SIGNER, Message(None, data), await rpc.fetch_chain_id())
    assert receipt.contract_address is not None
    return receipt.contract_address


# Against the real chain.


@pytest.mark.chain
@pytest.mark.both_chains
async def test_it_is_the_port_and_reads_heads_blocks_and_accounts(local_chain: ChildChain, rpc: RpcChain) -> None:
    chain: Chain = rpc
    await local_chain.mine(3)
    head = await chain.fetch_head()
    assert await chain.fetch_block(head.number) == head
    assert await rpc.fetch_block_by_hash(head.hash) == head
    parent, missing = await rpc.fetch_blocks([head.number - 1, head.number + 100])
    assert parent is not None
    assert parent.hash == head.parent_hash
    assert missing is None
    assert await chain.fetch_block(head.number + 1) is None
    assert await rpc.fetch_block_by_hash(Hash32(b"\x11" * 32)) is None
    assert head.base_fee > 0
    assert head.gas_limit > 0
    assert await chain.fetch_code(DEV_ACCOUNTS[0].address) == b""
    assert await chain.fetch_nonce(ZERO_ADDRESS) == 0
    assert await chain.fetch_receipts([TxHash(b"\x11" * 32)]) == [None]
    assert await rpc.fetch_transaction(TxHash(b"\x11" * 32)) is None


@pytest.mark.chain
@pytest.mark.both_chains
async def test_a_call_is_made_at_the_state_after_a_block_named_by_hash(local_chain: ChildChain, rpc: RpcChain) -> None:
    coordinator = (await deploy_suite(rpc, SIGNER, only=CORE)).coordinator
    start = await rpc.fetch_head()
    await local_chain.set_next_timestamp(Timestamp(start.timestamp + 100))
    await local_chain.mine()
    call = Call(coordinator, GET_SUBSCRIPTION_INTERVAL.encode(start.timestamp, 10))
    assert int.from_bytes(await rpc.call(call)) == 11
    assert int.from_bytes(await rpc.call(call, at=start.hash)) == 1
    with pytest.raises(RetryLater) as caught:
        await rpc.call(call, at=Hash32(b"\x11" * 32))
    assert caught.value.code == "chain.block_unknown"


@pytest.mark.chain
@pytest.mark.both_chains
async def test_a_revert_carries_the_errors_name_and_values(rpc: RpcChain) -> None:
    coordinator = (await deploy_suite(rpc, SIGNER, only=CORE)).coordinator
    call = Call(coordinator, GET_SUBSCRIPTION_INTERVAL.encode(2**40 - 1, 10))
    with pytest.raises(JobRejected, match=r"SubscriptionNotActive\(timestamp=\d+, activeAt=1099511627775\)") as caught:
        await rpc.call(call)
    assert caught.value.code == "revert.SubscriptionNotActive"
    with pytest.raises(JobRejected) as caught:
        await rpc.estimate_gas(call)
    assert caught.value.code == "revert.SubscriptionNotActive"


@pytest.mark.chain
@pytest.mark.both_chains
async def test_many_calls_answer_in_order_with_errors_in_place_and_each_counts(local_chain: ChildChain) -> None:
    async with RpcChain(local_chain.rpc_url, batch_size=20) as rpc:
        coordinator = (await deploy_suite(rpc, SIGNER, only=CORE)).coordinator
        head = await rpc.fetch_head()
        good = [Call(coordinator, GET_SUBSCRIPTION_INTERVAL.encode(head.timestamp - n, 1)) for n in range(90)]
        bad = Call(coordinator, GET_SUBSCRIPTION_INTERVAL.encode(2**40 - 1, 10))
        rpc.calls.clear()
        requests_before = rpc.transport.http_requests
        results = await rpc.call_many([*good[:50], bad, *good[50:]], at=head.hash)
        assert [int.from_bytes(r) for r in results if isinstance(r, bytes)] == [n + 1 for n in range(90)]
        assert isinstance(results[50], JobRejected)
        assert rpc.calls == {"eth_call": 91}
        assert rpc.transport.http_requests - requests_before == 5
        assert await rpc.call_many([]) == []


@pytest.mark.chain
@pytest.mark.both_chains
async def test_a_transaction_the_endpoint_knows_counts_as_accepted(local_chain: ChildChain, rpc: RpcChain) -> None:
    await local_chain.set_automine(False)
    chain_id, nonce = await rpc.fetch_chain_id(), await rpc.fetch_nonce(SIGNER.address)

    def sign(nonce: int, value: int, max_fee: int = 10**11, tip: int = 10**9) -> bytes:
        transaction = Transaction(chain_id, nonce, ZERO_ADDRESS, b"", Gas(21000), Wei(max_fee), Wei(tip), Wei(value))
        return SIGNER.sign_transaction(transaction).raw

    assert await rpc.submit_many([sign(nonce, 1)]) == [None]
    results = await rpc.submit_many([sign(nonce, 1), sign(nonce, 2), sign(nonce + 1, 10**30)])
    codes = [result and result.code for result in results]
    assert codes == [None, "tx.replacement_underpriced", "tx.insufficient_funds"]
    assert await rpc.fetch_pending_nonce(SIGNER.address) == nonce + 1
    await local_chain.mine()
    await local_chain.set_automine(True)
    late, cheap = await rpc.submit_many([sign(nonce, 1), sign(nonce + 1, 1, 1, 1)])
    assert late is not None
    assert late.code == "tx.nonce_too_low"
    assert cheap is not None
    assert cheap.code == "tx.fee_below_base_fee"


@pytest.mark.chain
@pytest.mark.both_chains
async def test_logs_come_in_chain_order_and_no_address_means_none(rpc: RpcChain) -> None:
    coordinator = (await deploy_suite(rpc, SIGNER, only=CORE)).coordinator
    classifier = await _deploy(rpc, "DigitsClassifier", coordinator, "a/b:1")
    data = load_artifact("DigitsClassifier").encode_call("classify(bytes)", [bytes(64)])
    chain_id = await rpc.fetch_chain_id()
    receipts = [await send_and_wait(rpc, SIGNER, Message(classifier, data), chain_id) for _ in range(3)]
    first, last = receipts[0].block_number, receipts[-1].block_number
    logs = await rpc.fetch_logs([coordinator], first, last)
    assert [log.tx_hash for log in logs] == [receipt.tx_hash for receipt in receipts]
    assert logs == [receipt.logs[0] for receipt in receipts]
    assert await rpc.fetch_logs([], 0, last) == []
    assert await rpc.fetch_logs(
        [coordinator], first, last, topics=[[logs[0].topics[0]], None, [logs[1].topics[2]]]
    ) == [logs[1]]
    found = await rpc.fetch_transaction(receipts[0].tx_hash)
    assert found is not None
    assert (found.sender, found.to, found.data, found.block_hash) == (
        SIGNER.address,
        classifier,
        data,
        receipts[0].block_hash,
    )


# Against endpoints that misbehave.


async def test_a_chain_that_is_not_there_is_one_line() -> None:
    async with RpcChain("http://127.0.0.1:9", backoff_s=0.001) as rpc:
        with pytest.raises(RetryLater, match=r"cannot reach the chain at http://127\.0\.0\.1:9") as caught:
            await rpc.fetch_head()
        assert caught.value.code == "chain.unreachable"
        assert rpc.calls["eth_getBlockByNumber"] == 3
        assert [type(r) for r in await rpc.call_many([Call(ZERO_ADDRESS, b"")] * 2)] == [RetryLater] * 2
        assert [type(r) for r in await rpc.submit_many([b"\x02"])] == [RetryLater]
        assert rpc.calls["eth_sendRawTransaction"] == 1


@pytest.mark.parametrize("url", ["localhost:8545", "ws://node", "", "http://", "http://h:port", "ftp://h/x"])
def test_what_is_no_http_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(NodeMisconfigured) as caught:
        RpcChain(url)
    assert caught.value.code == "chain.bad_url"


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, b"<html><body>hello</body></html>", "chain.bad_answer"),
        (200, b"", "chain.bad_answer"),
        (200, b"\xff\xfe{", "chain.bad_answer"),
        (200, b"[" * 5_000, "chain.bad_answer"),
        (200, b"[]", "chain.bad_answer"),
        (200, b"7", "chain.bad_answer"),
        (200, b"{}", "chain.bad_answer"),
        (200, b'{"jsonrpc":"2.0","id":0,"result":"beef"}', "chain.bad_answer"),
        (200, b'{"jsonrpc":"2.0","id":0,"result":null}', "chain.bad_answer"),
        (200, b'{"jsonrpc":"2.0","id":0,"result":{"number":"0x1"}}', "chain.bad_answer"),
        (302, b"moved", "chain.bad_answer"),
        (502, b"<html>bad gateway</html>", "chain.unreachable"),
        (429, b'{"jsonrpc":"2.0","id":0,"error":{"code":-32005,"message":"x"}}', "chain.rate_limited"),
        (
            413,
            b'{"jsonrpc":"2.0","id":0,"error":{"code":-32614,"message":"limited to a 10,000 range"}}',
            "chain.range_too_large",
        ),
        (
            400,
            b'{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"method not found"}}',
            "chain.method_unsupported",
        ),
    ],
)
async def test_junk_is_one_clear_line_without_the_urls_secrets(
    serve: Callable[[Handler], Awaitable[str]], status: int, body: bytes, code: str
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    async with RpcChain(await serve(handler), attempts=1) as rpc:
        with pytest.raises(InfernetError) as caught:
            await rpc.fetch_head()
        assert caught.value.code == code
        assert "\n" not in caught.value.message
        assert "SECRET" not in caught.value.message
        assert all("SECRET" not in str(value) for value in caught.value.fields.values())
        assert all(isinstance(result, InfernetError) for result in await rpc.call_many([Call(ZERO_ADDRESS, b"")] * 2))


async def test_reads_are_repeated_and_writes_are_not(serve: Callable[[Handler], Awaitable[str]]) -> None:
    failures = 2

    async def handler(request: web.Request) -> web.Response:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            return web.Response(status=503)
        return await _answer(request, lambda item: "0x1")

    async with RpcChain(await serve(handler), backoff_s=0.001) as rpc:
        assert await rpc.fetch_chain_id() == 1
        assert rpc.calls == {"eth_chainId": 3}
        failures = 1
        (result,) = await rpc.submit_many([b"\x02"])
        assert result is not None
        assert result.code == "chain.unreachable"


async def test_answers_in_another_order_find_their_questions(serve: Callable[[Handler], Awaitable[str]]) -> None:
    async def handler(request: web.Request) -> web.Response:
        return await _answer(request, lambda item: item["params"][0]["data"])

    async with RpcChain(await serve(handler), batch_size=7, max_concurrency=2) as rpc:
        calls = [Call(ZERO_ADDRESS, bytes([n])) for n in range(50)]
        assert await rpc.call_many(calls) == [call.data for call in calls]


async def test_what_was_refused_for_the_rate_alone_is_asked_again_alone(
    serve: Callable[[Handler], Awaitable[str]],
) -> None:
    asked_for: list[list[str]] = []

    async def handler(request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        asked_for.append([item["params"][0]["data"] for item in asked])
        refused = {"error": {"code": 429, "message": "exceeded its compute units per second capacity"}}
        first = len(asked_for) == 1
        return web.json_response(
            [
                {"id": i["id"], **(refused if first and i["id"] % 2 else {"result": i["params"][0]["data"]})}
                for i in asked
            ]
        )

    async with RpcChain(await serve(handler), backoff_s=0.001) as rpc:
        calls = [Call(ZERO_ADDRESS, bytes([n])) for n in range(4)]
        assert await rpc.call_many(calls) == [call.data for call in calls]
        assert asked_for == [["0x00", "0x01", "0x02", "0x03"], ["0x01", "0x03"]]
        assert rpc.calls == {"eth_call": 6}


async def test_batches_shrink_to_what_the_endpoint_takes(serve: Callable[[Handler], Awaitable[str]]) -> None:
    sizes: list[int] = []

    async def handler(request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        sizes.append(len(asked))
        if len(asked) > 3:
            error = {"code": 31, "message": "Batch of more than 3 requests are not allowed"}
            return web.json_response({"jsonrpc": "2.0", "id": None, "error": error}, status=400)
        return await _answer(request, lambda item: item["params"][0]["data"])

    async with RpcChain(await serve(handler)) as rpc:
        calls = [Call(ZERO_ADDRESS, bytes([n])) for n in range(10)]
        assert await rpc.call_many(calls) == [call.data for call in calls]
        assert max(sizes) == 10
        sizes.clear()
        assert await rpc.call_many(calls) == [call.data for call in calls]
        assert max(sizes) <= 3


async def test_a_lost_answer_fails_its_question_alone(serve: Callable[[Handler], Awaitable[str]]) -> None:
    async def handler(request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        return web.json_response([{"id": item["id"], "result": "0x"} for item in asked if item["id"] != 1] + ["junk"])

    async with RpcChain(await serve(handler)) as rpc:
        first, second, third = await rpc.call_many([Call(ZERO_ADDRESS, b"")] * 3)
    assert (first, third) == (b"", b"")
    assert isinstance(second, RetryLater)


async def test_batches_are_bounded_in_bytes(serve: Callable[[Handler], Awaitable[str]]) -> None:
    sizes: list[int] = []

    async def handler(request: web.Request) -> web.Response:
        sizes.append(len(await request.read()))
        return await _answer(request, lambda item: "0x")

    async with RpcChain(await serve(handler), batch_bytes=100_000) as rpc:
        results = await rpc.submit_many([bytes(30_000)] * 5 + [bytes(80_000)])
    assert results == [None] * 6
    assert len(sizes) == 6
    assert max(sizes[:-1]) <= 165_000


async def test_an_answer_without_end_is_cut_off(serve: Callable[[Handler], Awaitable[str]]) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b" " * 65536)
        except ConnectionError:
            return response

    async with RpcChain(await serve(handler), max_response_bytes=300_000) as rpc:
        with pytest.raises(RetryLater) as caught:
            await rpc.fetch_logs([ZERO_ADDRESS], 0, 1)
    assert caught.value.code == "chain.range_too_large"


async def test_an_endpoint_that_hangs_is_given_up(serve: Callable[[Handler], Awaitable[str]]) -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    async with RpcChain(await serve(handler), timeout_s=0.05, attempts=2, backoff_s=0.001) as rpc:
        with pytest.raises(RetryLater, match=r"did not answer within 0\.05 s") as caught:
            await rpc.fetch_head()
        assert caught.value.code == "chain.timeout"
        assert rpc.calls["eth_getBlockByNumber"] == 2


def test_an_unknown_artifact_names_those_that_exist() -> None:
    with pytest.raises(InvalidInput, match="EIP712Coordinator"):
        load_artifact("Nothing")
