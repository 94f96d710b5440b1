"""What the chain tells those who listen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from infernet.vm.block import Block, Receipt


@dataclass(frozen=True, slots=True)
class NewHead:
    """A block was added."""

    block: Block
    receipts: tuple[Receipt, ...]


@dataclass(frozen=True, slots=True)
class NewPending:
    """The pool took a transaction."""

    tx_hash: bytes


@dataclass(frozen=True, slots=True)
class Removed:
    """Blocks were taken back, newest first."""

    blocks: tuple[NewHead, ...]


Event: TypeAlias = NewHead | NewPending | Removed
Listener: TypeAlias = Callable[[Event], None]


class Listeners:
    """Called one after the other, on the chain's thread."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def add(self, listener: Listener) -> Callable[[], None]:
        """The answer ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def tell(self, event: Event) -> None:
        for listener in tuple(self._listeners):
            listener(event)
