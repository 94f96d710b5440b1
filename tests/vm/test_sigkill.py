"""A producer that is killed at any moment has lost nothing that it acknowledged."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from producing import CONTRACT, GENESIS

from infernet.vm.chain import Chain

KILLS = 4


def run_until_killed(path: Path, acknowledged: int, delay_s: float) -> list[bytes]:
    """The hashes that a producer acknowledged before it was killed, some moments after the last one asked for."""
    script = str(Path(__file__).with_name("producing.py"))
    with subprocess.Popen([sys.executable, script, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledged)]
        try:
            process.wait(delay_s)
        except subprocess.TimeoutExpired:
            process.kill()
        lines += process.stdout.readlines()
    return [bytes.fromhex(line) for line in lines if len(line) == 65]


def test_no_acknowledged_block_is_lost(tmp_path: Path) -> None:
    path, rng = tmp_path / "chain.sqlite", random.Random(7)
    hashes: list[bytes] = []
    for _ in range(KILLS):
        hashes += run_until_killed(path, rng.randrange(1, 12), rng.random() * 0.05)
    chain, follower = Chain(GENESIS, path=path), Chain(GENESIS, producer_key=None)
    try:
        assert all(chain.receipt(tx_hash) for tx_hash in hashes)
        assert len(hashes) <= chain.head.number <= len(hashes) + KILLS
        counted = int.from_bytes(chain.state(chain.head.number).storage(CONTRACT, bytes(32)), "big")
        assert counted == chain.head.number
        assert all(len(chain.seals.read(number)) == 1 for number in range(1, chain.head.number + 1))
        for encoded in chain.export(1, chain.head.number):
            follower.import_block(encoded)
        assert follower.head.hash == chain.head.hash
    finally:
        chain.close()
        follower.close()
