"""The `python` kind: a decorated function or class of the operator's own, in worker processes."""

from __future__ import annotations

from infernet.compute.worker_pool import WorkerPool


class PythonContainer(WorkerPool):
    """Serves `module:attribute` or `path/to/file.py:attribute`, decorated with `infernet.serve.container`."""

    def __init__(
        self,
        container_id: str,
        target: str,
        *,
        max_concurrency: int = 1,
        run_timeout_s: float = 60.0,
        start_timeout_s: float = 120.0,
    ) -> None:
        super().__init__(
            container_id,
            {"kind": "python", "target": target, "id": container_id},
            max_concurrency=max_concurrency,
            run_timeout_s=run_timeout_s,
            start_timeout_s=start_timeout_s,
        )
