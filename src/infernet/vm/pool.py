"""Transactions that wait for a block: what is let in, what could be mined next, and in which order."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from infernet.vm.request import TxRejected
from infernet.vm.transaction import Transaction

MAX_TRANSACTIONS = 16_384
MAX_PER_SENDER = 1_024
MAX_NONCE_GAP = 256
REPLACEMENT_BUMP_PERCENT = 10


@dataclass(frozen=True)
class Chosen:
    """Transactions for one block, whatever they pay, in the order that they are to stand in."""

    transactions: Sequence[Transaction]

    def select(self, base_fee: int, skipped: Collection[bytes]) -> Iterator[Transaction]:
        """As `Pool.select`; what cannot pay turns out not to be possible."""
        del base_fee, skipped
        return iter(self.transactions)


class Pool:
    """By sender and nonce. A transaction replaces another of its nonce when it pays a tenth more.

    Args:
        read_nonce: of an account in the head's state.
        on_leave: told the hash of each transaction that waits no more.
    """

    def __init__(self, read_nonce: Callable[[bytes], int], on_leave: Callable[[bytes], None] = lambda _: None) -> None:
        self._read_nonce, self._on_leave = read_nonce, on_leave
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

    def add(self, transaction: Transaction) -> None:
        """Let it wait; what it replaces is forgotten.

        Raises:
            TxRejected: known already, replaces another for too little, too many wait.
        """
        if transaction.hash in self._by_hash:
            raise TxRejected("tx.known", "already known")
        by_nonce = self._by_sender.get(transaction.sender, {})
        old = by_nonce.get(transaction.nonce)
        if old is not None:
            _check_replacement(old, transaction)
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
        self._by_sender, self._by_hash, self._arrival = {}, {}, {}
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
                self._remove(transaction)

    def select(self, base_fee: int, skipped: Collection[bytes]) -> Iterator[Transaction]:
        """What can pay this base fee: the highest tip first, then the earliest; each sender's in order of nonce.

        Args:
            skipped: senders of whom no more is wanted; looked at anew after each transaction.
        """
        queues = {sender: list(reversed(ready)) for sender, ready in self.pending.items()}
        heap = [self._rank(queue[-1], base_fee) for queue in queues.values()]
        heapq.heapify(heap)
        while heap:
            tip, _, sender = heapq.heappop(heap)
            if tip > 0:  # its maximum is below the base fee, and so those behind it wait too
                continue
            queue = queues[sender]
            yield queue.pop()
            if queue and sender not in skipped:
                heapq.heappush(heap, self._rank(queue[-1], base_fee))

    def _rank(self, transaction: Transaction, base_fee: int) -> tuple[int, int, bytes]:
        tip = min(transaction.max_fee - base_fee, transaction.max_priority_fee)
        return -tip, self._arrival[transaction.hash], transaction.sender

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
            raise TxRejected("tx.pool_full", "txpool is full")

    def _insert(self, transaction: Transaction) -> None:
        self._by_sender.setdefault(transaction.sender, {})[transaction.nonce] = transaction
        self._by_hash[transaction.hash] = transaction
        self._arrival[transaction.hash] = next(self._counter)

    def _remove(self, transaction: Transaction) -> None:
        by_nonce = self._by_sender[transaction.sender]
        del by_nonce[transaction.nonce], self._by_hash[transaction.hash], self._arrival[transaction.hash]
        if not by_nonce:
            del self._by_sender[transaction.sender]
        self.version += 1
        self._on_leave(transaction.hash)


def _check_replacement(old: Transaction, new: Transaction) -> None:
    for name in ("max_fee", "max_priority_fee"):
        least = getattr(old, name) * (100 + REPLACEMENT_BUMP_PERCENT) // 100  # wallets round down as well
        if getattr(new, name) < least or new.max_fee <= old.max_fee:
            raise TxRejected("tx.replacement_underpriced", "replacement transaction underpriced")
