"""What a stub (`contracts/src/spc/SpcStub.sol`) asks, and where in its storage it looks for the answer."""

from __future__ import annotations

from dataclasses import dataclass

from infernet.protocol.hashing import keccak, to_address
from infernet.types import Address

WORD_BYTES = 32
VERSION_SLOT = bytes(WORD_BYTES)
DOOR = to_address(keccak(b"infernet.spc.door")[12:])
"""Whom a trap calls; nobody lives there."""

_PRESENT, _REVERTS, _CHANGES_STATE = 1, 2, 4
_HEAD_BYTES = 3 * WORD_BYTES


@dataclass(frozen=True, slots=True)
class StubRequest:
    """One call of a stub.

    Attributes:
        version: of the precompile's state: the place of the last answer that changed it, zero before the first.
        block_number: of the block that the call is made in.
    """

    spc: Address
    version: bytes
    caller: Address
    block_number: int
    data: bytes

    @property
    def place(self) -> bytes:
        """The slot where the answer to this very call begins."""
        caller, number = bytes.fromhex(self.caller[2:]).rjust(WORD_BYTES, b"\0"), self.block_number.to_bytes(32, "big")
        return keccak(self.version + caller + number + self.data)


@dataclass(frozen=True, slots=True)
class StubAnswer:
    """What the stub returns, or reverts with."""

    data: bytes
    reverts: bool = False
    changes_state: bool = False


def decode_knock(spc: Address, knock: bytes) -> StubRequest | None:
    """The request in a call of the door, None for anything that a stub does not say."""
    if len(knock) < _HEAD_BYTES or any(knock[32:44]):
        return None
    number = int.from_bytes(knock[64:96], "big")
    return StubRequest(spc, knock[:32], to_address(knock[44:64]), number, knock[_HEAD_BYTES:])


def encode_answer(place: bytes, answer: StubAnswer) -> dict[bytes, bytes]:
    """The words that the stub's storage must hold, by slot."""
    flags = _PRESENT | _REVERTS * answer.reverts | _CHANGES_STATE * answer.changes_state
    first = int.from_bytes(place, "big")
    padded = answer.data + bytes(-len(answer.data) % WORD_BYTES)
    words = [(len(answer.data) << 8 | flags).to_bytes(WORD_BYTES, "big")]
    words += [padded[at : at + WORD_BYTES] for at in range(0, len(padded), WORD_BYTES)]
    return {((first + at) % 2**256).to_bytes(WORD_BYTES, "big"): word for at, word in enumerate(words)}
