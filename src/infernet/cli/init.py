"""`infernet init`: a folder with a configuration and a new, encrypted key."""

from __future__ import annotations

import json
import os
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
# A node of Infernet. What is commented out shows the default, or an example. Paths begin at this file's folder.
# A key that is unknown here is an error. Look at everything with 'infernet check', then start 'infernet node'.

[account]
keystore = {keystore}         # its password: the variable INFERNET_KEY_PASSWORD, or
# password_file = "password.txt"

# One table for each chain. A node serves one Coordinator on each.
[[chains]]
rpc_url = {rpc_url}
chain_id = {chain_id}
coordinator = {coordinator}
start_block = {start_block}                         # the block of the Coordinator's deployment, or any before it
# poll_interval_s = 1.0                 # pause between two looks at the chain
# tip_wei = 1000000000                  # priority fee of a delivery
# max_fee_wei = 100000000000            # never pay more per gas; without it, no limit but the subscription's own

# What the node serves, one table for each container.
[[containers]]
id = "reverse"
kind = "python"
target = "infernet.serve.examples:reverse"     # or path/to/file.py:name
# concurrency = 1                       # runs at once, each in a process of its own
# timeout_s = 60.0                      # a run that takes longer is stopped

# Add a model first: infernet models add model.onnx --name you/model:1
# [[containers]]
# kind = "model"
# model = "you/model:1"
# id = "you/model:1"                    # what subscriptions call it; the model's name by default

# A model that follows an alias, of MLflow's registry or of the chain's: new versions take over while the node runs
# [[containers]]
# kind = "model"
# model = "models:/wine@champion"       # or "acme/wine@champion"
# id = "wine"
# workflow = "wine_inference.py"        # an InferenceWorkflow whose steps stand around it

# Train on request, and serve what was trained: see infernet train
# [[containers]]
# id = "train-wine"
# kind = "training"
# workflow = "wine.py"
# workflow_name = "wine"                # which one, where the file has several
# max_rows = 1000000                    # that load() may return
# max_bytes = 1073741824                # the same, in memory
# memory_bytes = 8589934592             # address space of the worker; without it, no limit

# Score the entries of leaderboards
# [[containers]]
# id = "score-wine"
# kind = "evaluation"
# column = "class"                      # of the test set: what models are to tell
# metric = "accuracy"                   # or balanced_accuracy, f1, mae, rmse, r2
# decimals = 6                          # that predicted amounts are rounded to
# folders = []                          # of this machine, that entries may lie in
# private_addresses = false             # fetch from web servers of this network, too

# [policy]
# allowed_owners = []                   # serve these consumers only; empty: everyone who is not denied
# denied_owners = []
# minimum_fees = {{}}                     # your share of an answer's fee at the least: {{"0x…token" = 1000}}
# margin_percent = 0                     # earn so many percent of the gas at the least; 0 does not look
# verifiers = []                         # verifiers you work with, and have bonds at
# namespaces = []                        # serve all that these publish, fetched when it is asked for; see max_bytes
# creators = []                          # of those, what these accounts published; empty: all of it
# turn_window_s = 0                     # with several nodes of one container: spread over so many seconds
# max_callback_gas = 5000000            # do not serve consumers whose callbacks may use more
# job_timeout_s = 3600.0                # give up a job whose containers together take longer

# [api]
# enabled = true
# host = "127.0.0.1"
# port = 4000                           # 0 takes a free one

# [models]
# store = "models"
# max_bytes = 10000000000               # of fetched models; the longest unused leave, those in use stay
# fetch = "ahead"                       # or "first-use": when a followed model's new version is fetched
# poll_interval_s = 5.0
# trusted_folders = []                  # of this machine, that the chain's ModelRegistry may name
# private_addresses = false             # fetch from web servers of this network, too

# [mlflow]
# tracking_uri = "sqlite:///mlflow.db"   # or a server's http://…

# [journal]
# path = "journal.sqlite"               # what the node owes; keep it

# [log]
# level = "info"                        # debug, info, warning, error
# format = "console"                    # console, json
"""


def init(
    folder: Annotated[Path, typer.Argument(help="Where to put the node.")] = Path(),
    rpc_url: Annotated[
        str, typer.Option(help="JSON-RPC endpoint of the chain.", envvar="INFERNET_RPC_URL")
    ] = "http://127.0.0.1:8545",
    coordinator: Annotated[
        str | None, typer.Option(help="Address of the Coordinator.", envvar="INFERNET_COORDINATOR")
    ] = None,
    chain_id: Annotated[
        int | None, typer.Option(help="Asked from the endpoint when it is left out.", min=1, max=2**63 - 1)
    ] = None,
    start_block: Annotated[int, typer.Option(help="First block to read.", min=0, max=2**63 - 1)] = 0,
    password_file: Annotated[Path | None, typer.Option(help="File that holds the new key's password.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a node's configuration file and encrypted key.

    Nothing that exists is overwritten.
    """
    from infernet.chain.transport import name_endpoint
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
    name_endpoint(rpc_url)  # refuses what is no URL
    known_chain_id = chain_id if chain_id is not None else run(_fetch_chain_id(rpc_url))
    password = read_password(password_file, prompt="Password for the new key", confirm=True)
    folder.mkdir(parents=True, exist_ok=True)
    signer = create_key_file(folder / KEY_FILE, password)
    _write(config, build_config(rpc_url, known_chain_id, address, start_block))
    _report(config, signer.address, known_chain_id, as_json)


def build_config(rpc_url: str, chain_id: int, coordinator: str, start_block: int) -> str:
    """The text of a node's configuration file."""
    return TEMPLATE.format(
        keystore=_quote(KEY_FILE),
        rpc_url=_quote(rpc_url),
        chain_id=chain_id,
        coordinator=_quote(coordinator),
        start_block=start_block,
    )


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # JSON's strings are TOML's


def _write(config: Path, text: str) -> None:
    """For the owner's eyes: the endpoint's URL often holds a key."""
    handle = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def _report(config: Path, address: Address, chain_id: int, as_json: bool) -> None:
    if as_json:
        print_json({"config": str(config), "keystore": str(config.with_name(KEY_FILE)), "address": address})
        return
    for line in (
        f"[bold]{config}[/] and an encrypted key are ready. The node's account is [bold]{address}[/].",
        f"Send it some of the coin of chain {chain_id} for gas, then: infernet check, infernet node",
    ):
        console().print(line, soft_wrap=True)


async def _fetch_chain_id(rpc_url: str) -> int:
    from infernet.chain.rpc import RpcChain

    async with RpcChain(rpc_url) as chain:
        return await chain.fetch_chain_id()
