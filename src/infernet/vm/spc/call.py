"""What a stateful precompile sees of one call, whichever engine runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from infernet.types import Address

if TYPE_CHECKING:
    from infernet.vm.spc.outside import Question

WORD_BYTES = 32


class SpcRevert(Exception):
    """The call fails: its frame reverts with `Error(string)`, what gas is left returns."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SpcOutOfGas(Exception):
    """The call was given too little gas: all of it is used, and its frame reverts."""


@dataclass(frozen=True, slots=True)
class BlockContext:
    """The block that a call is executed in."""

    chain_id: int
    number: int
    timestamp: int


class Blobs(Protocol):
    """Bytes by their sha256: immutable, and the same on every node."""

    def get(self, sha256: bytes) -> bytes:
        """Raises `KeyError` where they are not there."""
        ...

    def put(self, data: bytes) -> bytes:
        """Keep them; the answer is their sha256."""
        ...


class SpcCall(Protocol):
    """One call of a stateful precompile."""

    @property
    def address(self) -> Address:
        """Of the precompile itself."""
        ...

    @property
    def caller(self) -> Address: ...
    @property
    def data(self) -> bytes:
        """The calldata: a selector and ABI-encoded arguments."""
        ...

    @property
    def is_static(self) -> bool: ...
    @property
    def block(self) -> BlockContext: ...
    @property
    def gas_left(self) -> int: ...
    @property
    def blobs(self) -> Blobs: ...
    def charge(self, gas: int) -> None:
        """Raises `SpcOutOfGas` where less is left."""
        ...

    def load(self, slot: bytes) -> bytes:
        """A word (32 bytes) of the precompile's own storage; zero where nothing was stored. Charges nothing."""
        ...

    def load_from(self, address: Address, slot: bytes) -> bytes:
        """A word of another precompile's storage, as `load` gives one of this one's."""
        ...

    def store(self, slot: bytes, word: bytes) -> None:
        """Undone with the frame, as any storage is. Charges nothing.

        Raises:
            SpcRevert: within a static call.
        """
        ...

    def ask(self, question: Question) -> bytes:
        """What the world beyond the chain answers; for recorded precompiles alone.

        Raises whatever the question's own `ask` does; `SpcRevert` where too much was asked.
        """
        ...


class Spc(Protocol):
    """A stateful precompile.

    Attributes:
        name: as genesis files name it.
        recorded: whether its answer is written into the block, rather than computed again by every follower. What it
            does not compute comes from `SpcCall.ask`: it may be run several times before it is recorded.
    """

    @property
    def address(self) -> Address: ...
    @property
    def name(self) -> str: ...
    @property
    def recorded(self) -> bool: ...
    def run(self, call: SpcCall) -> bytes:
        """The ABI-encoded answer.

        Raises:
            SpcRevert: the call fails, with a reason for its caller.
            SpcOutOfGas: `call.charge` found too little gas.
        """
        ...
