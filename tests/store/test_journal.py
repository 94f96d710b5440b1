"""The journal keeps what it was told, all of a step or nothing, for one process at a time."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infernet.errors import NodeMisconfigured
from infernet.protocol.decision import Tracked
from infernet.protocol.events import SubscriptionFulfilled
from infernet.protocol.hashing import keccak, to_address
from infernet.protocol.subscription import DelegateRequest, Subscription, delegated_id
from infernet.store.journal import SCHEMA_VERSION, Job, Journal
from infernet.types import (
    Address,
    BlockRef,
    ChainId,
    Gas,
    Hash32,
    Interval,
    JobKey,
    ModelUse,
    SignedTransaction,
    SubscriptionId,
    SubscriptionKey,
    Timestamp,
    Transaction,
    TxHash,
    Wei,
)

CHAIN = ChainId(31337)
COORDINATOR, OTHER_COORDINATOR, OWNER, NODE = (to_address("0x" + digit * 40) for digit in "1234")
KEY = SubscriptionKey(CHAIN, COORDINATOR, OWNER, SubscriptionId(1))
JOB = Job(JobKey(KEY, Interval(1)), "accepted", Timestamp(10), None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as opened:
        yield opened


def build_tracked(number: int = 1, **fields: object) -> Tracked:
    terms = Subscription(owner=OWNER, container_id=keccak(b"a"), max_gas_price=Wei(1), max_gas_limit=Gas(200_000))
    key = KEY._replace(id=SubscriptionId(number))
    return replace(Tracked(key, terms, "a", b"f", created_block=5), **fields)  # type: ignore[arg-type]


def build_block(number: int) -> BlockRef:
    return BlockRef(number, keccak(bytes([number])), keccak(b""), Timestamp(number), Wei(7), Gas(30_000_000))


def build_event(interval: int, redundancy: int, block: int, node: Address = NODE) -> SubscriptionFulfilled:
    return SubscriptionFulfilled(
        coordinator=COORDINATOR, block_number=block, block_hash=Hash32(bytes(32)), tx_hash=TxHash(b"t" * 32),
        log_index=0, owner=OWNER, id=SubscriptionId(1), node=node, interval=Interval(interval), redundancy=redundancy,
        callback_ok=True,
    )  # fmt: skip


def build_transaction(nonce: int, sender: Address = NODE) -> SignedTransaction:
    transaction = Transaction(CHAIN, nonce, COORDINATOR, b"data", Gas(1), Wei(2), Wei(1))
    return SignedTransaction(transaction, sender, TxHash(keccak(bytes([nonce]) + sender.encode())), bytes([nonce]))


# --- subscriptions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended", [None, 9])
def test_a_subscription_is_read_as_it_was_saved(journal: Journal, ended: int | None) -> None:
    tracked = build_tracked(interval=Interval(3), delivered=2)
    journal.save_subscription(tracked, ended)
    assert journal.read_subscription(KEY) == (tracked, ended)
    assert list(journal.read_open_subscriptions(CHAIN, COORDINATOR)) == ([] if ended else [tracked])


def test_a_signed_request_is_read_as_it_was_saved(journal: Journal) -> None:
    terms = build_tracked().subscription
    request = DelegateRequest(77, Timestamp(2**40 - 1), terms, "a", b"f", b"s" * 65)
    tracked = build_tracked(delegated_id(77), request=request, created_block=None)
    journal.save_subscription(tracked)
    assert journal.read_subscription(tracked.key) == (tracked, None)


def test_a_subscription_is_kept_under_its_owner_and_coordinator(journal: Journal) -> None:
    for key in (KEY, KEY._replace(owner=NODE), KEY._replace(coordinator=OTHER_COORDINATOR)):
        journal.save_subscription(replace(build_tracked(), key=key))
    assert len(list(journal.read_open_subscriptions(CHAIN, COORDINATOR))) == 2
    assert list(journal.read_open_subscriptions(ChainId(1), COORDINATOR)) == []


def test_intervals_that_are_done_are_told_with_the_subscription(journal: Journal) -> None:
    journal.save_subscription(build_tracked())
    for interval, state in ((1, "delivered"), (2, "failed"), (3, "dropped"), (4, "sent")):
        journal.save_job(replace(JOB, key=JobKey(KEY, Interval(interval)), state=state))  # type: ignore[arg-type]
    (opened,) = journal.read_open_subscriptions(CHAIN, COORDINATOR)
    known = journal.read_subscription(KEY)
    assert known is not None
    assert opened.answered == known[0].answered == 3


def test_an_unknown_subscription_is_none(journal: Journal) -> None:
    assert journal.read_subscription(KEY) is None


def test_subscriptions_that_newer_blocks_made_or_ended_are_found(journal: Journal) -> None:
    journal.save_subscription(build_tracked(1, created_block=5))
    journal.save_subscription(build_tracked(2, created_block=6))
    journal.save_subscription(build_tracked(3, created_block=2), 6)
    assert [key.id for key in journal.read_subscriptions_since(CHAIN, COORDINATOR, 5)] == [2, 3]


def test_a_subscription_is_removed_with_its_jobs(journal: Journal) -> None:
    journal.save_subscription(build_tracked())
    journal.save_job(JOB)
    journal.remove_subscription(KEY)
    assert journal.read_subscription(KEY) is None
    assert journal.read_jobs(KEY) == []


def test_progress_is_forgotten_and_signed_requests_stay(journal: Journal) -> None:
    request = DelegateRequest(1, Timestamp(9), build_tracked().subscription, "a", b"f", b"s")
    signed = build_tracked(delegated_id(1), request=request, interval=Interval(1), delivered=1)
    journal.save_subscription(signed, 7)
    journal.save_subscription(build_tracked())
    journal.save_job(JOB)
    journal.add_blocks(CHAIN, COORDINATOR, [build_block(1)], 64)
    journal.remove_progress(CHAIN, COORDINATOR)
    fresh = replace(signed, created_block=None, interval=Interval(0), delivered=0)
    assert list(journal.read_open_subscriptions(CHAIN, COORDINATOR)) == [fresh]
    assert journal.read_blocks(CHAIN, COORDINATOR) == []
    assert journal.read_jobs(KEY) == []


# --- jobs ---------------------------------------------------------------------------------------------------------

jobs = st.builds(
    Job,
    key=st.builds(lambda i: JobKey(KEY, Interval(i)), st.integers(1, 2**32 - 1)),
    state=st.sampled_from(["accepted", "computed", "signed", "sent", "delivered", "failed", "dropped"]),
    starts_at=st.integers(0, 2**40 - 1),
    ends_at=st.one_of(st.none(), st.integers(0, 2**41)),
    code=st.text(st.characters(codec="utf-8"), max_size=20),
    note=st.text(st.characters(codec="utf-8"), max_size=20),
    attempts=st.integers(0, 100),
    output=st.one_of(st.none(), st.binary(max_size=50)),
    proof=st.one_of(st.none(), st.binary(max_size=50)),
    tx_hash=st.one_of(st.none(), st.binary(min_size=32, max_size=32)),
)


@given(job=jobs)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_a_job_is_read_as_it_was_saved(journal: Journal, job: Job) -> None:
    journal.save_job(job)
    assert journal.read_job(job.key) == job
    assert job in journal.read_jobs(KEY)
    assert (job in journal.read_open_jobs(CHAIN, COORDINATOR)) == job.is_open


def test_saving_a_job_again_moves_it(journal: Journal) -> None:
    journal.save_job(JOB)
    journal.save_job(replace(JOB, state="computed", output=b"out"))
    assert journal.read_jobs(KEY) == [replace(JOB, state="computed", output=b"out")]
    assert journal.count_jobs(CHAIN) == {"computed": 1}


def test_one_job_is_removed(journal: Journal) -> None:
    second = replace(JOB, key=JobKey(KEY, Interval(2)))
    journal.save_job(JOB)
    journal.save_job(second)
    journal.remove_job(JOB.key)
    assert journal.read_jobs(KEY) == [second]


# --- blocks and what undoes them ----------------------------------------------------------------------------------


def test_only_the_newest_blocks_and_their_answers_are_kept(journal: Journal) -> None:
    for number in range(1, 11):
        journal.add_fulfilment(build_tracked(), build_event(number, 1, number))
    journal.add_blocks(CHAIN, COORDINATOR, [build_block(number) for number in range(1, 11)], keep=4)
    assert [block.number for block in journal.read_blocks(CHAIN, COORDINATOR)] == [7, 8, 9, 10]
    assert journal.read_blocks(CHAIN, COORDINATOR)[0] == build_block(7)
    undone = journal.remove_fulfilments_above(CHAIN, COORDINATOR, 0)
    assert [fulfilment.job.interval for fulfilment in undone] == [10, 9, 8, 7]


def test_each_coordinator_has_its_own_place_on_the_chain(journal: Journal) -> None:
    journal.add_blocks(CHAIN, COORDINATOR, [build_block(100)], keep=64)
    journal.add_blocks(CHAIN, OTHER_COORDINATOR, [build_block(3)], keep=64)
    assert [block.number for block in journal.read_blocks(CHAIN, OTHER_COORDINATOR)] == [3]
    journal.remove_blocks_above(CHAIN, COORDINATOR, 0)
    assert journal.read_blocks(CHAIN, COORDINATOR) == []
    assert len(journal.read_blocks(CHAIN, OTHER_COORDINATOR)) == 1


def test_answers_are_taken_back_newest_first_with_what_was_before(journal: Journal) -> None:
    before = build_tracked(interval=Interval(1), delivered=1, answered=Interval(1))
    journal.add_fulfilment(before, build_event(2, 1, 20))
    journal.add_fulfilment(before.with_delivery(Interval(2), 1), build_event(2, 2, 21, OWNER))
    newest, oldest = journal.remove_fulfilments_above(CHAIN, COORDINATOR, 19)
    assert (newest.node, newest.interval_before, newest.delivered_before) == (OWNER, 2, 1)
    assert (oldest.node, oldest.interval_before, oldest.delivered_before, oldest.answered_before) == (NODE, 1, 1, 1)
    assert journal.remove_fulfilments_above(CHAIN, COORDINATOR, 0) == []


# --- transactions -------------------------------------------------------------------------------------------------


def test_pending_transactions_are_read_by_nonce_as_they_were_signed(journal: Journal) -> None:
    transactions = [build_transaction(nonce) for nonce in (2, 0, 1)]
    for number, signed in enumerate(transactions):
        journal.add_transaction(signed, number)
    journal.add_transaction(build_transaction(0, OWNER), 5)
    pending = journal.read_pending_transactions(CHAIN, NODE)
    assert [p.signed for p in pending] == sorted(transactions, key=lambda signed: signed.transaction.nonce)
    assert [p.sent_block for p in pending] == [1, 2, 0]


def test_closed_transactions_are_not_pending_and_unknown_ones_are_not_counted(journal: Journal) -> None:
    first, second = build_transaction(0), build_transaction(1)
    journal.add_transaction(first, 0)
    journal.add_transaction(second, 0)
    assert journal.close_transactions([first.hash, TxHash(bytes(32))], "mined") == 1
    assert journal.close_transactions([], "mined") == 0
    assert [p.signed for p in journal.read_pending_transactions(CHAIN, NODE)] == [second]


def test_a_reorg_opens_mined_transactions_from_a_nonce_on(journal: Journal) -> None:
    signed = [build_transaction(nonce) for nonce in range(4)]
    for tx in signed:
        journal.add_transaction(tx, 0)
    journal.close_transactions([tx.hash for tx in signed[:3]], "mined")
    journal.close_transactions([signed[3].hash], "replaced")
    journal.reopen_transactions(CHAIN, NODE, 1)
    assert [p.signed for p in journal.read_pending_transactions(CHAIN, NODE)] == signed[1:3]


def test_the_jobs_of_a_transaction_are_found(journal: Journal) -> None:
    tx = build_transaction(0)
    journal.save_job(replace(JOB, state="signed", tx_hash=tx.hash))
    assert [job.key for job in journal.read_jobs_of_transaction(tx.hash)] == [JOB.key]
    assert journal.read_jobs_of_transaction(TxHash(bytes(32))) == []


# --- steps --------------------------------------------------------------------------------------------------------


def second_job() -> Job:
    return replace(JOB, key=JobKey(KEY, Interval(2)))


def fail_in_a_step(journal: Journal, *jobs: Job) -> None:
    with journal.step():
        for job in jobs:
            with journal.step():
                journal.save_job(job)
        raise RuntimeError


def test_a_step_that_fails_leaves_nothing(journal: Journal) -> None:
    with pytest.raises(RuntimeError):
        fail_in_a_step(journal, JOB, second_job())
    assert journal.read_jobs(KEY) == []
    journal.save_job(JOB)
    assert journal.read_jobs(KEY) == [JOB]


def test_an_inner_step_that_fails_takes_back_its_own_writes_only(journal: Journal) -> None:
    with journal.step():
        journal.save_job(JOB)
        with pytest.raises(RuntimeError):
            fail_in_a_step(journal, second_job())
    assert journal.read_jobs(KEY) == [JOB]


def test_nested_steps_are_written_together(journal: Journal, path: Path) -> None:
    with journal.step():
        with journal.step(), journal.step():
            journal.save_job(JOB)
        with sqlite3.connect(path) as reader:
            assert reader.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
    with sqlite3.connect(path) as reader:
        assert reader.execute("SELECT count(*) FROM jobs").fetchone() == (1,)


# --- the file -----------------------------------------------------------------------------------------------------


def test_everything_is_there_after_reopening(path: Path) -> None:
    with Journal(path) as first:
        first.save_job(JOB)
        first.save_subscription(build_tracked())
        first.add_blocks(CHAIN, COORDINATOR, [build_block(1)], 64)
    with Journal(path) as second:
        assert second.read_jobs(KEY) == [JOB]
        assert second.read_subscription(KEY) is not None
        assert second.read_blocks(CHAIN, COORDINATOR) == [build_block(1)]


def test_a_second_process_is_refused(journal: Journal, path: Path) -> None:
    code = f"from pathlib import Path; from infernet.store.journal import Journal; Journal(Path({str(path)!r}))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert process.returncode == 1
    assert "another node uses the journal" in process.stderr


def test_a_second_opening_in_this_process_is_refused_until_the_first_is_closed(path: Path) -> None:
    first = Journal(path)
    with pytest.raises(NodeMisconfigured) as caught:
        Journal(path)
    assert caught.value.code == "journal.in_use"
    first.close()
    Journal(path).close()


def test_a_journal_of_another_version_is_refused_and_let_go(path: Path) -> None:
    Journal(path).close()
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    for _ in range(2):
        with pytest.raises(NodeMisconfigured) as caught:
            Journal(path)
        assert caught.value.code == "journal.version"


def test_a_journal_of_the_version_before_is_brought_up_to_date(path: Path) -> None:
    with Journal(path) as journal:
        journal.save_job(JOB)
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE jobs DROP COLUMN models")
        database.execute("PRAGMA user_version = 1")
    model = ModelUse("wine", "wine version 3", "ab" * 32, "run-1")
    with Journal(path) as journal:
        assert journal.read_job(JOB.key) == JOB
        journal.save_job(replace(JOB, models=(model,)))
        assert journal.read_newest_jobs(JOB.key.subscription)[0].models == (model,)


def test_a_file_that_is_no_journal_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("a letter, and certainly no database " * 20)
    with pytest.raises(NodeMisconfigured) as caught:
        Journal(path)
    assert caught.value.code == "journal.unusable"


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NodeMisconfigured) as caught:
        Journal(tmp_path / "file" / "journal.sqlite")
    assert caught.value.code == "journal.unusable"
