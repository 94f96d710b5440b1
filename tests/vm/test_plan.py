"""Code read into blocks: where they begin and end, what they ask, and how many are kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infernet.vm.osaka import plan as plan_module
from infernet.vm.osaka.plan import BAD, END, ENTER, GO, GO_IF, JUMP, Entry, plan_code


def entries(code: bytes) -> list[Entry]:
    return [argument for kind, argument in plan_code(code).instructions if kind == ENTER]


def kinds(code: bytes) -> list[int]:
    return [kind for kind, _ in plan_code(code).instructions]


def test_a_block_knows_its_gas_and_what_it_asks_of_the_stack() -> None:
    (entry, *_) = entries(b"\x60\x01\x01\x80\x50\x50\x00")  # push 1, add, dup1, pop, pop, stop
    assert entry == Entry(gas=3 + 3 + 3 + 2 + 2, needs=1, grows=1)


def test_a_jump_destination_begins_a_block_and_data_of_a_push_does_not() -> None:
    assert plan_code(b"\x61\x5b\x5b\x5b\x00").destinations.keys() == {3}


def test_jumps_to_a_constant_know_where_they_go() -> None:
    code = b"\x60\x04\x56\x00\x5b\x60\x00\x57\x60\x63\x56"  # to 4; there, to 0 if; then to 99
    plan = plan_code(code)
    goes = [argument for kind, argument in plan.instructions if kind in (GO, GO_IF)]
    assert goes == [plan.destinations[4], -1, -1]
    assert JUMP not in kinds(code)


def test_code_ends_with_a_stop_and_a_push_that_is_cut_off_reads_zeros() -> None:
    assert kinds(b"")[:2] == [ENTER, END]
    assert (plan_module.PUSH, 0x0100) in plan_code(b"\x61\x01").instructions


def test_what_is_no_instruction_is_a_fault_where_it_stands() -> None:
    assert (BAD, 0x0C) in plan_code(b"\x0c").instructions


@given(st.binary(max_size=300))
def test_any_bytes_are_read_and_every_destination_is_a_block(code: bytes) -> None:
    plan = plan_code(code)
    assert all(plan.instructions[at][0] == ENTER and code[pc] == 0x5B for pc, at in plan.destinations.items())
    assert plan.instructions[-2][0] == END


def test_no_more_is_kept_than_fits() -> None:
    plans = plan_module._Plans()
    first = plans.get(b"\x5b" * 20_000)
    assert plans.get(b"\x5b" * 20_000) is first
    few_instructions = (b"\x7f" + bytes(32)) * 600  # of much code: push32
    for number in range(200):
        plans.get(number.to_bytes(2, "big") + few_instructions)
    assert plans._size <= plan_module._KEPT_BYTES
    assert plans._size == sum(map(len, plans._plans))
    assert plans.get(b"\x5b" * 20_000) is not first
