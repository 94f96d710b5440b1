"""`infernet check`: everything that a node needs, looked at before it starts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import typer
from rich.table import Table

from infernet.cli.options import CONFIG_FILE, AsJson, Config, load_signer
from infernet.cli.output import console, print_json
from infernet.errors import InfernetError
from infernet.settings import Settings, read_settings
from infernet.types import Address


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    ok: bool
    detail: str


def check(config: Config = CONFIG_FILE, as_json: AsJson = False) -> None:
    """Look at the configuration, the key, the chains and the containers; change nothing."""
    settings = read_settings(config)
    findings = [Finding("configuration", True, str(config)), *asyncio.run(_look(settings))]
    if as_json:
        print_json([{"what": f.what, "ok": f.ok, "detail": f.detail} for f in findings])
    else:
        table = Table(show_header=False, box=None, padding=(0, 1))
        for finding in findings:
            table.add_row("[green]✓[/]" if finding.ok else "[red]✗[/]", finding.what, finding.detail)
        console.print(table)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


async def _look(settings: Settings) -> list[Finding]:
    from infernet.app.node import build_container, check_chain
    from infernet.chain.rpc import RpcChain

    findings = []
    address: Address | None = None
    try:
        address = load_signer(settings).address
        findings.append(Finding("key", True, address))
    except InfernetError as error:
        findings.append(Finding("key", False, error.message))
    for chain in settings.chains:
        name = f"chain {chain.chain_id}"
        async with RpcChain(chain.rpc_url) as rpc:
            try:
                await check_chain(chain, rpc)
                balance = await rpc.fetch_balance(address) if address else None
                funded = balance is None or balance > 0
                detail = f"{chain.rpc_url}" if balance is None else f"{chain.rpc_url}, balance {balance / 1e18:.6f}"
                findings.append(
                    Finding(name, funded, detail if funded else f"{address} has no coin for gas: send some")
                )
            except InfernetError as error:
                findings.append(Finding(name, False, error.message))
    for settings_of_one in settings.containers:
        try:
            container = build_container(settings_of_one, settings.models.store)
            try:
                await container.start()
                findings.append(Finding(f"container {container.id}", True, settings_of_one.kind))
            finally:
                await container.stop()
        except InfernetError as error:
            findings.append(Finding(f"container {settings_of_one.name}", False, error.message))
    if not settings.containers:
        findings.append(Finding("containers", False, "none: the node has nothing to serve, add a [[containers]] table"))
    return findings
