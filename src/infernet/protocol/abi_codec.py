"""The contract ABI by `eth_abi`, with this house's addresses, texts and errors.

Its registry is eth_abi's with three decoders that do as contracts do. One thing it refuses that Solidity accepts: an
offset that points back into the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from eth_abi.codec import ABICodec
from eth_abi.decoding import AddressDecoder, ByteStringDecoder, ContextFramesBytesIO, StringDecoder, decode_uint_256
from eth_abi.exceptions import DecodingError, EncodingError, InsufficientDataBytes
from eth_abi.registry import BaseEquals, registry

from infernet.errors import InvalidInput
from infernet.protocol.hashing import to_address


class _Address(AddressDecoder):
    decoder_fn = staticmethod(to_address)  # type: ignore[assignment]


class _Bytes(ByteStringDecoder):
    """The padding is not looked at, as in Solidity; a length beyond the end is refused before anything is read."""

    def read_data_from_stream(self, stream: ContextFramesBytesIO) -> bytes:
        size_bytes: int = decode_uint_256(stream)
        if size_bytes > len(stream.getbuffer()) - stream.tell():
            raise InsufficientDataBytes("a value ends after the end of the data")
        return stream.read(size_bytes)


class _Text(_Bytes, StringDecoder):
    """Anybody can put bytes on the chain that are not UTF-8: they are read with U+FFFD in their place, so that one
    subscription cannot stop a reader. Its hash then differs from the container id, and no node serves it.
    """

    def __init__(self) -> None:
        StringDecoder.__init__(self, handle_string_errors="replace")


_REGISTRY = registry.copy()
for _matches, _decoder, _label in (
    (BaseEquals("address"), _Address, "address"),
    (BaseEquals("bytes", with_sub=False), _Bytes, "bytes"),
    (BaseEquals("string"), _Text, "string"),
):
    _REGISTRY.unregister_decoder(_label)
    _REGISTRY.register_decoder(_matches, _decoder, label=_label)
_CODEC = ABICodec(_REGISTRY)


def encode_abi(types: Sequence[str], values: Sequence[Any]) -> bytes:
    """`abi.encode` of the values, structs and arrays as tuples or lists.

    Raises:
        InvalidInput: `abi.out_of_range`: a value does not fit its type.
    """
    try:
        return _CODEC.encode(types, values)
    except (EncodingError, UnicodeEncodeError) as error:
        raise InvalidInput("abi.out_of_range", f"a value does not fit ({','.join(types)}): {error}") from error


def decode_abi(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """The inverse of `encode_abi`. Structs and arrays are tuples, addresses checksummed.

    Raises:
        InvalidInput: `abi.malformed`: the data end too early, or a word is out of its type's range.
    """
    try:
        return _CODEC.decode(types, data)
    except DecodingError as error:
        raise malformed(str(error)) from error


def split_dynamic(data: bytes, count: int) -> list[bytes]:
    """The encoding of `count` dynamic values, cut into encodings of one value each.

    The values must follow one another, as every encoder writes them: then no two share bytes, and what they decode to
    is never larger than the data, whatever offsets and lengths claim. Raises as `decode_abi` does.
    """
    ends = [*decode_abi(["uint256"] * count, data), len(data)]
    if ends[0] < 32 * count or ends != sorted(ends):
        raise malformed("the values overlap or lie outside of it")
    return [_ONE_OFFSET + data[start:end] for start, end in pairwise(ends)]


_ONE_OFFSET = encode_abi(["uint256"], [32])


def malformed(reason: str) -> InvalidInput:
    """The error for bytes that do not decode."""
    return InvalidInput("abi.malformed", f"the bytes are not valid ABI data: {reason}")
