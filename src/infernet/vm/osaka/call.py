"""A message call without a transaction: no signature, no nonce, no price unless one is named; nothing of it is kept."""

from __future__ import annotations

from ethereum.forks.osaka.fork_types import Address
from ethereum.forks.osaka.state import TransientStorage
from ethereum.forks.osaka.transactions import calculate_intrinsic_cost
from ethereum.forks.osaka.utils.message import prepare_message
from ethereum.forks.osaka.vm import Message, TransactionEnvironment
from ethereum.forks.osaka.vm.interpreter import MessageCallOutput, process_message_call
from ethereum.forks.osaka.vm.precompiled_contracts.mapping import PRE_COMPILED_CONTRACTS
from ethereum_types.bytes import Bytes32
from ethereum_types.numeric import U256, Uint

from infernet.vm.osaka.deadline import TooSlow, limited
from infernet.vm.osaka.faults import describe
from infernet.vm.osaka.precompiles import HostedBlock
from infernet.vm.osaka.tracing import Touched, build_log, tracing
from infernet.vm.osaka.transactions import build_spec_transaction
from infernet.vm.osaka.world import get_account, increment_nonce, set_account_balance
from infernet.vm.request import CallFailed, CallRequest, CallResult
from infernet.vm.trace import Tracer
from infernet.vm.transaction import FEE_MARKET, SET_CODE, Access, Transaction


def simulate(
    env: HostedBlock, request: CallRequest, tracer: Tracer | None, limit_s: float | None
) -> tuple[CallResult, Message]:
    """What came of it, and the message with what it touched.

    Raises:
        CallFailed: it could not begin, or not end in time.
    """
    gas = int(env.block_gas_limit) if request.gas is None else request.gas
    price = _choose_price(env, request)
    tx = build_spec_transaction(_build_transaction(request, gas))
    intrinsic, floor = map(int, calculate_intrinsic_cost(tx))
    if gas < max(intrinsic, floor):
        raise CallFailed("call.gas", f"intrinsic gas too low: have {gas}, want {max(intrinsic, floor)}")
    sender = Address(request.sender)
    _pay(env, sender, gas * price, request.value)
    increment_nonce(env.world, sender)
    message = prepare_message(env, _build_tx_env(env, request, tx, gas - intrinsic, price), tx)
    with limited(limit_s), tracing(tracer) as traced:
        try:
            output = process_message_call(message)
        except TooSlow:
            raise CallFailed("call.timeout", f"execution aborted (timeout = {limit_s}s)") from None
        used = _count_gas(gas, floor, output)
        traced.settle(gas, used)
    logs = tuple(map(build_log, output.logs))
    return CallResult(bytes(output.return_data), used, describe(output.error), logs), message


def collect_accesses(touched: Touched, known: set[bytes]) -> tuple[Access, ...]:
    """Accounts and slots that were touched, in order; an account that is warm anyway only where slots of it were."""
    slots: dict[bytes, list[bytes]] = {}
    for address, slot in touched.slots:
        slots.setdefault(bytes(address), []).append(bytes(slot))
    for address in touched.addresses:
        if address not in PRE_COMPILED_CONTRACTS and bytes(address) not in known:
            slots.setdefault(bytes(address), [])
    return tuple(Access(address, tuple(sorted(slots[address]))) for address in sorted(slots))


def _choose_price(env: HostedBlock, request: CallRequest) -> int:
    if request.max_fee is None:
        return 0
    base_fee, tip = int(env.base_fee_per_gas), request.max_priority_fee or 0
    if request.max_fee < tip:
        raise CallFailed("call.tip", "max priority fee per gas higher than max fee per gas")
    if 0 < request.max_fee < base_fee:
        raise CallFailed(
            "call.fee",
            f"max fee per gas less than block base fee: maxFeePerGas: {request.max_fee}, baseFee: {base_fee}",
        )
    return min(request.max_fee, base_fee + tip)


def _pay(env: HostedBlock, sender: Address, gas_wei: int, value: int) -> None:
    balance = int(get_account(env.world, sender).balance)
    if balance < gas_wei + value:
        who = f"address 0x{sender.hex()} have {balance} want {gas_wei + value}"
        what = "gas * price + value" if gas_wei else "transfer"
        raise CallFailed("call.funds", f"insufficient funds for {what}: {who}")
    set_account_balance(env.world, sender, U256(balance - gas_wei))


def _build_transaction(request: CallRequest, gas: int) -> Transaction:
    return Transaction(
        type=SET_CODE if request.authorizations else FEE_MARKET,
        chain_id=0,
        nonce=0,
        max_priority_fee=0,
        max_fee=0,
        gas=gas,
        to=request.to,
        value=request.value,
        data=request.data,
        access_list=request.access_list,
        authorizations=request.authorizations,
        v=0,
        r=0,
        s=0,
        hash=b"",
        sender=request.sender,
        raw=b"",
    )


def _build_tx_env(env: HostedBlock, request: CallRequest, tx: object, gas: int, price: int) -> TransactionEnvironment:
    slots = {(Address(entry.address), Bytes32(slot)) for entry in request.access_list for slot in entry.slots}
    return TransactionEnvironment(
        origin=Address(request.sender),
        gas_price=Uint(price),
        gas=Uint(gas),
        access_list_addresses={env.coinbase, *(Address(entry.address) for entry in request.access_list)},
        access_list_storage_keys=slots,
        transient_storage=TransientStorage(),
        blob_versioned_hashes=(),
        authorizations=getattr(tx, "authorizations", ()),
        index_in_block=None,
        tx_hash=None,
    )


def _count_gas(gas: int, floor: int, output: MessageCallOutput) -> int:
    """As the specification's `process_transaction` does: less refunds, a fifth at most, and the calldata's floor."""
    used = gas - int(output.gas_left)
    return max(used - min(used // 5, int(output.refund_counter)), floor)
