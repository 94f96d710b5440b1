"""From calldata to a method of a precompile, as a compiled contract does it.

    Methods(prices, {"infer(bytes32,bytes) view returns (bytes)": self._infer})

A method is given the call and its decoded arguments. It returns nothing, one value, or a tuple of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from eth_abi.grammar import parse

from infernet.errors import InvalidInput
from infernet.protocol.hashing import keccak
from infernet.vm.spc.abi import AbiTypes
from infernet.vm.spc.call import SpcCall, SpcRevert
from infernet.vm.spc.prices import Prices

_DECLARATION = re.compile(r"(?P<signature>\w+(?P<inputs>\(\S*\)))(?P<view> view)?(?: returns (?P<outputs>\(\S+\)))?")


@dataclass(frozen=True, slots=True)
class _Method:
    signature: str
    is_view: bool
    inputs: AbiTypes
    outputs: AbiTypes
    run: Callable[..., Any]


class Methods:
    """A precompile's functions by selector."""

    def __init__(self, prices: Prices, table: Mapping[str, Callable[..., Any]]) -> None:
        self._prices = prices
        self.declarations = tuple(table)
        methods = [_read_declaration(declaration, run) for declaration, run in table.items()]
        self._by_selector = {keccak(method.signature.encode())[:4]: method for method in methods}

    def run(self, call: SpcCall) -> bytes:
        """Decode, run, encode; charge for the call and its bytes.

        Raises:
            SpcRevert: no such function, calldata that are not the one encoding of its arguments, a function that
                changes state within a static call; and whatever the function raises.
            SpcOutOfGas: there is too little.
        """
        data, prices = call.data, self._prices
        call.charge(prices.call + prices.calldata_word * count_words(data))
        method = self._by_selector.get(data[:4])
        if method is None:
            raise SpcRevert("no such function")
        if call.is_static and not method.is_view:
            raise SpcRevert(f"{method.signature} changes state, which a static call must not")
        try:
            arguments = method.inputs.decode(data[4:])
        except InvalidInput as error:
            raise SpcRevert(f"{method.signature}: {error.message}") from error
        result = method.run(call, *arguments)
        if not len(method.outputs):
            return b""
        encoded = method.outputs.encode((result,) if len(method.outputs) == 1 else result)
        call.charge(prices.result_word * count_words(encoded))
        return encoded


def count_words(data: bytes) -> int:
    """Words of 32 bytes, the last one counted whole."""
    return (len(data) + 31) // 32


def _read_declaration(declaration: str, run: Callable[..., Any]) -> _Method:
    match = _DECLARATION.fullmatch(declaration)
    if match is None:
        raise ValueError(f"not a function: {declaration}")
    inputs, outputs = (AbiTypes(_split(match[side] or "()")) for side in ("inputs", "outputs"))
    return _Method(match["signature"], bool(match["view"]), inputs, outputs, run)


def _split(types: str) -> list[str]:
    return [] if types == "()" else [component.to_type_str() for component in parse(types).components]
