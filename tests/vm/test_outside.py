"""Transactions that wait for the outside hold up nobody, and are mined when they are answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from outside_layer import (
    CATCH,
    CATCH_UNDO,
    HTTP_SPC,
    PASS,
    SCHEDULER_AT,
    SURVEY_SPC,
    World,
    build_chain,
    run_world,
)
from rpc_client import ALICE, BOB, CAROL, GWEI, Refused, raw

from infernet.chain.artifacts import load_artifact
from infernet.protocol.abi_codec import decode_abi
from infernet.protocol.hashing import to_address
from infernet.vm import waiting
from infernet.vm.spc.outbound import OutboundClient, OutboundRequest

REVIEWER = load_artifact("Reviewer")
SAID = "Review in one word: text of /a"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with run_world() as world:
        yield world


def read_body(record: Any) -> bytes:
    return bytes(decode_abi(["uint16", "bytes"], bytes.fromhex(record["output"][2:]))[1])


def read_reason(record: Any) -> str:
    return str(decode_abi(["string"], bytes.fromhex(record["output"][2:])[4:])[0])


async def test_while_a_host_is_slow_others_are_mined_and_calls_are_answered(world: World) -> None:
    slow = await world.submit(to=PASS, data=world.get("/a"))
    await world.came("/a")
    assert (await world.rpc.send(BOB, to=raw(CAROL), value=1))["blockNumber"] == "0x1"
    assert (await world.rpc.send(BOB, to=raw(CAROL), value=1))["blockNumber"] == "0x2"
    assert await world.rpc("eth_call", {"to": "0x" + CATCH.hex()}, "latest") == "0x"
    assert not await world.is_mined(slow)
    assert (await world.rpc("eth_getTransactionByHash", slow))["blockNumber"] is None

    world.gates.open("/a")
    receipt = await world.receipt(slow)
    assert (receipt["blockNumber"], receipt["status"]) == ("0x3", "0x1")
    (record,) = await world.records()
    assert read_body(record) == b"text of /a"
    assert world.gates.came == ["/a"]


async def test_while_nothing_but_a_slow_host_is_there_to_wait_for_no_block_is_made(world: World) -> None:
    slow = await world.submit(to=PASS, data=world.get("/a"))
    await world.came("/a")
    assert await world.rpc.number("eth_blockNumber") == 0
    world.gates.open("/a")
    assert (await world.receipt(slow))["blockNumber"] == "0x1"


async def test_what_the_same_sender_sent_later_waits_too(world: World) -> None:
    slow = await world.submit(to=PASS, data=world.get("/a"))
    later = await world.submit(to=raw(CAROL), value=1)
    other = await world.submit(BOB, to=raw(CAROL), value=1)
    assert await world.is_mined(other)
    await world.came("/a")
    assert not await world.is_mined(later)
    world.gates.open("/a")
    receipts = [await world.receipt(tx_hash) for tx_hash in (slow, later)]
    assert [receipt["blockNumber"] for receipt in receipts] == ["0x2", "0x2"]


async def test_a_second_question_that_depends_on_the_first_answer_is_asked_after_it(world: World) -> None:
    deployed = await world.rpc.send(data=REVIEWER.encode_deployment(["tiny"]), gas=5_000_000)
    reviewer = bytes.fromhex(deployed["contractAddress"][2:])
    url = world.server.url("/a")
    slow = await world.submit(to=reviewer, data=REVIEWER.encode_call("review", [url]))
    await world.came("/a")
    world.gates.open("/a")
    await world.came("/a", f"model: {SAID}")
    assert (await world.rpc.send(BOB, to=raw(CAROL), value=1))["blockNumber"] == "0x2"
    assert not await world.is_mined(slow)

    world.gates.open(f"model: {SAID}")
    assert (await world.receipt(slow))["status"] == "0x1"
    assert [record["spc"] for record in await world.records()] == ["0x" + 18 * "00" + at for at in ("0801", "0802")]
    data = "0x" + REVIEWER.encode_call("verdictOf", [url]).hex()
    verdict = await world.rpc("eth_call", {"to": to_address(reviewer), "data": data}, "latest")
    assert decode_abi(["string"], bytes.fromhex(verdict[2:])) == (SAID,)
    assert len(world.gates.came) == 2


async def test_no_frame_can_catch_that_an_answer_is_missing(world: World) -> None:
    slow = await world.submit(to=CATCH, data=world.get("/a"))
    await world.came("/a")
    await world.rpc.send(BOB, to=raw(CAROL), value=1)
    assert (await world.slot(CATCH), await world.is_mined(slow)) == (0, False)
    world.gates.open("/a")
    await world.receipt(slow)
    assert await world.slot(CATCH) == 2


async def test_what_a_frame_was_told_before_it_reverted_is_recorded(world: World) -> None:
    slow = await world.submit(to=CATCH_UNDO, data=world.get("/a"))
    world.gates.open("/a")
    assert (await world.receipt(slow))["status"] == "0x1"
    assert await world.slot(CATCH_UNDO) == 1
    (record,) = await world.records()
    assert (record["outcome"], read_body(record)) == ("ok", b"text of /a")
    assert world.gates.came == ["/a"]


async def test_each_transaction_asks_for_itself_and_only_once(world: World) -> None:
    slow = [await world.submit(account, to=PASS, data=world.get("/a")) for account in (ALICE, BOB)]
    await world.came("/a", "/a")
    for _ in range(3):
        await world.rpc("evm_mine")
    world.gates.open("/a")
    for tx_hash in slow:
        await world.receipt(tx_hash)
    assert world.gates.came == ["/a", "/a"]


async def test_a_transaction_that_has_asked_is_not_replaced_but_for_its_fee(world: World) -> None:
    await world.submit(nonce=0, to=PASS, data=world.get("/a"))
    await world.came("/a")
    fees = {"max_fee": 20 * GWEI, "max_priority_fee": 2 * GWEI}
    with pytest.raises(Refused, match="replacement transaction underpriced"):
        await world.submit(nonce=0, to=PASS, data=world.get("/b"), **fees)
    new = await world.submit(nonce=0, to=PASS, data=world.get("/a"), **fees)
    world.gates.open("/a")
    assert (await world.receipt(new))["status"] == "0x1"
    assert [read_body(record) for record in await world.records()] == [b"text of /a"]
    assert world.gates.came == ["/a"]


async def test_at_an_interval_it_is_taken_by_the_first_block_after_its_answer(world: World) -> None:
    await world.rpc("evm_setAutomine", False)
    slow = await world.submit(to=PASS, data=world.get("/a"))
    await world.rpc("evm_mine")
    await world.came("/a")
    await world.rpc("evm_mine")
    assert not await world.is_mined(slow)
    world.gates.open("/a")
    while not await world.is_mined(slow):
        assert await world.rpc("txpool_status") == {"pending": "0x1", "queued": "0x0"}
        await world.rpc("evm_mine")
    (record,) = await world.records()
    assert read_body(record) == b"text of /a"


async def test_that_there_was_no_answer_is_an_answer() -> None:
    async with run_world(timeout_s=0.2) as world:
        slow = await world.submit(to=PASS, data=world.get("/a"))
        assert (await world.receipt(slow))["status"] == "0x0"
        (record,) = await world.records()
        assert (record["outcome"], read_reason(record)) == ("reverted", "there was no answer within 0.2 s")
        world.gates.open("/a")


async def test_a_follower_takes_the_block_and_asks_nobody(world: World) -> None:
    slow = await world.submit(to=CATCH, data=world.get("/a"))
    world.gates.open("/a")
    await world.receipt(slow)

    class NoClient(OutboundClient):
        def fetch(self, request: OutboundRequest) -> Any:
            raise AssertionError(request)

    def follow() -> bytes:
        follower = build_chain(world.server, NoClient(timeout_s=1), world.gates, world.survey, producer_key=None)
        for encoded in world.chain.export(1, world.chain.head.number):
            follower.import_block(encoded)
        return follower.head.hash

    assert await world.at(follow) == await world.at(lambda: world.chain.head.hash)


async def test_a_chain_that_is_stopped_forgets_what_waits_and_it_is_asked_anew_when_it_is_sent_again(
    tmp_path: Path,
) -> None:
    async with run_world(tmp_path / "chain.db") as world:
        await world.rpc("evm_setAutomine", False)
        slow = await world.submit(to=PASS, data=world.get("/a"))
        await world.rpc("evm_mine")
        await world.came("/a")
        world.gates.open("/a")
    async with run_world(tmp_path / "chain.db") as world:
        assert await world.rpc("eth_getTransactionByHash", slow) is None
        again = await world.submit(to=PASS, data=world.get("/b"))
        await world.came("/b")
        world.gates.open("/b")
        receipt = await world.receipt(again)
        assert (receipt["status"], receipt["blockNumber"]) == ("0x1", "0x2")


async def test_there_is_a_most_that_one_transaction_may_ask(world: World) -> None:
    slow = await world.submit(to=SURVEY_SPC, data=b"\x11")
    assert (await world.receipt(slow))["status"] == "0x0"
    (record,) = await world.records()
    assert read_reason(record) == "a transaction asks the outside at most 16 questions"
    assert len(world.survey.asked) == 16


async def test_more_than_there_is_room_for_wait_until_others_are_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MAX_ASKING", 1)
    first = await world.submit(ALICE, to=PASS, data=world.get("/a"))
    second = await world.submit(BOB, to=PASS, data=world.get("/b"))
    await world.came("/a")
    await world.rpc.send(CAROL, to=raw(CAROL))
    assert world.gates.came == ["/a"]
    world.gates.open("/a")
    await world.receipt(first)
    await world.came("/a", "/b")
    world.gates.open("/b")
    assert (await world.receipt(second))["status"] == "0x1"


async def test_scheduled_calls_wait_a_moment_and_no_longer(world: World) -> None:
    scheduler = load_artifact("Scheduler")
    for path, turn in (("/fast", 3), ("/slow", 4)):
        order = (to_address(CATCH), 500_000, 50 * GWEI, 0, turn, 0)
        data = scheduler.encode_call("schedule", [order, world.get(path)])
        assert (await world.rpc.send(to=SCHEDULER_AT, data=data, value=10**18, gas=1_000_000))["status"] == "0x1"
    world.gates.open("/fast")
    await world.rpc("evm_mine")
    assert await world.slot(CATCH) == 2
    await world.rpc("evm_mine")
    assert await world.slot(CATCH) == 1
    (record,) = await world.records()
    assert read_reason(record) == "there was no answer within 1 s: scheduled calls do not wait longer"
    assert (record["spc"], world.gates.came) == ("0x" + HTTP_SPC.hex(), ["/fast", "/slow"])
    assert (await world.rpc.send(BOB, to=raw(CAROL), value=1))["blockNumber"] == "0x5"
