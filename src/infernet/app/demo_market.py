"""The part of the demonstration about money: who pays, who earns, what comes back."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

from infernet.app.demo_events import Event, Row, Section, Summary, average_gas, show_ether
from infernet.app.network import LocalNetwork
from infernet.client import AsyncClient, Terms
from infernet.client.outputs import fetch_created
from infernet.protocol.model_codec import decode_outputs, encode_features
from infernet.types import SubscriptionKey
from infernet.workflows.digits import TrainedDigits

CREATOR, FEE, ROYALTY_BPS = 9, 2 * 10**15, 1_000
BATCH, REFUND_AFTER_S = 10, 5
_POLL_S = 0.25


class Market:
    """Of one network. The user pays, an account of its own is the creator."""

    def __init__(
        self, report: Callable[[Event], None], say: Callable[..., None], network: LocalNetwork, model: TrainedDigits
    ) -> None:
        self._report = report
        self._say = say
        self._network = network
        self._client = network.client
        self._model = model
        self._container = model.manifest.name

    async def show(self, summary: Summary) -> None:
        self._report(Section(f"(e) Paid in ether: a split, a refund, {BATCH} answers in one transaction"))
        account = self._network.chain.accounts[CREATOR]
        connecting = AsyncClient.connect(
            self._network.chain.rpc_url, account.private_key, coordinator=self._network.coordinator
        )
        async with await connecting as creator:
            await self._publish(creator)
            receipt = await self._client.deposit((BATCH + 2) * FEE)
            self._say(f"deposited {show_ether((BATCH + 2) * FEE)}", block=receipt.block_number, gas=receipt.gas_used)
            refused = await self._ask_nobody()
            await self._show_split(creator)
            await self._show_batch(summary)
        await self._show_refund(refused)

    async def _publish(self, creator: AsyncClient) -> None:
        await creator.claim_namespace(self._container.partition("/")[0])
        hash_ = bytes.fromhex(self._manifest_hash())
        receipt = await creator.publish_model(self._container, hash_, "file:manifest.json", royalty_bps=ROYALTY_BPS)
        self._say(
            f"its creator published {self._container}, for {ROYALTY_BPS / 100:g} % of each fee",
            block=receipt.block_number,
            gas=receipt.gas_used,
        )

    def _manifest_hash(self) -> str:
        return hashlib.sha256((self._model.folder / "manifest.json").read_bytes()).hexdigest()

    async def _ask_nobody(self) -> SubscriptionKey:
        head = await self._client.chain.fetch_head()
        terms = Terms(fee=FEE, deadline=head.timestamp + REFUND_AFTER_S)
        return await self._client.request("nobody/serves-this:1", b"", terms=terms)

    async def _show_split(self, creator: AsyncClient) -> None:
        node = self._network.nodes[0]
        terms = Terms(fee=FEE)
        key = await self._client.request(self._container, self._features(0), terms=terms, node=node.address)
        output = await self._client.wait_output(key)
        shares = await self._client.quote(await self._client.fetch_terms(key))
        self._say(f"paid {show_ether(FEE)} for an answer", block=output.block_number, gas=output.gas_used)
        earned = [await self._client.read_balance(address) for address in (node.address, creator.address)]
        if [balance.free for balance in earned] != [shares.node, shares.creator]:
            raise AssertionError("the ledger and the quote differ")
        for who, share in (("node", shares.node), ("creator", shares.creator), ("protocol", shares.protocol)):
            self._say(f"  {who:<9}{show_ether(share):>14}  {share / FEE:.0%}")

    async def _show_batch(self, summary: Summary) -> None:
        features = [self._features(row) for row in range(BATCH)]
        node = self._network.nodes[0].address
        keys = await self._client.request_many(self._container, features, terms=Terms(fee=FEE), node=node)
        outputs = await asyncio.gather(*(self._client.wait_output(key) for key in keys))
        receipts = {output.tx_hash for output in outputs}
        right = sum(
            int(decode_outputs(self._model.manifest, output.output)["label"][0]) == int(self._model.labels[row])
            for row, output in enumerate(outputs)
        )
        gas = average_gas(outputs)
        request_gas = round(await self._fetch_gas(keys[0]) / BATCH)
        plural = "s" if len(receipts) > 1 else ""
        self._say(
            f"{BATCH} paid answers in {len(receipts)} transaction{plural}, {right} right (gas of one)",
            block=outputs[-1].block_number,
            gas=gas,
        )
        summary.rows.append(Row("paid, batch", BATCH, right, request_gas, gas, blocks=1.0))

    async def _fetch_gas(self, key: SubscriptionKey) -> int:
        """Gas of the transaction that asked."""
        event = await fetch_created(self._client.chain, key)
        (receipt,) = await self._client.chain.fetch_receipts([event.tx_hash])
        return receipt.gas_used if receipt else 0

    async def _show_refund(self, key: SubscriptionKey) -> None:
        terms = await self._client.fetch_terms(key)
        for _ in range(40 * REFUND_AFTER_S):
            if (await self._client.chain.fetch_head()).timestamp > terms.deadline:
                break
            await asyncio.sleep(_POLL_S)
        before = await self._client.read_balance()
        receipt = await self._client.expire(key)
        after = await self._client.read_balance()
        self._say(
            f"nobody answered before the deadline: {show_ether(after.free - before.free)} came back",
            block=receipt.block_number,
            gas=receipt.gas_used,
        )

    def _features(self, row: int) -> bytes:
        return encode_features(self._model.manifest, {"pixels": self._model.pixels[row : row + 1]})
