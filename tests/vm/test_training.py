"""Training jobs: what is read from the chain, the producer's work beside it, and the contract on a real EVM."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evm import ask, send
from hypothesis import given
from hypothesis import strategies as st
from needs import need_module
from trainers import Adder, Rogue

from infernet.chain.anvil import AnvilChain
from infernet.chain.artifacts import load_artifact
from infernet.chain.local import DEV_ACCOUNTS
from infernet.chain.rpc import RpcChain
from infernet.chain.sending import Message, send_and_wait
from infernet.errors import InfernetError
from infernet.keys.signer import LocalSigner
from infernet.models.store import read_manifest
from infernet.protocol.abi_codec import decode_abi, encode_abi
from infernet.protocol.hashing import to_address
from infernet.protocol.manifest import compute_manifest_hash
from infernet.types import ChainId, Gas, Wei
from infernet.vm import training_service
from infernet.vm.block import LogEntry
from infernet.vm.chain import Chain
from infernet.vm.digits_trainer import DigitsTrainer
from infernet.vm.genesis import Genesis, build_dev_accounts
from infernet.vm.request import AccountOverride
from infernet.vm.spc.addresses import TRAINING
from infernet.vm.spc.training import (
    ADDRESS,
    SUBMITTED,
    Answer,
    Job,
    TrainingFailed,
    build_failure,
    decode_job,
    encode_get_job,
    is_open,
    read_spec,
)
from infernet.vm.training_service import TrainingService
from infernet.vm.training_worker import TrainingWorker

ABI = load_artifact("Training")
PRODUCER = LocalSigner(DEV_ACCOUNTS[0].private_key)
USER = LocalSigner(DEV_ACCOUNTS[1].private_key)
LOCAL = ChainId(31337)


def build_job(spec: object, *, number: int = 1, fee: int = 5, deadline: int = 2_000) -> Job:
    encoded = spec if isinstance(spec, bytes) else json.dumps(spec).encode()
    return Job(number.to_bytes(32, "big"), b"\x22" * 20, 300_000, deadline, fee, encoded)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., TrainingWorker]]:
    workers = []

    def start(**options: Any) -> TrainingWorker:
        workers.append(TrainingWorker({"add": Adder(), "rogue": Rogue()}, tmp_path, **options))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


def wait_for_answers(worker: TrainingWorker, count: int = 1, timestamp: int = 1_000) -> list[Answer]:
    answers: list[Answer] = []
    for _ in range(600):
        answers += worker.take_answers(timestamp)
        if len(answers) >= count:
            return answers
        time.sleep(0.05)
    raise AssertionError(f"{len(answers)} answers of {count}")


# --- Reading the chain


@given(st.binary(min_size=1, max_size=100), st.integers(0, 2**32 - 1), st.integers(0, 2**128 - 1))
def test_a_job_is_read_from_its_log(spec: bytes, callback_gas: int, fee: int) -> None:
    data = encode_abi(["uint32", "uint40", "uint128", "bytes"], [callback_gas, 99, fee, spec])
    topics = (bytes(SUBMITTED), b"\x07" * 32, bytes(12) + b"\x22" * 20)
    log = LogEntry(ADDRESS, topics, data, 1, b"", b"", 0, 0)
    assert decode_job(log) == Job(b"\x07" * 32, b"\x22" * 20, callback_gas, 99, fee, spec)
    assert decode_job(replace(log, address=bytes(20))) is None
    assert decode_job(replace(log, topics=(bytes(32), *topics[1:]))) is None
    assert decode_job(replace(log, topics=())) is None


def test_an_answer_is_the_contracts_calldata_with_gas_for_all_of_it() -> None:
    answer = Answer(build_job({}), True, b"x" * 1_000)
    assert answer.encode() == ABI.encode_call("complete", [answer.job.id, True, answer.result])
    assert answer.gas > 300_000 * 64 // 63 + 200_000 + 1_000 * 216
    longest = Answer(replace(answer.job, callback_gas=8_000_000), True, bytes(16_384))
    assert longest.gas <= 1 << 24


@pytest.mark.parametrize("spec", [b"", b"\xff", b"[]", b"{}", b'{"workflow": 1}', b"[" * 16_384])
def test_a_specification_that_is_none_is_refused(spec: bytes) -> None:
    with pytest.raises(TrainingFailed):
        read_spec(spec)


def test_a_long_reason_is_cut() -> None:
    assert build_failure(build_job({}), "é" * 2_000).result == "é".encode() * 512


# --- The work


def test_a_training_has_a_result_and_a_folder(start: Callable[..., TrainingWorker]) -> None:
    worker, job = start(), build_job({"workflow": "add", "add": [1, 2, 3]})
    worker.offer(job)
    (answer,) = wait_for_answers(worker)
    assert answer == Answer(job, True, encode_abi(["uint256"], [6]))
    assert (worker.folder_of(job) / "sum").read_text() == "made"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"workflow": "add"}, 'the specification needs "add"'),
        ({"workflow": "subtract"}, "there is no workflow 'subtract': this layer has add, rogue"),
        (b"no json", 'the specification is no JSON object with a "workflow"'),
        ({"workflow": "rogue", "how": "break"}, "the training broke: ZeroDivisionError"),
        ({"workflow": "rogue", "how": "die"}, "the training was killed"),
        ({"workflow": "rogue", "how": "long"}, "the result has 16385 bytes, more than 16384"),
    ],
)
def test_a_failure_is_an_answer_with_a_reason(start: Callable[..., TrainingWorker], spec: object, reason: str) -> None:
    worker, job = start(), build_job(spec)
    worker.offer(job)
    assert wait_for_answers(worker) == [Answer(job, False, reason.encode())]


def test_a_training_that_hangs_is_ended_and_the_next_one_runs(start: Callable[..., TrainingWorker]) -> None:
    worker = start(timeout_s=1.5)
    worker.offer(build_job({"workflow": "rogue", "how": "hang"}))
    worker.offer(build_job({"workflow": "add", "add": [1]}, number=2))
    hung, added = wait_for_answers(worker, 2)
    assert hung.result == b"the training took longer than 1.5 s"
    assert added.ok


def test_cheap_and_known_jobs_are_not_taken(start: Callable[..., TrainingWorker]) -> None:
    worker, job = start(min_fee_wei=5), build_job({"workflow": "add", "add": [1]})
    worker.offer(replace(job, id=bytes(32), fee=4))
    worker.offer(job)
    worker.offer(job)
    worker.offer(build_job({"workflow": "none"}, number=2))
    assert [answer.job.id[-1] for answer in wait_for_answers(worker, 2)] == [1, 2]


def test_an_answer_after_its_deadline_is_forgotten(start: Callable[..., TrainingWorker]) -> None:
    worker = start()
    worker.offer(build_job({"workflow": "none"}, deadline=999))
    worker.offer(build_job({"workflow": "none"}, number=2, deadline=1_000))
    (answer,) = wait_for_answers(worker)
    assert answer.job.deadline == 1_000


def test_closing_ends_what_runs(start: Callable[..., TrainingWorker]) -> None:
    worker = start()
    worker.offer(build_job({"workflow": "rogue", "how": "hang"}))
    time.sleep(0.2)
    worker.close()
    assert worker.take_answers(0) == []


# --- The digits workflow


def test_digits_are_trained_to_a_model_that_its_hash_names(
    start: Callable[..., TrainingWorker], tmp_path: Path
) -> None:
    need_module("sklearn")
    result = DigitsTrainer().train({"workflow": "digits", "seed": 3, "name": "lab/digits:2"}, tmp_path)
    manifest_hash, name, accuracy = decode_abi(["bytes32", "string", "uint32"], result)
    manifest = read_manifest(tmp_path)
    assert (manifest_hash, name) == (compute_manifest_hash(manifest), "lab/digits:2")
    assert 9_000 < accuracy <= 10_000


@pytest.mark.parametrize("fields", [{"seed": -1}, {"seed": "x"}, {"seed": True}, {"name": 1}, {"name": "no version"}])
def test_digits_with_a_wrong_specification_fail(tmp_path: Path, fields: dict[str, Any]) -> None:
    need_module("sklearn")
    with pytest.raises(TrainingFailed):
        DigitsTrainer().train({"workflow": "digits", **fields}, tmp_path)


# --- On a chain


def build_chain(path: Path | None = None) -> Chain:
    accounts = {**build_dev_accounts(), ADDRESS: AccountOverride(nonce=1, code=ABI.runtime)}
    return Chain(Genesis(accounts=accounts), path=path)


def submit_job(chain: Chain, spec: bytes, fee: int = 0) -> bytes:
    """The new job's id."""
    receipt = send(chain, ADDRESS, ABI.encode_call("submit(bytes)", [spec]), value=fee)
    assert receipt.succeeded
    return receipt.logs[0].topics[1]


