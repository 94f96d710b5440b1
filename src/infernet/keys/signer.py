"""`ports.Signer` with the key in this process."""

from __future__ import annotations

import re
import secrets
from typing import Self

from coincurve import PrivateKey
from coincurve.utils import validate_secret

from infernet.errors import InvalidInput
from infernet.keys.rlp import RlpItem, encode_rlp
from infernet.protocol.hashing import keccak, to_address
from infernet.types import Address, Hash32, SignedTransaction, Transaction, TxHash

_TYPE_2 = b"\x02"
_HEX_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")


class LocalSigner:
    """One account by its private key. Its `repr` and `str` show the address alone.

    Raises:
        InvalidInput: `key.invalid`, these are no 32 bytes of a secp256k1 key.
    """

    __slots__ = ("_address", "_key")

    def __init__(self, private_key: bytes) -> None:
        if len(private_key) != 32:
            raise _invalid()
        try:
            self._key = PrivateKey(validate_secret(private_key))
        except ValueError:
            raise _invalid() from None
        self._address = to_address(keccak(self._key.public_key.format(compressed=False)[1:])[12:])

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """The account of a key written as 64 hex digits, with or without 0x."""
        if not _HEX_KEY.fullmatch(text.strip()):
            raise _invalid()
        return cls(bytes.fromhex(text.strip().removeprefix("0x")))

    @classmethod
    def generate(cls) -> Self:
        """A new account from the operating system's randomness."""
        while True:
            try:
                return cls(secrets.token_bytes(32))
            except InvalidInput:  # one in 2^128
                continue

    def __repr__(self) -> str:
        return f"LocalSigner({self._address})"

    def __reduce__(self) -> str:
        raise TypeError("a signer is not pickled: its key stays in this process")

    @property
    def address(self) -> Address:
        return self._address

    def sign_transaction(self, transaction: Transaction) -> SignedTransaction:
        """An EIP-1559 transaction, signed and ready to broadcast."""
        fields: list[RlpItem] = [
            transaction.chain_id,
            transaction.nonce,
            transaction.max_priority_fee,
            transaction.max_fee,
            transaction.gas,
            bytes.fromhex(transaction.to[2:]) if transaction.to else b"",
            transaction.value,
            transaction.data,
            [],  # no access list
        ]
        signature = self._key.sign_recoverable(keccak(_TYPE_2 + encode_rlp(fields)), hasher=None)
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64])
        raw = _TYPE_2 + encode_rlp([*fields, signature[64], r, s])
        return SignedTransaction(transaction, self._address, TxHash(keccak(raw)), raw)

    def sign_digest(self, digest: Hash32) -> bytes:
        """65 bytes r ‖ s ‖ v, v in {27, 28}, s in the lower half."""
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes((signature[64] + 27,))

    def export_key(self) -> bytes:
        """The private key itself, to be written to an encrypted file."""
        return self._key.secret


def _invalid() -> InvalidInput:
    return InvalidInput("key.invalid", "this is no private key: give 32 bytes as 64 hex digits")
