"""Seals: what whoever answers for a block signs.

A seal is r ‖ s ‖ v, 65 bytes, s in the lower half and v 27 or 28, as Solidity's `ecrecover` takes them. It signs
keccak256 of four words: `SEAL_DOMAIN`, the chain id, the hash of the layer's first block, the hash of the block. The
block's hash covers its transactions, what they did and, by `extra_data`, every answer of a precompile.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import coincurve

from infernet.errors import InvalidInput
from infernet.protocol.hashing import keccak
from infernet.vm.transaction import SECP256K1_ORDER, recover_address

SEAL_DOMAIN = keccak(b"infernet.block.seal")
SEAL_BYTES = 65


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Who seals the blocks of a layer beside their producer, and how many of them a block needs; 0 where none are."""

    addresses: tuple[bytes, ...] = ()
    threshold: int = 0


NO_WITNESSES = Witnesses()


class SealInvalid(InvalidInput):
    """Bytes that are no seal, or none that counts for this block."""


def compute_seal_digest(chain_id: int, genesis_hash: bytes, block_hash: bytes) -> bytes:
    return keccak(SEAL_DOMAIN + chain_id.to_bytes(32, "big") + genesis_hash + block_hash)


def sign_digest(private_key: bytes, digest: bytes) -> bytes:
    """Always the same seal for the same key and digest (RFC 6979)."""
    signature = _load_key(private_key).sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes((27 + signature[64],))


@lru_cache(maxsize=8)
def _load_key(private_key: bytes) -> coincurve.PrivateKey:
    """Making one costs as much as signing, for it computes the public key."""
    return coincurve.PrivateKey(private_key)


def recover_signer(seal: bytes, digest: bytes) -> bytes:
    """The address that signed this digest: some other address where the seal is of another digest.

    Raises:
        SealInvalid: it is no signature, or not the one form of it that is taken.
    """
    if len(seal) != SEAL_BYTES:
        raise SealInvalid("seal.malformed", f"a seal has {SEAL_BYTES} bytes, this has {len(seal)}")
    r, s, parity = int.from_bytes(seal[:32], "big"), int.from_bytes(seal[32:64], "big"), seal[64] - 27
    if not 0 < r < SECP256K1_ORDER or not 0 < s <= SECP256K1_ORDER // 2 or parity not in (0, 1):
        raise SealInvalid("seal.malformed", "a seal is r, s in the lower half of the order, and v of 27 or 28")
    try:
        return recover_address(digest, parity, r, s)
    except ValueError:
        raise SealInvalid("seal.malformed", "no key belongs to this seal") from None
