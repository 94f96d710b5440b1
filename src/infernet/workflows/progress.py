"""How far a training is, and its early end by Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
Watch = Callable[[str, int, int | None], None]
"""Told of a step's name, how much of it is done, and of how much where that is known."""
_REPORT_INTERVAL_S = 0.1


class Progress:
    """Handed to a `train` that asks for it.

    Attributes:
        history: what was reported, by name: (step, value) each.
    """

    def __init__(self, watch: Watch | None = None, *, part_of: Progress | None = None) -> None:
        self._watch = watch or (lambda name, done, total: None)
        self._told_s = 0.0
        self._done = ""
        self._stop: threading.Event = part_of._stop if part_of else threading.Event()
        self.history: dict[str, list[tuple[int, float]]] = {}

    @property
    def stopped(self) -> bool:
        """Ctrl-C was pressed: return what has been learned so far."""
        return self._stop.is_set()

    def stop(self) -> None:
        """As Ctrl-C does."""
        self._stop.set()

    def track(self, steps: Iterable[T], name: str = "training", total: int | None = None) -> Iterator[T]:
        """The steps one by one, until they end or Ctrl-C ends them."""
        total = total if total is not None or not isinstance(steps, Sized) else len(steps)
        done = 0
        for done, step in enumerate(steps):
            if self.stopped:
                break
            self._done = f"{done + 1} of {total}" if total else str(done + 1)
            yield step
            self._tell(name, done + 1, total)
        self._watch(name, done + 1, total)

    def report(self, step: int, **values: float) -> None:
        """Figures of a step, such as a loss; they become MLflow metrics and the learning curve."""
        for name, value in values.items():
            self.history.setdefault(name, []).append((step, float(value)))

    def lightgbm(self) -> Callable[[Any], None]:
        """A callback for LightGBM: the progress bar, the learning curve, and Ctrl-C, which keeps the trees so far."""
        from lightgbm.callback import EarlyStopException  # noqa: PLC0415  (an extra)

        def after_round(state: Any) -> None:
            done, results = state.iteration + 1, state.evaluation_result_list or []
            for row in results:
                self.report(done, **{f"{row[0]}_{row[1]}": row[2]})
            self._done = f"{done} of {state.end_iteration}"
            self._tell("training", done, state.end_iteration)
            if self.stopped:
                raise EarlyStopException(state.iteration, results)

        return after_round

    @property
    def ended_at(self) -> str | None:
        """Where Ctrl-C ended the training, in words; None where it did not."""
        return (self._done or "its beginning") if self.stopped else None

    def _tell(self, name: str, done: int, total: int | None) -> None:
        if time.monotonic() - self._told_s >= _REPORT_INTERVAL_S:
            self._told_s = time.monotonic()
            self._watch(name, done, total)


@contextmanager
def stopping_early(progress: Progress, *, asks: bool) -> Iterator[None]:
    """Ctrl-C inside ends the training at its next step where it asks for `progress`; at once where it does not, or when
    it comes a second time.

    Raises:
        KeyboardInterrupt: it was ended at once.
    """
    if not asks or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        if progress.stopped:
            raise KeyboardInterrupt
        progress.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def showing_progress() -> Iterator[Watch]:
    """A progress bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda name, done, total: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def watch(name: str, done: int, total: int | None) -> None:
            bar.update(task, description=name, completed=done, total=total)

        yield watch
