"""The one table from this chain's errors to those of JSON-RPC."""

from __future__ import annotations

from infernet.errors import InfernetError, InvalidInput
from infernet.vm.request import REVERTED, CallFailed, StateUnavailable, TxRejected
from infernet.vm.rpc.errors import INVALID_PARAMS, SERVER_ERROR, RpcError
from infernet.vm.rpc.reverts import build_revert


def translate(error: InfernetError) -> RpcError:
    """What the client is told."""
    if isinstance(error, CallFailed) and (error.data or error.message.startswith(REVERTED)):
        return build_revert(error.data)
    if isinstance(error, InvalidInput) and not isinstance(error, CallFailed | StateUnavailable | TxRejected):
        return RpcError(INVALID_PARAMS, error.message)
    return RpcError(SERVER_ERROR, error.message)
