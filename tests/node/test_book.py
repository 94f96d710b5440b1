"""The book follows the Coordinator's events, and rolling back undoes them exactly."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infernet.errors import InvalidInput
from infernet.node.book import Book
from infernet.protocol.decision import Tracked
from infernet.protocol.events import (
    AnswerPending,
    Event,
    SubscriptionCancelled,
    SubscriptionCreated,
    SubscriptionExpired,
    SubscriptionFulfilled,
    SubscriptionPaused,
    SubscriptionResumed,
)
from infernet.protocol.hashing import ZERO_HASH, keccak, to_address
from infernet.protocol.subscription import DelegateRequest, Subscription, delegated_id
from infernet.store.journal import Job, Journal
from infernet.types import (
    Address,
    BlockRef,
    ChainId,
    Gas,
    Hash32,
    Interval,
    JobKey,
    SubscriptionId,
    SubscriptionKey,
    Timestamp,
    TxHash,
    Wei,
)

CHAIN = ChainId(31337)
COORDINATOR, OWNER, NODE, OTHER = (to_address("0x" + digit * 40) for digit in "1234")
KEY = SubscriptionKey(CHAIN, COORDINATOR, OWNER, SubscriptionId(1))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


@pytest.fixture
def book(journal: Journal) -> Book:
    return Book(journal, CHAIN, COORDINATOR, NODE)


def build_terms(redundancy: int = 1, frequency: int = 1, price: int = 1) -> Subscription:
    return Subscription(
        owner=OWNER, container_id=keccak(b"a"), features_hash=keccak(b"f"), redundancy=redundancy,
        frequency=frequency, period=60 if frequency > 1 else 0, max_gas_price=Wei(price), max_gas_limit=Gas(200_000),
    )  # fmt: skip


def place(block: int) -> dict[str, object]:
    return {
        "coordinator": COORDINATOR, "block_number": block, "block_hash": Hash32(bytes(32)),
        "tx_hash": TxHash(block.to_bytes(32)), "log_index": 0, "owner": OWNER,
    }  # fmt: skip


def created(block: int, number: int = 1, terms: Subscription | None = None) -> SubscriptionCreated:
    terms = terms or build_terms()
    return SubscriptionCreated(
        **place(block), id=SubscriptionId(number), container_id=terms.container_id, subscription=terms,
        container="a", features=b"f",
    )  # type: ignore[arg-type]  # fmt: skip


def fulfilled(block: int, interval: int = 1, redundancy: int = 1, node: Address = OTHER, number: int = 1) -> Event:
    return SubscriptionFulfilled(
        **place(block),
        id=SubscriptionId(number),
        node=node,
        interval=Interval(interval),
        redundancy=redundancy,
        callback_ok=True,
    )  # type: ignore[arg-type]


def cancelled(block: int, number: int = 1) -> Event:
    return SubscriptionCancelled(**place(block), id=SubscriptionId(number))  # type: ignore[arg-type]


def get(book: Book, key: SubscriptionKey = KEY) -> Tracked:
    tracked = book.get(key)
    assert tracked is not None
    return tracked


def test_a_created_subscription_is_open(book: Book, journal: Journal) -> None:
    assert book.apply(created(5)) == KEY
    assert get(book).created_block == 5
    assert list(Book(journal, CHAIN, COORDINATOR, NODE)) == [KEY]


def test_an_answer_that_completes_a_subscription_closes_it(book: Book, journal: Journal) -> None:
    book.apply(created(5))
    assert book.apply(fulfilled(6)) == KEY
    assert book.get(KEY) is None
    assert len(book) == 0
    assert journal.read_subscription(KEY) is not None


def test_answers_are_counted_by_interval(book: Book) -> None:
    book.apply(created(5, terms=build_terms(redundancy=2, frequency=3)))
    for interval, redundancy in ((1, 1), (1, 2), (2, 1)):
        book.apply(fulfilled(6, interval, redundancy))
    assert (get(book).interval, get(book).delivered, get(book).answered) == (2, 1, 0)


def test_an_answer_of_this_node_counts_as_its_own_wherever_it_was_sent_from(book: Book) -> None:
    book.apply(created(5, terms=build_terms(redundancy=2)))
    book.apply(fulfilled(6, node=NODE))
    assert get(book).answered == 1


def test_a_cancelled_subscription_is_closed(book: Book) -> None:
    book.apply(created(5))
    assert book.apply(cancelled(6)) == KEY
    assert book.get(KEY) is None


def test_events_of_unknown_subscriptions_change_nothing(book: Book) -> None:
    assert book.apply(fulfilled(5)) is None
    assert book.apply(cancelled(5)) is None


def test_what_is_forgotten_is_followed_on_disk_only(book: Book, journal: Journal) -> None:
    book.apply(created(5, terms=build_terms(frequency=3)))
    book.forget(KEY)
    assert book.apply(fulfilled(6)) is None
    assert book.get(KEY) is None
    known = journal.read_subscription(KEY)
    assert known is not None
    assert known[0].interval == 1


def test_an_answered_interval_is_noted_and_never_taken_back_by_an_older_one(book: Book) -> None:
    book.apply(created(5, terms=build_terms(frequency=9)))
    book.set_answered(JobKey(KEY, Interval(4)))
    book.set_answered(JobKey(KEY, Interval(2)))
    book.set_answered(JobKey(KEY._replace(id=SubscriptionId(9)), Interval(2)))
    assert get(book).answered == 4


# --- reorgs -------------------------------------------------------------------------------------------------------


def test_a_closed_subscription_is_open_again_after_its_last_answer_is_undone(book: Book) -> None:
    book.apply(created(5))
    book.apply(fulfilled(6, node=NODE))
    touched, lost = book.roll_back(5)
    assert (touched, lost) == ({KEY}, [JobKey(KEY, Interval(1))])
    assert (get(book).interval, get(book).delivered, get(book).answered) == (0, 0, 0)


def test_a_cancellation_that_is_undone_opens_the_subscription(book: Book) -> None:
    book.apply(created(5))
    book.apply(cancelled(6))
    assert book.roll_back(5) == ({KEY}, [])
    assert get(book).created_block == 5


def test_what_the_node_answered_before_is_known_after_a_reopening(book: Book, journal: Journal) -> None:
    """Two answers complete it, ours first; only the other's is undone: ours still stands."""
    book.apply(created(5, terms=build_terms(redundancy=2)))
    book.apply(fulfilled(6, redundancy=1, node=NODE))
    journal.save_job(Job(JobKey(KEY, Interval(1)), "delivered", Timestamp(0), None))
    book.apply(fulfilled(7, redundancy=2))
    assert book.roll_back(6)[1] == []
    assert (get(book).delivered, get(book).answered) == (1, 1)


