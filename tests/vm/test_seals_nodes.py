"""A producer, witnesses and followers, each a node of its own, and a web server that some of them lie about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from counter import encode
from rpc_client import ALICE, NOBODY, RpcClient
from small_server import Reply, SmallServer, serve
from structlog.testing import capture_logs

from infernet.app.following import Serving, export, fetch_status, follow, seal
from infernet.app.layer import Layer, RunningLayer, run_layer
from infernet.chain.local import DEV_ACCOUNTS
from infernet.errors import InfernetError, InvalidInput, NodeMisconfigured
from infernet.vm.block import Block
from infernet.vm.chain import Chain
from infernet.vm.engine_thread import EngineThread
from infernet.vm.genesis import DEV_PRODUCER, DEV_PRODUCER_KEY, Genesis, build_dev_accounts
from infernet.vm.rpc import serve_chain
from infernet.vm.seals import Witnesses
from infernet.vm.spc.addresses import HTTP
from infernet.vm.spc.http import Http
from infernet.vm.spc.outbound import OutboundAnswer, OutboundClient, OutboundRequest
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.transaction import compute_address

KEYS = [account.private_key for account in DEV_ACCOUNTS[5:8]]
ADDRESSES = tuple(map(compute_address, KEYS))
HTTP_BYTES = bytes.fromhex(HTTP[2:])
GENESIS = Genesis(accounts=build_dev_accounts(), spcs=(HTTP_BYTES,), witnesses=Witnesses(ADDRESSES, 2))
TIMEOUT_S = 60


class Liar(OutboundClient):
    """Asks, and says that the answer was another."""

    def fetch(self, request: OutboundRequest) -> OutboundAnswer:
        return replace(super().fetch(request), body=b"a lie")


def build_layer(
    server: SmallServer, client: type[OutboundClient] = OutboundClient, genesis: Genesis = GENESIS
) -> Layer:
    """A node's own: its precompile asks by itself."""
    http = Http(client(timeout_s=5, allows=lambda _: True), [f"127.0.0.1:{server.port}"], Prices(), Limits())
    return Layer(GENESIS, (http,), DEV_PRODUCER_KEY)


@dataclass
class Follower:
    """One that runs, and what it verified."""

    url: str
    blocks: list[Block] = field(default_factory=list)

    @property
    def head(self) -> int:
        return self.blocks[-1].number if self.blocks else 0


class Network:
    """A producer, and whoever follows it."""

    def __init__(self, server: SmallServer, producer: RunningLayer, rpc: RpcClient, stack: AsyncExitStack) -> None:
        self.server, self.producer, self.rpc, self._stack = server, producer, rpc, stack

    async def ask(self) -> int:
        """A transaction that asks the server; the number of its block."""
        data = encode("get(string)", self.server.url("/price"))
        receipt = await self.rpc.send(to=HTTP_BYTES, data=data, gas=1_000_000)
        return int(receipt["blockNumber"], 16)

    async def start(self, *, upstream: str = "", path: Path | None = None, **options: Any) -> Follower:
        """A follower, or with `witness_key` a witness, that serves."""
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        follower = Follower("")
        serving = Serving("127.0.0.1", 0, is_public=False, on_ready=ready.set_result)
        source = upstream or self.producer.server.url
        work = follow(
            build_layer(self.server),
            path,
            source,
            once=False,
            on_block=follower.blocks.append,
            serving=serving,
            **options,
        )
        await self._stack.enter_async_context(running(work))
        async with asyncio.timeout(TIMEOUT_S):
            follower.url = await ready
        return follower

    async def read_sealed(self) -> int:
        return int((await self.rpc("eth_getBlockByNumber", "finalized", False))["number"], 16)

    async def has_sealed(self, number: int) -> bool:
        return await self.read_sealed() >= number

    async def has_signers(self, number: int, *signers: bytes) -> bool:
        return await self.read_signers(number) == show(*signers)

    async def read_signers(self, number: int) -> set[str]:
        shown = await self.rpc("infernet_getSeals", hex(number))
        return {entry["signer"] for entry in shown["seals"]}


@asynccontextmanager
async def running(work: Any) -> AsyncIterator[asyncio.Task[int]]:
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def wait_until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            held = holds()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def run_network(server: SmallServer, client: type[OutboundClient] = OutboundClient) -> AsyncIterator[Network]:
    async with (
        run_layer(build_layer(server, client), None, "127.0.0.1", 0) as producer,
        RpcClient(producer.server.url) as rpc,
        AsyncExitStack() as stack,
    ):
        yield Network(server, producer, rpc, stack)


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with serve(lambda _: Reply(body=b"the truth")) as server:
        yield server


async def has_sealed(url: str, number: int) -> bool:
    return int((await fetch_status(url))["sealed up to"]) >= number


