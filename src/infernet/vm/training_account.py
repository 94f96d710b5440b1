"""What the producer's account sends for one training job, and what it costs."""

from __future__ import annotations

from infernet.vm.chain import Chain
from infernet.vm.request import TxRejected
from infernet.vm.spc.training import TrainingFailed
from infernet.vm.transaction import FEE_MARKET, Transaction, sign_transaction


class ProducerAccount:
    """The producer's transactions of one undertaking.

    Args:
        allowance_wei: what they may cost; None: whatever they do.

    Attributes:
        gas_used: by those that were mined.
        cost_wei: of that gas.
    """

    def __init__(self, chain: Chain, allowance_wei: int | None = None) -> None:
        self._chain, self._allowance_wei = chain, allowance_wei
        self._sent: list[bytes] = []
        self._waiting_wei = self.gas_used = self.cost_wei = 0

    @property
    def has_sent(self) -> bool:
        """Since it was last settled."""
        return bool(self._sent)

    def send(self, to: bytes, data: bytes, gas: int) -> None:
        """Raises `TxRejected`."""
        price_wei = self._chain.next_base_fee
        self._sent.append(self._chain.submit(self._sign(to, data, gas, 2 * price_wei).raw))
        self._waiting_wei += gas * price_wei

    def may_spend(self, gas: int) -> bool:
        """Whether so much more gas, at today's price, is within the allowance."""
        spent_wei = self.cost_wei + self._waiting_wei + gas * self._chain.next_base_fee
        return self._allowance_wei is None or spent_wei <= self._allowance_wei

    def is_settled(self) -> bool:
        """Whether nothing waits for a block any more; what was lost on the way counts as never sent.

        Raises:
            TrainingFailed: a transaction was mined and reverted.
        """
        ready = {transaction.hash for transaction in self._chain.pool.pending.get(self._chain.coinbase, ())}
        if not ready.isdisjoint(self._sent):
            return False
        receipts = [receipt for tx_hash in self._sent if (receipt := self._chain.receipt(tx_hash))]
        self._sent, self._waiting_wei = [], 0
        for receipt in receipts:
            self.gas_used += receipt.gas_used
            self.cost_wei += receipt.gas_used * receipt.effective_gas_price
        for receipt in receipts:
            if not receipt.succeeded:
                raise TrainingFailed(f"the transaction 0x{receipt.tx_hash.hex()} reverted")
        return True

    def _sign(self, to: bytes, data: bytes, gas: int, max_fee: int) -> Transaction:
        chain = self._chain
        if chain.producer_key is None:
            raise TxRejected("tx.unknown_account", "this node is no producer")
        nonce = chain.next_nonce(chain.coinbase)
        return sign_transaction(
            FEE_MARKET,
            chain.producer_key,
            chain_id=chain.chain_id,
            nonce=nonce,
            gas=gas,
            max_fee=max_fee,
            to=to,
            data=data,
        )
