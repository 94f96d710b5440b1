"""A served layer whose outside answers when a test lets it: a web server, a language model, a precompile that asks."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from evm import CALL, REVERT_EMPTY, call, forward
from rpc_client import ALICE, RpcClient
from small_server import Reply, Seen, SmallServer, serve

from infernet.chain.artifacts import load_artifact
from infernet.chain.local import DEV_ACCOUNTS, DevAccount
from infernet.protocol.abi_codec import encode_abi
from infernet.protocol.hashing import keccak
from infernet.vm.chain import Chain
from infernet.vm.engine_thread import EngineThread
from infernet.vm.genesis import Genesis, build_dev_accounts
from infernet.vm.request import AccountOverride
from infernet.vm.rpc import serve_chain
from infernet.vm.spc.addresses import HTTP, LLM, RAG, SCHEDULER
from infernet.vm.spc.call import SpcCall
from infernet.vm.spc.engines import Completion, Engines, Turn
from infernet.vm.spc.http import Http
from infernet.vm.spc.llm import Llm
from infernet.vm.spc.outbound import OutboundClient
from infernet.vm.spc.outside import Question
from infernet.vm.spc.prices import Limits, Prices

PRICES, LIMITS = Prices(), Limits()
HTTP_SPC, LLM_SPC, SURVEY_SPC, SCHEDULER_AT = (bytes.fromhex(at[2:]) for at in (HTTP, LLM, RAG, SCHEDULER))
NOTE_SUCCESS = b"\x60\x01\x01\x5f\x55\x00"
"""Stores 2 in slot 0 where the last call succeeded, and 1 where it reverted."""
PASS, CATCH, UNDO, CATCH_UNDO = (bytes.fromhex("c0de" * 9 + f"{number:04x}") for number in range(4))
CONTRACTS = {
    PASS: forward(HTTP_SPC),
    CATCH: call(PASS, CALL) + NOTE_SUCCESS,
    UNDO: call(HTTP_SPC) + REVERT_EMPTY,
    CATCH_UNDO: call(UNDO, CALL) + NOTE_SUCCESS,
}


class Gates:
    """Doors by name, shut at first. Whoever comes to one is noted, and waits before it."""

    def __init__(self) -> None:
        self.came: list[str] = []
        self._doors: dict[str, threading.Event] = defaultdict(threading.Event)

    def open(self, name: str) -> None:
        self._doors[name].set()

    def pass_through(self, name: str) -> None:
        self.came.append(name)
        if not self._doors[name].wait(60):
            raise TimeoutError(name)


class SlowModel:
    """Says the last words again, once its door is open."""

    def __init__(self, gates: Gates) -> None:
        self._gates = gates

    def complete(self, prompt: str, max_tokens: int, seed: int) -> Completion:
        self._gates.pass_through(f"model: {prompt}")
        words = prompt.split()
        return Completion(" ".join(words[-max_tokens:]), len(words), min(max_tokens, len(words)))

    def chat(self, turns: Sequence[Turn], max_tokens: int, seed: int) -> Completion:
        return self.complete(turns[-1].content, max_tokens, seed)


class Survey:
    """Asks as many questions as its calldata says; told nothing it asks, at the door `time`, for that of its block."""

    address, name, recorded = RAG, "survey", True

    def __init__(self, gates: Gates) -> None:
        self._gates = gates
        self.asked: list[bytes] = []

    def run(self, call: SpcCall) -> bytes:
        call.charge(1_000)
        if not call.data:
            return self._ask(call, call.block.timestamp.to_bytes(32, "big"))
        return b"".join(self._ask(call, bytes([number])) for number in range(call.data[0]))

    def _ask(self, call: SpcCall, request: bytes) -> bytes:
        def answer() -> bytes:
            self.asked.append(request)
            if not call.data:
                self._gates.pass_through("time")
            return request

        return call.ask(Question("survey", request, answer))


class World:
    """All of it. The chain itself is for its engine's thread: `at` runs there."""

    def __init__(self, gates: Gates, server: SmallServer, chain: Chain, engine: EngineThread, survey: Survey) -> None:
        self.gates, self.server, self.chain, self.engine, self.survey = gates, server, chain, engine, survey
        self.rpc: RpcClient

    def get(self, path: str) -> bytes:
        """Calldata of a request for this path of the server."""
        return encode("get(string)", self.server.url(path))

    async def at(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self.engine.run(function, *arguments)

    async def came(self, *names: str) -> None:
        """Wait until these, and no others, have come to their doors, in any order."""
        await until(lambda: sorted(self.gates.came) == sorted(names))

    async def submit(self, account: DevAccount = ALICE, **fields: Any) -> str:
        """The hash of a transaction that is taken."""
        fields = {"gas": 2_000_000} | fields
        tx_hash: str = await self.rpc("eth_sendRawTransaction", await self.rpc.sign(account, **fields))
        return tx_hash

    async def receipt(self, tx_hash: str) -> Any:
        """Wait until it is mined."""
        while True:
            receipt = await self.rpc("eth_getTransactionReceipt", tx_hash)
            if receipt is not None:
                return receipt
            await asyncio.sleep(0.01)

    async def is_mined(self, tx_hash: str) -> bool:
        return await self.rpc("eth_getTransactionReceipt", tx_hash) is not None

    async def slot(self, contract: bytes) -> int:
        return int(await self.rpc("eth_getStorageAt", "0x" + contract.hex(), "0x0", "latest"), 16)

    async def records(self) -> list[Any]:
        """Of the newest block."""
        found: list[Any] = await self.rpc("infernet_getSpcRecords", "latest")
        return found


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110  (it comes about on other threads; pytest ends a test that hangs)
        await asyncio.sleep(0.005)


def build_chain(server: SmallServer, client: OutboundClient, gates: Gates, survey: Survey, **options: Any) -> Chain:
    spcs = [
        Http(client, [f"127.0.0.1:{server.port}"], PRICES, LIMITS),
        Llm(Engines({"tiny": SlowModel(gates)}, PRICES, LIMITS), PRICES),
        survey,
    ]
    code = CONTRACTS | {SCHEDULER_AT: load_artifact("Scheduler").runtime}
    contracts = {address: AccountOverride(nonce=1, code=code) for address, code in code.items()}
    genesis = Genesis(accounts=build_dev_accounts() | contracts, spcs=(HTTP_SPC, LLM_SPC, SURVEY_SPC))
    return Chain(genesis, spcs, **options)


@asynccontextmanager
async def run_world(path: Path | None = None, *, timeout_s: float = 60, **options: Any) -> AsyncIterator[World]:
    """Served while the context is open.

    Args:
        timeout_s: of requests.
        options: of `serve_chain`.
    """
    gates = Gates()
    survey = Survey(gates)

    def answer(seen: Seen) -> Reply:
        gates.pass_through(seen.path)
        return Reply(body=f"text of {seen.path}".encode())

    with serve(answer) as server:
        engine, client = EngineThread(), OutboundClient(timeout_s=timeout_s, allows=lambda _: True)
        chain = await engine.run(build_chain, server, client, gates, survey, path=path)
        world = World(gates, server, chain, engine, survey)
        options = {"accounts": DEV_ACCOUNTS, "is_dev": True} | options
        try:
            async with serve_chain(chain, engine, "127.0.0.1", 0, **options) as served, RpcClient(served.url) as rpc:
                world.rpc = rpc
                yield world
        finally:
            await engine.run(chain.close)
            engine.close()
            client.close()


def encode(signature: str, *arguments: Any) -> bytes:
    types = [kind for kind in signature.partition("(")[2][:-1].split(",") if kind]
    return keccak(signature.encode())[:4] + encode_abi(types, arguments)
