"""What stands around the methods: HTTP, WebSocket, batches, limits, several clients at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from rpc_client import ALICE, BOB, LOGGER, Refused, RpcClient, connect, deployment, sign

from infernet.vm.rpc import Limits


def request(method: str, *params: Any, number: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


async def test_a_web_page_may_ask(rpc: RpcClient) -> None:
    async with aiohttp.ClientSession() as session:
        headers = {
            "origin": "https://wallet.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type",
        }
        async with session.options(rpc.url, headers=headers) as response:
            assert response.status == 200
            assert response.headers["access-control-allow-origin"] == "*"
        body = json.dumps(request("eth_chainId"))
        sent = {"origin": "https://wallet.example", "content-type": "application/json"}
        async with session.post(rpc.url, data=body, headers=sent) as response:
            assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("served", [{"origins": ["https://ours.example"]}], indirect=True)
async def test_other_web_pages_are_kept_out_where_the_operator_says_so(rpc: RpcClient) -> None:
    async with aiohttp.ClientSession() as session:
        url = rpc.url.replace("http", "ws", 1)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url, origin="https://other.example")
        async with session.ws_connect(url, origin="https://ours.example") as socket:
            await socket.send_json(request("eth_chainId"))
            assert (await socket.receive_json())["result"] == "0x7a69"
    status, answer = await rpc.post(request("eth_chainId"), headers={"content-type": "text/plain"})
    assert (status, answer["error"]["code"]) == (415, -32600)


@pytest.mark.parametrize("served", [{"max_body_bytes": 10_000}], indirect=True)
async def test_a_body_has_a_limit(rpc: RpcClient) -> None:
    status, answer = await rpc.post(request("web3_sha3", "0x" + "00" * 10_000))
    assert (status, answer["error"]["code"], "10000 bytes" in answer["error"]["message"]) == (413, -32600, True)
    async with connect(rpc.url) as socket:
        with pytest.raises((TypeError, ConnectionError)):
            await socket("web3_sha3", "0x" + "00" * 10_000)
    assert await rpc("eth_chainId") == "0x7a69"


@pytest.mark.parametrize("served", [{"max_connections": 4}], indirect=True)
async def test_only_so_many_are_served_at_once(rpc: RpcClient) -> None:
    async def fetch_status() -> int:
        async with aiohttp.ClientSession() as session, session.post(rpc.url, data=b"{}") as response:
            return response.status

    async with connect(rpc.url), connect(rpc.url), connect(rpc.url):
        assert await fetch_status() == 503
    assert await fetch_status() == 415


async def test_a_megabyte_of_calldata_passes_the_server(rpc: RpcClient) -> None:
    assert len(await rpc("web3_sha3", "0x" + "00" * 2**20)) == 66


async def test_a_batch_sees_what_it_does_itself(rpc: RpcClient) -> None:
    raws = [sign(ALICE, nonce=nonce, to=b"\x01" * 20) for nonce in range(30)]
    _, answers = await rpc.post(
        [request("eth_sendRawTransaction", raw, number=index) for index, raw in enumerate(raws)]
    )
    assert [answer["id"] for answer in answers] == list(range(30))
    hashes = [answer["result"] for answer in answers]
    _, answers = await rpc.post([request("eth_getTransactionReceipt", tx_hash) for tx_hash in hashes])
    assert [answer["result"]["status"] for answer in answers] == ["0x1"] * 30


async def test_a_batch_is_done_in_its_order(rpc: RpcClient) -> None:
    count = request("eth_getTransactionCount", ALICE.address, "latest")
    send = [request("eth_sendRawTransaction", sign(ALICE, nonce=nonce, to=b"\x01" * 20)) for nonce in range(4)]
    _, answers = await rpc.post([count, send[0], count, send[1], send[2], count, send[3], count])
    assert [int(answers[place]["result"], 16) for place in (0, 2, 5, 7)] == [0, 1, 3, 4]


async def test_notifications_over_http_have_an_empty_answer(rpc: RpcClient) -> None:
    assert await rpc.post({"jsonrpc": "2.0", "method": "eth_chainId"}) == (200, None)


async def test_heads_logs_and_pending_transactions_are_told_as_they_come(rpc: RpcClient) -> None:
    contract = (await rpc.send(data=bytes.fromhex(deployment(LOGGER)[2:])))["contractAddress"]
    async with connect(rpc.url) as socket:
        heads = await socket("eth_subscribe", "newHeads")
        logs = await socket("eth_subscribe", "logs", {"address": contract, "topics": ["0x" + "00" * 31 + "aa"]})
        others = await socket("eth_subscribe", "logs", {"topics": ["0x" + "00" * 31 + "ab"]})
        pending = await socket("eth_subscribe", "newPendingTransactions")
        full = await socket("eth_subscribe", "newPendingTransactions", True)
        receipt = await rpc.send(to=bytes.fromhex(contract[2:]))
        notes = dict([await socket.note() for _ in range(4)])
        assert notes.keys() == {heads, logs, pending, full}
        assert others not in notes
        assert notes[heads]["hash"] == receipt["blockHash"]
        assert notes[heads]["number"] == receipt["blockNumber"]
        assert (notes[logs]["data"], notes[logs]["removed"]) == ("0x" + "00" * 31 + "2a", False)
        assert notes[logs]["transactionHash"] == notes[pending] == notes[full]["hash"] == receipt["transactionHash"]
        assert await socket("eth_unsubscribe", heads) is True
        with pytest.raises(Refused, match="subscription not found"):
            await socket("eth_unsubscribe", heads)
        await rpc("evm_mine")
        assert await socket("eth_chainId") == "0x7a69"
        assert socket.notes.empty()


async def test_logs_that_are_taken_back_are_told_as_removed(rpc: RpcClient) -> None:
    contract = (await rpc.send(data=bytes.fromhex(deployment(LOGGER)[2:])))["contractAddress"]
    snapshot = await rpc("evm_snapshot")
    async with connect(rpc.url) as socket:
        await socket("eth_subscribe", "logs", {"address": contract})
        await rpc.send(to=bytes.fromhex(contract[2:]))
        assert await rpc("evm_revert", snapshot) is True
        (_, first), (_, second) = [await socket.note() for _ in range(2)]
    assert [first["removed"], second["removed"]] == [False, True]
    assert first["blockHash"] == second["blockHash"]


async def test_what_a_subscription_brings_comes_after_its_name(rpc: RpcClient) -> None:
    """A block is mined in the same batch, so that its notification is there before the answer is."""
    async with connect(rpc.url) as socket:
        batch = [request("eth_subscribe", "newHeads"), request("evm_mine", number=2)]
        await socket.socket.send_str(json.dumps(batch))
        first, second = [json.loads(await socket.socket.receive_str(timeout=5)) for _ in range(2)]
    assert second["params"]["subscription"] == first[0]["result"]


@pytest.mark.parametrize("served", [{"limits": Limits(subscriptions=2)}], indirect=True)
async def test_a_connection_has_only_so_many_subscriptions(rpc: RpcClient) -> None:
    async with connect(rpc.url) as socket:
        name = await socket("eth_subscribe", "newHeads")
        await socket("eth_subscribe", "syncing")
        with pytest.raises(Refused, match="at most 2") as caught:
            await socket("eth_subscribe", "newHeads")
        assert caught.value.code == -32005
        await socket("eth_unsubscribe", name)
        await socket("eth_subscribe", "newHeads")


async def test_subscriptions_need_a_websocket(rpc: RpcClient) -> None:
    assert "WebSocket" in (await rpc.refuses("eth_subscribe", "newHeads")).message
    async with connect(rpc.url) as socket:
        with pytest.raises(Refused, match="no 'newDreams' subscription"):
            await socket("eth_subscribe", "newDreams")


async def test_a_subscription_ends_with_its_connection(rpc: RpcClient, served: Any) -> None:
    for _ in range(3):
        async with connect(rpc.url) as socket:
            await socket("eth_subscribe", "newHeads")
    await rpc("evm_mine")
    async with connect(rpc.url) as socket:
        await socket("eth_subscribe", "newHeads")
        await rpc("evm_mine")
        await socket.note()


async def test_one_subscription_is_not_anothers_to_end(rpc: RpcClient) -> None:
    async with connect(rpc.url) as alice, connect(rpc.url) as bob:
        name = await alice("eth_subscribe", "newHeads")
        with pytest.raises(Refused, match="not found"):
            await bob("eth_unsubscribe", name)
        await rpc("evm_mine")
        assert (await alice.note())[0] == name


async def test_requests_that_follow_one_another_without_waiting_are_all_answered(rpc: RpcClient) -> None:
    async with connect(rpc.url) as socket:
        for number in range(200):
            await socket.socket.send_str(json.dumps(request("eth_blockNumber", number=number)))
        answers = [json.loads(await socket.socket.receive_str(timeout=5))["id"] for _ in range(200)]
    assert answers == list(range(200))


async def test_many_senders_at_once_are_mined_together(rpc: RpcClient) -> None:
    async def send_all(account: Any) -> list[str]:
        return [await rpc("eth_sendRawTransaction", sign(account, nonce=nonce, to=b"\x01" * 20)) for nonce in range(20)]

    hashes = await asyncio.gather(send_all(ALICE), send_all(BOB))
    receipts = [await rpc("eth_getTransactionReceipt", tx_hash) for some in hashes for tx_hash in some]
    assert all(receipt["status"] == "0x1" for receipt in receipts)


async def test_blocks_come_at_an_interval(rpc: RpcClient) -> None:
    async with connect(rpc.url) as socket:
        await socket("eth_subscribe", "newHeads")
        await rpc("evm_setIntervalMining", 0.2)
        assert await rpc("anvil_getAutomine") is False
        numbers = [int((await socket.note())[1]["number"], 16) for _ in range(3)]
        assert numbers == [1, 2, 3]
        await rpc("evm_setIntervalMining", 0)
        before = await rpc("eth_blockNumber")
        await asyncio.sleep(0.5)
        assert await rpc("eth_blockNumber") == before


@pytest.mark.parametrize("served", [{"is_dev": False, "accounts": ()}], indirect=True)
async def test_a_chain_that_is_not_for_development_has_neither_helpers_nor_keys(rpc: RpcClient) -> None:
    assert (await rpc.refuses("evm_mine")).code == -32601
    assert (await rpc.refuses("anvil_setBalance", ALICE.address, "0x1")).code == -32601
    assert await rpc("eth_accounts") == []
    assert "unknown account" in (await rpc.refuses("eth_sign", ALICE.address, "0x12")).message
    refused = await rpc.refuses("eth_sendTransaction", {"from": ALICE.address, "to": BOB.address})
    assert refused.code == -32000
