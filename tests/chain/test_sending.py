from __future__ import annotations

import pytest

from infernet.app.deployment import CORE, deploy_suite
from infernet.chain.artifacts import load_artifact
from infernet.chain.child import ChildChain
from infernet.chain.fees import Fees
from infernet.chain.local import DEV_ACCOUNTS
from infernet.chain.rpc import RpcChain
from infernet.chain.sending import Message, add_headroom, build_transaction, send_and_wait, submit, wait_for_receipt
from infernet.chain.wire import MinedTransaction
from infernet.errors import JobRejected, RetryLater
from infernet.keys.signer import LocalSigner
from infernet.types import ChainId, Gas, TxHash, Wei

SIGNER = LocalSigner(DEV_ACCOUNTS[0].private_key)
OTHER = DEV_ACCOUNTS[1].address
LOCAL = ChainId(31337)


def test_headroom_is_a_fifth_and_ends_at_the_blocks_limit() -> None:
    assert add_headroom(100_000, Gas(30_000_000)) == 120_000
    assert add_headroom(29_000_000, Gas(30_000_000)) == 30_000_000
    assert add_headroom(31_000_000, Gas(30_000_000)) == 31_000_000


def test_a_transaction_carries_its_message() -> None:
    message = Message(OTHER, b"x", Wei(5))
    transaction = build_transaction(message, LOCAL, 7, Gas(21_000), Fees(Wei(9), Wei(3)))
    assert (transaction.to, transaction.data, transaction.value, transaction.nonce) == (OTHER, b"x", 5, 7)
    assert (transaction.max_fee, transaction.max_priority_fee, transaction.gas) == (9, 3, 21_000)


@pytest.mark.chain
@pytest.mark.both_chains
async def test_money_arrives(rpc: RpcChain) -> None:
    before = await rpc.fetch_balance(OTHER)
    receipt = await send_and_wait(rpc, SIGNER, Message(OTHER, b"", Wei(123)), LOCAL)
    assert receipt.gas_used == 21_000
    assert await rpc.fetch_balance(OTHER) == before + 123


@pytest.mark.chain
@pytest.mark.both_chains
async def test_what_reverts_is_refused_before_it_is_sent(rpc: RpcChain) -> None:
    coordinator = (await deploy_suite(rpc, SIGNER, only=CORE)).coordinator
    nonce = await rpc.fetch_nonce(SIGNER.address)
    cancel = load_artifact("EIP712Coordinator").encode_call("cancelSubscription", [1])
    with pytest.raises(JobRejected) as caught:
        await send_and_wait(rpc, SIGNER, Message(coordinator, cancel), LOCAL)
    assert caught.value.code == "revert.SubscriptionNotFound"
    assert await rpc.fetch_nonce(SIGNER.address) == nonce
    with pytest.raises(JobRejected) as caught:
        await send_and_wait(rpc, SIGNER, Message(coordinator, cancel, gas=Gas(100_000)), LOCAL)
    assert caught.value.code == "revert.SubscriptionNotFound"
    assert await rpc.fetch_nonce(SIGNER.address) == nonce + 1


@pytest.mark.chain
@pytest.mark.both_chains
async def test_what_is_not_mined_in_time_may_still_come(local_chain: ChildChain, rpc: RpcChain) -> None:
    await local_chain.set_automine(False)
    with pytest.raises(RetryLater) as caught:
        await send_and_wait(rpc, SIGNER, Message(OTHER, b""), LOCAL, timeout_s=0.1)
    assert caught.value.code == "tx.not_mined"
    await local_chain.mine()
    assert (await rpc.fetch_receipts([caught.value.fields["tx_hash"]]))[0] is not None  # type: ignore[list-item]


@pytest.mark.chain
@pytest.mark.both_chains
async def test_what_the_endpoint_has_dropped_is_to_be_sent_again(local_chain: ChildChain, rpc: RpcChain) -> None:
    await local_chain.set_automine(False)
    tx_hash = await submit(rpc, SIGNER, Message(OTHER, b""), LOCAL)
    await local_chain.request("anvil_dropTransaction", "0x" + tx_hash.hex())
    with pytest.raises(RetryLater) as caught:
        await wait_for_receipt(rpc, tx_hash, timeout_s=0.1)
    assert caught.value.code == "tx.dropped"


class Silent(RpcChain):
    """Its endpoint stops answering before it can be asked for a transaction."""

    async def fetch_transaction(self, tx_hash: TxHash) -> MinedTransaction | None:
        raise RetryLater("chain.unreachable", f"no answer about 0x{tx_hash.hex()}")


@pytest.mark.chain
async def test_an_endpoint_that_falls_silent_does_not_lose_the_hash(local_chain: ChildChain) -> None:
    await local_chain.set_automine(False)
    async with Silent(local_chain.rpc_url) as chain:
        tx_hash = await submit(chain, SIGNER, Message(OTHER, b""), LOCAL)
        with pytest.raises(RetryLater) as caught:
            await wait_for_receipt(chain, tx_hash, timeout_s=0.1)
    assert (caught.value.code, caught.value.fields["tx_hash"]) == ("tx.not_mined", tx_hash)


@pytest.mark.chain
@pytest.mark.both_chains
async def test_waiting_transactions_are_counted_in_the_next_nonce(local_chain: ChildChain, rpc: RpcChain) -> None:
    await local_chain.set_automine(False)
    hashes = [await submit(rpc, SIGNER, Message(OTHER, b"", Wei(n)), LOCAL) for n in range(3)]
    await local_chain.mine()
    assert all(receipt and receipt.succeeded for receipt in await rpc.fetch_receipts(hashes))


@pytest.mark.chain
@pytest.mark.both_chains
async def test_a_base_fee_above_the_callers_cap_is_for_later(rpc: RpcChain) -> None:
    with pytest.raises(RetryLater) as caught:
        await send_and_wait(rpc, SIGNER, Message(OTHER, b""), LOCAL, max_fee_cap=Wei(1))
    assert caught.value.code == "fees.above_cap"
