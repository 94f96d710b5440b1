from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from needs import need_module

from infernet.compute.model import ModelContainer
from infernet.compute.onnx_runner import load_onnx
from infernet.errors import JobRejected, NodeMisconfigured, RetryLater
from infernet.models import build_onnx_manifest
from infernet.protocol.manifest import Manifest, encode_manifest
from infernet.protocol.model_codec import decode_outputs, encode_features

onnx = need_module("onnx")


def write_model(folder: Path, dtype: int = onnx.TensorProto.FLOAT) -> Path:
    """`ratio` = x / k for x [n, 2] and k [2]: it can be asked for what is not finite."""
    helper = onnx.helper
    values = [helper.make_tensor_value_info(name, dtype, shape) for name, shape in (("x", ["n", 2]), ("k", [2]))]
    result = helper.make_tensor_value_info("ratio", dtype, ["n", 2])
    graph = helper.make_graph([helper.make_node("Div", ["x", "k"], ["ratio"])], "g", values, [result])
    path = folder / "model.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return build_onnx_manifest(write_model(tmp_path), "test/ratio:1")


def build_features(manifest: Manifest, k: float = 4.0) -> bytes:
    arrays = {"x": np.array([[1, 2], [3, 4]], np.float32), "k": np.array([k, 2], np.float32)}
    return encode_features(manifest, arrays)


async def test_a_model_answers_through_its_encodings_again_and_again(manifest: Manifest, tmp_path: Path) -> None:
    container = ModelContainer(manifest, tmp_path)
    assert container.id == "test/ratio:1"
    await container.start()
    try:
        for _ in range(3):
            output = decode_outputs(manifest, await container.run(build_features(manifest)))
            assert output["ratio"].tolist() == [[0.25, 1.0], [0.75, 2.0]]
        with pytest.raises(JobRejected, match=r"x should be a Tensor float32 \[n, 2\], but") as caught:
            await container.run(b"nonsense")
        assert caught.value.code == "features.mismatch"
        with pytest.raises(JobRejected, match="not a finite number") as caught:
            await container.run(build_features(manifest, k=0.0))
        assert caught.value.code == "output.mismatch"
        assert await container.run(build_features(manifest))
    finally:
        await container.stop()


def test_a_model_may_be_served_under_another_name(manifest: Manifest, tmp_path: Path) -> None:
    assert ModelContainer(manifest, tmp_path, container_id="ratio").id == "ratio"


async def test_a_missing_file_stops_the_start(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(
        NodeMisconfigured, match=r"model\.onnx of test/ratio:1 is not in .*add the model again"
    ) as caught:
        await ModelContainer(manifest, tmp_path).start()
    assert caught.value.code == "model.file_missing"


async def test_a_changed_file_stops_the_start(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"something else")
    with pytest.raises(NodeMisconfigured, match="is not the file its manifest names") as caught:
        await ModelContainer(manifest, tmp_path).start()
    assert caught.value.code == "model.hash_mismatch"


async def test_a_file_that_changes_under_a_running_node_is_not_loaded(manifest: Manifest, tmp_path: Path) -> None:
    container = ModelContainer(manifest, tmp_path)
    await container.start()
    (tmp_path / "model.onnx").write_bytes(b"something else")
    try:
        assert await container.run(build_features(manifest))
        for worker in tuple(container._workers):
            await worker.end()
        with pytest.raises(RetryLater) as caught:
            await container.run(build_features(manifest))
        assert caught.value.code == "model.hash_mismatch"
    finally:
        await container.stop()


async def test_a_manifest_that_contradicts_the_graph_stops_the_start(manifest: Manifest, tmp_path: Path) -> None:
    retyped = manifest.inputs[0].model_copy(update={"dtype": "float64"})
    wrong = manifest.model_copy(update={"inputs": (retyped, manifest.inputs[1])})
    with pytest.raises(NodeMisconfigured, match="and its graph disagree on input 'x'") as caught:
        await ModelContainer(wrong, tmp_path).start()
    assert caught.value.code == "model.schema_mismatch"


def test_every_input_of_the_graph_must_be_declared(manifest: Manifest, tmp_path: Path) -> None:
    x, k = manifest.inputs
    for inputs in ((x.model_copy(update={"name": "y"}), k), (x,), (x, k, k.model_copy(update={"name": "more"}))):
        wrong = manifest.model_copy(update={"inputs": inputs})
        with pytest.raises(NodeMisconfigured, match="disagree on input"):
            load_onnx(encode_manifest(wrong).decode(), str(tmp_path))


async def test_a_machine_without_the_runtime_says_what_to_install(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "onnxruntime.py").write_text("raise ModuleNotFoundError('no onnxruntime', name='onnxruntime')")
    monkeypatch.setenv("PYTHONPATH", str(absent))
    with pytest.raises(NodeMisconfigured, match=r"pip install 'infernet\[onnx\]'"):
        await ModelContainer(manifest, tmp_path).start()
