"""Proof verification: EZKL's proofs (Halo2, KZG, on BN254) checked inside a transaction.

A proof is the bytes that EZKL calls `hex_proof`, the same that its Solidity verifiers take. Verifying needs three
files, which are put on the chain as those of a model are. Whoever knows the secret that the reference string was made
with can forge proofs: a contract that pins a circuit's id pins its string as well.
"""

from __future__ import annotations

from dataclasses import replace

from infernet.vm.spc import addresses
from infernet.vm.spc.call import SpcCall, SpcRevert
from infernet.vm.spc.circuits import CircuitSize, measure_circuit
from infernet.vm.spc.dispatch import Methods
from infernet.vm.spc.files import Files
from infernet.vm.spc.prices import Limits, Prices
from infernet.vm.spc.proof_process import Circuit, ProofProcess, require_ezkl
from infernet.vm.spc.state import ZERO_WORD, SpcState, compute_slot

MODULUS = 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001
"""Order of the scalar field of BN254."""
_REGISTERED = bytes(31) + b"\x01"
_COUNT_BYTES, _POINT_BYTES, _TAIL_BYTES = 4, 64, 256
_MOST_LOG_ROWS = 26


class ProofVerifier:
    """Circuits and their proofs.

    Raises:
        NodeMisconfigured: `zk.not_installed`.
    """

    address = addresses.PROOF_VERIFIER
    name = "proofs"
    recorded = False

    def __init__(self, prices: Prices, limits: Limits, process: ProofProcess | None = None) -> None:
        require_ezkl()
        self._prices = prices
        self._limits = limits
        self._process = process or ProofProcess()
        self._methods = Methods(
            prices,
            {
                "register(bytes32,bytes32,bytes32) returns (bytes32)": self._register,
                "circuitOf(bytes32) view returns (bytes32,bytes32,bytes32)": self._circuit_of,
                "verify(bytes32,bytes,uint256[]) view returns (bool)": self._verify,
            },
        )

    def run(self, call: SpcCall) -> bytes:
        """See `Spc.run`."""
        return self._methods.run(call)

    def close(self) -> None:
        """End the process that verifies."""
        self._process.close()

    def _register(self, call: SpcCall, key: bytes, settings: bytes, srs: bytes) -> bytes:
        call.charge(self._prices.publish)
        _check_circuit(self._read_circuit(call, key, settings, srs))
        state = SpcState(call, self._prices)
        identity = state.put(key + settings + srs)
        if state.read(_slot(identity)) == ZERO_WORD:
            state.write(_slot(identity), _REGISTERED)
        return identity

    def _circuit_of(self, call: SpcCall, identity: bytes) -> tuple[bytes, bytes, bytes]:
        state = SpcState(call, self._prices)
        if state.read(_slot(identity)) == ZERO_WORD:
            raise SpcRevert(f"no circuit 0x{identity.hex()}")
        hashes = state.get(identity)
        return hashes[:32], hashes[32:64], hashes[64:]

    def _verify(self, call: SpcCall, identity: bytes, proof: bytes, instances: tuple[int, ...]) -> bool:
        limits, prices = self._limits, self._prices
        if len(proof) > limits.proof_bytes or len(instances) > limits.proof_instances:
            raise SpcRevert(
                f"a proof has at most {limits.proof_bytes} bytes and {limits.proof_instances} public instances"
            )
        hashes = self._circuit_of(call, identity)
        call.charge(prices.proof + prices.proof_byte * len(proof) + prices.proof_instance * len(instances))
        circuit = self._read_circuit(call, *hashes)
        size = _check_circuit(circuit)
        call.charge(prices.circuit_column * size.columns + prices.circuit_kilorow * size.kilorows)
        if any(instance >= MODULUS for instance in instances):
            return False  # a second form of another number
        return self._process.verify(replace(circuit, settings=size.settings), proof, instances)

    def _read_circuit(self, call: SpcCall, *hashes: bytes) -> Circuit:
        files = Files(SpcState(call, self._prices, addresses.TENSOR_INFERENCE), self._prices, self._limits)
        for sha256 in hashes:
            if (files.read_size(sha256) or 0) > self._limits.circuit_bytes:
                raise SpcRevert(f"a file of a circuit has at most {self._limits.circuit_bytes} bytes")
        return Circuit(*map(files.get, hashes))


def cut_srs(content: bytes) -> bytes:
    """What verification needs of a structured reference string, 388 bytes: those for proving are 131 KB and more.

    Raises:
        ValueError: it is none.
    """
    count = _read_point_count(content)
    lagrange = _COUNT_BYTES + count * _POINT_BYTES
    points = content[_COUNT_BYTES : _COUNT_BYTES + _POINT_BYTES] + content[lagrange : lagrange + _POINT_BYTES]
    return bytes(_COUNT_BYTES) + points + content[-_TAIL_BYTES:]


def _read_point_count(srs: bytes) -> int:
    log_rows = int.from_bytes(srs[:_COUNT_BYTES], "little")
    count = 1 << log_rows if log_rows <= _MOST_LOG_ROWS else 0
    if not count or len(srs) != _COUNT_BYTES + 2 * count * _POINT_BYTES + _TAIL_BYTES:
        raise ValueError("not a structured reference string of EZKL's")
    return count


def _check_circuit(circuit: Circuit) -> CircuitSize:
    try:
        _read_point_count(circuit.srs)
        return measure_circuit(circuit.settings, circuit.key)
    except ValueError as error:
        raise SpcRevert(f"circuit.invalid: {error}") from error


def _slot(identity: bytes) -> bytes:
    return compute_slot("circuit", identity)
