"""Language models of a layer, by name: what may be asked of them, and what that costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Protocol

from infernet.vm.spc.call import SpcCall, SpcRevert
from infernet.vm.spc.outside import Question
from infernet.vm.spc.prices import Limits, Prices

ROLES = ("system", "user", "assistant")
_MAX_TURNS = 64
_MAX_BYTES_PER_TOKEN = 64
"""An answer of more bytes for each of its tokens is refused: its tokens pay for its bytes."""


class EngineFailed(Exception):
    """An engine has no answer, and why, in words that may stand in a block: no key, no address, no stack."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation, by one of `ROLES`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Completion:
    """What an engine answered, and the tokens as it counts them."""

    text: str
    prompt_tokens: int
    completion_tokens: int


class LlmEngine(Protocol):
    """A model that answers greedily (temperature 0), with the seed where it has a use for one."""

    def complete(self, prompt: str, max_tokens: int, seed: int) -> Completion:
        """Raises `EngineFailed`."""
        ...

    def chat(self, turns: Sequence[Turn], max_tokens: int, seed: int) -> Completion:
        """Raises `EngineFailed`."""
        ...


class Engines:
    """The models that contracts may ask."""

    def __init__(self, engines: Mapping[str, LlmEngine], prices: Prices, limits: Limits) -> None:
        self._engines = dict(engines)
        self._prices = prices
        self._limits = limits

    def complete(self, call: SpcCall, model: str, prompt: str, max_tokens: int, seed: int) -> Completion:
        """Raises `SpcRevert` and `SpcOutOfGas`."""
        engine = self._find(model)
        asked = _Asked(model, prompt, max_tokens, seed)
        return self._ask(call, asked, [prompt], lambda: engine.complete(prompt, max_tokens, seed))

    def chat(self, call: SpcCall, model: str, turns: Sequence[Turn], max_tokens: int, seed: int) -> Completion:
        """Raises `SpcRevert` and `SpcOutOfGas`."""
        if not 1 <= len(turns) <= _MAX_TURNS:
            raise SpcRevert(f"a conversation has 1 to {_MAX_TURNS} messages, not {len(turns)}")
        if any(turn.role not in ROLES for turn in turns):
            raise SpcRevert(f"a message's role is one of {', '.join(ROLES)}")
        engine = self._find(model)
        texts = [turn.content for turn in turns]
        asked = _Asked(model, turns, max_tokens, seed)
        return self._ask(call, asked, texts, lambda: engine.chat(turns, max_tokens, seed))

    def _find(self, model: str) -> LlmEngine:
        engine = self._engines.get(model)
        if engine is None:
            raise SpcRevert(f"there is no model {model[:64]!r}: this layer has {', '.join(self._engines) or 'none'}")
        return engine

    def _ask(
        self, call: SpcCall, asked: _Asked, texts: Sequence[str], complete: Callable[[], Completion]
    ) -> Completion:
        """The prompt is charged before the engine is asked, the answer after; the gas for all of it must be there."""
        size, max_tokens = sum(len(text.encode()) for text in texts), asked.max_tokens
        if not 1 <= size <= self._limits.prompt_bytes:
            raise SpcRevert(f"a prompt has 1 to {self._limits.prompt_bytes} bytes, not {size}")
        if not 1 <= max_tokens <= self._limits.tokens:
            raise SpcRevert(f"an answer has 1 to {self._limits.tokens} tokens, not {max_tokens}")
        call.charge(self._prices.llm_request + self._prices.llm_prompt_byte * size)
        if call.gas_left < self._prices.llm_token * max_tokens:
            call.charge(self._prices.llm_token * max_tokens)

        def ask() -> bytes:
            completion = complete()
            _check(completion, max_tokens)
            return json.dumps(astuple(completion)).encode()

        try:
            completion = Completion(*json.loads(call.ask(asked.build_question(ask))))
        except EngineFailed as error:
            raise SpcRevert(str(error)) from error
        call.charge(self._prices.llm_token * completion.completion_tokens)
        return completion


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a model is asked: a prompt to complete, or the messages of a conversation."""

    model: str
    prompt: str | Sequence[Turn]
    max_tokens: int
    seed: int

    def build_question(self, ask: Callable[[], bytes]) -> Question:
        prompt = self.prompt if isinstance(self.prompt, str) else [astuple(turn) for turn in self.prompt]
        return Question(f"llm {self.model}", json.dumps([prompt, self.max_tokens, self.seed]).encode(), ask)


def _check(completion: Completion, max_tokens: int) -> None:
    if not 0 <= completion.completion_tokens <= max_tokens or not 0 <= completion.prompt_tokens < 1 << 32:
        raise EngineFailed(f"the engine counts {completion.completion_tokens} tokens where {max_tokens} were allowed")
    if len(completion.text.encode()) > _MAX_BYTES_PER_TOKEN * completion.completion_tokens:
        raise EngineFailed("the engine's answer is longer than its tokens can be")
