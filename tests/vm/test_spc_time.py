"""What counts as the time of an execution: what precompiles take, not what the outside lets them wait."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from evm import ALICE, sign

from infernet.types import Address
from infernet.vm.chain import Chain
from infernet.vm.genesis import Genesis, build_dev_accounts
from infernet.vm.osaka import deadline
from infernet.vm.request import CallFailed, CallRequest
from infernet.vm.spc.addresses import LLM
from infernet.vm.spc.call import SpcCall
from infernet.vm.spc.outside import Question

ORACLE = bytes.fromhex(LLM[2:])
WORKS, WAITS = b"\x00", b"\x01"


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 1.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Slow:
    """Takes 20 seconds: to compute, or until it is answered."""

    clock: Clock
    address: Address = LLM
    name: str = "slow"
    recorded: bool = True

    def run(self, call: SpcCall) -> bytes:
        if call.data == WAITS:
            return call.ask(Question("slow", call.data, self.take))
        return self.take()

    def take(self) -> bytes:
        self.clock.now += 20
        return b"done"


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chain]:
    clock = Clock()
    monkeypatch.setattr(deadline, "perf_counter", clock)
    chain = Chain(Genesis(accounts=build_dev_accounts(), spcs=(ORACLE,)), [Slow(clock)])
    yield chain
    chain.close()


def test_a_call_ends_where_a_precompile_took_too_long(chain: Chain) -> None:
    assert chain.call(CallRequest(sender=ALICE, to=ORACLE, data=WAITS), 0).return_data == b"done"
    with pytest.raises(CallFailed, match="execution aborted"):
        chain.call(CallRequest(sender=ALICE, to=ORACLE, data=WORKS), 0)


def test_a_transaction_in_which_a_precompile_took_too_long_is_left_out(chain: Chain) -> None:
    chain.dev.automine = False
    slow = chain.submit(sign(chain, ORACLE, WORKS).raw)
    assert chain.mine().transactions == ()
    assert chain.receipt(slow) is None
    waiting = chain.submit(sign(chain, ORACLE, WAITS).raw)
    chain.mine()
    receipt = chain.receipt(waiting)
    assert receipt is not None
    assert receipt.succeeded
