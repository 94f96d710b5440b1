"""The ModelRegistry's events, decoded."""

from __future__ import annotations

from dataclasses import dataclass

from infernet.protocol.event_codec import EventCodec, LoggedEvent
from infernet.types import Address, Hash32


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPublished(LoggedEvent):
    """A version exists from now on; this is the only place where its URI is written."""

    container_id: Hash32
    publisher: Address
    container: str
    manifest_hash: Hash32
    uri: str
    royalty_to: Address
    royalty_bps: int


VERSION_PUBLISHED = EventCodec(
    VersionPublished,
    indexed={"container_id": "bytes32", "publisher": "address"},
    data={
        "container": "string",
        "manifest_hash": "bytes32",
        "uri": "string",
        "royalty_to": "address",
        "royalty_bps": "uint16",
    },
)
