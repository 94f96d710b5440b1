"""Calls of one precompile by the declarations of its functions, as a contract would make them."""

from __future__ import annotations

import re
from typing import Any

from eth_abi import decode, encode
from eth_abi.grammar import parse
from eth_utils import keccak

from infernet.testing.spc_call import MemoryCall
from infernet.types import Address
from infernet.vm.spc.call import Spc

OWNER = Address("0x52908400098527886E0F7030069857D2E4169EE7")
STRANGER = Address("0x8617E340B3D01FA5F11F306F4090FD50E238070D")


class Harness:
    """One precompile with state of its own."""

    def __init__(self, spc: Spc, interface: str) -> None:
        self.spc = spc
        self.state = MemoryCall(address=spc.address, caller=OWNER)
        self.gas_used = 0
        self._types = {}
        for name, inputs, outputs in re.findall(r"(\w+)(\(\S*\)) -> (\(\S*\))", interface):
            self._types[name] = (name + inputs, split(inputs), split(outputs))

    def call(self, function: str, *arguments: Any, caller: Address = OWNER, **options: Any) -> Any:
        """What the function returns: one value, or a tuple of them."""
        signature, inputs, outputs = self._types[function]
        return self.send(keccak(text=signature)[:4] + encode(inputs, arguments), outputs, caller=caller, **options)

    def send(self, data: bytes, outputs: list[str], **options: Any) -> Any:
        """The same for calldata as they are."""
        call = self.state.next(data, **options)
        gas = call.gas_left
        try:
            returned = self.spc.run(call)
        finally:
            self.gas_used = gas - call.gas_left
        values = decode(outputs, returned)
        return values[0] if len(values) == 1 else values


def split(types: str) -> list[str]:
    return [] if types == "()" else [one.to_type_str() for one in parse(types).components]
