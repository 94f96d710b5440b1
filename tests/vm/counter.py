"""Precompiles for tests: one with a state, one that reads it, and how they are called."""

from __future__ import annotations

from typing import Any

from infernet.errors import NodeMisconfigured
from infernet.protocol.abi_codec import encode_abi
from infernet.protocol.hashing import keccak
from infernet.vm.spc.addresses import RAG, VECTOR_DATABASE
from infernet.vm.spc.call import SpcCall, SpcOutOfGas, SpcRevert
from infernet.vm.spc.dispatch import Methods
from infernet.vm.spc.prices import Prices

SLOT = bytes(32)


class Counter:
    """Keeps a sum in its storage, where the vector database stands."""

    address = VECTOR_DATABASE
    name = "counter"
    recorded = False

    def __init__(self) -> None:
        self.runs = 0
        self._methods = Methods(
            Prices(),
            {
                "add(uint256) returns (uint256)": self._add,
                "total() view returns (uint256)": lambda call: int.from_bytes(call.load(SLOT), "big"),
                "echo(bytes) view returns (bytes)": lambda _, data: data[::-1],
                "fail() view": self._fail,
                "burn() view": self._burn,
                "stop() view": self._stop,
            },
        )

    def run(self, call: SpcCall) -> bytes:
        self.runs += 1
        return self._methods.run(call)

    def _add(self, call: SpcCall, amount: int) -> int:
        total = int.from_bytes(call.load(SLOT), "big") + amount
        call.store(SLOT, total.to_bytes(32, "big"))
        return total

    def _fail(self, _: SpcCall) -> None:
        raise SpcRevert("it had to be")

    def _burn(self, call: SpcCall) -> None:
        raise SpcOutOfGas

    def _stop(self, _: SpcCall) -> None:
        raise NodeMisconfigured("test.stopped", "the precompile cannot go on")


class Mirror:
    """Reads the counter's storage, from where retrieve-and-generate stands."""

    address = RAG
    name = "mirror"
    recorded = True

    def run(self, call: SpcCall) -> bytes:
        return call.load_from(VECTOR_DATABASE, SLOT)


def encode(signature: str, *arguments: Any) -> bytes:
    types = [kind for kind in signature.partition("(")[2][:-1].split(",") if kind]
    return keccak(signature.encode())[:4] + encode_abi(types, arguments)


def number(value: int) -> bytes:
    return value.to_bytes(32, "big")


def add(amount: int) -> bytes:
    return encode("add(uint256)", amount)