def answer_all(service: TrainingService) -> None:
    for _ in range(600):
        if service.answer_finished():
            return
        time.sleep(0.05)
    raise AssertionError("nothing ended")


def read_result(chain: Chain, job_id: bytes) -> bytes:
    (result,) = decode_abi(["bytes"], ask(chain, ADDRESS, ABI.encode_call("resultOf", [job_id])).return_data)
    return bytes(result)


def test_a_layer_trains_and_answers(start: Callable[..., TrainingWorker]) -> None:
    chain = build_chain()
    service = TrainingService(chain, start())
    job_id = submit_job(chain, b'{"workflow": "add", "add": [20, 22]}', fee=7)
    answer_all(service)
    assert decode_abi(["uint256"], read_result(chain, job_id)) == (42,)
    earned = ask(chain, ADDRESS, ABI.encode_call("balanceOf", [to_address(chain.coinbase)])).return_data
    assert int.from_bytes(earned, "big") == 7
    service.close()


def test_an_open_job_is_taken_up_after_a_restart(start: Callable[..., TrainingWorker], tmp_path: Path) -> None:
    chain = build_chain(tmp_path / "chain.sqlite")
    answered = submit_job(chain, b'{"workflow": "none"}')
    first = TrainingService(chain, start())
    first.resume()
    answer_all(first)
    first.close()
    left = submit_job(chain, b'{"workflow": "add", "add": [1]}')
    chain.close()

    chain = build_chain(tmp_path / "chain.sqlite")
    second = TrainingService(chain, start())
    second.resume()
    answer_all(second)
    assert read_result(chain, answered).startswith(b"there is no workflow")
    assert decode_abi(["uint256"], read_result(chain, left)) == (1,)
    second.close()
    chain.close()


