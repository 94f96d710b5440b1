"""What the storage of the vector database says of a collection: two words, and one for each writer.

header      owner (20 bytes), dimension (2), metric (1), lists of its index (2), vectors (7)
root        of its tree of records
centroids   the blob of its index's centroids, where it has one
"""

from __future__ import annotations

from dataclasses import dataclass

from infernet.protocol.abi_codec import encode_abi
from infernet.protocol.hashing import keccak, to_address
from infernet.types import Address
from infernet.vm.spc.call import SpcRevert
from infernet.vm.spc.state import ZERO_WORD, SpcState, compute_slot
from infernet.vm.spc.vectors.metric import Metric


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as the storage has it."""

    id: bytes
    owner: Address
    dimension: int
    metric: Metric
    lists: int
    count: int
    root: bytes

    def encode_header(self) -> bytes:
        """The header's word."""
        numbers = ((self.dimension, 2), (self.metric, 1), (self.lists, 2), (self.count, 7))
        return bytes.fromhex(self.owner[2:]) + b"".join(number.to_bytes(size, "big") for number, size in numbers)


def compute_collection_id(owner: Address, name: str) -> bytes:
    """`keccak256(abi.encode(owner, name))`."""
    return keccak(encode_abi(["address", "string"], [owner, name]))


def exists(state: SpcState, collection: bytes) -> bool:
    """Whether it was created."""
    return state.read(_header(collection)) != ZERO_WORD


def read_collection(state: SpcState, collection: bytes) -> Collection:
    """Raises `SpcRevert` where there is none of that id."""
    header = state.read(_header(collection))
    if header == ZERO_WORD:
        raise SpcRevert(f"no collection 0x{collection.hex()}")
    numbers = (int.from_bytes(header[start:end], "big") for start, end in ((20, 22), (22, 23), (23, 25), (25, 32)))
    dimension, metric, lists, count = numbers
    owner, root = to_address(header[:20]), state.read(compute_slot("root", collection))
    return Collection(collection, owner, dimension, Metric(metric), lists, count, root)


def write_collection(state: SpcState, collection: Collection) -> None:
    """Header and root."""
    state.write(_header(collection.id), collection.encode_header())
    state.write(compute_slot("root", collection.id), collection.root)


def read_centroids_hash(state: SpcState, collection: Collection) -> bytes:
    """Of the index's centroids; zero where it has no index."""
    return state.read(compute_slot("centroids", collection.id)) if collection.lists else ZERO_WORD


def write_centroids_hash(state: SpcState, collection: bytes, sha256: bytes) -> None:
    """Point to other centroids."""
    state.write(compute_slot("centroids", collection), sha256)


def is_writer(state: SpcState, collection: Collection, account: Address) -> bool:
    """The owner, and those that it lets write."""
    return account == collection.owner or state.read(_writer(collection.id, account)) != ZERO_WORD


def write_writer(state: SpcState, collection: bytes, account: Address, *, allowed: bool) -> None:
    """Let an account write, or no longer."""
    state.write(_writer(collection, account), int(allowed).to_bytes(32, "big"))


def _header(collection: bytes) -> bytes:
    return compute_slot("collection", collection)


def _writer(collection: bytes, account: Address) -> bytes:
    return compute_slot("writer", collection, bytes.fromhex(account[2:]))
