"""What a JSON-RPC answer says when it is an error: the codes that clients know, geth's words where it has them."""

from __future__ import annotations

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
SERVER_ERROR = -32000
RESPONSE_TOO_LARGE = -32003
LIMIT_EXCEEDED = -32005
EXECUTION_REVERTED = 3
HISTORY_PRUNED = 4444


class RpcError(Exception):
    """The error of one answer.

    Attributes:
        data: what stands beside the message, a revert's bytes in hexadecimal say.
    """

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def describe(self) -> dict[str, object]:
        """The `error` member of an answer."""
        error: dict[str, object] = {"code": self.code, "message": self.message}
        return error if self.data is None else error | {"data": self.data}


class Malformed(ValueError):
    """A value of another shape than is wanted: what is wrong, without the parameter's name."""


def refuse(message: str) -> RpcError:
    """The request is well-formed, and the chain says no."""
    return RpcError(SERVER_ERROR, message)


def exceeds(message: str) -> RpcError:
    """The request asks for more than one answer carries."""
    return RpcError(LIMIT_EXCEEDED, message)


def invalid(message: str) -> RpcError:
    """A parameter has another shape than the method takes."""
    return RpcError(INVALID_PARAMS, message)
