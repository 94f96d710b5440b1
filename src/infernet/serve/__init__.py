"""Your own code as a container.

    from infernet.serve import container

    @container("reverse")
    def reverse(features: bytes) -> bytes:
        return features[::-1]

    @container("sum", inputs=("int256[]",), outputs=("int256",))
    def add_up(numbers):
        return sum(numbers)

A node serves it by `path/to/file.py:reverse`. The decorated function stays callable as it was. A class is made once in
each worker, so that it can load what it needs in `__init__`; its instances are then called like the function.
What the code raises rejects the job with the exception's type and message; it is never delivered.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from infernet.errors import InvalidInput, JobRejected


class ServedContainer:
    """What `container` leaves in the place of a function or class."""

    def __init__(
        self,
        container_id: str,
        target: Callable[..., Any],
        inputs: Sequence[str] | None,
        outputs: Sequence[str] | None,
    ) -> None:
        self.id = container_id
        self.inputs = tuple(inputs) if inputs is not None else None
        self.outputs = tuple(outputs) if outputs is not None else None
        self._target = target
        functools.update_wrapper(self, target)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._target(*args, **kwargs)

    def load(self) -> Callable[[bytes], bytes]:
        """What turns features into an output; a class is instantiated here."""
        answer: Any = self._target() if inspect.isclass(self._target) else self._target
        inputs, outputs = self.inputs, self.outputs

        def run(features: bytes) -> Any:
            args = (features,) if inputs is None else _decode(self.id, inputs, features)
            result = answer(*args)
            return result if outputs is None else _encode(self.id, outputs, result)

        return run

    def run(self, features: bytes) -> bytes:
        """The output for these features, in this process: for tests of the container."""
        return self.load()(features)


def container(
    id: str,  # noqa: A002  (the word that users know)
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> Callable[[Callable[..., Any]], ServedContainer]:
    """Make a function or a class a container.

    Args:
        id: the name that subscriptions use; no comma, which joins containers to a chain.
        inputs: ABI types of the features. Given, the function gets their values as arguments, otherwise the bytes.
        outputs: ABI types of the output. Given, the function returns the value, or a tuple of them when there are
            several; otherwise bytes.

    Raises:
        InvalidInput: `container.id` or `container.types`.
    """
    if not id or "," in id or id != id.strip():
        raise InvalidInput("container.id", f"{id!r} is no container id: it has no comma and no space around it")
    for types in (inputs, outputs):
        _check_types(id, types)

    def decorate(target: Callable[..., Any]) -> ServedContainer:
        if inspect.iscoroutinefunction(target):
            raise InvalidInput("container.types", f"{id} is async: a container is a plain function, one call at a time")
        return ServedContainer(id, target, inputs, outputs)

    return decorate


def _check_types(container_id: str, types: Sequence[str] | None) -> None:
    if isinstance(types, str):
        raise InvalidInput("container.types", f'{container_id}: ABI types come as a tuple, write ("{types}",)')
    if not types:
        return
    from eth_abi.registry import registry  # noqa: PLC0415  (half a second that a container of bytes need not wait)

    for abi_type in types:
        if not registry.has_encoder(abi_type):
            raise InvalidInput("container.types", f"{container_id}: {abi_type!r} is not an ABI type")


def _decode(container_id: str, types: Sequence[str], features: bytes) -> tuple[Any, ...]:
    from infernet.protocol.abi_codec import decode_abi  # noqa: PLC0415

    try:
        return decode_abi(types, features)
    except InvalidInput as error:
        message = f"the features of {container_id} are not abi.encode of ({', '.join(types)}): {error.__cause__}"
        raise JobRejected("features.mismatch", message) from error


def _encode(container_id: str, types: Sequence[str], result: Any) -> bytes:
    from infernet.protocol.abi_codec import encode_abi  # noqa: PLC0415

    values = (result,) if len(types) == 1 else result
    try:
        return encode_abi(types, values)
    except (InvalidInput, TypeError, ValueError) as error:
        message = f"the result of {container_id} is not ({', '.join(types)}): {error.__cause__ or error}"
        raise JobRejected("output.mismatch", message) from error
