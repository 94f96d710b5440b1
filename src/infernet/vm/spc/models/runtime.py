"""The packages that run models: they load with the layer, not with the first model in the middle of a block."""

from __future__ import annotations

from infernet.onnx_session import import_runtime
from infernet.vm.spc.models.graph import import_onnx


def load_runtime() -> None:
    """
    Raises:
        NodeMisconfigured: `onnx.not_installed`.
    """
    import_onnx()
    import_runtime()
