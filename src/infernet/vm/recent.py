"""What was read last, up to so many bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Values by number. The one that was longest not asked for goes first; the newest stays, however large.

    Args:
        read: gives one that is not here.
        measure: about how many bytes one takes, the same each time.
    """

    def __init__(self, read: Callable[[int], T], measure: Callable[[T], int], max_bytes: int) -> None:
        self._read, self._measure, self._max_bytes = read, measure, max_bytes
        self._kept: OrderedDict[int, T] = OrderedDict()
        self._size_bytes = 0

    def read(self, number: int) -> T:
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        value = self._kept[number] = self._read(number)
        self._size_bytes += self._measure(value)
        while self._size_bytes > self._max_bytes and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._size_bytes -= self._measure(oldest)
        return value

    def clear(self) -> None:
        self._kept.clear()
        self._size_bytes = 0
