"""What a creator declares of how a model travels, and what comes out of a conversion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from numpy.typing import NDArray

from infernet.errors import NodeMisconfigured
from infernet.protocol.manifest import Determinism, TensorSpec

Arrays: TypeAlias = "dict[str, NDArray[Any]]"
FEATURES = "features"
LABEL, PROBABILITIES, SCORES, VALUE, VECTOR = "label", "probabilities", "scores", "value", "vector"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """How numbers travel and what is promised of them. All of it is part of the model's interface: a contract that
    follows an alias counts on it to stay.

    Attributes:
        scale: decimal places of features: 1.5 travels as 1500000.
        output_scale: decimal places of outputs.
        probabilities: a classifier's probabilities beside its label.
        decimals: places of an output that are kept, so that machines agree (determinism `rounded`). Refused where the
            rows show that they would not.
        exact: integer arithmetic (determinism `exact`), for linear models and trees.
        tolerance: by how much the graph may differ from the original, as a part of an output's largest value.
    """

    scale: int = 6
    output_scale: int = 6
    probabilities: bool = False
    decimals: int | None = None
    exact: bool = False
    tolerance: float = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A graph as a flavour makes it, and how to ask the original.

    Attributes:
        feed: the graph's inputs for features, rows first.
        ask: the original's outputs for features, by the graph's names, the answer first. Labels are integers.
        answers: the outputs that a contract gets.
        ask_answers: the original's answers alone, where they cost less than all its outputs.
        advice: the way out where the graph deviates.
        classes: what the labels 0, 1 … stand for, where they are not the classes themselves.
        names: of the classes, in the order of the probabilities' columns.
        stored: integer inputs and outputs that are numbers with the export's decimal places.
        determinism: where the graph itself decides it.
        files: what belongs beside the graph, as a tokenizer does.
    """

    onnx: bytes
    feed: Callable[[NDArray[Any]], Arrays]
    ask: Callable[[NDArray[Any]], Arrays]
    answers: tuple[str, ...]
    native: Mapping[str, bytes]
    advice: str
    classes: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    stored: frozenset[str] = frozenset()
    determinism: Determinism | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    ask_answers: Callable[[NDArray[Any]], Arrays] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """A checked graph and its interface.

    Attributes:
        onnx: the same bytes for the same model, on every machine.
        outputs: the answer first: a label, a value or a vector.
        native: the original in a format that runs no code when it is read, by file name; empty where it has none.
        largest_difference: between the original and the graph on the rows of the check, as a part of an output's
            largest value.
        files: what belongs into the model's folder beside the graph, by file name.
    """

    onnx: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    determinism: Determinism
    native: Mapping[str, bytes] = field(default_factory=dict)
    largest_difference: float = 0.0
    files: Mapping[str, bytes] = field(default_factory=dict)


def build_missing(package: str, extra: str = "workflows") -> NodeMisconfigured:
    """The error of a package that a flavour needs and that is not there."""
    return NodeMisconfigured(
        "workflows.not_installed", f"this model needs {package} to be exported: pip install 'infernet[{extra}]'"
    )
