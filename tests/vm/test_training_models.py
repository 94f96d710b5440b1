"""What a contract has trained it uses in the callback and after it. Whatever goes wrong, nothing is done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evm import ALICE, BOB, ask, send
from needs import need_module
from schooling import PIXELS, SCHOOL, Copier, build_chain, enrol, list_own, read_hash, wait_until, write_model
from structlog.testing import capture_logs

from infernet.chain.artifacts import load_artifact
from infernet.protocol.abi_codec import decode_abi
from infernet.protocol.hashing import to_address
from infernet.protocol.manifest import Determinism
from infernet.vm.block import Block
from infernet.vm.chain import Chain
from infernet.vm.digits_trainer import DigitsTrainer
from infernet.vm.genesis import DEV_PRODUCER, Genesis, build_dev_accounts
from infernet.vm.request import AccountOverride
from infernet.vm.spc.addresses import SCHEDULER
from infernet.vm.spc.training import ADDRESS
from infernet.vm.training_folder import JobFolder
from infernet.vm.training_publication import MODELS
from infernet.vm.training_service import TrainingService
from infernet.vm.training_worker import TrainingWorker

pytestmark = pytest.mark.slow

PICTURE = bytes(range(PIXELS))
TRAINING = load_artifact("Training")
SCHEDULER_ABI, SCHEDULER_AT = load_artifact("Scheduler"), bytes.fromhex(SCHEDULER[2:])
PARTS = 3_000
"""Classes of a model whose file has two parts."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of which a model is copied."""
    return tmp_path / "source"


@pytest.fixture
def serve(source: Path, tmp_path: Path) -> Iterator[Callable[[Chain], TrainingService]]:
    services = []

    def serve(chain: Chain) -> TrainingService:
        worker = TrainingWorker({"copy": Copier(source), "digits": DigitsTrainer()}, tmp_path / "training")
        services.append(TrainingService(chain, worker))
        return services[-1]

    yield serve
    for service in services:
        service.close()


def read(chain: Chain, school: bytes, name: str, *arguments: Any) -> Any:
    returned = ask(chain, school, SCHOOL.encode_call(name, list(arguments))).return_data
    return SCHOOL.decode_result(name, len(arguments), returned)


def is_taught(chain: Chain, school: bytes, model: bytes) -> bool:
    return bool(read(chain, school, "model") == model)


def classify(weights: Any, picture: bytes) -> int:
    return int((np.frombuffer(picture, np.uint8).astype(int) @ weights.astype(int)).argmax())


def read_failure(chain: Chain) -> str | None:
    """Why the last training that was answered has failed."""
    logs = chain.logs(1, chain.head.number, [ADDRESS], [], 100)
    *_, (ok, result, _) = [decode_abi(["bool", "bytes", "bool"], log.data) for log in logs if len(log.topics) == 4]
    return None if ok else bytes(result).decode()


def list_blocks(chain: Chain) -> list[Block]:
    numbers = range(1, chain.head.number + 1)
    return [block for number in numbers if (block := chain.block_by_number(number))]


def list_answers(chain: Chain) -> list[bytes]:
    return [to for to, _ in list_own(chain) if to == ADDRESS]


def follow(chain: Chain) -> None:
    """Execute all of it again elsewhere."""
    follower = build_chain(producer_key=None)
    for encoded in chain.export(1, chain.head.number):
        follower.import_block(encoded)
    assert follower.head == chain.head
    follower.close()


def test_a_contract_asks_the_model_that_it_had_trained(serve: Callable[[Chain], TrainingService]) -> None:
    need_module("sklearn")
    from sklearn.datasets import load_digits

    data = load_digits()
    pictures, digits = data.data.astype(np.uint8), data.target
    chain = build_chain()
    service = serve(chain)
    school = enrol(chain, pictures[0].tobytes(), b'{"workflow": "digits", "seed": 7}')
    wait_until(service, lambda: read(chain, school, "model") != bytes(32))
    assert read(chain, school, "digit") == digits[0]
    found = [read(chain, school, "classify", picture.tobytes()) for picture in pictures[:40]]
    assert (np.array(found) == digits[:40]).mean() > 0.9
    assert [to for to, _ in list_own(chain)] == [MODELS, MODELS, ADDRESS]
    follow(chain)
    chain.close()


def test_a_large_model_comes_in_parts_over_several_blocks(
    serve: Callable[[Chain], TrainingService], source: Path
) -> None:
    weights = write_model(source, classes=PARTS)
    chain = build_chain()
    service = serve(chain)
    school = enrol(chain, PICTURE)
    chain.dev.automine = False
    wait_until(service, lambda: is_taught(chain, school, read_hash(source)), chain.mine)
    assert read(chain, school, "digit") == classify(weights, PICTURE)
    own = list_own(chain)
    assert [to for to, _ in own] == [MODELS] * 4 + [ADDRESS]
    assert all(receipt.succeeded for _, receipt in own)
    puts, others = own[:2], own[2:]
    assert len({receipt.block_number for _, receipt in puts}) == 1
    assert [r.block_number for _, r in others] == sorted({r.block_number for _, r in others})
    follow(chain)
    chain.close()


