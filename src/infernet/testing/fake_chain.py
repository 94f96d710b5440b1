"""A chain in memory that implements `ports.Chain`, with the ways in which real endpoints go wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from infernet.errors import InfernetError, JobRejected, RetryLater
from infernet.protocol.hashing import keccak
from infernet.types import (
    Address,
    BlockRef,
    Call,
    ChainId,
    Gas,
    Hash32,
    Log,
    Receipt,
    Timestamp,
    TxHash,
    Wei,
)

GENESIS_TIME = Timestamp(1_000_000)
BLOCK_TIME_S = 12


@dataclass(frozen=True, slots=True)
class FakeBlock:
    """A block and its logs."""

    ref: BlockRef
    logs: tuple[Log, ...]


class FakeChain:
    """Blocks are mined by the test. Transactions are taken and stay in `pool` until the test mines them.

    Attributes:
        blocks: the canonical chain, genesis first.
        max_range_blocks: the widest range of logs that the endpoint answers.
        lag_blocks: how far the endpoint is behind.
        failures: what the next requests raise, one each; None lets one through.
        before_request: called before each request with the method's name, to change the chain while it is read.
        answer_call: what `call` answers, the test's contract.
        pool: raw transactions by hash.
        receipts: of mined transactions.
        nonces: transactions of an account that are in blocks.
        calls: requests so far.
        called_at: the block of each `call`, None for the head.
    """

    def __init__(self, block_time_s: int = BLOCK_TIME_S) -> None:
        self.block_time_s = block_time_s
        self.blocks: list[FakeBlock] = []
        self.max_range_blocks = 10_000
        self.lag_blocks = 0
        self.failures: list[InfernetError | None] = []
        self.before_request: Callable[[str], None] = lambda _: None
        self.answer_call: Callable[[Call], bytes] = lambda _: b""
        self.refuse: Callable[[bytes], InfernetError | None] = lambda _: None
        self.pool: dict[TxHash, bytes] = {}
        self.receipts: dict[TxHash, Receipt] = {}
        self.nonces: dict[Address, int] = {}
        self.calls: list[str] = []
        self.called_at: list[Hash32 | None] = []
        self._salt = 0
        self.mine()

    @property
    def head(self) -> BlockRef:
        """The newest block."""
        return self.blocks[-1].ref

    def mine(self, blocks: int = 1, logs: Sequence[Log] = (), base_fee: int = 10**9) -> BlockRef:
        """Append blocks; the last one holds the logs."""
        for number in range(blocks):
            self._append(logs if number == blocks - 1 else (), base_fee)
        return self.head

    def reorg(self, depth: int, blocks: int | None = None) -> BlockRef:
        """Replace the newest `depth` blocks by as many empty ones (or `blocks`)."""
        del self.blocks[len(self.blocks) - depth :]
        self._salt += 1
        self.mine(depth if blocks is None else blocks)
        return self.head

    def fork(self) -> FakeChain:
        """Another chain with the same past, to be behind the same address."""
        other = FakeChain(self.block_time_s)
        other.blocks, other._salt = list(self.blocks), self._salt + 1000
        return other

    def _append(self, logs: Sequence[Log], base_fee: int) -> None:
        parent = self.blocks[-1].ref if self.blocks else None
        number = parent.number + 1 if parent else 0
        parent_hash = parent.hash if parent else Hash32(bytes(32))
        block_hash = keccak(parent_hash + number.to_bytes(8) + self._salt.to_bytes(8))
        timestamp = Timestamp(parent.timestamp + self.block_time_s) if parent else GENESIS_TIME
        ref = BlockRef(number, block_hash, parent_hash, timestamp, Wei(base_fee), Gas(30_000_000))
        placed = (
            replace(log, block_number=number, block_hash=block_hash, log_index=index) for index, log in enumerate(logs)
        )
        self.blocks.append(FakeBlock(ref, tuple(placed)))

    # --- ports.Chain ----------------------------------------------------------------------------------------------

    async def fetch_chain_id(self) -> ChainId:
        self._enter("fetch_chain_id")
        return ChainId(31337)

    async def fetch_head(self) -> BlockRef:
        self._enter("fetch_head")
        return self._seen()[-1].ref

    async def fetch_block(self, number: int) -> BlockRef | None:
        self._enter("fetch_block")
        return self._seen()[number].ref if 0 <= number < len(self._seen()) else None

    async def fetch_logs(self, addresses: Sequence[Address], from_block: int, to_block: int) -> list[Log]:
        self._enter("fetch_logs")
        if to_block - from_block + 1 > self.max_range_blocks:
            raise RetryLater("chain.range_too_large", f"more than {self.max_range_blocks} blocks at once")
        if to_block >= len(self._seen()):
            raise RetryLater("chain.block_unknown", f"there is no block {to_block}")
        blocks = self._seen()[from_block : to_block + 1]
        return [log for block in blocks for log in block.logs if log.address in addresses]

    async def fetch_code(self, address: Address) -> bytes:
        self._enter("fetch_code")
        return b"\0"

    async def fetch_nonce(self, address: Address, at: Hash32 | None = None) -> int:
        self._enter("fetch_nonce")
        return self.nonces.get(address, 0)

    async def fetch_balance(self, address: Address) -> Wei:
        self._enter("fetch_balance")
        return Wei(10**18)

    async def call(self, call: Call, at: Hash32 | None = None) -> bytes:
        self._enter("call")
        if at is not None and all(block.ref.hash != at for block in self._seen()):
            raise RetryLater("chain.block_unknown", "the endpoint does not have this block's state")
        self.called_at.append(at)
        return self.answer_call(call)

    async def call_many(self, calls: Sequence[Call], at: Hash32 | None = None) -> list[bytes | InfernetError]:
        return [await self._try(self.call(call, at)) for call in calls]

    async def estimate_gas(self, call: Call) -> int:
        self._enter("estimate_gas")
        return 21_000

    async def submit_many(self, raws: Sequence[bytes]) -> list[InfernetError | None]:
        self._enter("submit_many")
        refused = [self.refuse(raw) for raw in raws]
        self.pool |= {TxHash(keccak(raw)): raw for raw, error in zip(raws, refused, strict=True) if error is None}
        return refused

    async def fetch_receipts(self, hashes: Sequence[TxHash]) -> list[Receipt | None]:
        self._enter("fetch_receipts")
        return [self.receipts.get(tx_hash) for tx_hash in hashes]

    async def _try(self, answer: object) -> bytes | InfernetError:
        try:
            return await answer  # type: ignore[misc, no-any-return]
        except (RetryLater, JobRejected) as error:
            return error

    def _seen(self) -> list[FakeBlock]:
        return self.blocks[: len(self.blocks) - self.lag_blocks]

    def _enter(self, method: str) -> None:
        self.before_request(method)
        self.calls.append(method)
        if self.failures and (failure := self.failures.pop(0)) is not None:
            raise failure
