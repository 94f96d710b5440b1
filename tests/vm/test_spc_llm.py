"""Language models of contracts, against a server with the OpenAI shape and real sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
from parrot import Parrot
from small_server import Reply, Seen, SmallServer, serve

from infernet.protocol.abi_codec import decode_abi, encode_abi
from infernet.protocol.hashing import keccak
from infernet.testing.spc_call import MemoryCall
from infernet.vm.spc.call import SpcOutOfGas, SpcRevert
from infernet.vm.spc.engines import Completion, EngineFailed, Engines, LlmEngine, Turn
from infernet.vm.spc.llm import Llm
from infernet.vm.spc.openai import OpenAiEndpoint, OpenAiEngine
from infernet.vm.spc.outbound import OutboundClient
from infernet.vm.spc.prices import Limits, Prices

PRICES = Prices()
KEY = "sk-very-secret"
OUTPUTS = ["string", "uint32", "uint32"]


class Says:
    """An engine that says what it is told to."""

    def __init__(self, completion: Completion) -> None:
        self._completion = completion

    def complete(self, prompt: str, max_tokens: int, seed: int) -> Completion:
        return self._completion

    def chat(self, turns: Sequence[Turn], max_tokens: int, seed: int) -> Completion:
        return self._completion


class Broken:
    """An engine that never answers."""

    def complete(self, prompt: str, max_tokens: int, seed: int) -> Completion:
        raise EngineFailed("the engine did not answer")

    def chat(self, turns: Sequence[Turn], max_tokens: int, seed: int) -> Completion:
        raise EngineFailed("the engine did not answer")


def build_llm(engine: LlmEngine, limits: Limits | None = None) -> Llm:
    return Llm(Engines({"tiny": engine}, PRICES, limits or Limits()), PRICES)


def encode_complete(prompt: str, max_tokens: int = 8, *, model: str = "tiny", seed: int = 0) -> bytes:
    types = ["string", "string", "uint32", "uint64"]
    return keccak(b"complete(string,string,uint32,uint64)")[:4] + encode_abi(types, [model, prompt, max_tokens, seed])


def encode_chat(turns: Sequence[tuple[str, str]], max_tokens: int = 8) -> bytes:
    types = ["string", "(string,string)[]", "uint32", "uint64"]
    selector = keccak(b"chat(string,(string,string)[],uint32,uint64)")[:4]
    return selector + encode_abi(types, ["tiny", list(turns), max_tokens, 7])


def run(llm: Llm, data: bytes) -> tuple[str, int, int]:
    text, prompt_tokens, completion_tokens = decode_abi(OUTPUTS, llm.run(MemoryCall(data=data, is_static=True)))
    return text, prompt_tokens, completion_tokens


def refuse(llm: Llm, data: bytes) -> str:
    with pytest.raises(SpcRevert) as caught:
        llm.run(MemoryCall(data=data, is_static=True))
    return caught.value.reason


# --- The precompile, with an engine in this process


def test_a_prompt_is_continued() -> None:
    assert run(build_llm(Parrot()), encode_complete("the cat sat", 2)) == ("cat sat", 3, 2)


def test_a_conversation_is_answered() -> None:
    turns = [("system", "Repeat."), ("user", "hello there")]
    assert run(build_llm(Parrot()), encode_chat(turns)) == ("hello there", 2, 2)


def test_an_unknown_model_is_refused_with_those_there_are() -> None:
    reason = refuse(build_llm(Parrot()), encode_complete("x", model="huge"))
    assert reason == "there is no model 'huge': this layer has tiny"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encode_complete(""), "a prompt has 1 to 100 bytes, not 0"),
        (encode_complete("é" * 51), "a prompt has 1 to 100 bytes, not 102"),
        (encode_complete("x", 0), "an answer has 1 to 10 tokens, not 0"),
        (encode_complete("x", 11), "an answer has 1 to 10 tokens, not 11"),
        (encode_chat([]), "a conversation has 1 to 64 messages, not 0"),
        (encode_chat([("user", "x")] * 65), "a conversation has 1 to 64 messages, not 65"),
        (encode_chat([("tool", "x")]), "a message's role is one of system, user, assistant"),
    ],
)
def test_what_is_out_of_bounds_is_refused_before_the_engine_is_asked(data: bytes, reason: str) -> None:
    parrot = Parrot()
    assert refuse(build_llm(parrot, Limits(prompt_bytes=100, tokens=10)), data) == reason
    assert parrot.asked == 0


def test_prompt_and_tokens_are_charged() -> None:
    def spend(prompt: str, max_tokens: int) -> int:
        call = MemoryCall(data=encode_complete(prompt, max_tokens), is_static=True)
        before = call.gas_left
        build_llm(Parrot()).run(call)
        return before - call.gas_left

    assert spend("a b c", 3) - spend("a b c", 2) == PRICES.llm_token
    assert spend("a bb", 1) - spend("a b", 1) == PRICES.llm_prompt_byte
    assert spend("a b", 2_000) == spend("a b", 2)  # what was allowed and not said is not charged


def test_without_gas_for_all_tokens_the_engine_is_not_asked() -> None:
    parrot = Parrot()
    needed = PRICES.llm_request + PRICES.llm_token * 1_000
    with pytest.raises(SpcOutOfGas):
        build_llm(parrot).run(MemoryCall(data=encode_complete("x", 1_000), is_static=True, gas_left=needed))
    assert parrot.asked == 0


def test_an_engine_that_fails_costs_the_prompt() -> None:
    call = MemoryCall(data=encode_complete("x" * 100), is_static=True)
    before = call.gas_left
    with pytest.raises(SpcRevert, match="the engine did not answer"):
        build_llm(Broken()).run(call)
    spent = before - call.gas_left - PRICES.llm_request - 100 * PRICES.llm_prompt_byte
    assert 0 < spent < PRICES.llm_token


@pytest.mark.parametrize(
    "completion",
    [
        *(Completion("a", 1, 9), Completion("a", 1, -1), Completion("a", -1, 1), Completion("a", 1 << 32, 1)),
        *(Completion("a" * 129, 1, 2), Completion("a", 1, 0)),
    ],
)
def test_an_engine_that_counts_wrongly_is_refused(completion: Completion) -> None:
    assert "the engine" in refuse(build_llm(Says(completion)), encode_complete("x", 8))


# --- The OpenAI shape


def _reply(**fields: Any) -> Reply:
    return Reply(body=json.dumps(fields).encode())


def _say(seen: Seen) -> Reply:
    asked, usage = json.loads(seen.body), {"prompt_tokens": 3, "completion_tokens": 2}
    if seen.path == "/v1/completions":
        return _reply(choices=[{"text": f"after {asked['prompt']}"}], usage=usage)
    return _reply(choices=[{"message": {"content": f"to {asked['messages'][-1]['content']}"}}], usage=usage)


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with serve(_say) as server:
        yield server


@pytest.fixture
def llm(server: SmallServer) -> Iterator[Llm]:
    with closing(OutboundClient(timeout_s=2, allows=lambda _: True)) as client:
        endpoint = OpenAiEndpoint(client, f"http://127.0.0.1:{server.port}/v1", KEY)
        yield build_llm(OpenAiEngine(endpoint, "upstream/tiny-7b"))


def test_a_completion_is_greedy_and_seeded(llm: Llm, server: SmallServer) -> None:
    assert run(llm, encode_complete("this", 5, seed=2**64 - 1)) == ("after this", 3, 2)
    seen = server.seen[0]
    assert json.loads(seen.body) == {
        "model": "upstream/tiny-7b",
        "prompt": "this",
        "max_tokens": 5,
        "temperature": 0,
        "seed": 2**63 - 1,
        "stream": False,
    }
    assert seen.headers["authorization"] == f"Bearer {KEY}"


def test_a_chat_sends_its_messages(llm: Llm, server: SmallServer) -> None:
    assert run(llm, encode_chat([("system", "s"), ("user", "u")]))[0] == "to u"
    assert server.seen[0].path == "/v1/chat/completions"
    sent = json.loads(server.seen[0].body)["messages"]
    assert sent == [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]


def test_half_a_surrogate_pair_does_not_reach_the_chain(llm: Llm, server: SmallServer) -> None:
    server.answer = lambda _: Reply(
        body=b'{"choices":[{"text":"a\\ud800b"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
    )
    assert run(llm, encode_complete("x"))[0] == "a?b"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: Reply(401, f"wrong key {KEY}".encode()), "the engine refused with status 401"),
        (lambda _: Reply(302, headers={"Location": "http://127.0.0.1/"}), "the engine refused with status 302"),
        (lambda _: Reply(200, b"<html>"), "the engine's answer is not a JSON object"),
        (lambda _: Reply(200, b"[]"), "the engine's answer is not a JSON object"),
        (lambda _: Reply(200, b"[" * 100_000), "the engine's answer is not a JSON object"),
        (lambda _: _reply(), "the engine's answer has another shape than OpenAI's"),
        (lambda _: _reply(choices=[], usage={}), "the engine's answer has another shape than OpenAI's"),
        (lambda _: _reply(choices=[{"text": "a"}]), "the engine's answer has another shape than OpenAI's"),
        (
            lambda _: _reply(choices=[{"text": None}], usage={"prompt_tokens": 1, "completion_tokens": 1}),
            "the engine's answer has another shape than OpenAI's",
        ),
        (
            lambda _: _reply(choices=[{"text": "a"}], usage={"prompt_tokens": True, "completion_tokens": 1}),
            "the engine's answer has another shape than OpenAI's",
        ),
        (lambda _: Reply(200, b"x" * 1_000, drip_s=0.1), "the engine did not answer"),
    ],
)
def test_an_engine_without_an_answer_is_a_reason_without_its_words(
    llm: Llm, server: SmallServer, answer: Callable[[Seen], Reply], reason: str
) -> None:
    server.answer = answer
    assert refuse(llm, encode_complete("x")) == reason


def test_an_engine_that_is_away_is_a_reason(llm: Llm, server: SmallServer) -> None:
    server.server_close()
    assert refuse(llm, encode_complete("x")) == "the engine did not answer"
