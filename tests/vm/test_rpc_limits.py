"""How much one request may cost the node."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from rpc_client import FOREVER, NOBODY, RpcClient, connect

from infernet.vm.rpc import Limits, connection, tracers
from infernet.vm.rpc.asking import Asked
from infernet.vm.rpc.connection import Connection
from infernet.vm.rpc.dispatch import Dispatcher
from infernet.vm.rpc.errors import RpcError
from infernet.vm.rpc.ration import Ration
from infernet.vm.rpc.subscriptions import Notification
from infernet.vm.rpc.tracers import MAX_STEPS, BoundedCallTracer, BoundedStructLogger, Budget
from infernet.vm.spc.call import SpcRevert
from infernet.vm.spc.outside import Question, ask_here
from infernet.vm.trace import CallFrame, Step

SPC, CALLER = b"\x08" * 20, b"\x0a" * 20


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("served", [{"limits": Limits(call_gas=100_000)}], indirect=True)
@pytest.mark.parametrize("gas", ["0xffffffffffffffff", None])
async def test_a_call_has_the_gas_that_calls_are_given_here(rpc: RpcClient, gas: str | None) -> None:
    for method in ("eth_call", "debug_traceCall"):
        call = {"data": FOREVER, "gas": gas}
        if method == "eth_call":
            assert (await rpc.refuses(method, call)).message == "out of gas"
        else:
            trace = await rpc(method, call, "latest", {"tracer": "callTracer"})
            assert (trace["gas"], trace["gasUsed"], trace["error"]) == (hex(100_000), hex(100_000), "out of gas")
    left = {NOBODY: {"code": "0x5a60005260206000f3"}}
    assert int(await rpc("eth_call", {"to": NOBODY, "gas": gas}, "latest", left), 16) < 100_000


async def test_a_trace_that_fills_the_memory_is_refused(rpc: RpcClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracers, "MAX_TRACE_BYTES", 2**20)
    refused = await rpc.refuses("debug_traceCall", {"data": FOREVER})
    assert (refused.code, "set a limit" in refused.message) == (-32005, True)
    kept = await rpc("debug_traceCall", {"data": FOREVER, "gas": "0x1ffff"}, "latest", {"limit": 10})
    assert len(kept["structLogs"]) == 10
    assert await rpc("eth_blockNumber") == "0x0"


def build_logger(limit: int) -> BoundedStructLogger:
    return BoundedStructLogger(Budget(), stack=False, memory=True, storage=False, return_data=False, limit=limit)


def run_steps(logger: BoundedStructLogger, count: int, memory: bytes = b"") -> None:
    step = Step(pc=0, op="STOP", gas=0, cost=0, depth=1, refund=0, memory=memory)
    for _ in range(count):
        logger.step(step)


def test_steps_that_are_not_kept_cost_time_alone() -> None:
    logger = build_logger(limit=1)
    run_steps(logger, MAX_STEPS)
    assert len(logger.steps) == 1
    with pytest.raises(RpcError, match="more than 300000 steps"):
        run_steps(logger, 1)
    with pytest.raises(RpcError, match="bytes"):
        run_steps(build_logger(limit=1), MAX_STEPS, bytes(2**20))
    with pytest.raises(RpcError, match="bytes"):
        run_steps(build_logger(limit=0), 65, bytes(2**20))


def test_a_tree_of_calls_has_a_limit() -> None:
    tracer = BoundedCallTracer(Budget())

    def enter(count: int) -> None:
        for _ in range(count):
            tracer.enter(CallFrame("CALL", CALLER, SPC, 0, 0, bytes(2**20)))

    enter(60)
    with pytest.raises(RpcError, match="bytes") as caught:
        enter(10)
    assert caught.value.code == -32005


def test_a_recorded_precompile_runs_once_for_the_same_question() -> None:
    asked = Asked(Ration(1, Clock()).limit(ask_here))
    assert asked.ask(Question("spc", b"question", lambda: b"answer")) == b"answer"
    assert asked.ask(Question("spc", b"question", lambda: b"another")) == b"answer"


def test_a_ration_is_used_up_and_comes_back() -> None:
    clock = Clock()
    ration = Ration(2, clock)
    asked, more = Asked(ration.limit(ask_here)), Question("spc", b"more", lambda: b"more")
    assert [asked.ask(Question("spc", bytes([number]), lambda: b"yes")) for number in range(2)] == [b"yes", b"yes"]
    with pytest.raises(SpcRevert, match="2 times a minute"):
        asked.ask(more)
    clock.now += 31
    assert Asked(ration.limit(ask_here)).ask(more) == b"more"
    with pytest.raises(SpcRevert, match="2 times a minute"):
        Asked(ration.limit(ask_here)).ask(more)
    clock.now += 3600
    assert [ration.take() is None for _ in range(3)] == [True, True, False]


class StuckSocket:
    """A client that reads nothing and says nothing."""

    closed: int | None = None

    async def accept(self) -> None: ...
    async def receive(self) -> Any:
        await asyncio.Event().wait()

    async def send_text(self, text: str) -> None:
        await asyncio.Event().wait()

    async def close(self, code: int) -> None:
        self.closed = code
        await asyncio.Event().wait()


@pytest.mark.parametrize(("size", "limits"), [(1, {"max_unsent": 10}), (100, {"max_unsent_bytes": 1_000})])
async def test_a_client_that_does_not_read_is_let_go(
    size: int, limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One notification is on its way, ten more may wait. The farewell is not read either."""
    monkeypatch.setattr(connection, "CLOSE_S", 0.01)

    async def run(*_: object) -> object:
        raise AssertionError

    socket: Any = StuckSocket()
    node: Any = object()
    stuck = Connection(socket, Dispatcher({}, run), node, **limits)
    serving = asyncio.create_task(stuck.serve())
    push = stuck.client.push
    assert push is not None
    for _ in range(11):
        await asyncio.to_thread(push, Notification("0x1", "1" * size))
        assert not serving.done()
    await asyncio.to_thread(push, Notification("0x1", "1" * size))
    await asyncio.wait_for(serving, 5)
    assert socket.closed == 1013


async def test_a_socket_goes_on_after_what_is_no_request(rpc: RpcClient) -> None:
    async with connect(rpc.url) as socket:
        await socket.socket.send_str("x" * 100)
        assert (await socket.socket.receive_json(timeout=5))["error"]["code"] == -32700
        await socket.socket.send_bytes(b'{"jsonrpc": "2.0", "id": 7, "method": "eth_chainId"}')
        assert await socket.socket.receive_json(timeout=5) == {"jsonrpc": "2.0", "id": 7, "result": "0x7a69"}


async def test_calls_are_nested_as_deep_as_their_gas_lasts(rpc: RpcClient) -> None:
    """Code that calls itself with all its gas, and counts in slot 0 how often it was entered; asked twice."""
    itself = {NOBODY: {"code": "0x60016000540160005560006000600060006000305af160005460005260206000f3"}}
    for _ in range(2):
        depth = int(await rpc("eth_call", {"to": NOBODY, "gas": hex(30_000_000)}, "latest", itself), 16)
        assert 300 < depth <= 1025
