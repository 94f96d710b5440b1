"""Revert data to words: `Error(string)`, `Panic(uint256)` and the custom errors of the contracts we know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from infernet.chain.abi import AbiItem, format_value
from infernet.chain.artifacts import list_artifacts, load_artifact
from infernet.errors import InvalidInput, JobRejected
from infernet.protocol.abi_codec import decode_abi
from infernet.protocol.hashing import keccak

_PANICS = {
    0x01: "assertion failed",
    0x11: "arithmetic overflow or underflow",
    0x12: "division by zero",
    0x21: "value out of an enum's range",
    0x22: "storage byte array wrongly encoded",
    0x31: "pop of an empty array",
    0x32: "array index out of bounds",
    0x41: "too much memory asked for",
    0x51: "call of an uninitialised function",
}
_MAX_NESTING = 4
_STRING_HEAD_BYTES = 64


@dataclass(frozen=True, slots=True)
class Revert:
    """Decoded revert data.

    Attributes:
        name: the error's name; `Empty` where nothing was said, `Unknown` for a selector of no ABI we hold.
        text: the error with its values, for a person.
        values: by parameter name.
        inner: the error inside a `bytes` value, as `CallbackFailed(bytes reason)` carries the consumer's.
    """

    name: str
    text: str
    values: Mapping[str, Any]
    inner: Revert | None = None


ErrorTable = Mapping[bytes, AbiItem]


def build_error_table(abi: Iterable[AbiItem]) -> ErrorTable:
    """The custom errors of an ABI by selector."""
    return {keccak(item.signature.encode())[:4]: item for item in abi if item.kind == "error"}


@cache
def known_errors() -> ErrorTable:
    """The custom errors of every contract that ships with this package."""
    return {selector: item for name in list_artifacts() for selector, item in load_artifact(name).errors.items()}


def decode_revert(data: bytes, errors: ErrorTable | None = None, _depth: int = 0) -> Revert:
    """Read revert data. Never raises: what cannot be read is `Unknown` with its bytes."""
    if not data:
        return Revert("Empty", "reverted without a reason", {})
    selector, body = data[:4], data[4:]
    if selector == b"\x08\xc3\x79\xa0":
        return _decode_builtin("Error", "string", body, data)
    if selector == b"\x4e\x48\x7b\x71":
        return _decode_builtin("Panic", "uint256", body, data)
    item = {**known_errors(), **(errors or {})}.get(selector)
    if item is None:
        return _unknown(data)
    try:
        values = decode_abi(item.input_types, body)
    except InvalidInput:
        return _unknown(data)
    inner = _decode_inner(item, values, errors, _depth)
    shown = ", ".join(
        f"{name or index}={inner.text if inner and kind == 'bytes' else format_value(value)}"
        for index, (name, kind, value) in enumerate(zip(item.input_names, item.input_types, values, strict=True))
    )
    return Revert(item.name, f"{item.name}({shown})", dict(zip(item.input_names, values, strict=True)), inner)


def build_revert_error(data: bytes, said: str = "", errors: ErrorTable | None = None) -> JobRejected:
    """`JobRejected` with code `revert.<ErrorName>`. `said`: the endpoint's own words, used where there is no data."""
    revert = decode_revert(data, errors)
    text = revert.text
    if revert.name == "Empty" and said.lower().removeprefix("execution reverted").strip(": "):
        text = said
    fields: dict[str, object] = {"values": dict(revert.values), "data": data}
    if revert.inner is not None:
        fields["inner"] = revert.inner.name
    return JobRejected(f"revert.{revert.name}", f"the call reverted: {text}", **fields)


def _decode_builtin(name: str, kind: str, body: bytes, data: bytes) -> Revert:
    try:
        (value,) = decode_abi((kind,), body)
    except InvalidInput:
        if name == "Error" and len(body) > _STRING_HEAD_BYTES:  # cut off, as the Coordinator cuts a long reason
            text = body[_STRING_HEAD_BYTES:].decode("utf-8", "ignore") + "…"
            return Revert(name, f"Error({format_value(text)})", {"message": text})
        return _unknown(data)
    if name == "Panic":
        return Revert(name, f"Panic(0x{value:02x}: {_PANICS.get(value, 'unknown code')})", {"code": value})
    return Revert(name, f"Error({format_value(value)})", {"message": value})


def _decode_inner(item: AbiItem, values: tuple[Any, ...], errors: ErrorTable | None, depth: int) -> Revert | None:
    for kind, value in zip(item.input_types, values, strict=True):
        if kind == "bytes" and depth < _MAX_NESTING:
            return decode_revert(value, errors, depth + 1)
    return None


def _unknown(data: bytes) -> Revert:
    return Revert("Unknown", f"unknown error 0x{data[:4].hex()} ({len(data)} bytes)", {"data": data})
