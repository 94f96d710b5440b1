"""What tests do to a chain and no real one allows: time, mining on demand, other people's accounts, the past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from infernet.errors import InvalidInput
from infernet.vm.block import Block
from infernet.vm.engine import State
from infernet.vm.events import NewHead, Removed
from infernet.vm.impersonated import build_impersonated
from infernet.vm.request import AccountOverride, CallRequest, TxRejected
from infernet.vm.spc.outside import Outside
from infernet.vm.transaction import Transaction

if TYPE_CHECKING:
    from infernet.vm.chain import Chain

_DEFAULT_TIP = 10**9


@dataclass(frozen=True)
class _Snapshot:
    number: int
    state: State
    waiting: tuple[Transaction, ...]
    offset_s: int


class DevControls:
    """Of one chain.

    Attributes:
        automine: a block for each transaction, at once.
        interval_s: seconds between blocks, 0 for none: whoever runs the chain calls `mine` at this pace.
        next_base_fee: of the next block alone.
        timestamp_step_s: seconds from each block's timestamp to the next's, None where the clock decides.
        impersonates_all: take unsigned transactions of any account.
    """

    def __init__(self, chain: Chain, interval_s: float) -> None:
        self.automine = interval_s == 0
        self.interval_s = interval_s
        self.next_base_fee: int | None = None
        self.timestamp_step_s: int | None = None
        self.impersonates_all = False
        self._chain = chain
        self._offset_s = 0
        self._next_timestamp: int | None = None
        self._impersonated: set[bytes] = set()
        self._snapshots: dict[int, _Snapshot] = {}
        self._counter = count(1)

    def mine(self, blocks: int = 1, timestamp: int | None = None) -> list[Block]:
        """
        Raises:
            InvalidInput: `timestamp.past`: not after the head's.
        """
        if timestamp is not None:
            self.set_next_timestamp(timestamp)
        return [self._chain.mine() for _ in range(blocks)]

    def set_next_timestamp(self, timestamp: int) -> None:
        """The next block's; the clock goes on from there.

        Raises:
            InvalidInput: `timestamp.past`: not after the head's.
        """
        head = self._chain.head.timestamp
        if timestamp <= head:
            raise InvalidInput("timestamp.past", f"timestamp {timestamp} is not after the last block's, {head}")
        self._next_timestamp = timestamp

    def increase_time(self, seconds: int) -> int:
        """The clock's whole offset, in seconds."""
        self._offset_s += seconds
        return self._offset_s

    @property
    def chosen(self) -> tuple[int | None, ...]:
        """All that was set for blocks to come."""
        return self.next_base_fee, self.timestamp_step_s, self._next_timestamp, self._offset_s

    def choose_timestamp(self, now: int) -> int:
        """Of the next block."""
        if self._next_timestamp is not None:
            return self._next_timestamp
        head = self._chain.head.timestamp
        wanted = now + self._offset_s if self.timestamp_step_s is None else head + self.timestamp_step_s
        return max(wanted, head + 1)

    def note_block(self) -> None:
        """A block was added: what was set for it is used up."""
        if self._next_timestamp is not None:
            self._offset_s = self._next_timestamp - self._chain.read_clock()
        self._next_timestamp = self.next_base_fee = None

    def set_next_base_fee(self, base_fee: int) -> None:
        self.next_base_fee = base_fee

    def snapshot(self) -> int:
        """Its number."""
        ledger, waiting = self._chain.ledger, self._chain.pool.waiting
        number = next(self._counter)
        self._snapshots[number] = _Snapshot(ledger.head.number, ledger.head_state, waiting, self._offset_s)
        return number

    def revert(self, snapshot_id: int) -> bool:
        """False where there is no such snapshot; it and later ones are used up."""
        snapshot = self._snapshots.get(snapshot_id)
        if snapshot is None:
            return False
        self._snapshots = {number: kept for number, kept in self._snapshots.items() if number < snapshot_id}
        self._return_to(snapshot)
        return True

    def reset(self) -> None:
        """Back to the first block. Automine and the interval stay as they are."""
        self._snapshots.clear()
        self._impersonated.clear()
        self.impersonates_all, self.timestamp_step_s = False, None
        self._return_to(_Snapshot(0, self._chain.ledger.build_first_state(), (), 0))

    def find_parent(self, depth: int) -> int:
        """The number of the block below the last `depth`.

        Raises:
            InvalidInput: `reorg.too_deep`.
        """
        number = self._chain.head.number - depth
        if depth < 1 or number < 0:
            raise InvalidInput("reorg.too_deep", f"the chain has {self._chain.head.number} blocks to replace")
        return number

    def reorg(self, blocks: Sequence[Sequence[Transaction]]) -> list[Block]:
        """Replace the last blocks by as many that hold these transactions, where they can, and no others.

        What the old ones held is gone, from the pool as well, and so are snapshots of them. The clock goes back too.

        Raises:
            InvalidInput: `reorg.too_deep`.
            StateUnavailable: the state before them is not kept.
        """
        chain, number = self._chain, self.find_parent(len(blocks))
        *_, replaced = self._truncate(number, chain.ledger.state(number))
        self._snapshots = {at: kept for at, kept in self._snapshots.items() if kept.number <= number}
        self._offset_s = chain.head.timestamp - chain.read_clock()
        mined: list[Block] = []
        for transactions in blocks:
            timestamp = self.choose_timestamp(chain.read_clock())
            is_same = not mined and timestamp == replaced.block.timestamp  # an empty block would replace itself
            mined.append(chain.mine_chosen(transactions, timestamp + is_same))
        return mined

    def impersonate(self, address: bytes) -> None:
        self._impersonated.add(address)

    def stop_impersonating(self, address: bytes) -> None:
        self._impersonated.discard(address)

    def build_transaction(self, request: CallRequest, outside: Outside | None = None) -> Transaction:
        """The unsigned transaction of an impersonated account.

        Raises:
            TxRejected: `tx.unknown_account`.
            CallFailed: no gas was given, and none is enough.
        """
        chain, sender = self._chain, request.sender
        if not self.impersonates_all and sender not in self._impersonated:
            raise TxRejected("tx.unknown_account", "unknown account")
        tip = _DEFAULT_TIP if request.max_priority_fee is None else request.max_priority_fee
        base_fee = chain.next_base_fee
        return build_impersonated(
            sender,
            chain_id=chain.chain_id,
            nonce=chain.next_nonce(sender) if request.nonce is None else request.nonce,
            max_priority_fee=tip if request.max_fee is None else min(tip, request.max_fee),
            max_fee=2 * base_fee + tip if request.max_fee is None else request.max_fee,
            gas=chain.estimate(request, "pending", outside=outside) if request.gas is None else request.gas,
            to=request.to,
            value=request.value,
            data=request.data,
            access_list=request.access_list,
            authorizations=request.authorizations,
        )

    def set_balance(self, address: bytes, balance: int) -> None:
        self._edit(address, AccountOverride(balance=balance))

    def set_nonce(self, address: bytes, nonce: int) -> None:
        self._edit(address, AccountOverride(nonce=nonce))

    def set_code(self, address: bytes, code: bytes) -> None:
        self._edit(address, AccountOverride(code=code))

    def set_storage(self, address: bytes, slot: bytes, word: bytes) -> None:
        state = self._chain.ledger.head_state
        if not (state.nonce(address) or state.balance(address) or state.code(address)):
            raise InvalidInput(
                "account.absent", f"0x{address.hex()} is no account yet: give it code or a balance first"
            )
        self._edit(address, AccountOverride(storage_diff={slot: word}))

    def _edit(self, address: bytes, override: AccountOverride) -> None:
        state, changes = self._chain.ledger.head_state.edit({address: override})
        self._chain.ledger.edit(state, changes)
        self._chain.pool.forget_used([address])

    def _return_to(self, snapshot: _Snapshot) -> None:
        self._truncate(snapshot.number, snapshot.state)
        self._chain.pool.restore(snapshot.waiting)
        self._offset_s, self._next_timestamp, self.next_base_fee = snapshot.offset_s, None, None

    def _truncate(self, number: int, state: State) -> tuple[NewHead, ...]:
        chain, removed = self._chain, []
        for above in range(chain.head.number, number, -1):
            block = chain.block_by_number(above)
            if block is not None:
                removed.append(NewHead(block, chain.receipts(block)))
        chain.ledger.truncate(number, state)
        chain.outbox.clear()  # it builds on what is gone
        if removed:
            chain.tell(Removed(tuple(removed)))
        return tuple(removed)
