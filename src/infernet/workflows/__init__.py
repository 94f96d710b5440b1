"""Training and inference workflows.

What is named here is imported when it is asked for: pandas, scikit-learn and MLflow take seconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infernet.workflows.data import Rows as Rows
    from infernet.workflows.data import Table as Table
    from infernet.workflows.flavours.export import Export as Export
    from infernet.workflows.inference_workflow import InferenceWorkflow as InferenceWorkflow
    from infernet.workflows.inference_workflow import inference as inference
    from infernet.workflows.inference_workflow import run_inference as run_inference
    from infernet.workflows.inference_workflow import start_inference as start_inference
    from infernet.workflows.metrics import Metric as Metric
    from infernet.workflows.progress import Progress as Progress
    from infernet.workflows.search import Range as Range
    from infernet.workflows.trainer import TrainedVersion as TrainedVersion
    from infernet.workflows.trainer import run_training as run_training
    from infernet.workflows.workflow import TrainingWorkflow as TrainingWorkflow
    from infernet.workflows.workflow import training as training

_PLACES = {
    "Export": "flavours.export",
    "InferenceWorkflow": "inference_workflow",
    "Metric": "metrics",
    "Progress": "progress",
    "Range": "search",
    "Rows": "data",
    "Table": "data",
    "TrainedVersion": "trainer",
    "TrainingWorkflow": "workflow",
    "inference": "inference_workflow",
    "run_inference": "inference_workflow",
    "run_training": "trainer",
    "start_inference": "inference_workflow",
    "training": "workflow",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_PLACES)
