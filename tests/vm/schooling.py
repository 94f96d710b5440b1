"""A chain whose contract has models trained and uses them. As a program: a producer that is killed with the first
transaction of its own that stands in a block."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from evm import send
from spc_models import T, build_graph, describe, spec

from infernet.chain.artifacts import load_artifact
from infernet.protocol.abi_codec import encode_abi
from infernet.protocol.manifest import Determinism, compute_manifest_hash, encode_manifest, parse_manifest
from infernet.vm.block import Receipt
from infernet.vm.chain import Chain
from infernet.vm.events import Event, NewHead
from infernet.vm.genesis import Genesis, build_dev_accounts
from infernet.vm.request import AccountOverride
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.tensor import TensorInference
from infernet.vm.spc.training import ADDRESS
from infernet.vm.training_publication import MODELS
from infernet.vm.training_service import TrainingService
from infernet.vm.training_worker import TrainingWorker

SCHOOL = load_artifact("School")
PIXELS = 64
_PATIENCE_S = 90


def build_chain(
    path: Path | None = None, accounts: Mapping[bytes, AccountOverride] | None = None, **options: Any
) -> Chain:
    contract = AccountOverride(nonce=1, code=load_artifact("Training").runtime)
    chosen = {**build_dev_accounts(), ADDRESS: contract, **(accounts or {})}
    models = TensorInference(Prices(), Limits())
    return Chain(Genesis(accounts=chosen, spcs=(MODELS,)), [models], path, **options)


def write_model(folder: Path, seed: int = 1, classes: int = 10, determinism: Determinism = Determinism.EXACT) -> Any:
    """A model that takes 64 bytes and tells the largest of some scores; the answer is its weights."""
    weights = np.random.default_rng(seed).integers(-63, 64, (PIXELS, classes), np.int8)
    operators = [
        ("MatMulInteger", ["pixels", "w"], ["scores"]),
        ("ArgMax", ["scores"], ["label"], {"axis": 1, "keepdims": 0}),
    ]
    content = build_graph(operators, {"pixels": (T.UINT8, [1, PIXELS])}, {"label": (T.INT64, [1])}, {"w": weights})
    inputs, outputs = (spec("pixels", "uint8", 1, PIXELS),), (spec("label", "int64", 1, encoding="int256[]"),)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    (folder / "manifest.json").write_bytes(encode_manifest(describe(content, inputs, outputs, determinism)))
    return weights


def read_hash(folder: Path) -> bytes:
    return compute_manifest_hash(parse_manifest((folder / "manifest.json").read_bytes()))


@dataclass(frozen=True)
class Copier:
    """A workflow that leaves a model which was made before, and notes that it ran."""

    source: Path

    def train(self, spec: Mapping[str, Any], folder: Path) -> bytes:
        with (self.source / "ran").open("a") as file:
            file.write("once\n")
        for name in ("model.onnx", "manifest.json"):
            (folder / name).write_bytes((self.source / name).read_bytes())
        return encode_abi(["bytes32", "string", "uint32"], [read_hash(self.source), "test/model:1", 9_700])


def enrol(chain: Chain, picture: bytes, spec: bytes = b'{"workflow": "copy"}', fee: int = 0) -> bytes:
    """The address of a school that has asked for a training."""
    school = send(chain, None, SCHOOL.encode_deployment(), gas=3_000_000, tip=0).contract_address
    assert school is not None
    assert send(chain, school, SCHOOL.encode_call("train", [spec, picture]), tip=0, value=fee).succeeded
    return school


def wait_until(
    service: TrainingService, done: Callable[[], bool], between: Callable[[], object] = lambda: None
) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        service.answer_finished()
        if done():
            return
        between()
        time.sleep(0.02)
    raise AssertionError("it never was")


def list_own(chain: Chain) -> list[tuple[bytes, Receipt]]:
    """To whom the producer sent its transactions, and what became of them."""
    found = []
    for number in range(1, chain.head.number + 1):
        block = chain.block_by_number(number)
        assert block is not None
        pairs = zip(block.transactions, chain.receipts(block), strict=True)
        found += [(tx.to or b"", receipt) for tx, receipt in pairs if tx.sender == chain.coinbase]
    return found


def main(path: Path, source: Path) -> None:
    chain = build_chain(path / "chain.sqlite")

    def die(event: Event) -> None:
        if isinstance(event, NewHead) and any(tx.sender == chain.coinbase for tx in event.block.transactions):
            os.kill(os.getpid(), signal.SIGKILL)

    chain.subscribe(die)
    service = TrainingService(chain, TrainingWorker({"copy": Copier(source)}, path / "training"))
    service.resume()
    wait_until(service, lambda: False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
