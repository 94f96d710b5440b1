"""Trainings and searches on a Ray cluster: the same calls, elsewhere. (`cluster_inference` has rows answered there.)

What travels is the user's own workflow, rows and estimator, to and from the user's own cluster. How far a training is
and its checkpoints come back through a mailbox on the cluster, and Ctrl-C reaches it there.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infernet.errors import NodeMisconfigured, RetryLater
from infernet.workflows.checkpoints import History, Saving, decode_checkpoint, encode_checkpoint
from infernet.workflows.progress import Progress, stopping_early
from infernet.workflows.workflow import TrainingWorkflow, call_train, takes

if TYPE_CHECKING:
    from infernet.workflows.data import Rows
    from infernet.workflows.search import Search

LOCAL = "local"
_LOOK_S = 0.5
_CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """A Ray cluster that this process is connected to."""

    ray: Any

    def count_cpus(self) -> int:
        """All of the cluster's."""
        return max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    def train(
        self, workflow: TrainingWorkflow, rows: Rows, params: Mapping[str, Any], seed: int, progress: Progress
    ) -> Any:
        """The workflow's own `train` on one of the cluster's machines; what it reports arrives when it is over. Where a
        worker there is lost, Ray begins it again, and it goes on from its last checkpoint.

        Raises:
            KeyboardInterrupt: the training there was ended.
        """
        self._carry(workflow)
        saving = progress.saving
        found = encode_checkpoint(saving.found) if saving and saving.found else None
        mailbox = self.ray.remote(num_cpus=0)(_Mailbox).remote(found)
        plan = (saving.run_id, saving.every_s, saving.exact_only) if saving else None
        arguments = (workflow, rows, dict(params), seed, mailbox, plan)
        with stopping_early(progress, asks=takes(workflow, "progress")):
            task = self.ray.remote(_train).remote(*arguments)
            try:
                ((estimator, history, done),) = self.wait([task], lambda _: self._exchange(mailbox, progress))
            finally:
                self._exchange(mailbox, progress)
        progress.history, progress.done = history, done
        return estimator

    def score(
        self, search: Search, progress: Progress, settings: Sequence[Mapping[str, Any]]
    ) -> list[float | Exception]:
        """The scores of several settings at once; none after Ctrl-C, which ends them."""
        self._carry(search.workflow)
        shared = self.ray.put(search)
        task = self.ray.remote(_score)
        tasks = [task.remote(shared, dict(setting)) for setting in settings]
        return self.wait(tasks, lambda _: not progress.stopped)

    def _exchange(self, mailbox: Any, progress: Progress) -> bool:
        """Take what has come from the training, and tell it of Ctrl-C."""
        from ray.exceptions import GetTimeoutError, RayActorError  # noqa: PLC0415

        with suppress(RayActorError, GetTimeoutError):  # its machine is gone, or busy
            told, checkpoint = self.ray.get(mailbox.look.remote(progress.stopped), timeout=_CONNECT_TIMEOUT_S)
            if told is not None:
                progress.watch(*told)
            if checkpoint is not None and progress.saving:
                progress.saving.keep(checkpoint)
        return True

    def _carry(self, workflow: TrainingWorkflow) -> None:
        """The user's module goes along with what is made of it: it lies on no other machine."""
        for thing in (type(workflow), workflow.train):
            module = sys.modules.get(thing.__module__)
            if module is not None and not module.__name__.startswith("infernet."):
                self.ray.cloudpickle.register_pickle_by_value(module)

    def wait(self, tasks: list[Any], goes_on: Callable[[int], bool]) -> list[Any]:
        """What the tasks answer; nothing where they shall not go on, which is asked with the number of those that have
        ended. What one of them raises is raised.
        """
        from ray.exceptions import RayTaskError  # noqa: PLC0415

        try:
            waiting = tasks
            while waiting:
                _, waiting = self.ray.wait(waiting, num_returns=len(waiting), timeout=_LOOK_S)
                if not goes_on(len(tasks) - len(waiting)):
                    self._cancel(waiting)
                    return []
            return list(self.ray.get(tasks))
        except RayTaskError as error:
            raise error.cause from error
        except BaseException:
            self._cancel(tasks)
            raise

    def _cancel(self, tasks: list[Any]) -> None:
        for task in tasks:
            self.ray.cancel(task, force=True)


@contextmanager
def connecting(address: str | None) -> Iterator[Cluster | None]:
    """The cluster at that address, `local` for one on this machine; none without an address.

    Raises:
        NodeMisconfigured: `ray.not_installed`.
        RetryLater: `ray.unreachable`.
    """
    if address is None:
        yield None
        return
    try:
        import ray  # noqa: PLC0415  (an extra)
    except ModuleNotFoundError:
        raise NodeMisconfigured("ray.not_installed", "--ray needs ray: pip install 'infernet[ray]'") from None
    _check_listens(address)
    where = {"include_dashboard": False} if address == LOCAL else {"address": address}
    try:
        ray.init(**where, logging_level="ERROR", log_to_driver=False, configure_logging=False)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise RetryLater("ray.unreachable", f"no Ray cluster answers at {address}: {reason}") from error
    try:
        yield Cluster(ray)
    finally:
        ray.shutdown()


def _check_listens(address: str) -> None:
    """Ray itself waits for minutes for a cluster that is not there."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == LOCAL or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise RetryLater("ray.unreachable", f"no Ray cluster answers at {address}: {error}") from error


class _Mailbox:
    """Between a training on the cluster and the process that waits for it; Ray makes an actor of it."""

    def __init__(self, checkpoint: bytes | None) -> None:
        self._checkpoint, self._is_new = checkpoint, False
        self._told: tuple[str, int, int | None] | None = None
        self._stopped = False

    def put(self, checkpoint: bytes) -> None:
        self._checkpoint, self._is_new = checkpoint, True

    def tell(self, name: str, done: int, total: int | None) -> None:
        self._told = (name, done, total)

    def read(self) -> bytes | None:
        return self._checkpoint

    def is_stopped(self) -> bool:
        return self._stopped

    def look(self, stopped: bool) -> tuple[tuple[str, int, int | None] | None, bytes | None]:
        """From the waiting process: what was told last, and a checkpoint that it has not taken yet."""
        new = self._checkpoint if self._is_new else None
        self._stopped, self._is_new = stopped, False
        return self._told, new


def _train(
    workflow: TrainingWorkflow,
    rows: Rows,
    params: Mapping[str, Any],
    seed: int,
    mailbox: Any,
    plan: tuple[str, float, bool] | None,
) -> tuple[Any, History, str]:
    import ray  # noqa: PLC0415  (an extra; here a worker of it)

    saving = None
    if plan is not None:
        content = ray.get(mailbox.read.remote())
        saving = Saving(
            mailbox.put.remote,
            plan[0],
            found=decode_checkpoint(content) if content is not None else None,
            every_s=plan[1],
            exact_only=plan[2],
        )
    progress = Progress(mailbox.tell.remote, saving=saving)
    over = threading.Event()

    def listen() -> None:
        while not over.wait(_LOOK_S):
            if ray.get(mailbox.is_stopped.remote()):
                progress.stop()
                return

    threading.Thread(target=listen, daemon=True).start()
    try:
        return call_train(workflow, rows, params, seed, progress), progress.history, progress.done
    finally:
        over.set()


def _score(search: Search, params: Mapping[str, Any]) -> float | Exception:
    return search.score(params)
