"""Training on request: a workflow in a worker process, and what it has trained, served at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from infernet.compute.model import ModelContainer
from infernet.compute.worker_pool import WorkerPool
from infernet.errors import JobRejected, RetryLater
from infernet.models.store import ModelStore
from infernet.ports import Container
from infernet.protocol.abi_codec import decode_abi
from infernet.settings import ContainerSettings
from infernet.types import ModelUse
from infernet.workflows.training_requests import RUNS

_ENTRY = "infernet.workflows.training_requests:load_training"
_OUTPUT_ABI = ("string", "bytes32", "int256")
_MAX_LOADED = 4


class TrainingContainer(WorkerPool):
    """Trains a workflow as features ask. Its output names a new version, which it serves from then on.

    Args:
        model_store: where new versions are put. A file in it lists what each training container has trained.
    """

    def __init__(self, settings: ContainerSettings, model_store: Path, tracking_uri: str) -> None:
        arguments = {
            "workflow": str(settings.workflow),
            "workflow_name": settings.workflow_name,
            "tracking_uri": tracking_uri,
            "model_store": str(model_store),
            "max_rows": settings.max_rows,
            "max_bytes": settings.max_bytes,
            "memory_bytes": settings.memory_bytes,
        }
        super().__init__(
            settings.name,
            {"kind": "entry", "entry": _ENTRY, "arguments": arguments},
            max_concurrency=settings.concurrency,
            run_timeout_s=settings.timeout_s,
        )
        self._versions = _Loaded(model_store)
        self._record = model_store / "trained" / f"{quote(settings.name, safe='')}.txt"
        self._serve: Callable[[Container], object] = lambda _: None

    def on_version(self, serve: Callable[[Container], object]) -> None:
        """Call this with each version, as a container, from those that are there already on."""
        self._serve = serve
        for name in self._read_record():
            serve(_Version(name, self._versions))

    async def run(self, features: bytes) -> bytes:
        """As `WorkerPool`, but too long a training is not begun again."""
        try:
            output = await super().run(features)
        except RetryLater as error:
            if error.code == "container.timeout":
                raise JobRejected("training.timeout", f"{error.message}: set timeout_s higher") from None
            raise
        (name, *_) = decode_abi(_OUTPUT_ABI, output)
        if name not in self._read_record():
            self._record.parent.mkdir(parents=True, exist_ok=True)
            with self._record.open("a", encoding="utf-8") as record:
                record.write(f"{name}\n")
        self._serve(_Version(name, self._versions))
        return output

    async def stop(self) -> None:
        """End the trainings, and the workers of what they have trained."""
        await super().stop()
        await self._versions.stop()

    def _read_record(self) -> list[str]:
        return self._record.read_text(encoding="utf-8").splitlines() if self._record.is_file() else []


@dataclass(frozen=True, slots=True)
class _Version:
    """A container that takes a worker only when it is asked."""

    id: str
    _loaded: _Loaded
    max_concurrency: int = 1

    async def start(self) -> None: ...

    async def run(self, features: bytes) -> bytes:
        return (await self.run_traced(features))[0]

    async def run_traced(self, features: bytes) -> tuple[bytes, ModelUse]:
        return await self._loaded.run(self.id, features)

    async def stop(self) -> None: ...


class _Loaded:
    """The versions that have workers, a few of them, the longest unused first."""

    def __init__(self, model_store: Path) -> None:
        self._store = ModelStore(model_store)
        self._run_ids = model_store / RUNS
        self._pools: dict[str, ModelContainer] = {}
        self._runs: Counter[str] = Counter()
        self._loading = asyncio.Lock()

    async def run(self, name: str, features: bytes) -> tuple[bytes, ModelUse]:
        self._runs[name] += 1
        try:
            return await (await self._take(name)).run_traced(features)
        finally:
            self._runs[name] -= 1

    async def stop(self) -> None:
        async with self._loading:
            pools = list(self._pools.values())
            self._pools.clear()
        await asyncio.gather(*(pool.stop() for pool in pools))

    async def _take(self, name: str) -> ModelContainer:
        async with self._loading:
            pool = self._pools.pop(name, None)
            if pool is None:
                model = await asyncio.to_thread(self._store.get, name)
                path = self._run_ids / model.hash
                run_id = path.read_text(encoding="utf-8") if path.is_file() else ""
                pool = ModelContainer(model.manifest, model.folder, run_id=run_id)
                await pool.start()
            self._pools[name] = pool  # the last of all
            idle = [other for other in self._pools if not self._runs[other]]
            for other in idle[: max(0, len(self._pools) - _MAX_LOADED)]:
                await self._pools.pop(other).stop()
        return pool
