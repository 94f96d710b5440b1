"""Golden vectors of the `Tensor` struct, made with `struct` and `eth_abi` only: nothing of the codec they check.

    python vectors/generate_tensor.py > vectors/tensor.json

`values` are the stored integers; for floats they are the bit patterns as unsigned integers.
"""

from __future__ import annotations

import json
import struct

from eth_abi import encode

CODES = {
    "float16": (0, "e"), "float32": (1, "f"), "float64": (2, "d"),
    "int8": (5, "b"), "int16": (6, "h"), "int32": (7, "i"), "int64": (8, "q"),
    "uint8": (9, "B"), "uint16": (10, "H"), "uint32": (11, "I"), "uint64": (12, "Q"),
    "bool": (15, "B"),
}  # fmt: skip
BITS_OF = {"e": "H", "f": "I", "d": "Q"}


def edges(name: str) -> list[int]:
    width = 8 * struct.calcsize(CODES[name][1])
    if name.startswith("uint"):
        return [0, 1, 2 ** (width - 1), 2**width - 1]
    return [0, 1, -1, -(2 ** (width - 1)), 2 ** (width - 1) - 1]


CASES: list[tuple[str, str, int, list[int], list[float | int]]] = [
    *((f"{name} edges", name, 0, [len(edges(name))], edges(name)) for name in CODES if "int" in name),
    ("bool mask", "bool", 0, [2, 3], [0, 1, 1, 0, 1, 0]),
    ("float16 values", "float16", 0, [4], [1.5, -2.25, 65504.0, -0.0]),
    ("float32 values", "float32", 0, [1, 2], [1.5, -2.25]),
    ("float32 specials", "float32", 0, [3], [float("inf"), float("-inf"), 1e-45]),
    ("float64 values", "float64", 0, [2, 2], [0.1, -1e300, 5e-324, 3.141592653589793]),
    ("int64 with six decimals", "int64", 6, [2], [1500000, -2250000]),
    ("int32 scalar with the largest scale", "int32", 255, [], [-7]),
    ("uint8 empty batch", "uint8", 0, [0, 64], []),
    ("uint8 one digit", "uint8", 0, [1, 64], [(i * 7) % 17 for i in range(64)]),
    ("uint8 exactly one word", "uint8", 0, [32], list(range(32))),
    ("uint8 one byte over a word", "uint8", 0, [33], list(range(33))),
    ("int16 four dimensions", "int16", 2, [1, 2, 3, 1], [-3, -2, -1, 0, 1, 2]),
]


def build_case(name: str, dtype: str, scale: int, shape: list[int], values: list[float | int]) -> dict[str, object]:
    code, form = CODES[dtype]
    packed = struct.pack(f">{len(values)}{form}", *values)
    stored = struct.unpack(f">{len(values)}{BITS_OF.get(form, form)}", packed)
    encoded = encode(["(uint8,uint8,uint32[],bytes)"], [(code, scale, shape, packed)])
    return {
        "name": name,
        "dtype": str(code),
        "scale": str(scale),
        "shape": [str(extent) for extent in shape],
        "values": [str(value) for value in stored],
        "encoded": "0x" + encoded.hex(),
    }


if __name__ == "__main__":
    print(json.dumps({"cases": [build_case(*case) for case in CASES]}, indent=2))
