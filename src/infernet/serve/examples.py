"""Containers to start from: a node can serve each of them as `infernet.serve.examples:<name>`."""

from __future__ import annotations

from infernet.serve import container


@container("reverse")
def reverse(features: bytes) -> bytes:
    """The features, last byte first."""
    return features[::-1]


@container("sum", inputs=("int256[]",), outputs=("int256",))
def add_up(numbers: tuple[int, ...]) -> int:
    """The sum of an int256[]."""
    return sum(numbers)


@container("mean", inputs=("int256[]",), outputs=("int256", "uint256"))
class Mean:
    """Of what an int256[] holds: the mean, rounded down, and how many there are."""

    def __call__(self, numbers: tuple[int, ...]) -> tuple[int, int]:
        if not numbers:
            raise ValueError("there is no mean of nothing")
        return sum(numbers) // len(numbers), len(numbers)
