"""`infernet dev`: a local network that stays up."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from infernet.cli.options import KEY_VARIABLE, AsJson
from infernet.cli.output import console, print_json, set_up_logs
from infernet.cli.run import run
from infernet.errors import InvalidInput
from infernet.settings import ContainerSettings

if TYPE_CHECKING:
    from infernet.app.network import LocalNetwork

TURN_WINDOW_BLOCKS = 4
EXAMPLES = (
    ContainerSettings(id="reverse", kind="python", target="infernet.serve.examples:reverse"),
    ContainerSettings(id="sum", kind="python", target="infernet.serve.examples:add_up"),
)


def dev(
    nodes: Annotated[int, typer.Option(help="How many nodes.", min=1, max=8)] = 1,
    port: Annotated[int, typer.Option(help="Port of the chain.")] = 8545,
    api_port: Annotated[int, typer.Option(help="Port of the first node's API; others follow.")] = 4000,
    block_time_s: Annotated[float, typer.Option("--block-time", help="Seconds between blocks.")] = 1.0,
    model: Annotated[list[str] | None, typer.Option(help="Serve this model of the store. May be repeated.")] = None,
    python: Annotated[
        list[str] | None, typer.Option(help="Serve your own code: id=path/to/file.py:function. May be repeated.")
    ] = None,
    store: Annotated[Path, typer.Option(help="The folder of the model store.")] = Path("models"),
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what the nodes do.")] = False,
    as_json: AsJson = False,
) -> None:
    """Chain, contracts and nodes on this machine until Ctrl-C, which leaves nothing behind."""
    if verbose:
        set_up_logs("info")
    containers = [*(ContainerSettings(kind="model", model=name) for name in model or ()), *map(_parse, python or ())]
    try:
        run(_stay_up(containers or list(EXAMPLES), store, nodes, port, api_port, block_time_s, as_json))
    except KeyboardInterrupt:
        if not as_json:
            console.print("\nthe network is gone, nothing is left behind")


def _parse(text: str) -> ContainerSettings:
    name, separator, target = text.partition("=")
    if not separator or ":" not in target:
        raise InvalidInput("dev.python", f"--python {text} is not id=path/to/file.py:function")
    return ContainerSettings(id=name, kind="python", target=target)


async def _stay_up(
    containers: list[ContainerSettings],
    store: Path,
    nodes: int,
    port: int,
    api_port: int,
    block_time_s: float,
    as_json: bool,
) -> None:
    from infernet.app.network import start_network

    async with start_network(
        containers,
        store,
        nodes=nodes,
        port=port,
        api_port=api_port,
        block_time_s=block_time_s,
        turn_window_s=0 if nodes == 1 else TURN_WINDOW_BLOCKS * math.ceil(block_time_s),
    ) as network:
        _show(network, as_json)
        await asyncio.Event().wait()


def _show(network: LocalNetwork, as_json: bool) -> None:
    accounts = [(account.address, "0x" + account.private_key.hex()) for account in network.chain.accounts]
    if as_json:
        print_json(
            {
                "rpcUrl": network.chain.rpc_url,
                "chainId": network.chain.chain_id,
                "coordinator": network.coordinator,
                "nodes": [
                    {"address": node.address, "api": node.api_url, "containers": list(node.containers)}
                    for node in network.nodes
                ],
                "accounts": [{"address": address, "privateKey": key} for address, key in accounts],
            }
        )
        return
    facts = Table(show_header=False, box=None, padding=(0, 2))
    facts.add_row("chain", f"[bold]{network.chain.rpc_url}[/]  id {network.chain.chain_id}")
    facts.add_row("Coordinator", f"[bold]{network.coordinator}[/]")
    for number, node in enumerate(network.nodes, 1):
        facts.add_row(f"node {number}", f"{node.address}  API [bold]{node.api_url}[/]")
    facts.add_row("containers", ", ".join(network.nodes[0].containers))
    console.print(facts)
    keys = Table("test account", "private key (known to everyone: never send it anything of worth)", box=None)
    for address, key in accounts:
        keys.add_row(address, key)
    console.print()
    console.print(keys)
    example = "--ints 1,2,39 --decode int256" if "sum" in network.nodes[0].containers else "--features 0x…"
    container = "sum" if "sum" in network.nodes[0].containers else network.nodes[0].containers[0]
    console.print("\nAsk it something from another terminal:")
    console.print(
        f"  {KEY_VARIABLE}={accounts[-1][1]} \\\n"
        f"  infernet request {container} {example} --rpc-url {network.chain.rpc_url} \\\n"
        f"    --coordinator {network.coordinator}",
        soft_wrap=True,
        style="cyan",
    )
    console.print("\nCtrl-C stops everything")
