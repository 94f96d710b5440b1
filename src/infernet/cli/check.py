"""`infernet check`: everything that a node needs, looked at before it starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer

from infernet.cli.options import CONFIG_FILE, AsJson, Config, load_signer
from infernet.cli.output import console, print_json
from infernet.cli.run import run
from infernet.errors import InfernetError

if TYPE_CHECKING:
    from infernet.settings import ChainSettings, ContainerSettings, Settings
    from infernet.types import Address


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    ok: bool
    detail: str


def check(config: Config = CONFIG_FILE, as_json: AsJson = False) -> None:
    """Look at everything a node needs before it starts."""
    from infernet.settings import read_settings

    settings = read_settings(config)
    key, address = _look_at_key(settings)
    findings = [Finding("configuration", True, str(config)), key, *run(_look(settings, address))]
    is_fine = all(finding.ok for finding in findings)
    if as_json:
        print_json({"ok": is_fine, "findings": [asdict(finding) for finding in findings]})
    else:
        _show(findings)
    if not is_fine:
        raise typer.Exit(1)


def _show(findings: list[Finding]) -> None:
    from rich.text import Text

    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        mark = Text("✓ ", style="green") if finding.ok else Text("✗ ", style="red")
        console().print(mark.append(f"{finding.what:<{width}}  {finding.detail}", style="default"), soft_wrap=True)


def _look_at_key(settings: Settings) -> tuple[Finding, Address | None]:
    try:
        address = load_signer(settings).address
    except InfernetError as error:
        return Finding("key", False, error.message), None
    return Finding("key", True, address), address


async def _look(settings: Settings, address: Address | None) -> list[Finding]:
    findings = [await _look_at_chain(chain, address) for chain in settings.chains]
    findings += [await _look_at_container(container, settings) for container in settings.containers]
    if not settings.containers and not settings.policy.namespaces:
        findings.append(Finding("containers", False, "none: the node has nothing to serve, add a [[containers]] table"))
    return findings


async def _look_at_chain(settings: ChainSettings, address: Address | None) -> Finding:
    from infernet.app.node import check_chain
    from infernet.chain.rpc import RpcChain

    name = f"chain {settings.chain_id}"
    try:
        async with RpcChain(settings.rpc_url) as chain:
            await check_chain(settings, chain)
            if address is None:
                return Finding(name, True, chain.endpoint)
            balance = await chain.fetch_balance(address)
    except InfernetError as error:
        return Finding(name, False, error.message)
    if balance == 0:
        return Finding(name, False, f"{address} has no coin for gas: send it some")
    return Finding(name, True, f"{chain.endpoint}, balance {balance / 1e18:.6f}")


async def _look_at_container(settings: ContainerSettings, all_settings: Settings) -> Finding:
    from infernet.app.node import build_container
    from infernet.chain.rpc import RpcChain

    name = f"container {settings.name}"
    try:
        async with RpcChain(all_settings.chains[0].rpc_url) as chain:
            container = build_container(settings, all_settings, chain)
            try:
                await container.start()
            finally:
                await container.stop()
    except InfernetError as error:
        return Finding(name, False, error.message)
    return Finding(name, True, settings.kind)
