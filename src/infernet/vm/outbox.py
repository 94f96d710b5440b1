"""What the producer itself has to say, signed when a block is made: after what the chain owes, which takes a nonce."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from infernet.vm.block import Block
from infernet.vm.engine import BlockEnv
from infernet.vm.transaction import FEE_MARKET, Transaction, sign_transaction


@dataclass(eq=False, slots=True)
class Message:
    """A call that the producer's account is to make.

    Attributes:
        tx_hash: of the transaction that it became; None before.
        is_refused: it cannot stand in a block, or takes too long.
    """

    to: bytes
    data: bytes
    gas: int
    tx_hash: bytes | None = None
    is_refused: bool = False


class Outbox:
    """Messages in their order, each in the first block that has room for it.

    Args:
        key: the producer's; None where there is none, and nothing to say.
    """

    def __init__(self, key: bytes | None) -> None:
        self._key = key
        self._waiting: list[Message] = []

    @property
    def waiting(self) -> Sequence[Message]:
        return self._waiting

    def add(self, message: Message) -> None:
        self._waiting.append(message)

    def clear(self) -> None:
        self._waiting.clear()

    def sign(self, env: BlockEnv, nonce: int) -> Iterator[Transaction]:
        """All that wait, from this nonce on, at the block's base fee."""
        if self._key is None:
            return
        for number, message in enumerate(self._waiting):
            yield sign_transaction(
                FEE_MARKET,
                self._key,
                chain_id=env.chain_id,
                nonce=nonce + number,
                gas=message.gas,
                max_fee=env.base_fee,
                to=message.to,
                data=message.data,
            )

    def note_block(self, block: Block, refused: Sequence[Transaction]) -> None:
        """What stands in this block, or was refused while it was made, waits no more."""
        for transaction in block.transactions if self._waiting else ():
            if (message := self._take(transaction)) is not None:
                message.tx_hash = transaction.hash
        for transaction in refused:
            if (message := self._take(transaction)) is not None:
                message.is_refused = True

    def _take(self, transaction: Transaction) -> Message | None:
        wanted = (transaction.to, transaction.data, transaction.gas)
        message = next((m for m in self._waiting if (m.to, m.data, m.gas) == wanted), None)
        if message is not None:
            self._waiting.remove(message)
        return message