def test_an_orphan_is_kept_until_the_new_blocks_are_read_and_then_forgotten(book: Book, journal: Journal) -> None:
    book.apply(created(5))
    journal.save_job(Job(JobKey(KEY, Interval(1)), "computed", Timestamp(0), None))
    touched, _ = book.roll_back(4)
    assert get(book).created_block is None
    book.remove_orphans(touched)
    assert book.get(KEY) is None
    assert journal.read_subscription(KEY) is None
    assert journal.read_jobs(KEY) == []


def test_a_subscription_that_moves_to_another_block_keeps_its_work(book: Book, journal: Journal) -> None:
    book.apply(created(5))
    job = Job(JobKey(KEY, Interval(1)), "computed", Timestamp(0), None, output=b"out")
    journal.save_job(job)
    touched, _ = book.roll_back(4)
    book.apply(created(6))
    book.remove_orphans(touched)
    assert get(book).created_block == 6
    assert journal.read_jobs(KEY) == [job]


def test_an_id_that_means_other_terms_after_a_reorg_keeps_no_work(book: Book, journal: Journal) -> None:
    book.apply(created(5))
    journal.save_job(Job(JobKey(KEY, Interval(1)), "computed", Timestamp(0), None, output=b"out"))
    touched, _ = book.roll_back(4)
    book.apply(created(6, terms=build_terms(price=2)))
    book.remove_orphans(touched)
    assert get(book).subscription == build_terms(price=2)
    assert get(book).answered == 0
    assert journal.read_jobs(KEY) == []


def test_a_signed_request_is_no_orphan(book: Book) -> None:
    key = book.add_request(build_request())
    book.apply(created(5, number=key.id))
    touched, _ = book.roll_back(4)
    book.remove_orphans(touched)
    assert get(book, key).created_block is None
    assert get(book, key).request is not None


def test_after_a_reset_only_signed_requests_are_known(book: Book) -> None:
    key = book.add_request(build_request())
    book.apply(created(5, number=key.id))
    book.apply(created(5))
    book.apply(fulfilled(6, number=key.id))
    book.reset()
    assert list(book) == [key]
    assert get(book, key) == Tracked(key, build_terms(), "a", b"f", build_request())


events = st.lists(
    st.one_of(
        st.tuples(st.just("create"), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 1, 4])),
        st.tuples(st.just("fulfil"), st.integers(1, 3), st.booleans(), st.just(0)),
        st.tuples(st.just("cancel"), st.integers(1, 3), st.just(0), st.just(0)),
    ),
    max_size=14,
)


