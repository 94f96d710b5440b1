"""Trainings and searches on a Ray cluster: the same calls, elsewhere.

What travels is the user's own workflow, rows and estimator, to and from the user's own cluster.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infernet.errors import NodeMisconfigured, RetryLater
from infernet.workflows.progress import Progress
from infernet.workflows.workflow import TrainingWorkflow, call_train

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
        """The workflow's own `train` on one of the cluster's machines; what it reports arrives when it is over.

        Raises:
            KeyboardInterrupt: the training there was ended.
        """
        estimator, history = self._run(_train, workflow, (workflow, rows, dict(params), seed))
        progress.history.update(history)
        return estimator

    def score(self, search: Search, settings: Sequence[Mapping[str, Any]]) -> list[float | Exception]:
        """The scores of several settings at once."""
        self._carry(search.workflow)
        shared = self.ray.put(search)
        task = self.ray.remote(_score)
        return self._wait([task.remote(shared, dict(setting)) for setting in settings])

    def _run(self, function: Any, workflow: TrainingWorkflow, arguments: tuple[Any, ...]) -> Any:
        self._carry(workflow)
        (found,) = self._wait([self.ray.remote(function).remote(*arguments)])
        return found

    def _carry(self, workflow: TrainingWorkflow) -> None:
        """The user's module goes along with what is made of it: it lies on no other machine."""
        for thing in (type(workflow), workflow.train):
            module = sys.modules.get(thing.__module__)
            if module is not None and not module.__name__.startswith("infernet."):
                self.ray.cloudpickle.register_pickle_by_value(module)

    def _wait(self, tasks: list[Any]) -> list[Any]:
        from ray.exceptions import RayTaskError  # noqa: PLC0415

        try:
            waiting = tasks
            while waiting:
                _, waiting = self.ray.wait(waiting, num_returns=len(waiting), timeout=_LOOK_S)
            return list(self.ray.get(tasks))
        except RayTaskError as error:
            raise error.cause from error
        except KeyboardInterrupt:
            for task in tasks:
                self.ray.cancel(task, force=True)
            raise


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


def _train(
    workflow: TrainingWorkflow, rows: Rows, params: Mapping[str, Any], seed: int
) -> tuple[Any, dict[str, list[tuple[int, float]]]]:
    progress = Progress()
    return call_train(workflow, rows, params, seed, progress), progress.history


def _score(search: Search, params: Mapping[str, Any]) -> float | Exception:
    return search.score(params)
