"""The Solidity in `stubs`: contracts that call stubs in every way, and forge tests that must fail."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

from infernet.chain.artifacts import Artifact, read_artifact

_SOURCES = Path(__file__).parent / "stubs"
_CONTRACTS = Path(__file__).parents[2] / "contracts"
_CONFIGURATION = f"""
[profile.default]
libs = []
solc = "{_CONTRACTS}/tools/solc"
offline = true
auto_detect_remappings = false
evm_version = "cancun"
remappings = ["infernet/={_CONTRACTS}/src/"]
allow_paths = ["{_CONTRACTS}"]
"""


def has_forge() -> bool:
    """Whether `make setup` was here."""
    return (_CONTRACTS / "node_modules").is_dir()


def run_forge(folder: Path, *arguments: str) -> str:
    """What forge prints about a copy of the project in a fresh folder."""
    project = folder / "project"
    shutil.copytree(_SOURCES, project)
    (project / "foundry.toml").write_text(_CONFIGURATION)
    command = [str(_CONTRACTS / "tools" / "forge"), *arguments, "--root", str(project)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@functools.cache
def compile_contracts() -> dict[str, Artifact]:
    """The project's contracts by name, compiled once in a session."""
    with tempfile.TemporaryDirectory() as folder:
        said = run_forge(Path(folder), "build", "src")
        built = {path.stem: read_artifact(path) for path in Path(folder).glob("project/out/StubPuppet.sol/*.json")}
    assert built, said
    return built
