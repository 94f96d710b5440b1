"""Blocks, transactions, receipts and logs on disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from infernet.errors import InvalidInput
from infernet.store.sqlite_file import Row
from infernet.vm.block import Block, LogEntry, Receipt
from infernet.vm.block_encoding import decode_header, decode_records, encode_records
from infernet.vm.database import Database
from infernet.vm.engine import Executed
from infernet.vm.receipts import build_receipts
from infernet.vm.request import CallLog
from infernet.vm.transaction import parse_transaction, with_sender

_LOG_COLUMNS = "l.address, topic0, topic1, topic2, topic3, data, l.block, b.hash, t.hash, l.tx_index, l.log_index"
_LOG_TABLES = (
    "logs l JOIN blocks b ON b.number = l.block JOIN transactions t ON t.block = l.block AND t.tx_index = l.tx_index"
)
_TOPICS = ("topic0", "topic1", "topic2", "topic3")
_MAX_VALUES = 30_000
"""Of one query's conditions, which SQLite bounds."""


class BlockTables:
    """What never changes once it is written, unless its block is taken back."""

    _db: Database

    def read_head_number(self) -> int | None:
        """None before the genesis block."""
        ((number,),) = self._db.execute("SELECT max(number) FROM blocks")
        return None if number is None else int(number)

    def read_block(self, number: int) -> Block | None:
        rows = self._db.execute("SELECT header, records FROM blocks WHERE number = ?", (number,))
        if not rows:
            return None
        header, records = rows[0]
        transactions = self._db.execute(
            "SELECT raw, sender FROM transactions WHERE block = ? ORDER BY tx_index", (number,)
        )
        return Block(
            decode_header(header),
            tuple(with_sender(parse_transaction(raw), sender) for raw, sender in transactions),
            decode_records(records) if records else (),
        )

    def read_timestamp(self, number: int) -> int:
        """Of a block that is there."""
        ((header,),) = self._db.execute("SELECT header FROM blocks WHERE number = ?", (number,))
        return decode_header(header).timestamp

    def find_block(self, block_hash: bytes) -> int | None:
        """Its number."""
        rows = self._db.execute("SELECT number FROM blocks WHERE hash = ?", (block_hash,))
        return rows[0][0] if rows else None

    def find_transaction(self, tx_hash: bytes) -> tuple[int, int] | None:
        """Block and index."""
        rows = self._db.execute("SELECT block, tx_index FROM transactions WHERE hash = ?", (tx_hash,))
        return (rows[0][0], rows[0][1]) if rows else None

    def read_hashes(self, below: int, count: int) -> list[bytes]:
        """Of the last so many blocks before this number, oldest first."""
        rows = self._db.execute(
            "SELECT hash FROM blocks WHERE number < ? AND number >= ? ORDER BY number", (below, below - count)
        )
        return [row[0] for row in rows]

    def read_receipts(self, block: Block) -> tuple[Receipt, ...]:
        rows = self._db.execute(
            "SELECT succeeded, gas_used FROM transactions WHERE block = ? ORDER BY tx_index", (block.number,)
        )
        logs: dict[int, list[CallLog]] = {}
        for log in self.read_logs(block.number, block.number, (), (), -1):
            logs.setdefault(log.tx_index, []).append(CallLog(log.address, log.topics, log.data))
        executed = [Executed(bool(ok), gas, tuple(logs.get(index, ()))) for index, (ok, gas) in enumerate(rows)]
        return build_receipts(block, executed)

    def read_logs(
        self, first: int, last: int, addresses: Sequence[bytes], topics: Sequence[Sequence[bytes]], limit: int
    ) -> list[LogEntry]:
        """In chain order; -1 is no limit.

        Raises:
            InvalidInput: `logs.filter_too_large`.
        """
        where, values = _choose_logs(first, last, addresses, topics)
        statement = f"SELECT {_LOG_COLUMNS} FROM {_LOG_TABLES} WHERE {where} ORDER BY l.block, l.log_index LIMIT ?"  # noqa: S608
        return [_build_log(row) for row in self._db.execute(statement, (*values, limit))]

    def measure_logs(
        self, first: int, last: int, addresses: Sequence[bytes], topics: Sequence[Sequence[bytes]], limit: int
    ) -> tuple[int, int]:
        """How many `read_logs` would read, and how many bytes of data they have together. Raises as that."""
        where, values = _choose_logs(first, last, addresses, topics)
        chosen = f"SELECT length(data) AS size FROM logs l WHERE {where} LIMIT ?"  # noqa: S608
        ((count, size),) = self._db.execute(f"SELECT count(*), total(size) FROM ({chosen})", (*values, limit))  # noqa: S608
        return count, int(size)

    def _write_block(self, block: Block, executed: Sequence[Executed], undo: bytes) -> None:
        records = encode_records(block.records) if block.records else b""
        self._db.execute(
            "INSERT INTO blocks VALUES (?, ?, ?, ?, ?)", (block.number, block.hash, block.header.rlp, records, undo)
        )
        self._db.execute_many(
            "INSERT INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (block.number, index, tx.hash, tx.sender, tx.raw, done.succeeded, done.gas_used)
                for index, (tx, done) in enumerate(zip(block.transactions, executed, strict=True))
            ),
        )
        logs = [(index, log) for index, done in enumerate(executed) for log in done.logs]
        self._db.execute_many(
            "INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (block.number, at, index, log.address, *(*log.topics, None, None, None, None)[:4], log.data)
                for at, (index, log) in enumerate(logs)
            ),
        )

    def _delete_blocks(self, above: int) -> None:
        for table, column in (("blocks", "number"), ("transactions", "block"), ("logs", "block")):
            self._db.execute(f"DELETE FROM {table} WHERE {column} > ?", (above,))  # noqa: S608


def _build_log(row: Row) -> LogEntry:
    address, topic0, topic1, topic2, topic3, data, number, block_hash, tx_hash, tx_index, log_index = row
    topics = tuple(topic for topic in (topic0, topic1, topic2, topic3) if topic is not None)
    return LogEntry(address, topics, data, number, block_hash, tx_hash, tx_index, log_index)


def _choose_logs(
    first: int, last: int, addresses: Sequence[bytes], topics: Sequence[Sequence[bytes]]
) -> tuple[str, list[Any]]:
    """A condition and its values."""
    conditions, values = ["l.block BETWEEN ? AND ?"], list[Any]([first, last])
    for column, wanted in zip(("l.address", *_TOPICS), (addresses, *topics), strict=False):
        if wanted:
            conditions.append(f"{column} IN ({','.join('?' * len(wanted))})")
            values += wanted
    if topics:  # a filter of n topics wants n at least, whatever they are
        conditions.append(f"{_TOPICS[len(topics) - 1]} IS NOT NULL" if len(topics) <= len(_TOPICS) else "FALSE")
    if len(values) > _MAX_VALUES:
        raise InvalidInput("logs.filter_too_large", f"a filter names at most {_MAX_VALUES} addresses and topics")
    return " AND ".join(conditions), values
