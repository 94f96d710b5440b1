"""`infernet chain`: run an execution layer, follow one, look at one."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infernet.cli.options import AsJson, load_user_signer
from infernet.cli.output import console, print_json
from infernet.cli.run import Interrupted, run
from infernet.errors import InvalidInput, NodeMisconfigured

if TYPE_CHECKING:
    from collections.abc import Callable

    from infernet.app.layer import Layer, RunningLayer
    from infernet.layer_settings import LayerSettings
    from infernet.vm.block import Block

app = typer.Typer(no_args_is_help=True, help="Execution layers: chains whose precompiles run models.")
LAYER_FILE = Path("layer.toml")

PUBLIC_HELP = (
    "For endpoints open to all: no debug_* and txpool_*, and calls run no recorded precompile (else 60 times a "
    "minute). With or without it there are at most 1,000 connections, 1,000 requests in a batch, 5 MiB in a message, "
    "10,000 logs and 25 MB of them in an answer, 60,000,000 gas and 10 seconds in a call; limits for each client are a "
    "reverse proxy's."
)

LayerFile = Annotated[
    Path | None, typer.Option("--layer", "-l", help="The layer's file; without it, a chain for development.")
]
DataFolder = Annotated[
    Path | None, typer.Option("--data", help="The folder that keeps the chain; without it, it is gone at the end.")
]
Host = Annotated[str, typer.Option(help="Address to listen at.")]
Port = Annotated[int, typer.Option(help="Port of the JSON-RPC, 0 for a free one.", min=0, max=65535)]
RpcUrl = Annotated[str, typer.Option(help="JSON-RPC endpoint.", envvar="INFERNET_RPC_URL")]


@app.command("run")
def run_chain(
    layer: LayerFile = None,
    data: DataFolder = None,
    host: Host = "127.0.0.1",
    port: Port = 8545,
    keystore: Annotated[
        Path | None,
        typer.Option(help="Key file of the producer that the layer's file names; else INFERNET_PRIVATE_KEY."),
    ] = None,
    chain_id: Annotated[int | None, typer.Option(help="Another chain id than the file's.", min=1)] = None,
    block_time_s: Annotated[
        float | None, typer.Option("--block-time", help="Seconds between blocks, 0: one for each transaction.", min=0)
    ] = None,
    gas_limit: Annotated[int | None, typer.Option(help="Another block gas limit than the file's.", min=1)] = None,
    dev: Annotated[bool, typer.Option("--dev", help="Serve helpers for tests, and accounts with known keys.")] = False,
    public: Annotated[bool, typer.Option("--public", help=PUBLIC_HELP)] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run an execution layer until Ctrl-C. Without a file it is one for development."""
    settings = _read(layer)
    changes = {"chain_id": chain_id, "block_time_s": block_time_s, "gas_limit": gas_limit}
    settings = settings.model_copy(update={key: value for key, value in changes.items() if value is not None})
    is_dev = dev or layer is None
    if public and is_dev:
        raise InvalidInput("layer.public", "--public needs a layer's file, and no --dev: everybody knows those keys")
    with contextlib.suppress(Interrupted):
        run(_run(settings, keystore, data, host, port, is_dev, public, None if quiet else as_json))


@app.command("init")
def init_layer(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = LAYER_FILE,
    chain_id: Annotated[int, typer.Option(help="The layer's chain id.", min=1)] = 31337,
    as_json: AsJson = False,
) -> None:
    """Write a layer's file, with every key and what it means."""
    from infernet.layer_settings import TEMPLATE

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.format(chain_id=chain_id))
    except FileExistsError:
        raise NodeMisconfigured("layer.exists", f"{path} exists: remove it or name another file") from None
    if as_json:
        print_json({"written": str(path)})
        return
    console().print(f"written to {path}; start it with 'infernet chain run --layer {path}'", soft_wrap=True)


