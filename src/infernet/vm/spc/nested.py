"""One precompile asks another: a static call within a call, on the other's storage and the asker's gas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infernet.protocol.abi_codec import decode_abi, encode_abi
from infernet.protocol.hashing import keccak
from infernet.types import Address
from infernet.vm.spc.call import Blobs, BlockContext, Spc, SpcCall, SpcRevert
from infernet.vm.spc.outside import Question


@dataclass(frozen=True, slots=True)
class NestedCall:
    """What the other precompile sees. Its answer is a part of the asker's record and has none of its own."""

    outer: SpcCall
    address: Address
    data: bytes
    is_static: bool = True

    @property
    def caller(self) -> Address:
        return self.outer.address

    @property
    def block(self) -> BlockContext:
        return self.outer.block

    @property
    def gas_left(self) -> int:
        return self.outer.gas_left

    @property
    def blobs(self) -> Blobs:
        return self.outer.blobs

    def charge(self, gas: int) -> None:
        self.outer.charge(gas)

    def load(self, slot: bytes) -> bytes:
        return self.outer.load_from(self.address, slot)

    def load_from(self, address: Address, slot: bytes) -> bytes:
        return self.outer.load_from(address, slot)

    def store(self, slot: bytes, word: bytes) -> None:
        raise SpcRevert("a static call must not change state")

    def ask(self, question: Question) -> bytes:
        return self.outer.ask(question)


class View:
    """A view function of another precompile."""

    def __init__(self, spc: Spc, signature: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        self._spc = spc
        self._selector = keccak(signature.encode())[:4]
        self._inputs, self._outputs = inputs, outputs

    def call(self, outer: SpcCall, *arguments: Any) -> tuple[Any, ...]:
        """What it returns. Raises what it raises."""
        data = self._selector + encode_abi(self._inputs, arguments)
        return decode_abi(self._outputs, self._spc.run(NestedCall(outer, self._spc.address, data)))
