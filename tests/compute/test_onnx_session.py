"""A graph reads its own weights and no other file, however it names them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from infernet.errors import NodeMisconfigured
from infernet.onnx_session import open_session

SECRET = bytes(range(1, 9))


def build_graph(location: str) -> bytes:
    """Adds weights that lie in another file."""
    weights = TensorProto(name="w", data_type=TensorProto.UINT8, dims=[8], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("length", "8")):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    ends = [helper.make_tensor_value_info(name, TensorProto.UINT8, [8]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "graph", ends[:1], ends[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model's, beside what is not the model's."""
    for name in ("secret.bin", "here/secret.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(SECRET)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "link.data").symlink_to(tmp_path / "secret.bin")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "model"


def test_weights_beside_the_graph_are_read(folder: Path) -> None:
    (folder / "weights.data").write_bytes(SECRET)
    (folder / "model.onnx").write_bytes(build_graph("weights.data"))
    (found,) = open_session(folder / "model.onnx").run(None, {"x": np.zeros(8, np.uint8)})
    assert found.tobytes() == SECRET


@pytest.mark.parametrize("location", ["../secret.bin", "{parent}/secret.bin", "x/../../secret.bin", "link.data"])
def test_a_file_outside_its_folder_is_not(folder: Path, location: str) -> None:
    (folder / "model.onnx").write_bytes(build_graph(location.format(parent=folder.parent)))
    with pytest.raises(NodeMisconfigured) as caught:
        open_session(folder / "model.onnx")
    assert caught.value.code == "model.unreadable"


@pytest.mark.parametrize("location", ["secret.bin", "../secret.bin", "{parent}/secret.bin"])
def test_a_graph_in_memory_reads_no_file_at_all(folder: Path, location: str) -> None:
    with pytest.raises(NodeMisconfigured) as caught:
        open_session(build_graph(location.format(parent=folder.parent)))
    assert caught.value.code == "model.unreadable"
