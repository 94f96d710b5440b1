"""What a user writes: where the data comes from, what to learn, and how."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import random
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from infernet.errors import InvalidInput
from infernet.workflows.checkpoints import EVERY_S
from infernet.workflows.flavours.export import Export
from infernet.workflows.metrics import Metric

if TYPE_CHECKING:
    import pandas as pd

    from infernet.workflows.data import Rows, Table
    from infernet.workflows.progress import Progress
    from infernet.workflows.search import Space

Params = Mapping[str, Any]
_GIVEN = ("rows", "seed", "progress")
"""What `train` may ask for beside its parameters."""


class TrainingWorkflow(ABC):
    """Load data, train, and say what is good. A subclass sets `name` and `target`, and has `load` and `train`.

    Attributes:
        name: of the registered model.
        target: the column to learn.
        metric: what decides which version is the champion; a name of `METRICS` or a `Metric`.
        namespace: the first half of the manifest's name.
        description: one line for the manifest.
        leave_out: columns that are no features.
        held_out: the share of rows that the model is judged by and never learns from.
        held_out_by: columns whose content decides which rows those are; rows that are equal in them (of one customer,
            one patient) stay together. All features where it is empty.
        time, since: instead, the rows whose column `time` is `since` or later.
        feature_dtype: what features become before training, which is what the exported graph takes; None leaves them.
        export: how numbers travel and what is promised of them.
        space: what `infernet train --search` tries, by parameter.
        checkpoint_s: the least time between two checkpoints of a `train` that makes some; 0 for each step.
    """

    name: str
    target: str
    metric: str | Metric = "accuracy"
    namespace: str = "local"
    description: str | None = None
    leave_out: tuple[str, ...] = ()
    held_out: float = 0.2
    held_out_by: tuple[str, ...] = ()
    time: str | None = None
    since: Any = None
    feature_dtype: str | None = "float32"
    export: Export = Export()
    space: ClassVar[Mapping[str, Space]] = {}
    checkpoint_s: float = EVERY_S

    @abstractmethod
    def load(self) -> Table | pd.DataFrame:
        """The data."""

    @abstractmethod
    def train(self, rows: Rows, **params: Any) -> Any:
        """A trained estimator. It may take `seed: int` and `progress: Progress` as well; all else has a default."""

    @property
    def code(self) -> str:
        """The text that makes this workflow what it is: its file, or the class alone where there is none."""
        return self.file.read_text(encoding="utf-8") if self.file else _read_source(type(self))

    @property
    def file(self) -> Path | None:
        """Where it is written."""
        return _find_file(type(self))


class _FunctionWorkflow(TrainingWorkflow):
    """A workflow made of two functions."""

    def __init__(self, train: Callable[..., Any], load: Callable[[], Any], settings: Mapping[str, Any]) -> None:
        self.train = train  # type: ignore[method-assign]
        self.load = load  # type: ignore[method-assign]
        self.__doc__ = train.__doc__
        for name, value in settings.items():
            if name not in TrainingWorkflow.__annotations__:
                raise InvalidInput("workflow.setting", f"a training workflow has no setting {name!r}")
            setattr(self, name, value)

    def load(self) -> Any: ...

    def train(self, rows: Rows, **params: Any) -> Any: ...

    def __call__(self, *args: Any, **params: Any) -> Any:
        return self.train(*args, **params)

    @property
    def code(self) -> str:
        return (
            self.file.read_text(encoding="utf-8") if self.file else _read_source(self.load) + _read_source(self.train)
        )

    @property
    def file(self) -> Path | None:
        return _find_file(self.train)


def training(
    *, name: str, target: str, load: Callable[[], Any], **settings: Any
) -> Callable[[Callable[..., Any]], TrainingWorkflow]:
    """Makes a function that trains a workflow; further settings are the attributes of `TrainingWorkflow`."""
    return lambda function: _FunctionWorkflow(function, load, {"name": name, "target": target, **settings})


def read_parameters(workflow: TrainingWorkflow) -> dict[str, Any]:
    """What `train` can be told, with its defaults.

    Raises:
        InvalidInput: `workflow.parameter`: one has no default.
    """
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(workflow.train).parameters.items():
        if name in _GIVEN or parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.default is parameter.empty:
            if not found and parameter.kind is not parameter.KEYWORD_ONLY and name == _read_first(workflow):
                continue
            raise InvalidInput("workflow.parameter", f"{name} of {workflow.name}'s train() needs a default")
        found[name] = parameter.default
    return found


def takes(workflow: TrainingWorkflow, name: str) -> bool:
    """Whether `train` asks for `seed` or `progress`."""
    return name in inspect.signature(workflow.train).parameters


def call_train(workflow: TrainingWorkflow, rows: Rows, params: Params, seed: int, progress: Progress) -> Any:
    """The workflow's own `train`, from a fixed seed.

    Raises:
        InvalidInput: `workflow.no_model`.
    """
    random.seed(seed)
    np.random.seed(seed)  # what libraries draw from unless they are told
    given = {"seed": seed, "progress": progress}
    estimator = workflow.train(rows, **params, **{name: given[name] for name in given if takes(workflow, name)})
    if estimator is None:
        raise InvalidInput("workflow.no_model", f"{workflow.name}'s train() returned nothing: return the fitted model")
    return estimator


def parse_parameters(workflow: TrainingWorkflow, settings: Params) -> dict[str, Any]:
    """The parameters of a training: the defaults, and what is set; texts become what the default is.

    Raises:
        InvalidInput: `workflow.parameter`.
    """
    parameters = read_parameters(workflow)
    for name, value in settings.items():
        if name not in parameters:
            known = ", ".join(parameters) or "none"
            raise InvalidInput("workflow.parameter", f"{workflow.name} has no parameter {name!r}, it has {known}")
        parameters[name] = _parse(name, value, parameters[name]) if isinstance(value, str) else value
    return parameters


def load_workflow(path: Path, name: str | None = None) -> TrainingWorkflow:
    """The workflow of a Python file.

    Args:
        name: which one, where the file has several.

    Raises:
        InvalidInput: `workflow.file_missing`, `workflow.broken`, `workflow.none`, `workflow.several`.
    """
    module = import_file(path)
    found = {workflow.name: workflow for workflow in _list_workflows(module)}
    if name is not None:
        found = {name: found[name]} if name in found else {}
    if not found:
        wanted = f"workflow {name!r}" if name else "TrainingWorkflow and no @training function"
        raise InvalidInput("workflow.none", f"{path} has no {wanted}")
    if len(found) > 1:
        raise InvalidInput("workflow.several", f"{path} has {', '.join(found)}: choose one with --workflow")
    return next(iter(found.values()))


def import_file(path: Path) -> Any:
    """A user's file as a module.

    Raises:
        InvalidInput: `workflow.file_missing`, `workflow.broken`.
    """
    if not path.is_file():
        raise InvalidInput("workflow.file_missing", f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(f"infernet_workflow_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InvalidInput("workflow.broken", f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    if (folder := str(path.resolve().parent)) not in sys.path:
        sys.path.insert(0, folder)  # as Python does for a script: it may import what lies beside it
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's code may raise anything
        line = _find_line(error, path)
        raise InvalidInput("workflow.broken", f"{path}{line}: {type(error).__name__}: {error}") from error
    return module


def _list_workflows(module: Any) -> list[TrainingWorkflow]:
    found: list[TrainingWorkflow] = []
    for value in vars(module).values():
        if isinstance(value, TrainingWorkflow):
            found.append(value)
        elif inspect.isclass(value) and issubclass(value, TrainingWorkflow) and value.__module__ == module.__name__:
            if inspect.isabstract(value):
                continue
            found.append(value())
    for workflow in found:
        check_workflow(workflow)
    return found


def check_workflow(workflow: TrainingWorkflow) -> None:
    """Whether it says what it must.

    Raises:
        InvalidInput: `workflow.incomplete`.
    """
    for attribute in ("name", "target"):
        if not isinstance(getattr(workflow, attribute, None), str):
            raise InvalidInput("workflow.incomplete", f"{type(workflow).__name__} has no {attribute}: set it to a text")


def _read_first(workflow: TrainingWorkflow) -> str | None:
    return next(iter(inspect.signature(workflow.train).parameters), None)


def _parse(name: str, text: str, default: Any) -> Any:
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(default, int):
            return int(text)
        return float(text) if isinstance(default, float) else text
    except (ValueError, KeyError):
        kind = type(default).__name__
        raise InvalidInput("workflow.parameter", f"{name}={text!r} is no {kind}, as its default {default} is") from None


def _read_source(thing: Any) -> str:
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):  # typed into an interpreter
        return getattr(thing, "__qualname__", "")


def _find_file(thing: Any) -> Path | None:
    try:
        path = Path(inspect.getfile(thing)).resolve()
    except (OSError, TypeError):
        return None
    return path if path.is_file() else None


def _find_line(error: BaseException, path: Path) -> str:
    trace, line = error.__traceback__, ""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = f", line {trace.tb_lineno}"
        trace = trace.tb_next
    return line


def compute_code_hash(workflow: TrainingWorkflow) -> str:
    """Of the text that makes the workflow what it is."""
    return hashlib.sha256(workflow.code.encode()).hexdigest()
