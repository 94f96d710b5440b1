"""A served layer answers the training jobs of its contracts."""

from __future__ import annotations

import asyncio
from pathlib import Path

from infernet.app.layer import build_layer, run_layer
from infernet.chain.artifacts import load_artifact
from infernet.chain.local import DEV_ACCOUNTS
from infernet.chain.rpc import RpcChain
from infernet.chain.sending import Message, send_and_wait
from infernet.keys.signer import LocalSigner
from infernet.layer_settings import LayerSettings
from infernet.protocol.abi_codec import decode_abi
from infernet.protocol.hashing import to_address
from infernet.types import Address, Call, ChainId, Wei
from infernet.vm.spc.addresses import TRAINING

ABI = load_artifact("Training")
USER = LocalSigner(DEV_ACCOUNTS[0].private_key)
CONTRACT = to_address(TRAINING)
SETTINGS = LayerSettings.model_validate({"precompiles": ["training"], "predeploys": [], "training": {"min_fee_wei": 5}})


async def _submit(rpc: RpcChain, spec: bytes, fee: int) -> bytes:
    message = Message(Address(CONTRACT), ABI.encode_call("submit(bytes)", [spec]), Wei(fee))
    receipt = await send_and_wait(rpc, USER, message, ChainId(31337))
    return receipt.logs[0].topics[1]


async def _read_result(rpc: RpcChain, job_id: bytes) -> bytes:
    returned = await rpc.call(Call(CONTRACT, ABI.encode_call("resultOf", [job_id])))
    (result,) = decode_abi(["bytes"], returned)
    return bytes(result)


async def _wait_for_result(rpc: RpcChain, job_id: bytes) -> bytes:
    async with asyncio.timeout(30):
        while not (result := await _read_result(rpc, job_id)):  # noqa: ASYNC110  (a chain has no event for it)
            await asyncio.sleep(0.1)
    return result


async def test_a_job_that_pays_is_answered_and_one_that_does_not_is_left(tmp_path: Path) -> None:
    path = tmp_path / "chain.sqlite"
    async with run_layer(build_layer(SETTINGS), path, "127.0.0.1", 0) as running, RpcChain(running.server.url) as rpc:
        cheap = await _submit(rpc, b'{"workflow": "none"}', 4)
        paid = await _submit(rpc, b'{"workflow": "none"}', 5)
        assert (await _wait_for_result(rpc, paid)).endswith(b"this layer has digits")
        assert await _read_result(rpc, cheap) == b""
