"""How often calls without a transaction may run recorded precompiles: each costs this node money or minutes."""

from __future__ import annotations

from collections.abc import Callable

from infernet.vm.block import Outcome, SpcRecord
from infernet.vm.spc.host import Remembered, encode_error

_MINUTE_S = 60.0


class Ration:
    """So many a minute, saved up for a minute at most.

    Args:
        clock: seconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._left = float(per_minute)
        self._read_at = clock()

    def open(self) -> Rationed:
        """The answers of one request."""
        return Rationed(self)

    def take(self) -> str | None:
        """Use one up; what is in the way otherwise."""
        now = self._clock()
        saved = self._left + (now - self._read_at) * self._per_minute / _MINUTE_S
        self._left, self._read_at = min(saved, float(self._per_minute)), now
        if self._left < 1:
            return f"recorded precompiles run {self._per_minute} times a minute in calls here: try again later"
        self._left -= 1
        return None


class Rationed(Remembered):
    """Each recorded precompile runs once per request for the same question, as long as the ration lasts."""

    def __init__(self, ration: Ration) -> None:
        super().__init__()
        self._ration = ration

    def take(self, spc: bytes, caller: bytes, data: bytes) -> SpcRecord | None:
        known = super().take(spc, caller, data)
        refusal = None if known is not None else self._ration.take()
        if refusal is None:
            return known
        return SpcRecord(0, spc, caller, data, encode_error(refusal), Outcome.REVERTED, 0, 0)
