"""A language model for tests, in this process."""

from __future__ import annotations

from collections.abc import Sequence

from infernet.vm.spc.engines import Completion, Turn


class Parrot:
    """An engine in this process: says the last words again."""

    def __init__(self) -> None:
        self.asked = 0

    def complete(self, prompt: str, max_tokens: int, seed: int) -> Completion:
        self.asked += 1
        words = prompt.split()
        return Completion(" ".join(words[-max_tokens:]), len(words), min(max_tokens, len(words)))

    def chat(self, turns: Sequence[Turn], max_tokens: int, seed: int) -> Completion:
        return self.complete(turns[-1].content, max_tokens, seed)
