"""A chain on this machine to try things on: what every local chain can do, whichever program is behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, Self

from infernet.types import Address, ChainId, Timestamp, Wei

LOCAL_CHAIN_ID = ChainId(31337)


@dataclass(frozen=True, slots=True)
class DevAccount:
    """A funded account whose key everybody knows. Never send it anything of worth."""

    address: Address
    private_key: bytes = field(repr=False)


class LocalChain(Protocol):
    """A local chain, running from `start` to `stop`. An async context manager that does both.

    Raises everywhere but in `start`: `RetryLater` where the chain is gone.
    """

    @property
    def rpc_url(self) -> str: ...
    @property
    def chain_id(self) -> ChainId: ...
    @property
    def accounts(self) -> tuple[DevAccount, ...]:
        """Ten funded accounts, the same on every start."""
        ...

    async def start(self) -> None:
        """Return when the chain answers.

        Raises:
            NodeMisconfigured: `port.in_use`, or the program behind it is not there.
        """
        ...

    async def stop(self) -> None:
        """Leave no process, port or file behind. Safe to call twice."""
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *raised: object) -> None: ...
    async def mine(self, blocks: int = 1) -> None: ...
    async def set_next_timestamp(self, timestamp: Timestamp) -> None:
        """The next block carries this time, which must be after the head's."""
        ...

    async def increase_time(self, seconds: int) -> None:
        """From the next block on the chain's clock is ahead by so much more."""
        ...

    async def snapshot(self) -> str: ...
    async def revert(self, snapshot_id: str) -> None:
        """Back to the snapshot, which is used up by it.

        Raises:
            InvalidInput: `snapshot.unknown`.
        """
        ...

    async def set_balance(self, address: Address, balance: Wei) -> None: ...
    async def set_automine(self, on: bool) -> None:
        """On: a block for each transaction, at once. Off: blocks by `mine` or by the interval only."""
        ...

    async def set_interval(self, seconds: int) -> None:
        """A block every so many seconds, and none in between; 0 ends that."""
        ...


DEV_ACCOUNTS: tuple[DevAccount, ...] = tuple(
    DevAccount(Address(address), bytes.fromhex(key))
    for address, key in (
        (
            "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
            "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
        ),
        (
            "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
            "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
        ),
        (
            "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
            "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
        ),
        (
            "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
            "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
        ),
        (
            "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
            "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
        ),
        (
            "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
            "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
        ),
        (
            "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
            "92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
        ),
        (
            "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
            "4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
        ),
        (
            "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
            "dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
        ),
        (
            "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
            "2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
        ),
    )
)
"""The accounts of the mnemonic `test test test test test test test test test test test junk`, which every development
chain funds."""
