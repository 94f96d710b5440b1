"""`ports.Chain` over one JSON-RPC endpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from infernet.chain import wire
from infernet.chain.rpc_errors import ALREADY_KNOWN, bad_answer
from infernet.chain.transport import HttpTransport, Request
from infernet.errors import InfernetError, InvalidInput
from infernet.types import (
    Address,
    BlockRef,
    Call,
    ChainId,
    Hash32,
    Log,
    Receipt,
    TxHash,
    Wei,
)

T = TypeVar("T")


class RpcChain:
    """One EVM chain behind one endpoint. Implements `ports.Chain`; an async context manager.

    Options are those of `HttpTransport`.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self.transport = HttpTransport(url, **options)

    @property
    def calls(self) -> Counter[str]:
        """JSON-RPC requests sent so far, by method."""
        return self.transport.calls

    @property
    def endpoint(self) -> str:
        """The endpoint's name without its secrets."""
        return self.transport.endpoint

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self.transport.close()

    async def fetch_chain_id(self) -> ChainId:
        return await self._fetch(wire.decode_chain_id, "eth_chainId")

    async def fetch_head(self) -> BlockRef:
        return await self._fetch(wire.decode_block, "eth_getBlockByNumber", "latest", False)

    async def fetch_block(self, number: int) -> BlockRef | None:
        return await self._fetch(_or_none(wire.decode_block), "eth_getBlockByNumber", hex(number), False)

    async def fetch_blocks(self, numbers: Sequence[int]) -> list[BlockRef | None]:
        """Several blocks by number, None for those that are not there."""
        requests = [Request("eth_getBlockByNumber", [hex(number), False]) for number in numbers]
        return await self._fetch_many(_or_none(wire.decode_block), requests)

    async def fetch_block_by_hash(self, block_hash: Hash32) -> BlockRef | None:
        """That very block, canonical or not, None where the endpoint does not have it."""
        return await self._fetch(_or_none(wire.decode_block), "eth_getBlockByHash", wire.encode_data(block_hash), False)

    async def fetch_logs(
        self,
        addresses: Sequence[Address],
        from_block: int,
        to_block: int,
        topics: Sequence[Sequence[bytes] | None] = (),
    ) -> list[Log]:
        """All logs of those contracts in the range, both ends included, in chain order.

        Args:
            addresses: the contracts; none means an empty answer, not every contract of the chain.
            from_block: first block.
            to_block: last block.
            topics: at each place the values allowed there, or None for any.

        Raises:
            RetryLater: `chain.range_too_large` when the endpoint refuses a range of this size.
        """
        if not addresses:
            return []
        query: dict[str, Any] = {"address": list(addresses), "fromBlock": hex(from_block), "toBlock": hex(to_block)}
        if topics:
            query["topics"] = [place and [wire.encode_data(topic) for topic in place] for place in topics]
        logs = await self._fetch(lambda found: [wire.decode_log(log) for log in found], "eth_getLogs", query)
        return sorted(logs, key=lambda log: (log.block_number, log.log_index))

    async def fetch_code(self, address: Address) -> bytes:
        return await self._fetch(wire.decode_data, "eth_getCode", address, "latest")

    async def fetch_nonce(self, address: Address, at: Hash32 | None = None) -> int:
        """Transactions of that account that are in blocks, up to the head or to the block of hash `at`."""
        return await self._fetch(wire.decode_quantity, "eth_getTransactionCount", address, _name_block(at))

    async def fetch_pending_nonce(self, address: Address) -> int:
        """The next nonce of that account, those waiting in the endpoint's pool counted too."""
        return await self._fetch(wire.decode_quantity, "eth_getTransactionCount", address, "pending")

    async def fetch_balance(self, address: Address) -> Wei:
        return Wei(await self._fetch(wire.decode_quantity, "eth_getBalance", address, "latest"))

    async def fetch_transaction(self, tx_hash: TxHash) -> wire.MinedTransaction | None:
        """The transaction of that hash, in a block or in the pool."""
        return await self._fetch(
            _or_none(wire.decode_transaction), "eth_getTransactionByHash", wire.encode_data(tx_hash)
        )

    async def call(self, call: Call, at: Hash32 | None = None) -> bytes:
        return await self._fetch(wire.decode_data, "eth_call", wire.encode_call(call), _name_block(at))

    async def call_many(self, calls: Sequence[Call], at: Hash32 | None = None) -> list[bytes | InfernetError]:
        place = _name_block(at)
        results = await self.transport.request_many([Request("eth_call", [wire.encode_call(c), place]) for c in calls])
        return [self._decode_or_error(wire.decode_data, "eth_call", result) for result in results]

    async def estimate_gas(self, call: Call) -> int:
        return await self._fetch(wire.decode_quantity, "eth_estimateGas", wire.encode_call(call))

    async def estimate_deployment(self, data: bytes, sender: Address) -> int:
        """The gas that a deployment needs."""
        return await self._fetch(
            wire.decode_quantity, "eth_estimateGas", {"data": wire.encode_data(data), "from": sender}
        )

    async def submit_many(self, raws: Sequence[bytes]) -> list[InfernetError | None]:
        """Broadcast signed transactions, each sent once. One that the endpoint already knows counts as accepted."""
        requests = [Request("eth_sendRawTransaction", [wire.encode_data(raw)]) for raw in raws]
        results = await self.transport.request_many(requests)
        return [
            result if isinstance(result, InfernetError) and result.code != ALREADY_KNOWN else None for result in results
        ]

    async def fetch_receipts(self, hashes: Sequence[TxHash]) -> list[Receipt | None]:
        requests = [Request("eth_getTransactionReceipt", [wire.encode_data(tx_hash)]) for tx_hash in hashes]
        return await self._fetch_many(_or_none(wire.decode_receipt), requests)

    async def _fetch(self, decode: Callable[[Any], T], method: str, *params: Any) -> T:
        return self._decode(decode, method, await self.transport.request(method, *params))

    async def _fetch_many(self, decode: Callable[[Any], T], requests: Sequence[Request]) -> list[T]:
        results = await self.transport.request_many(requests)
        for result in results:
            if isinstance(result, InfernetError):
                raise result
        return [self._decode(decode, request.method, result) for request, result in zip(requests, results, strict=True)]

    def _decode_or_error(self, decode: Callable[[Any], T], method: str, result: Any) -> T | InfernetError:
        try:
            return result if isinstance(result, InfernetError) else self._decode(decode, method, result)
        except InfernetError as error:
            return error

    def _decode(self, decode: Callable[[Any], T], method: str, result: Any) -> T:
        try:
            return decode(result)
        except (KeyError, TypeError, ValueError, AttributeError, InvalidInput) as error:
            raise bad_answer(self.endpoint, f"a malformed {method} result ({error})") from error


def _name_block(at: Hash32 | None) -> str | dict[str, str]:
    """EIP-1898: a state is named by its block's hash, so that a reorg cannot change what was read."""
    return "latest" if at is None else {"blockHash": wire.encode_data(at)}


def _or_none(decode: Callable[[Any], T]) -> Callable[[Any], T | None]:
    return lambda found: None if found is None else decode(found)
