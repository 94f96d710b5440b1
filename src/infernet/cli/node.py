"""`infernet node`: serve until told to stop."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from infernet.cli.options import CONFIG_FILE, AsJson, Config, load_signer
from infernet.cli.output import console, print_json
from infernet.cli.run import Interrupted, run

if TYPE_CHECKING:
    from infernet.app.node import RunningNode
    from infernet.keys.signer import LocalSigner
    from infernet.settings import Settings


def node(config: Config = CONFIG_FILE, as_json: AsJson = False) -> None:
    """Serve until Ctrl-C or SIGTERM.

    What the node owes is in its journal: a restart takes it up, also after a crash.
    """
    from infernet.settings import read_settings

    settings = read_settings(config)
    signer = load_signer(settings)
    with contextlib.suppress(Interrupted):
        run(
            serve(settings, signer, as_json),
            logs=settings.log.level,
            log_format="json" if as_json else settings.log.format,
        )


async def serve(settings: Settings, signer: LocalSigner, as_json: bool) -> None:
    """Run one node until cancelled."""
    import asyncio

    from infernet.app.node import start_node

    async with start_node(settings, signer) as running:
        _show(running, settings, as_json)
        await asyncio.Event().wait()


def _show(running: RunningNode, settings: Settings, as_json: bool) -> None:
    if as_json:
        facts = {"address": running.address, "containers": list(running.containers), "api": running.api_url}
        print_json({"event": "ready", **facts})
        return
    chains = ", ".join(str(chain.chain_id) for chain in settings.chains)
    console().print(f"node [bold]{running.address}[/] on chain {chains}", soft_wrap=True)
    console().print(
        f"serves {', '.join(running.containers) or 'nothing'}; API {running.api_url or 'off'}", soft_wrap=True
    )
    console().print("Ctrl-C stops it")
