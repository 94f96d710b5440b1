from __future__ import annotations

import json
from pathlib import Path

import pytest

from infernet.chain.abi import ContractAbi, format_value, parse_abi
from infernet.chain.artifacts import list_artifacts, load_artifact, read_artifact
from infernet.errors import InvalidInput, RetryLater
from infernet.protocol import calldata
from infernet.protocol.hashing import compute_container_id, to_address
from infernet.protocol.subscription import DelegateRequest, Subscription
from infernet.types import Gas, Timestamp, Wei

OWNER = to_address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")

ENTRIES = [
    {"type": "constructor", "inputs": [{"type": "uint8", "name": "n"}]},
    {"type": "function", "name": "same", "inputs": [{"type": "uint8", "name": ""}], "outputs": []},
    {"type": "function", "name": "same", "inputs": [{"type": "string", "name": ""}], "outputs": []},
    {
        "type": "function",
        "name": "pair",
        "inputs": [
            {
                "type": "tuple[2][]",
                "name": "p",
                "components": [
                    {"type": "uint8", "name": "a"},
                    {"type": "tuple", "name": "b", "components": [{"type": "bytes", "name": "c"}]},
                ],
            }
        ],
        "outputs": [{"type": "address", "name": ""}, {"type": "uint8", "name": ""}],
    },
    {"type": "receive"},
]
OWN = ContractAbi("Own", parse_abi(ENTRIES))


def test_tuples_are_written_out() -> None:
    assert OWN.find_function("pair", 1).signature == "pair((uint8,(bytes))[2][])"


def test_an_overloaded_function_is_named_in_full() -> None:
    with pytest.raises(InvalidInput, match=r"ambiguous: name one of same\(uint8\), same\(string\)"):
        OWN.encode_call("same", [1])
    assert OWN.encode_call("same(uint8)", [1])[4:] == (1).to_bytes(32)


def test_results_are_values_with_checksummed_addresses() -> None:
    data = bytes(12) + bytes.fromhex(OWNER[2:]) + (9).to_bytes(32)
    assert OWN.decode_result("pair", 1, data) == (OWNER, 9)
    with pytest.raises(RetryLater, match="returned nothing"):
        OWN.decode_result("pair", 1, b"")
    with pytest.raises(RetryLater, match="33 bytes that do not fit"):
        OWN.decode_result("pair", 1, bytes(33))


def test_constructor_arguments_stand_behind_the_bytecode() -> None:
    artifact = load_artifact("DigitsClassifier")
    data = artifact.encode_deployment([OWNER, "a:1"])
    assert data.startswith(artifact.bytecode)
    with pytest.raises(InvalidInput, match="takes 2 arguments"):
        artifact.encode_deployment([OWNER])
    with pytest.raises(InvalidInput, match="not an interface"):
        load_artifact("ICoordinator").encode_deployment()


def test_structs_of_ours_are_encoded_as_the_protocol_does() -> None:
    subscription = Subscription(
        owner=OWNER, container_id=compute_container_id("a"), max_gas_price=Wei(1), max_gas_limit=Gas(2)
    )
    request = DelegateRequest(1, Timestamp(2), subscription, "a", b"f", b"s")
    coordinator = load_artifact("EIP712Coordinator")
    delivery = coordinator.encode_call("deliverModelOutputDelegate", [request, 1, b"o", b"p"])
    assert delivery == calldata.encode_deliver_model_output_delegate(request, 1, b"o", b"p")  # type: ignore[arg-type]


def test_every_artifact_is_read() -> None:
    assert "EIP712Coordinator" in list_artifacts()
    assert all(load_artifact(name).items for name in list_artifacts())


def test_a_file_that_is_no_artifact_is_one_line(tmp_path: Path) -> None:
    for content in ("", "[]", "{}", '{"abi": [{}]}', '{"abi": [], "bytecode": "0xzz"}'):
        path = tmp_path / "x.json"
        path.write_text(content)
        with pytest.raises(InvalidInput, match="no contract artifact"):
            read_artifact(path)
    with pytest.raises(InvalidInput):
        read_artifact(tmp_path / "missing.json")
    path.write_text(json.dumps({"abi": ENTRIES}))
    assert read_artifact(path).name == "x"


def test_values_are_shown_on_one_short_line() -> None:
    assert format_value((1, True, b"\x01", OWNER, "a\nb")) == f"(1, true, 0x01, {OWNER}, 'a\\nb')"
    assert len(format_value(bytes(10_000))) == 200
