"""Where the contracts stand: deployments are deterministic, so it follows from their bytes."""

from __future__ import annotations

import json
import re
from functools import cache

from infernet.app.deployment import COORDINATOR, SALT, plan_suite
from infernet.chain.create2 import PROXY

EXAMPLE = re.compile(r'(COORDINATOR = "|--coordinator |coordinator = ")0x[0-9a-fA-F]{40}')


@cache
def find_coordinator() -> str:
    """Where the suite that ships with the package puts its Coordinator, on every chain."""
    return next(part.address for part in plan_suite() if part.name == COORDINATOR)


def place_coordinator(text: str) -> str:
    """The document with that address in every example."""
    return EXAMPLE.sub(lambda match: match[1] + find_coordinator(), text)


def render_addresses() -> str:
    """The default suite's addresses, on every chain, as JSON."""
    contracts = {
        part.name: {"address": part.address, "constructorArguments": "0x" + part.arguments.hex()}
        for part in plan_suite()
    }
    return json.dumps({"deployer": PROXY, "salt": "0x" + SALT.hex(), "contracts": contracts}, indent=2)
