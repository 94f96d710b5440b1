"""A journal does not grow for ever: what no reorg can undo loses its bytes, and of that the newest are kept."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from infernet.protocol.decision import Tracked
from infernet.protocol.hashing import keccak, to_address
from infernet.protocol.subscription import DelegateRequest, Subscription, delegated_id
from infernet.store import pruning
from infernet.store.journal import Job, Journal
from infernet.types import (
    BlockRef,
    ChainId,
    Gas,
    Interval,
    JobKey,
    SignedTransaction,
    SubscriptionId,
    SubscriptionKey,
    Timestamp,
    Transaction,
    TxHash,
    Wei,
)

CHAIN = ChainId(31337)
COORDINATOR, OWNER, NODE = (to_address("0x" + digit * 40) for digit in "123")
KEY = SubscriptionKey(CHAIN, COORDINATOR, OWNER, SubscriptionId(1))
TERMS = Subscription(owner=OWNER, container_id=keccak(b"a"), max_gas_price=Wei(1), max_gas_limit=Gas(200_000))
KEEP_BLOCKS = 4
COUNTED = "SELECT state, count(*) FROM jobs GROUP BY state"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as opened:
        yield opened


@pytest.fixture
def keep_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "KEEP_ENDED", 2)


def add_block(journal: Journal, number: int) -> None:
    block = BlockRef(number, keccak(b"%d" % number), keccak(b""), Timestamp(number), Wei(7), Gas(30_000_000))
    journal.add_blocks(CHAIN, COORDINATOR, [block], KEEP_BLOCKS)


def build_job(interval: int, state: str = "delivered") -> Job:
    return Job(JobKey(KEY, Interval(interval)), state, Timestamp(10), None, output=b"o" * 32, proof=b"p" * 32)  # type: ignore[arg-type]


def build_tracked(number: int = 1, created_block: int | None = 1) -> Tracked:
    return Tracked(KEY._replace(id=SubscriptionId(number)), TERMS, "a", b"f", created_block=created_block)


def build_signed(nonce: int, expiry: int) -> Tracked:
    request = DelegateRequest(nonce, Timestamp(expiry), TERMS, "a", b"f", b"s" * 65)
    return replace(build_tracked(delegated_id(nonce), None), request=request)


def build_transaction(nonce: int) -> SignedTransaction:
    transaction = Transaction(CHAIN, nonce, COORDINATOR, b"data", Gas(1), Wei(2), Wei(1))
    return SignedTransaction(transaction, NODE, TxHash(keccak(bytes([nonce]))), bytes([nonce]))


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as reader:
        rows = reader.execute(statement).fetchall()
    reader.close()
    return rows


def test_twenty_thousand_jobs_leave_ten_thousand_and_the_counts_agree(journal: Journal, path: Path) -> None:
    journal.save_subscription(build_tracked())
    for block in range(100):
        with journal.step():
            for interval in range(200 * block, 200 * block + 200):
                state = "failed" if interval % 10 == 0 else "delivered"
                journal.save_job(build_job(interval + 1, state))
            add_block(journal, block)
    journal.save_job(build_job(20_001, "sent"))
    for block in range(100, 100 + KEEP_BLOCKS + 1):
        add_block(journal, block)
    assert journal.count_jobs(CHAIN) == {"delivered": 9_000, "failed": 1_000, "sent": 1}
    assert dict(query(path, COUNTED)) == journal.count_jobs(CHAIN)
    assert query(path, "SELECT min(interval) FROM jobs") == [(10_001,)]
    while query(path, "SELECT count(*) FROM jobs WHERE output IS NOT NULL") != [(1,)]:
        add_block(journal, block := block + 1)
        assert block < 200
    opened = next(iter(journal.read_open_subscriptions(CHAIN, COORDINATOR)))
    assert opened.answered == 20_000


def test_the_counts_agree_whatever_happens_to_jobs(journal: Journal, path: Path) -> None:
    def fail() -> None:
        with journal.step():
            journal.save_job(build_job(9, "sent"))
            raise RuntimeError

    happenings: list[Callable[[], object]] = [
        lambda: journal.save_job(build_job(1, "accepted")),
        lambda: journal.save_job(build_job(1, "computed")),
        lambda: journal.save_job(build_job(1, "computed")),
        lambda: journal.save_job(build_job(2, "failed")),
        lambda: journal.save_job(build_job(3, "dropped")),
        fail,
        lambda: journal.remove_job(build_job(3).key),
        lambda: journal.remove_jobs(KEY),
        lambda: journal.save_job(build_job(4, "sent")),
        lambda: journal.remove_progress(CHAIN, COORDINATOR),
    ]
    for happening in happenings:
        try:
            happening()
        except RuntimeError:
            assert happening is fail
        assert dict(query(path, COUNTED)) == journal.count_jobs(CHAIN)


def test_output_and_proof_stay_while_a_reorg_may_ask_for_them(journal: Journal) -> None:
    add_block(journal, 9)
    journal.save_job(build_job(1))
    add_block(journal, 10)
    for number in range(11, 10 + KEEP_BLOCKS):
        add_block(journal, number)
        assert journal.read_job(build_job(1).key) == build_job(1)
    add_block(journal, 10 + KEEP_BLOCKS)
    assert journal.read_job(build_job(1).key) == replace(build_job(1), output=None, proof=None)


def test_a_long_leap_to_the_head_counts_as_one_step(journal: Journal) -> None:
    add_block(journal, 10)
    with journal.step():
        journal.save_job(build_job(1))
        add_block(journal, 10_000)
    assert journal.read_job(build_job(1).key) == build_job(1)


def test_a_job_that_a_reorg_opened_is_not_touched(journal: Journal) -> None:
    journal.save_job(build_job(1))
    add_block(journal, 10)
    journal.save_job(build_job(1, "sent"))
    add_block(journal, 100)
    add_block(journal, 200)
    assert journal.read_job(build_job(1).key) == build_job(1, "sent")


@pytest.mark.usefixtures("keep_two")
def test_what_was_answered_is_known_without_the_jobs_after_a_restart(journal: Journal, path: Path) -> None:
    other = KEY._replace(id=SubscriptionId(2))
    journal.save_subscription(build_tracked(1))
    journal.save_subscription(build_tracked(2))
    journal.save_job(build_job(7))
    add_block(journal, 1)
    for interval in (1, 2):
        journal.save_job(replace(build_job(1), key=JobKey(other, Interval(interval))))
    add_block(journal, 2)
    add_block(journal, 20)
    assert journal.read_jobs(KEY) == []
    journal.close()
    with Journal(path) as again:
        known = again.read_subscription(KEY)
        assert known is not None
        assert known[0].answered == 7
        assert [t.answered for t in again.read_open_subscriptions(CHAIN, COORDINATOR)] == [7, 2]
        again.save_subscription(known[0], 21)
        known = again.read_subscription(KEY)
        assert known is not None
        assert known[0].answered == 7


@pytest.mark.usefixtures("keep_two")
def test_ended_subscriptions_lose_their_features_and_only_the_newest_stay(journal: Journal) -> None:
    for number in range(1, 5):
        journal.save_subscription(build_tracked(number), ended_block=number)
    journal.save_subscription(build_tracked(5))
    add_block(journal, 4 + KEEP_BLOCKS)
    found = [journal.read_subscription(KEY._replace(id=SubscriptionId(number))) for number in range(1, 6)]
    assert [row and (row[0].features, row[1]) for row in found] == [None, None, (b"", 3), (b"", 4), (b"f", None)]


@pytest.mark.usefixtures("keep_two")
def test_subscriptions_that_a_reorg_may_open_again_stay_whole(journal: Journal) -> None:
    for number in range(1, 5):
        journal.save_subscription(build_tracked(number), ended_block=100)
    add_block(journal, 99 + KEEP_BLOCKS)
    for number in range(1, 5):
        tracked = build_tracked(number)
        assert journal.read_subscription(tracked.key) == (tracked, 100)


def test_signed_requests_that_expired_are_forgotten_and_others_not(journal: Journal) -> None:
    expired, busy, lasting = build_signed(1, 50), build_signed(2, 50), build_signed(3, 5_000)
    created = replace(build_signed(4, 50), created_block=40)
    for tracked in (expired, busy, lasting, created):
        journal.save_subscription(tracked)
    journal.save_job(replace(build_job(1, "sent"), key=JobKey(busy.key, Interval(1))))
    add_block(journal, 50)
    assert journal.read_subscription(expired.key) is not None
    add_block(journal, 100)
    known = [journal.read_subscription(tracked.key) for tracked in (expired, busy, lasting, created)]
    assert [row and row[0] for row in known] == [None, busy, lasting, created]


def test_closed_transactions_go_when_no_reorg_can_ask_for_them(journal: Journal, path: Path) -> None:
    pending, mined, fresh, replaced = (build_transaction(nonce) for nonce in range(4))
    for tx in (pending, mined, fresh, replaced):
        journal.add_transaction(tx, 1)
    journal.save_job(replace(build_job(1), tx_hash=mined.hash))
    add_block(journal, 10)
    journal.save_job(replace(build_job(2), tx_hash=fresh.hash))
    journal.close_transactions([mined.hash, fresh.hash], "mined")
    journal.close_transactions([replaced.hash], "replaced")
    add_block(journal, 10 + KEEP_BLOCKS)
    assert {row[0] for row in query(path, "SELECT hash FROM transactions")} == {pending.hash, fresh.hash}
    add_block(journal, 10 + 2 * KEEP_BLOCKS)
    assert query(path, "SELECT hash FROM transactions") == [(pending.hash,)]


def test_the_newest_jobs_are_read_for_a_report_without_their_bytes(journal: Journal) -> None:
    with journal.step():
        for interval in range(1, 151):
            journal.save_job(build_job(interval))
    newest = journal.read_newest_jobs(KEY)
    assert [job.key.interval for job in newest] == list(range(51, 151))
    assert newest[-1] == replace(build_job(150), output=None, proof=None)


def record_plans(journal: Journal, path: Path, *calls: Callable[[], object]) -> list[str]:
    """How SQLite finds what each statement of these calls asks for."""
    statements: list[str] = []
    connection = journal._db._connection
    connection.set_trace_callback(statements.append)
    for call in calls:
        call()
    connection.set_trace_callback(None)
    verbs: Sequence[str] = ("SELECT", "UPDATE", "DELETE")
    asked = [statement for statement in statements if statement.startswith(tuple(verbs))]
    return [str(row[3]) for statement in asked for row in query(path, f"EXPLAIN QUERY PLAN {statement}")]


def test_nothing_that_is_asked_often_reads_a_whole_table(journal: Journal, path: Path) -> None:
    plans = record_plans(
        journal,
        path,
        lambda: journal.count_jobs(CHAIN),
        lambda: journal.read_newest_jobs(KEY),
        lambda: journal.read_subscriptions_since(CHAIN, COORDINATOR, 5),
        lambda: journal.read_subscription(KEY),
        lambda: journal.read_open_jobs(CHAIN, COORDINATOR),
        lambda: next(journal.read_open_subscriptions(CHAIN, COORDINATOR), None),
        lambda: add_block(journal, 100),
    )
    assert len(plans) > 10
    whole_coordinator = re.compile("SEARCH (jobs|subscriptions) USING PRIMARY KEY .chain_id=. AND coordinator=..")
    whole = [plan for plan in plans if plan.startswith("SCAN") or whole_coordinator.fullmatch(plan)]
    assert whole == ["SEARCH jobs USING PRIMARY KEY (chain_id=? AND coordinator=?)"]  # what a start reads, once
    assert any("subscriptions_created" in plan for plan in plans)
    assert any("USING COVERING INDEX jobs_ended" in plan for plan in plans)
