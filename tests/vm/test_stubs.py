"""Precompiles on anvil by trap and replay: contracts see there what they see on an execution layer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from counter import Counter, Mirror, add, encode, number
from hypothesis import given
from hypothesis import strategies as st
from needs import need
from parrot import Parrot
from small_server import Reply, Seen, serve
from stub_client import USER, Client, Contract, deploy_by
from stub_project import compile_contracts, has_forge

from infernet.chain.anvil import AnvilChain
from infernet.chain.artifacts import load_artifact
from infernet.chain.local import DEV_ACCOUNTS
from infernet.chain.rpc import RpcChain
from infernet.chain.sending import Message, send_and_wait
from infernet.errors import InvalidInput
from infernet.keys.signer import LocalSigner
from infernet.protocol.abi_codec import encode_abi
from infernet.protocol.hashing import keccak, to_address
from infernet.types import ChainId
from infernet.vm.spc.addresses import HTTP, LLM, RAG, VECTOR_DATABASE
from infernet.vm.spc.call import Spc
from infernet.vm.spc.engines import Engines
from infernet.vm.spc.http import Http
from infernet.vm.spc.llm import Llm
from infernet.vm.spc.outbound import OutboundClient
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.stubs import host as stub_host
from infernet.vm.stubs import serve_stubs
from infernet.vm.stubs.answers import Answers
from infernet.vm.stubs.host import StubHost
from infernet.vm.stubs.places import DOOR, StubAnswer, StubRequest, decode_knock, encode_answer
from infernet.vm.stubs.upstream import Upstream

pytestmark = pytest.mark.chain

PRICES, LIMITS = Prices(), Limits()
SIGNER = LocalSigner(DEV_ACCOUNTS[1].private_key)
LOCAL = ChainId(31337)


TOTAL = encode("total()")
Serve = Callable[..., Any]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
async def client(anvil: AnvilChain, counter: Counter, session: aiohttp.ClientSession) -> AsyncIterator[Client]:
    spcs: list[Spc] = [counter, Mirror()]
    async with serve_stubs(anvil.rpc_url, spcs, "127.0.0.1", 0) as server:
        yield Client(server.url, session)


@pytest.fixture
async def puppet(client: Client) -> Contract:
    need(has_forge(), "no forge: run `make setup`")
    return await deploy_by(client, compile_contracts()["StubPuppet"])


# --- A contract that runs unchanged on a layer, in forge and here


def _texts(seen: Seen) -> Reply:
    return Reply(body=b"A text of some length, longer than a word of storage has room for. Good")


async def test_a_consumer_fetches_and_asks_a_model_in_one_transaction(
    anvil: AnvilChain, session: aiohttp.ClientSession
) -> None:
    with serve(_texts) as server:
        client = OutboundClient(timeout_s=5, allows=lambda _: True)
        parrot = Parrot()
        spcs = [
            Http(client, [f"127.0.0.1:{server.port}"], PRICES, LIMITS),
            Llm(Engines({"tiny": parrot}, PRICES, LIMITS), PRICES),
        ]
        async with serve_stubs(anvil.rpc_url, spcs, "127.0.0.1", 0) as proxy:
            reviewer = await deploy_by(Client(proxy.url, session), load_artifact("Reviewer"), "tiny")
            url = server.url("/text")
            said = "longer than a word of storage has room for. Good"
            assert (await reviewer.call("ask", url)).endswith("room for. Good")
            before = len(server.seen), parrot.asked
            assert await reviewer.send("review", url)
            assert (await reviewer.call("verdictOf", url)) in said
            assert (len(server.seen), parrot.asked) == (before[0] + 1, before[1] + 1)

            assert await reviewer.send("reviewIfPossible", url)  # its try/catch hides the traps from it, not from us
            assert (await reviewer.call("verdictOf", url)) in said
            assert await reviewer.send("reviewIfPossible", "http://elsewhere.example/")
            assert await reviewer.call("verdictOf", "http://elsewhere.example/") == "unknown"

            refused = await reviewer.client.ask("eth_call", reviewer.encode("ask", "http://elsewhere.example/"))
            assert refused["error"]["code"] == 3
            reason = "the host elsewhere.example is not among those that this layer asks"
            assert refused["error"]["data"] == "0x08c379a0" + encode_abi(["string"], [reason]).hex()
        client.close()


async def test_without_a_host_a_trap_says_what_it_is_and_burns_the_gas(
    anvil: AnvilChain, session: aiohttp.ClientSession
) -> None:
    direct = Client(anvil.rpc_url, session)
    for address in (HTTP, LLM):
        await direct.request("anvil_setCode", address, "0x" + load_artifact("SpcStub").runtime.hex())
    reviewer = await deploy_by(direct, load_artifact("Reviewer"), "tiny")
    refused = await direct.ask("eth_call", reviewer.encode("ask", "http://x.example/"), "latest")
    assert bytes.fromhex(refused["error"]["data"][2:10]) == keccak(b"SpcUnanswered(address,address,bytes)")[:4]

    caught = {**reviewer.encode("reviewIfPossible", "http://x.example/"), "gas": hex(1_500_000)}
    receipt = await direct.wait_for_receipt(await direct.request("eth_sendTransaction", caught))
    assert int(receipt["gasUsed"], 16) > 1_400_000


# --- State


async def test_state_lasts_within_a_transaction_and_between_them(puppet: Contract) -> None:
    assert await puppet.send("callAll(bytes[])", [add(5), TOTAL, add(7), TOTAL])
    assert await puppet.send("callAll(bytes[])", [add(1), TOTAL])
    assert await puppet.answers() == [number(n) for n in (5, 5, 12, 12, 13, 13)]


async def test_what_a_reverted_frame_did_is_undone(puppet: Contract) -> None:
    assert await puppet.send("callUndoneThen", [add(5), add(6)], [TOTAL, add(1), TOTAL])
    assert await puppet.answers() == [number(n) for n in (0, 1, 1)]


async def test_what_a_reverted_transaction_did_is_undone(puppet: Contract) -> None:
    call = {**puppet.encode("callAndRevert", [add(5)]), "gas": hex(1_000_000)}
    tx_hash = await puppet.client.request("eth_sendTransaction", call)
    receipt = await puppet.client.wait_for_receipt(tx_hash)
    assert receipt["status"] == "0x0"
    assert await puppet.send("callAll(bytes[])", [TOTAL])
    assert await puppet.answers() == [number(0)]


async def test_a_snapshot_takes_the_state_with_it(puppet: Contract) -> None:
    assert await puppet.send("callAll(bytes[])", [add(5)])
    snapshot = await puppet.client.request("evm_snapshot")
    assert await puppet.send("callAll(bytes[])", [add(50)])
    assert await puppet.client.request("evm_revert", snapshot)
    assert await puppet.send("callAll(bytes[])", [add(1)])
    assert await puppet.answers() == [number(5), number(6)]


async def test_an_older_block_has_its_own_state(puppet: Contract) -> None:
    numbers = []
    for amount in (5, 7):
        assert await puppet.send("callAll(bytes[])", [add(amount)])
        numbers.append(await puppet.client.request("eth_blockNumber"))
    call = {"from": USER, "to": VECTOR_DATABASE, "data": "0x" + TOTAL.hex()}
    found = [await puppet.client.request("eth_call", call, at) for at in [*numbers, "latest"]]
    assert [int(value, 16) for value in found] == [5, 12, 12]


async def test_a_call_leaves_no_trace(puppet: Contract) -> None:
    call = {"from": USER, "to": VECTOR_DATABASE, "data": "0x" + add(5).hex()}
    for _ in range(2):
        assert int(await puppet.client.request("eth_call", call, "latest"), 16) == 5
    assert await puppet.send("callAll(bytes[])", [TOTAL])
    assert await puppet.answers() == [number(0)]


async def test_one_precompile_reads_what_another_one_has_just_written(puppet: Contract) -> None:
    assert await puppet.send("callAll(bytes[])", [add(5)])
    assert await puppet.send("callAnother", [add(7)], RAG, b"")
    assert await puppet.answers() == [number(5), number(12), number(12)]


# --- Ways to call


async def test_static_and_delegate_calls_are_as_on_a_layer(puppet: Contract) -> None:
    assert await puppet.send("callStatic", TOTAL)
    assert await puppet.send("callStatic", add(5))
    assert await puppet.send("callDelegate", TOTAL)
    assert await puppet.send("callAll(bytes[])", [TOTAL])
    assert await puppet.answers() == [number(0), b"failed", b"failed", number(0)]


async def test_a_constructor_may_ask(puppet: Contract) -> None:
    asker = await deploy_by(puppet.client, compile_contracts()["AsksInConstructor"], add(9))
    assert await asker.call("answer") == number(9)


async def test_failures_reach_the_caller_as_they_are(puppet: Contract) -> None:
    assert await puppet.send("callAll(bytes[])", [encode("fail()"), encode("burn()"), encode("nothing()"), TOTAL])
    error = keccak(b"Error(string)")[:4]
    assert await puppet.answers() == [
        error + encode_abi(["string"], ["it had to be"]),
        b"",
        error + encode_abi(["string"], ["no such function"]),
        number(0),
    ]


async def test_a_long_answer_comes_back_whole(puppet: Contract) -> None:
    data = bytes(range(256)) * 12 + b"end"
    assert await puppet.send("callAll(bytes[])", [encode("echo(bytes)", data)])
    assert await puppet.call("lastAnswer") == encode_abi(["bytes"], [data[::-1]])


async def test_a_call_with_too_little_gas_for_a_trap_is_no_trap(puppet: Contract, counter: Counter) -> None:
    assert await puppet.send("callWith", TOTAL, 2_000)
    assert await puppet.answers() == [b""]
    assert counter.runs == 0


async def test_many_calls_of_one_transaction_are_answered(puppet: Contract, counter: Counter) -> None:
    assert await puppet.send("callAll(bytes[])", [add(1) for _ in range(20)])
    assert await puppet.answers() == [number(n) for n in range(1, 21)]
    assert counter.runs == 20


async def test_without_an_end_it_ends(puppet: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stub_host, "MAX_CALLS", 3)
    refused = await puppet.client.ask("eth_sendTransaction", puppet.encode("callAll(bytes[])", [add(1)] * 4))
    assert refused["error"]["data"] == {"code": "stubs.too_many_calls"}


# --- Transactions


async def test_what_an_estimate_was_answered_its_transaction_is_answered(puppet: Contract, counter: Counter) -> None:
    call = puppet.encode("callAll(bytes[])", [encode("echo(bytes)", b"once")])
    gas = await puppet.client.request("eth_estimateGas", call)
    await puppet.client.request("eth_sendTransaction", {**call, "gas": gas})
    assert counter.runs == 1
    assert await puppet.call("lastAnswer") == encode_abi(["bytes"], [b"ecno"])


async def test_a_signed_transaction_is_answered(puppet: Contract) -> None:
    async with RpcChain(puppet.client.url) as rpc:
        data = puppet.artifact.encode_call("callAll(bytes[])", [[add(5), add(6)]])
        receipt = await send_and_wait(rpc, SIGNER, Message(puppet.address, data), LOCAL)
    assert receipt.succeeded
    assert await puppet.answers() == [number(5), number(11)]


async def test_a_transaction_that_nobody_simulated_is_taken_back_and_sent_again(
    anvil: AnvilChain, puppet: Contract, counter: Counter
) -> None:
    """Its block is looked at: the traps it met there are answered one by one."""
    async with Upstream(anvil.rpc_url) as upstream:
        stubs = StubHost(upstream, Answers([counter, Mirror()], LOCAL))
        head = int(await puppet.client.request("eth_blockNumber"), 16)
        call = {**puppet.encode("callAll(bytes[])", [add(5), add(6)]), "gas": hex(5_000_000)}
        message = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": [call]}
        answer = await stubs.submit(None, message)
        receipt = await puppet.client.wait_for_receipt(answer["result"])
    assert (receipt["status"], int(receipt["blockNumber"], 16)) == ("0x1", head + 1)
    assert await puppet.answers() == [number(5), number(11)]


async def test_what_waits_for_its_block_is_answered_when_it_is_mined(puppet: Contract) -> None:
    await puppet.client.request("evm_setAutomine", False)
    call = {**puppet.encode("callAll(bytes[])", [add(5)]), "gas": hex(1_000_000)}
    tx_hash = await puppet.client.request("eth_sendTransaction", call)
    assert await puppet.client.request("eth_getTransactionReceipt", tx_hash) is None
    await puppet.client.request("evm_mine")
    assert await puppet.answers() == [number(5)]


async def test_a_trace_shows_the_answers(puppet: Contract) -> None:
    trace = await puppet.client.request(
        "debug_traceCall", puppet.encode("callAll(bytes[])", [add(5)]), "latest", {"tracer": "callTracer"}
    )
    assert trace["calls"][0]["output"] == "0x" + number(5).hex()


async def test_overrides_of_the_caller_count(puppet: Contract) -> None:
    other = "0x" + "77" * 20
    overrides = {other: {"code": "0x" + compile_contracts()["StubPuppet"].runtime.hex()}}
    call = {**puppet.encode("callAll(bytes[])", [add(5)]), "to": other}
    assert await puppet.client.request("eth_call", call, "latest", overrides) == "0x"
    estimate = await puppet.client.request("eth_estimateGas", call, "latest", overrides)
    assert int(estimate, 16) > 60_000


# --- Forgeries


async def test_a_contract_that_knocks_is_not_heard(puppet: Contract, counter: Counter) -> None:
    assert await puppet.send("knock", add(5))
    assert counter.runs == 0
    assert await puppet.send("callAll(bytes[])", [TOTAL])
    assert (await puppet.answers())[1:] == [number(0)]


@pytest.mark.parametrize("method", ["anvil_setStorageAt", "hardhat_setStorageAt", "anvil_setCode", "hardhat_setCode"])
async def test_a_client_cannot_place_an_answer(puppet: Contract, method: str) -> None:
    place = keccak(TOTAL)
    words = encode_answer(place, StubAnswer(number(1_000_000)))
    for slot, word in words.items():
        refused = await puppet.client.ask(method, VECTOR_DATABASE, "0x" + slot.hex(), "0x" + word.hex())
        assert refused["error"]["data"] == {"code": "stubs.forged"}
    assert await puppet.send("callAll(bytes[])", [TOTAL])
    assert await puppet.answers() == [number(0)]


async def test_an_answer_for_one_caller_is_not_anothers(puppet: Contract, counter: Counter) -> None:
    request = encode("echo(bytes)", b"x")
    call = {"from": USER, "to": VECTOR_DATABASE, "data": "0x" + request.hex()}
    await puppet.client.request("eth_call", call, "pending")
    assert counter.runs == 1
    assert await puppet.send("callAll(bytes[])", [request])
    assert counter.runs == 2


# --- JSON-RPC


async def test_what_asks_no_precompile_passes_as_it_is(anvil: AnvilChain, client: Client) -> None:
    assert await client.request("eth_chainId") == hex(anvil.chain_id)
    assert (await client.ask("eth_nothing"))["error"]["code"] == -32601
    assert (await client.ask("eth_getBalance", "0x12"))["error"]["code"] == -32602
    refused = await client.ask("eth_sendRawTransaction", "0x02")
    assert refused["error"]["code"] == -32602 or "decode" in refused["error"]["message"]


async def test_a_batch_is_answered_in_order(client: Client) -> None:
    asked = [{"jsonrpc": "2.0", "id": n, "method": "eth_chainId", "params": []} for n in (3, 1, 2)]
    assert [answer["id"] for answer in await client.post(asked)] == [3, 1, 2]


@pytest.mark.parametrize("body", [{}, 1, [1], {"id": 1, "method": 5}, {"id": 1, "method": "eth_call", "params": {}}])
async def test_what_is_no_request_is_an_error(client: Client, body: Any) -> None:
    answer = await client.post(body)
    assert "error" in (answer[0] if isinstance(answer, list) else answer)


async def test_a_precompile_that_cannot_go_on_is_an_error(client: Client) -> None:
    refused = await client.ask(
        "eth_call", {"from": USER, "to": VECTOR_DATABASE, "data": "0x" + encode("stop()").hex()}, "latest"
    )
    assert refused["error"]["message"] == "the precompile cannot go on"


# --- Places


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.booleans(), st.booleans())
def test_an_answer_takes_a_word_and_its_bytes(place: bytes, data: bytes, reverts: bool, changes_state: bool) -> None:
    words = encode_answer(place, StubAnswer(data, reverts, changes_state))
    first = int.from_bytes(place, "big")
    ordered = [words[((first + at) % 2**256).to_bytes(32, "big")] for at in range(len(words))]
    head = int.from_bytes(ordered[0], "big")
    assert (head >> 8, head & 7) == (len(data), 1 + 2 * reverts + 4 * changes_state)
    assert b"".join(ordered[1:])[: len(data)] == data


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=20, max_size=20), st.integers(0, 2**64), st.binary())
def test_a_knock_says_what_was_asked(version: bytes, caller: bytes, block_number: int, data: bytes) -> None:
    request = StubRequest(RAG, version, to_address(caller), block_number, data)
    knock = version + bytes(12) + caller + block_number.to_bytes(32, "big") + data
    assert decode_knock(RAG, knock) == request
    assert request.place == keccak(knock)


@pytest.mark.parametrize("knock", [b"", bytes(95), bytes(32) + b"\x01" + bytes(63)])
def test_another_call_of_the_door_is_no_knock(knock: bytes) -> None:
    assert decode_knock(RAG, knock) is None
    assert to_address("0x41f36475c11d9ae23d943745dab74e456fc94ce4") == DOOR


def test_a_state_from_before_the_host_is_not_guessed(counter: Counter) -> None:
    answers = Answers([counter], LOCAL)
    with pytest.raises(InvalidInput, match="before this host"):
        answers.answer(StubRequest(VECTOR_DATABASE, b"\x01" * 32, to_address(bytes(20)), 1, TOTAL), {}, 0)
