"""A contract that embeds, searches, classifies and stores in one transaction, on a real chain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evm import ask, send, sign
from spc_models import T, build_graph, describe, spec
from test_spc_embeddings import Texts, build

from infernet.chain.abi import parse_abi
from infernet.chain.artifacts import load_artifact
from infernet.protocol.manifest import Manifest, compute_manifest_hash, encode_manifest
from infernet.vm.block import Outcome
from infernet.vm.chain import Chain
from infernet.vm.genesis import Genesis, SpcCallOfGenesis, build_dev_accounts
from infernet.vm.request import BlockOverride, CallRequest
from infernet.vm.simulation import BlockPlan, Terms
from infernet.vm.spc import addresses
from infernet.vm.spc.addresses import EMBEDDINGS, TENSOR_INFERENCE, VECTOR_DATABASE
from infernet.vm.spc.call import Spc
from infernet.vm.spc.embeddings import Embeddings
from infernet.vm.spc.models.loaded import LoadedModels
from infernet.vm.spc.models.publication import build_publication
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.proofs import ProofVerifier
from infernet.vm.spc.tensor import TensorInference
from infernet.vm.spc.vectors import VectorDatabase

SUBJECTS = (
    ("the striker scored a late goal and the team won the match", "a referee stopped the football game"),
    ("whisk the eggs with sugar and bake the cake", "slice onions and simmer the soup with salt"),
    ("the central bank raised interest rates", "shares fell as investors sold bonds"),
)
TEXTS = ("the team scored a goal", "bake a cake with eggs and sugar", "the bank raised rates", "the team won the game")
LIBRARIAN = load_artifact("Librarian")
NONE = 2**256 - 1
ROOT = Path(__file__).parents[2]


EMBEDDER = Texts()
EMBEDDER_MODEL = EMBEDDER.publish()


def embed(text: str) -> Any:
    return np.frombuffer(EMBEDDER.call("embed", EMBEDDER_MODEL, text), np.int8).astype(int)


def build_classifier() -> tuple[Manifest, bytes, Any]:
    """The nearest of the subjects' mean vectors, as an integer graph."""
    means = np.array([np.sum([embed(text) for text in texts], axis=0) for texts in SUBJECTS])
    weights = np.rint(means.T * 63 / np.abs(means).max()).astype(np.int8)
    content = build_graph(
        [
            ("MatMulInteger", ["vector", "w"], ["scores"]),
            ("ArgMax", ["scores"], ["subject"], {"axis": 1, "keepdims": 0}),
        ],
        {"vector": (T.INT8, [1, len(weights)])},
        {"subject": (T.INT64, [1])},
        {"w": weights},
    )
    outputs = (spec("subject", "int64", 1, encoding="int256[]"),)
    return (
        describe(content, (spec("vector", "int8", 1, len(weights)),), outputs, name="test/subjects:1"),
        content,
        weights,
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The two models as their makers would keep them."""
    embedder, contents = build()
    classifier, content, _ = build_classifier()
    folders = []
    for manifest, files in ((embedder, contents), (classifier, [content])):
        folder = tmp_path_factory.mktemp("model")
        for file, data in zip(manifest.files, files, strict=True):
            (folder / file.path).write_bytes(data)
        (folder / "manifest.json").write_bytes(encode_manifest(manifest))
        folders.append(folder)
    return folders


def build_spcs() -> list[Spc]:
    loaded = LoadedModels()
    prices, limits = Prices(), Limits()
    return [
        TensorInference(prices, limits, loaded),
        Embeddings(prices, limits, loaded),
        VectorDatabase(prices, limits),
    ]


def build_chain(folders: list[Path], **options: Any) -> Chain:
    spcs = build_spcs()
    calls = [
        SpcCallOfGenesis(to_bytes(TENSOR_INFERENCE), data) for f in folders for data in build_publication(f, 9_000)
    ]
    genesis = Genesis(
        accounts=build_dev_accounts(), spcs=tuple(to_bytes(spc.address) for spc in spcs), spc_calls=tuple(calls)
    )
    return Chain(genesis, spcs, **options)


def to_bytes(address: str) -> bytes:
    return bytes.fromhex(address[2:])


@pytest.fixture
def chain(folders: list[Path]) -> Iterator[Chain]:
    chain = build_chain(folders)
    yield chain
    chain.close()


def deploy(chain: Chain) -> bytes:
    classifier, _, _ = build_classifier()
    arguments = [EMBEDDER_MODEL, compute_manifest_hash(classifier)]
    receipt = send(chain, None, LIBRARIAN.encode_deployment(arguments), gas=5_000_000)
    assert receipt.succeeded
    assert receipt.contract_address is not None
    return receipt.contract_address


def file(chain: Chain, librarian: bytes, text: str, gas: int = 2_000_000) -> Any:
    return send(chain, librarian, LIBRARIAN.encode_call("file", [text]), gas=gas)


def expect(texts: tuple[str, ...]) -> list[tuple[int, int, int, int]]:
    """Id, subject, nearest and score of each, by numpy."""
    _, _, weights = build_classifier()
    vectors, expected = [], []
    for number, text in enumerate(texts):
        vector = embed(text)
        scores = [int(vector @ other) for other in vectors]
        nearest = max(range(number), key=lambda i: (scores[i], -i)) if scores else NONE
        subject = int(np.argmax(vector @ weights.astype(int)))
        expected.append((number, subject, nearest, scores[nearest] if scores else 0))
        vectors.append(vector)
    return expected


def read_filed(receipt: Any) -> tuple[int, int, int, int]:
    (log,) = receipt.logs
    words = [int.from_bytes(log.data[at : at + 32], "big", signed=True) for at in (0, 32)]
    return int.from_bytes(log.topics[1]), int.from_bytes(log.topics[2]), words[0] % 2**256, words[1]


def test_a_text_is_embedded_searched_classified_and_stored_in_one_transaction(chain: Chain) -> None:
    librarian = deploy(chain)
    found = []
    for text in TEXTS:
        receipt = file(chain, librarian, text)
        assert receipt.succeeded
        found.append(read_filed(receipt))
        called = [record.spc for record in chain.head.records]
        assert called == [to_bytes(a) for a in (EMBEDDINGS, VECTOR_DATABASE, TENSOR_INFERENCE, VECTOR_DATABASE)]
        assert all(record.outcome is Outcome.OK for record in chain.head.records)
    assert found == expect(TEXTS)
    assert [subject for _, subject, _, _ in found] == [0, 1, 2, 0]
    asked = ask(chain, librarian, LIBRARIAN.encode_call("find", ["who won the game?", 1]))
    assert LIBRARIAN.decode_result("find", 2, asked.return_data) == (TEXTS[3],)
    inside = ask(chain, librarian, LIBRARIAN.encode_call("findIn", [1, "anything", 5]))
    assert LIBRARIAN.decode_result("findIn", 3, inside.return_data) == (TEXTS[1],)


def test_a_follower_computes_the_same(chain: Chain, folders: list[Path]) -> None:
    librarian = deploy(chain)
    for text in TEXTS:
        file(chain, librarian, text)
    follower = build_chain(folders, producer_key=None)
    for encoded in chain.export(1, chain.head.number):
        follower.import_block(encoded)
    assert follower.head == chain.head
    question = LIBRARIAN.encode_call("find", ["eggs", 4])
    assert ask(follower, librarian, question).return_data == ask(chain, librarian, question).return_data
    follower.close()


def test_what_was_filed_is_there_after_a_restart(folders: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "chain.sqlite"
    chain = build_chain(folders, path=path)
    librarian = deploy(chain)
    for text in TEXTS[:3]:
        file(chain, librarian, text)
    chain.close()
    again = build_chain(folders, path=path)
    receipt = file(again, librarian, TEXTS[3])
    assert read_filed(receipt) == expect(TEXTS)[3]
    again.close()


def test_nothing_of_a_reverted_transaction_is_left(chain: Chain) -> None:
    librarian = deploy(chain)
    file(chain, librarian, TEXTS[0])
    request = CallRequest(to=librarian, data=LIBRARIAN.encode_call("file", [TEXTS[1]]))
    estimated = chain.estimate(request, chain.head.number)
    for gas in range(estimated // 3, estimated * 9 // 10, 20_000):
        assert not file(chain, librarian, TEXTS[1], gas=gas).succeeded
    receipt = file(chain, librarian, TEXTS[1], gas=estimated)
    assert receipt.succeeded
    assert read_filed(receipt) == expect(TEXTS)[1]


@pytest.mark.parametrize("is_simulated", [True, False])
def test_what_was_only_looked_at_does_not_stop_the_chain(chain: Chain, *, is_simulated: bool) -> None:
    librarian = deploy(chain)
    file(chain, librarian, TEXTS[0])
    requests = [  # more than a node keeps in memory of one collection
        CallRequest(to=librarian, data=LIBRARIAN.encode_call("file", [f"goal {n}"]), gas=2_000_000) for n in range(12)
    ]
    if is_simulated:
        terms = Terms(is_strict=False, with_transfers=False, gas=10**8)
        (block,) = chain.simulate([BlockPlan(BlockOverride(), {}, requests)], chain.head.number, terms)
        assert all(result.error is None for result in block.results)
    else:
        chain.dev.automine = False
        for request in requests:
            chain.submit(sign(chain, librarian, request.data, gas=2_000_000).raw)
        assert len(chain.pending_block().transactions) == len(requests)
        chain.pool.restore(())
        chain.dev.automine = True
    for number, text in enumerate(TEXTS[1:], 1):
        assert read_filed(file(chain, librarian, text)) == expect(TEXTS)[number]


INTERFACES: dict[str, Any] = {
    "ITensorInference": TensorInference,
    "IVectorDatabase": VectorDatabase,
    "IEmbeddings": Embeddings,
    "IProofVerifier": ProofVerifier,
}


@pytest.mark.parametrize("name", INTERFACES)
def test_the_interface_in_solidity_is_that_of_the_precompile(name: str) -> None:
    entries = json.loads((ROOT / "src/infernet/artifacts" / f"{name}.json").read_text())["abi"]
    items = [(item, entry) for item, entry in zip(parse_abi(entries), entries, strict=True) if item.kind == "function"]
    declared = {
        item.signature
        + (" view" if entry["stateMutability"] == "view" else "")
        + (f" returns ({','.join(item.output_types)})" if item.output_types else "")
        for item, entry in items
    }
    assert set(INTERFACES[name](Prices(), Limits())._methods.declarations) == declared


def test_addresses_are_those_of_solidity() -> None:
    text = (ROOT / "contracts/src/spc/SpcAddresses.sol").read_text()
    named = {name: value for name, value in vars(addresses).items() if name.isupper()}
    assert len(named) == 9
    for name, value in named.items():
        assert f"{name} = address(0x{int(value, 16):04x});" in text
