"""Whether a chain's memory stays where it is: many blocks of transfers, rows of a collection and searches, on disk.

`python -m bench.soak 100000` fails where the process grows by more than a tenth after the first tenth of the blocks. On
2 cores of 2026: 106 MiB after 10,000 blocks, 107 at 20,000 and at the end; 2.6 KiB of disk a block, 273 CPU seconds.
"""

from __future__ import annotations

import hashlib
import resource
import sys
import tempfile
import time
from pathlib import Path

from infernet.app.deployment import SALT
from infernet.app.layer import build_layer
from infernet.chain.artifacts import load_artifact
from infernet.chain.create2 import compute_create2_address
from infernet.chain.local import DEV_ACCOUNTS
from infernet.layer_settings import LayerSettings
from infernet.protocol.abi_codec import decode_abi
from infernet.vm.chain import Chain
from infernet.vm.request import CallRequest
from infernet.vm.spc.addresses import VECTOR_DATABASE
from infernet.vm.transaction import FEE_MARKET, sign_transaction

BLOCKS, ROWS, DIMENSION, ACCOUNTS = 100_000, 1_024, 32, 1_000
USER = DEV_ACCOUNTS[0]
SENDER = bytes.fromhex(USER.address[2:])
VECTORS = bytes.fromhex(VECTOR_DATABASE[2:])
WETH, DATABASE = load_artifact("WrappedEther"), load_artifact("IVectorDatabase")
WETH_AT = bytes.fromhex(compute_create2_address(SALT, WETH.encode_deployment())[2:])


class Soak:
    """A chain, and what its one user does."""

    def __init__(self, chain: Chain) -> None:
        self._chain, self._nonce = chain, 0
        self._send(WETH_AT, WETH.encode_call("deposit", []), value=10**18)
        self._send(VECTORS, DATABASE.encode_call("createCollection", ["rows", DIMENSION, 0]))
        named = DATABASE.encode_call("collectionOf", [USER.address, "rows"])
        (self._collection,) = decode_abi(["bytes32"], self._ask(VECTORS, named))

    def make_block(self, number: int) -> None:
        """A row is written, and the nearest are read; or tokens move, and the logs say so."""
        if number % 4 == 0:
            vector = hashlib.sha256(number.to_bytes(8, "big")).digest()
            row = (number % ROWS, 0, vector, b"row")
            self._send(VECTORS, DATABASE.encode_call("upsert", [self._collection, [row]]))
            search = DATABASE.encode_call("search", [self._collection, vector, 5, (0, 0)])
            self._ask(VECTORS, search)
            return
        receiver = (number % ACCOUNTS + 1).to_bytes(20, "big")
        self._send(WETH_AT, WETH.encode_call("transfer", ["0x" + receiver.hex(), 1]))
        head = self._chain.head.number
        if not self._chain.logs(head, head, [WETH_AT], [], 10):
            raise RuntimeError("a transfer without a log")

    def _send(self, to: bytes, data: bytes, value: int = 0) -> None:
        transaction = sign_transaction(
            FEE_MARKET,
            USER.private_key,
            chain_id=self._chain.chain_id,
            nonce=self._nonce,
            gas=5_000_000,
            max_fee=10**10,
            to=to,
            value=value,
            data=data,
        )
        self._nonce += 1
        receipt = self._chain.receipt(self._chain.submit(transaction.raw))
        if receipt is None or not receipt.succeeded:
            raise RuntimeError(f"transaction {self._nonce - 1} failed")

    def _ask(self, to: bytes, data: bytes) -> bytes:
        result = self._chain.call(CallRequest(sender=SENDER, to=to, data=data), self._chain.head.number)
        if result.error is not None:
            raise RuntimeError(result.error)
        return result.return_data


def read_peak_mib() -> float:
    """The most memory that the process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(blocks: int) -> bool:
    """Make them; whether memory stayed where it was."""
    layer = build_layer(LayerSettings(predeploys=("weth",), precompiles=("vectors",)))
    with tempfile.TemporaryDirectory(prefix="infernet-soak-") as folder:
        path, warm_mib, started = Path(folder, "chain.sqlite"), 0.0, time.process_time()
        chain = Chain(layer.genesis, layer.spcs, path)
        soak = Soak(chain)
        for number in range(1, blocks + 1):
            soak.make_block(number)
            if number % (blocks // 10) == 0:
                warm_mib = warm_mib or read_peak_mib()
                disk = sum(file.stat().st_size for file in path.parent.iterdir()) / 2**20
                taken = time.process_time() - started
                print(
                    f"{number} blocks: {read_peak_mib():.0f} MiB, {disk:.0f} MiB on disk, {taken:.0f} CPU s", flush=True
                )
        chain.close()
    return read_peak_mib() <= 1.1 * warm_mib


if __name__ == "__main__":
    sys.exit(0 if run(int(sys.argv[1]) if len(sys.argv) > 1 else BLOCKS) else "memory grew by more than a tenth")
