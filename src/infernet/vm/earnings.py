"""Brings the producer's earnings to its account, from the contracts that keep them, before the account runs dry."""

from __future__ import annotations

from infernet.protocol.abi_codec import encode_abi
from infernet.protocol.hashing import keccak, to_address
from infernet.vm.chain import Chain
from infernet.vm.duty import MAX_GAS
from infernet.vm.events import Event, NewHead
from infernet.vm.outbox import Message
from infernet.vm.request import CallRequest
from infernet.vm.spc.addresses import SCHEDULER, TRAINING

PURSES = tuple(bytes.fromhex(address[2:]) for address in (SCHEDULER, TRAINING))
ENOUGH_BLOCKS = 100
"""An account that can pay for as many blocks of scheduled calls needs nothing."""
_GAS = 100_000
_WORTH_GAS = 20 * _GAS
"""What is kept has to pay for so much, or it stays where it is."""
_BALANCE_OF, _WITHDRAW = keccak(b"balanceOf(address)")[:4], keccak(b"withdraw(address,uint256)")[:4]


class Earnings:
    """Looks after each block; what it withdraws stands in the next one. All on the thread that runs the chain."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._account = to_address(chain.coinbase)
        self._sent: dict[bytes, Message] = {}
        self._unsubscribe = chain.subscribe(self._hear)

    def close(self) -> None:
        self._unsubscribe()

    def _hear(self, event: Event) -> None:
        if not isinstance(event, NewHead):
            return
        state, price_wei = self._chain.state(event.block.number), self._chain.next_base_fee
        if state.balance(self._chain.coinbase) >= ENOUGH_BLOCKS * MAX_GAS * price_wei:
            return
        for purse in PURSES:
            if state.code(purse) and self._sent.get(purse) not in self._chain.outbox.waiting:
                amount = self._read_balance(purse, event.block.number)
                if amount > _WORTH_GAS * price_wei:
                    self._withdraw(purse, amount)

    def _read_balance(self, purse: bytes, number: int) -> int:
        data = _BALANCE_OF + encode_abi(["address"], [self._account])
        return int.from_bytes(self._chain.call(CallRequest(to=purse, data=data), number).return_data, "big")

    def _withdraw(self, purse: bytes, amount: int) -> None:
        data = _WITHDRAW + encode_abi(["address", "uint256"], [self._account, amount])
        self._sent[purse] = Message(purse, data, _GAS)
        self._chain.outbox.add(self._sent[purse])
