"""The same contracts on a layer and on anvil behind its stubs, and recorded answers on a follower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import aiohttp
import pytest
from counter import Counter, Mirror, add, encode
from evm import ALICE, ask, send
from needs import need
from parrot import Parrot
from small_server import Reply, SmallServer, serve
from stub_client import Client, deploy_by
from stub_project import compile_contracts, has_forge

from infernet.chain.anvil import AnvilChain
from infernet.chain.artifacts import Artifact, load_artifact
from infernet.protocol.abi_codec import decode_abi, encode_abi
from infernet.protocol.hashing import keccak, to_address
from infernet.vm.block import Outcome, Receipt
from infernet.vm.chain import Chain
from infernet.vm.genesis import Genesis, build_dev_accounts
from infernet.vm.request import AccountOverride, CallRequest
from infernet.vm.spc.addresses import RAG, SCHEDULER, VECTOR_DATABASE
from infernet.vm.spc.call import Spc
from infernet.vm.spc.engines import Engines
from infernet.vm.spc.http import Http
from infernet.vm.spc.llm import Llm
from infernet.vm.spc.outbound import OutboundClient
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.rag import Rag, SpcEmbedder, SpcRetriever
from infernet.vm.spc.recorded_embeddings import RecordedEmbeddings
from infernet.vm.spc.vectors.database import VectorDatabase
from infernet.vm.stubs import serve_stubs

PRICES, LIMITS = Prices(), Limits()
TOTAL = encode("total()")
SCHEDULER_ABI = load_artifact("Scheduler")
SCHEDULER_ADDRESS = bytes.fromhex(SCHEDULER[2:])
SAID = "Review in one word: It is a text."


def build_layer(spcs: Sequence[Spc], **options: Any) -> Chain:
    accounts = {**build_dev_accounts(), SCHEDULER_ADDRESS: AccountOverride(nonce=1, code=SCHEDULER_ABI.runtime)}
    genesis = Genesis(accounts=accounts, spcs=tuple(bytes.fromhex(spc.address[2:]) for spc in spcs))
    return Chain(genesis, spcs, **options)


def deploy(chain: Chain, artifact: Artifact, *arguments: Any) -> bytes:
    receipt = send(chain, None, artifact.encode_deployment(arguments), gas=5_000_000)
    assert receipt.succeeded
    assert receipt.contract_address is not None
    return receipt.contract_address


# --- What a contract sees on a layer it sees on anvil

STORY: list[tuple[str, list[Any]]] = [
    ("callAll(bytes[])", [[add(5), TOTAL, add(7), TOTAL]]),
    ("callAll(bytes[])", [[add(1), TOTAL]]),
    ("callUndoneThen", [[add(50), add(60)], [TOTAL, add(1), TOTAL]]),
    ("callAnother", [[add(2)], to_address(RAG), b""]),
    ("callStatic", [TOTAL]),
    ("callStatic", [add(9)]),
    ("callDelegate", [TOTAL]),
    ("callAll(bytes[])", [[encode("fail()"), encode("nothing()"), encode("add(uint256)", 1)[:-1], b""]]),
    ("callAll(bytes[])", [[encode("echo(bytes)", bytes(range(100)) * 9), TOTAL]]),
    ("callWith", [TOTAL, 1_500]),
    ("knock", [add(9)]),
    ("callAll(bytes[])", [[TOTAL]]),
]


def _tell_to_layer() -> list[bytes]:
    artifact = compile_contracts()["StubPuppet"]
    chain = build_layer([Counter(), Mirror()])
    puppet = deploy(chain, artifact)
    for name, arguments in STORY:
        assert send(chain, puppet, artifact.encode_call(name, arguments), gas=10_000_000).succeeded

    def read(name: str, *arguments: Any) -> Any:
        outputs = artifact.find_function(name, len(arguments)).output_types
        return decode_abi(outputs, ask(chain, puppet, artifact.encode_call(name, arguments)).return_data)[0]

    return [read("answers", place) for place in range(read("count"))]


async def _tell_to_anvil(anvil: AnvilChain) -> list[bytes]:
    async with (
        aiohttp.ClientSession() as session,
        serve_stubs(anvil.rpc_url, [Counter(), Mirror()], "127.0.0.1", 0) as proxy,
    ):
        puppet = await deploy_by(Client(proxy.url, session), compile_contracts()["StubPuppet"])
        for name, arguments in STORY:
            assert await puppet.send(name, *arguments)
        return await puppet.answers()


@pytest.mark.chain
async def test_a_contract_sees_the_same_on_both(anvil: AnvilChain) -> None:
    need(has_forge(), "no forge: run `make setup`")
    ours, theirs = _tell_to_layer(), await _tell_to_anvil(anvil)
    assert len(ours) > 20
    assert ours == theirs


# --- Recorded answers


class Layer:
    """A layer with HTTP and a model, and a reviewer on it."""

    def __init__(self, server: SmallServer, client: OutboundClient) -> None:
        self.server, self._client = server, client
        self.parrot = Parrot()
        self.url = server.url("/text")
        self.chain = self.build()
        self.artifact = load_artifact("Reviewer")
        self.reviewer = deploy(self.chain, self.artifact, "tiny")

    def build(self, **options: Any) -> Chain:
        http = Http(self._client, [f"127.0.0.1:{self.server.port}"], PRICES, LIMITS)
        return build_layer([http, Llm(Engines({"tiny": self.parrot}, PRICES, LIMITS), PRICES)], **options)

    def encode(self, name: str) -> bytes:
        return self.artifact.encode_call(name, [self.url])

    def review(self, **fields: Any) -> Receipt:
        return send(self.chain, self.reviewer, self.encode("review"), **fields)

    def verdict(self, chain: Chain | None = None) -> str:
        returned = ask(chain or self.chain, self.reviewer, self.encode("verdictOf")).return_data
        return str(decode_abi(["string"], returned)[0])

    @property
    def asked(self) -> tuple[int, int]:
        """How often the server and the model were."""
        return len(self.server.seen), self.parrot.asked


@pytest.fixture
def layer() -> Iterator[Layer]:
    with serve(lambda _: Reply(body=b"It is a text.")) as server:
        client = OutboundClient(timeout_s=5, allows=lambda _: True)
        yield Layer(server, client)
        client.close()


def test_a_transaction_fetches_and_asks_and_the_block_says_so(layer: Layer) -> None:
    assert layer.review().succeeded
    assert layer.verdict() == SAID
    http, llm = layer.chain.head.records
    assert (http.outcome, llm.outcome) == (Outcome.OK, Outcome.OK)
    assert http.input == encode("get(string)", layer.url)
    assert decode_abi(["uint16", "bytes"], http.output) == (200, b"It is a text.")
    assert llm.input[4:] == encode_abi(["string", "string", "uint32", "uint64"], ["tiny", SAID, 8, 0])
    assert decode_abi(["string", "uint32", "uint32"], llm.output)[0] == SAID
    assert (http.caller, llm.caller) == (layer.reviewer, layer.reviewer)


def test_a_follower_takes_the_answers_from_the_block(layer: Layer) -> None:
    layer.review()
    asked = layer.asked
    follower = layer.build(producer_key=None)
    for encoded in layer.chain.export(1, layer.chain.head.number):
        follower.import_block(encoded)
    assert follower.head.hash == layer.chain.head.hash
    assert layer.verdict(follower) == SAID
    assert layer.asked == asked


def test_an_estimate_asks_once_and_its_gas_is_enough(layer: Layer) -> None:
    request = CallRequest(sender=ALICE, to=layer.reviewer, data=layer.encode("review"))
    gas = layer.chain.estimate(request, layer.chain.head.number)
    assert layer.asked == (1, 1)
    receipt = layer.review(gas=gas)
    assert receipt.succeeded
    assert receipt.gas_used > PRICES.http_request + PRICES.llm_request
    assert layer.asked == (2, 2)


def test_a_view_asks_without_a_transaction(layer: Layer) -> None:
    returned = ask(layer.chain, layer.reviewer, layer.encode("ask")).return_data
    assert decode_abi(["string"], returned) == (SAID,)


def test_a_failed_request_reverts_with_its_reason(layer: Layer) -> None:
    layer.server.server_close()
    result = ask(layer.chain, layer.reviewer, layer.encode("ask"))
    assert result.reverted
    assert decode_abi(["string"], result.return_data[4:]) == ("127.0.0.1 gave no answer",)
    receipt = layer.review()
    assert not receipt.succeeded
    assert PRICES.http_request < receipt.gas_used < 2 * PRICES.http_request
    (record,) = layer.chain.head.records
    assert record.outcome is Outcome.REVERTED


def test_a_scheduled_call_may_ask_too(layer: Layer) -> None:
    order = (to_address(layer.reviewer), 1_000_000, 5 * 10**9, 0, layer.chain.head.number + 2, 0)
    schedule = SCHEDULER_ABI.encode_call("schedule", [order, layer.encode("review")])
    assert send(layer.chain, SCHEDULER_ADDRESS, schedule, value=1_500_000 * 5 * 10**9).succeeded
    layer.chain.mine()
    assert layer.verdict() == SAID
    assert [record.caller for record in layer.chain.head.records] == [layer.reviewer] * 2


def test_a_question_is_answered_from_a_collection_of_the_chain(layer: Layer) -> None:
    """The database is re-executed, the answer recorded: a follower without a model or an embedder has both."""

    def build(**options: Any) -> Chain:
        vectors, engines = VectorDatabase(PRICES, LIMITS), Engines({"tiny": layer.parrot}, PRICES, LIMITS)
        embeddings = RecordedEmbeddings(None, {"letters": Letters()}, PRICES, LIMITS)
        rag = Rag(SpcEmbedder(embeddings), SpcRetriever(vectors), engines, PRICES, LIMITS)
        return build_layer([vectors, embeddings, rag], **options)

    chain = build()
    vectors, rag = (bytes.fromhex(address[2:]) for address in (VECTOR_DATABASE, RAG))
    assert send(chain, vectors, encode("createCollection(string,uint16,uint8)", "texts", 2, 0)).succeeded
    collection = ask(chain, vectors, encode("collectionOf(address,string)", to_address(ALICE), "texts")).return_data
    item = "(uint256,uint256,bytes,bytes)"
    items = [(7, 0, bytes([100, 0]), b"aaa is a row of a"), (8, 0, bytes([0, 100]), b"bbb is a row of b")]
    upsert = keccak(f"upsert(bytes32,{item}[])".encode())[:4] + encode_abi(
        ["bytes32", f"{item}[]"], [collection, items]
    )
    assert send(chain, vectors, upsert).succeeded

    signature = "answer(bytes32,bytes32,string,uint16,string,uint32)"
    question = encode(signature, collection, keccak(b"letters"), "what is bbb", 1, "tiny", 64)
    assert send(chain, rag, question).succeeded
    (record,) = chain.head.records
    text, ids = decode_abi(["string", "uint256[]"], record.output)
    assert ids == (8,)
    assert text == "[1] bbb is a row of b Question: what is bbb"

    asked = layer.parrot.asked
    follower = build(producer_key=None)
    for encoded in chain.export(1, chain.head.number):
        follower.import_block(encoded)
    assert follower.head.hash == chain.head.hash
    assert layer.parrot.asked == asked


class Letters:
    """An embedder of two dimensions: how often a text has an a, and a b."""

    def embed(self, text: str) -> Sequence[float]:
        return [text.count("a"), 2 * text.count("b")]
