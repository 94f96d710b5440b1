"""The part of the client that knows money: balances in the Coordinator, bonds, what models earn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infernet.chain.abi import ContractAbi, parse_abi
from infernet.client.contract_client import COORDINATOR, ContractClient
from infernet.protocol.hashing import ZERO_ADDRESS, compute_container_id, to_address
from infernet.protocol.model_names import parse_published_name
from infernet.types import Address, Hash32, Receipt, Wei

WITHOUT_LIMIT = 2**128 - 1
"""An allowance that does not run out."""

_ERC20 = ContractAbi(
    "ERC20",
    parse_abi(
        {
            "type": "function",
            "name": name,
            "inputs": [{"name": "", "type": kind} for kind in inputs],
            "outputs": [{"name": "", "type": output}],
        }
        for name, inputs, output in (
            ("allowance", ("address", "address"), "uint256"),
            ("approve", ("address", "uint256"), "bool"),
        )
    ),
)


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has in the Coordinator, in units of one token: free, or promised to nodes."""

    free: int
    locked: int


class MoneyClient(ContractClient):
    """Deposits, withdrawals, allowances, and the two registries. Amounts are in units of their token."""

    async def deposit(self, amount: int, token: str = ZERO_ADDRESS, account: str | None = None) -> Receipt:
        """Put ether or tokens into the Coordinator; tokens are approved first where they have to be.

        Args:
            amount: in units of the token; what a token takes on the way is not credited.
            token: zero = ether.
            account: who can use it; None = the client's own.
        """
        token = to_address(token)
        to = self.address if account is None else to_address(account)
        if token != ZERO_ADDRESS:
            approved = await self.read(token, _ERC20, "allowance", self.address, self.coordinator)
            if approved < amount:
                await self.transact(token, _ERC20, "approve", self.coordinator, amount)
        value = amount if token == ZERO_ADDRESS else 0
        return await self._do("deposit", to, token, amount, value=value)

    async def withdraw(self, amount: int, token: str = ZERO_ADDRESS, to: str | None = None) -> Receipt:
        """Take a part of the free balance out, to the client's own account or another."""
        return await self._do("withdraw", self.address if to is None else to_address(to), to_address(token), amount)

    async def allow(self, owner: str, amount: int = WITHOUT_LIMIT, token: str = ZERO_ADDRESS) -> Receipt:
        """Let subscriptions of `owner` that name this client as payer lock up to `amount` in all."""
        return await self._do("allow", to_address(owner), to_address(token), amount)

    async def read_balance(self, account: str | None = None, token: str = ZERO_ADDRESS) -> Balance:
        """What an account has in the Coordinator; the client's own by default."""
        whose = self.address if account is None else to_address(account)
        return Balance(*await self.read(self.coordinator, COORDINATOR, "balanceOf", whose, to_address(token)))

    async def read_royalty(self, container_id: Hash32) -> tuple[Address, int]:
        """What a paid request to a container must promise its creator: whom, and how many 1/10,000 of the fee."""
        to, bps = await self.read(await self._find("MODEL_REGISTRY"), "ModelRegistry", "terms", container_id)
        return to, bps

    # --- models ---------------------------------------------------------------------------------------------------

    async def claim_namespace(self, namespace: str) -> Receipt:
        """Take a free namespace of the ModelRegistry."""
        return await self.transact(await self._find("MODEL_REGISTRY"), "ModelRegistry", "claimNamespace", namespace)

    async def publish_model(
        self, container: str, manifest_hash: bytes, uri: str, *, royalty_bps: int = 0, royalty_to: str | None = None
    ) -> Receipt:
        """Publish `namespace/name:version` in the ModelRegistry. The namespace must be the client's own.

        Args:
            container: the model's full name.
            manifest_hash: sha256 of the manifest file.
            uri: where the manifest is found.
            royalty_bps: the creator's part of each fee, in 1/10,000.
            royalty_to: who receives it; None = the client's own account.
        """
        namespace, _, rest = container.partition("/")
        name, _, version = rest.partition(":")
        to = (self.address if royalty_to is None else to_address(royalty_to)) if royalty_bps else ZERO_ADDRESS
        publication = (manifest_hash, uri, to, royalty_bps)
        registry = await self._find("MODEL_REGISTRY")
        return await self.transact(registry, "ModelRegistry", "publish", namespace, name, version, publication)

    async def read_namespace_owner(self, namespace: str) -> Address:
        """Whose a namespace of the ModelRegistry is; zero where it is free."""
        owner, _ = await self.read(await self._find("MODEL_REGISTRY"), "ModelRegistry", "getNamespace", namespace)
        return to_address(owner)

    async def read_model_hash(self, container: str) -> bytes | None:
        """The manifest hash that is published as `namespace/name:version`, None where nothing is."""
        registry = await self._find("MODEL_REGISTRY")
        version = await self.read(registry, "ModelRegistry", "getVersion", compute_container_id(container))
        return version[0] if any(version[0]) else None

    async def read_model_alias(self, alias: str) -> Hash32 | None:
        """The container id that `namespace/name@alias` stands for, None where it stands for nothing."""
        registry = await self._find("MODEL_REGISTRY")
        target = await self.read(registry, "ModelRegistry", "resolveAlias", compute_container_id(alias))
        return Hash32(target) if any(target) else None

    async def set_model_alias(self, container: str, alias: str) -> Receipt:
        """Point `namespace/name@alias` at a published version."""
        name = parse_published_name(container)
        registry = await self._find("MODEL_REGISTRY")
        place = (name.namespace, name.name, alias, name.last)
        return await self.transact(registry, "ModelRegistry", "setAlias", *place)

    async def read_model_price(self, container: str, token: str = ZERO_ADDRESS) -> int:
        """What the creator thinks an answer should cost; 0 = no hint."""
        registry = await self._find("MODEL_REGISTRY")
        place = (compute_container_id(container), to_address(token))
        price: int = await self.read(registry, "ModelRegistry", "getPrice", *place)
        return price

    async def set_model_price(self, container: str, price: int, token: str = ZERO_ADDRESS) -> Receipt:
        """Say what an answer should cost, in units of the token (zero = ether)."""
        name = parse_published_name(container)
        registry = await self._find("MODEL_REGISTRY")
        place = (name.namespace, name.name, name.last, to_address(token), price)
        return await self.transact(registry, "ModelRegistry", "setPrice", *place)

    # --- nodes ----------------------------------------------------------------------------------------------------

    async def list_node(self, endpoint: str, containers: list[str], encryption_key: bytes = b"") -> Receipt:
        """Write this account's entry in the NodeRegistry, or replace it."""
        registry = await self._find("NODE_REGISTRY")
        return await self.transact(registry, "NodeRegistry", "listNode", endpoint, encryption_key, containers)

    async def post_bond(self, verifier: str, amount: int, node: str | None = None) -> Receipt:
        """Add ether to the bond of a node (the client's own account by default) towards a verifier."""
        whose = self.address if node is None else to_address(node)
        registry = await self._find("NODE_REGISTRY")
        return await self.transact(registry, "NodeRegistry", "postBond", whose, to_address(verifier), value=amount)

    async def start_unbonding(self, verifier: str, amount: int) -> Receipt:
        """Begin to take a part of the own bond out; it can be withdrawn after the registry's delay."""
        registry = await self._find("NODE_REGISTRY")
        return await self.transact(registry, "NodeRegistry", "startUnbonding", to_address(verifier), amount)

    async def withdraw_bond(self, verifier: str, to: str | None = None) -> Receipt:
        """Take out what is unbonded."""
        whom = self.address if to is None else to_address(to)
        registry = await self._find("NODE_REGISTRY")
        return await self.transact(registry, "NodeRegistry", "withdrawBond", to_address(verifier), whom)

    async def read_bond(self, verifier: str, node: str | None = None) -> Wei:
        """The active bond of a node (the client's own account by default) towards a verifier."""
        whose = self.address if node is None else to_address(node)
        registry = await self._find("NODE_REGISTRY")
        return Wei(await self.read(registry, "NodeRegistry", "bondOf", whose, to_address(verifier)))

    async def _find(self, registry: str) -> Address:
        """The address of a registry, as the Coordinator has it for ever."""
        return to_address(await self.read(self.coordinator, COORDINATOR, registry))

    async def _do(self, function: str, *arguments: Any, value: int = 0) -> Receipt:
        return await self.transact(self.coordinator, COORDINATOR, function, *arguments, value=value)
