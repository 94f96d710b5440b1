"""Hashes, addresses and the names of containers."""

from __future__ import annotations

from functools import lru_cache

from eth_abi.abi import encode
from eth_hash.auto import keccak as _keccak
from eth_utils.address import is_checksum_formatted_address, is_hex_address, to_checksum_address

from infernet.errors import InvalidInput
from infernet.types import Address, Hash32

ZERO_ADDRESS = Address("0x" + "00" * 20)
ZERO_HASH = Hash32(bytes(32))


def keccak(data: bytes) -> Hash32:
    """Keccak-256, as Solidity's `keccak256`."""
    return Hash32(_keccak(data))


def to_address(value: str | bytes) -> Address:
    """The checksummed form (EIP-55) of 20 bytes or of `0x` and 40 hexadecimal digits.

    Raises:
        InvalidInput: `address.invalid`: another shape, or mixed case with a wrong checksum (most likely a typo).
    """
    if isinstance(value, bytes):
        if len(value) != 20:
            raise InvalidInput("address.invalid", f"an address has 20 bytes, not {len(value)}", size_bytes=len(value))
        return _checksum(value)
    if not is_hex_address(value) or not value.startswith("0x"):
        raise InvalidInput("address.invalid", f"{value!r} is not an address: give 0x and 40 hexadecimal digits")
    address = _checksum(bytes.fromhex(value[2:]))
    if address != value and is_checksum_formatted_address(value):
        raise InvalidInput("address.invalid", f"{value} has a wrong checksum: compare it with its source, {address}?")
    return address


@lru_cache(maxsize=16_384)
def _checksum(raw: bytes) -> Address:
    return Address(to_checksum_address(raw))


def compute_container_id(container: str) -> Hash32:
    """Keccak-256 of the container's name as UTF-8; a chain `A,B` is hashed as it is written.

    Raises:
        InvalidInput: `container.invalid`: the name is no text (it holds half of a surrogate pair).
    """
    return keccak(_encode_name(container))


def compute_sdk_container_id(container: str) -> Hash32:
    """The id that the public SDK uses: Keccak-256 of `abi.encode(string)`.

    Raises:
        InvalidInput: `container.invalid`: the name is no text (it holds half of a surrogate pair).
    """
    return keccak(encode(["bytes"], [_encode_name(container)]))


def split_chain(container: str) -> tuple[str, ...]:
    """The containers of a chain in the order they run, each fed the output of the one before.

    Names are taken as they stand, so that the string and its container id say the same: `"a, b"` names a container
    `" b"`, which no node serves.
    """
    return tuple(container.split(","))


def _encode_name(container: str) -> bytes:
    try:
        return container.encode()
    except UnicodeEncodeError:
        raise InvalidInput("container.invalid", f"container {container!r} cannot be written as UTF-8") from None
