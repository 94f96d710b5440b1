"""Entries of leaderboards, scored on request: a worker that fetches models of strangers and runs them on a test set."""

from __future__ import annotations

from infernet.compute.worker_pool import WorkerPool
from infernet.settings import ContainerSettings

_ENTRY = "infernet.workflows.scoring:load_scoring"


def build_evaluation(settings: ContainerSettings) -> WorkerPool:
    """The container, not started. Nodes whose settings differ in what decides a score must give it different names."""
    arguments = {
        "column": settings.column,
        "metric": settings.metric,
        "decimals": settings.decimals,
        "folders": [str(folder) for folder in settings.folders],
        "private_addresses": settings.private_addresses,
        "max_rows": settings.max_rows,
        "max_bytes": settings.max_bytes,
        "memory_bytes": settings.memory_bytes,
    }
    return WorkerPool(
        settings.name,
        {"kind": "entry", "entry": _ENTRY, "arguments": arguments},
        max_concurrency=settings.concurrency,
        run_timeout_s=settings.timeout_s,
    )
