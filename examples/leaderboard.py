"""A market for better models: a sponsor puts up a prize, two people enter, three nodes judge, the better model is paid
and becomes what the alias stands for.

    python examples/leaderboard.py

It starts a local chain and three nodes, and moves the chain's clock past the phases. It needs `infernet[workflows]`.
This is what it prints:

    the sponsor sets a task: who tells malignant tumours best? 5 ether for a model that is right in more than 90 %
    anna and bert submit commitments: nobody knows their models
    anna and bert open their entries: nobody can enter any more
    the sponsor reveals 150 rows that nobody has seen
    anna's entry is right in 87.33 %
    bert's entry is right in 96.00 %
    bert wins 5 ether; acme/tumours@champion is bert's model
    each of the nodes has earned 0.02 ether
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import structlog
from sklearn.datasets import load_breast_cancer
from sklearn.tree import DecisionTreeClassifier

from infernet.app.network import LocalNetwork, start_network
from infernet.client import AsyncClient
from infernet.models import build_onnx_manifest
from infernet.protocol.abi_codec import encode_abi
from infernet.protocol.hashing import keccak
from infernet.protocol.manifest import compute_manifest_hash, encode_manifest
from infernet.settings import ContainerSettings
from infernet.types import Address
from infernet.workflows.data import Rows
from infernet.workflows.flavours import Export, convert

ETHER = 10**18
PRIZE, FEE = 5 * ETHER, ETHER // 100
NODES, QUORUM = 3, 2
PHASE_S, WINDOW_S = 1000, 300
SALT = keccak(b"32 random bytes in earnest")
COLUMN = "malignant"
PEOPLE = {"sponsor": 5, "anna": 6, "bert": 7}


@dataclass(frozen=True)
class Scene:
    network: LocalNetwork
    board: Address
    clients: dict[str, AsyncClient]

    async def call(self, who: str, function: str, *arguments: object, value: int = 0) -> None:
        await self.clients[who].transact(self.board, "Leaderboard", function, *arguments, value=value)

    async def read(self, function: str, *arguments: object) -> Any:
        return await self.clients["sponsor"].read(self.board, "Leaderboard", function, *arguments)

    async def end_phase(self) -> None:
        await self.network.chain.increase_time(PHASE_S)


def load_data() -> tuple[pd.DataFrame, pd.DataFrame]:
    """What everybody has, and what the sponsor alone has."""
    data = load_breast_cancer(as_frame=True)
    rows = data.data.assign(**{COLUMN: 1 - data.target}).sample(frac=1, random_state=1)
    return rows.iloc[150:], rows.iloc[:150]


def train(known: pd.DataFrame, depth: int, folder: Path) -> bytes:
    """A tree in integer arithmetic, so that it answers alike on every machine, with its manifest. Returns its hash."""
    rows = Rows(known.drop(columns=COLUMN).astype("float32"), known[COLUMN])
    tree = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(rows.features, rows.target)
    converted = convert(tree, rows, export=Export(exact=True))
    folder.mkdir()
    (folder / "model.onnx").write_bytes(converted.onnx)
    manifest = build_onnx_manifest(
        folder / "model.onnx",
        "acme/tumours:1",
        inputs=converted.inputs,
        outputs=converted.outputs,
        determinism=converted.determinism,
    )
    (folder / "manifest.json").write_bytes(encode_manifest(manifest))
    return bytes(compute_manifest_hash(manifest))


async def set_task(scene: Scene, test_set_hash: bytes) -> None:
    """The sponsor's namespace is lent to the contract, which moves the alias at the end and gives it back."""
    registry, sponsor = scene.network.deployment["ModelRegistry"], scene.clients["sponsor"]
    await sponsor.transact(registry, "ModelRegistry", "claimNamespace", "acme")
    await sponsor.transact(registry, "ModelRegistry", "offerNamespace", "acme", scene.board)
    now = (await sponsor.chain.fetch_head()).timestamp
    ends = [now + (phase + 1) * PHASE_S - PHASE_S // 2 for phase in range(4)]
    commitment = keccak(encode_abi(["bytes32", "bytes32"], [test_set_hash, SALT]))
    floor, max_gas_price = 9 * ETHER // 10, 10**12
    quorum = (WINDOW_S, NODES, QUORUM, FEE, max_gas_price)
    task = ("judge", "acme", "tumours", commitment, floor, *ends, *quorum)
    await scene.call("sponsor", "create", task, value=PRIZE)
    print(
        "the sponsor sets a task: who tells malignant tumours best? 5 ether for a model that is right in more than 90 %"
    )


async def submit(scene: Scene, models: dict[str, bytes]) -> None:
    """An entry is a hash, which says nothing of the model and cannot be copied."""
    for who, manifest_hash in models.items():
        entry = [0, scene.clients[who].address, manifest_hash, SALT]
        await scene.call(who, "submit", 0, keccak(encode_abi(["uint256", "address", "bytes32", "bytes32"], entry)))
    print(f"{' and '.join(models)} submit commitments: nobody knows their models")


async def open_entries(scene: Scene, models: dict[str, bytes], folder: Path) -> None:
    """Each pays for its own evaluation, and says where the model lies."""
    for entry, (who, manifest_hash) in enumerate(models.items(), start=1):
        uri = (folder / who).as_uri()
        await scene.call(who, "open", 0, entry, manifest_hash, uri, 500, SALT, value=NODES * FEE)
    print(f"{' and '.join(models)} open their entries: nobody can enter any more")


async def evaluate(scene: Scene, models: dict[str, bytes]) -> None:
    """Anyone may ask for it; two of three nodes must come to the same score."""
    for entry, who in enumerate(models, start=1):
        await scene.call("sponsor", "evaluate", 0, entry)
        async with asyncio.timeout(120):
            while not (found := await scene.read("getEntry", 0, entry))[2]:  # noqa: ASYNC110  (the nodes are at work)
                await asyncio.sleep(0.05)
        score = found[7]
        print(f"{who}'s entry is right in {score / ETHER:.2%}".replace("%", " %"))


async def finish(scene: Scene, models: dict[str, bytes]) -> None:
    await scene.call("sponsor", "finish", 0)
    (winner,) = [who for who in models if await scene.read("owed", scene.clients[who].address)]
    await scene.call(winner, "withdraw")
    registry, versions = scene.network.deployment["ModelRegistry"], {}
    for who, manifest_hash in models.items():
        versions[keccak(f"acme/tumours:{manifest_hash.hex()}".encode())] = who
    alias = keccak(b"acme/tumours@champion")
    champion = versions[await scene.clients[winner].read(registry, "ModelRegistry", "resolveAlias", alias)]
    print(f"{winner} wins 5 ether; acme/tumours@champion is {champion}'s model")


async def show_earnings(scene: Scene) -> None:
    """All three are paid: the third says the same, though two would do."""
    client = scene.clients["sponsor"]
    async with asyncio.timeout(120):
        while True:
            balances = [await client.read_balance(node.address) for node in scene.network.nodes]
            if len(earned := {balance.free for balance in balances}) == 1:
                break
            await asyncio.sleep(0.05)
    (each,) = earned
    print(f"each of the nodes has earned {each / ETHER} ether")


async def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        known, secret = load_data()
        models = {"anna": train(known, 1, folder / "anna"), "bert": train(known, 4, folder / "bert")}
        test_set = folder / "test.csv"
        secret.to_csv(test_set, index=False)
        test_set_hash = hashlib.sha256(test_set.read_bytes()).digest()

        judge = ContainerSettings(id="judge", kind="evaluation", column=COLUMN, folders=(folder,))
        network = await stack.enter_async_context(
            start_network([judge], folder / "store", nodes=NODES, block_time_s=None)
        )
        clients = {}
        for who, number in PEOPLE.items():
            key = network.chain.accounts[number].private_key
            client = await AsyncClient.connect(network.chain.rpc_url, key, coordinator=network.coordinator)
            clients[who] = await stack.enter_async_context(client)
        scene = Scene(network, await clients["sponsor"].deploy("Leaderboard", network.coordinator), clients)

        await set_task(scene, test_set_hash)
        await submit(scene, models)
        await scene.end_phase()
        await open_entries(scene, models, folder)
        await scene.end_phase()
        await scene.call("sponsor", "reveal", 0, test_set_hash, test_set.as_uri(), SALT)
        print("the sponsor reveals 150 rows that nobody has seen")
        await evaluate(scene, models)
        await finish(scene, models)
        await show_earnings(scene)


if __name__ == "__main__":
    asyncio.run(main())
