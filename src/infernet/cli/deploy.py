"""`infernet deploy`: put the contracts on a chain, at the addresses that they have everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infernet.cli.options import AsJson, load_user_signer
from infernet.cli.output import console, print_json
from infernet.cli.run import run

if TYPE_CHECKING:
    from infernet.app.deployment import Deployment
    from infernet.keys.signer import LocalSigner


def deploy(
    rpc_url: Annotated[
        str, typer.Option(help="JSON-RPC endpoint of the chain.", envvar="INFERNET_RPC_URL")
    ] = "http://127.0.0.1:8545",
    keystore: Annotated[
        Path | None, typer.Option(help="Key file of the account that pays; else the key in INFERNET_PRIVATE_KEY.")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where the addresses are written, in <chain id>.json.")] = Path(
        "deployments"
    ),
    as_json: AsJson = False,
) -> None:
    """Deploy the contracts that are not on the chain yet, and write down where all of them stand.

    The addresses are the same on every chain, whoever deploys; to call it again changes nothing.
    """
    signer = load_user_signer(keystore)
    deployment = run(_deploy(rpc_url, signer))
    from infernet.app.deployment import write_deployment

    path = write_deployment(deployment, folder)
    if as_json:
        print_json(deployment.to_json() | {"created": list(deployment.created), "written": str(path)})
        return
    for part in deployment.parts:
        state = "deployed" if part.name in deployment.created else "was there"
        console().print(f"{part.name:<26}{part.address}  {state}", soft_wrap=True)
    console().print(f"written to {path}", style="dim", soft_wrap=True)


async def _deploy(rpc_url: str, signer: LocalSigner) -> Deployment:
    from infernet.app.deployment import deploy_suite
    from infernet.chain.rpc import RpcChain

    async with RpcChain(rpc_url) as chain:
        return await deploy_suite(chain, signer)
