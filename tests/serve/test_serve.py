from __future__ import annotations

import subprocess
import sys

import pytest
from eth_abi import decode, encode

from infernet.compute.python import PythonContainer
from infernet.errors import InvalidInput, JobRejected
from infernet.serve import container
from infernet.serve.examples import Mean, add_up, reverse


def test_a_plain_function_gets_the_bytes_and_returns_bytes() -> None:
    assert reverse.id == "reverse"
    assert reverse.run(b"abc") == b"cba"


def test_a_typed_function_gets_arguments_and_returns_a_value() -> None:
    assert add_up.run(encode(["int256[]"], [[1, 2, -7]])) == encode(["int256"], [-4])


def test_a_class_is_made_once_and_returns_several_values() -> None:
    assert decode(["int256", "uint256"], Mean.run(encode(["int256[]"], [[1, 2, 6]]))) == (3, 3)


def test_the_decorated_function_stays_callable() -> None:
    assert add_up((1, 2)) == 3
    assert reverse.__name__ == "reverse"
    assert reverse.__doc__ == "The features, last byte first."


@pytest.mark.parametrize("features", [b"", b"\x01" * 31, b"\xff" * 64])
def test_features_of_other_types_reject_the_job(features: bytes) -> None:
    with pytest.raises(JobRejected, match=r"not abi.encode of \(int256\[\]\)") as caught:
        add_up.run(features)
    assert caught.value.code == "features.mismatch"


def test_features_are_read_as_contracts_read_them() -> None:
    @container("kinds", inputs=("address", "string", "bytes"))
    def kinds(account: str, text: str, data: bytes) -> bytes:
        return f"{account} {text} {data.hex()}".encode()

    account = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    good = encode(["address", "bytes", "bytes"], [account, b"a\xff", b"\x01"])
    dirty = good[:-1] + b"\x02"  # padding that is not zero
    for features in (good, dirty):
        assert kinds.run(features).decode() == f"{account} a\ufffd 01"
    with pytest.raises(JobRejected, match="features of kinds"):
        kinds.run(encode(["uint256", "uint256", "uint256"], [0, 2**255, 2**255]))


def test_a_result_of_another_type_rejects_the_job() -> None:
    @container("bad", outputs=("uint8", "bool"))
    def bad(features: bytes) -> object:
        return {b"large": (256, True), b"short": (1,), b"none": None}[features]

    for features in (b"large", b"short", b"none"):
        with pytest.raises(JobRejected, match=r"result of bad is not \(uint8, bool\)") as caught:
            bad.run(features)
        assert caught.value.code == "output.mismatch"


@pytest.mark.parametrize("container_id", ["", "a,b", " a"])
def test_an_id_that_cannot_be_subscribed_to_is_refused(container_id: str) -> None:
    with pytest.raises(InvalidInput, match="container id"):
        container(container_id)


def test_types_that_are_none_are_refused_where_they_are_written() -> None:
    with pytest.raises(InvalidInput, match="'number' is not an ABI type"):
        container("x", inputs=("number",))
    with pytest.raises(InvalidInput, match=r'write \("int256",\)'):
        container("x", outputs="int256")


def test_an_async_function_is_refused_where_it_is_written() -> None:
    async def later(features: bytes) -> bytes:
        return features

    with pytest.raises(InvalidInput, match="plain function"):
        container("later")(later)


async def test_a_node_serves_the_examples() -> None:
    served = PythonContainer("mean", "infernet.serve.examples:Mean")
    await served.start()
    try:
        assert decode(["int256", "uint256"], await served.run(encode(["int256[]"], [[4, 6]]))) == (5, 2)
        with pytest.raises(JobRejected, match="ValueError: there is no mean of nothing"):
            await served.run(encode(["int256[]"], [[]]))
    finally:
        await served.stop()


def test_importing_the_package_loads_no_engine() -> None:
    code = "import sys, infernet, infernet.serve, infernet.compute.model, infernet.compute.python, infernet.models\n"
    code += "print([name for name in ('onnxruntime', 'onnx', 'sklearn') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
