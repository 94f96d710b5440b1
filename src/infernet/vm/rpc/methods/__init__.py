"""The methods, one file for each group of them."""

from infernet.vm.rpc.methods import (
    blocks,
    calls,
    dev,
    fees,
    infernet,
    logs,
    node,
    pool,
    reorg,
    sending,
    simulate,
    state,
    tracing,
)
from infernet.vm.rpc.table import Method

METHODS: dict[str, Method] = {
    name: method
    for group in (blocks, calls, fees, infernet, logs, node, pool, sending, simulate, state, tracing)
    for name, method in group.methods.items()
}
PUBLIC_METHODS = {name: METHODS[name] for name in METHODS.keys() - pool.methods.keys() - tracing.methods.keys()}
"""Those of an endpoint open to all: without `debug_` and `txpool_`."""
DEVELOPMENT_METHODS: dict[str, Method] = {**dev.methods, **reorg.methods}

__all__ = ["DEVELOPMENT_METHODS", "METHODS", "PUBLIC_METHODS"]
