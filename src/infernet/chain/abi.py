"""A contract's ABI: encode calls, decode what comes back. Codecs are built once per signature."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from infernet.errors import InvalidInput, RetryLater
from infernet.protocol.abi_codec import decode_abi, encode_abi
from infernet.protocol.hashing import keccak

_SHOWN_LENGTH = 200


@dataclass(frozen=True, slots=True)
class AbiItem:
    """One function, constructor, error or event of an ABI, its tuple types written out."""

    kind: str
    name: str
    input_names: tuple[str, ...]
    input_types: tuple[str, ...]
    output_types: tuple[str, ...]

    @property
    def signature(self) -> str:
        return f"{self.name}({','.join(self.input_types)})"

    @property
    def selector(self) -> bytes:
        return keccak(self.signature.encode())[:4]


def parse_abi(entries: Iterable[Mapping[str, Any]]) -> tuple[AbiItem, ...]:
    """The items of an ABI in the compiler's JSON form."""
    return tuple(
        AbiItem(
            kind=entry["type"],
            name=entry.get("name", ""),
            input_names=tuple(value.get("name", "") for value in entry.get("inputs", ())),
            input_types=tuple(_write_type(value) for value in entry.get("inputs", ())),
            output_types=tuple(_write_type(value) for value in entry.get("outputs", ())),
        )
        for entry in entries
    )


@dataclass(frozen=True)
class ContractAbi:
    """A contract's ABI, ready to encode and decode."""

    name: str
    items: tuple[AbiItem, ...]

    @cached_property
    def _by_name(self) -> Mapping[str, tuple[AbiItem, ...]]:
        found: dict[str, list[AbiItem]] = {}
        for item in self.items:
            if item.kind == "function":
                found.setdefault(item.name, []).append(item)
                found.setdefault(item.signature, []).append(item)
        return {name: tuple(items) for name, items in found.items()}

    @cached_property
    def errors(self) -> Mapping[bytes, AbiItem]:
        """The custom errors by selector."""
        return {item.selector: item for item in self.items if item.kind == "error"}

    def find_function(self, name: str, argument_count: int) -> AbiItem:
        """The function of that name (or full signature) that takes so many arguments.

        Raises:
            InvalidInput: there is none, or several fit: then give the full signature.
        """
        named = self._by_name.get(name, ())
        fitting = [item for item in named if len(item.input_types) == argument_count]
        if len(fitting) == 1:
            return fitting[0]
        if not named:
            raise InvalidInput("abi.no_function", f"{self.name} has no function {name}: check the name against its ABI")
        choice = ", ".join(item.signature for item in (fitting or named))
        wrong = "is ambiguous: name one of" if fitting else f"takes no {argument_count} arguments, only"
        raise InvalidInput("abi.no_function", f"{self.name}.{name} {wrong} {choice}")

    def encode_constructor(self, arguments: Sequence[Any]) -> bytes:
        """The ABI-encoded constructor arguments, to stand behind the bytecode.

        Raises:
            InvalidInput: number or types of the arguments do not fit.
        """
        types = next((item.input_types for item in self.items if item.kind == "constructor"), ())
        return _encode_values(f"{self.name} constructor", types, arguments)

    def encode_call(self, function: str, arguments: Sequence[Any]) -> bytes:
        """Calldata for a function.

        Raises:
            InvalidInput: no such function, or the arguments do not fit.
        """
        item = self.find_function(function, len(arguments))
        return item.selector + _encode_values(f"{self.name}.{item.signature}", item.input_types, arguments)

    def decode_result(self, function: str, argument_count: int, data: bytes) -> Any:
        """A function's result: one value, or a tuple where it returns several. Addresses come checksummed.

        Raises:
            RetryLater: `chain.bad_answer`, the bytes are not what the ABI promises.
        """
        item = self.find_function(function, argument_count)
        try:
            values = decode_abi(item.output_types, data)
        except InvalidInput as error:
            what = "nothing" if not data else f"{len(data)} bytes that do not fit its ABI"
            raise RetryLater(
                "chain.bad_answer", f"{self.name}.{item.signature} returned {what}: is it that contract?"
            ) from error
        return values[0] if len(values) == 1 else values


def format_value(value: object) -> str:
    """A decoded value in one line for a person, shortened where it is long."""
    if isinstance(value, bytes):
        text = f"0x{value.hex()}"
    elif isinstance(value, str):
        text = value if value.startswith("0x") and value.isalnum() else repr(value)
    elif isinstance(value, tuple | list):
        text = f"({', '.join(map(format_value, value))})"
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"


def _encode_values(what: str, types: Sequence[str], values: Sequence[Any]) -> bytes:
    if len(types) != len(values):
        raise InvalidInput(
            "abi.arguments", f"{what} takes {len(types)} arguments ({', '.join(types)}), not {len(values)}"
        )
    try:
        return encode_abi(types, [_plain(value) for value in values])
    except (InvalidInput, TypeError, ValueError, OverflowError) as error:
        raise InvalidInput("abi.arguments", f"{what}: {' '.join(str(error).split())}") from error


def _plain(value: Any) -> Any:
    """Structs of ours know their tuple."""
    if hasattr(value, "as_tuple"):
        return _plain(value.as_tuple())
    return type(value)(map(_plain, value)) if type(value) in (tuple, list) else value


def _write_type(value: Mapping[str, Any]) -> str:
    kind: str = value["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_write_type(part) for part in value['components'])}){kind.removeprefix('tuple')}"
