"""The chain as one class: what it takes, what it makes of it, what it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from evm import ALICE, BOB, CAROL, COUNTER, GWEI, ask, call, deploy, deployment, forward, push, send, sign
from structlog.testing import capture_logs

from infernet.app.deployment import SALT, plan_suite
from infernet.errors import InvalidInput, NodeMisconfigured
from infernet.protocol.hashing import keccak
from infernet.vm.block import compute_bloom
from infernet.vm.chain import Chain, NewHead, NewPending
from infernet.vm.engine import BlockEnv, Executed, State
from infernet.vm.genesis import DEV_PRODUCER, Deployment, Genesis, build_dev_accounts
from infernet.vm.merkle import compute_root, update
from infernet.vm.osaka.engine import OsakaBlock, OsakaEngine
from infernet.vm.request import AccountOverride, BlockOverride, CallFailed, CallRequest, StateUnavailable, TxRejected
from infernet.vm.rlp import decode
from infernet.vm.spc.host import SpcHost
from infernet.vm.trace import CallTracer, StructLogger, Tracer
from infernet.vm.transaction import Transaction

GENESIS = Genesis(accounts=build_dev_accounts())
LOGGER = b"\x60\x20\x35\x5f\x35\x5f\x5f\xa2\x00"  # log2(topic0 = calldata[0], topic1 = calldata[1])


@pytest.fixture
def chain() -> Iterator[Chain]:
    chain = Chain(GENESIS, budget_s=60)
    yield chain
    chain.close()


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_a_transfer_is_in_a_block_when_submit_returns(chain: Chain) -> None:
    before = chain.state(0)
    receipt = send(chain, BOB, value=10**18, gas=21_000)
    after = chain.state(1)
    assert (receipt.succeeded, receipt.block_number, receipt.gas_used) == (True, 1, 21_000)
    assert after.balance(BOB) == before.balance(BOB) + 10**18
    paid = 21_000 * receipt.effective_gas_price
    assert after.balance(ALICE) == before.balance(ALICE) - 10**18 - paid
    tip = receipt.effective_gas_price - chain.head.header.base_fee
    assert after.balance(DEV_PRODUCER) == before.balance(DEV_PRODUCER) + 21_000 * tip
    assert chain.transaction(receipt.tx_hash).transaction.sender == ALICE  # type: ignore[union-attr]


def test_a_header_links_to_its_parent_and_says_what_the_block_holds(chain: Chain) -> None:
    logger = deploy(chain, LOGGER)
    parent = chain.head
    receipt = send(chain, logger, word(1) + word(2))
    header = chain.head.header
    assert (header.parent_hash, header.number) == (parent.hash, parent.number + 1)
    assert header.timestamp > parent.timestamp
    assert (header.gas_used, header.state_root) == (receipt.gas_used, chain.state(header.number).root)
    assert header.bloom == receipt.bloom == compute_bloom([(logger, (word(1), word(2)))])
    assert header.hash == keccak(header.rlp)
    assert len(decode(header.rlp)) == 21


def test_the_base_fee_follows_the_gas_used(chain: Chain) -> None:
    first = chain.head.header.base_fee
    send(chain, BOB)
    assert chain.head.header.base_fee == first - first // 8  # the genesis block is empty
    burner = deploy(chain, b"\x5b\x5f\x56")  # loops for ever
    chain.dev.automine = False
    for _ in range(3):
        chain.submit(sign(chain, burner, gas=2**24).raw)
    full, following = chain.dev.mine(2)
    target = full.header.gas_limit // 2
    assert full.header.gas_used == 3 * 2**24 > target
    rise = full.header.base_fee * (full.header.gas_used - target) // target // 8
    assert following.header.base_fee == full.header.base_fee + rise


def test_tips_decide_the_order_and_nonces_come_first(chain: Chain) -> None:
    chain.dev.automine = False
    low = [sign(chain, CAROL, nonce=nonce, tip=GWEI // 10) for nonce in range(2)]
    high = [sign(chain, CAROL, sender=BOB, nonce=0, tip=1), sign(chain, CAROL, sender=BOB, nonce=1, tip=GWEI)]
    for transaction in (*low, *high):
        chain.submit(transaction.raw)
    (block,) = chain.dev.mine()
    assert [tx.hash for tx in block.transactions] == [low[0].hash, low[1].hash, high[0].hash, high[1].hash]


def test_what_does_not_fit_waits_for_the_next_block(chain: Chain) -> None:
    burner = deploy(chain, b"\x5b\x5f\x56")
    chain.dev.automine = False
    for _ in range(5):
        chain.submit(sign(chain, burner, gas=2**24).raw)
    assert [len(block.transactions) for block in chain.dev.mine(3)] == [3, 2, 0]


def test_the_engine_goes_a_thousand_and_twenty_four_frames_deep(chain: Chain) -> None:
    # counts itself in slot 0, then calls itself with all the gas it has
    deeper = b"\x5f\x54\x60\x01\x01\x5f\x55\x5f\x5f\x5f\x5f\x5f\x30\x5a\xf1\x00"
    contract = deploy(chain, deeper)
    request = CallRequest(to=contract, gas=2**60)
    result = chain.call(request, 1, block_override=BlockOverride(gas_limit=2**60), tracer=(tracer := CallTracer()))
    assert result.error is None
    frame, depth = tracer.root, 0
    while frame is not None:
        frame, depth = (frame.calls[0] if frame.calls else None), depth + 1
    assert depth == 1025  # the outermost frame and 1,024 below it


def test_a_restart_finds_everything_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "chain.sqlite"
    chain = Chain(GENESIS, path=path)
    logger, counter = deploy(chain, LOGGER), deploy(chain, COUNTER)
    for number in range(5):
        send(chain, logger, word(number) + word(7))
        send(chain, counter)
    head, logs = chain.head, chain.logs(0, 99, [logger], [], 99)
    receipts = chain.receipts(head)
    old = {number: chain.state(number).root for number in range(head.number + 1)}
    proof = chain.state(3).prove(ALICE, ())
    chain.close()
    again = Chain(GENESIS, path=path)
    try:
        assert (again.head, again.head.hash) == (head, head.hash)
        assert again.state(head.number).storage(counter, bytes(32)) == word(5)
        assert again.logs(0, 99, [logger], [], 99) == logs
        assert again.receipts(again.head) == receipts
        assert {number: again.state(number).root for number in old} == old
        assert again.state(3).prove(ALICE, ()) == proof
        assert send(again, counter).succeeded
        assert again.head.header.parent_hash == head.hash
    finally:
        again.close()


def test_another_genesis_does_not_take_over_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "chain.sqlite"
    Chain(GENESIS, path=path).close()
    with pytest.raises(NodeMisconfigured, match="another genesis"):
        Chain(replace(GENESIS, gas_limit=30_000_000), path=path)
    chain = Chain(GENESIS, path=path)
    with pytest.raises(NodeMisconfigured, match="in use"):
        Chain(GENESIS, path=path)
    chain.close()


def test_a_damaged_state_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "chain.sqlite"
    chain = Chain(GENESIS, path=path)
    send(chain, BOB, value=5)
    chain.ledger._store._db.execute("UPDATE accounts SET balance = x'05' WHERE address = ?", (BOB,))
    chain.close()
    with pytest.raises(NodeMisconfigured, match="not that of block 1"):
        Chain(GENESIS, path=path)


def test_states_older_than_128_blocks_are_let_go(chain: Chain) -> None:
    chain.dev.mine(140)
    assert chain.state(12).balance(ALICE)
    for number in (11, 141):
        with pytest.raises(StateUnavailable):
            chain.state(number)
    assert len(chain.ledger._states) == 129
    assert chain.ledger._store.read_undo(12) is None


def test_the_suite_stands_where_create2_puts_it() -> None:
    parts = plan_suite()
    deployments = tuple(Deployment(SALT, part.init_code) for part in parts)
    chain = Chain(replace(GENESIS, deployments=deployments))
    try:
        assert chain.head.number == 0
        for part in parts:
            assert chain.state(0).code(bytes.fromhex(part.address[2:])), part.name
        assert chain.state(0).nonce(keccak(b"infernet.genesis.deployer")[12:]) == 0
    finally:
        chain.close()


def test_block_hashes_are_kept_for_contracts(chain: Chain) -> None:
    chain.dev.mine(5)
    history = bytes.fromhex("0000F90827F1C53a10cb7A02335B175320002935")
    asker = deploy(chain, b"\x5f\x35\x40\x5f\x52\x60\x20\x5f\xf3")  # blockhash(calldata[0])
    for number in (0, 3, 4):
        block = chain.block_by_number(number)
        assert block is not None
        assert ask(chain, history, word(number)).return_data == block.hash
        assert ask(chain, asker, word(number)).return_data == block.hash
    assert ask(chain, asker, word(chain.head.number + 1)).return_data == bytes(32)


def test_logs_are_found_by_address_topic_and_range(chain: Chain) -> None:
    first, second = deploy(chain, LOGGER), deploy(chain, LOGGER)
    for number in range(4):
        send(chain, first if number % 2 else second, word(number) + word(number // 2))
    last = chain.head.number
    everything = chain.logs(0, last, [], [], 99)
    assert [log.topics[0] for log in everything] == [word(number) for number in range(4)]
    assert [log.log_index for log in everything] == [0] * 4
    assert [log.topics[0] for log in chain.logs(0, last, [first], [], 99)] == [word(1), word(3)]
    assert [log.topics[0] for log in chain.logs(0, last, [], [[], [word(1)]], 99)] == [word(2), word(3)]
    assert [log.topics[0] for log in chain.logs(0, last, [first, second], [[word(0), word(3)]], 99)] == [
        word(0),
        word(3),
    ]
    assert chain.logs(0, last, [], [[], [], []], 99) == []
    assert len(chain.logs(last, last, [], [], 99)) == 1
    assert len(chain.logs(0, last, [], [], 2)) == 2


def test_a_proof_convinces_whoever_knows_the_root(chain: Chain) -> None:
    counter = deploy(chain, COUNTER)
    send(chain, counter)
    state = chain.state(chain.head.number)
    proof = state.prove(counter, [word(0), word(9)])
    assert keccak(proof.account_proof[0]) == chain.head.header.state_root
    assert keccak(proof.storage[0][2][0]) == proof.storage_root
    assert proof.storage_root == compute_root(update(None, [(keccak(word(0)).hex(), b"\x01")]))
    assert [value for _, value, _ in proof.storage] == [1, 0]
    assert proof.code_hash == keccak(COUNTER)


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"gas": 20_999}, "tx.intrinsic_gas", "intrinsic gas too low"),
        ({"data": b"\x01" * 1000, "gas": 50_000}, "tx.intrinsic_gas", "floor data gas"),
        ({"gas": 60_000_001}, "tx.block_gas", "exceeds block gas limit"),
        ({"gas": 2**24 + 1}, "tx.gas_too_high", "transaction gas limit too high"),
        ({"value": 10**30}, "tx.insufficient_funds", r"insufficient funds for gas \* price \+ value"),
        ({"tip": 11 * GWEI}, "tx.tip_above_fee", "max priority fee per gas higher than max fee per gas"),
        ({"max_fee": 1, "tip": 1}, "tx.fee_below_base_fee", "max fee per gas less than block base fee"),
        ({"nonce": 2**64 - 1}, "tx.nonce_max", "nonce has max value"),
        ({"nonce": 10_000}, "tx.gap", "nonce too high"),
        ({"to": None, "data": bytes(49_153), "gas": 2_000_000}, "tx.init_code", "max initcode size exceeded"),
    ],
)
def test_a_transaction_that_cannot_be_mined_is_refused(
    chain: Chain, fields: dict[str, object], code: str, words: str
) -> None:
    with pytest.raises(TxRejected, match=words) as refused:
        chain.submit(sign(chain, **({"to": BOB} | fields)).raw)  # type: ignore[arg-type]
    assert refused.value.code == code
    assert (chain.head.number, len(chain.pool)) == (0, 0)


def test_a_used_nonce_a_known_hash_and_another_chain_are_refused(chain: Chain) -> None:
    send(chain, BOB)
    with pytest.raises(TxRejected, match="nonce too low: next nonce 1, tx nonce 0"):
        chain.submit(sign(chain, BOB, nonce=0).raw)
    chain.dev.automine = False
    waiting = sign(chain, BOB)
    chain.submit(waiting.raw)
    with pytest.raises(TxRejected, match="already known"):
        chain.submit(waiting.raw)
    foreign = Chain(replace(GENESIS, chain_id=5))
    with pytest.raises(TxRejected, match="invalid chain id for signer: have 31337 want 5"):
        foreign.submit(waiting.raw)
    foreign.close()
    for raw in (b"", b"\x02", b"\xc0", b"\x03" + waiting.raw[1:], b"\x05\xc0", waiting.raw[:-1], waiting.raw + b"\0"):
        with pytest.raises(TxRejected):
            chain.submit(raw)


def test_several_at_once_share_a_block_and_errors_stand_in_place(chain: Chain) -> None:
    good = [sign(chain, BOB, nonce=nonce).raw for nonce in range(3)]
    results = chain.submit_many([good[0], b"\x01\x02", *good[1:]])
    assert isinstance(results[1], TxRejected)
    assert (chain.head.number, len(chain.head.transactions)) == (1, 3)


def test_a_transaction_behind_a_gap_waits_for_what_is_missing(chain: Chain) -> None:
    late = sign(chain, BOB, nonce=1)
    chain.submit(late.raw)
    assert (chain.head.number, list(chain.pool.queued)) == (0, [ALICE])
    chain.submit(sign(chain, BOB, nonce=0).raw)
    assert chain.transaction(late.hash) is not None
    assert len(chain.pool) == 0


def test_events_are_told_in_order(chain: Chain) -> None:
    seen: list[object] = []
    end = chain.subscribe(seen.append)
    receipt = send(chain, BOB)
    assert seen == [NewPending(receipt.tx_hash), NewHead(chain.head, (receipt,))]
    end()
    send(chain, BOB)
    assert len(seen) == 2


def test_a_call_sees_overrides_and_changes_nothing(chain: Chain) -> None:
    counter = deploy(chain, COUNTER)
    request, root = CallRequest(to=counter), chain.head.header.state_root
    assert chain.call(request, chain.head.number).return_data == word(1)
    assert chain.call(request, chain.head.number).return_data == word(1)
    nine = {counter: AccountOverride(storage_diff={word(0): word(9)})}
    assert chain.call(request, chain.head.number, nine).return_data == word(10)
    clock = {counter: AccountOverride(code=b"\x42\x5f\x52\x43\x60\x20\x52\x60\x40\x5f\xf3")}
    asked = chain.call(request, chain.head.number, clock, BlockOverride(number=77, timestamp=88))
    assert asked.return_data == word(88) + word(77)
    assert chain.state(chain.head.number).root == root


def test_a_call_on_an_older_block_sees_its_state_and_its_time(chain: Chain) -> None:
    counter = deploy(chain, COUNTER)
    for _ in range(3):
        send(chain, counter)
    assert chain.call(CallRequest(to=counter), chain.head.number - 2).return_data == word(2)
    block = chain.block_by_number(2)
    assert block is not None
    clock = {counter: AccountOverride(code=b"\x42\x5f\x52\x60\x20\x5f\xf3")}
    assert chain.call(CallRequest(to=counter), block.hash, clock).return_data == word(block.timestamp)
    with pytest.raises(StateUnavailable):
        chain.call(CallRequest(to=counter), b"\x11" * 32)


def test_a_call_that_cannot_begin_says_why(chain: Chain) -> None:
    for request, words in (
        (CallRequest(to=BOB, gas=20_000), "intrinsic gas too low"),
        (CallRequest(to=BOB, value=1, sender=b"\x99" * 20), "insufficient funds for transfer"),
        (CallRequest(to=BOB, sender=ALICE, max_fee=1), "max fee per gas less than block base fee"),
    ):
        with pytest.raises(CallFailed, match=words):
            chain.call(request, 0)


def test_an_estimate_is_enough_and_not_much_more(chain: Chain) -> None:
    assert chain.estimate(CallRequest(sender=ALICE, to=BOB, value=1), 0) == 21_000
    counter = deploy(chain, COUNTER)
    picky = deploy(chain, forward(counter))  # 63/64 rule: what it used is not enough
    for to, data in ((counter, b""), (picky, b""), (None, deployment(COUNTER))):
        request = CallRequest(sender=ALICE, to=to, data=data)
        gas = chain.estimate(request, chain.head.number)
        assert chain.call(replace(request, gas=gas), chain.head.number).error is None
        assert chain.call(replace(request, gas=int(gas * 0.97)), chain.head.number).error is not None
        assert send(chain, to, data, gas=gas).succeeded


def test_an_estimate_of_what_fails_says_why(chain: Chain) -> None:
    reverting = deploy(chain, push(b"why") + b"\x5f\x52\x60\x03\x60\x1d\xfd")
    with pytest.raises(CallFailed, match="execution reverted") as failed:
        chain.estimate(CallRequest(to=reverting), chain.head.number)
    assert failed.value.data == b"why"
    burner = deploy(chain, b"\x5b\x5f\x56")
    with pytest.raises(CallFailed, match="gas required exceeds allowance"):
        chain.estimate(CallRequest(to=burner, gas=100_000), chain.head.number)


def test_an_access_list_names_what_is_touched(chain: Chain) -> None:
    counter = deploy(chain, COUNTER)
    outer = deploy(chain, forward(counter))
    entries, result = chain.access_list(CallRequest(sender=ALICE, to=outer), chain.head.number)
    assert result.error is None
    assert [(entry.address, entry.slots) for entry in entries] == [(counter, (word(0),))]


def test_a_trace_shows_calls_reverts_logs_and_steps(chain: Chain) -> None:
    logger, failing = deploy(chain, LOGGER), deploy(chain, push(b"no") + b"\x5f\x52\x60\x02\x60\x1e\xfd")
    outer = deploy(chain, forward(failing, before=call(logger)))
    receipt = send(chain, outer, word(5) + word(6), value=0)
    tracer, steps = CallTracer(), StructLogger()
    result = chain.trace_transaction(receipt.tx_hash, tracer)
    assert result is not None
    assert (result.error, result.return_data, result.gas_used) == ("execution reverted", b"no", receipt.gas_used)
    root = tracer.root
    assert root is not None
    assert [(call.kind, call.to, call.error) for call in root.calls] == [
        ("CALL", logger, None),
        ("CALL", failing, "execution reverted"),
    ]
    assert root.calls[0].logs[0][1].topics == (word(5), word(6))
    assert (root.gas, root.gas_used) == (1_000_000, receipt.gas_used)
    chain.trace_transaction(receipt.tx_hash, steps)
    assert steps.steps[-1].op == "REVERT"
    assert {step.depth for step in steps.steps} == {1, 2}
    assert sum(step.cost for step in steps.steps if step.depth == 2) == sum(call.gas_used for call in root.calls)
    assert chain.trace_transaction(b"\x11" * 32, CallTracer()) is None


def test_memory_does_not_grow_with_blocks(chain: Chain) -> None:
    counter = deploy(chain, COUNTER)
    for _ in range(300):
        send(chain, counter)
    assert len(chain.ledger._states) == 129
    assert len(chain.ledger._hashes) == 256
    assert (len(chain.pool), len(chain.pool._arrival)) == (0, 0)
    assert chain.head.number == 301


def test_a_wrong_timestamp_is_refused(chain: Chain) -> None:
    chain.dev.mine()
    with pytest.raises(InvalidInput, match="not after"):
        chain.dev.mine(1, chain.head.timestamp)


PAIRING, BLAKE2F = (number.to_bytes(20, "big") for number in (8, 9))


def test_a_call_that_takes_too_long_is_aborted() -> None:
    chain = Chain(GENESIS, limit_s=0.2)
    try:
        endless = deploy(chain, b"\x5b\x5f\x56")
        rounds = (2**24).to_bytes(4, "big") + bytes(208) + b"\x01"
        pairs = bytes(192 * 400)
        for to, data in ((endless, b""), (BLAKE2F, rounds), (PAIRING, pairs)):
            with pytest.raises(CallFailed, match=r"execution aborted \(timeout = 0.2s\)"):
                chain.call(CallRequest(to=to, data=data, gas=2**60), chain.head.number)
        assert chain.call(CallRequest(to=BOB), 1).error is None
    finally:
        chain.close()


def test_a_transaction_that_would_stop_the_chain_is_left_out() -> None:
    chain = Chain(GENESIS, limit_s=0.2)
    try:
        slow = deploy(chain, forward(BLAKE2F))
        rounds = (2**23).to_bytes(4, "big") + bytes(208) + b"\x01"
        tx_hash = chain.submit(sign(chain, slow, rounds, gas=2**24).raw)
        assert (chain.transaction(tx_hash), len(chain.pool)) == (None, 0)
        assert chain.state("pending").nonce(ALICE) == 1
        assert send(chain, BOB).succeeded
    finally:
        chain.close()


class BrittleEngine(OsakaEngine):
    """Breaks at whatever is sent to Bob."""

    def begin(self, state: State, env: BlockEnv, host: SpcHost) -> OsakaBlock:
        return BrittleBlock(state, env, host)


class BrittleBlock(OsakaBlock):
    def execute(self, transaction: Transaction, tracer: Tracer | None = None, limit_s: float | None = None) -> Executed:
        if transaction.to == BOB:
            raise KeyError("a mistake in the engine")
        return super().execute(transaction, tracer, limit_s)


def test_a_transaction_that_breaks_the_engine_is_left_out_and_the_log_says_where() -> None:
    chain = Chain(GENESIS, engine=BrittleEngine())
    try:
        with capture_logs() as lines:
            tx_hash = chain.submit(sign(chain, BOB).raw)
        assert (chain.transaction(tx_hash), len(chain.pool)) == (None, 0)
        assert send(chain, CAROL).succeeded
    finally:
        chain.close()
    (line,) = lines
    assert (line["event"], line["tx"]) == ("transaction.broke_the_engine", "0x" + tx_hash.hex())
    assert line["error"] == "KeyError('a mistake in the engine')"
    assert set(line) == {"event", "log_level", "tx", "error", "at"}


def test_a_block_of_another_producer_may_take_its_time() -> None:
    producer, follower = Chain(GENESIS), Chain(GENESIS, producer_key=None, limit_s=0.001)
    try:
        rounds = (3_000).to_bytes(4, "big") + bytes(208) + b"\x01"
        assert send(producer, deploy(producer, forward(BLAKE2F)), rounds).succeeded
        for encoded in producer.export(1, 2):
            follower.import_block(encoded)
        assert follower.head.hash == producer.head.hash
    finally:
        producer.close()
        follower.close()
