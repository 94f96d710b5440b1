"""Whatever parameters a method is given, it answers or refuses; the node is never at fault."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import build_chain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rpc_client import ALICE, FOREVER, LOGGER, NOBODY, REASON, deployment, raw, sign

from infernet.vm.chain import Chain
from infernet.vm.rpc import Limits
from infernet.vm.rpc.client import Client, Node
from infernet.vm.rpc.dispatch import Dispatcher
from infernet.vm.rpc.methods import DEVELOPMENT_METHODS, METHODS
from infernet.vm.rpc.table import Method
from infernet.vm.rpc.translation import translated

REFUSALS = {-32602, -32000, -32005, 3}
WORD = "0x" + "00" * 31 + "01"
PLAUSIBLE = [
    *("latest", "earliest", "pending", "safe", "0x0", "0x1", "0x2", "0xffffffff", WORD, ALICE.address, NOBODY),
    *(
        "0x",
        "0x12",
        REASON,
        FOREVER,
        deployment(LOGGER),
        "newHeads",
        "logs",
        "callTracer",
        True,
        False,
        0,
        1,
        2**70,
        1.5,
    ),
]
MEMBERS = [
    *("from", "to", "data", "input", "value", "gas", "gasPrice", "maxFeePerGas", "nonce", "type", "accessList"),
    *("authorizationList", "fromBlock", "toBlock", "blockHash", "address", "topics", "tracer", "tracerConfig", "limit"),
    *("balance", "code", "state", "stateDiff", "number", "time", "blockNumber", "storageKeys", "chainId", "yParity"),
    *("r", "s", "timestamp", NOBODY, ALICE.address, WORD),
]
values = st.recursive(
    st.none() | st.sampled_from(PLAUSIBLE) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=6),
    max_leaves=12,
)
# Blocks in thousands, and keeping a chain at a pace, are not a matter of parameters.
SLOW = {"anvil_mine", "hardhat_mine", "evm_mine", "evm_setIntervalMining", "anvil_setIntervalMining"}
NAMES = sorted((METHODS | DEVELOPMENT_METHODS).keys() - SLOW)


class Served:
    """A chain without a server: requests in, answers out."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        keys = {raw(ALICE): ALICE.private_key}
        limits = Limits(call_gas=300_000)
        self.node = Node(chain, keys, limits, clock=lambda: 0.0, submit=self._submit, change_pace=lambda: None)
        self.node.open()
        self.dispatcher = Dispatcher(METHODS | DEVELOPMENT_METHODS, self._run)

    def ask(self, method: str, params: list[Any]) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        answer = asyncio.run(self.dispatcher.answer(body, Client(self.node, lambda _: None)))
        assert answer is not None
        return json.loads(answer)

    async def _submit(self, transaction: bytes) -> bytes:
        return self.chain.submit(transaction)

    async def _run(self, method: Method, client: Client, params: list[Any]) -> object:
        with translated():
            result: Any = method.answer(client, *params)
            return await result if method.is_async else result


@pytest.fixture(scope="module")
def served_here() -> Iterator[Served]:
    chain = build_chain()
    chain.submit(bytes.fromhex(sign(nonce=0, data=bytes.fromhex(deployment(LOGGER)[2:]))[2:]))
    yield Served(chain)
    chain.close()


HUGE, HUGE_64 = hex(2**256 - 1), hex(2**64 - 1)
RICH = {NOBODY: {"balance": HUGE}}
FROM = {"from": ALICE.address, "to": NOBODY}
AUTHORIZED = {
    "authorizationList": [dict.fromkeys(("chainId", "nonce", "yParity", "r", "s"), HUGE) | {"address": NOBODY}]
}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_call", [FROM | {"value": HUGE}]),
        ("eth_call", [FROM | {"value": "0x1"}, "latest", RICH]),
        ("eth_estimateGas", [FROM | {"value": "0x1"}, "latest", RICH]),
        ("eth_call", [FROM | {"gas": HUGE_64, "nonce": HUGE_64}]),
        ("eth_call", [FROM | {"maxFeePerGas": HUGE, "maxPriorityFeePerGas": HUGE}]),
        ("eth_call", [{"from": NOBODY, "data": "0x00"}, "latest", {NOBODY: {"nonce": HUGE_64}}]),
        ("eth_call", [{}, "latest", {}, {"number": HUGE_64, "time": HUGE_64, "gasLimit": HUGE_64, "baseFee": HUGE}]),
        ("eth_call", [FROM | AUTHORIZED]),
        ("eth_sendTransaction", [FROM | AUTHORIZED]),
        ("eth_sendTransaction", [FROM | {"gas": HUGE_64}]),
        ("eth_sendTransaction", [FROM | {"nonce": HUGE_64}]),
        ("eth_sendTransaction", [FROM | {"gasPrice": HUGE}]),
        ("eth_createAccessList", [FROM | {"value": HUGE}]),
        ("debug_traceCall", [FROM | {"value": HUGE}, "latest", {"tracer": "callTracer"}]),
        ("eth_feeHistory", [2**70, "earliest", [1]]),
        ("eth_getProof", [NOBODY, ["0x0", HUGE], "earliest"]),
    ],
)
def test_numbers_at_their_limits_are_answered_or_refused(served_here: Served, method: str, params: list[Any]) -> None:
    answer = served_here.ask(method, params)
    assert "result" in answer or answer["error"]["code"] in REFUSALS, answer


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("anvil_setBalance", [NOBODY, HUGE]),
        ("anvil_setNonce", [ALICE.address, HUGE_64]),
        ("anvil_setNonce", [ALICE.address, HUGE]),
        ("evm_increaseTime", [2**255]),
        ("evm_setNextBlockTimestamp", [2**255]),
        ("anvil_setNextBlockBaseFeePerGas", [HUGE]),
        ("anvil_setNextBlockBaseFeePerGas", ["0x0"]),
    ],
)
def test_the_chain_goes_on_after_numbers_at_their_limits(method: str, params: list[Any]) -> None:
    here = Served(build_chain())
    assert here.ask(method, params).get("error", {}).get("code") in {None, *REFUSALS}
    here.ask("eth_sendTransaction", [FROM | {"value": "0x1", "gas": "0x5208"}])
    for number in (1, 2, 3):
        assert here.ask("evm_mine", [])["result"] == "0x0"
        assert int(here.ask("eth_blockNumber", [])["result"], 16) >= number
    here.chain.close()


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(NAMES), params=st.lists(values, max_size=4))
def test_no_parameters_make_the_node_fail(served_here: Served, name: str, params: list[Any]) -> None:
    answer = served_here.ask(name, params)
    assert "result" in answer or answer["error"]["code"] in REFUSALS, (name, params, answer)
