"""`infernet balance` and `infernet deposit`: the money of an account in the Coordinator."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infernet.cli.options import AsJson, load_user_signer
from infernet.cli.output import console, print_json
from infernet.cli.run import run
from infernet.errors import InvalidInput

if TYPE_CHECKING:
    from infernet.client import Balance
    from infernet.keys.signer import LocalSigner

WEI_PER = {"wei": 0, "gwei": 9, "ether": 18}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*(wei|gwei|ether)?")

Coordinator = Annotated[
    str, typer.Option(help="Address of the Coordinator.", envvar="INFERNET_COORDINATOR", show_default=False)
]
RpcUrl = Annotated[str, typer.Option(help="JSON-RPC endpoint of the chain.", envvar="INFERNET_RPC_URL")]
Token = Annotated[str, typer.Option(help="Address of an ERC-20 token; ether without it.", show_default=False)]
Keystore = Annotated[Path | None, typer.Option(help="Key file of the account; else the key in INFERNET_PRIVATE_KEY.")]
LOCAL = "http://127.0.0.1:8545"


def parse_amount(text: str) -> int:
    """`1000`, `1000 wei`, `2.5 gwei`, `0.001ether`, in wei.

    Raises:
        InvalidInput: `amount.invalid`.
    """
    found = _AMOUNT.fullmatch(text.strip())
    amount = Decimal(found[1]).scaleb(WEI_PER[found[2] or "wei"]) if found else Decimal(-1)
    if amount < 0 or amount != int(amount):
        raise InvalidInput("amount.invalid", f"{text!r} is no amount: write 1000, '2.5 gwei' or '0.001 ether'")
    return int(amount)


def deposit(
    amount: Annotated[str, typer.Argument(help="How much: 1000 (wei), '2.5 gwei', '0.001 ether'.")],
    coordinator: Coordinator = "",
    rpc_url: RpcUrl = LOCAL,
    token: Token = "",
    account: Annotated[str, typer.Option(help="Who can use it; the sender without it.", show_default=False)] = "",
    keystore: Keystore = None,
    as_json: AsJson = False,
) -> None:
    """Put ether or tokens into the Coordinator, for requests to be paid from."""
    wei = parse_amount(amount)
    balance = run(_look(rpc_url, check_coordinator(coordinator), load_user_signer(keystore), token, account, wei))
    _show(balance, as_json)


def balance(
    coordinator: Coordinator = "",
    rpc_url: RpcUrl = LOCAL,
    token: Token = "",
    account: Annotated[str, typer.Option(help="Whose; the own account without it.", show_default=False)] = "",
    keystore: Keystore = None,
    as_json: AsJson = False,
) -> None:
    """Show what an account has in the Coordinator: free, and locked for requests."""
    signer = None if account else load_user_signer(keystore)
    _show(run(_look(rpc_url, check_coordinator(coordinator), signer, token, account, 0)), as_json)


def check_coordinator(coordinator: str) -> str:
    """Raises InvalidInput, `request.no_coordinator`, where none is given."""
    if not coordinator:
        raise InvalidInput("request.no_coordinator", "give the Coordinator's address: --coordinator 0x…")
    return coordinator


async def _look(
    rpc_url: str, coordinator: str, signer: LocalSigner | None, token: str, account: str, amount: int
) -> Balance:
    from infernet.client import AsyncClient
    from infernet.protocol.hashing import ZERO_ADDRESS

    async with await AsyncClient.connect(rpc_url, signer=signer, coordinator=coordinator) as client:
        if amount:
            await client.deposit(amount, token or ZERO_ADDRESS, account or None)
        return await client.read_balance(account or None, token or ZERO_ADDRESS)


def _show(found: Balance, as_json: bool) -> None:
    if as_json:
        print_json({"free": str(found.free), "locked": str(found.locked)})
    else:
        console().print(f"free {found.free:,}  locked {found.locked:,}", soft_wrap=True)
