"""Language models, at 0x0802. Recorded: the block says what the answer was."""

from __future__ import annotations

from collections.abc import Sequence

from infernet.vm.spc.addresses import LLM
from infernet.vm.spc.call import SpcCall
from infernet.vm.spc.dispatch import Methods
from infernet.vm.spc.engines import Completion, Engines, Turn
from infernet.vm.spc.prices import Prices


class Llm:
    """The precompile."""

    address = LLM
    name = "llm"
    recorded = True

    def __init__(self, engines: Engines, prices: Prices) -> None:
        self._engines = engines
        outputs = "(string,uint32,uint32)"
        self._methods = Methods(
            prices,
            {
                f"complete(string,string,uint32,uint64) view returns {outputs}": self._complete,
                f"chat(string,(string,string)[],uint32,uint64) view returns {outputs}": self._chat,
            },
        )

    def run(self, call: SpcCall) -> bytes:
        """See `Spc.run`."""
        return self._methods.run(call)

    def _complete(self, call: SpcCall, model: str, prompt: str, max_tokens: int, seed: int) -> tuple[str, int, int]:
        return _unpack(self._engines.complete(call, model, prompt, max_tokens, seed))

    def _chat(
        self, call: SpcCall, model: str, messages: Sequence[tuple[str, str]], max_tokens: int, seed: int
    ) -> tuple[str, int, int]:
        turns = [Turn(role, content) for role, content in messages]
        return _unpack(self._engines.chat(call, model, turns, max_tokens, seed))


def _unpack(completion: Completion) -> tuple[str, int, int]:
    return completion.text, completion.prompt_tokens, completion.completion_tokens
