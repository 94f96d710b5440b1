"""Whether models can run here: asked when a layer is put together, for the packages load with the first model."""

from __future__ import annotations

from importlib.util import find_spec

from infernet.errors import NodeMisconfigured


def check_onnx() -> None:
    """
    Raises:
        NodeMisconfigured: `onnx.not_installed`.
    """
    if not all(map(find_spec, ("onnx", "onnxruntime"))):
        raise NodeMisconfigured(
            "onnx.not_installed", "models on chain need onnx and onnxruntime: pip install 'infernet[chain]'"
        )