class Coordinator:
    """Only events that the contract could emit: ids once, answers in order, none after the end."""

    def __init__(self) -> None:
        self.block = 10
        self.open: dict[int, tuple[Subscription, int, int]] = {}
        self.used: set[int] = set()
        self.ours: dict[int, int] = {}

    def emit(self, kind: str, number: int, first: int, second: int) -> Event | None:
        self.block += 1
        if kind == "create":
            if number in self.used:
                return None
            terms = build_terms(first, second)
            self.open[number] = (terms, 0, 0)
            self.used.add(number)
            return created(self.block, number, terms)
        if number not in self.open:
            return None
        terms, interval, delivered = self.open[number]
        if kind == "cancel":
            del self.open[number]
            return cancelled(self.block, number)
        if interval == 0 or delivered == terms.redundancy:
            interval, delivered = interval + 1, 0
        delivered += 1
        self.open[number] = (terms, interval, delivered)
        if interval == terms.frequency and delivered == terms.redundancy:
            del self.open[number]
        is_ours = bool(first) and self.ours.get(number, 0) < interval  # the nodes of an interval are distinct
        if is_ours:
            self.ours[number] = interval
        return fulfilled(self.block, interval, delivered, NODE if is_ours else OTHER, number)


def read_all(book: Book, journal: Journal) -> dict[SubscriptionKey, object]:
    keys = [KEY._replace(id=SubscriptionId(number)) for number in range(1, 4)]
    return {key: (journal.read_subscription(key), book.get(key)) for key in keys}


def follow(book: Book, journal: Journal, event: Event) -> None:
    """As the pipeline does: the event, and this node's job."""
    with journal.step():
        book.apply(event)
        if isinstance(event, SubscriptionFulfilled) and event.node == NODE:
            key = JobKey(KEY._replace(id=event.id), event.interval)
            journal.save_job(Job(key, "delivered", Timestamp(0), None))
        block = BlockRef(event.block_number, ZERO_HASH, ZERO_HASH, Timestamp(0), Wei(0), Gas(0))
        journal.add_blocks(CHAIN, COORDINATOR, [block], 64)