@app.command("follow")
def follow_chain(
    source: Annotated[str, typer.Argument(help="JSON-RPC endpoint of the chain, or a file that `export` wrote.")],
    layer: LayerFile = None,
    data: DataFolder = None,
    once: Annotated[bool, typer.Option("--once", help="Stop where the source ends today.")] = False,
    witness: Annotated[
        bool,
        typer.Option("--witness", help="Be a witness of the layer: ask what precompiles asked, and seal the blocks."),
    ] = False,
    keystore: Annotated[Path | None, typer.Option(help="Key file of the witness; else INFERNET_PRIVATE_KEY.")] = None,
    seals_from: Annotated[
        list[str] | None, typer.Option("--seals-from", help="Another endpoint to have seals from; may be repeated.")
    ] = None,
    host: Host = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(help="Port of a JSON-RPC of its own, 0 for a free one.", min=0, max=65535),
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="As that of `run`.")] = False,
    as_json: AsJson = False,
) -> None:
    """Execute another node's blocks again and compare; stop at the first difference."""
    from infernet.app.following import Serving, follow
    from infernet.app.layer import build_layer

    if keystore is not None and not witness:
        raise InvalidInput("witness.no_flag", "--keystore is of a witness: add --witness, or leave it out")
    if witness and data is None:
        raise InvalidInput("witness.no_data", "a witness must not forget what it sealed: name a folder with --data")
    key = load_user_signer(keystore).export_key() if witness else None
    serving = None if port is None else Serving(host, port, public, _show_serving(as_json))
    with contextlib.suppress(Interrupted):
        path = None if data is None else data / "chain.sqlite"
        verified = run(
            follow(
                build_layer(_read(layer), asks=witness),
                path,
                source,
                once=once,
                on_block=_show_block(as_json),
                witness_key=key,
                seals_from=seals_from or (),
                serving=serving,
            )
        )
        if as_json:
            print_json({"event": "end", "block": verified})
        else:
            console().print(f"verified up to block {verified}: every root is the same")


@app.command("seal")
def seal_block(
    block: Annotated[str, typer.Argument(help="The block's hash, as the witness's warning names it.")],
    rpc_url: RpcUrl = "http://127.0.0.1:8545",
    keystore: Annotated[Path | None, typer.Option(help="Key file of the witness; else INFERNET_PRIVATE_KEY.")] = None,
    as_json: AsJson = False,
) -> None:
    """Seal a block by hand: for a witness whose node was given other answers, and who takes the block all the same."""
    from infernet.app.following import seal

    try:
        block_hash = bytes.fromhex(block.removeprefix("0x"))
    except ValueError:
        block_hash = b""
    if len(block_hash) != 32:
        raise InvalidInput("block.hash", f"{block!r} is no block's hash: give 32 bytes as 64 hex digits")
    witness = run(seal(rpc_url, block_hash, load_user_signer(keystore).export_key()))
    if as_json:
        print_json({"sealed": "0x" + block_hash.hex(), "by": witness})
    else:
        console().print(f"0x{block_hash.hex()} sealed by {witness}", soft_wrap=True)


