"""The `model` kind: a model of the local store, in worker processes."""

from __future__ import annotations

from pathlib import Path

from infernet.compute.worker_pool import WorkerPool
from infernet.protocol.manifest import Manifest, encode_manifest


class ModelContainer(WorkerPool):
    """Serves a model, under its own name unless told. The worker verifies the files before it loads them."""

    def __init__(
        self,
        manifest: Manifest,
        folder: Path,
        *,
        container_id: str | None = None,
        max_concurrency: int = 1,
        run_timeout_s: float = 60.0,
        start_timeout_s: float = 120.0,
    ) -> None:
        spec = {"kind": "model", "manifest": encode_manifest(manifest).decode(), "folder": str(folder)}
        super().__init__(
            container_id or manifest.name,
            spec,
            max_concurrency=max_concurrency,
            run_timeout_s=run_timeout_s,
            start_timeout_s=start_timeout_s,
        )
