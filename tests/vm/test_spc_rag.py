"""Answers from a collection's texts, and embeddings by float models."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_server import Reply, SmallServer, serve

from infernet.protocol.abi_codec import decode_abi, encode_abi
from infernet.protocol.hashing import keccak, to_address
from infernet.testing.spc_call import MemoryCall
from infernet.vm.spc.addresses import RAG, VECTOR_DATABASE
from infernet.vm.spc.call import SpcCall, SpcRevert
from infernet.vm.spc.engines import Completion, EngineFailed, Engines, Turn
from infernet.vm.spc.openai import OpenAiEndpoint
from infernet.vm.spc.outbound import OutboundClient
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.rag import Passage, Rag, SpcEmbedder, SpcRetriever, build_turns, choose_passages
from infernet.vm.spc.recorded_embeddings import OpenAiEmbedder, RecordedEmbeddings, quantise
from infernet.vm.spc.vectors.database import VectorDatabase

PRICES, LIMITS = Prices(), Limits()
OWNER = to_address(b"\x01" * 20)
MODEL = bytes(keccak(b"compass"))
ITEM = "(uint256,uint256,bytes,bytes)"
PLACES = {"north": (0, 100), "east": (100, 0), "south": (0, -100), "west": (-100, 0), "north-east": (70, 70)}


class Compass:
    """A float model of two dimensions: knows where the words of `PLACES` lie."""

    def embed(self, text: str) -> Sequence[float]:
        found = [place for word, place in PLACES.items() if word in text.split()]
        if not found:
            raise EngineFailed("the engine did not answer")
        return [float(value) for value in found[-1]]


class Listener:
    """An engine that keeps what it was told."""

    def __init__(self) -> None:
        self.turns: Sequence[Turn] = ()

    def complete(self, prompt: str, max_tokens: int, seed: int) -> Completion:
        raise AssertionError("a question is a conversation")

    def chat(self, turns: Sequence[Turn], max_tokens: int, seed: int) -> Completion:
        self.turns = turns
        return Completion("there", 9, 1)


class World:
    """A vector database with a collection of `PLACES`, and what answers from it."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.vectors = VectorDatabase(PRICES, limits)
        self.call = MemoryCall(VECTOR_DATABASE, OWNER)
        self.collection = self._write("createCollection(string,uint16,uint8)", ["string", "uint16", "uint8"], "p", 2, 0)
        self.listener = Listener()
        embeddings = RecordedEmbeddings(None, {"compass": Compass()}, PRICES, limits)
        engines = Engines({"tiny": self.listener}, PRICES, limits)
        self.rag = Rag(SpcEmbedder(embeddings), SpcRetriever(self.vectors), engines, PRICES, limits)

    def fill(self, texts: dict[str, str] | None = None) -> None:
        texts = texts or {word: f"the way {word}" for word in PLACES}
        items = [
            (number, 0, quantise(PLACES[word], 2), text.encode()) for number, (word, text) in enumerate(texts.items())
        ]
        self._write(f"upsert(bytes32,{ITEM}[])", ["bytes32", f"{ITEM}[]"], self.collection, items)

    def ask(self, question: str, k: int, model: bytes = MODEL) -> tuple[str, list[int]]:
        types = ["bytes32", "bytes32", "string", "uint16", "string", "uint32"]
        selector = keccak(b"answer(bytes32,bytes32,string,uint16,string,uint32)")[:4]
        data = selector + encode_abi(types, [self.collection, model, question, k, "tiny", 8])
        self.question = MemoryCall(
            RAG, OWNER, data, is_static=True, blobs=self.call.blobs, others={VECTOR_DATABASE: self.call.storage}
        )
        text, ids = decode_abi(["string", "uint256[]"], self.rag.run(self.question))
        return text, list(ids)

    def _write(self, signature: str, types: Sequence[str], *arguments: object) -> bytes:
        self.call = self.call.next(keccak(signature.encode())[:4] + encode_abi(types, arguments))
        return self.vectors.run(self.call)


@pytest.fixture
def world() -> World:
    world = World()
    world.fill()
    return world


# --- Questions


def test_the_nearest_texts_reach_the_model_the_nearest_first(world: World) -> None:
    assert world.ask("how far is north", 2) == ("there", [0, 4])
    (system, user) = world.listener.turns
    assert "passages alone" in system.content
    assert user.content == "[1] the way north\n\n[2] the way north-east\n\nQuestion: how far is north"


def test_a_small_collection_gives_all_it_has(world: World) -> None:
    assert sorted(world.ask("south", 32)[1]) == [0, 1, 2, 3, 4]


def test_all_that_is_asked_is_paid_from_one_purse(world: World) -> None:
    def spend(k: int) -> int:
        world.ask("south", k)
        return 10**12 - world.question.gas_left

    assert spend(1) > 2 * PRICES.llm_request + PRICES.search
    assert spend(2) > spend(1) + PRICES.blob_read


