"""Types and functions of the contract ABI. A value that does not fit is refused by the name of its field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from eth_utils.types import is_integer

from infernet.errors import InvalidInput
from infernet.protocol.abi_codec import decode_abi, encode_abi, malformed
from infernet.protocol.hashing import keccak, to_address


@dataclass(frozen=True, slots=True)
class AbiType:
    """A type by its canonical name, with the values that it takes; `wanted` says in an error what they are."""

    abi: str
    wanted: str
    takes: Callable[[Any], bool]
    code: str = "abi.out_of_range"

    def check(self, value: Any, name: str) -> None:
        """Refuse a value that does not fit.

        Raises:
            InvalidInput: `abi.out_of_range`, `address.invalid`: it names the value by `name`.
        """
        if not self.takes(value):
            raise InvalidInput(self.code, f"{name} is {value!r:.80}: it must be {self.wanted}", name=name)


@dataclass(frozen=True, slots=True)
class Uint(AbiType):
    """`uint<bits>` as an int."""

    bits: int = 256


Fields = Mapping[str, AbiType]


def check_fields(fields: Fields, values: Iterable[Any], prefix: str = "") -> None:
    """Check every value of a struct or call. Raises as `AbiType.check` does."""
    for (name, kind), value in zip(fields.items(), values, strict=True):
        kind.check(value, prefix + name)


def write_types(kinds: Iterable[AbiType]) -> str:
    """`(uint32,bytes)`, as signatures have it."""
    return f"({','.join(kind.abi for kind in kinds)})"


def build_struct(fields: Fields) -> AbiType:
    """The type of a struct, its values a tuple that was checked before."""
    return AbiType(write_types(fields.values()), "a tuple", lambda value: isinstance(value, tuple))


class Function:
    """An external function: its name, its arguments by name, and the types it returns, if any."""

    def __init__(self, name: str, inputs: Fields, *outputs: AbiType) -> None:
        self.name = name
        self.types = [kind.abi for kind in inputs.values()]
        self.returned_types = [kind.abi for kind in outputs]
        self.signature = name + write_types(inputs.values())
        self.selector = keccak(self.signature.encode())[:4]
        self._inputs = inputs

    def encode(self, *arguments: Any) -> bytes:
        """Calldata: selector and arguments, structs as tuples.

        Raises:
            InvalidInput: `abi.out_of_range`, `address.invalid`: an argument does not fit its type.
        """
        check_fields(self._inputs, arguments)
        return self.selector + encode_abi(self.types, arguments)

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """The arguments of a call to this function.

        Raises:
            InvalidInput: `abi.malformed`: another function's calldata, or arguments that do not decode.
        """
        if data[:4] != self.selector:
            raise malformed(f"the calldata of {self.name} begin with 0x{self.selector.hex()}, not 0x{data[:4].hex()}")
        return decode_abi(self.types, data[4:])

    def decode_returned(self, returned: bytes) -> Any:
        """The one value that the function returned. Raises as `decode_all`."""
        (value,) = self.decode_all(returned)
        return value

    def decode_all(self, returned: bytes) -> tuple[Any, ...]:
        """The values that the function returned.

        Raises:
            InvalidInput: `abi.malformed`: nothing was returned, or something that does not decode.
        """
        if not returned:
            raise malformed(f"{self.name} returned nothing, so there is no contract with it at that address")
        return decode_abi(self.returned_types, returned)


def _build_uint(bits: int) -> Uint:
    limit = 1 << bits
    wanted = f"an integer from 0 to 2**{bits} - 1"
    return Uint(f"uint{bits}", wanted, lambda value: is_integer(value) and 0 <= value < limit, bits=bits)


def _is_checksummed(value: Any) -> bool:
    try:
        return isinstance(value, str) and to_address(value) == value
    except InvalidInput:
        return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.encode(errors="replace").decode() == value


UINT8, UINT16, UINT32, UINT40, UINT48, UINT96, UINT128, UINT256 = map(_build_uint, (8, 16, 32, 40, 48, 96, 128, 256))
BYTES32 = AbiType("bytes32", "32 bytes", lambda value: isinstance(value, bytes) and len(value) == 32)
BYTES = AbiType("bytes", "bytes", lambda value: isinstance(value, bytes))
STRING = AbiType("string", "a string that can be written as UTF-8", _is_text)
ADDRESS = AbiType("address", "a checksummed address: make one with to_address", _is_checksummed, "address.invalid")