def show(*addresses: bytes) -> set[str]:
    return {"0x" + address.hex() for address in addresses}


async def test_witnesses_that_are_told_the_same_seal_and_a_follower_takes_it(server: SmallServer) -> None:
    async with run_network(server) as network:
        number = await network.ask()
        assert await network.read_sealed() == 0
        assert await network.read_signers(number) == show(DEV_PRODUCER)
        for key in KEYS[:2]:
            await network.start(witness_key=key)
        follower = await network.start()
        await wait_until(lambda: follower.head == number)
        assert await network.read_signers(number) == show(DEV_PRODUCER, *ADDRESSES[:2])
        assert await network.read_sealed() == number
        assert len(server.seen) == 3
        status = await fetch_status(follower.url)
        assert (status["sealed up to"], status["produced"], status["seals needed"]) == (number, number, "2 of 3")


async def test_nobody_takes_what_only_the_producer_was_told(server: SmallServer) -> None:
    async with run_network(server, Liar) as network:
        with capture_logs() as lines:
            honest = [await network.start(witness_key=key) for key in KEYS]
            follower = await network.start()
            before = int((await network.rpc.send(ALICE, to=bytes.fromhex(NOBODY[2:])))["blockNumber"], 16)
            await wait_until(lambda: network.has_sealed(before))
            lied = await network.ask()
            after = int((await network.rpc.send(ALICE, to=bytes.fromhex(NOBODY[2:])))["blockNumber"], 16)
            await wait_until(lambda: all(one.head == after for one in honest))  # they go on
            await wait_until(lambda: any(line["event"] == "block.waits_for_seals" for line in lines))
            status = await fetch_status(follower.url)
        block = network.producer.chain.head.header.parent_hash
        assert await network.read_signers(lied) == show(DEV_PRODUCER)
        assert await network.read_sealed() == before == follower.head
        assert (status["block"], status["sealed up to"], status["produced"]) == (before, before, after)

        said = [line for line in lines if line["event"] == "block.not_witnessed"]
        assert len(said) == len(KEYS)
        for line in said:
            facts = (line["block"], line["hash"], line["record"], line["precompile"], line["asked"])
            assert facts == (lied, "0x" + block.hex(), 0, "http", f"127.0.0.1:{server.port}")
            assert b"a lie".hex() in line["block_says"]
            assert b"the truth".hex() in line["here"]
        (waits,) = [line for line in lines if line["event"] == "block.waits_for_seals"]
        assert (waits["block"], waits["hash"], waits["sealed_by"]) == (lied, "0x" + block.hex(), [])

        for key in KEYS[:2]:  # two operators take it all the same
            assert await seal(network.producer.server.url, block, key) in show(*ADDRESSES)
        await wait_until(lambda: follower.head == after)


async def test_one_witness_that_lies_along_is_not_enough(server: SmallServer) -> None:
    async with run_network(server, Liar) as network:
        await network.start(witness_key=KEYS[0])
        lied = await network.ask()
        block = network.producer.chain.head
        assert await seal(network.producer.server.url, block.hash, KEYS[1]) in show(ADDRESSES[1])
        assert await seal(network.producer.server.url, block.hash, KEYS[1]) in show(ADDRESSES[1])
        with capture_logs() as lines:
            layer, source = build_layer(server), network.producer.server.url
            verified = await follow(layer, None, source, once=True, on_block=lambda block: None)
        assert verified == lied - 1
        (waits,) = [line for line in lines if line["event"] == "block.waits_for_seals"]
        assert (waits["block"], waits["sealed_by"], waits["needed"]) == (lied, ["0x" + ADDRESSES[1].hex()], 2)


async def test_seals_that_come_late_are_waited_for(server: SmallServer) -> None:
    async with run_network(server) as network:
        follower = await network.start()
        numbers = [await network.ask() for _ in range(3)]
        blocks = [network.producer.chain.block_by_number(number) for number in numbers]
        for block in reversed(blocks):  # as each comes
            assert block is not None
            assert follower.head == 0
            for key in KEYS[:2]:
                await seal(network.producer.server.url, block.hash, key)
        await wait_until(lambda: follower.head == numbers[-1])
        assert await network.read_sealed() == numbers[-1]


async def test_an_answer_that_fails_once_is_asked_for_again(server: SmallServer) -> None:
    async with run_network(server) as network:
        number = await network.ask()
        replies = iter([Reply(status=503), Reply(body=b"the truth")])
        server.answer = lambda _: next(replies)
        await network.start(witness_key=KEYS[0])
        await wait_until(lambda: network.has_signers(number, DEV_PRODUCER, ADDRESSES[0]))


