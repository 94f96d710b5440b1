"""A delivered output: found by its event, read from the calldata of the transaction that delivered it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infernet.chain.rpc import RpcChain
from infernet.errors import InvalidInput, JobRejected, RetryLater
from infernet.protocol.abi_codec import decode_abi
from infernet.protocol.calldata import Delivery
from infernet.protocol.deliveries import decode_deliveries, is_batch
from infernet.protocol.events import (
    SUBSCRIPTION_CANCELLED,
    SUBSCRIPTION_CREATED,
    SUBSCRIPTION_FULFILLED,
    DeliveryFailed,
    SubscriptionCancelled,
    SubscriptionCreated,
    SubscriptionFulfilled,
    decode_event,
)
from infernet.types import Address, Gas, Hash32, Interval, Log, Receipt, SubscriptionKey, TxHash, Wei

_REORG_BLOCKS = 64
_WINDOW_BLOCKS = 5_000
_FIRST_POLL_S, _LAST_POLL_S = 0.02, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One answer to a subscription.

    Attributes:
        output: what the container returned, ABI bytes.
        redundancy: this answer's ordinal in its interval, from 1.
        gas_used: by the delivering transaction, the consumer's callback included.
    """

    key: SubscriptionKey
    interval: Interval
    redundancy: int
    node: Address
    output: bytes
    proof: bytes
    tx_hash: TxHash
    block_number: int
    block_hash: Hash32
    gas_used: Gas
    gas_price: Wei

    def decode(self, *types: str) -> Any:
        """The output as ABI values: one value, or a tuple where several types are given.

        Raises:
            InvalidInput: `output.mismatch`, the bytes do not fit the types.
        """
        try:
            values = decode_abi(types, self.output)
        except (InvalidInput, ValueError) as error:
            wanted = ", ".join(types)
            raise InvalidInput("output.mismatch", f"the output ({len(self.output)} bytes) is no ({wanted})") from error
        return values[0] if len(values) == 1 else values


async def wait_for_output(
    chain: RpcChain, key: SubscriptionKey, interval: Interval, redundancy: int, from_block: int | None, timeout_s: float
) -> Output:
    """The answer of that ordinal to that interval, as soon as it is in a block.

    Args:
        chain: where to look.
        key: the subscription.
        interval: from 1.
        redundancy: ordinal of the answer in its interval, from 1.
        from_block: a block before the answer; None looks back as far as the subscription's creation.
        timeout_s: how long to wait.

    Raises:
        RetryLater: `output.not_delivered` after `timeout_s`.
        JobRejected: `subscription.cancelled` before it was answered; `output.indirect`, see `read_output`.
    """
    try:
        async with asyncio.timeout(timeout_s):
            event = await _wait_for_event(chain, key, interval, redundancy, from_block)
    except TimeoutError:
        raise RetryLater(
            "output.not_delivered",
            f"no answer {redundancy} to interval {interval} of subscription {key.id} of {key.owner} after "
            f"{timeout_s:g} s: does a node run that serves its container and accepts its terms?",
        ) from None
    return await read_output(chain, key, event)


async def read_output(chain: RpcChain, key: SubscriptionKey, event: SubscriptionFulfilled) -> Output:
    """The output that an event announces.

    Raises:
        JobRejected: `output.indirect`, the node delivered through a contract of its own, so that the output is not in
            the calldata of a call to the Coordinator.
        RetryLater: `output.reorganised`, the transaction is not in a block any more.
    """
    found = await chain.fetch_transaction(event.tx_hash)
    (receipt,) = await chain.fetch_receipts([event.tx_hash])
    if found is None or receipt is None:
        raise RetryLater("output.reorganised", f"transaction 0x{event.tx_hash.hex()} left the chain: ask again")
    delivery = _pick_delivery(found.data, receipt, key, event) if found.to == key.coordinator else None
    if delivery is None:
        raise JobRejected(
            "output.indirect",
            f"transaction 0x{event.tx_hash.hex()} delivered through {found.to}, not by a call to the Coordinator: "
            "read the output from the consumer",
        )
    return Output(
        key=key,
        interval=event.interval,
        redundancy=event.redundancy,
        node=event.node,
        output=delivery.output,
        proof=delivery.proof,
        tx_hash=event.tx_hash,
        block_number=receipt.block_number,
        block_hash=receipt.block_hash,
        gas_used=receipt.gas_used,
        gas_price=receipt.effective_gas_price,
    )


