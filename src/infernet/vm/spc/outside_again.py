"""Asking the outside a second time, for a witness: does it say what the block's records say?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from infernet.errors import InvalidInput
from infernet.protocol.abi_codec import decode_abi
from infernet.protocol.hashing import keccak
from infernet.types import Address
from infernet.vm.block import SpcRecord
from infernet.vm.spc.addresses import HTTP, LLM, RAG
from infernet.vm.spc.call import Blobs, BlockContext, Spc, SpcCall, SpcOutOfGas, SpcRevert
from infernet.vm.spc.host import Answers, SpcHost
from infernet.vm.spc.outside import Outside, Question, Remembered

_SHOWN_BYTES = 160


@dataclass(frozen=True, slots=True)
class Difference:
    """A recorded answer that this node was not given.

    Attributes:
        record: its place in the block.
        asked: the host or the model that was asked, as far as the call names one.
    """

    record: int
    spc: str
    asked: str
    theirs: SpcRecord
    ours: SpcRecord

    def describe(self) -> dict[str, object]:
        """Its facts for a log."""
        facts = {"record": self.record, "precompile": self.spc, "asked": self.asked}
        return facts | {"block_says": _show(self.theirs), "here": _show(self.ours)}


class AskingHost(SpcHost):
    """Replays a block's records, and asks beside each that was recorded.

    Attributes:
        differences: so far.
    """

    def __init__(self, spcs: Mapping[bytes, Spc], blobs: Blobs, answers: Answers) -> None:
        super().__init__(spcs, blobs, answers)
        self.differences: list[Difference] = []
        self._asked_in = -1

    def run(self, spc: Spc, address: bytes, caller: bytes, call: SpcCall) -> SpcRecord:
        """As `SpcHost.run`."""
        if self.tx_index != self._asked_in:  # a transaction is answered the same question once, as at the producer
            self._asked_in, self.outside = self.tx_index, Remembered()
        ours = ask_again(spc, address, caller, call, self.outside) if spc.recorded else None
        theirs = super().run(spc, address, caller, call)
        if ours is not None and _essence(ours) != _essence(theirs):
            asked = name_asked(theirs)
            self.differences.append(Difference(len(self.records) - 1, spc.name, asked, theirs, ours))
        return theirs


def ask_again(spc: Spc, address: bytes, caller: bytes, call: SpcCall, outside: Outside) -> SpcRecord:
    """What the call is answered now. It leaves no trace in the call."""
    return SpcHost({address: spc}, call.blobs).run(spc, address, caller, _Aside(call, outside))


def name_asked(record: SpcRecord) -> str:
    """The host of an HTTP request, or the language model's name; empty where the call holds none."""
    found = _ARGUMENTS.get((record.spc, record.input[:4]))
    if found is None:
        return ""
    types, place = found
    try:
        name = str(decode_abi(types, record.input[4:])[place])
        return urlsplit(name).netloc.rpartition("@")[2] if record.spc == _HTTP else name
    except (InvalidInput, ValueError):
        return ""


class _Aside:
    """A call as it stands, on a gas counter of its own; it changes nothing."""

    def __init__(self, call: SpcCall, outside: Outside) -> None:
        self._call, self._outside = call, outside
        self.gas_left = call.gas_left

    @property
    def address(self) -> Address:
        return self._call.address

    @property
    def caller(self) -> Address:
        return self._call.caller

    @property
    def data(self) -> bytes:
        return self._call.data

    @property
    def is_static(self) -> bool:
        return self._call.is_static

    @property
    def block(self) -> BlockContext:
        return self._call.block

    @property
    def blobs(self) -> Blobs:
        return self._call.blobs

    def ask(self, question: Question) -> bytes:
        return self._outside.ask(question)

    def charge(self, gas: int) -> None:
        if gas > self.gas_left:
            raise SpcOutOfGas
        self.gas_left -= gas

    def load(self, slot: bytes) -> bytes:
        return self._call.load(slot)

    def load_from(self, address: Address, slot: bytes) -> bytes:
        return self._call.load_from(address, slot)

    def store(self, slot: bytes, word: bytes) -> None:
        raise SpcRevert("what is recorded keeps nothing")


def _essence(record: SpcRecord) -> tuple[object, ...]:
    return record.outcome, record.output, record.gas


def _show(record: SpcRecord) -> str:
    data = record.output.hex()
    cut = data if len(data) <= 2 * _SHOWN_BYTES else f"{data[: 2 * _SHOWN_BYTES]}…"
    return f"{record.outcome.name.lower()}, {record.gas} gas, 0x{cut}"


def _describe(
    spc: Address, name: str, types: list[str], place: int
) -> tuple[tuple[bytes, bytes], tuple[list[str], int]]:
    selector = keccak(f"{name}({','.join(types)})".encode())[:4]
    return (bytes.fromhex(spc[2:]), selector), (types, place)


_HTTP = bytes.fromhex(HTTP[2:])
_ARGUMENTS = dict(
    (
        _describe(HTTP, "get", ["string"], 0),
        _describe(HTTP, "request", ["string", "string", "(string,string)[]", "bytes"], 1),
        _describe(LLM, "complete", ["string", "string", "uint32", "uint64"], 0),
        _describe(LLM, "chat", ["string", "(string,string)[]", "uint32", "uint64"], 0),
        _describe(RAG, "answer", ["bytes32", "bytes32", "string", "uint16", "string", "uint32"], 4),
    )
)
