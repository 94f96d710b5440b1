"""How an event stands in a log: which fields are topics, which are data, each with its ABI type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from infernet.protocol.abi_codec import decode_abi, malformed
from infernet.protocol.hashing import keccak
from infernet.types import Address, Hash32, Log, TxHash


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    """Where an event stands in the chain. `coordinator` is the contract that emitted it."""

    coordinator: Address
    block_number: int
    block_hash: Hash32
    tx_hash: TxHash
    log_index: int


E = TypeVar("E", bound=LoggedEvent)


class EventCodec(Generic[E]):
    """The layout of one event. The event has the name of its class."""

    def __init__(self, build: type[E], indexed: dict[str, str], data: dict[str, str]) -> None:
        self.build = build
        self.indexed = indexed
        self.data = data
        self.signature = f"{build.__name__}({','.join([*indexed.values(), *data.values()])})"
        self.topic = keccak(self.signature.encode())

    def decode_values(self, log: Log) -> dict[str, Any]:
        """The fields of a log whose first topic is this one's.

        Raises:
            InvalidInput: `abi.malformed`: the topics or the data do not fit the layout.
        """
        topics = log.topics[1:]
        if len(topics) != len(self.indexed) or any(len(topic) != 32 for topic in topics):
            raise malformed(f"{self.signature} has {len(self.indexed)} indexed fields of 32 bytes")
        values = dict(zip(self.indexed, decode_abi([*self.indexed.values()], b"".join(topics)), strict=True))
        values.update(zip(self.data, decode_abi([*self.data.values()], log.data), strict=True))
        return values

    def decode(self, log: Log) -> E:
        """The event of a log whose first topic is this one's. Raises as `decode_values` does."""
        return self.build_from(log, self.decode_values(log))

    def build_from(self, log: Log, values: dict[str, Any]) -> E:
        """The event of its fields, and of the place of its log."""
        return self.build(
            coordinator=log.address,
            block_number=log.block_number,
            block_hash=log.block_hash,
            tx_hash=log.tx_hash,
            log_index=log.log_index,
            **values,
        )
