"""Calls that wait for the outside: beside each other and beside everything else, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from outside_layer import CATCH, PASS, SURVEY_SPC, World, encode, run_world
from rpc_client import ALICE, BOB, CAROL, RpcClient, connect, raw

from infernet.protocol.abi_codec import decode_abi
from infernet.vm.rpc import Limits
from infernet.vm.spc.addresses import LLM

ONE = {"limits": Limits(waiting_calls=1)}


@pytest.fixture
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with run_world(**getattr(request, "param", {})) as world:
        yield world


def ask(world: World, path: str, to: bytes = PASS) -> dict[str, str]:
    return {"from": ALICE.address, "to": "0x" + to.hex(), "data": "0x" + world.get(path).hex()}


def read_body(answer: str) -> bytes:
    return bytes(decode_abi(["uint16", "bytes"], bytes.fromhex(answer[2:]))[1])


async def test_a_call_that_waits_keeps_nobody_else_waiting(world: World) -> None:
    slow = asyncio.create_task(world.rpc("eth_call", ask(world, "/a"), "latest"))
    await world.came("/a")
    world.gates.open("/b")
    assert read_body(await world.rpc("eth_call", ask(world, "/b"), "latest")) == b"text of /b"
    assert (await world.rpc.send(BOB, to=raw(CAROL), value=1))["blockNumber"] == "0x1"
    assert not slow.done()
    world.gates.open("/a")
    assert read_body(await slow) == b"text of /a"


async def test_a_slow_model_is_waited_for_in_the_same_way(world: World) -> None:
    data = "0x" + encode("complete(string,string,uint32,uint64)", "tiny", "the cat sat", 2, 0).hex()
    slow = asyncio.create_task(world.rpc("eth_call", {"to": LLM, "data": data}, "latest"))
    await world.came("model: the cat sat")
    assert await world.rpc.number("eth_blockNumber") == 0
    assert not slow.done()
    world.gates.open("model: the cat sat")
    assert decode_abi(["string", "uint32", "uint32"], bytes.fromhex((await slow)[2:])) == ("cat sat", 3, 2)


@pytest.mark.parametrize(
    ("method", "last"),
    [
        ("eth_estimateGas", ["latest"]),
        ("eth_createAccessList", ["latest"]),
        ("debug_traceCall", ["latest", {"tracer": "callTracer"}]),
        ("eth_signTransaction", []),
    ],
)
async def test_whatever_executes_a_call_waits_beside_and_asks_once(world: World, method: str, last: list[Any]) -> None:
    slow = asyncio.create_task(world.rpc(method, ask(world, "/a", CATCH), *last))
    await world.came("/a")
    assert (await world.rpc.send(BOB, to=raw(CAROL), value=1))["blockNumber"] == "0x1"
    assert not slow.done()
    world.gates.open("/a")
    assert await slow
    assert world.gates.came == ["/a"]


async def test_a_transaction_that_the_node_signs_is_estimated_beside_and_sent_once(world: World) -> None:
    slow = asyncio.create_task(world.rpc("eth_sendTransaction", ask(world, "/a", CATCH)))
    await world.came("/a")
    assert (await world.rpc.send(BOB, to=raw(CAROL), value=1))["blockNumber"] == "0x1"
    world.gates.open("/a")
    assert (await world.receipt(await slow))["status"] == "0x1"
    assert await world.slot(CATCH) == 2
    assert world.gates.came == ["/a", "/a"]  # for the estimate, and in the block


async def test_a_call_stays_in_its_block_though_the_head_moves_on(world: World) -> None:
    """It asks for the time of its block: in another one it would be another question."""
    head = await world.rpc("eth_getBlockByNumber", "latest", False)
    slow = asyncio.create_task(world.rpc("eth_call", {"to": "0x" + SURVEY_SPC.hex()}, "latest"))
    await world.came("time")
    await world.rpc("evm_mine")
    world.gates.open("time")
    assert int(await slow, 16) == int(head["timestamp"], 16)
    assert world.gates.came == ["time"]


async def test_there_is_a_most_that_one_call_may_ask(world: World) -> None:
    call = {"to": "0x" + SURVEY_SPC.hex(), "data": "0x10"}
    assert await world.rpc("eth_call", call, "latest") == "0x" + bytes(range(16)).hex()
    refused = await world.rpc.refuses("eth_call", call | {"data": "0x11"}, "latest")
    assert "at most 16 questions" in refused.message


@pytest.mark.parametrize("world", [{"limits": Limits(recorded_per_minute=2)}], indirect=True)
async def test_questions_of_calls_are_rationed_and_those_of_transactions_are_not(world: World) -> None:
    call = {"to": "0x" + SURVEY_SPC.hex(), "data": "0x03"}
    assert "2 times a minute" in (await world.rpc.refuses("eth_call", call, "latest")).message
    assert (await world.receipt(await world.submit(to=SURVEY_SPC, data=b"\x03")))["status"] == "0x1"


@pytest.mark.parametrize("world", [ONE], indirect=True)
async def test_no_more_calls_wait_than_may(world: World) -> None:
    slow = asyncio.create_task(world.rpc("eth_call", ask(world, "/a"), "latest"))
    await world.came("/a")
    refused = await world.rpc.refuses("eth_call", ask(world, "/b"), "latest")
    assert (refused.code, refused.message) == (
        -32005,
        "1 calls wait for answers from outside already: try again later",
    )
    world.gates.open("/a")
    await slow
    world.gates.open("/b")
    assert read_body(await world.rpc("eth_call", ask(world, "/b"), "latest")) == b"text of /b"


async def find_place(world: World) -> None:
    """A call gets the one place that there is, when whoever had it has left."""
    world.gates.open("/free")
    request = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [ask(world, "/free"), "latest"]}
    while True:
        _, answer = await world.rpc.post(request)
        if "result" in answer:
            assert read_body(answer["result"]) == b"text of /free"
            return
        assert answer["error"]["code"] == -32005
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("world", [ONE], indirect=True)
async def test_a_client_that_hangs_up_frees_its_place(world: World) -> None:
    async with RpcClient(world.rpc.url) as other:
        slow = asyncio.create_task(other("eth_call", ask(world, "/a"), "latest"))
        await world.came("/a")
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
    await find_place(world)
    world.gates.open("/a")


@pytest.mark.parametrize("world", [ONE], indirect=True)
async def test_a_websocket_that_is_closed_frees_its_place(world: World) -> None:
    async with connect(world.rpc.url) as other:
        slow = asyncio.create_task(other("eth_call", ask(world, "/a"), "latest"))
        await world.came("/a")
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
    await find_place(world)
    world.gates.open("/a")


async def test_a_websocket_whose_client_sends_more_meanwhile_is_answered_in_order(world: World) -> None:
    async with connect(world.rpc.url) as socket:
        slow = asyncio.create_task(socket("eth_call", ask(world, "/a"), "latest"))
        await world.came("/a")
        await socket.socket.send_json({"jsonrpc": "2.0", "id": "next", "method": "eth_chainId"})
        world.gates.open("/a")
        assert read_body(await slow) == b"text of /a"
        assert (await socket.socket.receive_json(timeout=60))["id"] == "next"