def _pick_delivery(
    data: bytes, receipt: Receipt, key: SubscriptionKey, event: SubscriptionFulfilled
) -> Delivery | None:
    """The delivery of that answer, among several in a batch: those that failed there do not count."""
    failed = set()
    if is_batch(data):
        events = [decode_event(log) for log in receipt.logs if log.address == key.coordinator]
        failed = {one.index for one in events if isinstance(one, DeliveryFailed)}
    wanted = (key.owner, key.id, event.interval)
    found = (item for index, item in enumerate(decode_deliveries(data)) if index not in failed)
    return next((item for item in found if item and (item.owner, item.id, item.interval) == wanted), None)


async def fetch_created(chain: RpcChain, key: SubscriptionKey, since: int | None = None) -> SubscriptionCreated:
    """The event that created a subscription; `since` is its block, None looks back from the head.

    Raises:
        InvalidInput: `subscription.unknown`.
    """
    head = await chain.fetch_head()
    logs = await _look_back(chain, key, head.number) if since is None else await _fetch_logs(chain, key, since, since)
    event = decode_event(logs[0]) if logs else None
    if not isinstance(event, SubscriptionCreated):
        raise InvalidInput(
            "subscription.unknown", f"{key.owner} has no subscription {key.id} at {key.coordinator}: check both"
        )
    return event


async def _wait_for_event(
    chain: RpcChain, key: SubscriptionKey, interval: Interval, redundancy: int, from_block: int | None
) -> SubscriptionFulfilled:
    head = await chain.fetch_head()
    first = max(0, head.number - _WINDOW_BLOCKS) if from_block is None else from_block
    old = await _look_back(chain, key, first - 1) if from_block is None else []
    pause_s = _FIRST_POLL_S
    while True:
        logs = old + await _fetch_logs(chain, key, first, head.number)
        found = _pick(logs, interval, redundancy)
        if found is not None:
            return found
        _check_not_cancelled(logs, key)
        first = max(first, head.number - _REORG_BLOCKS)
        seen = head.number
        while head.number == seen:
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.2, _LAST_POLL_S)
            head = await chain.fetch_head()
        pause_s = _FIRST_POLL_S


async def _look_back(chain: RpcChain, key: SubscriptionKey, last: int) -> list[Log]:
    """Logs of a subscription, window by window back to its creation."""
    found: list[Log] = []
    while last >= 0:
        first = max(0, last - _WINDOW_BLOCKS)
        found = await _fetch_logs(chain, key, first, last) + found
        if found and found[0].topics[0] == SUBSCRIPTION_CREATED.topic:
            break
        last = first - 1
    return found


async def _fetch_logs(chain: RpcChain, key: SubscriptionKey, first: int, last: int) -> list[Log]:
    """All events of a subscription in the range, in smaller steps where the endpoint wants that."""
    if first > last:
        return []
    topics: list[list[bytes]] = [
        [SUBSCRIPTION_CREATED.topic, SUBSCRIPTION_CANCELLED.topic, SUBSCRIPTION_FULFILLED.topic],
        [bytes(12) + bytes.fromhex(key.owner[2:])],
        [key.id.to_bytes(32)],
    ]
    try:
        return await chain.fetch_logs([key.coordinator], first, last, topics)
    except RetryLater as error:
        if error.code != "chain.range_too_large" or first == last:
            raise
    middle = (first + last) // 2
    return await _fetch_logs(chain, key, first, middle) + await _fetch_logs(chain, key, middle + 1, last)


def _pick(logs: Sequence[Log], interval: Interval, redundancy: int) -> SubscriptionFulfilled | None:
    for log in logs:
        event = decode_event(log)
        if isinstance(event, SubscriptionFulfilled) and (event.interval, event.redundancy) == (interval, redundancy):
            return event
    return None


def _check_not_cancelled(logs: Sequence[Log], key: SubscriptionKey) -> None:
    if any(isinstance(decode_event(log), SubscriptionCancelled) for log in logs):
        raise JobRejected(
            "subscription.cancelled", f"subscription {key.id} of {key.owner} was cancelled: no further answer comes"
        )
