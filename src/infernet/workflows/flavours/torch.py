"""PyTorch modules.

One that tells classes has them as `classes_` and gives a score for each; the graph adds label and probabilities.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput
from infernet.workflows.flavours.export import (
    FEATURES,
    LABEL,
    PROBABILITIES,
    VALUE,
    VECTOR,
    Arrays,
    Draft,
    Export,
    build_missing,
)
from infernet.workflows.flavours.graph_edits import OPSETS, finish_graph

if TYPE_CHECKING:
    from onnx import ModelProto

    from infernet.workflows.data import Rows

_ADVICE = "look for operators that the exporter replaces, or allow more: Export(tolerance=…)"


def draft(module: Any, rows: Rows, export: Export) -> Draft:
    """Convert a module whose `forward` takes float32 [rows, columns].

    Raises:
        InvalidInput: `model.unsupported`: what the exporter does not know, or an output that is not [rows, numbers].
    """
    classes = getattr(module, "classes_", None)
    whole = _build_classifier(module) if classes is not None else module.eval()
    first = _ask(whole, {FEATURES: rows.matrix()[:1].astype(np.float32)})
    if classes is not None:
        names: tuple[str, ...] = (LABEL, PROBABILITIES)
    else:
        names = (VALUE,) if first[0].ndim == 1 or first[0].shape[1] == 1 else (VECTOR,)
    words, numbers = _read_classes(classes, first[-1].shape[-1])
    return Draft(
        onnx=finish_graph(export_module(whole, {FEATURES: rows.matrix()[:2].astype(np.float32)}, names)),
        feed=lambda features: {FEATURES: features.astype(np.float32)},
        ask=lambda features: dict(zip(names, _ask(whole, {FEATURES: features.astype(np.float32)}), strict=True)),
        answers=names[: 2 if export.probabilities else 1],
        native=save_weights(module),
        advice=_ADVICE,
        classes=None if numbers else words,
        names=words,
    )


def export_module(module: Any, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> ModelProto:
    """A module as a graph whose first dimensions are open.

    Raises:
        InvalidInput: `model.unsupported`.
    """
    import torch  # noqa: PLC0415  (an extra)
    from onnx import load_model_from_string  # noqa: PLC0415

    file = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                tuple(torch.from_numpy(values) for values in inputs.values()),
                file,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes={
                    name: {0: "rows", 1: "tokens"} if values.dtype.kind == "i" else {0: "rows"}
                    for name, values in inputs.items()
                }
                | {name: {0: "rows"} for name in outputs},
                opset_version=OPSETS[""],
                dynamo=False,  # the other exporter takes a hundred times as long
            )
    except Exception as error:
        line = " ".join(str(error).split())[:160]
        raise InvalidInput(
            "model.unsupported", f"{type(module).__name__} cannot be exported to ONNX by torch: {line}"
        ) from error
    model: ModelProto = load_model_from_string(file.getvalue())
    return model


def save_weights(module: Any) -> dict[str, bytes]:
    """The module's weights as safetensors."""
    try:
        from safetensors.torch import save  # noqa: PLC0415
    except ModuleNotFoundError:
        raise build_missing("safetensors", "torch") from None
    weights = {name: value.detach().cpu().contiguous().clone() for name, value in module.state_dict().items()}
    return {"weights.safetensors": save(weights)}


def _build_classifier(module: Any) -> Any:
    import torch  # noqa: PLC0415

    numbers = [] if _are_words(module.classes_) else [int(one) for one in module.classes_]
    plain = numbers == list(range(len(module.classes_))) or not numbers

    class Classifier(torch.nn.Module):  # type: ignore[misc]  # torch is no part of the check
        """The module's scores as a label and probabilities."""

        def __init__(self) -> None:
            super().__init__()
            self.scores = module
            self.register_buffer("labels", torch.tensor(numbers or list(range(len(module.classes_)))))

        def forward(self, features: Any) -> tuple[Any, Any]:
            scores = self.scores(features)
            place = scores.argmax(dim=1)
            return place if plain else self.labels[place], torch.softmax(scores, dim=1)

    return Classifier().eval()


def _read_classes(classes: Any, count: int) -> tuple[tuple[str, ...] | None, bool]:
    """Their names, and whether they are numbers."""
    if classes is None:
        return None, False
    if len(classes) != count:
        raise InvalidInput(
            "model.unsupported", f"classes_ of the module names {len(classes)} classes and it gives {count} scores"
        )
    return tuple(map(str, classes)), not _are_words(classes)


def _are_words(classes: Any) -> bool:
    return any(isinstance(one, str) for one in classes)


def _ask(module: Any, inputs: Arrays) -> list[NDArray[Any]]:
    import torch  # noqa: PLC0415

    try:
        with torch.no_grad():
            given = module(*(torch.from_numpy(values) for values in inputs.values()))
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        shapes = ", ".join(f"{values.dtype.name} {list(values.shape)}" for values in inputs.values())
        raise InvalidInput(
            "model.unsupported", f"forward() of the module does not take {shapes}: {' '.join(str(error).split())[:160]}"
        ) from error
    outputs = [value.numpy() for value in (given if isinstance(given, tuple) else (given,))]
    if any(len(value) != len(next(iter(inputs.values()))) for value in outputs if value.ndim) or len(outputs) > 2:
        raise InvalidInput("model.unsupported", "forward() of the module gives one tensor, a row for each row")
    return outputs