def test_what_is_on_the_chain_is_not_sent_again(serve: Callable[[Chain], TrainingService], source: Path) -> None:
    write_model(source)
    chain = build_chain()
    service = serve(chain)
    school = enrol(chain, PICTURE)
    wait_until(service, lambda: is_taught(chain, school, read_hash(source)))
    other = enrol(chain, PICTURE)
    wait_until(service, lambda: is_taught(chain, other, read_hash(source)))
    assert [to for to, _ in list_own(chain)] == [MODELS, MODELS, ADDRESS, ADDRESS]
    chain.close()


def test_a_model_that_the_chain_does_not_take_is_a_failure_with_its_reason(
    serve: Callable[[Chain], TrainingService], source: Path
) -> None:
    write_model(source, determinism=Determinism.NONE)
    chain = build_chain()
    service = serve(chain)
    school = enrol(chain, PICTURE)
    wait_until(service, lambda: bool(list_answers(chain)))
    assert read_failure(chain) == (
        "the model cannot be published: model.not_deterministic: a model on chain is 'exact' or 'rounded'"
    )
    assert read(chain, school, "model") == bytes(32)
    chain.close()


def test_a_producer_without_ether_says_so_once_and_goes_on_when_it_has_some(
    serve: Callable[[Chain], TrainingService], source: Path
) -> None:
    write_model(source)
    chain = build_chain(accounts={DEV_PRODUCER: AccountOverride(balance=10**12)})
    service = serve(chain)
    school = enrol(chain, PICTURE)
    with capture_logs() as logs:
        wait_until(service, lambda: any(entry["event"] == "training.ended" for entry in logs))
        for _ in range(5):
            service.answer_finished()
        assert list_own(chain) == []
        send(chain, DEV_PRODUCER, value=10**18, sender=BOB)
        wait_until(service, lambda: is_taught(chain, school, read_hash(source)))
    (waited,) = [entry["reason"] for entry in logs if entry["event"] == "training.waits"]
    assert waited.startswith(f"the producer {to_address(DEV_PRODUCER)} cannot send it: insufficient funds")
    assert "balance 1000000000000, tx cost" in waited
    (answered,) = [entry for entry in logs if entry["event"] == "training.answered"]
    own = list_own(chain)
    assert answered["gas"] == sum(receipt.gas_used for _, receipt in own)
    assert answered["cost_wei"] == sum(receipt.gas_used * receipt.effective_gas_price for _, receipt in own)
    chain.close()


@pytest.mark.parametrize(("fee", "ends"), [(0, None), (2 * 10**15, False), (10**17, True)])
def test_a_fee_may_have_to_cover_the_gas(source: Path, tmp_path: Path, fee: int, ends: bool | None) -> None:
    write_model(source, classes=PARTS)
    chain = build_chain()
    worker = TrainingWorker({"copy": Copier(source)}, tmp_path / "training", min_fee_wei=0)
    service = TrainingService(chain, worker, fee_covers_gas=True)
    school = enrol(chain, PICTURE, fee=fee)
    if ends is None:
        time.sleep(1)
        service.answer_finished()
        assert list_own(chain) == []
        assert not (source / "ran").exists()
    else:
        wait_until(service, lambda: bool(list_answers(chain)))
        assert is_taught(chain, school, read_hash(source)) is ends
        assert (read_failure(chain) or "").startswith("" if ends else "the fee does not cover the gas of publishing")
        paid = ask(chain, ADDRESS, TRAINING.encode_call("balanceOf", [to_address(DEV_PRODUCER)])).return_data
        cost = sum(receipt.gas_used * receipt.effective_gas_price for _, receipt in list_own(chain))
        assert cost <= int.from_bytes(paid, "big") == fee
    service.close()
    chain.close()


def test_calls_that_are_due_in_every_block_do_not_take_the_answers_nonce(
    serve: Callable[[Chain], TrainingService], source: Path
) -> None:
    write_model(source)
    chain = build_chain(accounts={SCHEDULER_AT: AccountOverride(nonce=1, code=SCHEDULER_ABI.runtime)})
    service = serve(chain)
    order = (to_address(BOB), 100_000, 10**10, 0, chain.head.number + 2, 1)
    booked = SCHEDULER_ABI.encode_call("schedule", [order, b""])
    assert send(chain, SCHEDULER_AT, booked, value=10**18).succeeded
    school = enrol(chain, PICTURE)
    chain.dev.automine = False
    wait_until(service, lambda: is_taught(chain, school, read_hash(source)), chain.mine)
    assert all(block.transactions[0].to == SCHEDULER_AT for block in list_blocks(chain)[2:])
    assert [to for to, _ in list_own(chain) if to != SCHEDULER_AT] == [MODELS, MODELS, ADDRESS]
    chain.close()


