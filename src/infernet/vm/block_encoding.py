"""The bytes of blocks, headers, receipts and records."""

from __future__ import annotations

from collections.abc import Sequence

from infernet.protocol.hashing import keccak
from infernet.vm.block import Block, Header, Outcome, SpcRecord
from infernet.vm.rlp import Item, RlpError, decode, decode_int, encode, encode_int
from infernet.vm.transaction import decode_transaction


def encode_receipt(
    kind: int,
    succeeded: bool,
    cumulative_gas_used: int,
    bloom: bytes,
    logs: Sequence[tuple[bytes, Sequence[bytes], bytes]],
) -> bytes:
    """As it stands in the receipts' trie (EIP-2718); logs are (address, topics, data)."""
    entries: list[Item] = [[address, list(topics), data] for address, topics, data in logs]
    body = encode([b"\x01" if succeeded else b"", encode_int(cumulative_gas_used), bloom, entries])
    return bytes((kind,)) + body if kind else body


def decode_header(data: bytes) -> Header:
    """
    Raises:
        RlpError: it is no header.
    """
    items = decode(data)
    fields = list(Header.__dataclass_fields__.values())
    if isinstance(items, bytes) or len(items) != len(fields):
        raise RlpError("a header of another shape")
    values = [
        decode_int(item) if field.type == "int" else _read_bytes(item)
        for field, item in zip(fields, items, strict=True)
    ]
    return Header(*values)  # type: ignore[arg-type]  # by the fields' own types


def encode_block(block: Block, seals: Sequence[bytes]) -> bytes:
    """Everything that another node needs to execute it, and who answers for it: the producer's seal first."""
    transactions = [transaction.raw for transaction in block.transactions]
    return encode([block.header.rlp, transactions, encode_records(block.records), list(seals)])


def decode_block(data: bytes, chain_id: int) -> tuple[Block, tuple[bytes, ...]]:
    """A block and its seals, which nobody has checked.

    Raises:
        RlpError: it is no block.
        TransactionInvalid: one of its transactions is none, or none of this chain.
    """
    items = decode(data)
    if isinstance(items, bytes) or len(items) != 4 or isinstance(items[1], bytes) or isinstance(items[3], bytes):
        raise RlpError("a block of another shape")
    transactions = tuple(decode_transaction(_read_bytes(raw), chain_id) for raw in items[1])
    block = Block(decode_header(_read_bytes(items[0])), transactions, decode_records(_read_bytes(items[2])))
    return block, tuple(map(_read_bytes, items[3]))


def compute_records_hash(records: Sequence[SpcRecord]) -> bytes:
    """What `extra_data` holds."""
    return keccak(encode_records(records)) if records else b""


def encode_records(records: Sequence[SpcRecord]) -> bytes:
    return encode([_record_fields(record) for record in records])


def decode_records(data: bytes) -> tuple[SpcRecord, ...]:
    """
    Raises:
        RlpError: it is no list of records.
    """
    items = decode(data)
    if isinstance(items, bytes):
        raise RlpError("bytes where a list of records belongs")
    return tuple(map(_read_record, items))


def _record_fields(record: SpcRecord) -> list[Item]:
    numbers = [encode_int(value) for value in (record.outcome, record.gas, record.compute_us)]
    return [encode_int(record.tx_index), record.spc, record.caller, record.input, record.output, *numbers]


def _read_record(item: Item) -> SpcRecord:
    if isinstance(item, bytes) or len(item) != 8:
        raise RlpError("a record of another shape")
    tx_index, outcome, gas, compute_us = (decode_int(item[at]) for at in (0, 5, 6, 7))
    spc, caller, data, output = (_read_bytes(item[at]) for at in (1, 2, 3, 4))
    if outcome not in list(Outcome):
        raise RlpError("a record of no known outcome")
    return SpcRecord(tx_index, spc, caller, data, output, Outcome(outcome), gas, compute_us)


def _read_bytes(item: Item) -> bytes:
    if not isinstance(item, bytes):
        raise RlpError("a list where bytes belong")
    return item
