"""Features as a person writes them on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from infernet.errors import InvalidInput

if TYPE_CHECKING:
    from infernet.protocol.tensor import Tensor


def parse_features(features: str | None, ints: str | None, tensor: str | None) -> bytes:
    """The features, ABI bytes, in one of the three ways to write them.

    Raises:
        InvalidInput: none or several are given, or one is malformed.
    """
    if sum(given is not None for given in (features, ints, tensor)) != 1:
        raise InvalidInput("request.features", "give the features once: --features, --ints or --tensor")
    if ints is not None:
        return _parse_ints(ints)
    if tensor is not None:
        from infernet.protocol.tensor import encode_tensor

        return encode_tensor(_parse_tensor(tensor))
    text = features or ""
    return _read_file(Path(text[1:])) if text.startswith("@") else _parse_hex(text)


def _parse_ints(text: str) -> bytes:
    from infernet.protocol.int256 import encode_int256s

    try:
        numbers = [int(word) for word in text.split(",")] if text.strip() else []
    except ValueError:
        raise InvalidInput("request.features", f"--ints {text[:60]!r} is no list of integers: write 1,-2,3") from None
    import numpy as np

    return encode_int256s(np.array(numbers, object))


def _parse_tensor(text: str) -> Tensor:
    import numpy as np

    from infernet.protocol.tensor import DTYPE_CODES, Tensor

    parts = text.split(":")
    if len(parts) != 3 or parts[0] not in DTYPE_CODES:
        raise InvalidInput(
            "request.features",
            f"--tensor {text[:60]!r} is not dtype:shape:values: write uint8:1x3:0,5,16, with a dtype of "
            f"{', '.join(DTYPE_CODES)}",
        )
    dtype = np.dtype(parts[0])
    kind = float if dtype.kind == "f" else int
    try:
        sizes = [int(size) for size in parts[1].split("x")] if parts[1] else []
        numbers = [kind(word) for word in parts[2].split(",")] if parts[2] else []
        with np.errstate(over="raise"):
            values = np.array(numbers, np.uint8 if dtype.kind == "b" else dtype).reshape(sizes)
    except (ValueError, OverflowError, FloatingPointError) as error:
        raise InvalidInput("request.features", f"--tensor {text[:60]!r} holds no {parts[0]} values: {error}") from None
    if min(sizes, default=0) < 0 or (dtype.kind == "b" and max(numbers, default=0) > 1):
        raise InvalidInput("request.features", f"--tensor {text[:60]!r} does not fit its shape or its dtype")
    return Tensor(values.astype(dtype))


def _parse_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise InvalidInput(
            "request.features", f"--features {text[:60]!r} is no hex: write 0x… or @file, or use --ints or --tensor"
        ) from None


def _read_file(path: Path) -> bytes:
    """Hex text where it begins with 0x, else the bytes as they are."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput("request.features", f"{path} cannot be read: {error.strerror}") from error
    return _parse_hex(content.decode("utf-8", "replace").strip()) if content.startswith(b"0x") else content
