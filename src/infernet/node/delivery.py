"""What a delivery is made of, as pure rules: the call, its gas, its fees, and what a refusal means."""

from __future__ import annotations

from dataclasses import dataclass, replace

from infernet.chain.fees import DEFAULT_TIP, Fees, compute_gas_price
from infernet.protocol.calldata import encode_deliver_model_output, encode_deliver_model_output_delegate
from infernet.protocol.decision import Tracked, is_too_late
from infernet.protocol.hashing import ZERO_ADDRESS
from infernet.protocol.subscription import Subscription
from infernet.store.journal import Job
from infernet.types import Address, BlockRef, Call, Gas, Wei

GAS_HEADROOM = 30_000
TRANSACTION_GAS, GAS_PER_TOKEN, FLOOR_PER_TOKEN = 21_000, 4, 10
GAS_PER_FEATURES_BYTE = 12
"""A byte of features in `SubscriptionCreated`: 8 for the log, the rest for its hash and copies."""
PAYMENT_GAS = 120_000
"""Credits of node, creator, verifier and protocol in slots that were empty, and the top-up of a recurring one."""
VERIFIER_GAS = 2_000_000
"""For the dearest verifiers that are known, with room: a proof costs some 700,000."""
MAX_TRANSACTION_GAS = Gas(2**24)
"""What chains with EIP-7825 allow one transaction."""
MAX_REFUSALS = 20
"""Free simulations of a one-time answer that may go wrong; a recurring one is tried until its interval ends."""
MAX_GAP_BLOCKS = 64
REVERTED = "transaction.reverted"
"""A delivery was mined and did nothing, for the node's money: it is tried once more, and not again."""

FINAL_REVERTS = frozenset(
    f"revert.{name}"
    for name in (
        "SubscriptionNotFound", "SubscriptionCompleted", "TermsMismatch", "IntervalMismatch", "IntervalCompleted",
        "AlreadyDelivered", "SignatureExpired", "NonceUsed", "NotNamedNode", "DeadlinePassed", "IntervalCancelled",
        "InvalidAnswer", "NotALazyOutput",
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


def mark_refused(job: Job, code: str, note: str) -> Job:
    """The job, to be delivered later, and why. That it cost money once stays written down."""
    return replace(job, state="computed", tx_hash=None, code=REVERTED if job.code == REVERTED else code, note=note)


def judge_refusal(job: Job, code: str, note: str) -> Job:
    """What becomes of a job whose simulation was refused, at no cost: tried again, or dropped or failed for good."""
    job = mark_refused(replace(job, attempts=job.attempts + 1), code, note)
    if code in FINAL_REVERTS:
        return replace(job, state="dropped", code=code)
    return replace(job, state="failed", code=code) if is_given_up(job) else job


def judge_revert(job: Job, code: str, note: str) -> Job:
    """What becomes of a job whose delivery a block holds and refused, for the node's money: tried once more, and not
    again.
    """
    if code in FINAL_REVERTS:
        back = mark_refused(replace(job, attempts=job.attempts + 1), code, note)
        return replace(back, state="dropped", code=code)
    back = mark_refused(replace(job, attempts=job.attempts + 1), REVERTED, note)
    return replace(back, state="failed") if job.code == REVERTED else back


def is_given_up(job: Job) -> bool:
    """True where a refused answer is not tried again."""
    return job.ends_at is None and job.attempts >= MAX_REFUSALS


def compute_retry_gap(attempts: int) -> int:
    """Blocks to let pass after so many refusals: 1, 2, 4 … `MAX_GAP_BLOCKS`."""
    return int(min(MAX_GAP_BLOCKS, 2 ** min(attempts - 1, 16)))


def find_end(job: Job, tracked: Tracked | None, head: BlockRef, block_time_s: int) -> Over | None:
    """Why the block after `head` cannot take this job's delivery, nor any later one; None where it can."""
    if tracked is None:
        return Over("subscription.over")
    if is_too_late(job.ends_at, head, block_time_s):
        return Over("interval.over")
    return None


def build_delivery(job: Job, tracked: Tracked, sender: Address, head: BlockRef, fees: Fees) -> Call:
    """The call that delivers a computed job; where the subscription is only signed so far, it creates it too.

    It is simulated at the price that will be paid: a consumer that looks at it behaves as it will in the block.
    """
    output, proof = job.output or b"", job.proof or b""
    features_bytes = 0
    if tracked.request is not None and tracked.created_block is None:
        data = encode_deliver_model_output_delegate(tracked.request, job.key.interval, output, proof)
        features_bytes = len(tracked.request.features)
    else:
        data = encode_deliver_model_output(tracked.key.id, job.key.interval, tracked.subscription, output, proof)
    gas = compute_gas_limit(tracked.subscription, data, features_bytes)
    if tracked.subscription.max_gas_limit <= MAX_TRANSACTION_GAS:  # above it, only a chain without that cap can do it
        gas = min(gas, MAX_TRANSACTION_GAS)
    gas = min(gas, head.gas_limit)
    price = compute_gas_price(fees, head.base_fee)
    return Call(to=tracked.key.coordinator, data=data, sender=sender, gas=Gas(gas), gas_price=price)


def compute_gas_limit(terms: Subscription, data: bytes, features_bytes: int = 0) -> int:
    """Gas that a delivery can need at the most, so that no estimate goes stale between simulation and inclusion.

    The callback gets exactly its share, of which the Coordinator must hold 64/63 back (EIP-150); the subscription's
    limit covers the overhead of a kilobyte of calldata, so the whole calldata is counted on top.

    Args:
        features_bytes: size of the features, where the delivery creates the subscription too.
    """
    calldata_gas = GAS_PER_TOKEN * count_tokens(data) + compute_memory_gas(2 * len(data))
    creation_gas = GAS_PER_FEATURES_BYTE * features_bytes
    callback_gas = terms.max_gas_limit + terms.max_gas_limit // 63
    payment_gas = PAYMENT_GAS if terms.fee else 0
    verifier_gas = VERIFIER_GAS if terms.verifier != ZERO_ADDRESS else 0
    needed = callback_gas + calldata_gas + creation_gas + payment_gas + verifier_gas + GAS_HEADROOM
    return max(needed, compute_calldata_floor(data))


def compute_calldata_floor(data: bytes) -> int:
    """The least gas limit, and the least gas paid, of a transaction with this calldata (EIP-7623)."""
    return TRANSACTION_GAS + FLOOR_PER_TOKEN * count_tokens(data)


def count_tokens(data: bytes) -> int:
    """Tokens of calldata (EIP-7623): a zero byte is one, any other four."""
    return 4 * len(data) - 3 * data.count(0)


def compute_memory_gas(size_bytes: int) -> int:
    """Gas of that much EVM memory: 3 a word and a 512th of the words' square (Yellow Paper, appendix H)."""
    words = -(-size_bytes // 32)
    return 3 * words + words * words // 512
