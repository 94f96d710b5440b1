"""The `model` kind: a model of the local store, in worker processes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infernet.compute.worker_pool import WorkerPool
from infernet.protocol.manifest import Manifest, compute_manifest_hash, encode_manifest
from infernet.types import ModelUse


class ModelContainer(WorkerPool):
    """Serves a model, under its own name unless told. The worker verifies the files before it loads them.

    Args:
        version, run_id: what a journal shall say of it, where it is more than the manifest's name.
        entry, arguments: `module:function` that loads the model in the worker, in place of the plain graph.
    """

    def __init__(
        self,
        manifest: Manifest,
        folder: Path,
        *,
        container_id: str | None = None,
        max_concurrency: int = 1,
        run_timeout_s: float = 60.0,
        start_timeout_s: float = 120.0,
        version: str = "",
        run_id: str = "",
        entry: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self._use = ModelUse(
            container_id or manifest.name, version or manifest.name, compute_manifest_hash(manifest).hex(), run_id
        )
        files = {"manifest": encode_manifest(manifest).decode(), "folder": str(folder)}
        spec: dict[str, Any] = {"kind": "model", **files}
        if entry:
            spec = {"kind": "entry", "entry": entry, "arguments": {**files, **(arguments or {})}}
        super().__init__(
            container_id or manifest.name,
            spec,
            max_concurrency=max_concurrency,
            run_timeout_s=run_timeout_s,
            start_timeout_s=start_timeout_s,
        )

    async def run_traced(self, features: bytes) -> tuple[bytes, ModelUse]:
        """As `run`, with the version that answered."""
        return await self.run(features), self._use
