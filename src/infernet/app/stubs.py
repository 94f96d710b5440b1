"""A layer's precompiles in front of a chain that has none, for development."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from infernet.app.layer import build_layer
from infernet.app.layer_spcs import SYSTEM_CONTRACTS
from infernet.chain.artifacts import load_artifact
from infernet.layer_settings import LayerSettings
from infernet.vm.stubs import serve_stubs
from infernet.web import HttpServer


def run_stubs(settings: LayerSettings, rpc_url: str, host: str, port: int) -> AbstractAsyncContextManager[HttpServer]:
    """As `serve_stubs`, with the precompiles and the system contracts that the layer's file enables.

    Raises:
        NodeMisconfigured: as `build_layer`.
    """
    enabled = [SYSTEM_CONTRACTS[name] for name in settings.precompiles if name in SYSTEM_CONTRACTS]
    contracts = {address: load_artifact(name).runtime for name, address in enabled}
    return serve_stubs(rpc_url, build_layer(settings).spcs, host, port, contracts)
