"""`ports.Signer` with the key in this process."""

from __future__ import annotations

import re
from typing import Self

from infernet.errors import InvalidInput
from infernet.keys.accounts import load_accounts
from infernet.types import Address, Hash32, SignedTransaction, Transaction, TxHash

_HEX_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")


class LocalSigner:
    """One account by its private key. Its `repr` and `str` show the address alone.

    Raises:
        InvalidInput: `key.invalid`, these are no 32 bytes of a secp256k1 key.
    """

    __slots__ = ("_account",)

    def __init__(self, private_key: bytes) -> None:
        if len(private_key) != 32:
            raise _invalid()
        try:
            self._account = load_accounts().from_key(private_key)
        except ValueError:
            raise _invalid() from None

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """The account of a key written as 64 hex digits, with or without 0x."""
        if not _HEX_KEY.fullmatch(text.strip()):
            raise _invalid()
        return cls(bytes.fromhex(text.strip().removeprefix("0x")))

    @classmethod
    def generate(cls) -> Self:
        """A new account from the operating system's randomness."""
        return cls(bytes(load_accounts().create().key))

    def __repr__(self) -> str:
        return f"LocalSigner({self.address})"

    def __reduce__(self) -> str:
        raise TypeError("a signer is not pickled: its key stays in this process")

    @property
    def address(self) -> Address:
        return Address(self._account.address)

    def sign_transaction(self, transaction: Transaction) -> SignedTransaction:
        """An EIP-1559 transaction, signed and ready to broadcast."""
        signed = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": transaction.chain_id,
                "nonce": transaction.nonce,
                "to": transaction.to or b"",
                "data": transaction.data,
                "gas": transaction.gas,
                "maxFeePerGas": transaction.max_fee,
                "maxPriorityFeePerGas": transaction.max_priority_fee,
                "value": transaction.value,
            }
        )
        return SignedTransaction(transaction, self.address, TxHash(bytes(signed.hash)), bytes(signed.raw_transaction))

    def sign_digest(self, digest: Hash32) -> bytes:
        """65 bytes r ‖ s ‖ v, v in {27, 28}, s in the lower half."""
        return bytes(self._account.unsafe_sign_hash(digest).signature)

    def export_key(self) -> bytes:
        """The private key itself, to be written to an encrypted file."""
        return bytes(self._account.key)


def _invalid() -> InvalidInput:
    return InvalidInput("key.invalid", "this is no private key: give 32 bytes as 64 hex digits")
