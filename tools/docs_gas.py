"""What the verifiers cost, as the gas tests measure it."""

from __future__ import annotations

import json
from pathlib import Path

from docs_table import build_code, build_table

SNAPSHOTS = Path(__file__).resolve().parent.parent / "contracts" / "snapshots"


def render_verifier_gas() -> str:
    """A row for each call that has a snapshot."""
    rows = []
    for path in sorted(SNAPSHOTS.glob("*VerifierTest.json")):
        verifier = build_code(path.name.removesuffix("Test.json"))
        measured = json.loads(path.read_text(encoding="utf-8"))
        rows += [[verifier, call, f"{int(gas):,}"] for call, gas in measured.items()]
    return build_table(["verifier", "call", "gas"], rows)
