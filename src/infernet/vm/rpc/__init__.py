"""The chain's JSON-RPC, over HTTP and WebSocket."""

from infernet.vm.rpc.client import Limits
from infernet.vm.rpc.server import serve_chain

__all__ = ["Limits", "serve_chain"]
