"""The words that cross module boundaries: identifiers, amounts, places on a chain. No behaviour, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, NewType

ChainId = NewType("ChainId", int)
Address = NewType("Address", str)
"""EIP-55 checksummed, so that equal addresses are equal strings. Make one with `protocol.hashing.to_address`."""
Hash32 = NewType("Hash32", bytes)
TxHash = NewType("TxHash", bytes)
SubscriptionId = NewType("SubscriptionId", int)
Interval = NewType("Interval", int)
"""Ordinal of an interval of a subscription, from 1."""
Wei = NewType("Wei", int)
Gas = NewType("Gas", int)
Timestamp = NewType("Timestamp", int)
"""Seconds, as the chain's blocks count them."""


class SubscriptionKey(NamedTuple):
    """The one name of a subscription: ids alone repeat between owners, Coordinators and chains."""

    chain_id: ChainId
    coordinator: Address
    owner: Address
    id: SubscriptionId


class JobKey(NamedTuple):
    """One answer that one node owes: a subscription and the interval it is for."""

    subscription: SubscriptionKey
    interval: Interval


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block as a decision sees it."""

    number: int
    hash: Hash32
    parent_hash: Hash32
    timestamp: Timestamp
    base_fee: Wei
    gas_limit: Gas


@dataclass(frozen=True, slots=True)
class Log:
    """One event log, undecoded."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: Hash32
    tx_hash: TxHash
    log_index: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a mined transaction."""

    tx_hash: TxHash
    block_number: int
    block_hash: Hash32
    succeeded: bool
    gas_used: Gas
    effective_gas_price: Wei
    contract_address: Address | None
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A message call, to be simulated (`eth_call`) or sent."""

    to: Address
    data: bytes
    sender: Address | None = None
    gas: Gas | None = None
    value: Wei = Wei(0)
    gas_price: Wei | None = None


@dataclass(frozen=True, slots=True)
class Transaction:
    """An unsigned EIP-1559 transaction (type 2). `to` is None for a deployment."""

    chain_id: ChainId
    nonce: int
    to: Address | None
    data: bytes
    gas: Gas
    max_fee: Wei
    max_priority_fee: Wei
    value: Wei = Wei(0)


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction ready to broadcast, byte for byte."""

    transaction: Transaction
    sender: Address
    hash: TxHash
    raw: bytes


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """How a node stands on one chain.

    Attributes:
        head: number of the newest block followed, None before the first.
        head_age_s: seconds since the endpoint last answered, None before the first answer.
        jobs: how many of the node's jobs are in each state.
    """

    chain_id: ChainId
    coordinator: Address
    node: Address
    head: int | None
    head_age_s: float | None
    open_subscriptions: int
    jobs: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ModelUse:
    """The version of a model that an answer came from.

    Attributes:
        container: that ran it.
        version: in the words of where it was found: `wine version 3`, `acme/wine:3`.
        manifest_hash: 64 hex digits.
        run_id: of the MLflow run that made it, empty where none is known.
    """

    container: str
    version: str
    manifest_hash: str
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class JobReport:
    """What became of one answer that a node owes.

    Attributes:
        code: why it failed, was dropped, or is being tried again; empty otherwise. `reason` says it in words.
        attempts: runs and deliveries that went wrong so far.
        tx_hash: the transaction that delivers it, None before there is one.
        models: the versions that it came from, in the order of its containers.
    """

    interval: Interval
    state: str
    code: str
    reason: str
    attempts: int
    tx_hash: TxHash | None
    models: tuple[ModelUse, ...] = ()


@dataclass(frozen=True, slots=True)
class SubscriptionReport:
    """What a node knows about one subscription.

    Attributes:
        created_block: the block that created it on chain, None while it is only signed.
        code: what the node would do with it now, or why nothing; `reason` says it in words.
        jobs: by interval.
    """

    container: str
    created_block: int | None
    code: str
    reason: str
    jobs: tuple[JobReport, ...]
