"""The Python codecs and the compiled contracts speak of the same functions, events and structs."""

from __future__ import annotations

import json
from pathlib import Path

import infernet
from infernet.protocol.calldata import FUNCTIONS, GET_MODEL_FEATURES, SIGNER
from infernet.protocol.deliveries import ANSWER_FIELDS, BATCH_FUNCTIONS
from infernet.protocol.events import EVENTS
from infernet.protocol.money_calldata import MONEY_FUNCTIONS
from infernet.protocol.subscription import DELEGATE_FIELDS, FIELDS

ARTIFACTS = Path(infernet.__file__).parent / "artifacts"


def read_abi(name: str) -> list[dict]:
    return json.loads((ARTIFACTS / f"{name}.json").read_text())["abi"]


def abi_type(parameter: dict) -> str:
    if parameter["type"].startswith("tuple"):
        inner = ",".join(abi_type(component) for component in parameter["components"])
        return f"({inner}){parameter['type'].removeprefix('tuple')}"
    return parameter["type"]


def signature(entry: dict) -> str:
    return f"{entry['name']}({','.join(abi_type(parameter) for parameter in entry['inputs'])})"


def functions_of(name: str) -> dict[str, str]:
    """The types that each function returns, by its signature."""
    entries = [entry for entry in read_abi(name) if entry["type"] == "function"]
    return {signature(entry): f"({','.join(abi_type(output) for output in entry['outputs'])})" for entry in entries}


def structs_of(name: str) -> list[tuple[str, list[dict]]]:
    parameters = [parameter for entry in read_abi(name) for parameter in entry.get("inputs", [])]
    return [
        (parameter["internalType"], parameter["components"]) for parameter in parameters if "components" in parameter
    ]


def test_every_function_is_one_of_the_contracts():
    contracts = functions_of("EIP712Coordinator") | functions_of("ISubscriptionConsumer") | functions_of("IDelegator")
    contracts |= functions_of("NodeRegistry")
    for function in (*FUNCTIONS, *BATCH_FUNCTIONS, *MONEY_FUNCTIONS):
        assert contracts[function.signature] == f"({','.join(function.returned_types)})"


def test_what_consumers_answer_is_asked_of_consumers():
    assert GET_MODEL_FEATURES.signature in functions_of("ISubscriptionConsumer")
    assert SIGNER.signature in functions_of("IDelegator")


def test_every_event_of_the_coordinator_has_a_codec_with_the_same_topics():
    entries = [entry for entry in read_abi("EIP712Coordinator") if entry["type"] == "event"]
    ours = {codec.signature: codec for codec in EVENTS.values()}
    theirs = {signature(entry): entry for entry in entries if not entry["name"].startswith("EIP712")}
    assert set(ours) == set(theirs)
    for name, entry in theirs.items():
        indexed = [parameter["indexed"] for parameter in entry["inputs"]]
        first_of_data = len(ours[name].indexed)
        assert indexed == [True] * first_of_data + [False] * (len(indexed) - first_of_data)


def test_the_structs_have_the_same_fields_in_the_same_order():
    structs = structs_of("EIP712Coordinator")
    assert {name for name, _ in structs} == {"struct Subscription", "struct DelegateRequest", "struct Answer"}
    for name, components in structs:
        fields = [(component["name"], abi_type(component)) for component in components]
        if name == "struct Subscription":
            assert fields == [(solidity, kind.abi) for _, solidity, kind in FIELDS]
        elif name == "struct Answer":
            assert [kind for _, kind in fields] == [kind.abi for kind in ANSWER_FIELDS.values()]
        else:
            assert fields == [(inner, kind.abi) for inner, kind in DELEGATE_FIELDS.items()]
