"""The Solidity of the documents, compiled once."""

from __future__ import annotations

import subprocess

import pytest
from documents import ROOT, Compiled, list_blocks
from needs import need

PROJECT = """
[profile.default]
src = "src"
out = "contracts/out"
solc = "{root}/contracts/tools/solc"
offline = true
auto_detect_remappings = false
evm_version = "cancun"
remappings = ["infernet/={root}/contracts/src/", "@infernet/contracts/={root}/contracts/src/"]
allow_paths = ["{root}/contracts"]
"""


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """Every Solidity block as a file of its own, in a project as the documents describe it."""
    need((ROOT / "contracts" / "node_modules").is_dir(), "no forge: run `make setup`")
    folder = tmp_path_factory.mktemp("documents")
    (folder / "foundry.toml").write_text(PROJECT.format(root=ROOT))
    for block in list_blocks("solidity"):
        name = block.text.split("\ncontract ", 1)[1].split(" ", 1)[0]
        path = folder / "src" / f"{name}.sol"
        path.parent.mkdir(exist_ok=True)
        path.write_text(block.text.replace('"./', '"infernet/'))
    command = [str(ROOT / "contracts" / "tools" / "forge"), "build", "--root", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return Compiled(folder, done.returncode, done.stdout + done.stderr)
