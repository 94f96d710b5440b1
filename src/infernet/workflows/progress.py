"""How far a training is, its early end by Ctrl-C, and what it goes on from after it was killed."""

from __future__ import annotations

import inspect
import itertools
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

from infernet.errors import InvalidInput
from infernet.workflows.checkpoints import Build, History, Saving
from infernet.workflows.states import decode_state, encode_state, read_chance, set_chance

T = TypeVar("T")
Watch = Callable[[str, int, int | None], None]
"""Told of a step's name, how much of it is done, and of how much where that is known."""
_REPORT_INTERVAL_S = 0.1


class Progress:
    """Handed to a `train` that asks for it. One that can go on after it was killed says so in two lines:

        model = progress.restore(SGDClassifier())
        for step in progress.track(range(steps)):
            model.partial_fit(rows.features, rows.target, classes=[0, 1])
            progress.checkpoint(model)

    Attributes:
        history: what was reported, by name: (step, value) each.
    """

    def __init__(
        self, watch: Watch | None = None, *, part_of: Progress | None = None, saving: Saving | None = None
    ) -> None:
        self.watch = watch or (lambda name, done, total: None)
        self.saving = saving
        self.history: History = {}
        self.done = ""
        self._told_s = 0.0
        self._stop: threading.Event = part_of._stop if part_of else threading.Event()
        self._chance: dict[str, Any] | None = None
        self._is_restored = self._is_fitting = self._was_tried = False
        self._loop, self._depth, self._step = -1, 0, 0
        self._total: int | None = None
        self.fit_total: int | None = None

    @property
    def stopped(self) -> bool:
        """Ctrl-C was pressed: return what has been learned so far."""
        return self._stop.is_set()

    def stop(self) -> None:
        """As Ctrl-C does."""
        self._stop.set()

    @property
    def steps_before(self) -> int:
        """How many steps were done when the state that `restore` gave back was kept; 0 where nothing was."""
        return self.saving.found.step if self._is_restored and self.saving and self.saving.found else 0

    def restore(self, default: Any = None) -> Any:
        """What `checkpoint` has kept of this very training (same code, data, parameters, seed, packages) in a process
        that was killed; else `default`.

        With it come back what was reported, and where the generators of random, numpy and torch stood; `track` leaves
        out the steps that were done.
        """
        self._is_restored = True
        if self.saving is None or self.saving.found is None:
            return default
        kept = decode_state(self.saving.found.state)
        self.history = {name: list(rows) for name, rows in self.saving.found.history.items()}
        self._chance = kept["chance"]
        set_chance(kept["chance"])
        return kept["state"]

    def restore_fit(self) -> Any:
        """As `restore`, for a library's own loop: each call begins one, and only the one that was killed has a state,
        and with it `fit_total`, the number of its steps.
        """
        self._is_fitting, self._loop = True, self._loop + 1
        found = self.saving.found if self.saving else None
        is_the_one = found is not None and found.loop == self._loop
        self.fit_total = found.total if found and is_the_one else None
        return self.restore() if is_the_one else None

    def checkpoint(self, state: object, *, step: int | None = None) -> None:
        """Keep what the training needs to go on behind this step, when it is time for that again (`checkpoint_s`).

        Call it at the end of a step. What is kept is as it is at this moment: an estimator of scikit-learn, arrays,
        tensors (`{"model": model.state_dict(), …}`), numbers, texts, generators of numpy, in lists and dictionaries; or
        a function that gives it back, where to put it together is work.

        Args:
            step: how many steps are done, where they are not those of `track`.

        Raises:
            InvalidInput: `workflow.checkpoint`: it cannot be kept, or nobody would ask for it.
        """
        if not self._is_restored:
            _refuse("checkpoint() without restore() before it: nothing would go on from there")
        if self._depth > 1:
            _refuse("checkpoint() stands in an inner loop: call it at the end of the outer loop's step")
        if self.saving is None or (self._was_tried and not self.saving.is_due()):
            return

        def build() -> tuple[bytes, None]:
            now = state() if inspect.isroutine(state) else state
            return encode_state({"chance": read_chance(), "state": now}), None

        if not self._was_tried:  # what cannot be kept is said at once, not after minutes
            self._was_tried = True
            build()
        if self.saving.is_due():
            self.save(build, self._step if step is None else int(step), self._total)

    @property
    def is_fit_due(self) -> bool:
        """Whether it is time to write down a library's own loop, and `train` would ask for it."""
        return self._is_fitting and self.saving is not None and self.saving.is_due()

    def save(self, build: Build, step: int, total: int | None) -> None:
        """Write a checkpoint now."""
        if self.saving is not None:
            place = {"step": step, "total": total, "loop": max(self._loop, 0), "history": self.history}
            self.saving.write(build, **place)

    def track(self, steps: Iterable[T], name: str = "training", total: int | None = None) -> Iterator[T]:
        """The steps one by one, until they end or Ctrl-C ends them; without those that were done before `restore`."""
        total = total if total is not None or not isinstance(steps, Sized) else len(steps)
        is_outer = self._depth == 0
        done = self._enter(total) if is_outer else 0
        self._depth += 1
        try:
            for step in itertools.islice(steps, done, None) if done >= 0 else ():
                if self.stopped:
                    break
                done += 1
                if is_outer:
                    self._step = done
                    self.done = f"{done} of {total}" if total else str(done)
                yield step
                self._tell(name, done, total)
        finally:
            self._depth -= 1
        self.watch(name, max(done, 0), total)

    def _enter(self, total: int | None) -> int:
        """Begin an outermost loop.

        Returns:
            How many of its steps were done before; -1 where all were.
        """
        self._loop, self._step, self._total = self._loop + 1, 0, total
        found = self.saving.found if self.saving and self._is_restored else None
        if found is None or self._loop > found.loop:
            return 0
        if self._loop < found.loop:
            return -1
        if self._chance is not None:
            set_chance(self._chance)  # what was built since has drawn from them
        self._step, self.done = found.step, found.at
        return found.step

    def report(self, step: int, **values: float) -> None:
        """Figures of a step, such as a loss; they become MLflow metrics and the learning curve."""
        for name, value in values.items():
            self.history.setdefault(name, []).append((int(step), float(value)))

    def lightgbm(self) -> Callable[[Any], None]:
        """A callback for LightGBM: the progress bar, the learning curve, and Ctrl-C, which keeps the trees so far. With
        `fit(…, init_model=progress.lightgbm_model())` it keeps checkpoints too.
        """
        from infernet.workflows.boosters import build_lightgbm_callback  # noqa: PLC0415  (an extra)

        return build_lightgbm_callback(self)

    def lightgbm_model(self) -> Any:
        """The trees from before the training was killed; None where there are none."""
        from infernet.workflows.boosters import restore_lightgbm  # noqa: PLC0415

        return restore_lightgbm(self)

    def xgboost(self, rounds: int) -> Any:
        """A callback for XGBoost, told how many rounds there are, as `lightgbm` is one for LightGBM. With
        `fit(…, xgb_model=progress.xgboost_model())` it keeps checkpoints too.
        """
        from infernet.workflows.boosters import build_xgboost_callback  # noqa: PLC0415

        return build_xgboost_callback(self, rounds)

    def xgboost_model(self) -> Any:
        """The trees from before the training was killed; None where there are none."""
        from infernet.workflows.boosters import restore_xgboost  # noqa: PLC0415

        return restore_xgboost(self)

    @property
    def ended_at(self) -> str | None:
        """Where Ctrl-C ended the training, in words; None where it did not."""
        return (self.done or "its beginning") if self.stopped else None

    def tell_step(self, done: int, total: int, name: str = "training") -> None:
        """That a step of a library's own loop is over."""
        self.done = f"{done} of {total}"
        self._tell(name, done, total)

    def _tell(self, name: str, done: int, total: int | None) -> None:
        if time.monotonic() - self._told_s >= _REPORT_INTERVAL_S:
            self._told_s = time.monotonic()
            self.watch(name, done, total)


def _refuse(reason: str) -> None:
    raise InvalidInput("workflow.checkpoint", reason)


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
