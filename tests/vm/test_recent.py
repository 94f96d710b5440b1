from __future__ import annotations

from infernet.vm.recent import Recent


def test_it_keeps_as_many_bytes_as_it_may() -> None:
    read = list[int]()

    def make(number: int) -> bytes:
        read.append(number)
        return bytes(number)

    recent = Recent(make, len, max_bytes=100)
    for number in (40, 50, 40, 20, 40, 50):  # 20 does not fit beside 40 and 50, of which 50 was not asked for longer
        assert len(recent.read(number)) == number
    assert read == [40, 50, 20, 50]
    assert len(recent.read(1_000)) == len(recent.read(1_000)) == 1_000
    assert read[4:] == [1_000]
    recent.read(40)
    recent.clear()
    recent.read(40)
    assert read[5:] == [40, 40]
