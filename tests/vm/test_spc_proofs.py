from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from needs import need_module
from spc_harness import Harness
from spc_models import Inference

from infernet.errors import NodeMisconfigured
from infernet.vm.spc.addresses import TENSOR_INFERENCE
from infernet.vm.spc.call import SpcOutOfGas, SpcRevert
from infernet.vm.spc.circuits import measure_circuit
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.proof_process import ProofProcess
from infernet.vm.spc.proofs import MODULUS, ProofVerifier, cut_srs

VECTORS = Path(__file__).parents[2] / "vectors"
INTERFACE = """
register(bytes32,bytes32,bytes32) -> (bytes32)
circuitOf(bytes32) -> (bytes32,bytes32,bytes32)
verify(bytes32,bytes,uint256[]) -> (bool)
"""
CASES = json.loads((VECTORS / "ezkl.json").read_text())["cases"]


class Proofs(Harness):
    """The verifier, beside the precompile that keeps its files."""

    def __init__(self, process: ProofProcess) -> None:
        super().__init__(ProofVerifier(Prices(), Limits(), process), INTERFACE)
        self.files = Inference()
        self.state.others[TENSOR_INFERENCE] = self.files.state.storage
        self.state.blobs = self.files.state.blobs

    def put(self, *contents: bytes) -> list[bytes]:
        return [self.files.call("putBlob", content) for content in contents]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The verifying key of the circuit in vectors/ezkl."""
    ezkl, folder = need_module("ezkl"), tmp_path_factory.mktemp("keys")

    async def setup() -> None:
        files = VECTORS / "ezkl"
        done = ezkl.setup(*map(str, (files / "model.ezkl", folder / "vk", folder / "pk", files / "kzg.srs")))
        if inspect.isawaitable(done):
            await done

    asyncio.run(setup())
    return (folder / "vk").read_bytes()


@pytest.fixture(scope="module")
def process() -> Any:
    process = ProofProcess()
    yield process
    process.close()


@pytest.fixture
def proofs(process: ProofProcess) -> Proofs:
    return Proofs(process)


@pytest.fixture
def circuit(proofs: Proofs, key: bytes) -> bytes:
    settings, srs = (VECTORS / "ezkl" / "settings.json").read_bytes(), (VECTORS / "ezkl" / "kzg.srs").read_bytes()
    return proofs.call("register", *proofs.put(key, settings, cut_srs(srs)))


def read_case(case: dict[str, Any]) -> tuple[bytes, list[int]]:
    numbers = [int(value) for value in case["features"] + case["outputs"]]
    return bytes.fromhex(case["proof"][2:]), [number % MODULUS for number in numbers]


@pytest.mark.parametrize("case", CASES)
def test_a_proof_of_the_models_answer_holds(proofs: Proofs, circuit: bytes, case: dict[str, Any]) -> None:
    proof, instances = read_case(case)
    assert proofs.call("verify", circuit, proof, instances, is_static=True) is True


@pytest.mark.parametrize("place", range(7))
def test_another_input_or_output_is_not_proven(proofs: Proofs, circuit: bytes, place: int) -> None:
    proof, instances = read_case(CASES[0])
    instances[place] = (instances[place] + 1) % MODULUS
    assert proofs.call("verify", circuit, proof, instances) is False


def test_a_number_has_one_form(proofs: Proofs, circuit: bytes) -> None:
    proof, instances = read_case(CASES[0])
    instances[0] += MODULUS
    assert proofs.call("verify", circuit, proof, instances) is False


@pytest.mark.parametrize("change", [lambda p: b"", lambda p: p[:100], lambda p: bytes(len(p)), lambda p: p[:-1] + b"!"])
def test_other_bytes_prove_nothing(proofs: Proofs, circuit: bytes, change: Any) -> None:
    proof, instances = read_case(CASES[0])
    assert proofs.call("verify", circuit, change(proof), instances) is False
    assert proofs.call("verify", circuit, proof, instances[:-1]) is False
    assert proofs.call("verify", circuit, proof, []) is False


def test_the_proof_of_one_answer_is_none_of_another(proofs: Proofs, circuit: bytes) -> None:
    (first, _), (_, second) = map(read_case, CASES)
    assert proofs.call("verify", circuit, first, second) is False


def test_a_circuit_names_its_files(proofs: Proofs, circuit: bytes, key: bytes) -> None:
    (key_hash,) = proofs.put(key)
    assert proofs.call("circuitOf", circuit)[0] == key_hash
    with pytest.raises(SpcRevert, match="no circuit"):
        proofs.call("circuitOf", bytes(32))
    with pytest.raises(SpcRevert, match="no circuit"):
        proofs.call("verify", bytes(32), b"", [])


def test_files_that_are_not_there_or_no_reference_string_are_refused(proofs: Proofs, key: bytes) -> None:
    key_hash, junk = proofs.put(key, b"junk")
    with pytest.raises(SpcRevert, match="there is no file"):
        proofs.call("register", key_hash, junk, b"\x07" * 32)
    with pytest.raises(SpcRevert, match=r"circuit\.invalid: not a structured reference string"):
        proofs.call("register", key_hash, junk, junk)


def test_junk_for_a_key_proves_nothing(proofs: Proofs, key: bytes) -> None:
    settings, srs = (VECTORS / "ezkl" / "settings.json").read_bytes(), (VECTORS / "ezkl" / "kzg.srs").read_bytes()
    proof, instances = read_case(CASES[0])
    small = cut_srs(srs)
    unknown = settings.replace(b'"Fixed"', b'"Unknown"')
    for files in ((key[:50], settings, small), (key[:7] + b"!" + key[8:], settings, small), (key, unknown, small)):
        circuit = proofs.call("register", *proofs.put(*files))
        assert proofs.call("verify", circuit, proof, instances) is False


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("run_args logrows", 5, "logrows is from 6 to 18"),
        ("run_args logrows", 11, "the same in settings and key"),
        ("run_args logrows", 10.0, "logrows is a number"),
        ("run_args num_inner_cols", 1 << 41, "num_inner_cols is a number"),
        ("run_args num_inner_cols", 0, "num_inner_cols is 1 or more"),
        ("run_args", [], "no run_args"),
        ("required_range_checks", [[0, 1 << 16]], "at most 12 columns"),
        ("required_range_checks", [[1, 0]], "a lowest and a highest"),
        ("required_range_checks", {}, "no required_range_checks"),
        ("module_sizes polycommit", [[1 << 20]], "polycommit is a number"),
        ("num_blinding_factors", 1010, "too many blinding factors"),
        ("total_assignments", True, "total_assignments is a number"),
        ("model_input_scales", json.loads("[" * 20 + "]" * 20), "not the settings of a circuit"),
        ("model_input_scales", [0] * 30_000, "at most 65536 bytes"),
    ],
)
def test_settings_that_ask_for_too_much_are_no_circuits(
    proofs: Proofs, key: bytes, path: str, value: Any, reason: str
) -> None:
    settings, srs = json.loads((VECTORS / "ezkl" / "settings.json").read_bytes()), (VECTORS / "ezkl" / "kzg.srs")
    *outer, last = path.split()
    part = settings
    for name in outer:
        part = part[name]
    part[last] = value
    with pytest.raises(SpcRevert, match=rf"circuit\.invalid: .*{reason}"):
        proofs.call("register", *proofs.put(key, json.dumps(settings).encode(), cut_srs(srs.read_bytes())))


@pytest.mark.parametrize("log_rows", [0, 9, 11, 24, 255])
def test_a_key_of_other_rows_is_no_circuit(proofs: Proofs, key: bytes, log_rows: int) -> None:
    settings, srs = (VECTORS / "ezkl" / "settings.json").read_bytes(), (VECTORS / "ezkl" / "kzg.srs").read_bytes()
    hostile = key[:1] + bytes([log_rows]) + key[2:]
    for other in (hostile, b""):
        with pytest.raises(SpcRevert, match=r"circuit\.invalid: logrows"):
            proofs.call("register", *proofs.put(other, settings, cut_srs(srs)))


@pytest.mark.parametrize("settings", [b"", b"[]", b"[" * 9, b"[" * 60_000, b"\xff"])
def test_what_is_no_json_is_no_circuit(settings: bytes) -> None:
    with pytest.raises(ValueError, match="not the settings of a circuit"):
        measure_circuit(settings, b"\x03\x0a")


def test_a_second_reader_finds_what_was_measured(key: bytes) -> None:
    settings = (VECTORS / "ezkl" / "settings.json").read_bytes()
    twice = settings.replace(b'"num_rows"', b'"total_assignments":1099511627776,"num_rows"')
    assert twice != settings
    assert json.loads(measure_circuit(twice, key).settings) == json.loads(settings)
    assert measure_circuit(twice, key).settings.count(b"total_assignments") == 1


def test_a_larger_circuit_costs_more() -> None:
    settings, sizes = json.loads((VECTORS / "ezkl" / "settings.json").read_bytes()), []
    for cells in (769, 1 << 12, 1 << 16, 1 << 18):
        settings["total_assignments"] = cells
        size = measure_circuit(json.dumps(settings).encode(), b"\x03\x0a")
        sizes.append((size.columns, size.kilorows))
    assert sizes[0] == (10, 14)
    assert sizes == sorted(set(sizes))
    settings["total_assignments"] = 1 << 24
    with pytest.raises(ValueError, match="too large"):
        measure_circuit(json.dumps(settings).encode(), b"\x03\x0a")


def test_the_whole_reference_string_does_as_well(proofs: Proofs, key: bytes) -> None:
    settings, srs = (VECTORS / "ezkl" / "settings.json").read_bytes(), (VECTORS / "ezkl" / "kzg.srs").read_bytes()
    circuit = proofs.call("register", *proofs.put(key, settings, srs))
    proof, instances = read_case(CASES[0])
    assert proofs.call("verify", circuit, proof, instances) is True
    with pytest.raises(ValueError, match="not a structured reference string"):
        cut_srs(srs[:-1])


def test_a_process_that_ended_is_started_anew(proofs: Proofs, circuit: bytes, process: ProofProcess) -> None:
    proof, instances = read_case(CASES[0])
    assert proofs.call("verify", circuit, proof, instances) is True
    running = process._process
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert proofs.call("verify", circuit, proof, instances) is True


def test_what_is_cleaned_from_the_temporary_folder_changes_no_answer(
    proofs: Proofs, circuit: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = ProofProcess()
    proofs.spc = ProofVerifier(Prices(), Limits(), process)
    proof, instances = read_case(CASES[0])
    try:
        for _ in range(2):
            assert proofs.call("verify", circuit, proof, instances) is True
            assert list(tmp_path.iterdir()) == []
    finally:
        process.close()


def test_a_process_that_keeps_ending_gives_no_answer(
    proofs: Proofs, circuit: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof, instances = read_case(CASES[0])
    monkeypatch.setattr("infernet.vm.spc.proof_process.sys.executable", "/bin/false")
    proofs.spc = ProofVerifier(Prices(), Limits(), ProofProcess())
    with pytest.raises(NodeMisconfigured, match="the process that verifies proofs ended"):
        proofs.call("verify", circuit, proof, instances)


def test_a_process_that_takes_too_long_gives_no_answer(proofs: Proofs, circuit: bytes) -> None:
    proof, instances = read_case(CASES[0])
    process = ProofProcess(limit_s=0.001)
    proofs.spc = ProofVerifier(Prices(), Limits(), process)
    with pytest.raises(NodeMisconfigured, match="took too long"):
        proofs.call("verify", circuit, proof, instances)
    assert process._process is None


def test_a_proof_is_paid_for_before_it_is_verified(proofs: Proofs, circuit: bytes) -> None:
    proof, instances = read_case(CASES[0])
    proofs.call("verify", circuit, proof, instances)
    needed = proofs.gas_used
    assert needed > Prices().proof
    with pytest.raises(SpcOutOfGas):
        proofs.call("verify", circuit, proof, instances, gas=Prices().proof)
    with pytest.raises(SpcRevert, match="at most 65536 bytes"):
        proofs.call("verify", circuit, bytes(65537), instances)


def test_a_static_call_registers_nothing(proofs: Proofs) -> None:
    with pytest.raises(SpcRevert, match="static"):
        proofs.call("register", bytes(32), bytes(32), bytes(32), is_static=True)


def test_a_layer_without_ezkl_cannot_enable_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infernet.vm.spc.proof_process.find_spec", lambda name: None)
    with pytest.raises(NodeMisconfigured, match=r"pip install 'infernet\[zk\]', or leave 0x0820 out"):
        ProofVerifier(Prices(), Limits())
