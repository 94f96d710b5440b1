"""Transactions that wait for a block: what is let in, what could be mined next, and in which order."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import Protocol

from infernet.vm.request import TxRejected
from infernet.vm.transaction import Transaction

MAX_TRANSACTIONS = 16_384
MAX_PER_SENDER = 1_024
MAX_NONCE_GAP = 256
REPLACEMENT_BUMP_PERCENT = 10
LIFETIME_S = 3 * 3600.0
SLOW_S = 300.0
"""For so long a sender goes last whose transaction took too much time."""
_CANDIDATES = MAX_TRANSACTIONS // 20


@dataclass(frozen=True)
class Chosen:
    """Transactions for one block, whatever they pay, in the order that they are to stand in."""

    transactions: Sequence[Transaction]

    def select(self, base_fee: int, skipped: Collection[bytes]) -> Iterator[Transaction]:
        """As `Pool.select`; what cannot pay turns out not to be possible."""
        del base_fee, skipped
        return iter(self.transactions)

    def is_slow(self, sender: bytes) -> bool:
        """As `Pool.is_slow`: each may take what time there is."""
        del sender
        return True

    def note_slow(self, sender: bytes) -> None:
        """It is already."""


class Leave(Protocol):
    """Told of each transaction that waits no more."""

    def __call__(self, tx_hash: bytes, *, is_mined: bool = False) -> None: ...


def _ignore(tx_hash: bytes, *, is_mined: bool = False) -> None:
    del tx_hash, is_mined


class Pool:
    """By sender and nonce. A transaction replaces another of its nonce when it pays a tenth more.

    A full pool gives up what pays least for what pays more, and before that what waits for a nonce before its own. What
    has waited for hours is forgotten.

    Args:
        read_nonce: of an account in the head's state.
        on_leave: told the hash of each transaction that waits no more.
        on_replace: told the old and the new one before; it may refuse.
        clock: seconds.
    """

    def __init__(
        self,
        read_nonce: Callable[[bytes], int],
        on_leave: Leave = _ignore,
        on_replace: Callable[[Transaction, Transaction], None] = lambda _old, _new: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._read_nonce, self._on_leave, self._on_replace = read_nonce, on_leave, on_replace
        self._clock = clock
        self._since: dict[bytes, float] = {}
        self._slow_until: dict[bytes, float] = {}
        self._least: list[tuple[tuple[bool, int], int, bytes]] = []
        self._by_sender: dict[bytes, dict[int, Transaction]] = {}
        self._by_hash: dict[bytes, Transaction] = {}
        self._arrival: dict[bytes, int] = {}
        self._counter = count()
        self.version = 0
        """Grows with every change."""

    def __len__(self) -> int:
        return len(self._by_hash)

    @property
    def pending(self) -> Mapping[bytes, Sequence[Transaction]]:
        """What could be mined next, by sender, in order of nonce."""
        return {sender: ready for sender in self._by_sender if (ready := self._list_ready(sender))}

    @property
    def queued(self) -> Mapping[bytes, Sequence[Transaction]]:
        """What waits for a nonce before its own."""
        waiting = {}
        for sender, by_nonce in self._by_sender.items():
            ready = self._list_ready(sender)
            after = ready[-1].nonce if ready else -1
            rest = [by_nonce[nonce] for nonce in sorted(by_nonce) if nonce > after]
            if rest:
                waiting[sender] = rest
        return waiting

    @property
    def waiting(self) -> tuple[Transaction, ...]:
        """All there are, the earliest first."""
        return tuple(self._by_hash.values())

    def get(self, tx_hash: bytes) -> Transaction | None:
        return self._by_hash.get(tx_hash)

    def next_nonce(self, sender: bytes) -> int:
        """The first that neither a block nor what is ready to be mined has used."""
        ready = self._list_ready(sender)
        return ready[-1].nonce + 1 if ready else self._read_nonce(sender)

    def compute_cost(self, sender: bytes, but_nonce: int) -> int:
        """Wei that what waits of a sender may take, but for this nonce."""
        return sum(
            tx.gas * tx.max_fee + tx.value
            for nonce, tx in self._by_sender.get(sender, {}).items()
            if nonce != but_nonce
        )

    def is_slow(self, sender: bytes) -> bool:
        """Whether it goes last, and then may take all the time that is left."""
        return self._clock() < self._slow_until.get(sender, 0.0)

    def note_slow(self, sender: bytes) -> None:
        """A transaction of this sender was broken off for its time."""
        now = self._clock()
        self._slow_until = {who: until for who, until in self._slow_until.items() if now < until}
        self._slow_until[sender] = now + SLOW_S

    def add(self, transaction: Transaction) -> None:
        """Let it wait; what it replaces is forgotten.

        Raises:
            TxRejected: known already, replaces another for too little, too many wait.
        """
        if transaction.hash in self._by_hash:
            raise TxRejected("tx.known", "already known")
        self.forget_old()
        by_nonce = self._by_sender.get(transaction.sender, {})
        old = by_nonce.get(transaction.nonce)
        if old is not None:
            _check_replacement(old, transaction)
            self._on_replace(old, transaction)
            self._remove(old)
        else:
            self._check_room(transaction, len(by_nonce))
        self._insert(transaction)
        self.version += 1

    def has_payable(self, base_fee: int) -> bool:
        """Whether a block of this base fee would take anything."""
        return next(self.select(base_fee, ()), None) is not None

    def restore(self, transactions: Sequence[Transaction]) -> None:
        """Forget everything but these, which waited here before, in the order that `waiting` gave them."""
        before = self._by_hash.keys()
        self._by_sender, self._by_hash, self._arrival, self._since = {}, {}, {}, {}
        for transaction in transactions:
            self._insert(transaction)
        self.version += 1
        for tx_hash in before - self._by_hash.keys():
            self._on_leave(tx_hash)

    def drop(self, tx_hash: bytes) -> bool:
        """Forget one; those of its sender that come after it wait again."""
        transaction = self._by_hash.get(tx_hash)
        if transaction is None:
            return False
        self._remove(transaction)
        return True

    def forget_used(self, senders: Collection[bytes]) -> None:
        """After a block: what these accounts' nonces have passed can never be mined."""
        for sender in senders:
            nonce = self._read_nonce(sender)
            for transaction in [tx for tx in self._by_sender.get(sender, {}).values() if tx.nonce < nonce]:
                self._remove(transaction, is_mined=True)

    def forget_old(self) -> None:
        """What has waited longer than `LIFETIME_S`."""
        before = self._clock() - LIFETIME_S
        while self._since and self._since[oldest := next(iter(self._since))] < before:
            self.drop(oldest)

    def select(self, base_fee: int, skipped: Collection[bytes]) -> Iterator[Transaction]:
        """What can pay this base fee: the highest tip first, then the earliest; each sender's in order of nonce.

        A slow sender's come after all others; one of whom that is found out meanwhile has its transaction chosen again.

        Args:
            skipped: senders of whom no more is wanted; looked at anew after each transaction.
        """
        queues = {sender: list(reversed(ready)) for sender, ready in self.pending.items()}
        heap = [self._rank(queue[-1], base_fee) for queue in queues.values()]
        heapq.heapify(heap)
        while heap:
            was_slow, tip, _, sender = heapq.heappop(heap)
            if tip > 0:  # its maximum is below the base fee, and so those behind it wait too
                continue
            queue = queues[sender]
            yield queue[-1]
            if was_slow or not self.is_slow(sender):
                queue.pop()
            if queue and sender not in skipped:
                heapq.heappush(heap, self._rank(queue[-1], base_fee))

    def _rank(self, transaction: Transaction, base_fee: int) -> tuple[bool, int, int, bytes]:
        tip = min(transaction.max_fee - base_fee, transaction.max_priority_fee)
        return self.is_slow(transaction.sender), -tip, self._arrival[transaction.hash], transaction.sender

    def _list_ready(self, sender: bytes) -> list[Transaction]:
        by_nonce = self._by_sender.get(sender, {})
        nonce, ready = self._read_nonce(sender), []
        while nonce in by_nonce:
            ready.append(by_nonce[nonce])
            nonce += 1
        return ready

    def _check_room(self, transaction: Transaction, waiting: int) -> None:
        if waiting >= MAX_PER_SENDER:
            raise TxRejected(
                "tx.too_many", f"account limit exceeded: {MAX_PER_SENDER} transactions of this sender wait"
            )
        if transaction.nonce > self._read_nonce(transaction.sender) + waiting + MAX_NONCE_GAP:
            raise TxRejected("tx.gap", "nonce too high: gapped-nonce tx from this sender is too far ahead")
        if len(self._by_hash) >= MAX_TRANSACTIONS:
            self._make_room(transaction)

    def _make_room(self, transaction: Transaction) -> None:
        """Give up one that is worth less."""
        least = self._find_least()
        mine, its = self._rate(transaction), self._rate(least)
        if mine <= its:
            if not mine[0]:
                raise TxRejected("tx.pool_full", "txpool is full")
            message = f"transaction underpriced: txpool is full, gas fee cap {mine[1]}, minimum needed {its[1] + 1}"
            raise TxRejected("tx.underpriced", message)
        self._remove(least)

    def _find_least(self) -> Transaction:
        """Among some that were worth least when they were last looked for: not all are compared each time."""
        while self._least:
            rating, _, tx_hash = self._least[-1]
            transaction = self._by_hash.get(tx_hash)
            if transaction is not None and self._rate(transaction) == rating:
                return transaction
            self._least.pop()
        ready = {tx.hash for queue in self.pending.values() for tx in queue}
        ratings = (((tx_hash in ready, tx.max_fee), -tx.nonce, tx_hash) for tx_hash, tx in self._by_hash.items())
        self._least = heapq.nsmallest(_CANDIDATES, ratings)[::-1]
        return self._find_least()

    def _rate(self, transaction: Transaction) -> tuple[bool, int]:
        """What it is worth to a block: nothing before its nonce is next."""
        return transaction.nonce <= self.next_nonce(transaction.sender), transaction.max_fee

    def _insert(self, transaction: Transaction) -> None:
        self._by_sender.setdefault(transaction.sender, {})[transaction.nonce] = transaction
        self._by_hash[transaction.hash] = transaction
        self._arrival[transaction.hash] = next(self._counter)
        self._since[transaction.hash] = self._clock()

    def _remove(self, transaction: Transaction, *, is_mined: bool = False) -> None:
        by_nonce = self._by_sender[transaction.sender]
        del by_nonce[transaction.nonce], self._by_hash[transaction.hash]
        del self._arrival[transaction.hash], self._since[transaction.hash]
        if not by_nonce:
            del self._by_sender[transaction.sender]
        self.version += 1
        self._on_leave(transaction.hash, is_mined=is_mined)


def _check_replacement(old: Transaction, new: Transaction) -> None:
    for name in ("max_fee", "max_priority_fee"):
        least = getattr(old, name) * (100 + REPLACEMENT_BUMP_PERCENT) // 100  # wallets round down as well
        if getattr(new, name) < least or new.max_fee <= old.max_fee:
            raise TxRejected("tx.replacement_underpriced", "replacement transaction underpriced")
