"""Finds what a transaction asked of the stubs in its trace, wherever it stands and whoever caught its revert."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from infernet.protocol.hashing import to_address
from infernet.types import Address
from infernet.vm.stubs.places import DOOR, StubAnswer, StubRequest, decode_knock

_DELEGATING = frozenset({"DELEGATECALL", "CALLCODE"})


Frame = Mapping[str, Any]


class TraceReader:
    """Reads traces of geth's `callTracer`.

    Args:
        stubs: where they stand.
        known: the answer that a stub gave at this place of its storage, None where there was none.
    """

    def __init__(self, stubs: Collection[Address], known: Callable[[Address, bytes], StubAnswer | None]) -> None:
        self._stubs = frozenset(stubs)
        self._known = known

    def find_request(self, frame: Frame) -> StubRequest | None:
        """The first request without an answer, in the order of execution: what comes after it is not how it will be."""
        if _read_callee(frame) == DOOR:
            caller = to_address(frame["from"])
            return decode_knock(caller, _read_input(frame)) if caller in self._stubs else None
        found = (self.find_request(inner) for inner in frame.get("calls", ()))
        return next((request for request in found if request is not None), None)

    def read_versions(self, frame: Frame, before: Mapping[Address, bytes], end: StubRequest) -> Mapping[Address, bytes]:
        """The version of each precompile's state where this request was made.

        Args:
            before: their versions before the transaction.
        """
        versions = dict(before)
        self._walk(frame, versions, end.block_number)
        return versions

    def _walk(self, frame: Frame, versions: dict[Address, bytes], block_number: int) -> bool:
        """Whether a trap was met; the walk ends there."""
        caller, callee = to_address(frame["from"]), _read_callee(frame)
        if callee == DOOR and caller in self._stubs:
            return True
        before = dict(versions)
        for inner in frame.get("calls", ()):
            if self._walk(inner, versions, block_number):
                return True
        if "error" in frame:
            versions.update(before)
        elif callee in versions and frame["type"] not in _DELEGATING:
            request = StubRequest(callee, versions[callee], caller, block_number, _read_input(frame))
            answer = self._known(callee, request.place)
            if answer is not None and answer.changes_state:
                versions[callee] = request.place
        return False


def _read_callee(frame: Frame) -> Address | None:
    return to_address(frame["to"]) if frame.get("to") else None


def _read_input(frame: Frame) -> bytes:
    return bytes.fromhex(frame.get("input", "0x")[2:])
