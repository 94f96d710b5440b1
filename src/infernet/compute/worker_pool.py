"""A container whose work is done by worker processes, as many as may run at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from infernet.compute.frames import Kind
from infernet.compute.worker_process import WorkerProcess
from infernet.errors import InfernetError, NodeMisconfigured, RetryLater


class WorkerPool:
    """The `Container` behind every kind that runs in worker processes.

    A worker that crashes, is cancelled or overruns its time is killed; the next run starts another.
    """

    def __init__(
        self,
        container_id: str,
        spec: Mapping[str, Any],
        *,
        max_concurrency: int = 1,
        run_timeout_s: float = 60.0,
        start_timeout_s: float = 120.0,
    ) -> None:
        self._id = container_id
        self._spec = spec
        self._max_concurrency = max_concurrency
        self._run_timeout_s = run_timeout_s
        self._start_timeout_s = start_timeout_s
        self._slots = asyncio.Semaphore(max_concurrency)
        self._idle: list[WorkerProcess] = []
        self._workers: set[WorkerProcess] = set()
        self._is_started = False

    @property
    def id(self) -> str:
        return self._id

    @property
    def max_concurrency(self) -> int:
        return self._max_concurrency

    async def start(self) -> None:
        """Start every worker, so that the first runs do not pay for it.

        Raises:
            NodeMisconfigured: what the worker found wrong.
        """
        if self._is_started:
            return
        self._is_started = True
        try:
            async with asyncio.TaskGroup() as group:
                launches = [group.create_task(self._launch()) for _ in range(self._max_concurrency)]
        except ExceptionGroup as failures:
            await self.stop()
            raise _as_start_failure(failures.exceptions[0]) from None
        except asyncio.CancelledError:
            await self.stop()
            raise
        self._idle += [launch.result() for launch in launches]

    async def run(self, features: bytes) -> bytes:
        """The output for these features.

        Raises:
            JobRejected: the worker's code refused the features or failed on them.
            RetryLater: `container.crashed`, `container.timeout`, `container.stopped`, or why no worker starts.
        """
        async with self._slots:
            worker = await self._take_worker()
            is_reusable = False
            try:
                async with asyncio.timeout(self._run_timeout_s):
                    output = await worker.request(Kind.RUN, features)
                is_reusable = True
            except TimeoutError:
                message = f"container {self._id} took longer than {self._run_timeout_s:g} s and was stopped"
                raise RetryLater("container.timeout", message) from None
            except InfernetError:
                is_reusable = worker.is_alive
                raise
            finally:
                self._give_back(worker, is_reusable)
        return output

    async def stop(self) -> None:
        """End every worker, also those at work, and wait until they are gone."""
        self._is_started = False
        self._idle.clear()
        await asyncio.gather(*(worker.end() for worker in self._workers))
        self._workers.clear()

    async def _take_worker(self) -> WorkerProcess:
        if not self._is_started:
            raise RetryLater("container.stopped", f"container {self._id} is not running")
        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive:
                return worker
            worker.kill()
        try:
            return await self._launch()
        except NodeMisconfigured as error:  # it did start once: something changed under it
            raise RetryLater(error.code, error.message, **error.fields) from error

    def _give_back(self, worker: WorkerProcess, is_reusable: bool) -> None:
        if is_reusable and self._is_started:
            self._idle.append(worker)
        else:
            worker.kill()

    async def _launch(self) -> WorkerProcess:
        worker = await WorkerProcess.launch(self._id, self._spec, self._start_timeout_s)
        self._workers = {known for known in self._workers if not known.is_gone} | {worker}
        if not self._is_started:
            worker.kill()
            raise RetryLater("container.stopped", f"container {self._id} is not running")
        return worker


def _as_start_failure(failure: BaseException) -> BaseException:
    if isinstance(failure, RetryLater):
        return NodeMisconfigured(failure.code, failure.message.partition(": a new one")[0], **failure.fields)
    return failure
