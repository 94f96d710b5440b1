"""What the node and a worker say to each other over a pipe: frames of a kind and a payload.

A frame is a big-endian uint32 length of what follows, one byte of kind, the payload.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import BinaryIO

from infernet.errors import InfernetError, InvalidInput, JobRejected, NodeMisconfigured, RetryLater

_HEADER = struct.Struct(">IB")
_ERRORS = {kind.__name__: kind for kind in (JobRejected, RetryLater, NodeMisconfigured, InvalidInput)}


class Kind(IntEnum):
    """What a frame means: the first two go to the worker, the others come from it."""

    LOAD = 1
    """JSON: what to run. Answered by READY or ERROR."""
    RUN = 2
    """Features. Answered by OUTPUT or ERROR."""
    READY = 3
    OUTPUT = 4
    ERROR = 5
    """JSON: an error's class, code and message."""


def encode_frame(kind: Kind, payload: bytes = b"") -> bytes:
    """One frame."""
    return _HEADER.pack(1 + len(payload), kind) + payload


def read_frame(stream: BinaryIO) -> tuple[Kind, bytes] | None:
    """The next frame of a blocking stream, None at its end."""
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    length, kind = _HEADER.unpack(header)
    payload = stream.read(length - 1)
    return (Kind(kind), payload) if len(payload) == length - 1 else None


class FrameBuffer:
    """Cuts a stream that arrives in pieces into frames."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, piece: bytes) -> Iterator[tuple[Kind, bytes]]:
        """The frames that this piece completes."""
        self._received += piece
        while len(self._received) >= _HEADER.size:
            length, kind = _HEADER.unpack_from(self._received)
            end = _HEADER.size - 1 + length
            if len(self._received) < end:
                return
            payload = bytes(self._received[_HEADER.size : end])
            del self._received[:end]
            yield Kind(kind), payload


def encode_error(error: InfernetError) -> bytes:
    """An error's frame."""
    kind = next((name for name, known in _ERRORS.items() if isinstance(error, known)), JobRejected.__name__)
    text = json.dumps({"kind": kind, "code": error.code, "message": error.message})
    return encode_frame(Kind.ERROR, text.encode())


def decode_error(payload: bytes) -> InfernetError:
    """The error of an ERROR frame's payload."""
    fields = json.loads(payload)
    return _ERRORS[fields["kind"]](fields["code"], fields["message"])
