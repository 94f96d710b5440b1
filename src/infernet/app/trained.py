"""Training on request: a workflow in a worker process, and what it has trained, served at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from infernet.app.on_demand import Loaded, LoadedModels, OnDemand
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
        self._store, self._run_ids = ModelStore(model_store), model_store / RUNS
        self._versions = LoadedModels()
        self._record = model_store / "trained" / f"{quote(settings.name, safe='')}.txt"
        self._serve: Callable[[Container], object] = lambda _: None

    def on_version(self, serve: Callable[[Container], object]) -> None:
        """Call this with each version, as a container, from those that are there already on."""
        self._serve = serve
        for name in self._read_record():
            serve(OnDemand(name, self._answer))

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
        self._serve(OnDemand(name, self._answer))
        return output

    async def stop(self) -> None:
        """End the trainings, and the workers of what they have trained."""
        await super().stop()
        await self._versions.stop()

    async def _answer(self, name: str, features: bytes) -> tuple[bytes, ModelUse]:
        async with self._versions.using(name, lambda: self._load(name)) as model:
            return await model.run_traced(features)

    async def _load(self, name: str) -> Loaded:
        model = await asyncio.to_thread(self._store.get, name)
        path = self._run_ids / model.hash
        run_id = path.read_text(encoding="utf-8") if path.is_file() else ""
        container = ModelContainer(model.manifest, model.folder, run_id=run_id)
        await container.start()
        return Loaded(container)

    def _read_record(self) -> list[str]:
        return self._record.read_text(encoding="utf-8").splitlines() if self._record.is_file() else []