def test_all_open_jobs_are_taken_up_however_many_there_are(
    start: Callable[..., TrainingWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = build_chain()
    jobs = [submit_job(chain, b'{"workflow": "none"}') for _ in range(7)]
    monkeypatch.setattr(training_service, "_LOGS_AT_ONCE", 2)
    monkeypatch.setattr(training_service, "_BLOCKS_AT_ONCE", 3)
    service = TrainingService(chain, start())
    service.resume()
    answered = 0
    while answered < len(jobs):
        answered += service.answer_finished()
        time.sleep(0.01)
    assert all(read_result(chain, job).startswith(b"there is no workflow") for job in jobs)
    service.close()


def test_a_job_that_a_snapshot_took_back_is_not_answered(start: Callable[..., TrainingWorker]) -> None:
    chain = build_chain()
    service = TrainingService(chain, start())
    snapshot = chain.dev.snapshot()
    submit_job(chain, b'{"workflow": "none"}')
    chain.dev.revert(snapshot)
    head = chain.head.hash
    answer_all(service)
    assert chain.head.hash == head
    service.close()


@pytest.mark.chain
async def test_on_anvil_the_miner_answers(anvil: AnvilChain, start: Callable[..., TrainingWorker]) -> None:
    async with RpcChain(anvil.rpc_url) as rpc:
        await _answer_on_anvil(anvil, rpc, start())


async def _answer_on_anvil(anvil: AnvilChain, rpc: RpcChain, worker: TrainingWorker) -> None:
    await anvil.request("anvil_setCode", TRAINING, "0x" + ABI.runtime.hex())
    await anvil.request("anvil_setCoinbase", PRODUCER.address)
    submit = ABI.encode_call("submit(bytes)", [b'{"workflow": "add", "add": [20, 22]}'])
    receipt = await send_and_wait(rpc, USER, Message(to_address(TRAINING), submit, Wei(7)), LOCAL)
    (entry,) = receipt.logs
    job = decode_job(LogEntry(bytes.fromhex(entry.address[2:]), entry.topics, entry.data, 1, b"", b"", 0, 0))
    assert job is not None
    assert await _is_open(anvil, job)

    worker.offer(job)
    (answer,) = wait_for_answers(worker, timestamp=(await rpc.fetch_head()).timestamp)
    message = Message(to_address(TRAINING), answer.encode(), gas=Gas(answer.gas))
    with pytest.raises(InfernetError, match="NotProducer"):
        await send_and_wait(rpc, USER, message, LOCAL)
    assert (await send_and_wait(rpc, PRODUCER, message, LOCAL)).succeeded

    assert not await _is_open(anvil, job)
    call = {"to": TRAINING, "data": "0x" + ABI.encode_call("resultOf", [job.id]).hex()}
    (result,) = decode_abi(["bytes"], bytes.fromhex((await anvil.request("eth_call", call, "latest"))[2:]))
    assert decode_abi(["uint256"], result) == (42,)


async def _is_open(anvil: AnvilChain, job: Job) -> bool:
    call = {"to": TRAINING, "data": "0x" + encode_get_job(job.id).hex()}
    return is_open(bytes.fromhex((await anvil.request("eth_call", call, "latest"))[2:]))
