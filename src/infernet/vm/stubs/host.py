"""Trap and replay: simulates what is asked of the chain, answers what it asks of the stubs, and simulates again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from infernet.chain.artifacts import load_artifact
from infernet.errors import InfernetError, JobRejected
from infernet.protocol.hashing import to_address
from infernet.types import Address
from infernet.vm.stubs.answers import Answers
from infernet.vm.stubs.places import encode_answer
from infernet.vm.stubs.traces import Frame, TraceReader
from infernet.vm.stubs.upstream import ChainRefused, Message, Upstream

MAX_CALLS = 256
"""Of stubs, within one transaction."""

_RECEIPT_POLLS, _RECEIPT_POLL_S = 100, 0.02
_TRACER = {"tracer": "callTracer"}
_STATE_KEYS = ("state", "stateDiff")
log = structlog.get_logger()

Call = Mapping[str, Any]
"""A transaction as `eth_call` takes it."""
Overrides = dict[str, dict[str, Any]]
Slots = dict[Address, dict[bytes, bytes]]


class StubHost:
    """Answers for the stubs of one chain. Transactions pass through it one at a time."""

    def __init__(self, upstream: Upstream, answers: Answers) -> None:
        self._upstream = upstream
        self._answers = answers
        self._reader = TraceReader(answers.addresses, answers.find)
        self._running = asyncio.Lock()
        self.writing = asyncio.Lock()
        """Held by whoever changes the chain."""

    @property
    def addresses(self) -> Sequence[Address]:
        """Where the stubs stand."""
        return self._answers.addresses

    async def place_stubs(self) -> None:
        """Put the code of a stub at each precompile's address."""
        code = _write(load_artifact("SpcStub").runtime)
        for address in self.addresses:
            await self._upstream.request("anvil_setCode", address, code)

    async def prepare(
        self, call: Call, block: Any, overrides: Mapping[str, Any], block_overrides: Mapping[str, Any]
    ) -> Slots:
        """What the stubs must hold for a call to find all its answers.

        Raises:
            InfernetError: a precompile cannot be asked, or there is no end to what the call asks.
        """
        slots: Slots = {}
        for _ in range(MAX_CALLS):
            config = {**_TRACER, "stateOverrides": merge_overrides(overrides, slots), "blockOverrides": block_overrides}
            try:
                trace = await self._upstream.request("debug_traceCall", call, block, config)
            except ChainRefused:  # it will be refused again, in its own words
                return slots
            if not await self._answer_first(trace, block, block, slots):
                return slots
        raise _endless()

    async def submit(self, call: Call | None, message: Message) -> Message:
        """Send a transaction so that it finds all its answers; `writing` is held.

        What was mined is looked at once more: where it asked something that its simulation did not, the block is taken
        back and the transaction sent again.

        Args:
            call: the transaction, None where nothing can be known before it is mined.
        """
        slots = {} if call is None else await self.prepare(call, "pending", {}, {})
        for _ in range(MAX_CALLS):
            await self._place(slots)
            answer = await self._upstream.post(message)
            if not await self._has_trapped(answer.get("result"), slots):
                return answer
            await self._upstream.request("anvil_rollback", 1)
            await self.place_stubs()
        raise _endless()

    async def _has_trapped(self, tx_hash: Any, slots: Slots) -> bool:
        """Whether a transaction that is alone in its block has trapped; then its answer is among the slots."""
        receipt = await self._wait_for_receipt(tx_hash) if tx_hash else None
        if receipt is None:  # refused, or it waits for its block
            return False
        number = int(receipt["blockNumber"], 16)
        trace = await self._upstream.request("debug_traceTransaction", tx_hash, _TRACER)
        if not await self._answer_first(trace, hex(number - 1), hex(number), slots):
            return False
        block = await self._upstream.request("eth_getBlockByNumber", hex(number), False)
        if len(block["transactions"]) == 1:
            return True
        log.warning("stubs.trap_mined", tx=tx_hash, block=number)
        return False

    async def _wait_for_receipt(self, tx_hash: str) -> Any:
        """None where it is not mined at once."""
        mines_at_once = await self._upstream.request("anvil_getAutomine")
        for _ in range(_RECEIPT_POLLS if mines_at_once else 1):
            receipt = await self._upstream.request("eth_getTransactionReceipt", tx_hash)
            if receipt is not None:
                return receipt
            await asyncio.sleep(_RECEIPT_POLL_S)
        return None

    async def _answer_first(self, trace: Frame, before: Any, block: Any, slots: Slots) -> bool:
        """Answer the first request of a trace that has no answer; False where there is none.

        Args:
            before: the block after which the transaction was executed.
            block: the one that it was executed in.
        """
        request = self._reader.find_request(trace)
        if request is None:
            return False
        found = {address: await self._read_version(address, before) for address in self.addresses}
        versions = self._reader.read_versions(trace, found, request)
        timestamp = await self._read_timestamp(block)
        async with self._running:
            answer = await asyncio.to_thread(self._answers.answer, request, versions, timestamp)
        slots.setdefault(request.spc, {}).update(encode_answer(request.place, answer))
        log.info("stubs.answered", spc=request.spc, caller=request.caller, reverts=answer.reverts)
        return True

    async def _read_version(self, address: Address, block: Any) -> bytes:
        return bytes.fromhex((await self._upstream.request("eth_getStorageAt", address, "0x0", block))[2:])

    async def _read_timestamp(self, block: Any) -> int:
        """Of a block as `eth_call` names it, by EIP-1898 too."""
        named = block if isinstance(block, dict) else {"blockNumber": block}
        method = "eth_getBlockByHash" if "blockHash" in named else "eth_getBlockByNumber"
        found = await self._upstream.request(method, named.get("blockHash") or named["blockNumber"], False)
        return int(found["timestamp"], 16)

    async def _place(self, slots: Slots) -> None:
        for address, words in slots.items():
            for slot, word in words.items():
                await self._upstream.request("anvil_setStorageAt", address, _write(slot), _write(word))


def merge_overrides(overrides: Mapping[str, Any], slots: Slots) -> Overrides:
    """State overrides with these slots beside what they say already."""
    merged: Overrides = {to_address(address): dict(account) for address, account in overrides.items()}
    for address, words in slots.items():
        account = merged.setdefault(address, {})
        key = next((key for key in _STATE_KEYS if key in account), "stateDiff")
        account[key] = {**account.get(key, {}), **{_write(slot): _write(word) for slot, word in words.items()}}
    return merged


def _write(data: bytes) -> str:
    return "0x" + data.hex()


def _endless() -> InfernetError:
    return JobRejected("stubs.too_many_calls", f"more than {MAX_CALLS} calls of precompiles in one transaction")
