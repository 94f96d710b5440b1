"""What the producer's account sends for one training job, and what it costs."""

from __future__ import annotations

from infernet.vm.chain import Chain
from infernet.vm.outbox import Message
from infernet.vm.request import TxRejected
from infernet.vm.spc.training import TrainingFailed


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
        self._sent: list[Message] = []
        self._waiting_wei = self.gas_used = self.cost_wei = 0

    @property
    def has_sent(self) -> bool:
        """Since it was last settled."""
        return bool(self._sent)

    def send(self, to: bytes, data: bytes, gas: int) -> None:
        """Raises `TxRejected`."""
        price_wei, waiting = self._chain.next_base_fee, self._chain.outbox.waiting
        needed = 2 * price_wei * (gas + sum(message.gas for message in waiting))
        has = self._chain.state(self._chain.head.number).balance(self._chain.coinbase)
        if has < needed:
            raise TxRejected("tx.insufficient_funds", f"insufficient funds for gas: balance {has}, tx cost {needed}")
        message = Message(to, data, gas)
        self._chain.outbox.add(message)
        self._sent.append(message)
        self._waiting_wei += gas * price_wei
        self._chain.mine_ready()

    def may_spend(self, gas: int) -> bool:
        """Whether so much more gas, at today's price, is within the allowance."""
        spent_wei = self.cost_wei + self._waiting_wei + gas * self._chain.next_base_fee
        return self._allowance_wei is None or spent_wei <= self._allowance_wei

    def is_settled(self) -> bool:
        """Whether nothing waits for a block any more; a block that was taken back counts as never made.

        Raises:
            TrainingFailed: a transaction was mined and reverted, or no block can hold it.
        """
        if any(message in self._chain.outbox.waiting for message in self._sent):
            return False
        sent, self._sent, self._waiting_wei = self._sent, [], 0
        receipts = [receipt for message in sent if (receipt := self._chain.receipt(message.tx_hash or b""))]
        for receipt in receipts:
            self.gas_used += receipt.gas_used
            self.cost_wei += receipt.gas_used * receipt.effective_gas_price
        for receipt in receipts:
            if not receipt.succeeded:
                raise TrainingFailed(f"the transaction 0x{receipt.tx_hash.hex()} reverted")
        if any(message.is_refused for message in sent):
            raise TrainingFailed("no block can hold it: it takes too long")
        return True
