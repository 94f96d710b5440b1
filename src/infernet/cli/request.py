"""`infernet request`: ask the network once from the command line, and print the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from infernet.cli.options import AsJson, load_user_signer
from infernet.cli.output import console, print_json
from infernet.cli.run import run
from infernet.client import AsyncClient, Output
from infernet.errors import InvalidInput
from infernet.keys.signer import LocalSigner
from infernet.protocol.int256 import encode_int256s
from infernet.protocol.tensor import Tensor, encode_tensor


def request(
    container: Annotated[str, typer.Argument(help="The container to ask, or a chain A,B.")],
    rpc_url: Annotated[str, typer.Option(help="JSON-RPC endpoint of the chain.")] = "http://127.0.0.1:8545",
    coordinator: Annotated[str, typer.Option(help="Address of the Coordinator.")] = "",
    features: Annotated[str | None, typer.Option(help="The features as 0x… ABI bytes, or @file with them.")] = None,
    ints: Annotated[str | None, typer.Option(help="The features as int256[]: 1,-2,3")] = None,
    tensor: Annotated[
        str | None, typer.Option(help="The features as a Tensor: dtype:shape:values, e.g. uint8:1x3:0,5,16")
    ] = None,
    decode: Annotated[str | None, typer.Option(help="ABI types of the output, e.g. 'int256[]'.")] = None,
    redundancy: Annotated[int, typer.Option(help="How many distinct nodes shall answer.")] = 1,
    keystore: Annotated[Path | None, typer.Option(help="Key file of the account that asks.")] = None,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds to wait for the answer.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Ask a container once and wait for the answer. The account that pays gas: --keystore, or INFERNET_PRIVATE_KEY."""
    if not coordinator:
        raise InvalidInput("request.no_coordinator", "give the Coordinator's address: --coordinator 0x…")
    blob = parse_features(features, ints, tensor)
    signer = load_user_signer(keystore)
    outputs = run(_ask(rpc_url, coordinator, signer, container, blob, redundancy, timeout_s))
    for output in outputs:
        _show(output, decode.split() if decode else [], as_json)


def parse_features(features: str | None, ints: str | None, tensor: str | None) -> bytes:
    """The features in one of the three ways to write them.

    Raises:
        InvalidInput: none or several are given, or one is malformed.
    """
    given = [name for name, value in (("features", features), ("ints", ints), ("tensor", tensor)) if value is not None]
    if len(given) != 1:
        raise InvalidInput("request.features", "give the features once: --features, --ints or --tensor")
    try:
        if ints is not None:
            return encode_int256s([int(word) for word in ints.split(",")])
        if tensor is not None:
            return encode_tensor(_parse_tensor(tensor))
        text = features or ""
        if text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8").strip()
        return bytes.fromhex(text.removeprefix("0x"))
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInput("request.features", f"--{given[0]} cannot be read: {error}") from error
    except OSError as error:
        raise InvalidInput("request.features", f"{error.filename} cannot be read: {error.strerror}") from error


def _parse_tensor(text: str) -> Tensor:
    dtype, shape, values = text.split(":")
    sizes = [int(size) for size in shape.split("x")]
    kind = int if np.issubdtype(np.dtype(dtype), np.integer) else float
    return Tensor(np.array([kind(word) for word in values.split(",")]).astype(dtype).reshape(sizes))


async def _ask(
    rpc_url: str,
    coordinator: str,
    signer: LocalSigner,
    container: str,
    features: bytes,
    redundancy: int,
    timeout_s: float,
) -> list[Output]:
    async with await AsyncClient.connect(rpc_url, signer=signer, coordinator=coordinator) as client:
        key = await client.request(container, features, redundancy=redundancy)
        return [
            await client.wait_output(key, redundancy=ordinal, timeout_s=timeout_s)
            for ordinal in range(1, redundancy + 1)
        ]


def _show(output: Output, types: list[str], as_json: bool) -> None:
    decoded: Any = output.decode(*types) if types else None
    if as_json:
        print_json(
            {
                "owner": output.key.owner,
                "id": output.key.id,
                "node": output.node,
                "redundancy": output.redundancy,
                "output": output.output,
                "decoded": decoded,
                "tx": output.tx_hash,
                "block": output.block_number,
                "gasUsed": output.gas_used,
            }
        )
        return
    console.print(f"[bold]{decoded if types else '0x' + output.output.hex()}[/]", soft_wrap=True)
    console.print(
        f"[dim]answered by {output.node} in block {output.block_number}, transaction 0x{output.tx_hash.hex()}, "
        f"{output.gas_used:,} gas[/]",
        soft_wrap=True,
    )
