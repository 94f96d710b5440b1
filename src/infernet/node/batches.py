"""Which deliveries go together in one transaction, as pure rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from infernet.chain.fees import Fees, compute_fees
from infernet.node.delivery import MAX_TRANSACTION_GAS, GasPolicy
from infernet.protocol.decision import Tracked
from infernet.protocol.deliveries import encode_deliver_model_outputs
from infernet.store.journal import Job
from infernet.types import BlockRef, Call, Gas, Wei

MAX_BATCH_BYTES = 100_000
"""Pools take transactions of 128 KiB at the most."""
BATCH_GAS = 60_000


class Item(NamedTuple):
    """One delivery, ready to be sent alone."""

    job: Job
    tracked: Tracked
    call: Call


def plan_batches(items: Sequence[Item], head: BlockRef, gas_policy: GasPolicy) -> list[list[Item]]:
    """Put what is ready into as few transactions as may be.

    What went wrong before goes alone, so that its simulation says all. What may pay less than a transaction bids now
    stays apart from the rest, so that it holds up none of them; what is paid stays the price that it was simulated at.
    """
    bid = 2 * head.base_fee + gas_policy.tip
    limit = min(head.gas_limit, MAX_TRANSACTION_GAS)
    batches = [[item] for item in items if item.job.attempts]
    groups: dict[tuple[bool, Wei | None], list[Item]] = {}
    for item in items:
        if not item.job.attempts:
            is_rich = gas_policy.compute_cap(item.tracked.subscription) >= bid
            groups.setdefault((is_rich, item.call.gas_price), []).append(item)
    for group in groups.values():
        batches += _pack(group, limit)
    return batches


def _pack(items: Iterable[Item], gas_limit: int) -> list[list[Item]]:
    batches: list[list[Item]] = []
    for item in items:
        last = batches[-1] if batches else None
        if last is not None and _fits([*last, item], gas_limit):
            last.append(item)
        else:
            batches.append([item])
    return batches


def _fits(items: Sequence[Item], gas_limit: int) -> bool:
    return sum(len(i.call.data) for i in items) <= MAX_BATCH_BYTES and compute_batch_gas(items) <= gas_limit


def compute_batch_gas(items: Sequence[Item]) -> int:
    """Gas that a batch can need at the most: that of each item, of which a call passes on 63/64 at the most.

    Each item has the floor of its own calldata (EIP-7623), so that together they have that of the batch.
    """
    needed = sum(item.call.gas or 0 for item in items)
    return needed + -(-needed // 63) + BATCH_GAS


def build_batch(items: Sequence[Item]) -> Call:
    """The call that makes these deliveries, at the price of each: the delivery itself where there is one."""
    first = items[0].call
    if len(items) == 1:
        return first
    data = encode_deliver_model_outputs([item.call.data for item in items])
    return Call(
        to=first.to,
        data=data,
        sender=first.sender,
        gas=Gas(compute_batch_gas(items)),
        gas_price=first.gas_price,
    )


def compute_batch_cap(items: Iterable[Item], gas_policy: GasPolicy) -> Wei:
    """What the transaction may pay per gas: the least of what its items may."""
    return Wei(min(gas_policy.compute_cap(item.tracked.subscription) for item in items))


def compute_batch_fees(items: Iterable[Item], head: BlockRef, gas_policy: GasPolicy) -> Fees:
    """What the transaction bids: within what each of its items may pay."""
    return compute_fees(head.base_fee, gas_policy.tip, compute_batch_cap(items, gas_policy))
