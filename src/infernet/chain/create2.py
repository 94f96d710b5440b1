"""Addresses that are the same on every chain: contracts made by CREATE2 through one well-known proxy."""

from __future__ import annotations

from infernet.protocol.hashing import keccak, to_address
from infernet.types import Address, Hash32

PROXY = to_address("0x4e59b44847b379578588920cA78FbF26c0B4956C")
"""The deterministic deployment proxy: calldata are salt and init code. Most chains have it, anvil from genesis on."""

SALT_BYTES = 32


def compute_create2_address(salt: Hash32, init_code: bytes, deployer: Address = PROXY) -> Address:
    """Where `deployer` puts a contract (EIP-1014): it depends on the contract's bytes and on nothing else."""
    digest = keccak(b"\xff" + bytes.fromhex(deployer[2:]) + salt + keccak(init_code))
    return to_address(digest[12:])


def encode_create2(salt: Hash32, init_code: bytes) -> bytes:
    """Calldata of the proxy."""
    if len(salt) != SALT_BYTES:
        raise ValueError("a salt has 32 bytes")
    return salt + init_code