def test_texts_that_do_not_fit_are_left_out_the_least_near_first() -> None:
    world = World(Limits(prompt_bytes=600))
    world.fill({"north": "n" * 150, "east": "e" * 150, "north-east": "b" * 150})
    assert world.ask("north", 3)[1] == [0, 2]


@pytest.mark.parametrize(("k", "reason"), [(0, "from 1 to 32 texts, not 0"), (33, "from 1 to 32 texts, not 33")])
def test_a_number_of_texts_out_of_bounds_is_refused(world: World, k: int, reason: str) -> None:
    with pytest.raises(SpcRevert, match=reason):
        world.ask("south", k)


def test_an_empty_collection_is_refused() -> None:
    with pytest.raises(SpcRevert, match="the collection is empty"):
        World().ask("south", 1)


def test_an_unknown_embedder_is_refused(world: World) -> None:
    with pytest.raises(SpcRevert, match="there is no model 0x00"):
        world.ask("south", 1, bytes(32))


def test_an_unknown_collection_is_refused(world: World) -> None:
    world.collection = bytes(32)
    with pytest.raises(SpcRevert, match="collection"):
        world.ask("south", 1)


def test_asking_changes_nothing(world: World) -> None:
    before = dict(world.call.storage)
    world.ask("south", 1)
    assert world.call.storage == before
    assert world.question.storage == {}


@given(st.lists(st.text(max_size=200), max_size=8), st.text(min_size=1, max_size=50), st.integers(200, 2_000))
def test_what_is_chosen_always_fits(texts: list[str], question: str, prompt_bytes: int) -> None:
    used = choose_passages([Passage(i, text) for i, text in enumerate(texts)], question, prompt_bytes)
    assert [passage.id for passage in used] == list(range(len(used)))
    if used:
        assert sum(len(turn.content.encode()) for turn in build_turns(used, question)) <= prompt_bytes


# --- Embeddings by float models


class Exact:
    """Stands for the bit-exact models."""

    address = VECTOR_DATABASE
    name = "exact"
    recorded = False

    def run(self, call: SpcCall) -> bytes:
        return b"exact"


def _encode_embed(model: bytes, text: str) -> bytes:
    return keccak(b"embed(bytes32,string)")[:4] + encode_abi(["bytes32", "string"], [model, text])


def test_what_is_no_float_model_goes_to_the_exact_ones() -> None:
    embeddings = RecordedEmbeddings(Exact(), {"compass": Compass()}, PRICES, LIMITS)
    assert embeddings.run(MemoryCall(data=_encode_embed(bytes(32), "north"))) == b"exact"
    (vector,) = decode_abi(["bytes"], embeddings.run(MemoryCall(data=_encode_embed(MODEL, "north"))))
    assert vector == bytes([0, 127])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=64).filter(lambda values: math.hypot(*values) > 1e-3))
def test_a_vector_keeps_its_direction(values: list[float]) -> None:
    found = [byte - 256 if byte > 127 else byte for byte in quantise(values, 64)]
    length = math.hypot(*values)
    assert all(abs(ours - 127 * value / length) <= 0.5 + 1e-9 for ours, value in zip(found, values, strict=True))


@pytest.mark.parametrize("values", [[], [0.0, 0.0], [math.nan], [math.inf, 1.0], [1.0] * 65])
def test_a_vector_without_a_direction_is_refused(values: list[float]) -> None:
    with pytest.raises(EngineFailed):
        quantise(values, 64)


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with serve(lambda _: Reply(body=b'{"data": [{"embedding": [3, -4.0]}]}')) as server:
        yield server


@pytest.fixture
def remote(server: SmallServer) -> Iterator[OpenAiEmbedder]:
    with closing(OutboundClient(timeout_s=2, allows=lambda _: True)) as client:
        yield OpenAiEmbedder(OpenAiEndpoint(client, f"http://127.0.0.1:{server.port}/v1"), "mini")


def test_an_endpoint_embeds(remote: OpenAiEmbedder, server: SmallServer) -> None:
    assert remote.embed("a text") == [3.0, -4.0]
    assert server.seen[0].path == "/v1/embeddings"
    assert json.loads(server.seen[0].body) == {"model": "mini", "input": "a text", "encoding_format": "float"}


@pytest.mark.parametrize("body", [b"{}", b'{"data": []}', b'{"data": [{"embedding": ["x"]}]}', b'{"data": 1}'])
def test_an_endpoint_of_another_shape_is_refused(remote: OpenAiEmbedder, server: SmallServer, body: bytes) -> None:
    server.answer = lambda _: Reply(body=body)
    with pytest.raises(EngineFailed, match="another shape"):
        remote.embed("a text")
