"""Writes fees.json, the golden vectors of the split of a fee that the Solidity and the Python tests both read.

Nothing of `infernet` is used: the shares come from Python's fractions, rounded down. Run it with
`python vectors/generate_fees.py`; the file changes only when the rules do. All numbers are decimal strings.
"""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from pathlib import Path

MAX_FEE = 2**128 - 1
FEES = (0, 1, 3, 9_999, 10_000, 10_001, 10**15, 10**18 + 7, MAX_FEE)
ROYALTIES = (0, 1, 333, 5_000)
PROTOCOLS = (0, 1, 500)
VERIFIER_PARTS = (Fraction(0), Fraction(1, 10), Fraction(1, 2))
MAX_VERIFIER_FEE = 2**96 - 1


def main() -> None:
    """Every combination whose parts fit into the fee."""
    cases = []
    for fee, royalty, protocol, part in itertools.product(FEES, ROYALTIES, PROTOCOLS, VERIFIER_PARTS):
        to_verifier = min(int(fee * part), MAX_VERIFIER_FEE)
        to_creator, to_protocol = (int(Fraction(fee * bps, 10_000)) for bps in (royalty, protocol))
        to_node = fee - to_creator - to_verifier - to_protocol
        if to_node < 0:
            continue
        numbers = {
            "fee": fee, "royaltyBps": royalty, "protocolShareBps": protocol, "verifierFee": to_verifier,
            "toNode": to_node, "toCreator": to_creator, "toVerifier": to_verifier, "toProtocol": to_protocol,
        }  # fmt: skip
        cases.append({name: str(number) for name, number in numbers.items()})
    path = Path(__file__).parent / "fees.json"
    path.write_text(json.dumps({"cases": cases}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
