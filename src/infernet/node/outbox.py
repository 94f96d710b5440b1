"""One account's transactions from signature to block. Nothing is broadcast that the journal does not hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import structlog

from infernet.chain.fees import Fees, compute_replacement_fees
from infernet.errors import InfernetError, RetryLater
from infernet.node.delivery import GasPolicy
from infernet.ports import Chain, Signer
from infernet.store.journal import Journal, PendingTransaction
from infernet.types import Address, BlockRef, Call, ChainId, Gas, Receipt, SignedTransaction, Transaction, TxHash, Wei

EMPTY_TRANSFER_GAS = Gas(21_000)
log = structlog.get_logger()


class Outbox:
    """Owns the account's nonce and signs; one for each account and chain. At most one transaction per nonce is pending:
    a replacement takes the place of the one before.
    """

    def __init__(
        self, chain: Chain, signer: Signer, journal: Journal, chain_id: ChainId, gas_policy: GasPolicy
    ) -> None:
        self._chain = chain
        self._signer = signer
        self._journal = journal
        self._chain_id = chain_id
        self._gas_policy = gas_policy
        self._next_nonce: int | None = None
        self._mined_nonce = 0
        """What followed blocks have used, though the head that is asked about may be older."""
        self._unaccepted: set[TxHash] = set()
        self._load()

    @property
    def address(self) -> Address:
        return self._signer.address

    @property
    def pending(self) -> list[PendingTransaction]:
        """What no block is known to hold, by nonce."""
        return [self._pending[nonce] for nonce in sorted(self._pending)]

    @property
    def has_unaccepted(self) -> bool:
        """True while the endpoint has not taken all that was broadcast."""
        return bool(self._unaccepted)

    def is_unaccepted(self, pending: PendingTransaction) -> bool:
        return pending.signed.hash in self._unaccepted

    def is_cancellation(self, pending: PendingTransaction) -> bool:
        """True where it only uses up its nonce."""
        return pending.signed.transaction.to == self.address

    def build_call(self, pending: PendingTransaction) -> Call:
        """What it will do, to be simulated."""
        tx = pending.signed.transaction
        return Call(to=tx.to or self.address, data=tx.data, sender=self.address, gas=tx.gas)

    async def find_nonce(self, head: BlockRef) -> None:
        """Be ready to sign."""
        if self._next_nonce is None:
            mined_nonce = await self._chain.fetch_nonce(self.address, at=head.hash)
            self._next_nonce = compute_next_nonce(max(mined_nonce, self._mined_nonce), self._pending)

    def sign(self, call: Call, fees: Fees, head: BlockRef) -> SignedTransaction:
        """Sign with the next nonce. Write down what it is for in the same step of the journal, then broadcast."""
        if self._next_nonce is None or call.gas is None:
            raise AssertionError("nothing is signed before the account's nonce and the call's gas are known")
        nonce = self._next_nonce
        self._next_nonce = compute_next_nonce(nonce + 1, self._pending)
        return self._sign(
            Transaction(self._chain_id, nonce, call.to, call.data, call.gas, fees.max_fee, fees.max_priority_fee), head
        )

    def bump(self, pending: PendingTransaction, head: BlockRef, cap: Wei | None) -> SignedTransaction:
        """The same transaction for more, in its place.

        Raises:
            RetryLater: `fees.above_cap`.
        """
        return self._replace(pending, pending.signed.transaction, head, cap)

    def cancel(self, pending: PendingTransaction, head: BlockRef) -> SignedTransaction:
        """A transfer of nothing to ourselves in its place: the nonce must be used, the call must not be made.

        Raises:
            RetryLater: `fees.above_cap`: the operator's limit does not allow it now.
        """
        empty = replace(pending.signed.transaction, to=self.address, data=b"", gas=EMPTY_TRANSFER_GAS)
        return self._replace(pending, empty, head, self._gas_policy.max_fee)

    async def broadcast(self, signed: Sequence[SignedTransaction]) -> list[InfernetError | None]:
        """Send them, in order; an error stands for each that the endpoint did not take."""
        results = await self._chain.submit_many([tx.raw for tx in signed])
        for tx, error in zip(signed, results, strict=True):
            if error is None:
                self._unaccepted.discard(tx.hash)
            else:
                self._unaccepted.add(tx.hash)
                log.warning("transaction.not_accepted", tx=tx.hash.hex(), code=error.code, reason=error.message)
        return results

    def set_sent_block(self, pending: PendingTransaction, head: BlockRef) -> None:
        """Count the blocks that pass it over from here."""
        self._pending[pending.signed.transaction.nonce] = replace(pending, sent_block=head.number)

    async def reopen(self, head: BlockRef) -> None:
        """After a restart or a reorg: what the chain at `head` does not hold is pending."""
        mined_nonce = await self._chain.fetch_nonce(self.address, at=head.hash)
        self._journal.reopen_transactions(self._chain_id, self.address, mined_nonce)
        self._next_nonce, self._mined_nonce = None, mined_nonce
        self._load()

    async def fetch_used(self, head: BlockRef) -> list[tuple[PendingTransaction, Receipt | None]]:
        """Pending transactions whose nonce a block has used; no receipt: by another transaction of this account."""
        if not self._pending:
            return []
        mined_nonce = await self._chain.fetch_nonce(self.address, at=head.hash)
        used = [pending for pending in self.pending if pending.signed.transaction.nonce < mined_nonce]
        receipts = await self._chain.fetch_receipts([pending.signed.hash for pending in used]) if used else []
        return list(zip(used, receipts, strict=True))

    def close(self, hashes: Iterable[TxHash], is_mined: bool) -> None:
        """A block holds them, or their nonce is used by another."""
        closed = [p for p in self.pending if p.signed.hash in set(hashes)]
        self._journal.close_transactions([p.signed.hash for p in closed], "mined" if is_mined else "replaced")
        for pending in closed:
            del self._pending[pending.signed.transaction.nonce]
            self._unaccepted.discard(pending.signed.hash)
            self._mined_nonce = max(self._mined_nonce, pending.signed.transaction.nonce + 1)

    def _load(self) -> None:
        pending = self._journal.read_pending_transactions(self._chain_id, self.address)
        self._pending = {p.signed.transaction.nonce: p for p in pending}
        self._unaccepted &= {p.signed.hash for p in pending}

    def _sign(self, transaction: Transaction, head: BlockRef) -> SignedTransaction:
        signed = self._signer.sign_transaction(transaction)
        self._journal.add_transaction(signed, head.number)
        self._pending[transaction.nonce] = PendingTransaction(signed, head.number)
        self._unaccepted.add(signed.hash)
        return signed

    def _replace(
        self, pending: PendingTransaction, transaction: Transaction, head: BlockRef, cap: Wei | None
    ) -> SignedTransaction:
        old = pending.signed.transaction
        before = Fees(old.max_fee, old.max_priority_fee)
        fees = compute_replacement_fees(before, head.base_fee, self._gas_policy.tip, cap)
        with self._journal.step():
            self._journal.close_transactions([pending.signed.hash], "replaced")
            self._unaccepted.discard(pending.signed.hash)
            transaction = replace(transaction, max_fee=fees.max_fee, max_priority_fee=fees.max_priority_fee)
            signed = self._sign(transaction, head)
        log.info("transaction.replaced", old=pending.signed.hash.hex(), tx=signed.hash.hex(), max_fee=fees.max_fee)
        return signed


def compute_next_nonce(mined_nonce: int, pending: Iterable[int]) -> int:
    """The lowest nonce that neither a block nor a pending transaction uses: a gap would hold up all after it."""
    taken = set(pending)
    nonce = mined_nonce
    while nonce in taken:
        nonce += 1
    return nonce


def can_bump(pending: PendingTransaction, head: BlockRef, gas_policy: GasPolicy, cap: Wei | None) -> bool:
    """True where a replacement of this transaction stays within what may be paid."""
    tx = pending.signed.transaction
    try:
        compute_replacement_fees(Fees(tx.max_fee, tx.max_priority_fee), head.base_fee, gas_policy.tip, cap)
    except RetryLater:
        return False
    return True
