"""Every error a caller is meant to handle, split by what the caller does about it.

The `code` is stable: it stands in logs, metrics, the journal and HTTP bodies. The message is for a person: what is
wrong and what to do, in one line.
"""

from __future__ import annotations


class InfernetError(Exception):
    """An expected failure.

    Attributes:
        code: stable, dotted, lower case, e.g. `chain.unreachable`.
        message: one line for a person.
        fields: the values that belong to it, for structured logs.
    """

    def __init__(self, code: str, message: str, **fields: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = fields

    def __str__(self) -> str:
        return self.message


class RetryLater(InfernetError):
    """The world is not ready (a peer is down, a fee is too high): the same call may succeed later."""


class JobRejected(InfernetError):
    """This job can never succeed as it stands: note why, go on with the others."""


class NodeMisconfigured(InfernetError):
    """The operator must change something before the node can run."""


class InvalidInput(InfernetError):
    """The caller passed a value that no retry will make right."""


def is_endpoint_error(error: InfernetError) -> bool:
    """True where a chain's endpoint is the reason, whatever it said: it may do better the next time."""
    return error.code.startswith("chain.")
