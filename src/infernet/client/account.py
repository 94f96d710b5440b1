"""An account on a chain: deploy contracts, call their functions, read them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infernet.chain.abi import ContractAbi
from infernet.chain.artifacts import Artifact, load_artifact, read_artifact
from infernet.chain.reverts import build_revert_error
from infernet.chain.rpc import RpcChain
from infernet.chain.sending import Message, find_revert, submit, wait_for_receipt
from infernet.errors import InvalidInput, JobRejected
from infernet.ports import Signer
from infernet.types import Address, Call, ChainId, Gas, Hash32, Receipt, Wei

Contract = str | Path | ContractAbi
"""A contract by the name it ships under, by the path of an artifact file, or by its ABI."""


class Account:
    """Reads and sends for one account. Without a signer it reads only."""

    def __init__(self, chain: RpcChain, chain_id: ChainId, signer: Signer | None, *, timeout_s: float) -> None:
        self.chain = chain
        self.chain_id = chain_id
        self._signer = signer
        self._timeout_s = timeout_s
        self._nonce_lock = asyncio.Lock()

    @property
    def signer(self) -> Signer:
        """Who signs.

        Raises:
            InvalidInput: `client.no_key`.
        """
        if self._signer is None:
            raise InvalidInput("client.no_key", "this client has no key: connect with a private key or a key file")
        return self._signer

    async def deploy(self, contract: Contract, arguments: Sequence[Any], max_fee_cap: Wei | None = None) -> Address:
        """Put a contract on the chain."""
        artifact = find_artifact(contract)
        receipt = await self.send(Message(None, artifact.encode_deployment(arguments)), artifact, max_fee_cap)
        if receipt.contract_address is None:
            raise JobRejected("client.no_contract", f"the endpoint tells no address for the deployed {artifact.name}")
        return receipt.contract_address

    async def transact(
        self,
        address: Address,
        contract: Contract,
        function: str,
        arguments: Sequence[Any],
        *,
        value: Wei,
        gas: Gas | None,
        max_fee_cap: Wei | None = None,
    ) -> Receipt:
        """Call a function in a transaction."""
        abi = find_abi(contract)
        message = Message(address, abi.encode_call(function, arguments), value, gas)
        await self.require_code(address, abi.name)
        return await self.send(message, abi, max_fee_cap)

    async def read(
        self, address: Address, contract: Contract, function: str, arguments: Sequence[Any], at: Hash32 | None = None
    ) -> Any:
        """Call a function without a transaction."""
        abi = find_abi(contract)
        sender = None if self._signer is None else self._signer.address
        call = Call(address, abi.encode_call(function, arguments), sender)
        try:
            returned = await self.chain.call(call, at)
        except JobRejected as error:
            raise explain_revert(error, abi) from None
        if not returned:
            await self.require_code(address, abi.name)
        return abi.decode_result(function, len(arguments), returned)

    async def send(self, message: Message, abi: ContractAbi | None = None, max_fee_cap: Wei | None = None) -> Receipt:
        """Send and wait until it succeeded. Several may wait at once; nonces are taken one after the other.

        Raises:
            JobRejected: it reverted; `code` is `revert.<ErrorName>`.
            RetryLater: it could not be sent, or is not in a block in time.
        """
        signer = self.signer
        try:
            async with self._nonce_lock:
                tx_hash = await submit(self.chain, signer, message, self.chain_id, max_fee_cap)
            receipt = await wait_for_receipt(self.chain, tx_hash, self._timeout_s)
            if not receipt.succeeded:
                raise await find_revert(self.chain, signer.address, message, receipt)
        except JobRejected as error:
            raise explain_revert(error, abi) from None
        return receipt

    async def require_code(self, address: Address, what: str) -> None:
        """Raises InvalidInput, `client.no_code`, where no contract is at that address."""
        if not await self.chain.fetch_code(address):
            raise InvalidInput(
                "client.no_code",
                f"there is no contract at {address} on chain {self.chain_id}: "
                f"check the address of the {what} and that {self.chain.endpoint} serves the right chain",
            )


def find_abi(contract: Contract) -> ContractAbi:
    """The ABI of a contract given in one of three ways."""
    if isinstance(contract, ContractAbi):
        return contract
    return read_artifact(contract) if isinstance(contract, Path) else load_artifact(contract)


def find_artifact(contract: Contract) -> Artifact:
    """The same with bytecode.

    Raises:
        InvalidInput: `artifact.no_bytecode`.
    """
    found = find_abi(contract)
    if not isinstance(found, Artifact):
        raise InvalidInput("artifact.no_bytecode", f"{found.name} is an ABI only: give an artifact with bytecode")
    return found


def explain_revert(error: JobRejected, abi: ContractAbi | None) -> JobRejected:
    """The same error in the words of the caller's own contract, where its ABI knows more than ours."""
    data = error.fields.get("data")
    if abi is None or error.code != "revert.Unknown" or not isinstance(data, bytes):
        return error
    return build_revert_error(data, errors=abi.errors)
