"""Writes what block explorers take to verify the deployed contracts: the compiler's standard JSON input, one for each.

    python tools/verification.py [FOLDER]      deployments/verification by default

It reads what `contracts/tools/export` has built. The constructor's arguments stand in `deployments/<chain id>.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from infernet.app.deployment import SUITE

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
BUILT = CONTRACTS / "cache" / "export"


def build_input(name: str) -> dict[str, Any]:
    """The input that compiles to the contract's bytecode: its sources and the settings it was built with."""
    path = BUILT / f"{name}.sol" / f"{name}.json"
    if not path.exists():
        raise SystemExit(f"verification: there is no {path.relative_to(ROOT)}: run contracts/tools/export first")
    metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    settings = {key: value for key, value in metadata["settings"].items() if key != "compilationTarget"}
    settings["outputSelection"] = {"*": {"*": ["abi", "evm.bytecode", "evm.deployedBytecode", "metadata"]}}
    sources = {name: {"content": (CONTRACTS / name).read_text(encoding="utf-8")} for name in metadata["sources"]}
    return {"language": metadata["language"], "sources": sources, "settings": settings}


def main(arguments: list[str]) -> int:
    """Write all of them."""
    folder = Path(arguments[0]) if arguments else ROOT / "deployments" / "verification"
    folder.mkdir(parents=True, exist_ok=True)
    for name in SUITE:
        (folder / f"{name}.json").write_text(json.dumps(build_input(name), indent=1) + "\n", encoding="utf-8")
    print(f"{len(SUITE)} inputs in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
