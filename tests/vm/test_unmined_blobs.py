"""Blobs of blocks that are not there yet: a call on such a block has them, and nothing of them is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from evm import ALICE, BOB, sign

from infernet.types import Address
from infernet.vm.chain import Chain
from infernet.vm.genesis import Genesis, build_dev_accounts
from infernet.vm.request import BlockOverride, CallRequest
from infernet.vm.simulation import BlockPlan, Terms
from infernet.vm.spc.addresses import VECTOR_DATABASE
from infernet.vm.spc.call import SpcCall

SHELF = bytes.fromhex(VECTOR_DATABASE[2:])
EMPTY = bytes(32)


@dataclass(frozen=True)
class Shelf:
    """Keeps one blob: adds its calldata to it and answers with the whole."""

    address: Address = VECTOR_DATABASE
    name: str = "shelf"
    recorded: bool = False

    def run(self, call: SpcCall) -> bytes:
        call.charge(100)
        digest = call.load(EMPTY)
        kept = b"" if digest == EMPTY else call.blobs.get(digest)
        if call.data:
            call.store(EMPTY, call.blobs.put(kept + call.data))
        return kept + call.data


@pytest.fixture
def chain() -> Iterator[Chain]:
    chain = Chain(Genesis(accounts=build_dev_accounts(), spcs=(SHELF,)), [Shelf()])
    chain.dev.automine = False
    yield chain
    chain.close()


def count_blobs(chain: Chain) -> int:
    ((count,),) = chain.ledger._store._db.execute("SELECT count(*) FROM blobs")
    return int(count)


def test_what_waits_can_be_built_on(chain: Chain) -> None:
    add, read = CallRequest(sender=BOB, to=SHELF, data=b"c"), CallRequest(sender=BOB, to=SHELF)
    for number, data in enumerate((b"a", b"b")):
        chain.submit(sign(chain, SHELF, data).raw)
        assert chain.call(read, "pending").return_data == b"ab"[: number + 1]
    assert chain.call(add, "pending").return_data == b"abc"
    assert chain.estimate(add, "pending") > 21_000
    assert chain.access_list(add, "pending")[1].error is None
    assert count_blobs(chain) == 0
    chain.mine()
    assert chain.call(read, "pending").return_data == chain.call(read, chain.head.number).return_data == b"ab"
    assert count_blobs(chain) == 2


def test_imagined_blocks_build_on_one_another(chain: Chain) -> None:
    plans = [
        BlockPlan(BlockOverride(number=number), {}, [CallRequest(sender=ALICE, to=SHELF, data=data, gas=100_000)])
        for number, data in ((1, b"a"), (2, b"b"), (5, b"c"))
    ]
    blocks = chain.simulate(plans, 0, Terms(is_strict=False, with_transfers=False, gas=10**6))
    assert [result.return_data for block in blocks for result in block.results] == [b"a", b"ab", b"abc"]
    assert count_blobs(chain) == 0
