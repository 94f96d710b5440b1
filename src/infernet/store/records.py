"""What the journal's rows mean."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from typing import Literal

from infernet.protocol.decision import Tracked
from infernet.protocol.subscription import DelegateRequest, decode_subscription
from infernet.store.sqlite_file import Row
from infernet.types import (
    Address,
    ChainId,
    Gas,
    Interval,
    JobKey,
    ModelUse,
    SignedTransaction,
    SubscriptionId,
    SubscriptionKey,
    Timestamp,
    Transaction,
    TxHash,
    Wei,
)

OPEN_STATES = ("accepted", "computed", "signed", "sent")
JobState = Literal["accepted", "computed", "signed", "sent", "delivered", "failed", "dropped"]


@dataclass(frozen=True, slots=True)
class Job:
    """One answer this node owes, and how far it has come.

    Attributes:
        code: why it failed, was dropped, or is being tried again; empty otherwise.
        ends_at: the first second of chain time that is too late, None for never.
        attempts: runs and deliveries that went wrong so far.
        output: None before it is computed, and again once no reorg can undo the job's end.
        models: the versions that the output came from, in the order of the containers.
    """

    key: JobKey
    state: JobState
    starts_at: Timestamp
    ends_at: Timestamp | None
    code: str = ""
    note: str = ""
    attempts: int = 0
    output: bytes | None = None
    proof: bytes | None = None
    tx_hash: TxHash | None = None
    models: tuple[ModelUse, ...] = ()

    @property
    def is_open(self) -> bool:
        """True while something is left to do."""
        return self.state in OPEN_STATES


@dataclass(frozen=True, slots=True)
class PendingTransaction:
    """A signed transaction that no block is known to hold."""

    signed: SignedTransaction
    sent_block: int


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """An answer that the chain counted in a block that may still be undone.

    Attributes:
        interval_before, delivered_before, answered_before: the subscription's progress before it.
    """

    job: JobKey
    node: Address
    interval_before: Interval
    delivered_before: int
    answered_before: Interval


def build_tracked(row: Row, answered_job: int | None) -> Tracked:
    """A subscription from its row and the newest interval that a job of it has answered."""
    chain_id, coordinator, owner, number, terms, container, features, expiry, signature, created = row[:10]
    interval, delivered, answered_before, paused, last_interval = row[11:]
    subscription = decode_subscription(terms)
    request = None
    if signature is not None:
        request = DelegateRequest(
            nonce=number & (2**31 - 1),
            expiry=expiry,
            subscription=subscription,
            container=container,
            features=features,
            signature=signature,
        )
    key = SubscriptionKey(ChainId(chain_id), Address(coordinator), Address(owner), SubscriptionId(number))
    answered = Interval(max(answered_before, answered_job or 0))
    return Tracked(
        key,
        subscription,
        container,
        features,
        request,
        created,
        Interval(interval),
        delivered,
        answered,
        is_paused=bool(paused),
        last_interval=None if last_interval is None else Interval(last_interval),
    )


def build_job(row: Row) -> Job:
    """A job from its row."""
    return Job(
        key=JobKey(SubscriptionKey(*row[:4]), Interval(row[4])),
        state=row[5],
        code=row[6],
        note=row[7],
        starts_at=Timestamp(row[8]),
        ends_at=None if row[9] is None else Timestamp(row[9]),
        attempts=row[10],
        output=row[11],
        proof=row[12],
        tx_hash=None if row[13] is None else TxHash(row[13]),
        models=tuple(ModelUse(*use) for use in json.loads(row[14])),
    )


def encode_models(models: tuple[ModelUse, ...]) -> str:
    """As the journal keeps them."""
    return json.dumps([astuple(use) for use in models])


def build_fulfilment(row: Row) -> Fulfilment:
    """A counted answer from its row."""
    job = JobKey(SubscriptionKey(*row[:4]), Interval(row[4]))
    return Fulfilment(job, Address(row[6]), Interval(row[9]), row[10], Interval(row[11]))


def build_pending(row: Row) -> PendingTransaction:
    """A transaction on its way from its row."""
    digest, chain, sender, nonce, raw, to, data, gas, max_fee, tip, sent_block = row
    transaction = Transaction(ChainId(chain), nonce, Address(to), data, Gas(gas), Wei(max_fee), Wei(tip))
    return PendingTransaction(SignedTransaction(transaction, Address(sender), TxHash(digest), raw), sent_block)
