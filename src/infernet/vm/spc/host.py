"""Runs stateful precompiles for an engine: which there are, what they answered, and answers that were given before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from time import perf_counter_ns
from typing import Protocol

import structlog
from eth_abi.abi import encode

from infernet.errors import NodeMisconfigured
from infernet.vm.block import Outcome, SpcRecord
from infernet.vm.fault import describe_fault
from infernet.vm.spc.call import Blobs, Spc, SpcCall, SpcOutOfGas, SpcRevert
from infernet.vm.spc.outside import Outside, Remembered

_ERROR_SELECTOR = bytes.fromhex("08c379a0")
_MACHINE_FAULTS = (OSError, MemoryError, sqlite3.Error)
"""What one machine fails with and another does not: no answer of a chain."""
log = structlog.get_logger()


class RecordMismatch(Exception):
    """A call that is not the one which the block's records have at this place, or another answer to it."""


class Answers(Protocol):
    """What recorded precompiles answer, when they are not run."""

    def take(self, spc: bytes, caller: bytes, data: bytes) -> SpcRecord | None:
        """The answer to give, None to run the precompile."""
        ...

    def check(self, record: SpcRecord) -> None:
        """A call ended so.

        Raises:
            RecordMismatch: it should not have.
        """
        ...


class Live:
    """A producer's: everything is run."""

    def take(self, spc: bytes, caller: bytes, data: bytes) -> SpcRecord | None:
        return None

    def check(self, record: SpcRecord) -> None: ...


class Unanswered:
    """Of what is only looked at: recorded precompiles are not run, and revert."""

    def take(self, spc: bytes, caller: bytes, data: bytes) -> SpcRecord | None:
        output = encode_error("recorded precompiles are not run here: send a transaction")
        return SpcRecord(0, spc, caller, data, output, Outcome.REVERTED, 0, 0)

    def check(self, record: SpcRecord) -> None: ...


class Replayed:
    """A follower's: the block's records, in their order. Every call must be the one that was recorded."""

    def __init__(self, records: Sequence[SpcRecord]) -> None:
        self._records = records
        self._next = 0

    def take(self, spc: bytes, caller: bytes, data: bytes) -> SpcRecord | None:
        if self._next >= len(self._records):
            raise RecordMismatch(f"record {self._next} is missing: the block has {self._next}")
        return self._records[self._next]

    def check(self, record: SpcRecord) -> None:
        if self._next >= len(self._records):
            raise RecordMismatch(f"record {self._next} is missing: the block has {self._next}")
        given = self._records[self._next]
        for name in ("tx_index", "spc", "caller", "input", "outcome", "gas", "output"):
            ours, theirs = getattr(record, name), getattr(given, name)
            if ours != theirs:
                raise RecordMismatch(f"record {self._next}: {name} is {_show(theirs)}, re-executed it is {_show(ours)}")
        self._next += 1

    def finish(self) -> None:
        """
        Raises:
            RecordMismatch: more was recorded than was called.
        """
        if self._next != len(self._records):
            raise RecordMismatch(f"{len(self._records)} records, re-executed there are {self._next}")


class Overlay:
    """Blobs that are kept only if their block is: reads go through, writes stay here."""

    def __init__(self, below: Blobs) -> None:
        self.added: dict[bytes, bytes] = {}
        self._below = below

    def get(self, sha256: bytes) -> bytes:
        found = self.added.get(sha256)
        return self._below.get(sha256) if found is None else found

    def put(self, data: bytes) -> bytes:
        digest = sha256(data).digest()
        self.added[digest] = data
        return digest


class SpcHost:
    """The precompiles of one chain, for one block or one call.

    Attributes:
        records: every call so far, those of frames that reverted too.
        tx_index: of the transaction that runs.
        outside: who answers what it asks.
        blobs: what was put stays in `blobs.added`.
    """

    def __init__(
        self,
        spcs: Mapping[bytes, Spc],
        blobs: Blobs,
        answers: Answers | None = None,
        outside: Outside | None = None,
    ) -> None:
        self._spcs = spcs
        self.outside: Outside = Remembered() if outside is None else outside
        self._answers: Answers = Live() if answers is None else answers
        self.blobs = Overlay(blobs)
        self.records: list[SpcRecord] = []
        self.tx_index = 0

    @property
    def addresses(self) -> Iterable[bytes]:
        return self._spcs.keys()

    def find(self, address: bytes) -> Spc | None:
        """None where this chain has no such precompile."""
        return self._spcs.get(address)

    def run(self, spc: Spc, address: bytes, caller: bytes, call: SpcCall) -> SpcRecord:
        """Answer one call and write it down. What it charged is charged.

        Raises:
            AnswerNeeded: the outside has not answered yet. Nothing is written down.
        """
        started, gas = perf_counter_ns(), call.gas_left
        given = self._answers.take(address, caller, call.data) if spc.recorded else None
        outcome, output = _run(spc, call) if given is None else _repeat(given, call)
        charged = gas if outcome is Outcome.OUT_OF_GAS else gas - call.gas_left
        compute_us = (perf_counter_ns() - started) // 1000
        record = SpcRecord(self.tx_index, address, caller, call.data, output, outcome, charged, compute_us)
        self._answers.check(record)
        self.records.append(record)
        return record


def encode_error(reason: str) -> bytes:
    """`Error(string)`, as Solidity's `revert("…")` gives it."""
    return _ERROR_SELECTOR + encode(["string"], [reason])


def _run(spc: Spc, call: SpcCall) -> tuple[Outcome, bytes]:
    try:
        return Outcome.OK, spc.run(call)
    except SpcRevert as error:
        return Outcome.REVERTED, encode_error(error.reason)
    except SpcOutOfGas:
        return Outcome.OUT_OF_GAS, b""
    except NodeMisconfigured:
        raise
    except Exception as error:  # a precompile that breaks must not take the chain with it
        log.error("spc.failed", name=spc.name, **describe_fault(error))
        if isinstance(error, _MACHINE_FAULTS) and not spc.recorded:
            message = f"{spc.name} lacked memory or disk here, and others compute it again: free some, and start again"
            raise NodeMisconfigured("vm.machine_failed", message) from error
        return Outcome.REVERTED, encode_error(f"{spc.name}: internal error")


def _repeat(given: SpcRecord, call: SpcCall) -> tuple[Outcome, bytes]:
    try:
        call.charge(given.gas)
    except SpcOutOfGas:
        return Outcome.OUT_OF_GAS, b""
    return given.outcome, given.output


def _show(value: object) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