async def test_a_follower_of_a_follower_has_blocks_and_seals(server: SmallServer, tmp_path: Path) -> None:
    async with run_network(server) as network:
        for key in KEYS[:2]:
            await network.start(witness_key=key)
        number = await network.ask()
        first = await network.start()
        second = await network.start(upstream=first.url)
        await wait_until(lambda: second.head == number)
        assert second.blocks[-1].hash == network.producer.chain.head.hash
        assert await export(second.url, tmp_path / "blocks", 1, None) == number
        verified = await follow(
            build_layer(server), None, str(tmp_path / "blocks"), once=True, on_block=lambda block: None
        )
        assert verified == number  # the file has the seals too


async def test_a_file_without_a_quorum_is_followed_up_to_there(server: SmallServer, tmp_path: Path) -> None:
    async with run_network(server) as network:
        sealed, unsealed = await network.ask(), await network.ask()
        block = network.producer.chain.block_by_number(sealed)
        assert block is not None
        for key in KEYS[:2]:
            await seal(network.producer.server.url, block.hash, key)
        assert await export(network.producer.server.url, tmp_path / "blocks", 1, None) == unsealed
        for _ in range(2):  # the second time what it holds is passed over
            verified = await follow(
                build_layer(server),
                tmp_path / "chain.sqlite",
                str(tmp_path / "blocks"),
                once=True,
                on_block=lambda block: None,
            )
            assert verified == sealed


async def test_an_older_file_lacks_seals_of_blocks_that_are_here(server: SmallServer, tmp_path: Path) -> None:
    async with run_network(server) as network:
        number, url = await network.ask(), network.producer.server.url
        assert await export(url, tmp_path / "blocks", 1, None) == number
        for key in KEYS[:2]:
            await seal(url, network.producer.chain.head.hash, key)
        for source in (url, str(tmp_path / "blocks")):
            layer, path = build_layer(server), tmp_path / "chain.sqlite"
            with capture_logs() as lines:
                assert await follow(layer, path, source, once=True, on_block=lambda block: None) == number
            assert not lines


async def test_a_producer_that_hides_the_seals_does_not_stop_who_asks_the_witnesses(server: SmallServer) -> None:
    """The producer here never hears of the seals: they are with a node of the witnesses alone."""
    async with run_network(server) as network:
        number = await network.ask()
        engine = EngineThread()
        elsewhere: Chain = await engine.run(Chain, GENESIS, build_layer(server).spcs, producer_key=None)
        try:
            for encoded in list(await network.rpc("infernet_exportBlocks", "0x1", "0x40")):
                await engine.run(elsewhere.import_block, bytes.fromhex(encoded[2:]))
            seals = {
                address: elsewhere.seals.sign(key, elsewhere.head) for key, address in zip(KEYS, ADDRESSES, strict=True)
            }
            await engine.run(elsewhere.seals.add, elsewhere.head, seals)
            async with serve_chain(elsewhere, engine, "127.0.0.1", 0) as node:
                with capture_logs() as lines:
                    nowhere = "http://127.0.0.1:1"
                    follower = await network.start(seals_from=[nowhere, node.url])
                    await wait_until(lambda: follower.head == number)
        finally:
            await engine.run(elsewhere.close)
            engine.close()
        assert await network.read_signers(number) == show(DEV_PRODUCER)
        assert [line["endpoint"] for line in lines if line["event"] == "seals.unreachable"] == [nowhere]


async def test_a_witness_hears_of_the_others_seals(server: SmallServer) -> None:
    async with run_network(server) as network:
        first, second = [await network.start(witness_key=key) for key in KEYS[:2]]
        number = await network.ask()
        await wait_until(lambda: network.has_sealed(number))
        for url in (first.url, second.url):
            await wait_until(partial(has_sealed, url, number))


async def test_a_witness_takes_up_where_it_was_killed(server: SmallServer, tmp_path: Path) -> None:
    """Between a block and its seal, and between a seal and its way to the producer."""
    async with run_network(server) as network:
        numbers = [await network.ask() for _ in range(2)]
        path = tmp_path / "chain.sqlite"
        chain = Chain(GENESIS, build_layer(server).spcs, path, producer_key=None)
        for encoded in list(await network.rpc("infernet_exportBlocks", "0x1", "0x40")):
            chain.import_block(bytes.fromhex(encoded[2:]))
        block = chain.block_by_number(numbers[0])
        assert block is not None
        chain.seals.add(block, {ADDRESSES[0]: chain.seals.sign(KEYS[0], block)})
        chain.close()
        asked = len(server.seen)
        await network.start(witness_key=KEYS[0], path=path)
        for number in numbers:
            await wait_until(partial(network.has_signers, number, DEV_PRODUCER, ADDRESSES[0]))
        assert len(server.seen) == asked + 1


