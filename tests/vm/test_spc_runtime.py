"""The packages that run models load with the layer; where they do not, one line says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SESSION = "from infernet.onnx_session import open_session; open_session(b'')"
GRAPH = "from infernet.vm.spc.models.graph import import_onnx; import_onnx()"
LAYER = (
    "from infernet.app.layer import build_layer; build_layer(LayerSettings(predeploys=(), precompiles={precompiles}))"
)
LIBRARY = "libstdc++.so.6: cannot open shared object file: No such file or directory"


def run(program: str, *folders: Path) -> str:
    lines = (
        "import sys",
        "from infernet.errors import NodeMisconfigured",
        "from infernet.layer_settings import LayerSettings",
        f"try: {program}",
        "except NodeMisconfigured as error: print(error.code, error.message)",
        "print(*sorted({'onnx', 'onnxruntime'} & set(sys.modules)))",
    )
    path = os.pathsep.join([*map(str, folders), *sys.path])
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("program", "package", "extra"),
    [
        (SESSION, "ONNX models need onnxruntime", "onnx"),
        (GRAPH, "models on chain need onnx", "chain"),
        (LAYER.format(precompiles=("inference",)), "models on chain need onnx", "chain"),
    ],
)
def test_a_broken_or_missing_package_is_one_line(tmp_path: Path, program: str, package: str, extra: str) -> None:
    name = package.rsplit(maxsplit=1)[-1]
    (tmp_path / name).mkdir()
    for error in (f"ImportError({LIBRARY!r})", f"ModuleNotFoundError('No module named {name}')"):
        (tmp_path / name / "__init__.py").write_text(f"raise {error}")
        said = LIBRARY if LIBRARY in error else f"No module named {name}"
        assert run(program, tmp_path) == f"onnx.not_installed {package} ({said}): pip install 'infernet[{extra}]'"


def test_they_load_with_a_layer_that_runs_models_and_with_no_other() -> None:
    assert run(LAYER.format(precompiles=("inference",))) == "onnx onnxruntime"
    assert run(LAYER.format(precompiles=("vectors", "scheduler"))) == ""