@app.command("export")
def export_chain(
    path: Annotated[Path, typer.Argument(help="The file to write, one block a line.")],
    rpc_url: RpcUrl = "http://127.0.0.1:8545",
    first: Annotated[int, typer.Option("--from", help="First block.", min=1)] = 1,
    last: Annotated[int | None, typer.Option("--to", help="Last block; the head by default.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Write a chain's blocks, with what its precompiles answered, for `follow`."""
    from infernet.app.following import export

    count = run(export(rpc_url, path, first, last))
    if as_json:
        print_json({"written": str(path), "blocks": count})
    else:
        console().print(f"{count} blocks written to {path}", soft_wrap=True)


@app.command("status")
def show_status(rpc_url: RpcUrl = "http://127.0.0.1:8545", as_json: AsJson = False) -> None:
    """The head of a chain, and the layer that it is."""
    from infernet.app.following import fetch_status

    status = run(fetch_status(rpc_url))
    if as_json:
        print_json(status)
        return
    for name, value in status.items():
        console().print(f"{name:<14} {value}", soft_wrap=True, highlight=False)


@app.command("stubs")
def run_stubs(
    rpc_url: Annotated[str, typer.Option("--rpc", help="JSON-RPC endpoint of an anvil.", envvar="INFERNET_RPC_URL")],
    layer: LayerFile = None,
    host: Host = "127.0.0.1",
    port: Port = 8555,
    as_json: AsJson = False,
) -> None:
    """Give an anvil a layer's precompiles: a proxy in front of it answers for them, until Ctrl-C."""
    with contextlib.suppress(Interrupted):
        run(_run_stubs(_read(layer), rpc_url, host, port, as_json))


def _read(path: Path | None) -> LayerSettings:
    from infernet.layer_settings import LayerSettings, read_layer

    return LayerSettings() if path is None else read_layer(path)


def _load_producer(settings: LayerSettings, keystore: Path | None) -> bytes | None:
    if settings.producer is None:
        return None
    signer = load_user_signer(keystore)
    if signer.address != settings.producer:
        raise InvalidInput("layer.other_producer", f"the layer's producer is {settings.producer}, not {signer.address}")
    return signer.export_key()


async def _run(
    settings: LayerSettings,
    keystore: Path | None,
    data: Path | None,
    host: str,
    port: int,
    is_dev: bool,
    is_public: bool,
    as_json: bool | None,
) -> None:
    from infernet.app.layer import build_layer, run_layer

    layer = build_layer(settings, _load_producer(settings, keystore))
    path = None if data is None else data / "chain.sqlite"
    async with run_layer(layer, path, host, port, is_dev=is_dev, is_public=is_public) as running:
        if as_json is not None:
            _show(running, layer, settings, as_json)
        await asyncio.Event().wait()


async def _run_stubs(settings: LayerSettings, rpc_url: str, host: str, port: int, as_json: bool) -> None:
    from infernet.app.stubs import run_stubs as serve

    async with serve(settings, rpc_url, host, port) as server:
        if as_json:
            print_json({"event": "ready", "rpcUrl": server.url, "precompiles": list(settings.precompiles)})
        else:
            console().print(f"{server.url} answers for {', '.join(settings.precompiles)}", soft_wrap=True)
            console().print("use it in the place of the chain's own endpoint; Ctrl-C stops it")
        await asyncio.Event().wait()


def _show(running: RunningLayer, layer: Layer, settings: LayerSettings, as_json: bool) -> None:
    from infernet.app.layer import describe_precompiles, describe_predeploys

    head, contracts = running.chain.head, describe_predeploys(settings)
    if as_json:
        facts = {"rpcUrl": running.server.url, "chainId": running.chain.chain_id, "block": head.number}
        print_json({"event": "ready", **facts, "precompiles": list(settings.precompiles), "contracts": contracts})
        return
    where = f"[bold]{running.server.url}[/]  id {running.chain.chain_id}, block {head.number}"
    pace = f"every {settings.block_time_s:g} s" if settings.block_time_s else "one for each transaction"
    addresses = describe_precompiles(settings, layer)
    precompiles = ", ".join(f"{name} {address[:2]}…{address[-4:]}" for name, address in addresses.items())
    for name, value in (("chain", where), ("blocks", pace), ("precompiles", precompiles), *contracts.items()):
        console().print(f"{name:<26}{value}", soft_wrap=True, highlight=False)
    console().print("Ctrl-C stops it")


def _show_serving(as_json: bool) -> Callable[[str], None]:
    def show(url: str) -> None:
        if as_json:
            print_json({"event": "ready", "rpcUrl": url})
        else:
            console().print(f"{url} answers for the blocks that were verified", soft_wrap=True)

    return show


def _show_block(as_json: bool) -> Callable[[Block], None]:
    def show(block: Block) -> None:
        if as_json:
            print_json({"event": "verified", "block": block.number, "hash": "0x" + block.hash.hex()})
        elif block.number % 100 == 0:
            console().print(
                f"block {block.number} verified, state root 0x{block.header.state_root.hex()}", soft_wrap=True
            )

    return show