@given(before=events, after=events, reopens=st.booleans())
@settings(max_examples=40, deadline=None)
def test_applying_events_and_rolling_them_back_is_as_if_they_had_never_been(
    before: list[tuple[str, int, int, int]], after: list[tuple[str, int, int, int]], reopens: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.sqlite") as journal:
        book, chain = Book(journal, CHAIN, COORDINATOR, NODE), Coordinator()
        for step in before:
            if (event := chain.emit(*step)) is not None:
                follow(book, journal, event)
        fork, known = chain.block, read_all(book, journal)
        for step in after:
            if (event := chain.emit(*step)) is not None:
                follow(book, journal, event)
        if reopens:
            book = Book(journal, CHAIN, COORDINATOR, NODE)
        with journal.step():
            touched, lost = book.roll_back(fork)
            for key in lost:
                journal.remove_job(key)
            book.remove_orphans(touched)
        assert read_all(book, journal) == known
        assert read_all(Book(journal, CHAIN, COORDINATOR, NODE), journal) == known


# --- signed requests ----------------------------------------------------------------------------------------------


def build_request(price: int = 1) -> DelegateRequest:
    return DelegateRequest(3, Timestamp(100), build_terms(price=price), "a", b"f", b"s" * 65)


def test_a_signed_request_is_open_and_on_disk(book: Book, journal: Journal) -> None:
    key = book.add_request(build_request())
    assert key.id == delegated_id(3)
    assert get(book, key).request == build_request()
    assert list(Book(journal, CHAIN, COORDINATOR, NODE)) == [key]


def test_a_request_that_is_known_is_left_as_it_stands(book: Book) -> None:
    key = book.add_request(build_request())
    book.set_answered(JobKey(key, Interval(1)))
    before = get(book, key)
    assert book.add_request(replace(build_request(), signature=b"t" * 65)) == key
    assert get(book, key) == before


def test_a_nonce_that_belongs_to_another_request_is_refused(book: Book) -> None:
    book.add_request(build_request())
    with pytest.raises(InvalidInput) as caught:
        book.add_request(build_request(price=2))
    assert caught.value.code == "request.nonce_taken"


def give_up(book: Book, journal: Journal) -> SubscriptionKey:
    key = book.add_request(build_request())
    job = Job(JobKey(key, Interval(1)), "failed", Timestamp(0), None, code="features.mismatch", note="too short")
    journal.save_job(job)
    book.set_answered(job.key)
    book.forget(key)
    return key


def test_a_request_that_was_given_up_is_refused_with_its_reason(book: Book, journal: Journal) -> None:
    give_up(book, journal)
    with pytest.raises(InvalidInput, match=r"features\.mismatch: too short") as caught:
        book.add_request(build_request())
    assert caught.value.code == "request.given_up"


def test_a_request_that_was_given_up_and_is_signed_anew_is_taken_up_anew(book: Book, journal: Journal) -> None:
    key = give_up(book, journal)
    assert book.add_request(replace(build_request(), expiry=Timestamp(10**9))) == key
    assert journal.read_jobs(key) == []


def test_only_requests_that_are_not_on_chain_count_as_waiting(book: Book, journal: Journal) -> None:
    book.apply(created(4))
    book.add_request(build_request())
    assert book.count_requests(OWNER) == (1, 1)
    assert book.count_requests(OTHER) == (1, 0)
    assert Book(journal, CHAIN, COORDINATOR, NODE).count_requests(OWNER) == (1, 1)
    book.apply(created(5, number=delegated_id(3)))
    assert book.count_requests(OWNER) == (0, 0)
    book.roll_back(4)
    assert book.count_requests(OWNER) == (1, 1)


def test_a_nonce_that_was_given_up_may_be_used_for_other_terms(book: Book, journal: Journal) -> None:
    key = give_up(book, journal)
    assert book.add_request(build_request(price=2)) == key
    assert get(book, key).subscription == build_terms(price=2)
    assert get(book, key).answered == 0
    assert journal.read_jobs(key) == []


def test_a_request_for_a_subscription_that_another_created_is_known(book: Book) -> None:
    book.apply(created(5, number=delegated_id(3)))
    key = book.add_request(build_request())
    assert get(book, key).created_block == 5


# --- money --------------------------------------------------------------------------------------------------------


def build_paid(**fields: object) -> Subscription:
    return replace(build_terms(frequency=5), period=60, active_at=Timestamp(1000), fee=7, **fields)  # type: ignore[arg-type]


def about(kind: type[Event], block: int, **fields: object) -> Event:
    return kind(**place(block), id=SubscriptionId(1), **fields)  # type: ignore[call-arg, arg-type, return-value]


def pending(block: int, interval: int = 1) -> Event:
    return about(
        AnswerPending, block, node=NODE, interval=Interval(interval), redundancy=1, pending_until=Timestamp(9),
        features_hash=Hash32(bytes(32)), output_hash=Hash32(bytes(32)),
    )  # fmt: skip


def test_a_pause_and_its_end_are_noted_and_taken_back_in_a_reorg(book: Book) -> None:
    book.apply(created(5, terms=build_paid()))
    book.apply(about(SubscriptionPaused, 6, interval=Interval(1)))
    assert get(book).is_paused
    book.apply(about(SubscriptionResumed, 8))
    assert not get(book).is_paused
    book.roll_back(7)
    assert get(book).is_paused
    book.roll_back(5)
    assert not get(book).is_paused


def test_a_cancelled_paid_subscription_is_open_for_what_has_begun(book: Book, journal: Journal) -> None:
    book.apply(created(5, terms=build_paid()))
    book.apply(cancelled(6), Timestamp(1061))
    assert get(book).last_interval == 2
    assert journal.read_subscription(KEY) == (get(book), None)
    book.apply(fulfilled(7, interval=2))
    assert book.get(KEY) is None
    book.roll_back(6)
    assert get(book).last_interval == 2
    book.roll_back(5)
    assert get(book).last_interval is None


def test_a_paid_subscription_that_is_cancelled_before_it_begins_is_over(book: Book) -> None:
    book.apply(created(5, terms=build_paid()))
    book.apply(cancelled(6), Timestamp(999))
    assert book.get(KEY) is None
    book.roll_back(5)
    assert get(book).last_interval is None


def test_an_expired_subscription_is_over(book: Book) -> None:
    book.apply(created(5, terms=build_paid()))
    book.apply(about(SubscriptionExpired, 6, refund=7))
    assert book.get(KEY) is None


def test_a_pending_answer_counts_and_is_not_counted_again(book: Book) -> None:
    book.apply(created(5, terms=build_paid()))
    book.apply(pending(6, interval=1))
    assert (get(book).interval, get(book).delivered, get(book).answered) == (1, 1, 1)
    book.apply(pending(7, interval=2))
    assert book.apply(fulfilled(8, interval=1, node=NODE)) is None
    assert (get(book).interval, get(book).delivered) == (2, 1)
