"""Which deliveries go together in one transaction, as pure rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from infernet.node.delivery import FLOOR_GAS_PER_BYTE, MAX_TRANSACTION_GAS, GasPolicy
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
    stays apart from the rest, so that it holds up none of them.
    """
    bid = 2 * head.base_fee + gas_policy.tip
    limit = min(head.gas_limit, MAX_TRANSACTION_GAS)
    rich = [i for i in items if not i.job.attempts and gas_policy.compute_cap(i.tracked.subscription) >= bid]
    poor = [i for i in items if not i.job.attempts and gas_policy.compute_cap(i.tracked.subscription) < bid]
    batches = [[item] for item in items if item.job.attempts]
    for group in (rich, poor):
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
    """Gas that a batch can need at the most: that of each item, of which a call passes on 63/64 at the most."""
    needed = sum(item.call.gas or 0 for item in items)
    floor = FLOOR_GAS_PER_BYTE * sum(len(item.call.data) for item in items)
    return max(needed + -(-needed // 63), floor) + BATCH_GAS


def build_batch(items: Sequence[Item]) -> Call:
    """The call that makes these deliveries: the delivery itself where there is one."""
    first = items[0].call
    if len(items) == 1:
        return first
    data = encode_deliver_model_outputs([item.call.data for item in items])
    return Call(to=first.to, data=data, sender=first.sender, gas=Gas(compute_batch_gas(items)))


def compute_batch_cap(items: Iterable[Item], gas_policy: GasPolicy) -> Wei:
    """What the transaction may pay per gas: the least of what its items may."""
    return Wei(min(gas_policy.compute_cap(item.tracked.subscription) for item in items))
