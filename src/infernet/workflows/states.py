"""What a training has to remember, as bytes that hold values and never code.

Containers are written as JSON, arrays in NumPy's own format without pickle, tensors as their bytes, estimators in
skops' format. Whoever can write a file of these can make a training learn something else, and nothing more.
"""

from __future__ import annotations

import io
import json
import random
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infernet.errors import InvalidInput
from infernet.workflows.tracker import build_missing

_TREE = "tree"
_BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


def encode_state(state: object) -> bytes:
    """A value as bytes: None, numbers, texts, bytes, arrays, tensors, generators of NumPy, scikit-learn's estimators,
    and lists, tuples and dictionaries of these.

    Raises:
        InvalidInput: `workflow.checkpoint`: it holds something else.
    """
    arrays: dict[str, NDArray[Any]] = {}
    tree = json.dumps(_encode(state, arrays))
    stream = io.BytesIO()
    np.savez(stream, **{_TREE: _from_bytes(tree.encode())}, **arrays)  # type: ignore[arg-type]  # names are numbers
    return stream.getvalue()


def decode_state(content: bytes) -> Any:
    """What `encode_state` was given.

    Raises:
        ValueError, KeyError, OSError: it is no such content.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return _decode(json.loads(arrays[_TREE].tobytes()), arrays)


def read_chance() -> dict[str, object]:
    """Where the generators stand that libraries draw from unless they are told."""
    chance: dict[str, object] = {"random": random.getstate(), "numpy": np.random.get_state(legacy=False)}
    if torch := sys.modules.get("torch"):
        chance["torch"] = torch.get_rng_state()
    return chance


def set_chance(chance: dict[str, Any]) -> None:
    """Let them stand there again."""
    random.setstate(chance["random"])
    np.random.set_state(chance["numpy"])
    if "torch" in chance:
        import torch  # noqa: PLC0415  (an extra)

        torch.set_rng_state(chance["torch"])


def _encode(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_encode(part, arrays) for part in value]} if _is_plain(value) else _refuse(value)
    if isinstance(value, dict):
        return {"dict": [[_encode(key, arrays), _encode(part, arrays)] for key, part in value.items()]}
    if isinstance(value, bytes):
        return {"bytes": _add(_from_bytes(value), arrays)}
    if isinstance(value, (np.ndarray, np.generic)):
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return _refuse(value) if value.dtype.hasobject else {kind: _add(np.asarray(value), arrays)}
    if isinstance(value, np.random.Generator):
        return {"generator": _encode(dict(value.bit_generator.state), arrays)}
    if isinstance(value, np.random.RandomState):
        return {"random_state": _encode(value.get_state(legacy=False), arrays)}
    if (torch := sys.modules.get("torch")) and isinstance(value, torch.Tensor):
        return {"tensor": [_add(_read_tensor(value, torch), arrays), str(value.dtype).partition(".")[2], *value.shape]}
    if hasattr(value, "get_params") and hasattr(value, "fit"):
        return {"estimator": _add(_from_bytes(_dump_estimator(value)), arrays)}
    return _refuse(value)


def _decode(node: Any, arrays: Any) -> Any:
    if not isinstance(node, dict):
        return node
    ((kind, value),) = node.items()
    match kind:
        case "list":
            return [_decode(part, arrays) for part in value]
        case "tuple":
            return tuple(_decode(part, arrays) for part in value)
        case "dict":
            return {_decode(key, arrays): _decode(part, arrays) for key, part in value}
        case "bytes":
            return arrays[value].tobytes()
        case "array":
            return arrays[value]
        case "scalar":
            return arrays[value][()]
        case "generator":
            return _build_generator(_decode(value, arrays))
        case "random_state":
            legacy = np.random.RandomState()
            legacy.set_state(_decode(value, arrays))
            return legacy
        case "tensor":
            return _build_tensor(arrays[value[0]], value[1], value[2:])
        case "estimator":
            return _load_estimator(arrays[value].tobytes())
    raise ValueError(f"there is no kind {kind}")


def _is_plain(value: list[Any] | tuple[Any, ...]) -> bool:
    return type(value) in (list, tuple)


def _add(array: NDArray[Any], arrays: dict[str, NDArray[Any]]) -> str:
    name = str(len(arrays))
    arrays[name] = array
    return name


def _from_bytes(content: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(content, np.uint8)


def _build_generator(state: dict[str, Any]) -> np.random.Generator:
    if state["bit_generator"] not in _BIT_GENERATORS:
        raise ValueError(f"there is no generator {state['bit_generator']}")
    bits = getattr(np.random, state["bit_generator"])()
    bits.state = state
    return np.random.Generator(bits)


def _read_tensor(tensor: Any, torch: Any) -> NDArray[np.uint8]:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    content: NDArray[np.uint8] = flat.view(torch.uint8).numpy()
    return content.copy()


def _build_tensor(content: NDArray[np.uint8], dtype: str, shape: list[int]) -> Any:
    import torch  # noqa: PLC0415  (an extra)

    return torch.from_numpy(content.copy()).view(getattr(torch, dtype)).reshape(shape)


def _dump_estimator(estimator: Any) -> bytes:
    skops = _import_skops()
    try:
        content: bytes = skops.dumps(estimator)
    except Exception as error:  # noqa: BLE001  (a third party's class may refuse to be taken apart in any way)
        _refuse(estimator, f": {error}")
    if strange := _list_strange(content):
        _refuse(estimator, f" with a {strange[0]} inside")
    return content


def _load_estimator(content: bytes) -> Any:
    if strange := _list_strange(content):
        raise ValueError(f"an estimator with a {strange[0]} inside")
    skops = _import_skops()
    return skops.loads(content, trusted=skops.get_untrusted_types(data=content))


def _list_strange(content: bytes) -> list[str]:
    """Types in it that are neither known to skops nor scikit-learn's own."""
    return [name for name in _import_skops().get_untrusted_types(data=content) if not name.startswith("sklearn.")]


def _import_skops() -> Any:
    try:
        import skops.io  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise build_missing(error) from None
    return skops.io


def _refuse(value: object, more: str = "") -> Any:
    raise InvalidInput(
        "workflow.checkpoint",
        f"checkpoint() was given a {type(value).__module__}.{type(value).__qualname__}{more}: it keeps numbers, texts, "
        "bytes, arrays, tensors, estimators of scikit-learn, and lists, tuples and dictionaries of these",
    )
