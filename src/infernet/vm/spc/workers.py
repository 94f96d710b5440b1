"""Threads that ask the outside, a few for each kind of question, so that one slow host does not keep others waiting."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from queue import SimpleQueue

from infernet.vm.spc.outside import Question, settle

PER_KIND = 8


class Workers:
    """Asks beside whoever wants to know. Questions wait their turn in the order they came.

    Args:
        per_kind: questions of one kind that are asked at a time.
    """

    def __init__(self, per_kind: int = PER_KIND) -> None:
        self._per_kind = per_kind
        self._lanes: dict[str, _Lane] = {}

    def start(self, question: Question) -> Future[bytes]:
        """Call it on one thread alone. An answer that is cancelled before its turn is not asked for."""
        lane = self._lanes.get(question.kind)
        if lane is None:
            lane = self._lanes[question.kind] = _Lane(self._per_kind)
        answer: Future[bytes] = Future()
        lane.put(question, answer)
        return answer

    def close(self) -> None:
        """Start no more. What is being asked ends by its own limits, and holds nothing up: not even the process."""
        for lane in self._lanes.values():
            lane.close()
        self._lanes.clear()


class _Lane:
    """Daemon threads, made when one is needed and none is idle."""

    def __init__(self, most: int) -> None:
        self._most, self._threads = most, 0
        self._idle = threading.Semaphore(0)
        self._is_closed = False
        self._queue: SimpleQueue[tuple[Question, Future[bytes]] | None] = SimpleQueue()

    def put(self, question: Question, answer: Future[bytes]) -> None:
        self._queue.put((question, answer))
        if not self._idle.acquire(blocking=False) and self._threads < self._most:
            self._threads += 1
            threading.Thread(target=self._serve, name=f"outside {question.kind}", daemon=True).start()

    def close(self) -> None:
        self._is_closed = True
        for _ in range(self._threads):
            self._queue.put(None)

    def _serve(self) -> None:
        while (item := self._queue.get()) is not None:
            question, answer = item
            if not self._is_closed and answer.set_running_or_notify_cancel():
                settle(question, answer)
            del item, question, answer
            self._idle.release()
