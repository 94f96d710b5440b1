"""`infernet init`: a folder with a configuration and a new, encrypted key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infernet.cli.options import CONFIG_FILE, AsJson, read_password
from infernet.cli.output import console, print_json
from infernet.cli.run import run
from infernet.errors import NodeMisconfigured

if TYPE_CHECKING:
    from infernet.types import Address

KEY_FILE = "node.keystore.json"
TEMPLATE = """\
# A node of Infernet. Every key is explained in docs/node.md; unknown keys are errors.

[account]
keystore = "{key_file}"            # its password: INFERNET_KEY_PASSWORD, or password_file = "…"

[[chains]]
rpc_url = "{rpc_url}"
chain_id = {chain_id}
coordinator = "{coordinator}"
start_block = {start_block}                    # the block of the Coordinator's deployment, or any before it
poll_interval_s = 1.0

[api]
host = "127.0.0.1"
port = 4000

# What the node serves. Add a model first: infernet models add model.onnx --name you/model:1
# [[containers]]
# kind = "model"
# model = "you/model:1"

[[containers]]
id = "reverse"
kind = "python"
target = "infernet.serve.examples:reverse"
"""


def init(
    folder: Annotated[Path, typer.Argument(help="Where to put the node.")] = Path(),
    rpc_url: Annotated[str, typer.Option(help="JSON-RPC endpoint of the chain.")] = "http://127.0.0.1:8545",
    coordinator: Annotated[str | None, typer.Option(help="Address of the Coordinator.")] = None,
    chain_id: Annotated[int | None, typer.Option(help="Asked from the endpoint when it is left out.")] = None,
    start_block: Annotated[int, typer.Option(help="First block to read.")] = 0,
    password_file: Annotated[Path | None, typer.Option(help="File that holds the new key's password.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a node's configuration file and encrypted key.

    Nothing that exists is overwritten.
    """
    from infernet.keys.keystore import create_key_file
    from infernet.protocol.hashing import to_address

    config = folder / CONFIG_FILE
    if config.exists():
        raise NodeMisconfigured("init.exists", f"{config} exists already: choose another folder, or edit it")
    if coordinator is None:
        raise NodeMisconfigured(
            "init.no_coordinator", "give the Coordinator's address: infernet init --coordinator 0x…"
        )
    address = to_address(coordinator)
    known_chain_id = chain_id if chain_id is not None else run(_fetch_chain_id(rpc_url))
    password = read_password(password_file, prompt="Password for the new key", confirm=True)
    folder.mkdir(parents=True, exist_ok=True)
    signer = create_key_file(folder / KEY_FILE, password)
    config.write_text(
        TEMPLATE.format(
            key_file=KEY_FILE,
            rpc_url=rpc_url,
            chain_id=known_chain_id,
            coordinator=address,
            start_block=start_block,
        ),
        encoding="utf-8",
    )
    _report(config, signer.address, known_chain_id, as_json)


def _report(config: Path, address: Address, chain_id: int, as_json: bool) -> None:
    if as_json:
        print_json({"config": str(config), "keystore": str(config.with_name(KEY_FILE)), "address": address})
        return
    console.print(f"[bold]{config}[/] and an encrypted key are ready. The node's account is [bold]{address}[/].")
    console.print(f"Send it some of the coin of chain {chain_id} for gas, then: infernet check, infernet node")


async def _fetch_chain_id(rpc_url: str) -> int:
    from infernet.chain.rpc import RpcChain

    async with RpcChain(rpc_url) as chain:
        return await chain.fetch_chain_id()
