"""What a witness compares: it asks the outside itself, with the gas and the state that each recorded call had."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from counter import encode
from evm import ALICE, ask, call, deploy, forward, send, sign
from parrot import Parrot
from small_server import Reply, Seen, SmallServer, serve

from infernet.protocol.abi_codec import encode_abi
from infernet.protocol.hashing import keccak, to_address
from infernet.vm.block import Outcome
from infernet.vm.chain import Chain
from infernet.vm.genesis import Genesis, build_dev_accounts
from infernet.vm.spc.addresses import HTTP, LLM, RAG, VECTOR_DATABASE
from infernet.vm.spc.call import Spc
from infernet.vm.spc.engines import Completion, EngineFailed, Engines, LlmEngine, Turn
from infernet.vm.spc.http import Http
from infernet.vm.spc.llm import Llm
from infernet.vm.spc.outbound import OutboundClient
from infernet.vm.spc.outside_again import Difference
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.rag import Rag, SpcEmbedder, SpcRetriever
from infernet.vm.spc.recorded_embeddings import RecordedEmbeddings
from infernet.vm.spc.vectors.database import VectorDatabase

PRICES, LIMITS = Prices(), Limits()
HTTP_BYTES, LLM_BYTES, RAG_BYTES, VECTORS = (bytes.fromhex(at[2:]) for at in (HTTP, LLM, RAG, VECTOR_DATABASE))


class Changed:
    """An engine that says something of its own about what another says."""

    def __init__(self, change: Callable[[Completion], Completion]) -> None:
        self._parrot, self._change = Parrot(), change

    def complete(self, prompt: str, max_tokens: int, seed: int) -> Completion:
        return self._change(self._parrot.complete(prompt, max_tokens, seed))

    def chat(self, turns: Sequence[Turn], max_tokens: int, seed: int) -> Completion:
        return self._change(self._parrot.chat(turns, max_tokens, seed))


class Letters:
    """Embeds by counting two letters."""

    def embed(self, text: str) -> Sequence[float]:
        return [float(text.count("a")), float(text.count("b")) + 0.001]


def build(spcs: Sequence[Spc], *, is_follower: bool) -> Chain:
    genesis = Genesis(accounts=build_dev_accounts(), spcs=tuple(bytes.fromhex(spc.address[2:]) for spc in spcs))
    return Chain(genesis, spcs, producer_key=None) if is_follower else Chain(genesis, spcs)


def build_http(server: SmallServer, http_bytes: int = 65_536) -> Http:
    client = OutboundClient(timeout_s=5, allows=lambda _: True)
    return Http(client, [f"127.0.0.1:{server.port}"], PRICES, Limits(http_bytes=http_bytes))


def build_llm(engine: LlmEngine) -> Llm:
    return Llm(Engines({"tiny": engine}, PRICES, LIMITS), PRICES)


def build_rag(engine: LlmEngine) -> list[Spc]:
    vectors, embeddings = VectorDatabase(PRICES, LIMITS), RecordedEmbeddings(None, {"ab": Letters()}, PRICES, LIMITS)
    engines = Engines({"tiny": engine}, PRICES, LIMITS)
    return [vectors, embeddings, Rag(SpcEmbedder(embeddings), SpcRetriever(vectors), engines, PRICES, LIMITS)]


def compare(chain: Chain, witness: Chain) -> tuple[Difference, ...]:
    """What the witness finds in the chain's last block, which both have then."""
    for encoded in chain.export(witness.head.number + 1, chain.head.number):
        witness.import_block(encoded)
    root = witness.state(witness.head.number).root
    found = witness.compare_outside(witness.head)
    assert witness.state(witness.head.number).root == root == chain.head.header.state_root
    return found


@pytest.fixture
def server() -> Iterator[SmallServer]:
    with serve(lambda seen: Reply(body=b"five")) as server:
        yield server


def test_the_same_answer_is_no_difference(server: SmallServer) -> None:
    chain, witness = (build([build_http(server)], is_follower=one) for one in (False, True))
    send(chain, HTTP_BYTES, encode("get(string)", server.url("/price")))
    assert chain.head.records[0].outcome is Outcome.OK
    assert compare(chain, witness) == ()
    assert [seen.path for seen in server.seen] == ["/price", "/price"]


