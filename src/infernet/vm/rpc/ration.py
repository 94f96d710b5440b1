"""How often calls without a transaction may ask the outside: each question costs this node money or minutes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from infernet.vm.spc.call import SpcRevert
from infernet.vm.spc.outside import Question, Start

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

    def limit(self, start: Start) -> Start:
        """The same, as long as the ration lasts; that it does not is an answer like others."""

        def begin(question: Question) -> Future[bytes]:
            refusal = self.take()
            if refusal is None:
                return start(question)
            answer: Future[bytes] = Future()
            answer.set_exception(SpcRevert(refusal))
            return answer

        return begin

    def take(self) -> str | None:
        """Use one up; what is in the way otherwise."""
        now = self._clock()
        saved = self._left + (now - self._read_at) * self._per_minute / _MINUTE_S
        self._left, self._read_at = min(saved, float(self._per_minute)), now
        if self._left < 1:
            return f"recorded precompiles run {self._per_minute} times a minute in calls here: try again later"
        self._left -= 1
        return None
