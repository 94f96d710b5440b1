"""Inference workflows: rows in, answers out, by the version that a reference stands for.

    class Wine(InferenceWorkflow):
        name, model = "wine", "models:/wine@champion"

        def postprocess(self, outputs):
            return {"kind": outputs["label"]}

Every step has a default, so a workflow is as short as what is special about it. The decorator makes one of a function
that takes the rows and the loaded model.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput
from infernet.protocol.fixed_point import from_stored
from infernet.protocol.manifest import TensorSpec
from infernet.workflows.loaded_model import Arrays, Columns, LoadedModel, build_features, load_model

Answer = Callable[[Columns, LoadedModel], Mapping[str, Any]]


class InferenceWorkflow:
    """One model behind its own handling of rows and outputs.

    Attributes:
        name: what it is called.
        model: a reference, as `load_model` takes it.
        loaded: the model, once it is set up.
    """

    name: str
    model: str
    loaded: LoadedModel

    def set_up(self) -> None:
        """Called once, when the model is loaded: for what is needed besides."""

    def preprocess(self, rows: Columns | NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """What the graph takes. By default the manifest's columns, in its order and its dtype."""
        return build_features(self.loaded.manifest, rows)

    def infer(self, features: Mapping[str, NDArray[Any]]) -> Arrays:
        """What the graph gives, in batches where there are many rows."""
        return self.loaded.run(features)

    def postprocess(self, outputs: Arrays) -> Mapping[str, Any]:
        """The answer. By default the outputs as people read them: the names of classes where the manifest has them, and
        numbers in their own unit where the graph has them in fixed point.
        """
        specs = {spec.name: spec for spec in self.loaded.manifest.outputs}
        return {name: _read(values, specs[name]) for name, values in outputs.items()}

    def __call__(self, rows: Columns | NDArray[Any]) -> Mapping[str, Any]:
        """The answer to rows, once it is set up."""
        return self.postprocess(self.infer(self.preprocess(rows)))


class _FunctionWorkflow(InferenceWorkflow):
    def __init__(self, answer: Answer, model: str, name: str) -> None:
        self._answer = answer
        self.model = model
        self.name = name

    def __call__(self, rows: Columns | NDArray[Any]) -> Mapping[str, Any]:
        return self._answer(rows, self.loaded)  # type: ignore[arg-type]


class _Plain(InferenceWorkflow):
    def __init__(self, model: str) -> None:
        self.model = self.name = model


def inference(model: str, *, name: str | None = None) -> Callable[[Answer], InferenceWorkflow]:
    """An inference workflow of a function of the rows and the loaded model."""

    def decorate(answer: Answer) -> InferenceWorkflow:
        return _FunctionWorkflow(answer, model, name or str(getattr(answer, "__name__", model)))

    return decorate


def start_inference(workflow: InferenceWorkflow | str, *, store: Path, tracking_uri: str) -> InferenceWorkflow:
    """Load the workflow's model, or the model that a reference names, and set the workflow up.

    Raises:
        InvalidInput: `workflow.incomplete`; or as `load_model`.
        NodeMisconfigured, RetryLater: as `load_model`.
    """
    chosen = _Plain(workflow) if isinstance(workflow, str) else workflow
    if not isinstance(getattr(chosen, "model", None), str):
        raise InvalidInput("workflow.incomplete", f"{type(chosen).__name__} has no model: set it to models:/NAME@ALIAS")
    chosen.loaded = load_model(chosen.model, store, tracking_uri)
    chosen.set_up()
    return chosen


def run_inference(
    workflow: InferenceWorkflow | str,
    rows: Columns | NDArray[Any],
    *,
    store: Path,
    tracking_uri: str,
    ray: str | None = None,
) -> Mapping[str, Any]:
    """The answer to rows, by the version that the workflow's reference stands for now.

    Args:
        ray: a Ray cluster's address, `local` for one on this machine: the model runs there.

    Raises:
        InvalidInput, NodeMisconfigured, RetryLater: as `start_inference`; `ray.not_installed`, `ray.unreachable`.
    """
    return answer_rows(start_inference(workflow, store=store, tracking_uri=tracking_uri), rows, ray)


def answer_rows(started: InferenceWorkflow, rows: Columns | NDArray[Any], ray: str | None = None) -> Mapping[str, Any]:
    """As `run_inference`, by a workflow that is set up."""
    if ray is None:
        return started(rows)
    from infernet.workflows.cluster_inference import answering_on  # noqa: PLC0415  (an extra)

    with answering_on(ray, started):
        return started(rows)


def load_inference(path: Path, name: str | None = None) -> InferenceWorkflow:
    """The inference workflow of a Python file, `name` where it has several.

    Raises:
        InvalidInput: `workflow.file_missing`, `workflow.broken`, `workflow.none`, `workflow.several`.
    """
    from infernet.workflows.workflow import import_file  # noqa: PLC0415  (what training needs besides)

    module = import_file(path)
    found: dict[str, InferenceWorkflow] = {}
    for value in vars(module).values():
        is_own_class = inspect.isclass(value) and value.__module__ == module.__name__
        workflow = value() if is_own_class and issubclass(value, InferenceWorkflow) else value
        if isinstance(workflow, InferenceWorkflow):
            found[getattr(workflow, "name", type(workflow).__name__)] = workflow
    chosen = [workflow for key, workflow in found.items() if name in (None, key)]
    if not chosen:
        what = f"inference workflow {name!r}" if name else "InferenceWorkflow and no @inference function"
        raise InvalidInput("workflow.none", f"{path} has no {what}")
    if len(chosen) > 1:
        raise InvalidInput("workflow.several", f"{path} has {', '.join(found)}: choose one with --workflow")
    return chosen[0]


def _read(values: NDArray[Any], spec: TensorSpec) -> NDArray[Any]:
    if spec.classes is not None:
        return np.take(np.asarray(spec.classes), values)
    return from_stored(values, spec.scale) if spec.scale and not spec.is_float else values