def test_another_answer_is_named_with_its_host(server: SmallServer) -> None:
    chain, witness = (build([build_http(server)], is_follower=one) for one in (False, True))
    asked = [encode("get(string)", server.url(path)) for path in ("/price", "/rate")]
    nonce = chain.next_nonce(ALICE)
    chain.submit_many([sign(chain, HTTP_BYTES, data, nonce=nonce + at).raw for at, data in enumerate(asked)])
    assert len(chain.head.records) == 2
    server.answer = lambda seen: Reply(body=b"six" if seen.path == "/rate" else b"five")
    (difference,) = compare(chain, witness)
    assert (difference.record, difference.spc, difference.asked) == (1, "http", f"127.0.0.1:{server.port}")
    facts = difference.describe()
    assert b"five".hex() in str(facts["block_says"])
    assert b"six".hex() in str(facts["here"])


def test_a_question_that_a_transaction_asks_twice_is_asked_once_by_each(server: SmallServer) -> None:
    chain, witness = (build([build_http(server)], is_follower=one) for one in (False, True))
    twice = deploy(chain, call(HTTP_BYTES) + b"\x50" + forward(HTTP_BYTES))
    answers = iter([b"told to the producer", b"asked too often"])
    server.answer = lambda _: Reply(body=next(answers))
    send(chain, twice, encode("get(string)", server.url("/price")))
    answers = iter([b"told to the producer", b"asked too often"])
    assert compare(chain, witness) == ()
    assert (len(chain.head.records), len(server.seen)) == (2, 2)


@pytest.mark.parametrize(
    "reply", [Reply(status=404, body=b"five"), Reply(body=b"five "), Reply(body=b""), Reply(status=302)]
)
def test_status_and_every_byte_are_compared(server: SmallServer, reply: Reply) -> None:
    chain, witness = (build([build_http(server)], is_follower=one) for one in (False, True))
    send(chain, HTTP_BYTES, encode("get(string)", server.url("/")))
    server.answer = lambda _: reply
    assert len(compare(chain, witness)) == 1


def test_a_failure_at_one_end_is_a_difference(server: SmallServer) -> None:
    chain, witness = (build([build_http(server)], is_follower=one) for one in (False, True))
    send(chain, HTTP_BYTES, encode("get(string)", server.url("/")))
    server.server_close()
    (difference,) = compare(chain, witness)
    assert difference.ours.outcome is Outcome.REVERTED
    assert b"gave no answer" in difference.ours.output


def test_a_failure_in_the_same_words_is_none(server: SmallServer) -> None:
    chain, witness = (build([build_http(server)], is_follower=one) for one in (False, True))
    data = encode("get(string)", server.url("/"))
    server.server_close()
    send(chain, HTTP_BYTES, data)
    assert chain.head.records[0].outcome is Outcome.REVERTED
    assert compare(chain, witness) == ()


def test_a_call_that_ran_out_of_gas_runs_out_of_it_again(server: SmallServer) -> None:
    server.answer = lambda _: Reply(body=b"x" * 20_000)
    chain, witness = (build([build_http(server)], is_follower=one) for one in (False, True))
    send(chain, HTTP_BYTES, encode("get(string)", server.url("/")), gas=400_000)
    assert chain.head.records[0].outcome is Outcome.OUT_OF_GAS
    assert compare(chain, witness) == ()
    server.answer = lambda _: Reply(body=b"short")
    (difference,) = [*witness.compare_outside(witness.head)]
    assert difference.ours.outcome is Outcome.OK


