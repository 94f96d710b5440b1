"""A model behind the OpenAI HTTP shape: vLLM, llama.cpp, or any service that speaks it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from yarl import URL

from infernet.errors import InvalidInput
from infernet.vm.spc.engines import Completion, EngineFailed, Turn
from infernet.vm.spc.outbound import OutboundClient, OutboundFailed, OutboundRequest
from infernet.web import decode_json

_MAX_ANSWER_BYTES = 8 << 20
_SEEDS = 1 << 63


class OpenAiEndpoint:
    """One base URL, up to and with `/v1`.

    Args:
        client: one that may connect to wherever the operator has the engine, private addresses included.
        api_key: stays here: not in errors, not in blocks.
    """

    def __init__(self, client: OutboundClient, url: str, api_key: str | None = None) -> None:
        self._client = client
        self._url = URL(url)
        self._headers = [("Content-Type", "application/json")]
        if api_key:
            self._headers.append(("Authorization", f"Bearer {api_key}"))

    def post(self, path: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The answer's JSON object.

        Raises:
            EngineFailed: there is none. What the engine says about it is for its own log, not for a block.
        """
        request = OutboundRequest(
            "POST", self._url / path, tuple(self._headers), json.dumps(payload).encode(), _MAX_ANSWER_BYTES
        )
        try:
            answer = self._client.fetch(request)
        except OutboundFailed:
            raise EngineFailed("the engine did not answer") from None
        if answer.status != 200:
            raise EngineFailed(f"the engine refused with status {answer.status}")
        try:
            decoded = decode_json(answer.body)
        except InvalidInput:
            decoded = None
        if not isinstance(decoded, dict):
            raise EngineFailed("the engine's answer is not a JSON object")
        return decoded


class OpenAiEngine:
    """`LlmEngine` on such an endpoint.

    Args:
        model: as the endpoint calls it.
    """

    def __init__(self, endpoint: OpenAiEndpoint, model: str) -> None:
        self._endpoint = endpoint
        self._model = model

    def complete(self, prompt: str, max_tokens: int, seed: int) -> Completion:
        """Raises `EngineFailed`."""
        answer = self._post("completions", {"prompt": prompt}, max_tokens, seed)
        return _read(answer, lambda choice: choice["text"])

    def chat(self, turns: Sequence[Turn], max_tokens: int, seed: int) -> Completion:
        """Raises `EngineFailed`."""
        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        answer = self._post("chat/completions", {"messages": messages}, max_tokens, seed)
        return _read(answer, lambda choice: choice["message"]["content"])

    def _post(self, path: str, asked: dict[str, Any], max_tokens: int, seed: int) -> dict[str, Any]:
        settings = {"max_tokens": max_tokens, "temperature": 0, "seed": seed % _SEEDS, "stream": False}
        return self._endpoint.post(path, {"model": self._model, **asked, **settings})


def _read(answer: dict[str, Any], find_text: Any) -> Completion:
    try:
        text, usage = find_text(answer["choices"][0]), answer["usage"]
        prompt_tokens, completion_tokens = usage["prompt_tokens"], usage["completion_tokens"]
    except (KeyError, IndexError, TypeError):
        raise EngineFailed("the engine's answer has another shape than OpenAI's") from None
    if not isinstance(text, str) or type(prompt_tokens) is not int or type(completion_tokens) is not int:
        raise EngineFailed("the engine's answer has another shape than OpenAI's")
    whole = text.encode("utf-8", "replace").decode()  # JSON can hold half of a surrogate pair
    return Completion(whole, prompt_tokens, completion_tokens)
