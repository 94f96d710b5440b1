"""The part of the client that knows contracts: connect, deploy, attach, send, read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from infernet.chain.rpc import RpcChain
from infernet.chain.sending import Message
from infernet.client.account import Account, Contract
from infernet.errors import InvalidInput, JobRejected, NodeMisconfigured, RetryLater
from infernet.keys.keystore import load_key_file
from infernet.keys.signer import LocalSigner
from infernet.ports import Signer
from infernet.protocol.hashing import to_address
from infernet.types import Address, ChainId, Gas, Hash32, Receipt, Wei

COORDINATOR = "EIP712Coordinator"


class ContractClient:
    """One account's view of one chain and, once attached, of one Coordinator. Make one with `connect`."""

    def __init__(self, chain: RpcChain, chain_id: ChainId, signer: Signer | None, *, timeout_s: float = 60.0) -> None:
        self.chain = chain
        self._account = Account(chain, chain_id, signer, timeout_s=timeout_s)
        self._timeout_s = timeout_s
        self._coordinator: Address | None = None
        self._overhead = 0

    @classmethod
    async def connect(
        cls,
        rpc_url: str,
        private_key: str | bytes | None = None,
        *,
        key_file: str | Path | None = None,
        password: str = "",
        signer: Signer | None = None,
        chain_id: int | None = None,
        coordinator: str | None = None,
        timeout_s: float = 60.0,
    ) -> Self:
        """A client of the chain behind a JSON-RPC endpoint.

        Args:
            rpc_url: http(s) URL.
            private_key: 32 bytes or 64 hex digits. Without any key the client reads only.
            key_file: an encrypted key file instead, opened with `password`.
            password: of the key file.
            signer: anything else that signs, instead of a key.
            chain_id: the chain that is expected there.
            coordinator: attach to this Coordinator at once.
            timeout_s: how long a transaction may take to be mined.

        Raises:
            RetryLater: `chain.unreachable`.
            NodeMisconfigured: `chain.wrong_id`, or the key file cannot be opened.
            InvalidInput: `key.invalid`, or as `attach`.
        """
        found = _find_signer(private_key, key_file, password, signer)
        chain = RpcChain(rpc_url)
        try:
            there = await chain.fetch_chain_id()
            if chain_id is not None and there != chain_id:
                raise NodeMisconfigured(
                    "chain.wrong_id",
                    f"{chain.endpoint} serves chain {there}, not {chain_id}: give the URL of chain {chain_id}",
                )
            client = cls(chain, there, found, timeout_s=timeout_s)
            if coordinator is not None:
                await client.attach(coordinator)
        except BaseException:
            await chain.close()
            raise
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Give back the connections."""
        await self.chain.close()

    @property
    def chain_id(self) -> ChainId:
        return self._account.chain_id

    @property
    def address(self) -> Address:
        """The client's own account."""
        return self._account.signer.address

    @property
    def signer(self) -> Signer:
        """Who signs for the client's account. Raises InvalidInput, `client.no_key`, where nobody does."""
        return self._account.signer

    @property
    def coordinator(self) -> Address:
        """The Coordinator that this client is attached to.

        Raises:
            InvalidInput: `client.not_attached`.
        """
        if self._coordinator is None:
            raise InvalidInput(
                "client.not_attached", "this client knows no Coordinator yet: call attach(address) first"
            )
        return self._coordinator

    async def deploy(self, contract: Contract, *arguments: Any) -> Address:
        """Put a contract on the chain: one that ships with the package by name, or the caller's own artifact."""
        return await self._account.deploy(contract, arguments)

    async def attach(self, coordinator: str) -> Address:
        """Use the Coordinator at that address from now on.

        Raises:
            InvalidInput: `client.no_code`, `client.not_a_coordinator`.
        """
        address = to_address(coordinator)
        await self._account.require_code(address, "Coordinator")
        try:
            overhead = await self._account.read(address, COORDINATOR, "DELIVERY_OVERHEAD_WEI", ())
        except (JobRejected, RetryLater) as error:
            if isinstance(error, RetryLater) and error.code != "chain.bad_answer":
                raise
            raise InvalidInput(
                "client.not_a_coordinator", f"the contract at {address} is no Coordinator: check the address"
            ) from None
        self._coordinator, self._overhead = address, overhead
        return address

    async def transact(
        self, address: str, contract: Contract, function: str, *arguments: Any, value: int = 0, gas: int | None = None
    ) -> Receipt:
        """Call a contract's function in a transaction, and wait until it succeeded.

        Args:
            address: of the contract.
            contract: its name in the package, the path of an artifact, or its ABI.
            function: its name, or its full signature where the name is overloaded.
            arguments: its arguments; structs as tuples.
            value: wei to send along.
            gas: gas limit; None estimates it.
        """
        gas_limit = None if gas is None else Gas(gas)
        return await self._account.transact(
            to_address(address), contract, function, arguments, value=Wei(value), gas=gas_limit
        )

    async def send(self, address: str, data: bytes, *, value: int = 0, gas: int | None = None) -> Receipt:
        """Send calldata as it is in a transaction, and wait until it succeeded. Arguments as of `transact`."""
        message = Message(to_address(address), data, Wei(value), None if gas is None else Gas(gas))
        return await self._account.send(message)

    async def read(
        self, address: str, contract: Contract, function: str, *arguments: Any, at: Hash32 | None = None
    ) -> Any:
        """What a contract's function returns: one value, or a tuple. `at` names a block by its hash."""
        return await self._account.read(to_address(address), contract, function, arguments, at)


def _find_signer(
    private_key: str | bytes | None, key_file: str | Path | None, password: str, signer: Signer | None
) -> Signer | None:
    if sum(given is not None for given in (private_key, key_file, signer)) > 1:
        raise InvalidInput("client.keys", "give one of private_key, key_file and signer, not several")
    if key_file is not None:
        return load_key_file(Path(key_file), password)
    if private_key is not None:
        return LocalSigner.from_hex(private_key) if isinstance(private_key, str) else LocalSigner(private_key)
    return signer
