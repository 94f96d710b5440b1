"""A table of methods: each one's name, what parameters it takes, and the function that answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any, Generic, TypeVar

from infernet.vm.rpc.errors import Malformed, invalid

T = TypeVar("T")
Handler = TypeVar("Handler", bound=Callable[..., object])

_REQUIRED: Any = object()


@dataclass(frozen=True)
class Param(Generic[T]):
    """A positional parameter.

    Args:
        decode: from JSON to a value; raises `Malformed` with what is wrong about it.
        default: what stands for a missing or null one; without it the parameter must be given.
    """

    name: str
    decode: Callable[[Any], T]
    default: T | None = _REQUIRED

    def read(self, position: int, params: list[Any]) -> T | None:
        """The value at this position of a request."""
        given = params[position] if position < len(params) else None
        if given is None:
            if self.default is _REQUIRED:
                raise invalid(f"missing value for required argument {position} ({self.name})")
            return self.default
        try:
            return self.decode(given)
        except Malformed as error:
            raise invalid(f"invalid argument {position} ({self.name}): {error}") from None


@dataclass(frozen=True, slots=True)
class Method:
    """One method: `answer` takes whom it is answered for, then the decoded parameters.

    Attributes:
        asks: whether it may ask the outside (`Client.asked`), and is then called again until it has all answers.
    """

    params: tuple[Param[Any], ...]
    answer: Callable[..., object]
    asks: bool = False

    @property
    def is_async(self) -> bool:
        """Whether it is answered on the event loop, rather than on the engine's thread."""
        return iscoroutinefunction(self.answer)

    def read_params(self, params: list[Any]) -> list[Any]:
        """The decoded parameters.

        Raises:
            RpcError: -32602, one is missing, malformed, or there are too many.
        """
        if len(params) > len(self.params):
            raise invalid(f"too many arguments, want at most {len(self.params)}")
        return [param.read(position, params) for position, param in enumerate(self.params)]


class Methods(dict[str, Method]):
    """Methods by name."""

    def add(self, names: str | Iterable[str], *params: Param[Any], asks: bool = False) -> Callable[[Handler], Handler]:
        """Register the function below under one name, or under several that mean the same."""

        def register(answer: Handler) -> Handler:
            for name in (names,) if isinstance(names, str) else names:
                self[name] = Method(params, answer, asks)
            return answer

        return register
