"""The one table from this chain's errors to those of JSON-RPC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infernet.errors import InfernetError, InvalidInput
from infernet.vm.request import REVERTED, CallFailed, StateUnavailable, TxRejected
from infernet.vm.rpc.errors import INVALID_PARAMS, SERVER_ERROR, RpcError, refuse
from infernet.vm.rpc.reverts import build_revert


@contextmanager
def translated() -> Iterator[None]:
    """Whatever the chain raises inside, the client is told as an `RpcError`."""
    try:
        yield
    except InfernetError as error:
        raise translate(error) from error
    except OverflowError as error:  # balances that a request made up, say
        raise refuse("overflow: a number of the execution leaves its 256 bits") from error


def translate(error: InfernetError) -> RpcError:
    """What the client is told."""
    if isinstance(error, CallFailed) and (error.data or error.message.startswith(REVERTED)):
        return build_revert(error.data)
    if isinstance(error, InvalidInput) and not isinstance(error, CallFailed | StateUnavailable | TxRejected):
        return RpcError(INVALID_PARAMS, error.message)
    return RpcError(SERVER_ERROR, error.message)
