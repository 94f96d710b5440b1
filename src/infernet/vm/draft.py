"""A block while it is filled from what waits."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter

import structlog

from infernet.errors import InfernetError
from infernet.vm.engine import BlockEnv, Executed, OpenBlock, State, TransactionRefused, TransactionTooSlow
from infernet.vm.fault import describe_fault
from infernet.vm.next_block import Parent
from infernet.vm.pool import Chosen, Pool
from infernet.vm.spc.host import SpcHost
from infernet.vm.spc.outside import AnswerNeeded, Remembered
from infernet.vm.transaction import Transaction
from infernet.vm.waiting import Waiting

log = structlog.get_logger()
_LEAST_GAS = 21_000
_FIRST_SHARE = 1 / 8
"""Of the time for a block: what a transaction may take before others. After all others it may take all that is left."""
_FAIR_SHARE = 1 / 2
"""What was given so much of that time, and was not done, is refused."""


class Draft:
    """It can be looked at, and then filled further when more has come: what stands in it is not executed again.

    Args:
        waiting: what is known of the outside; None: every transaction asks anew, at once.

    Attributes:
        taken: transactions, and what each did.
        refused: those that turned out not to be possible.
    """

    def __init__(
        self, parent: Parent, env: BlockEnv, host: SpcHost, block: OpenBlock, waiting: Waiting | None = None
    ) -> None:
        self.parent, self.env, self.host, self.block = parent, env, host, block
        self._waiting = waiting
        self.taken: list[tuple[Transaction, Executed]] = []
        self.refused: list[Transaction] = []
        self._seen: list[tuple[Transaction, bool]] = []
        self._state: State | None = None

    def read_state(self) -> State:
        """After what stands in it now."""
        if self._state is None:
            self._state, _ = self.block.finish()
        return self._state

    def execute(self, transaction: Transaction) -> None:
        """Take this one in, which must be possible."""
        self._open_outside()
        self.taken.append((transaction, self.block.execute(transaction)))

    def take_own(self, transactions: Iterable[Transaction], limit_s: float) -> None:
        """Take in what the producer itself has to say, in this order, up to what does not fit."""
        for transaction in transactions:
            if transaction.gas > self.env.gas_limit - self.block.gas_used:
                return
            self._open_outside()
            try:
                done = _try(self.block, transaction, limit_s)
            except TransactionTooSlow as error:
                self._refuse_slow(transaction, error)
                return
            if done is None:
                self.refused.append(transaction)
                return
            self.taken.append((transaction, done))

    def fill(self, pool: Pool | Chosen, budget_s: float, limit_s: float) -> bool:
        """Take in as much as fits. What waits for the outside is left out, and what its sender sent after it.

        A transaction that takes long is broken off, and begun anew after all others: what is refused for its time pays
        nothing, so it must not cost them theirs.

        Args:
            budget_s: after so many seconds no more is taken.
            limit_s: a transaction that takes longer, in all its executions together, is left out.

        Returns:
            False where the pool has another order by now than what stands here: begin anew.
        """
        whole_s = min(budget_s, limit_s)
        ends_at = perf_counter() + budget_s
        skipped: set[bytes] = set()
        place = 0
        for transaction in pool.select(self.env.base_fee, skipped):
            if place == len(self._seen):
                room = self.env.gas_limit - self.block.gas_used
                left_s = min(limit_s, ends_at - perf_counter())
                if room < _LEAST_GAS or left_s <= 0:
                    return True
                is_slow = pool.is_slow(transaction.sender)
                try:
                    allowed_s = left_s if is_slow else min(left_s, whole_s * _FIRST_SHARE)
                    is_taken = transaction.gas <= room and self._take(transaction, allowed_s)
                except TransactionTooSlow as error:
                    if left_s < whole_s * (_FAIR_SHARE if is_slow else _FIRST_SHARE):
                        return True
                    if not is_slow:
                        pool.note_slow(transaction.sender)
                        continue
                    is_taken = self._refuse_slow(transaction, error)
                self._seen.append((transaction, is_taken))
            seen, is_taken = self._seen[place]
            place += 1
            if seen.hash != transaction.hash:
                return False
            if not is_taken:
                skipped.add(transaction.sender)
        return place == len(self._seen)

    def _open_outside(self) -> None:
        self.host.outside = Remembered() if self._waiting is None else self._waiting.open_duty()

    def _take(self, transaction: Transaction, limit_s: float) -> bool:
        """
        Raises:
            TransactionTooSlow: it is to be tried again, or refused.
        """
        outside = Remembered() if self._waiting is None else self._waiting.open(transaction)
        if outside is None:
            return False
        self.host.outside = outside
        try:
            done = _try(self.block, transaction, limit_s - outside.spent_s)
        except AnswerNeeded as needed:
            outside.spent_s += needed.spent_s
            return False
        if done is None:
            self.refused.append(transaction)
            return False
        self.taken.append((transaction, done))
        self._state = None
        return True

    def _refuse_slow(self, transaction: Transaction, error: TransactionTooSlow) -> bool:
        _log_refusal(transaction, error)
        self.refused.append(transaction)
        return False


def _try(block: OpenBlock, transaction: Transaction, limit_s: float) -> Executed | None:
    """None where it is not possible, or breaks the engine: others must go on.

    Raises:
        TransactionTooSlow: the caller knows what comes of it.
    """
    try:
        return block.execute(transaction, limit_s=limit_s)
    except (TransactionTooSlow, InfernetError):
        raise
    except TransactionRefused as error:
        _log_refusal(transaction, error)
        return None
    except Exception as error:  # noqa: BLE001
        log.error("transaction.broke_the_engine", tx="0x" + transaction.hash.hex(), **describe_fault(error))
        return None


def _log_refusal(transaction: Transaction, error: TransactionRefused) -> None:
    log.info("transaction.refused", tx="0x" + transaction.hash.hex(), reason=str(error))
