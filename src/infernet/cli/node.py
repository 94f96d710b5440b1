"""`infernet node`: serve until told to stop."""

from __future__ import annotations

import asyncio
import signal

from infernet.cli.options import CONFIG_FILE, AsJson, Config, load_signer
from infernet.cli.output import console, print_json, set_up_logs
from infernet.keys.signer import LocalSigner
from infernet.settings import Settings, read_settings


def node(config: Config = CONFIG_FILE, as_json: AsJson = False) -> None:
    """Run the node until Ctrl-C or SIGTERM. What it owes is in its journal; a restart takes it up."""
    settings = read_settings(config)
    set_up_logs(settings.log.level, "json" if as_json else settings.log.format)
    asyncio.run(serve(settings, load_signer(settings), as_json))


async def serve(settings: Settings, signer: LocalSigner, as_json: bool) -> None:
    """Run one node until a signal."""
    from infernet.app.node import start_node

    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with start_node(settings, signer) as running:
        facts = {"address": running.address, "containers": list(running.containers), "api": running.api_url}
        if as_json:
            print_json({"event": "ready", **facts})
        else:
            chains = ", ".join(str(chain.chain_id) for chain in settings.chains)
            console.print(f"node [bold]{running.address}[/] on chain {chains}")
            console.print(f"serves {', '.join(running.containers) or 'nothing'}; API {running.api_url or 'off'}")
            console.print("Ctrl-C stops it")
        await stop.wait()
