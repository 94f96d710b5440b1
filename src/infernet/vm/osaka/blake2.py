"""BLAKE2b's compression function (RFC 7693, 3.2): in Rust where blake2b-py has a wheel, and on plain integers, which is
twenty times as fast as the specification's, where it has none.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ethereum.crypto.blake2 import Blake2b
from ethereum_types.numeric import Uint

try:
    from blake2b import compress as _compress_natively
except ImportError:  # no wheel for this machine
    _compress_natively = None

_MASK = 2**64 - 1
_SIGMA = Blake2b.sigma
_IV = tuple(int(word) for word in Blake2b.IV)
SECONDS_PER_ROUND = 2e-5 if _compress_natively is None else 5e-7
"""On a slow machine."""
_MIXED = tuple(tuple(int(index) for index in row) for row in Blake2b.MIX_TABLE)


def compress(
    self: Blake2b, num_rounds: Uint, h: Sequence[Uint], m: Sequence[Uint], t_0: Uint, t_1: Uint, f: bool
) -> bytes:
    """As `Blake2b.compress`."""
    compress_words = _compress_natively or compress_in_python
    return bytes(compress_words(int(num_rounds), [*map(int, h)], [*map(int, m)], [int(t_0), int(t_1)], bool(f)))


def compress_in_python(rounds: int, state: list[int], words: list[int], offsets: list[int], is_last: bool) -> bytes:
    """Where there is no other."""
    v = [*state, *_IV]
    v[12] ^= offsets[0]
    v[13] ^= offsets[1]
    if is_last:
        v[14] ^= _MASK
    for number in range(rounds):
        _mix_round(v, words, _SIGMA[number % 10])
    return struct.pack("<8Q", *(state[at] ^ v[at] ^ v[at + 8] for at in range(8)))


def _mix_round(v: list[int], words: list[int], order: Sequence[int]) -> None:
    for at, (a, b, c, d) in enumerate(_MIXED):
        x, y, z, w = v[a], v[b], v[c], v[d]
        x = (x + y + words[order[2 * at]]) & _MASK
        w ^= x
        w = (w >> 32) | (w << 32) & _MASK
        z = (z + w) & _MASK
        y ^= z
        y = (y >> 24) | (y << 40) & _MASK
        x = (x + y + words[order[2 * at + 1]]) & _MASK
        w ^= x
        w = (w >> 16) | (w << 48) & _MASK
        z = (z + w) & _MASK
        y ^= z
        y = (y >> 63) | (y << 1) & _MASK
        v[a], v[b], v[c], v[d] = x, y, z, w
