"""Many rows through one graph on a Ray cluster: each of its processors takes parts of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.onnx_session import open_session
from infernet.workflows.batches import BATCH_ROWS, count_rows, run_batches
from infernet.workflows.cluster import Cluster, connecting
from infernet.workflows.inference_workflow import InferenceWorkflow
from infernet.workflows.loaded_model import Arrays, LoadedModel

_PARTS_PER_CPU = 4
"""So that the last to finish keeps the others waiting a quarter of its time at the most."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _ClusterModel(LoadedModel):
    """A model whose graph runs on a cluster."""

    cluster: Cluster

    def run(self, features: Mapping[str, NDArray[Any]], on_progress: Callable[[int], None] | None = None) -> Arrays:
        names, rows = [spec.name for spec in self.manifest.outputs], count_rows(features)
        size = max(BATCH_ROWS, -(-rows // (_PARTS_PER_CPU * self.cluster.count_cpus())))
        graph = self.cluster.ray.put(self.graph.read_bytes())
        answer = self.cluster.ray.remote(_answer)
        tasks = [
            answer.remote(graph, {name: values[start : start + size] for name, values in features.items()}, names)
            for start in range(0, rows, size)
        ]
        report = on_progress or self.on_progress or (lambda _: None)
        told = 0

        def look(finished: int) -> bool:
            nonlocal told
            done = min(finished * size, rows)
            if done > told:
                report(done - told)
            told = max(told, done)
            return True

        parts = self.cluster.wait(tasks, look)
        return {name: np.concatenate([part[name] for part in parts]) for name in names}


@contextmanager
def answering_on(address: str | None, workflow: InferenceWorkflow) -> Iterator[None]:
    """Inside, a workflow that is set up has its model run on the Ray cluster at that address, `local` for one on this
    machine; without an address, here.

    Raises:
        NodeMisconfigured: `ray.not_installed`.
        RetryLater: `ray.unreachable`.
    """
    with connecting(address) as cluster:
        here = workflow.loaded
        if cluster is not None:
            known = {field.name: getattr(here, field.name) for field in fields(here)}
            workflow.loaded = _ClusterModel(**known, cluster=cluster)
        try:
            yield
        finally:
            workflow.loaded = here


def _answer(graph: bytes, features: dict[str, NDArray[Any]], names: list[str]) -> Arrays:
    """On the cluster: one processor's part."""
    return run_batches(_open(graph), features, names, threads=1)


@lru_cache(maxsize=2)
def _open(graph: bytes) -> Any:
    return open_session(graph)
