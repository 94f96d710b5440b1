"""Writes onchain.json: integer models as their ONNX graphs hold them, and what ONNX Runtime answers to real and to
extreme rows. The contract that runs such models must repeat every output bit for bit.

    python vectors/generate_onchain.py
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from eth_abi import encode
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from infernet.workflows.digits import train_digits

TARGET = Path(__file__).with_name("onchain.json")
LARGEST_WEIGHT = 63
UINT8 = 9


def main() -> None:
    rows = _rows()
    with tempfile.TemporaryDirectory() as folder:
        trained = train_digits(Path(folder))
        linear = onnx.load(Path(folder) / trained.manifest.files[0].path)
    mlp = _two_layers()
    models = {
        "linear": _describe(linear, [("weights", "bias", 0)], "label", rows),
        "linear_scores": _describe(_with_scores(linear), [("weights", "bias", 0)], "scores", rows[:8]),
        "two_layers": _describe(
            mlp, [("weights1", "bias1", _scalar(mlp, "divisor")), ("weights2", "bias2", 0)], "label", rows
        ),
    }
    TARGET.write_text(json.dumps(models, indent=1) + "\n")


def _rows() -> NDArray[np.uint8]:
    """Real scans, then what no scan looks like. Shape [n, 64]."""
    generator = np.random.default_rng(11)
    extremes = [np.zeros((1, 64)), np.full((1, 64), 255), generator.integers(0, 256, (6, 64))]
    return np.concatenate([load_digits().data[::75][:24], *extremes]).astype(np.uint8)


def _two_layers() -> onnx.ModelProto:
    """64 → 24 → 10, all in integers: uint8 × int8 → int32, bias, / divisor, clipped to 0 … 255, and once more."""
    data = load_digits()
    fitted = MLPClassifier((24,), max_iter=60, random_state=3).fit(data.data, data.target)
    (w1, w2), (b1, b2) = fitted.coefs_, fitted.intercepts_
    s1 = LARGEST_WEIGHT / np.abs(w1).max()
    weights1, bias1 = np.rint(w1 * s1).astype(np.int8), np.rint(b1 * s1).astype(np.int32)
    hidden = data.data.astype(np.int64) @ weights1 + bias1
    divisor = max(1, int(np.percentile(hidden, 99.5)) // 255)
    s2 = LARGEST_WEIGHT / np.abs(w2).max()
    weights2, bias2 = np.rint(w2 * s2).astype(np.int8), np.rint(b2 * s2 * s1 / divisor).astype(np.int32)
    node = helper.make_node
    nodes = [
        node("MatMulInteger", ["pixels", "weights1"], ["products1"]),
        node("Add", ["products1", "bias1"], ["sums1"]),
        node("Div", ["sums1", "divisor"], ["scaled"]),
        node("Clip", ["scaled", "lowest", "highest"], ["clipped"]),
        node("Cast", ["clipped"], ["hidden"], to=TensorProto.UINT8),
        node("MatMulInteger", ["hidden", "weights2"], ["products2"]),
        node("Add", ["products2", "bias2"], ["scores"]),
        node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0, select_last_index=0),
    ]
    constants: dict[str, Any] = {
        "weights1": weights1,
        "bias1": bias1,
        "divisor": np.array(divisor, np.int32),
        "lowest": np.array(0, np.int32),
        "highest": np.array(255, np.int32),
        "weights2": weights2,
        "bias2": bias2,
    }
    graph = helper.make_graph(
        nodes,
        "digits-mlp",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", 64])],
        [helper.make_tensor_value_info("label", TensorProto.INT64, ["n"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model


def _with_scores(model: onnx.ModelProto) -> onnx.ModelProto:
    """The linear model that ends in its scores."""
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    del cut.graph.node[-1], cut.graph.output[:]
    cut.graph.output.append(helper.make_tensor_value_info("scores", TensorProto.INT32, ["n", 10]))
    checker.check_model(cut)
    return cut


def _describe(
    model: onnx.ModelProto, layers: list[tuple[str, str, int]], head: str, rows: NDArray[np.uint8]
) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    cases = [(rows[i : i + 1]) for i in range(len(rows))] + [rows[:5]]
    return {
        "head": ("label", "scores").index(head),
        "inputs": [_array(model, weights).shape[0] for weights, _, _ in layers],
        "outputs": [_array(model, weights).shape[1] for weights, _, _ in layers],
        "weights": ["0x" + _array(model, weights).astype(">i1").tobytes().hex() for weights, _, _ in layers],
        "bias": ["0x" + _array(model, bias).astype(">i4").tobytes().hex() for _, bias, _ in layers],
        "divisors": [divisor for _, _, divisor in layers],
        "features": ["0x" + _features(case).hex() for case in cases],
        "results": ["0x" + _result(session.run(None, {"pixels": case})[0]).hex() for case in cases],
    }


def _features(rows: NDArray[np.uint8]) -> bytes:
    return encode(["(uint8,uint8,uint32[],bytes)"], [(UINT8, 0, rows.shape, rows.tobytes())])


def _result(found: NDArray[Any]) -> bytes:
    return encode(["int256[]"], [[int(value) for value in found.ravel()]])


def _array(model: onnx.ModelProto, name: str) -> NDArray[Any]:
    found = next(item for item in model.graph.initializer if item.name == name)
    return np.asarray(numpy_helper.to_array(found))


def _scalar(model: onnx.ModelProto, name: str) -> int:
    return int(_array(model, name))


if __name__ == "__main__":
    main()
