"""What a transaction must offer, and have, to wait for a block."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from evm import ALICE, BOB, GWEI, sign

from infernet.vm.admission import compute_least_fee
from infernet.vm.chain import Chain
from infernet.vm.genesis import Genesis, build_dev_accounts
from infernet.vm.request import AccountOverride, TxRejected

GAS, FEE = 21_000, 10 * GWEI


@pytest.fixture
def chain() -> Iterator[Chain]:
    accounts = build_dev_accounts() | {ALICE: AccountOverride(balance=3 * GAS * FEE)}
    chain = Chain(Genesis(accounts=accounts))
    chain.dev.automine = False
    yield chain
    chain.close()


def test_a_fee_far_below_the_base_fee_is_refused(chain: Chain) -> None:
    least = compute_least_fee(chain.next_base_fee)
    assert least == -(-chain.next_base_fee // 10)
    for fee in (0, least - 1):
        with pytest.raises(TxRejected, match=f"transaction underpriced: gas fee cap {fee}, minimum needed {least}"):
            chain.submit(sign(chain, BOB, max_fee=fee, tip=0).raw)
    chain.submit(sign(chain, BOB, sender=BOB, max_fee=least, tip=0).raw)
    assert [compute_least_fee(base_fee) for base_fee in (0, 1, 7, 10, 11)] == [0, 1, 1, 1, 2]


def test_a_sender_can_pay_for_all_that_waits_together(chain: Chain) -> None:
    for nonce in range(3):
        chain.submit(sign(chain, BOB, nonce=nonce, gas=GAS, max_fee=FEE).raw)
    queued = f"queued cost {3 * GAS * FEE}, tx cost {GAS * FEE}, overshot {GAS * FEE}"
    with pytest.raises(TxRejected, match=f"insufficient funds for gas \\* price \\+ value: .*{queued}"):
        chain.submit(sign(chain, BOB, nonce=3, gas=GAS, max_fee=FEE).raw)
    with pytest.raises(TxRejected, match="insufficient funds"):  # the one that it would replace is not counted
        chain.submit(sign(chain, BOB, nonce=2, gas=GAS, max_fee=2 * FEE, tip=2 * GWEI).raw)
    chain.mine()
    chain.submit(sign(chain, BOB, nonce=3, gas=GAS, max_fee=FEE).raw)
