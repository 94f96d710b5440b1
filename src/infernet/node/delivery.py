"""What a delivery is made of, as pure rules: the call, its gas, its fees, and what a refusal means."""

from __future__ import annotations

from dataclasses import dataclass, replace

from infernet.chain.fees import DEFAULT_TIP
from infernet.protocol.calldata import encode_deliver_model_output, encode_deliver_model_output_delegate
from infernet.protocol.decision import Tracked, is_too_late
from infernet.protocol.hashing import ZERO_ADDRESS
from infernet.protocol.subscription import Subscription
from infernet.store.journal import Job, JobState
from infernet.types import Address, BlockRef, Call, Gas, Wei

GAS_HEADROOM = 30_000
PAYMENT_GAS = 120_000
"""Credits of node, creator, verifier and protocol in slots that were empty, and the top-up of a recurring one."""
VERIFIER_GAS = 2_000_000
"""For the dearest verifiers that are known, with room: a proof costs some 700,000."""
MAX_TRANSACTION_GAS = Gas(2**24)
"""What chains with EIP-7825 allow one transaction."""
FLOOR_GAS, FLOOR_GAS_PER_BYTE = 21_000, 40
"""The least that calldata cost (EIP-7623), whatever they do."""
MAX_ATTEMPTS = 5
"""Deliveries of one answer that may go wrong, in a simulation or in a block."""

FINAL_REVERTS = frozenset(
    f"revert.{name}"
    for name in (
        "SubscriptionNotFound", "SubscriptionCompleted", "TermsMismatch", "IntervalMismatch", "IntervalCompleted",
        "AlreadyDelivered", "SignatureExpired", "InvalidSignature", "NonceUsed", "NotNamedNode", "DeadlinePassed",
        "IntervalCancelled", "InvalidAnswer", "NotALazyOutput",
    )
)  # fmt: skip
"""Reverts that no later block can turn into a delivery of the same answer."""

FEE_REFUSALS = frozenset({"tx.fee_below_base_fee", "tx.underpriced", "tx.replacement_underpriced"})
"""What an endpoint says of a transaction that would be welcome if it paid more."""


@dataclass(frozen=True, slots=True)
class GasPolicy:
    """What the operator pays for a unit of gas.

    Attributes:
        tip: for the block's producer.
        max_fee: the operator's own limit, None for each subscription's `maxGasPrice` alone.
    """

    tip: Wei = DEFAULT_TIP
    max_fee: Wei | None = None

    def compute_cap(self, terms: Subscription) -> Wei:
        """The most that a delivery of this subscription may pay."""
        return Wei(terms.max_gas_price if self.max_fee is None else min(self.max_fee, terms.max_gas_price))


@dataclass(frozen=True, slots=True)
class SeenHead:
    """The newest block followed, its events applied.

    Attributes:
        block_time_s: seconds to the next one.
        is_rolled_back: True where older blocks were undone for it.
    """

    block: BlockRef
    block_time_s: int
    is_rolled_back: bool = False


@dataclass(frozen=True, slots=True)
class Over:
    """Why a job needs no delivery any more."""

    code: str
    note: str = "it ended before the delivery"


def find_end(job: Job, tracked: Tracked | None, head: BlockRef, block_time_s: int) -> Over | None:
    """Why the block after `head` cannot take this job's delivery, nor any later one; None where it can."""
    if tracked is None:
        return Over("subscription.over")
    if is_too_late(job.ends_at, head, block_time_s):
        return Over("interval.over")
    return None


def build_delivery(job: Job, tracked: Tracked, sender: Address, head: BlockRef) -> Call:
    """The call that delivers a computed job; where the subscription is only signed so far, it creates it too."""
    output, proof = job.output or b"", job.proof or b""
    if tracked.request is not None and tracked.created_block is None:
        data = encode_deliver_model_output_delegate(tracked.request, job.key.interval, output, proof)
    else:
        data = encode_deliver_model_output(tracked.key.id, job.key.interval, tracked.subscription, output, proof)
    gas = max(compute_gas_limit(tracked.subscription, data), FLOOR_GAS + FLOOR_GAS_PER_BYTE * len(data))
    if tracked.subscription.max_gas_limit <= MAX_TRANSACTION_GAS:  # above it, only a chain without that cap can do it
        gas = min(gas, MAX_TRANSACTION_GAS)
    gas = min(gas, head.gas_limit)
    return Call(to=tracked.key.coordinator, data=data, sender=sender, gas=Gas(gas))


def compute_gas_limit(terms: Subscription, data: bytes) -> int:
    """Gas that a delivery can need at the most, so that no estimate goes stale between simulation and inclusion.

    The callback gets exactly its share, of which the Coordinator must hold 64/63 back (EIP-150); the subscription's
    limit covers the overhead of a kilobyte of calldata, so the whole calldata is counted on top.
    """
    needed = terms.max_gas_limit + terms.max_gas_limit // 63 + 16 * len(data) + GAS_HEADROOM
    needed += PAYMENT_GAS if terms.fee else 0
    return needed + (VERIFIER_GAS if terms.verifier != ZERO_ADDRESS else 0)


def judge_refusal(job: Job, code: str, note: str) -> Job:
    """What becomes of a job whose delivery was refused: tried again, or dropped or failed for good."""
    state: JobState = "computed"
    attempts = job.attempts + 1
    if code in FINAL_REVERTS:
        state = "dropped"
    elif attempts >= MAX_ATTEMPTS:
        state = "failed"
    return replace(job, state=state, tx_hash=None, attempts=attempts, code=code, note=note)
