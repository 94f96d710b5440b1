"""What only this chain has."""

from __future__ import annotations

from infernet.vm.block import Block
from infernet.vm.rpc.client import Client
from infernet.vm.rpc.errors import refuse
from infernet.vm.rpc.format import Json, format_record
from infernet.vm.rpc.methods.params import BLOCK
from infernet.vm.rpc.table import Methods, Param
from infernet.vm.rpc.values import BlockId, decode_data, decode_uint64, encode_data, encode_quantity
from infernet.vm.seals import SealInvalid

MAX_EXPORTED = 64
MAX_EXPORT_BYTES = 10 * 2**20

methods = Methods()


@methods.add("infernet_getSpcRecords", BLOCK)
def get_spc_records(client: Client, block: BlockId) -> list[Json]:
    """The calls of stateful precompiles in a block, in the order of execution."""
    return [format_record(record) for record in _find(client, block).records]


@methods.add("infernet_exportBlock", BLOCK)
def export_block(client: Client, block: BlockId) -> str:
    """A block with its records, as a follower takes it."""
    number = _find(client, block).number
    return encode_data(next(iter(client.chain.export(number, number))))


@methods.add("infernet_exportBlocks", Param("first block", decode_uint64), Param("count", decode_uint64))
def export_blocks(client: Client, first: int, count: int) -> list[str]:
    """Blocks from the first on: as many as there are and one answer carries, none where it is not there yet."""
    found: list[str] = []
    size_bytes = 0
    for encoded in client.chain.export(first, first + min(count, MAX_EXPORTED) - 1):
        size_bytes += len(encoded)
        if found and size_bytes > MAX_EXPORT_BYTES:
            break
        found.append(encode_data(encoded))
    return found


@methods.add("infernet_getSeals", BLOCK)
def get_seals(client: Client, block_id: BlockId) -> Json:
    """Who has sealed a block: its producer, and of the layer's witnesses those who did."""
    block, book = _find(client, block_id), client.chain.seals
    seals = book.read(block.number)
    return {
        "number": encode_quantity(block.number),
        "hash": encode_data(block.hash),
        "producer": encode_data(book.producer),
        "threshold": encode_quantity(book.threshold),
        "hasQuorum": book.has_quorum(seals),
        "seals": [{"signer": encode_data(signer), "seal": encode_data(seal)} for signer, seal in seals.items()],
    }


@methods.add("infernet_addSeal", BLOCK, Param("seal", decode_data))
def add_seal(client: Client, block_id: BlockId, seal: bytes) -> str:
    """Take a witness's seal of a block; the answer is the witness."""
    block, book = _find(client, block_id), client.chain.seals
    try:
        signer = book.recover(block, seal)
    except SealInvalid as error:
        raise refuse(error.message) from None
    book.add(block, {signer: seal})
    return encode_data(signer)


@methods.add("infernet_sealStatus")
def get_seal_status(client: Client) -> Json:
    """How far a quorum has sealed the chain, how far this node has it, and how far it exists as far as it was told."""
    chain = client.chain
    return {
        "sealed": encode_quantity(chain.seals.sealed),
        "head": encode_quantity(chain.head.number),
        "produced": encode_quantity(max(chain.head.number, chain.seals.produced)),
        "threshold": encode_quantity(chain.seals.threshold),
        "witnesses": [encode_data(address) for address in chain.seals.witnesses],
    }


def _find(client: Client, block_id: BlockId) -> Block:
    block = None if block_id == "pending" else client.find_block(block_id)
    if block is None:
        raise refuse("header not found")
    return block
