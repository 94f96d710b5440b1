"""The Coordinator's address in the examples: deployments are deterministic, so it follows from the contract's bytes."""

from __future__ import annotations

import re
from functools import cache

from infernet.app.deployment import COORDINATOR, plan_suite

EXAMPLE = re.compile(r'(COORDINATOR = "|--coordinator |coordinator = ")0x[0-9a-fA-F]{40}')


@cache
def find_coordinator() -> str:
    """Where the suite that ships with the package puts its Coordinator, on every chain."""
    return next(part.address for part in plan_suite() if part.name == COORDINATOR)


def place_coordinator(text: str) -> str:
    """The document with that address in every example."""
    return EXAMPLE.sub(lambda match: match[1] + find_coordinator(), text)
