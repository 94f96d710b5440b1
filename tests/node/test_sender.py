"""The sender against a chain in memory: nonces, refusals, reverts, replacements, cancellations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes

from infernet.chain.fees import Fees
from infernet.chain.local import DEV_ACCOUNTS
from infernet.errors import JobRejected, NodeMisconfigured, RetryLater
from infernet.keys.signer import LocalSigner
from infernet.node.delivery import GasPolicy, build_delivery, find_end
from infernet.node.outbox import Outbox, compute_next_nonce
from infernet.node.sender import Sender
from infernet.protocol.calldata import decode_delivery
from infernet.protocol.decision import Tracked
from infernet.protocol.deliveries import decode_deliveries, is_batch
from infernet.protocol.hashing import keccak, to_address
from infernet.protocol.subscription import DelegateRequest, Subscription
from infernet.store.journal import Job, Journal
from infernet.testing.fake_chain import FakeChain
from infernet.testing.world import wait_until
from infernet.types import (
    Call,
    ChainId,
    Gas,
    Hash32,
    Interval,
    JobKey,
    Receipt,
    SubscriptionId,
    SubscriptionKey,
    Timestamp,
    TxHash,
    Wei,
)

CHAIN = ChainId(31337)
COORDINATOR, OWNER = (to_address("0x" + digit * 40) for digit in "12")
SIGNER = LocalSigner(DEV_ACCOUNTS[2].private_key)
GWEI = 10**9
FEES = Fees(Wei(2), Wei(1))


def build_key(number: int) -> SubscriptionKey:
    return SubscriptionKey(CHAIN, COORDINATOR, OWNER, SubscriptionId(number))


def build_tracked(number: int, price: int = 1000 * GWEI) -> Tracked:
    terms = Subscription(owner=OWNER, container_id=keccak(b"a"), max_gas_price=Wei(price), max_gas_limit=Gas(200_000))
    return Tracked(build_key(number), terms, "a", b"f", created_block=1)


def build_job(number: int, ends_at: int | None = None) -> Job:
    key = JobKey(build_key(number), Interval(1))
    return Job(key, "computed", Timestamp(1), None if ends_at is None else Timestamp(ends_at), output=b"out")


class Desk:
    """A sender at work, its chain and its journal."""

    def __init__(self, folder: Path) -> None:
        self.chain = FakeChain()
        self.journal = Journal(folder / "journal.sqlite")
        self.tracked = {build_key(number): build_tracked(number) for number in range(1, 9)}
        self.ended: list[Job] = []
        self.gas_policy = GasPolicy()
        self.open()

    def open(self) -> None:
        self.outbox = Outbox(self.chain, SIGNER, self.journal, CHAIN, self.gas_policy)
        self.sender = Sender(
            self.chain, self.outbox, self.journal, self.gas_policy, find=self.tracked.get, on_end=self.ended.append
        )

    def submit(self, *jobs: Job) -> None:
        for job in jobs:
            self.journal.save_job(job)
            self.sender.submit(job)

    def see_head(self, blocks: int = 1, base_fee: int = GWEI, is_rolled_back: bool = False) -> None:
        self.sender.set_head(self.chain.mine(blocks, base_fee=base_fee), 1, is_rolled_back)

    def mine_pool(self, succeeded: bool = True) -> None:
        """All that was broadcast is in the next block; no event is followed."""
        for tx_hash in self.chain.pool:
            self.chain.receipts[tx_hash] = Receipt(tx_hash, 1, Hash32(bytes(32)), succeeded, Gas(1), Wei(1), None, ())
        self.chain.nonces[SIGNER.address] = 1 + max(self.nonces())
        self.chain.pool.clear()

    def nonces(self) -> list[int]:
        return [decode(raw)["nonce"] for raw in self.chain.pool.values()]

    def state(self, number: int = 1) -> str:
        job = self.journal.read_job(JobKey(build_key(number), Interval(1)))
        return job.state if job else ""

    def code(self, number: int = 1) -> str:
        job = self.journal.read_job(JobKey(build_key(number), Interval(1)))
        return job.code if job else ""

    def attempts(self, number: int = 1) -> int:
        job = self.journal.read_job(JobKey(build_key(number), Interval(1)))
        return job.attempts if job else 0

    async def rest(self) -> None:
        for _ in range(50):
            await asyncio.sleep(0)


def decode(raw: bytes) -> dict[str, int]:
    return TypedTransaction.from_bytes(HexBytes(raw)).as_dict()  # type: ignore[no-any-return]


def recover(raw: bytes) -> str:
    return str(Account.recover_transaction(raw))


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr("infernet.node.sender.FIRST_RETRY_S", 0.01)
    desk = Desk(tmp_path)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(desk.sender.run())
        yield desk
        task.cancel()
    desk.journal.close()


async def test_what_is_ready_goes_in_one_transaction(desk: Desk) -> None:
    desk.chain.nonces[SIGNER.address] = 7
    desk.submit(build_job(1), build_job(2), build_job(3))
    desk.see_head()
    await wait_until(lambda: desk.state(3) == "sent")
    assert desk.nonces() == [7]
    (raw,) = desk.chain.pool.values()
    delivered = decode_deliveries(bytes(decode(raw)["data"]))  # type: ignore[call-overload]
    assert [item and item.id for item in delivered] == [1, 2, 3]
    assert [desk.state(number) for number in (1, 2, 3)] == ["sent"] * 3


async def test_a_single_delivery_stays_plain(desk: Desk) -> None:
    desk.submit(build_job(1))
    desk.see_head()
    await wait_until(lambda: desk.state() == "sent")
    (raw,) = desk.chain.pool.values()
    assert not is_batch(bytes(decode(raw)["data"]))  # type: ignore[call-overload]


async def test_a_batch_that_fails_as_a_whole_is_taken_apart(desk: Desk) -> None:
    def refuse_batches(call: object) -> bytes:
        if is_batch(call.data):  # type: ignore[attr-defined]
            raise JobRejected("revert.InsufficientGas", "no")
        return b""

    desk.chain.answer_call = refuse_batches
    desk.submit(build_job(1), build_job(2))
    desk.see_head()
    await wait_until(lambda: len(desk.chain.pool) == 2)
    assert desk.nonces() == [0, 1]


async def test_what_went_wrong_before_goes_alone(desk: Desk) -> None:
    desk.submit(replace(build_job(1), attempts=1), build_job(2), build_job(3))
    desk.see_head()
    await wait_until(lambda: len(desk.chain.pool) == 2)
    sizes = [len(decode_deliveries(bytes(decode(raw)["data"]))) for raw in desk.chain.pool.values()]  # type: ignore[call-overload]
    assert sizes == [1, 2]


async def test_a_batch_pays_the_least_that_its_items_may_and_what_may_pay_less_stays_apart(desk: Desk) -> None:
    for number, price in enumerate((50, 1000, 2, 2), start=1):
        desk.tracked[build_key(number)] = build_tracked(number, price=price * GWEI)
    desk.submit(*(build_job(number) for number in (1, 2, 3, 4)))
    desk.see_head(base_fee=GWEI)
    await wait_until(lambda: len(desk.chain.pool) == 2)
    assert [decode(raw)["maxFeePerGas"] for raw in desk.chain.pool.values()] == [3 * GWEI, 2 * GWEI]


async def test_a_batch_stays_below_what_one_transaction_may_use(desk: Desk) -> None:
    for number in range(1, 9):
        tracked = build_tracked(number)
        terms = replace(tracked.subscription, max_gas_limit=Gas(6_000_000))
        desk.tracked[tracked.key] = replace(tracked, subscription=terms)
    desk.submit(*(build_job(number) for number in range(1, 9)))
    desk.see_head()
    await wait_until(lambda: desk.state(8) == "sent")
    assert len(desk.chain.pool) == 4
    assert all(decode(raw)["gas"] <= 2**24 for raw in desk.chain.pool.values())


async def test_jobs_sent_one_after_the_other_take_consecutive_nonces(desk: Desk) -> None:
    desk.chain.nonces[SIGNER.address] = 7
    for number in (1, 2, 3):
        desk.submit(build_job(number))
        desk.see_head()
        await wait_until(lambda number=number: desk.state(number) == "sent")  # type: ignore[misc]
    assert desk.nonces() == [7, 8, 9]
    assert {recover(raw) for raw in desk.chain.pool.values()} == {SIGNER.address}
    assert [desk.state(number) for number in (1, 2, 3)] == ["sent"] * 3


async def test_what_is_broadcast_stands_in_the_journal_before(desk: Desk) -> None:
    seen: list[tuple[str, int]] = []

    def look(method: str) -> None:
        if method == "submit_many":
            seen.append((desk.state(), len(desk.journal.read_pending_transactions(CHAIN, SIGNER.address))))

    desk.chain.before_request = look
    desk.submit(build_job(1))
    desk.see_head()
    await wait_until(lambda: desk.state() == "sent")
    assert seen == [("signed", 1)]


async def test_a_refused_simulation_costs_nothing_and_the_others_go_out(desk: Desk) -> None:
    def refuse_second(call: object) -> bytes:
        delivery = decode_delivery(call.data)  # type: ignore[attr-defined]
        if delivery is not None and delivery.id == 2:
            raise JobRejected("revert.CallbackFailed", "the consumer reverts")
        return b""

    desk.chain.answer_call = refuse_second
    desk.submit(build_job(1), build_job(2), build_job(3))
    desk.see_head()
    await desk.rest()
    assert set(desk.nonces()) == {0}
    assert (desk.state(2), desk.code(2)) == ("computed", "revert.CallbackFailed")


def refuse(_: object) -> bytes:
    raise JobRejected("revert.CallbackFailed", "the consumer reverts")


async def test_a_refused_answer_is_simulated_at_growing_gaps_and_given_up_after_a_day_or_so(desk: Desk) -> None:
    tried_at: list[int] = []

    def note_and_refuse(call: object) -> bytes:
        tried_at.append(desk.chain.head.number)
        return refuse(call)

    desk.chain.answer_call = note_and_refuse
    desk.submit(build_job(1))
    while desk.state() != "failed":
        desk.see_head()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert desk.chain.head.number < 2_000
    gaps = [after - before for before, after in pairwise(tried_at)]
    assert gaps[:8] == [1, 2, 4, 8, 16, 32, 64, 64]
    assert len(tried_at) == 20
    assert desk.code() == "revert.CallbackFailed"


async def test_a_refused_answer_of_an_interval_is_tried_until_that_ends(desk: Desk) -> None:
    desk.chain.answer_call = refuse
    job = build_job(1, ends_at=desk.chain.head.timestamp + 1_000_000)
    desk.submit(replace(job, attempts=500))
    for _ in range(200):
        desk.see_head()
        await asyncio.sleep(0)
    assert desk.state() == "computed"
    desk.chain.answer_call = lambda _: b""
    for _ in range(70):
        desk.see_head()
        await asyncio.sleep(0)
    await wait_until(lambda: desk.state() == "sent")


async def test_a_signer_that_is_not_there_yet_is_waited_for(desk: Desk) -> None:
    answers = iter([JobRejected("revert.InvalidSignature", "no such signer")])

    def deploy(_: object) -> bytes:
        if (error := next(answers, None)) is not None:
            raise error
        return b""

    desk.chain.answer_call = deploy
    desk.submit(build_job(1))
    desk.see_head()
    await wait_until(lambda: desk.code() == "revert.InvalidSignature")
    desk.see_head()
    await wait_until(lambda: desk.state() == "sent")


async def test_what_was_withdrawn_leaves_no_pause_to_its_successor(desk: Desk) -> None:
    desk.chain.answer_call = refuse
    desk.submit(replace(build_job(1), attempts=7))
    desk.see_head()
    await wait_until(lambda: desk.code() == "revert.CallbackFailed")
    desk.sender.withdraw(build_key(1))
    desk.chain.answer_call = lambda _: b""
    desk.submit(build_job(1))
    desk.see_head()
    await wait_until(lambda: desk.state() == "sent")


async def test_a_reorg_has_what_was_refused_looked_at_again(desk: Desk) -> None:
    desk.chain.answer_call = refuse
    desk.submit(replace(build_job(1), attempts=7))
    desk.see_head()
    await wait_until(lambda: desk.code() == "revert.CallbackFailed")
    desk.chain.answer_call = lambda _: b""
    desk.see_head()
    await desk.rest()
    assert desk.state() == "computed"
    desk.see_head(is_rolled_back=True)
    desk.see_head()
    await wait_until(lambda: desk.state() == "sent")


async def test_a_delivery_is_simulated_at_the_price_that_it_will_pay(desk: Desk) -> None:
    prices: list[Wei | None] = []

    def look(call: Call) -> bytes:
        prices.append(call.gas_price)
        return b""

    desk.chain.answer_call = look
    desk.submit(build_job(1))
    desk.see_head(base_fee=5 * GWEI)
    await wait_until(lambda: desk.state() == "sent")
    assert prices == [6 * GWEI]


async def test_an_account_that_cannot_pay_holds_its_answers_and_says_so(desk: Desk) -> None:
    def want_money(_: Call) -> bytes:
        raise RetryLater("tx.insufficient_funds", "send coins")

    desk.chain.answer_call = want_money
    desk.submit(build_job(1))
    desk.see_head()
    await wait_until(lambda: desk.code() == "tx.insufficient_funds")
    assert (desk.state(), desk.ended) == ("computed", [])
    desk.chain.answer_call = lambda _: b""
    await wait_until(lambda: desk.state() == "sent")
    assert desk.code() == ""


async def test_heads_that_come_while_the_endpoint_hangs_are_one(desk: Desk) -> None:
    desk.see_head(is_rolled_back=True)
    for _ in range(100):
        desk.see_head()
    assert desk.sender._inbox.qsize() == 1
    assert desk.sender._newest is not None
    assert desk.sender._newest.is_rolled_back
    assert desk.sender._newest.block == desk.chain.head


@pytest.mark.parametrize("name", ["SubscriptionNotFound", "IntervalCompleted", "AlreadyDelivered", "NonceUsed"])
async def test_a_final_revert_ends_the_job_at_once(desk: Desk, name: str) -> None:
    def refuse(_: object) -> bytes:
        raise JobRejected(f"revert.{name}", "no")

    desk.chain.answer_call = refuse
    desk.submit(build_job(1))
    desk.see_head()
    await wait_until(lambda: desk.state() == "dropped")
    assert desk.code() == f"revert.{name}"
    assert desk.ended[0].key == build_job(1).key


async def test_a_job_whose_subscription_is_over_is_dropped(desk: Desk) -> None:
    desk.submit(build_job(99))
    desk.see_head()
    await wait_until(lambda: desk.state(99) == "dropped")
    assert desk.code(99) == "subscription.over"


async def test_a_subscription_that_ends_while_it_is_simulated_does_not_end_the_node(desk: Desk) -> None:
    def end(_: object) -> bytes:
        desk.tracked.clear()
        return b""

    desk.chain.answer_call = end
    desk.submit(build_job(1))
    desk.see_head()
    await desk.rest()
    desk.see_head()
    await wait_until(lambda: desk.state() == "dropped")
    assert desk.chain.pool == {}


async def test_other_terms_under_the_same_id_get_no_answer_computed_for_the_old(desk: Desk) -> None:
    def change(_: object) -> bytes:
        desk.tracked[build_key(1)] = build_tracked(1, price=5000 * GWEI)
        desk.sender.withdraw(build_key(1))
        return b""

    desk.chain.answer_call = change
    desk.submit(build_job(1))
    desk.see_head()
    await desk.rest()
    desk.see_head()
    await desk.rest()
    assert desk.chain.pool == {}


@pytest.mark.parametrize("name", ["SubscriptionNotFound", "CallbackFailed"])
async def test_a_refusal_of_what_was_withdrawn_meanwhile_leaves_the_new_job_alone(desk: Desk, name: str) -> None:
    anew = replace(build_job(1), state="accepted", output=None)

    def change(_: object) -> bytes:
        desk.tracked[build_key(1)] = build_tracked(1, price=5000 * GWEI)
        desk.journal.save_job(anew)
        desk.sender.withdraw(build_key(1))
        raise JobRejected(f"revert.{name}", "no")

    desk.chain.answer_call = change
    desk.submit(build_job(1))
    desk.see_head()
    await desk.rest()
    assert desk.journal.read_job(anew.key) == anew
    assert desk.ended == []


async def test_an_endpoint_that_refuses_for_now_is_asked_again_without_a_new_head(desk: Desk) -> None:
    refusals = iter([RetryLater("tx.insufficient_funds", "send coins")] * 3)
    desk.chain.refuse = lambda _: next(refusals, None)
    desk.submit(build_job(1))
    desk.see_head()
    await wait_until(lambda: desk.state() == "sent")
    assert desk.nonces() == [0]


async def test_a_transaction_that_the_endpoint_never_takes_fails_alone_and_leaves_no_gap(desk: Desk) -> None:
    def refuse_the_first(raw: bytes) -> JobRejected | None:
        is_it = b"poison" in raw
        return JobRejected("tx.gas_limit_too_high", "above what the endpoint allows") if is_it else None

    desk.chain.refuse = refuse_the_first
    desk.submit(replace(build_job(1), output=b"poison"), build_job(2))
    desk.see_head()
    await wait_until(lambda: desk.state(1) == "failed" and desk.state(2) == "sent")
    assert desk.code(1) == "tx.gas_limit_too_high"
    assert sorted(desk.nonces()) == list(range(len(desk.nonces())))


async def test_a_reverted_delivery_is_tried_anew_once(desk: Desk) -> None:
    desk.submit(build_job(1))
    for _ in range(2):
        desk.see_head()
        await wait_until(lambda: len(desk.chain.pool) == 1)
        await wait_until(lambda: desk.state() == "sent")
        desk.mine_pool(succeeded=False)
    desk.see_head()
    await wait_until(lambda: desk.state() == "failed")
    assert desk.code() == "transaction.reverted"
    assert len(desk.chain.receipts) == 2


async def test_a_refusal_between_two_reverted_deliveries_does_not_make_the_second_a_first(desk: Desk) -> None:
    desk.submit(build_job(1))
    desk.see_head()
    await wait_until(lambda: desk.state() == "sent")
    desk.mine_pool(succeeded=False)
    desk.chain.answer_call = refuse
    desk.see_head()
    await wait_until(lambda: desk.state() == "computed" and desk.attempts() == 2)
    desk.chain.answer_call = lambda _: b""
    desk.see_head(5)
    await wait_until(lambda: desk.state() == "sent")
    desk.mine_pool(succeeded=False)
    desk.see_head()
    await wait_until(lambda: desk.state() == "failed")


async def test_a_nonce_used_elsewhere_has_the_delivery_signed_anew(desk: Desk) -> None:
    desk.submit(build_job(1))
    desk.see_head()
    await wait_until(lambda: desk.state() == "sent")
    desk.chain.pool.clear()
    desk.chain.nonces[SIGNER.address] = 1
    desk.see_head()
    await wait_until(lambda: desk.nonces() == [1])


async def test_a_stuck_transaction_is_paid_more_for_and_never_above_its_limit(desk: Desk) -> None:
    desk.tracked[build_key(1)] = build_tracked(1, price=4 * GWEI)
    desk.submit(build_job(1))
    desk.see_head()
    await wait_until(lambda: desk.state() == "sent")
    for _ in range(30):
        desk.see_head()
        await desk.rest()
    bids = [decode(raw)["maxFeePerGas"] for raw in desk.chain.pool.values()]
    assert len(bids) > 1
    assert bids == sorted(bids)
    assert max(bids) <= 4 * GWEI
    assert set(desk.nonces()) == {0}


async def test_a_delivery_that_cannot_be_in_time_any_more_is_cancelled(desk: Desk) -> None:
    now = desk.chain.head.timestamp
    desk.submit(build_job(1, ends_at=now + 30))
    desk.see_head()
    await wait_until(lambda: desk.state() == "sent")
    desk.see_head(2)
    await wait_until(lambda: desk.state() == "dropped")
    assert desk.code() == "interval.over"
    last = [decode(raw) for raw in desk.chain.pool.values()][-1]
    assert (last["nonce"], last["gas"]) == (0, 21_000)


async def test_after_a_restart_what_was_signed_is_broadcast_byte_for_byte(desk: Desk) -> None:
    for number in (1, 2):
        desk.submit(build_job(number))
        desk.see_head()
        await wait_until(lambda number=number: desk.state(number) == "sent")  # type: ignore[misc]
    before = dict(desk.chain.pool)
    desk.chain.pool.clear()
    again = Desk.__new__(Desk)
    again.__dict__.update(desk.__dict__)
    again.open()
    again.submit(build_job(3))
    again.see_head()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(again.sender.run())
        await wait_until(lambda: len(again.chain.pool) == 3)
        task.cancel()
    assert before.items() <= again.chain.pool.items()
    assert sorted(again.nonces()) == [0, 1, 2]


async def test_after_a_reorg_mined_deliveries_are_broadcast_again(desk: Desk) -> None:
    desk.submit(build_job(1))
    desk.see_head()
    await wait_until(lambda: desk.state() == "sent")
    (tx_hash,) = desk.chain.pool
    desk.mine_pool()
    job = desk.journal.read_job(build_job(1).key)
    assert job is not None
    desk.journal.save_job(replace(job, state="delivered"))
    desk.sender.set_delivered(job.key, tx_hash)
    desk.see_head()
    await desk.rest()
    assert desk.outbox.pending == []
    desk.chain.nonces[SIGNER.address] = 0
    desk.journal.save_job(replace(job, state="sent"))
    desk.see_head(is_rolled_back=True)
    await wait_until(lambda: list(desk.chain.pool) == [tx_hash])


async def test_an_endpoint_that_claims_to_know_no_method_does_not_end_the_node(desk: Desk) -> None:
    desk.chain.failures = [NodeMisconfigured("chain.method_unsupported", "no such method")] * 3
    desk.submit(build_job(1))
    desk.see_head()
    await wait_until(lambda: desk.state() == "sent")


async def test_the_base_fee_above_the_limit_is_waited_out(desk: Desk) -> None:
    desk.tracked[build_key(1)] = build_tracked(1, price=2 * GWEI)
    desk.submit(build_job(1))
    desk.see_head(base_fee=3 * GWEI)
    await desk.rest()
    assert desk.chain.pool == {}
    desk.see_head(base_fee=2 * GWEI)
    await wait_until(lambda: desk.state() == "sent")


# --- pure ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mined", "pending", "expected"), [(0, [], 0), (5, [], 5), (5, [5, 6], 7), (5, [5, 7], 6), (5, [3, 4], 5)]
)
def test_the_next_nonce_is_the_lowest_free_one(mined: int, pending: list[int], expected: int) -> None:
    assert compute_next_nonce(mined, pending) == expected


def test_a_delivery_creates_what_is_only_signed_so_far_and_fits_a_block() -> None:
    head = FakeChain().head
    tracked = build_tracked(1)
    request = DelegateRequest(1, Timestamp(9), tracked.subscription, "a", b"f", b"s" * 65)
    signed = replace(tracked, request=request, created_block=None)
    plain = build_delivery(build_job(1), tracked, SIGNER.address, head, FEES)
    delegated = build_delivery(build_job(1), signed, SIGNER.address, head, FEES)
    assert plain.data[:4] != delegated.data[:4]
    assert (
        plain.data[:4]
        == build_delivery(build_job(1), replace(signed, created_block=2), SIGNER.address, head, FEES).data[:4]
    )
    small = replace(head, gas_limit=Gas(100_000))
    assert build_delivery(build_job(1), tracked, SIGNER.address, small, FEES).gas == 100_000


def test_a_delivery_is_over_one_block_before_its_interval_is() -> None:
    head = FakeChain().head
    job = build_job(1, ends_at=head.timestamp + 12)
    assert find_end(job, build_tracked(1), head, 11) is None
    assert find_end(job, build_tracked(1), head, 12) is not None
    assert find_end(job, None, head, 1) is not None


def test_the_lower_of_the_two_limits_on_the_gas_price_counts() -> None:
    terms = build_tracked(1, price=50).subscription
    assert [GasPolicy(max_fee=fee).compute_cap(terms) for fee in (None, Wei(10), Wei(90))] == [50, 10, 50]


def test_a_transactions_hash_is_that_of_its_bytes(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    asyncio.run(desk.outbox.find_nonce(desk.chain.head))
    call = build_delivery(build_job(1), build_tracked(1), SIGNER.address, desk.chain.head, FEES)
    signed = desk.outbox.sign(call, Fees(Wei(2), Wei(1)), desk.chain.head)
    assert signed.hash == TxHash(keccak(signed.raw))
    desk.journal.close()
