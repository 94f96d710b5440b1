"""`decide` as a table: one row for each case, and the laws that hold in all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from subscription_strategies import addresses, subscriptions, uints

from infernet.protocol.decision import (
    Decision,
    Run,
    Tracked,
    Wait,
    compute_turn_delay,
    decide,
    is_too_late,
)
from infernet.protocol.hashing import ZERO_ADDRESS, compute_container_id, keccak, to_address
from infernet.protocol.interval import MAX_INTERVAL
from infernet.protocol.policy import Drop, Policy
from infernet.protocol.subscription import PERPETUAL, DelegateRequest, Mode, Subscription
from infernet.types import (
    Address,
    BlockRef,
    ChainId,
    Gas,
    Hash32,
    Interval,
    SubscriptionId,
    SubscriptionKey,
    Timestamp,
    Wei,
)

NODE, OTHER, OWNER, COORDINATOR = (to_address("0x" + digit * 40) for digit in "1234")
START = Timestamp(1_000)
POLICY = Policy(node=NODE, containers=frozenset({"a", "b"}))
KEY = SubscriptionKey(ChainId(1), COORDINATOR, OWNER, SubscriptionId(7))


def head(timestamp: int = START, base_fee: int = 10) -> BlockRef:
    return BlockRef(5, Hash32(bytes(32)), Hash32(bytes(32)), Timestamp(timestamp), Wei(base_fee), Gas(30_000_000))


def terms(**fields: object) -> Subscription:
    given_fields: dict[str, object] = {
        "owner": OWNER, "container_id": compute_container_id("a"), "features_hash": keccak(b"f"),
        "active_at": START, "max_gas_price": Wei(100), "max_gas_limit": Gas(200_000),
    }  # fmt: skip
    return Subscription(**given_fields | fields)  # type: ignore[arg-type]


def once(**fields: object) -> Tracked:
    return Tracked(KEY, terms(**fields), "a", b"f", created_block=3)


def recurring(frequency: int = 3, **fields: object) -> Tracked:
    return once(period=60, frequency=frequency, **fields)


def signed(expiry: int = 2_000, **fields: object) -> Tracked:
    tracked = once(**fields)
    request = DelegateRequest(0, Timestamp(expiry), tracked.subscription, "a", b"f", b"s" * 65)
    return replace(tracked, request=request, created_block=None)


def paid(**fields: object) -> Tracked:
    return once(**{"fee": 5, "deadline": Timestamp(START + 100), **fields})


def earning(minimum_fees: dict[Address, int], bps: int = 0) -> Policy:
    return replace(POLICY, minimum_fees=minimum_fees, protocol_share_bps=bps)


def margin(percent: int) -> Policy:
    return replace(POLICY, margin_percent=percent, tip=Wei(1))


def bonded(bond: int) -> Policy:
    return replace(POLICY, bonds={OTHER: bond})


FIRST, SECOND, THIRD = Timestamp(START), Timestamp(START + 60), Timestamp(START + 120)

RUN_ONCE = Run(Interval(1), START, None)

TABLE: list[tuple[str, Tracked, BlockRef, Policy, Decision | str]] = [
    ("once: run, without an end", once(), head(), POLICY, RUN_ONCE),
    ("once, long after: run", once(), head(10**9), POLICY, RUN_ONCE),
    ("empty features in pull mode: run", once(mode=Mode.PULL), head(), POLICY, RUN_ONCE),
    ("before it is active: wait", once(), head(START - 1), POLICY, Wait(START, "not_active")),
    ("first interval: run", recurring(), head(), POLICY, Run(Interval(1), FIRST, SECOND)),
    ("a later interval: run", recurring(), head(START + 61), POLICY, Run(Interval(2), SECOND, THIRD)),
    (
        "perpetual: run",
        recurring(PERPETUAL),
        head(START + 600),
        POLICY,
        Run(Interval(11), Timestamp(START + 600), Timestamp(START + 660)),
    ),
    ("all intervals over: drop", recurring(), head(START + 180), POLICY, "completed"),
    (
        "this node is done with the interval: wait",
        replace(recurring(), answered=Interval(1)),
        head(),
        POLICY,
        Wait(SECOND, "interval.done"),
    ),
    (
        "this node is done with the last one: drop",
        replace(recurring(), answered=Interval(3)),
        head(START + 125),
        POLICY,
        "completed",
    ),
    (
        "this node is done with the only one: drop",
        replace(once(redundancy=2), answered=Interval(1)),
        head(),
        POLICY,
        "completed",
    ),
    (
        "another node answered: wait",
        recurring().with_delivery(Interval(1), 1),
        head(),
        POLICY,
        Wait(SECOND, "interval.done"),
    ),
    ("another node answered once: drop", once().with_delivery(Interval(1), 1), head(), POLICY, "completed"),
    ("one of two answers is missing: run", once(redundancy=2).with_delivery(Interval(1), 1), head(), POLICY, RUN_ONCE),
    ("two of two are there: drop", once(redundancy=2).with_delivery(Interval(1), 2), head(), POLICY, "completed"),
    (
        "the interval before was full: run",
        recurring().with_delivery(Interval(1), 1),
        head(START + 60),
        POLICY,
        Run(Interval(2), SECOND, THIRD),
    ),
    ("last second but two of an interval: run", recurring(), head(START + 58), POLICY, Run(Interval(1), FIRST, SECOND)),
    (
        "the next block is of the next interval: wait",
        recurring(),
        head(START + 59),
        POLICY,
        Wait(SECOND, "interval.done"),
    ),
    ("the next block is after the last interval: drop", recurring(), head(START + 179), POLICY, "completed"),
    ("named: run", once(node=NODE), head(), POLICY, RUN_ONCE),
    ("named: no turn to wait for", once(node=NODE), head(), replace(POLICY, turn_window_s=10**6), RUN_ONCE),
    ("another is named: drop", once(node=OTHER), head(), POLICY, "node.other"),
    ("the base fee is at the limit: run", once(), head(base_fee=100), POLICY, RUN_ONCE),
    (
        "the base fee is above the limit: wait",
        once(),
        head(base_fee=101),
        POLICY,
        Wait(Timestamp(START + 1), "gas.price"),
    ),
    ("not served: drop", replace(once(), container="c"), head(), POLICY, "container.not_served"),
    ("a chain served: run", replace(once(), container="b,a"), head(), POLICY, RUN_ONCE),
    ("one of a chain not served: drop", replace(once(), container="a,c"), head(), POLICY, "container.not_served"),
    ("a space in a name: drop", replace(once(), container="a, b"), head(), POLICY, "container.not_served"),
    ("owner denied: drop", once(), head(), replace(POLICY, denied_owners=frozenset({OWNER})), "owner.refused"),
    (
        "owner not among the allowed: drop",
        once(),
        head(),
        replace(POLICY, allowed_owners=frozenset({OTHER})),
        "owner.refused",
    ),
    ("owner allowed: run", once(), head(), replace(POLICY, allowed_owners=frozenset({OWNER})), RUN_ONCE),
    ("sixteen containers: run", replace(once(), container=",".join("ab" * 8)), head(), POLICY, RUN_ONCE),
    ("seventeen: drop", replace(once(), container=",".join("a" * 17)), head(), POLICY, "container.chain_too_long"),
    ("the callback takes all it may: run", once(max_gas_limit=Gas(5_110_000)), head(), POLICY, RUN_ONCE),
    ("the callback is too dear: drop", once(max_gas_limit=Gas(5_110_001)), head(), POLICY, "callback.too_dear"),
    ("paid, before the deadline: run", paid(), head(), POLICY, Run(Interval(1), START, Timestamp(START + 101))),
    (
        "paid, the next block is the last in time: run",
        paid(),
        head(START + 99),
        POLICY,
        Run(Interval(1), START, Timestamp(START + 101)),
    ),
    ("paid, the next block is after the deadline: drop", paid(), head(START + 100), POLICY, "deadline.passed"),
    (
        "an interval that ends before the deadline: its end counts",
        paid(period=60),
        head(),
        POLICY,
        Run(Interval(1), FIRST, SECOND),
    ),
    (
        "paused: the interval that is paid for still runs",
        replace(recurring(fee=5, redundancy=2).with_delivery(Interval(1), 1), is_paused=True),
        head(),
        POLICY,
        Run(Interval(1), FIRST, SECOND),
    ),
    (
        "paused: the next interval waits",
        replace(recurring(fee=5).with_delivery(Interval(1), 1), is_paused=True),
        head(START + 60),
        POLICY,
        Wait(THIRD, "paused"),
    ),
    (
        "paused in the last interval: it is waited out",
        replace(recurring(fee=5).with_delivery(Interval(2), 1), is_paused=True),
        head(START + 121),
        POLICY,
        Wait(Timestamp(START + 180), "paused"),
    ),
    (
        "cancelled in this interval: run",
        recurring(fee=5).with_cancellation(Timestamp(START + 30)),
        head(START + 31),
        POLICY,
        Run(Interval(1), FIRST, SECOND),
    ),
    (
        "cancelled in the interval before: drop",
        recurring(fee=5).with_cancellation(Timestamp(START + 59)),
        head(START + 60),
        POLICY,
        "completed",
    ),
    (
        "cancelled before it began: drop",
        recurring(fee=5).with_cancellation(Timestamp(START - 1)),
        head(),
        POLICY,
        "completed",
    ),
    ("the node earns its minimum: run", once(fee=5), head(), earning({ZERO_ADDRESS: 5}), RUN_ONCE),
    ("the node earns less: drop", once(fee=4), head(), earning({ZERO_ADDRESS: 5}), "fee.too_low"),
    (
        "what is left of the fee counts: drop",
        once(fee=5, royalty_bps=2_000, royalty_to=OTHER),
        head(),
        earning({ZERO_ADDRESS: 5}),
        "fee.too_low",
    ),
    ("the protocol's share counts: drop", once(fee=20), head(), earning({ZERO_ADDRESS: 20}, bps=500), "fee.too_low"),
    (
        "another token than those taken: drop",
        once(fee=5, token=OTHER),
        head(),
        earning({ZERO_ADDRESS: 0}),
        "fee.token_refused",
    ),
    ("a token that is taken: run", once(fee=5, token=OTHER), head(), earning({OTHER: 5}), RUN_ONCE),
    ("free where fees are wanted: drop", once(), head(), earning({ZERO_ADDRESS: 1}), "fee.too_low"),
    ("its gas is earned twice: run", once(fee=2 * 200_000 * 11), head(), margin(200), RUN_ONCE),
    (
        "its gas is not earned twice at this price: wait",
        once(fee=2 * 200_000 * 11 - 1),
        head(),
        margin(200),
        Wait(Timestamp(START + 1), "gas.unprofitable"),
    ),
    ("the price fell: run", once(fee=2 * 200_000 * 11 - 1), head(base_fee=9), margin(200), RUN_ONCE),
    ("a fee in a token is not compared with gas: run", once(fee=1, token=OTHER), head(), margin(200), RUN_ONCE),
    ("free where a margin is wanted: drop", once(), head(), margin(1), "fee.too_low"),
    ("a verifier that is not known: drop", once(verifier=OTHER), head(), POLICY, "verifier.refused"),
    ("a verifier that is known: run", once(verifier=OTHER), head(), bonded(0), RUN_ONCE),
    ("the bond suffices: run", once(verifier=OTHER, min_bond=7), head(), bonded(7), RUN_ONCE),
    ("the bond is too low: drop", once(verifier=OTHER, min_bond=8), head(), bonded(7), "bond.too_low"),
    ("isolated: run", once(mode=Mode.ISOLATED), head(), POLICY, RUN_ONCE),
    ("provisional: run", once(mode=Mode.PROVISIONAL, verifier=OTHER), head(), bonded(0), RUN_ONCE),
    ("lazy: drop", once(mode=Mode.LAZY), head(), POLICY, "mode.not_served"),
    ("sealed: drop", once(mode=Mode.SEALED | Mode.PULL, verifier=OTHER), head(), bonded(0), "mode.not_served"),
    ("signed: run", signed(), head(), POLICY, RUN_ONCE),
    ("signed, the next block is the last in time: run", signed(START + 1), head(), POLICY, RUN_ONCE),
    ("signed, the next block is too late: drop", signed(START), head(), POLICY, "request.expired"),
    ("signed and created: its expiry is past", replace(signed(START), created_block=4), head(), POLICY, RUN_ONCE),
    ("its block is orphaned: drop", replace(once(), created_block=None), head(), POLICY, "orphaned"),
    (
        "intervals beyond uint32: drop",
        once(period=1, frequency=PERPETUAL, active_at=Timestamp(0)),
        head(MAX_INTERVAL),
        POLICY,
        "completed",
    ),
]


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_each_case_has_its_decision(row: tuple[str, Tracked, BlockRef, Policy, Decision | str]) -> None:
    _, tracked, at, policy, expected = row
    decision = decide(tracked, at, policy)
    if isinstance(expected, str):
        assert isinstance(decision, Drop)
        assert decision.code == expected
        assert decision.message
    else:
        assert decision == expected


@pytest.mark.parametrize("block_time_s", [1, 2, 12])
def test_an_interval_is_over_for_this_node_one_block_before_its_end(block_time_s: int) -> None:
    assert isinstance(decide(recurring(), head(START + 59 - block_time_s), POLICY, block_time_s), Run)
    late = decide(recurring(), head(START + 60 - block_time_s), POLICY, block_time_s)
    assert late == Wait(SECOND, "interval.done")
    assert is_too_late(SECOND, head(START + 60 - block_time_s), block_time_s)
    assert not is_too_late(None, head(10**9), block_time_s)


def test_a_node_waits_for_its_turn_and_not_longer_than_the_interval() -> None:
    patient = replace(POLICY, turn_window_s=10_000)
    delay = compute_turn_delay(KEY, Interval(1), NODE, 10_000)
    assert delay > 60
    assert decide(once(), head(), patient) == Wait(Timestamp(START + delay), "turn")
    assert decide(once(), head(START + delay), patient) == Run(Interval(1), START, None)
    assert decide(recurring(), head(), patient) == Wait(SECOND, "turn")


# --- laws ---------------------------------------------------------------------------------------------------------

nodes = st.sampled_from([NODE, OTHER])
periods = st.one_of(st.integers(0, 100), uints(32))
sane_terms = st.builds(
    lambda period, frequency, active_at, redundancy, node, price: terms(
        period=period, frequency=frequency if period else 1, active_at=active_at, redundancy=redundancy, node=node,
        max_gas_price=price,
    ),
    periods, st.one_of(st.integers(1, 10), st.just(PERPETUAL)), st.one_of(st.integers(0, 2_000), uints(40)),
    st.integers(1, 3), st.sampled_from([ZERO_ADDRESS, NODE, OTHER]), st.integers(0, 200),
)  # fmt: skip
any_terms = st.one_of(sane_terms, subscriptions())
tracked_subscriptions = st.builds(
    lambda subscription, created, interval, delivered, answered, expiry: Tracked(
        KEY, subscription, "a", b"f",
        DelegateRequest(0, Timestamp(expiry), subscription, "a", b"f", b"") if expiry else None,
        created, Interval(interval), delivered, Interval(answered),
    ),
    any_terms, st.one_of(st.none(), st.just(3)), st.integers(0, 12), st.integers(0, 3), st.integers(0, 12),
    st.one_of(st.just(0), st.integers(1, 5_000)),
)  # fmt: skip
heads = st.builds(head, st.one_of(st.integers(0, 5_000), uints(40)), st.integers(0, 200))
policies = st.builds(replace, st.just(POLICY), turn_window_s=st.one_of(st.just(0), st.integers(0, 500)))


@given(tracked_subscriptions, heads, policies, st.integers(1, 30))
def test_every_decision_moves_on(tracked: Tracked, at: BlockRef, policy: Policy, block_time_s: int) -> None:
    """It never raises; a wait is for later than now, so that a schedule cannot spin; a drop says why."""
    decision = decide(tracked, at, policy, block_time_s)
    match decision:
        case Wait(until=until):
            assert until > at.timestamp
        case Drop(code=code, message=message):
            assert code
            assert message


@given(tracked_subscriptions, heads, policies, st.integers(1, 30))
def test_what_runs_is_due_and_owed(tracked: Tracked, at: BlockRef, policy: Policy, block_time_s: int) -> None:
    decision = decide(tracked, at, policy, block_time_s)
    if not isinstance(decision, Run):
        return
    terms = tracked.subscription
    assert decision.starts_at <= at.timestamp
    assert decision.ends_at is None or at.timestamp + block_time_s < decision.ends_at
    assert 1 <= decision.interval <= min(terms.frequency, MAX_INTERVAL)
    assert decision.interval > tracked.answered
    assert terms.node in (ZERO_ADDRESS, NODE)
    assert at.base_fee <= terms.max_gas_price
    assert tracked.interval != decision.interval or tracked.delivered < terms.redundancy
    assert tracked.created_block is not None or tracked.request is not None


@given(addresses, uints(32), uints(32), addresses, st.integers(1, 2**32))
def test_a_turn_is_within_the_window(owner: Address, number: int, interval: int, node: Address, window_s: int) -> None:
    key = SubscriptionKey(ChainId(1), COORDINATOR, owner, SubscriptionId(number))
    assert 0 <= compute_turn_delay(key, Interval(interval), node, window_s) < window_s


def test_a_window_of_nothing_is_no_delay() -> None:
    assert compute_turn_delay(KEY, Interval(1), NODE, 0) == 0


def test_turns_are_spread_evenly() -> None:
    delays = [compute_turn_delay(KEY, Interval(interval), NODE, 10) for interval in range(1, 2001)]
    counts = [delays.count(second) for second in range(10)]
    assert all(150 < count < 250 for count in counts)


def test_a_turn_depends_on_owner_id_interval_and_node() -> None:
    turns = {
        compute_turn_delay(key, Interval(interval), node, 2**32)
        for key in (KEY, KEY._replace(owner=OTHER), KEY._replace(id=SubscriptionId(8)))
        for interval in (1, 2)
        for node in (NODE, OTHER)
    }
    assert len(turns) == 12