@pytest.mark.parametrize(
    "change",
    [
        lambda said: Completion(said.text.upper(), said.prompt_tokens, said.completion_tokens),
        lambda said: Completion(said.text, said.prompt_tokens + 1, said.completion_tokens),
        lambda said: Completion(said.text, said.prompt_tokens, said.completion_tokens - 1),
    ],
)
def test_a_language_models_text_and_counts_are_compared(change: Callable[[Completion], Completion]) -> None:
    chain, witness = (
        build([build_llm(Parrot())], is_follower=False),
        build([build_llm(Changed(change))], is_follower=True),
    )
    data = encode("complete(string,string,uint32,uint64)", "tiny", "a few words to say again", 8, 0)
    send(chain, LLM_BYTES, data)
    assert chain.head.records[0].outcome is Outcome.OK
    (difference,) = compare(chain, witness)
    assert (difference.spc, difference.asked) == ("llm", "tiny")


def test_an_engine_that_fails_is_a_difference() -> None:
    def fail(said: Completion) -> Completion:
        raise EngineFailed("the engine did not answer")

    chain, witness = (
        build([build_llm(Parrot())], is_follower=False),
        build([build_llm(Changed(fail))], is_follower=True),
    )
    send(chain, LLM_BYTES, encode("complete(string,string,uint32,uint64)", "tiny", "words", 8, 0))
    (difference,) = compare(chain, witness)
    assert b"the engine did not answer" in difference.ours.output


def ask_collection(chain: Chain) -> None:
    """Fill a collection, and have a question answered from it."""
    send(chain, VECTORS, encode("createCollection(string,uint16,uint8)", "texts", 2, 0))
    collection = ask(chain, VECTORS, encode("collectionOf(address,string)", to_address(ALICE), "texts")).return_data
    item = "(uint256,uint256,bytes,bytes)"
    items = [(7, 0, bytes([100, 0]), b"aaa is a row"), (8, 0, bytes([0, 100]), b"bbb is a row")]
    upsert = keccak(f"upsert(bytes32,{item}[])".encode())[:4]
    assert send(chain, VECTORS, upsert + encode_abi(["bytes32", f"{item}[]"], [collection, items])).succeeded
    signature = "answer(bytes32,bytes32,string,uint16,string,uint32)"
    assert send(chain, RAG_BYTES, encode(signature, collection, keccak(b"ab"), "what is bbb", 1, "tiny", 64)).succeeded


def test_a_question_to_a_collection_is_asked_on_the_state_that_it_was_asked_on() -> None:
    chain, witness = build(build_rag(Parrot()), is_follower=False), build(build_rag(Parrot()), is_follower=True)
    ask_collection(chain)
    assert chain.head.records[-1].spc == RAG_BYTES
    assert compare(chain, witness) == ()


def test_gas_that_an_answer_does_not_show_is_compared() -> None:
    """How many tokens an answer from a collection took stands nowhere but in its gas."""
    fewer = Changed(lambda said: Completion(said.text, said.prompt_tokens, said.completion_tokens - 1))
    chain, witness = build(build_rag(Parrot()), is_follower=False), build(build_rag(fewer), is_follower=True)
    ask_collection(chain)
    (difference,) = compare(chain, witness)
    assert difference.asked == "tiny"
    assert difference.ours.output == difference.theirs.output
    assert difference.theirs.gas - difference.ours.gas == PRICES.llm_token


def test_a_block_without_recorded_answers_asks_nobody() -> None:
    chain, witness = build(build_rag(Parrot()), is_follower=False), build(build_rag(Parrot()), is_follower=True)
    send(chain, VECTORS, encode("createCollection(string,uint16,uint8)", "texts", 2, 0))
    assert len(chain.head.records) == 1
    assert compare(chain, witness) == ()


def test_a_request_that_changes_something_is_made_again(server: SmallServer) -> None:
    """As the page says: hosts see each witness ask."""
    chain, witness = (build([build_http(server)], is_follower=one) for one in (False, True))
    types = ["string", "string", "(string,string)[]", "bytes"]
    data = keccak(f"request({','.join(types)})".encode())[:4] + encode_abi(types, ["POST", server.url("/"), [], b"x"])
    send(chain, HTTP_BYTES, data)
    assert compare(chain, witness) == ()
    seen: list[Seen] = server.seen
    assert [(one.method, one.body) for one in seen] == [("POST", b"x")] * 2