def test_an_answer_that_comes_too_late_costs_one_transaction(
    serve: Callable[[Chain], TrainingService], source: Path
) -> None:
    write_model(source)
    chain = build_chain()
    service = serve(chain)
    school = enrol(chain, PICTURE)
    chain.dev.automine = False
    late = chain.head.timestamp + 2 * 86_400

    def mine_late() -> None:
        is_last = any(message.to == ADDRESS for message in chain.outbox.waiting)
        chain.mine(late if is_last else None)

    wait_until(service, lambda: bool(list_answers(chain)), mine_late)
    for _ in range(5):
        service.answer_finished()
        chain.mine()
    (receipt,) = [receipt for to, receipt in list_own(chain) if to == ADDRESS]
    assert not receipt.succeeded
    assert read(chain, school, "model") == bytes(32)
    chain.close()


def test_a_producer_that_gets_its_ether_after_the_deadline_sends_nothing(
    serve: Callable[[Chain], TrainingService], source: Path
) -> None:
    write_model(source)
    chain = build_chain(accounts={DEV_PRODUCER: AccountOverride(balance=10**12)})
    service = serve(chain)
    enrol(chain, PICTURE)
    with capture_logs() as logs:
        wait_until(service, lambda: any(entry["event"] == "training.waits" for entry in logs))
        chain.mine(chain.head.timestamp + 2 * 86_400)
        send(chain, DEV_PRODUCER, value=10**18, sender=BOB)
        wait_until(service, lambda: any(entry["event"] == "training.too_late" for entry in logs))
    assert list_own(chain) == []
    chain.close()


def test_a_model_that_was_taken_back_is_published_again(
    serve: Callable[[Chain], TrainingService], source: Path
) -> None:
    write_model(source, classes=PARTS)
    chain = build_chain()
    service = serve(chain)
    school = enrol(chain, PICTURE)
    chain.dev.automine = False
    snapshot = chain.dev.snapshot()
    wait_until(service, lambda: len(list_own(chain)) == 2, chain.mine)
    chain.dev.revert(snapshot)
    assert list_own(chain) == []
    wait_until(service, lambda: is_taught(chain, school, read_hash(source)), chain.mine)
    assert [to for to, _ in list_own(chain)] == [MODELS] * 4 + [ADDRESS]
    chain.close()


def test_a_producer_that_is_killed_after_each_step_repeats_none(source: Path, tmp_path: Path) -> None:
    weights = write_model(source, classes=PARTS)
    chain = build_chain(tmp_path / "chain.sqlite")
    school = enrol(chain, PICTURE)
    chain.close()
    program = str(Path(__file__).with_name("schooling.py"))
    for _ in range(5):  # two parts, the file, the model, the answer
        command = [sys.executable, program, str(tmp_path), str(source)]
        killed = subprocess.run(command, check=False, timeout=120, env={"PYTHONPATH": os.pathsep.join(sys.path)})
        assert killed.returncode == -signal.SIGKILL
    chain = build_chain(tmp_path / "chain.sqlite")
    assert is_taught(chain, school, read_hash(source))
    assert read(chain, school, "digit") == classify(weights, PICTURE)
    assert [to for to, _ in list_own(chain)] == [MODELS] * 4 + [ADDRESS]
    assert (source / "ran").read_text() == "once\n"
    follow(chain)
    chain.close()


def test_models_that_are_damaged_are_trained_again(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "job")
    write_model(folder.clear() / "one")
    write_model(tmp_path / "job" / "two", seed=2)
    kept = folder.keep(b"result")
    assert [model.name for model in kept.models] == ["one", "two"]
    assert folder.read() == kept
    (tmp_path / "job" / "two" / "model.onnx").write_bytes(b"x")
    assert folder.read() is None
    write_model(tmp_path / "job" / "two", seed=2)
    (tmp_path / "job" / ".result").write_text("[]")
    assert folder.read() is None
    assert list(folder.clear().iterdir()) == []
    assert folder.read() is None


def test_a_layer_without_the_precompile_of_models_answers_all_the_same(
    serve: Callable[[Chain], TrainingService], source: Path
) -> None:
    write_model(source)
    contract = AccountOverride(nonce=1, code=TRAINING.runtime)
    chain = Chain(Genesis(accounts={**build_dev_accounts(), ADDRESS: contract}))
    service = serve(chain)
    receipt = send(chain, ADDRESS, TRAINING.encode_call("submit(bytes)", [b'{"workflow": "copy"}']), sender=ALICE)
    wait_until(service, lambda: bool(list_answers(chain)))
    returned = ask(chain, ADDRESS, TRAINING.encode_call("resultOf", [receipt.logs[0].topics[1]])).return_data
    (result,) = decode_abi(["bytes"], returned)
    assert decode_abi(["bytes32", "string", "uint32"], bytes(result))[0] == read_hash(source)
    chain.close()
