"""`infernet request`: ask the network once from the command line, and print the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infernet.cli.features import parse_features
from infernet.cli.money import parse_amount
from infernet.cli.options import AsJson, check_seconds, load_user_signer
from infernet.cli.output import console, print_json
from infernet.cli.run import run
from infernet.errors import InvalidInput

if TYPE_CHECKING:
    from infernet.client import Output
    from infernet.keys.signer import LocalSigner
    from infernet.types import SubscriptionKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of whom."""

    rpc_url: str
    coordinator: str
    container: str
    features: bytes
    redundancy: int
    fee: int
    timeout_s: float


def request(
    container: Annotated[str, typer.Argument(help="The container to ask, or a chain A,B.")],
    coordinator: Annotated[
        str, typer.Option(help="Address of the Coordinator.", envvar="INFERNET_COORDINATOR", show_default=False)
    ] = "",
    rpc_url: Annotated[
        str, typer.Option(help="JSON-RPC endpoint of the chain.", envvar="INFERNET_RPC_URL")
    ] = "http://127.0.0.1:8545",
    features: Annotated[
        str | None, typer.Option(help="The features as 0x… ABI bytes, or @file with them (hex after 0x, else raw).")
    ] = None,
    ints: Annotated[str | None, typer.Option(help="The features as int256[]: 1,-2,3")] = None,
    tensor: Annotated[
        str | None, typer.Option(help="The features as a Tensor, dtype:shape:values: uint8:1x3:0,5,16")
    ] = None,
    decode: Annotated[
        str | None, typer.Option(help="ABI types of the output, separated by blanks: 'int256 uint256'")
    ] = None,
    redundancy: Annotated[int, typer.Option(help="How many distinct nodes shall answer.", min=1, max=65535)] = 1,
    fee: Annotated[
        str, typer.Option(help="What an answer pays, from the account's balance: 1000 (wei), '2.5 gwei'.")
    ] = "0",
    keystore: Annotated[
        Path | None, typer.Option(help="Key file of the account that asks; else the key in INFERNET_PRIVATE_KEY.")
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", help="Seconds to wait for an answer.", callback=check_seconds)
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Ask a container once, wait for the answer, print it.

    For example, against `infernet dev`:  infernet request sum --ints 1,2,39 --decode int256 --coordinator 0x…
    """
    if not coordinator:
        raise InvalidInput("request.no_coordinator", "give the Coordinator's address: --coordinator 0x…")
    types = _parse_types(decode)
    question = Question(
        rpc_url=rpc_url,
        coordinator=coordinator,
        container=container,
        features=parse_features(features, ints, tensor),
        redundancy=redundancy,
        fee=parse_amount(fee),
        timeout_s=timeout_s,
    )
    signer = load_user_signer(keystore)
    answers: list[dict[str, Any]] = []

    def show(output: Output) -> None:
        answers.append(_describe(output, types))
        if not as_json:
            _print(output, answers[-1])

    key = run(_ask(question, signer, show))
    if as_json:
        print_json({"coordinator": key.coordinator, "owner": key.owner, "id": key.id, "answers": answers})


def _parse_types(text: str | None) -> list[str]:
    """ABI types, looked at before anything is sent.

    Raises:
        InvalidInput: `request.decode`.
    """
    if text is None:
        return []
    from infernet.protocol.abi_codec import decode_abi

    types = text.split()
    try:
        decode_abi(types, b"")
    except InvalidInput:  # nothing is too short for any type, and that is the only thing wrong
        return types
    except ValueError:
        pass
    raise InvalidInput("request.decode", f"--decode {text!r} names no ABI types: write 'int256[]' or 'uint8 bytes'")


async def _ask(question: Question, signer: LocalSigner, show: Callable[[Output], None]) -> SubscriptionKey:
    from infernet.client import AsyncClient, Terms

    connecting = AsyncClient.connect(question.rpc_url, signer=signer, coordinator=question.coordinator)
    async with await connecting as client:
        terms = Terms(fee=question.fee)
        key = await client.request(question.container, question.features, redundancy=question.redundancy, terms=terms)
        for ordinal in range(1, question.redundancy + 1):
            show(await client.wait_output(key, redundancy=ordinal, timeout_s=question.timeout_s))
        return key


def _describe(output: Output, types: list[str]) -> dict[str, Any]:
    return {
        "node": output.node,
        "redundancy": output.redundancy,
        "output": "0x" + output.output.hex(),
        "decoded": output.decode(*types) if types else None,
        "tx": "0x" + output.tx_hash.hex(),
        "block": output.block_number,
        "gasUsed": output.gas_used,
    }


def _print(output: Output, answer: dict[str, Any]) -> None:
    decoded = answer["decoded"]
    console().print(answer["output"] if decoded is None else str(decoded), style="bold", markup=False, soft_wrap=True)
    console().print(
        f"  answer {output.redundancy} to subscription {output.key.id}, by node {output.node}",
        style="dim",
        soft_wrap=True,
    )
    console().print(
        f"  block {output.block_number}, {output.gas_used:,} gas, transaction {answer['tx']}",
        style="dim",
        soft_wrap=True,
    )
