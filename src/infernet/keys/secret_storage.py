"""Web3 Secret Storage, version 3: a private key under a password, as JSON. The format of geth and of wallets.

Written out here because the packages that do it import `py_ecc`, which raises the interpreter's recursion limit to
100,000: from then on any deeply nested JSON from outside crashes the process instead of raising an error.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from Crypto.Cipher import AES

from infernet.protocol.hashing import keccak

_MAX_SCRYPT_BYTES = 2**30
_MAX_PBKDF2_ROUNDS = 50_000_000
_R, _P, _DERIVED_BYTES = 8, 1, 32


class WrongPassword(Exception):
    """The password does not open this key."""


def encrypt_key(private_key: bytes, password: str, scrypt_work: int) -> dict[str, Any]:
    """The JSON object that holds the key. `scrypt_work` is scrypt's N, a power of two."""
    salt, counter = secrets.token_bytes(32), secrets.token_bytes(16)
    parameters = {"n": scrypt_work, "r": _R, "p": _P, "dklen": _DERIVED_BYTES, "salt": salt.hex()}
    derived = _derive("scrypt", parameters, password)
    ciphertext = _apply_cipher(derived, counter, private_key)
    return {
        "version": 3,
        "id": str(uuid.uuid4()),
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": counter.hex()},
            "ciphertext": ciphertext.hex(),
            "kdf": "scrypt",
            "kdfparams": parameters,
            "mac": _compute_mac(derived, ciphertext).hex(),
        },
    }


def decrypt_key(stored: Mapping[str, Any], password: str) -> bytes:
    """The private key.

    Raises:
        WrongPassword: the password, or a changed file: the two look alike.
        ValueError, KeyError, TypeError, AttributeError: the object is not of this format.
    """
    crypto = stored.get("crypto") or stored["Crypto"]  # early files have the capital
    if crypto["cipher"] != "aes-128-ctr":
        raise ValueError("unknown cipher")
    ciphertext = bytes.fromhex(crypto["ciphertext"])
    derived = _derive(crypto["kdf"], crypto["kdfparams"], password)
    if not hmac.compare_digest(_compute_mac(derived, ciphertext), bytes.fromhex(crypto["mac"])):
        raise WrongPassword
    return _apply_cipher(derived, bytes.fromhex(crypto["cipherparams"]["iv"]), ciphertext)


def _derive(kdf: str, parameters: Mapping[str, Any], password: str) -> bytes:
    salt, size_bytes = bytes.fromhex(parameters["salt"]), int(parameters["dklen"])
    if size_bytes != _DERIVED_BYTES:
        raise ValueError("unknown length of the derived key")
    if kdf == "scrypt":
        n, r, p = int(parameters["n"]), int(parameters["r"]), int(parameters["p"])
        needed_bytes = 128 * r * (n + p + 2)
        if needed_bytes > _MAX_SCRYPT_BYTES:
            raise ValueError("scrypt wants more than a gigabyte")
        return hashlib.scrypt(
            password.encode(), salt=salt, n=n, r=r, p=p, maxmem=needed_bytes + 2**20, dklen=size_bytes
        )
    if kdf == "pbkdf2" and parameters["prf"] == "hmac-sha256" and 0 < int(parameters["c"]) <= _MAX_PBKDF2_ROUNDS:
        return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, int(parameters["c"]), size_bytes)
    raise ValueError("unknown key derivation")


def _compute_mac(derived: bytes, ciphertext: bytes) -> bytes:
    return keccak(derived[16:32] + ciphertext)


def _apply_cipher(derived: bytes, counter: bytes, text: bytes) -> bytes:
    """AES in counter mode is its own inverse."""
    return AES.new(derived[:16], AES.MODE_CTR, nonce=b"", initial_value=counter).encrypt(text)
