"""A challenge won, twice: a false claim that the chain itself refutes, and one that arbiters vote down.

    python examples/challenge.py

It starts a local chain, and moves its clock past the windows. docs/contracts.md shows what it prints.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

import numpy as np

from infernet.app.deployment import Deployment, deploy_suite
from infernet.chain.anvil import AnvilChain
from infernet.client import AsyncClient, Terms
from infernet.protocol.abi_codec import encode_abi
from infernet.protocol.deliveries import Answer
from infernet.protocol.events import AnswerPending, decode_event
from infernet.protocol.hashing import ZERO_HASH, keccak
from infernet.protocol.int256 import encode_int256s
from infernet.protocol.tensor import Tensor, encode_tensor
from infernet.types import Address, SubscriptionKey

ETHER = 10**18
FEE, BOND, REWARD = ETHER // 10, ETHER, ETHER // 20
WINDOW_S = 60
CREDITORS = ("NodeRegistry", "OptimisticVerifier")
PEOPLE = ("payer", "node", "challenger", "arbiter 1", "arbiter 2", "arbiter 3")

# Two inputs, two scores that are the inputs, and the label of the larger: (head, [(inputs, outputs, divisor, …)]).
LARGER = (0, [(2, 2, 0, bytes([1, 0, 0, 1]), bytes(8))])
PARAMS = "(uint32,uint32,uint32,bytes32,address[],uint16,uint96)"


@dataclass(frozen=True)
class Claim:
    """An answer that is pending, and all that is needed to act on it."""

    key: SubscriptionKey
    container_id: bytes
    params: bytes
    output: bytes
    answer: Answer

    @property
    def place(self) -> tuple[Address, int, int]:
        """Owner, id, interval: how the verifier knows it."""
        return self.key.owner, self.key.id, self.answer.interval

    @property
    def hash(self) -> bytes:
        """What a challenge and a vote name: in the same place another claim may stand after a reorg."""
        words = (self.answer.node, self.container_id, self.answer.features_hash, keccak(self.output))
        return keccak(encode_abi(["address", "bytes32", "bytes32", "bytes32"], words))


@dataclass(frozen=True)
class Scene:
    chain: AnvilChain
    contracts: Deployment
    clients: dict[str, AsyncClient]

    @property
    def verifier(self) -> Address:
        return self.contracts["OptimisticVerifier"]

    async def call(self, who: str, contract: str, function: str, *arguments: object, value: int = 0) -> None:
        await self.clients[who].transact(self.contracts[contract], contract, function, *arguments, value=value)

    async def claim(self, container: str, features: bytes, params: bytes, output: bytes) -> Claim:
        """The payer asks, the node answers against its bond."""
        terms = Terms(fee=FEE, verifier=self.verifier, verifier_params=params, min_bond=BOND)
        key = await self.clients["payer"].request(container, features, terms=terms)
        subscription = await self.clients["payer"].fetch_terms(key)
        receipt = await self.clients["node"].transact(
            self.contracts.coordinator, "EIP712Coordinator", "deliverModelOutput",
            key.id, 1, subscription.as_tuple(), output, encode_abi(["bytes32", "bytes"], [keccak(features), params]),
        )  # fmt: skip
        logs = [log for log in receipt.logs if log.address == self.contracts.coordinator]
        (pending,) = [event for log in logs if isinstance(event := decode_event(log), AnswerPending)]
        answer = Answer(
            id=key.id,
            interval=pending.interval,
            redundancy=pending.redundancy,
            node=pending.node,
            pending_until=pending.pending_until,
            features_hash=pending.features_hash,
        )
        return Claim(key, subscription.container_id, params, output, answer)

    async def settle(self, claim: Claim) -> None:
        """Anyone may: the Coordinator asks the verifier what became of the claim."""
        subscription = await self.clients["payer"].fetch_terms(claim.key)
        answer = claim.answer.as_tuple()
        await self.call("payer", "EIP712Coordinator", "settle", answer, subscription.as_tuple(), claim.output, b"")

    async def show(self, when: str) -> None:
        """Who has what in the contracts, in ether. Whoever has nothing there is left out."""
        print(f"{when:<32}{'balance':>8}{'locked':>8}{'bond':>8}{'credit':>8}")
        for who, client in self.clients.items():
            balance, bond = await client.read_balance(), await client.read_bond(self.verifier)
            numbers = (balance.free, balance.locked, bond, await self.read_credit(who))
            if any(numbers):
                print(f"  {who:<30}" + "".join(f"{wei / ETHER:8.2f}" for wei in numbers))

    async def read_credit(self, who: str) -> int:
        """What verdicts gave it: out of bonds in the node registry, out of deposits in the verifier."""
        client = self.clients[who]
        return sum([await client.read(self.contracts[c], c, "creditOf", client.address) for c in CREDITORS])


async def refute(scene: Scene) -> None:
    """The model is small enough for the chain: whoever has the features can show at once that the claim is wrong."""
    print("1. The chain decides\n")
    await scene.call("payer", "OnchainVerifier", "storeModel", LARGER)
    model_id = keccak(encode_abi(["(uint8,(uint16,uint16,uint32,bytes,bytes)[])"], [LARGER]))
    params = encode_abi([PARAMS], [(WINDOW_S, 0, 0, model_id, [], 0, 0)])
    features = encode_tensor(Tensor(np.array([[3, 7]], dtype=np.uint8)))

    await scene.show("before")
    claim = await scene.claim("demo/larger:1", features, params, encode_int256s([0]))
    await scene.show("claimed: 3 is larger than 7")
    await scene.call("challenger", "OptimisticVerifier", "refute", *claim.place, claim.container_id, params, features)
    await scene.settle(claim)
    await scene.show("refuted and settled")


async def vote_down(scene: Scene) -> None:
    """No chain can run this one: arbiters that the terms name run it again, and vote under commit and reveal."""
    print("\n2. Arbiters decide\n")
    arbiters = sorted((who for who in PEOPLE if "arbiter" in who), key=lambda who: int(scene.clients[who].address, 16))
    addresses = [scene.clients[who].address for who in arbiters]
    params = encode_abi([PARAMS], [(WINDOW_S, WINDOW_S, WINDOW_S, ZERO_HASH, addresses, 2, REWARD)])

    await scene.show("before")
    claim = await scene.claim("sum", encode_int256s([2, 3]), params, encode_int256s([6]))
    await scene.call("challenger", "OptimisticVerifier", "challenge", *claim.place, claim.hash, params, value=BOND)
    await scene.show("claimed: 2 + 3 = 6; challenged")

    right, salt = keccak(encode_int256s([5])), keccak(b"secret until the reveal")
    voters = ("arbiter 1", "arbiter 2")  # the third is asleep, and nobody waits for it
    for who in voters:
        vote = (*claim.place, scene.clients[who].address, right, salt)
        commitment = await scene.clients[who].read(scene.verifier, "OptimisticVerifier", "hashVote", *vote)
        await scene.call(who, "OptimisticVerifier", "commitVote", *claim.place, claim.hash, params, commitment)
    await scene.chain.increase_time(WINDOW_S)
    for who in voters:
        await scene.call(who, "OptimisticVerifier", "revealVote", *claim.place, right, salt)
    await scene.chain.increase_time(WINDOW_S)
    await scene.settle(claim)
    await scene.show("voted down and settled")


async def withdraw(scene: Scene, who: str) -> None:
    """Nothing is ever sent unasked: whoever has a credit takes it out."""
    credit = await scene.read_credit(who)
    for contract in CREDITORS:
        await scene.call(who, contract, "withdrawCredit", scene.clients[who].address)
    print(f"\nThe {who} takes out {credit / ETHER}, of which {BOND / ETHER} is its own deposit.")


async def main() -> None:
    async with AsyncExitStack() as stack:
        chain = await stack.enter_async_context(AnvilChain())
        clients = {}
        for who, account in zip(PEOPLE, chain.accounts, strict=False):
            client = await AsyncClient.connect(chain.rpc_url, account.private_key)
            clients[who] = await stack.enter_async_context(client)
        payer, node = clients["payer"], clients["node"]
        contracts = await deploy_suite(payer.chain, payer.signer)
        for client in clients.values():
            await client.attach(contracts.coordinator)
        await payer.deposit(2 * FEE)
        scene = Scene(chain, contracts, clients)
        await node.post_bond(scene.verifier, 2 * BOND)
        await refute(scene)
        await vote_down(scene)
        await withdraw(scene, "challenger")


if __name__ == "__main__":
    asyncio.run(main())
