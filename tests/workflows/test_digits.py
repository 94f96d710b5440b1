from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from eth_abi import decode, encode
from needs import need_module

from infernet.compute.model import ModelContainer
from infernet.models import ModelStore
from infernet.protocol.manifest import compute_manifest_hash
from infernet.workflows.digits import TrainedDigits, train_digits

need_module("sklearn")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedDigits:
    return train_digits(tmp_path_factory.mktemp("digits"))


def test_the_model_knows_digits_it_has_not_seen(trained: TrainedDigits) -> None:
    assert trained.pixels.shape == (450, 64)
    assert trained.labels.shape == (450,)
    assert trained.accuracy > 0.95
    assert trained.manifest.provenance is not None
    metrics = trained.manifest.provenance.metrics or {}
    assert metrics["held_out_accuracy"] == f"{trained.accuracy:.4f}"
    assert metrics["agreement_with_float_model"] == "1.0000"


@pytest.mark.slow
def test_training_twice_gives_the_same_model(trained: TrainedDigits, tmp_path: Path) -> None:
    again = train_digits(tmp_path / "again")
    assert compute_manifest_hash(again.manifest) == compute_manifest_hash(trained.manifest)
    other = train_digits(tmp_path / "other", seed=8)
    assert compute_manifest_hash(other.manifest) != compute_manifest_hash(trained.manifest)


def test_no_sum_of_two_products_saturates_on_any_cpu(trained: TrainedDigits) -> None:
    import onnx

    graph = onnx.load(trained.folder / "model.onnx").graph
    weights, bias = (onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer)
    assert (weights.dtype, weights.shape) == (np.int8, (64, 10))
    assert (bias.dtype, bias.shape) == (np.int32, (10,))
    assert 2 * 255 * int(np.abs(weights.astype(int)).max()) < 2**15


async def test_a_contract_sends_one_scan_and_gets_one_label(trained: TrainedDigits, tmp_path: Path) -> None:
    stored = ModelStore(tmp_path).add(trained.folder)
    container = ModelContainer(stored.manifest, stored.folder)
    await container.start()
    try:
        labels = []
        for row in trained.pixels[:50]:
            features = encode(["(uint8,uint8,uint32[],bytes)"], [(9, 0, [1, 64], row.tobytes())])
            (output,) = decode(["int256[]"], await container.run(features))
            labels.extend(output)
    finally:
        await container.stop()
    assert (np.array(labels) == trained.labels[:50]).mean() > 0.9
    assert len(labels) == 50


def test_a_machine_without_the_extra_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "sklearn.py").write_text("raise ModuleNotFoundError('no sklearn', name='sklearn')")
    code = (
        "from pathlib import Path\n"
        "from infernet.errors import NodeMisconfigured\n"
        "from infernet.workflows.digits import train_digits\n"
        "try: train_digits(Path('x'))\n"
        "except NodeMisconfigured as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, env={"PYTHONPATH": "."}
    )
    assert done.stdout == "training the models of the demonstration needs scikit-learn: pip install 'infernet[demo]'\n"