async def test_a_witness_need_not_ask_for_what_has_a_quorum(server: SmallServer) -> None:
    async with run_network(server) as network:
        number = await network.ask()
        for key in KEYS[:2]:
            await seal(network.producer.server.url, network.producer.chain.head.hash, key)
        late = await network.start(witness_key=KEYS[2])
        await network.rpc.send(ALICE, to=bytes.fromhex(NOBODY[2:]))
        await wait_until(lambda: late.head == number + 1)  # and so is done with the one before
        assert len(server.seen) == 1
        assert await network.read_signers(number) == show(DEV_PRODUCER, *ADDRESSES[:2])


async def test_only_a_witness_of_the_layer_seals_and_only_to_an_endpoint(server: SmallServer, tmp_path: Path) -> None:
    async with run_network(server) as network:
        url, layer = network.producer.server.url, build_layer(server)
        with pytest.raises(NodeMisconfigured, match="is no witness of this layer") as refused:
            await follow(layer, None, url, once=True, on_block=lambda block: None, witness_key=DEV_PRODUCER_KEY)
        assert refused.value.code == "layer.no_witness"
        for options in ({"witness_key": KEYS[0]}, {"seals_from": [url]}):
            with pytest.raises(InvalidInput, match="name one instead of a file"):
                await follow(layer, None, str(tmp_path), once=True, on_block=lambda block: None, **options)
        await network.ask()
        head = network.producer.chain.head
        with pytest.raises(InfernetError, match="no seal of block 1"):
            await seal(url, head.hash, DEV_ACCOUNTS[9].private_key)
        with pytest.raises(InfernetError, match="header not found"):
            await seal(url, head.header.state_root, KEYS[0])


# --- JSON-RPC


async def test_safe_and_finalized_are_what_a_quorum_has_sealed(server: SmallServer) -> None:
    async with run_network(server) as network:
        rpc = network.rpc
        for _ in range(3):
            await rpc.send(ALICE, to=bytes.fromhex(NOBODY[2:]), value=5)
        block = network.producer.chain.block_by_number(1)
        assert block is not None
        for tag in ("safe", "finalized"):
            assert (await rpc("eth_getBlockByNumber", tag, False))["number"] == "0x0"
        for key in KEYS[:2]:
            await seal(rpc.url, block.hash, key)
        for tag in ("safe", "finalized"):
            assert (await rpc("eth_getBlockByNumber", tag, False))["number"] == "0x1"
            assert await rpc.number("eth_getBalance", NOBODY, tag) == 5
        assert (await rpc("eth_getBlockByNumber", "latest", False))["number"] == "0x3"
        assert await rpc.number("eth_getBalance", NOBODY, "latest") == 15
        assert await rpc("eth_getLogs", {"fromBlock": "finalized", "toBlock": "safe"}) == []


async def test_the_methods_say_who_sealed_and_refuse_what_is_no_seal(server: SmallServer) -> None:
    async with run_network(server) as network:
        rpc = network.rpc
        await rpc.send(ALICE, to=bytes.fromhex(NOBODY[2:]))
        block, book = network.producer.chain.head, network.producer.chain.seals
        made, sealed = book.sign(DEV_PRODUCER_KEY, block), book.sign(KEYS[1], block)
        assert await rpc("infernet_addSeal", "latest", "0x" + sealed.hex()) == "0x" + ADDRESSES[1].hex()
        entries = [(DEV_PRODUCER, made), (ADDRESSES[1], sealed)]
        assert await rpc("infernet_getSeals", "0x1") == {
            "number": "0x1",
            "hash": "0x" + block.hash.hex(),
            "producer": "0x" + DEV_PRODUCER.hex(),
            "threshold": "0x2",
            "hasQuorum": False,
            "seals": [{"signer": "0x" + who.hex(), "seal": "0x" + by.hex()} for who, by in sorted(entries)],
        }
        assert (await rpc("infernet_getSeals", "0x0"))["seals"] == []
        assert await rpc("infernet_sealStatus") == {
            "sealed": "0x0",
            "head": "0x1",
            "produced": "0x1",
            "threshold": "0x2",
            "witnesses": ["0x" + address.hex() for address in ADDRESSES],
        }
        for block_id, data, words in (
            ("latest", "0x", "a seal has 65 bytes, this has 0"),
            ("latest", "0x" + sealed[:-1].hex() + "00", "v of 27 or 28"),
            ("0x0", "0x" + sealed.hex(), "no seal of block 0"),
            ("0x9", "0x" + sealed.hex(), "header not found"),
            ("pending", "0x" + sealed.hex(), "header not found"),
        ):
            assert words in (await rpc.refuses("infernet_addSeal", block_id, data)).message
        assert await rpc.refuses("infernet_addSeal", "latest", "65 bytes")
