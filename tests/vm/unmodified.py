"""The specification package as it comes, with its own plain state: reads scenarios, answers what they lead to.

Run as a program of its own, so that nothing of ours is in its modules. One JSON object a line, in and out.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ethereum.exceptions import EthereumException
from ethereum.forks.osaka import fork, state, trie, vm
from ethereum.forks.osaka.fork_types import Account, Address
from ethereum.forks.osaka.transactions import LegacyTransaction, decode_transaction
from ethereum.forks.osaka.vm.precompiled_contracts.mapping import PRE_COMPILED_CONTRACTS
from ethereum_rlp import rlp
from ethereum_types.bytes import Bytes32
from ethereum_types.numeric import U64, U256, Uint


def main() -> None:
    sys.setrecursionlimit(20_000)
    for number in map(int, sys.argv[1:]):  # what ours has warm from the beginning on: accounts without code here
        PRE_COMPILED_CONTRACTS[Address(number.to_bytes(20, "big"))] = lambda evm: None
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


def run(scenario: dict[str, Any]) -> dict[str, Any]:
    world = state.State()
    for key, account in scenario["accounts"].items():
        address = Address(bytes.fromhex(key))
        nonce, balance, code = Uint(account["nonce"]), U256(account["balance"]), bytes.fromhex(account["code"])
        state.set_account(world, address, Account(nonce, balance, code))
        for slot, word in account["slots"].items():
            state.set_storage(world, address, Bytes32(bytes.fromhex(slot)), U256.from_be_bytes(bytes.fromhex(word)))
    env = vm.BlockEnvironment(
        chain_id=U64(scenario["chain_id"]),
        state=world,
        block_gas_limit=Uint(scenario["gas_limit"]),
        block_hashes=[Bytes32(bytes.fromhex(value)) for value in scenario["hashes"]],
        coinbase=Address(bytes.fromhex(scenario["coinbase"])),
        number=Uint(scenario["number"]),
        base_fee_per_gas=Uint(scenario["base_fee"]),
        time=U256(scenario["timestamp"]),
        prev_randao=Bytes32(bytes.fromhex(scenario["prev_randao"])),
        excess_blob_gas=U64(0),
        parent_beacon_block_root=Bytes32(bytes(32)),
    )
    output = vm.BlockOutput()
    if scenario["hashes"]:
        fork.process_unchecked_system_transaction(env, fork.HISTORY_STORAGE_ADDRESS, env.block_hashes[-1])
    refused = [_execute(env, output, bytes.fromhex(raw), index) for index, raw in enumerate(scenario["transactions"])]
    receipts = [trie.trie_get(output.receipts_trie, key) for key in output.receipt_keys]
    return {
        "state_root": state.state_root(world).hex(),
        "receipts": [(entry if isinstance(entry, bytes) else rlp.encode(entry)).hex() for entry in receipts],
        "gas_used": int(output.block_gas_used),
        "refused": refused,
    }


def _execute(env: vm.BlockEnvironment, output: vm.BlockOutput, raw: bytes, index: int) -> bool:
    tx = decode_transaction(raw) if raw[0] < 0x80 else rlp.decode_to(LegacyTransaction, raw)
    try:
        fork.process_transaction(env, output, tx, Uint(len(output.receipt_keys)))
    except EthereumException:
        return True
    return False


if __name__ == "__main__":
    main()
