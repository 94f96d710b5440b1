"""`infernet dev`: a local network that stays up."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infernet.cli.options import KEY_VARIABLE, MODEL_STORE, AsJson, Store, check_seconds
from infernet.cli.output import console, print_json
from infernet.cli.run import Interrupted, run
from infernet.errors import InvalidInput

if TYPE_CHECKING:
    from infernet.app.network import LocalNetwork
    from infernet.settings import ContainerSettings

TURN_WINDOW_BLOCKS = 4
EXAMPLES = ("reverse=infernet.serve.examples:reverse", "sum=infernet.serve.examples:add_up")
MAX_NODES = 8


def dev(
    nodes: Annotated[int, typer.Option(help="How many nodes.", min=1, max=MAX_NODES)] = 1,
    port: Annotated[int, typer.Option(help="Port of the chain, 0 for a free one.", min=0, max=65535)] = 8545,
    api_port: Annotated[
        int, typer.Option(help="Port of the first node's API, 0 for free ones; others follow.", min=0, max=65528)
    ] = 4000,
    block_time_s: Annotated[
        float, typer.Option("--block-time", help="Seconds between blocks.", callback=check_seconds)
    ] = 1.0,
    model: Annotated[list[str] | None, typer.Option(help="Serve this model of the store. May be repeated.")] = None,
    python: Annotated[
        list[str] | None, typer.Option(help="Serve your own code: id=path/to/file.py:function. May be repeated.")
    ] = None,
    store: Store = MODEL_STORE,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what the nodes do.")] = False,
    as_json: AsJson = False,
) -> None:
    """A local network that stays up: chain, contracts, nodes. Ctrl-C leaves nothing behind.

    Serves the containers `reverse` and `sum` unless --model or --python name others.
    """
    containers = build_containers(model or [], python or [])
    work = _stay_up(containers, store, nodes, port, api_port, block_time_s, as_json)
    try:
        run(work, logs="info" if verbose else "warning", log_format="json" if as_json else "console")
    except Interrupted:
        if not as_json:
            console().print("\nthe network is gone, nothing is left behind")


def build_containers(models: list[str], python: list[str]) -> list[ContainerSettings]:
    """What the nodes serve.

    Raises:
        InvalidInput: `dev.python`, `dev.container`.
    """
    from pydantic import ValidationError

    from infernet.settings import ContainerSettings

    try:
        served = [ContainerSettings(kind="model", model=name) for name in models]
        for text in python or ([] if models else EXAMPLES):
            name, separator, target = text.partition("=")
            if not separator or ":" not in target:
                raise InvalidInput("dev.python", f"--python {text} is not id=path/to/file.py:function")
            served.append(ContainerSettings(id=name, kind="python", target=target))
    except ValidationError:
        raise InvalidInput("dev.container", "a container's id is one word without commas or blanks") from None
    names = [container.name for container in served]
    if len(names) != len(set(names)):
        raise InvalidInput("dev.container", f"give each container once, not {', '.join(names)}")
    return served


async def _stay_up(
    containers: list[ContainerSettings],
    store: Path,
    nodes: int,
    port: int,
    api_port: int,
    block_time_s: float,
    as_json: bool,
) -> None:
    import asyncio

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
                "accounts": [
                    {"address": account.address, "privateKey": "0x" + account.private_key.hex()}
                    for account in network.chain.accounts
                ],
            }
        )
        return
    _show_facts(network)
    _show_accounts(network)
    _show_example(network)
    console().print("\nCtrl-C stops everything")


def _show_facts(network: LocalNetwork) -> None:
    from rich.markup import escape

    facts = [
        ("chain", f"[bold]{network.chain.rpc_url}[/]  id {network.chain.chain_id}"),
        ("Coordinator", f"[bold]{network.coordinator}[/]"),
        *((f"node {n}", f"{node.address}  {node.api_url}") for n, node in enumerate(network.nodes, 1)),
        ("containers", escape(", ".join(network.nodes[0].containers))),
    ]
    for name, value in facts:
        console().print(f"{name:<12} {value}", soft_wrap=True)


def _show_accounts(network: LocalNetwork) -> None:
    console().print("\ntest account  private key (everybody knows it: never send it anything of worth)", style="bold")
    for account in network.chain.accounts:
        address = f"{account.address[:6]}…{account.address[-4:]}"
        console().print(f"{address}   0x{account.private_key.hex()}", soft_wrap=True)


def _show_example(network: LocalNetwork) -> None:
    served = network.nodes[0].containers
    container, example = ("sum", "--ints 1,2,39 --decode int256") if "sum" in served else (served[0], "--features 0x…")
    console().print("\nAsk it something from another terminal:")
    for line in (
        f"export {KEY_VARIABLE}=0x{network.chain.accounts[-1].private_key.hex()}",
        f"infernet request {container} {example} \\",
        f"  --rpc-url {network.chain.rpc_url} --coordinator {network.coordinator}",
    ):
        console().print(f"  {line}", style="cyan", markup=False, soft_wrap=True)
