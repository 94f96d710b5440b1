"""A private key in an encrypted file (Web3 Secret Storage, version 3, scrypt), as geth and wallets have it."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from pathlib import Path

from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.keys.accounts import load_accounts
from infernet.keys.signer import LocalSigner
from infernet.protocol.hashing import to_address
from infernet.types import Address

SCRYPT_WORK = 2**18
"""scrypt's N: about a second and 256 MB, which is what makes guessing dear. Tests take less."""

_MAX_FILE_BYTES = 64 * 1024


def create_key_file(
    path: Path, password: str, signer: LocalSigner | None = None, *, scrypt_work: int = SCRYPT_WORK
) -> LocalSigner:
    """Write a key, a new one by default, encrypted, readable by its owner alone.

    The file appears whole or not at all, and never in the place of another.

    Raises:
        InvalidInput: `key.empty_password`.
        NodeMisconfigured: `key.exists`, there is a file already, it was not touched; `key.unwritable`.
    """
    if not password:
        raise InvalidInput("key.empty_password", "an empty password protects nothing: choose one")
    if os.path.lexists(path):
        raise _exists(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise _unwritable(path, error) from error
    signer = signer or LocalSigner.generate()
    parsed = dict(load_accounts().encrypt(signer.export_key(), password, kdf="scrypt", iterations=scrypt_work))
    parsed["address"] = signer.address[2:].lower()
    try:
        _write_once(path, json.dumps(parsed, indent=2).encode() + b"\n")
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise _unwritable(path, error) from error
    return signer


def load_key_file(path: Path, password: str) -> LocalSigner:
    """The account of a key file.

    Raises:
        NodeMisconfigured: `key.missing`, `key.unreadable`, `key.malformed`, `key.exposed` (others can read it),
            `key.wrong_password`. The file is never touched.
    """
    parsed = _read(path)
    try:
        signer = LocalSigner(bytes(load_accounts().decrypt(parsed, password)))
    except (ValueError, KeyError, TypeError, AttributeError, NotImplementedError, InvalidInput) as error:
        if "MAC mismatch" not in str(error):
            raise _malformed(path) from None
        raise NodeMisconfigured(
            "key.wrong_password", f"wrong password for the key file {path}: try again, the file is unchanged"
        ) from None
    told = parsed.get("address")
    if isinstance(told, str) and told.lower().removeprefix("0x") not in ("", signer.address[2:].lower()):
        raise NodeMisconfigured(
            "key.malformed", f"the key file {path} says address 0x{told}, but its key is that of {signer.address}"
        )
    return signer


def read_key_address(path: Path) -> Address | None:
    """The address that a key file states, without its password; None where it states none.

    Raises:
        NodeMisconfigured: as `load_key_file`, the password's aside.
    """
    told = _read(path).get("address")
    if not told:
        return None
    try:
        return to_address("0x" + str(told).removeprefix("0x").lower())
    except InvalidInput:
        raise _malformed(path) from None


def _read(path: Path) -> dict[str, object]:
    try:
        mode = path.stat().st_mode
        if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o077:
            raise NodeMisconfigured(
                "key.exposed", f"other users can read the key file {path}: run `chmod 600 {path}` and start again"
            )
        with path.open("rb") as file:
            parsed = json.loads(file.read(_MAX_FILE_BYTES))
    except FileNotFoundError:
        raise NodeMisconfigured("key.missing", f"there is no key file {path}: make one with `infernet init`") from None
    except OSError as error:
        raise NodeMisconfigured("key.unreadable", f"the key file {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError):
        raise _malformed(path) from None
    if not isinstance(parsed, dict) or parsed.get("version") != 3:
        raise _malformed(path)
    return parsed


def _write_once(path: Path, content: bytes) -> None:
    """Raises FileExistsError where there is a file: a hard link, unlike a rename, never replaces one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    finally:
        os.unlink(temporary)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _exists(path: Path) -> NodeMisconfigured:
    return NodeMisconfigured(
        "key.exists", f"{path} exists and is left as it is: name another file or move that one away"
    )


def _unwritable(path: Path, error: OSError) -> NodeMisconfigured:
    return NodeMisconfigured("key.unwritable", f"the key file {path} cannot be written: {error.strerror}")


def _malformed(path: Path) -> NodeMisconfigured:
    return NodeMisconfigured("key.malformed", f"{path} is no key file (encrypted JSON, version 3): name the right file")
