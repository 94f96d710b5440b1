"""Writes ezkl.json, real Halo2 proofs of a small model, and the contract in contracts/test/fixtures that checks them.

    pip install ezkl==23.0.5 onnx scikit-learn
    python vectors/generate_ezkl.py && contracts/tools/forge fmt test/fixtures

A 4-16-3 network tells irises apart. Its inputs are integers (tenths of a millimetre), its scores fixed-point numbers
with 10 binary places. The files in ezkl/ are what a prover needs: the model, its settings and a structured reference
string. That string was made here, so whoever made it could forge proofs: it is for tests alone. Proofs are randomised,
so ezkl.json changes with each run; the verifier does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import tempfile
from pathlib import Path
from typing import Any

import ezkl
import numpy as np
import onnx
from onnx import TensorProto, checker, helper, numpy_helper
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier

FOLDER = Path(__file__).parent
FILES = FOLDER / "ezkl"
VERIFIER = FOLDER.parent / "contracts" / "test" / "fixtures" / "Halo2Verifier.sol"
ROWS = (0, 100)
LOG_ROWS = 10
UNIT = 64  # keeps the weights near 1 while inputs are up to 79
MODULUS = 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001


def main() -> None:
    irises = np.rint(load_iris().data * 10).astype(int)
    FILES.mkdir(exist_ok=True)
    model, settings, circuit, srs = (
        str(FILES / name) for name in ("model.onnx", "settings.json", "model.ezkl", "kzg.srs")
    )
    if not Path(model).exists():
        onnx.save(_build_model(irises), model)
        _call(ezkl.gen_settings, model, settings, py_run_args=_build_arguments())
        _call(ezkl.compile_circuit, model, circuit, settings)
        _call(ezkl.gen_srs, srs, LOG_ROWS)
    with tempfile.TemporaryDirectory() as folder:
        keys = [str(Path(folder) / name) for name in ("vk.key", "pk.key")]
        _call(ezkl.setup, circuit, *keys, srs)
        cases = [_prove(irises[row], Path(folder), circuit, keys[1], srs) for row in ROWS]
        with contextlib.suppress(RuntimeError):  # it writes the source, then looks for a compiler in vain
            _call(ezkl.create_evm_verifier, keys[0], settings, str(VERIFIER), f"{folder}/abi.json", srs)
    (FOLDER / "ezkl.json").write_text(json.dumps({"inputs": 4, "outputs": 3, "cases": cases}, indent=1) + "\n")


def _prove(row: Any, folder: Path, circuit: str, key: str, srs: str) -> dict[str, Any]:
    given, witness, proof = (str(folder / name) for name in ("input.json", "witness.json", "proof.json"))
    Path(given).write_text(json.dumps({"input_data": [[float(value) for value in row]]}))
    _call(ezkl.gen_witness, given, circuit, witness)
    _call(ezkl.prove, witness, circuit, key, proof, srs)
    found = json.loads(Path(proof).read_text())
    instances = [_signed(value) for value in found["instances"][0]]
    return {
        "features": [str(value) for value in instances[:4]],
        "outputs": [str(value) for value in instances[4:]],
        "proof": found["hex_proof"],
    }


def _signed(felt: str) -> int:
    """A field element, little-endian in hex, as the integer nearest to zero."""
    value = int.from_bytes(bytes.fromhex(felt), "little")
    return value - MODULUS if value > MODULUS // 2 else value


def _build_model(irises: Any) -> onnx.ModelProto:
    fitted = MLPClassifier((16,), max_iter=2000, random_state=1, alpha=1e-2).fit(irises / UNIT, load_iris().target)
    (w1, w2), (b1, b2) = fitted.coefs_, fitted.intercepts_
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "w2", "b2"], ["y"]),
    ]
    constants = {"w1": w1 / UNIT, "b1": b1, "w2": w2, "b2": b2}
    graph = helper.make_graph(
        nodes,
        "iris",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model


def _build_arguments() -> Any:
    arguments = ezkl.PyRunArgs()
    arguments.input_visibility, arguments.output_visibility, arguments.param_visibility = "public", "public", "fixed"
    arguments.input_scale, arguments.param_scale, arguments.logrows = 0, 10, LOG_ROWS
    arguments.decomp_base, arguments.decomp_legs = 256, 3
    return arguments


def _call(function: Any, *arguments: Any, **named: Any) -> None:
    """Some of ezkl's functions are coroutines, and want a loop when they are called."""

    async def run() -> None:
        result = function(*arguments, **named)
        if inspect.isawaitable(result):
            await result

    asyncio.run(run())


if __name__ == "__main__":
    main()
