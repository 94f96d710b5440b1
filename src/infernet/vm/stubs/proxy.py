"""JSON-RPC in front of a chain with stubs: what may ask a precompile is prepared first, all else passes as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from types import MappingProxyType
from typing import Any

from infernet.errors import InfernetError, InvalidInput
from infernet.protocol.hashing import to_address
from infernet.types import Address, ChainId
from infernet.vm.spc.call import Spc
from infernet.vm.stubs.answers import Answers
from infernet.vm.stubs.host import StubHost, merge_overrides
from infernet.vm.stubs.transactions import describe_raw
from infernet.vm.stubs.upstream import ChainRefused, Message, Upstream
from infernet.web import HttpServer, JSONResponse, Request, Response, Route, build_application, read_json

MAX_BODY_BYTES = 10 * 2**20
_CHANGING = ("anvil_", "evm_", "hardhat_")
_NO_CONTRACTS: Mapping[Address, bytes] = MappingProxyType({})
_FORGING = frozenset({"setCode", "setStorageAt"})


@asynccontextmanager
async def serve_stubs(
    rpc_url: str, spcs: Sequence[Spc], host: str, port: int, contracts: Mapping[Address, bytes] = _NO_CONTRACTS
) -> AsyncIterator[HttpServer]:
    """Put stubs on a chain (anvil) and answer for them while the context is open. Clients use the server's `url`.

    Args:
        contracts: code that is put on the chain beside the stubs, by address.

    The chain mines each transaction at once: with an interval a transaction that waits for its block may find another
    state than its simulation did, and a warning is all that can be done about it.

    Raises:
        NodeMisconfigured: it cannot listen there.
        RetryLater: the chain does not answer.
    """
    async with Upstream(rpc_url) as upstream:
        chain_id = ChainId(int(await upstream.request("eth_chainId"), 16))
        stubs = StubHost(upstream, Answers(spcs, chain_id))
        await stubs.place_stubs()
        for address, code in contracts.items():
            await upstream.request("anvil_setCode", address, "0x" + code.hex())
        proxy = StubProxy(upstream, stubs, chain_id)

        async def answer(request: Request) -> Response:
            return JSONResponse(await proxy.answer(await read_json(request, MAX_BODY_BYTES)))

        application = build_application([Route("/", answer, methods=["POST"])], origins=["*"])
        async with HttpServer(application, host, port) as server:
            yield server


class StubProxy:
    """Answers JSON-RPC messages."""

    def __init__(self, upstream: Upstream, stubs: StubHost, chain_id: ChainId) -> None:
        self._upstream = upstream
        self._stubs = stubs
        self._chain_id = chain_id
        self._prepared: Mapping[str, Callable[[Message], Awaitable[Message]]] = {
            "eth_call": self._call,
            "eth_estimateGas": self._estimate,
            "debug_traceCall": self._trace,
            "eth_sendTransaction": self._send,
            "eth_sendRawTransaction": self._send_raw,
        }

    async def answer(self, body: Any) -> Any:
        """One message or a batch of them, in order."""
        if isinstance(body, list):
            return [await self._answer_one(message) for message in body]
        return await self._answer_one(body)

    async def _answer_one(self, message: Any) -> Message:
        method = message.get("method") if isinstance(message, dict) else None
        try:
            if not isinstance(method, str) or not isinstance(message.get("params", []), list):
                return await self._upstream.post(message if isinstance(message, dict) else {})
            prepared = self._prepared.get(method)
            if prepared is not None:
                return await prepared(message)
            self._check(method, message.get("params", []))
            async with self._stubs.writing if method.startswith(_CHANGING) else nullcontext():
                return await self._upstream.post(message)
        except ChainRefused as error:
            return _refuse(message, error.error)
        except InfernetError as error:
            return _refuse(message, {"code": -32000, "message": error.message, "data": {"code": error.code}})

    def _check(self, method: str, params: list[Any]) -> None:
        """A stub's answers are this host's alone."""
        target = params[0] if params and method.partition("_")[2] in _FORGING else None
        if isinstance(target, str) and to_address(target) in self._stubs.addresses:
            raise InvalidInput("stubs.forged", f"{target} is a precompile's stub: its answers are not for clients")

    async def _call(self, message: Message) -> Message:
        call, block, overrides, block_overrides = _read_params(message, [{}, "latest", None, None])
        slots = await self._stubs.prepare(call, block, overrides or {}, block_overrides or {})
        params = [call, block, merge_overrides(overrides or {}, slots), *([block_overrides] if block_overrides else [])]
        return await self._upstream.post({**message, "params": params})

    async def _estimate(self, message: Message) -> Message:
        """On the next block, where the transaction will be: what it is answered now it is answered then."""
        call, block, overrides = _read_params(message, [{}, "pending", None])
        slots = await self._stubs.prepare(call, block, overrides or {}, {})
        return await self._upstream.post({**message, "params": [call, block, merge_overrides(overrides or {}, slots)]})

    async def _trace(self, message: Message) -> Message:
        call, block, config = _read_params(message, [{}, "latest", None])
        overrides = (config or {}).get("stateOverrides") or {}
        slots = await self._stubs.prepare(call, block, overrides, (config or {}).get("blockOverrides") or {})
        merged = {**(config or {}), "stateOverrides": merge_overrides(overrides, slots)}
        return await self._upstream.post({**message, "params": [call, block, merged]})

    async def _send(self, message: Message) -> Message:
        (call,) = _read_params(message, [{}])
        async with self._stubs.writing:
            if "gas" not in call:
                estimate = await self._estimate({**message, "method": "eth_estimateGas", "params": [call]})
                if "result" not in estimate:
                    return estimate
                call = {**call, "gas": estimate["result"]}
            return await self._stubs.submit(call, {**message, "params": [call]})

    async def _send_raw(self, message: Message) -> Message:
        (raw,) = _read_params(message, ["0x"])
        async with self._stubs.writing:
            return await self._stubs.submit(describe_raw(raw, self._chain_id), message)


def _read_params(message: Message, defaults: Sequence[Any]) -> list[Any]:
    """The parameters, with a default for each that is missing."""
    given: list[Any] = message.get("params", [])
    return [default if at >= len(given) or given[at] is None else given[at] for at, default in enumerate(defaults)]


def _refuse(message: Any, error: Message) -> Message:
    number = message.get("id") if isinstance(message, dict) else None
    return {"jsonrpc": "2.0", "id": number, "error": error}
