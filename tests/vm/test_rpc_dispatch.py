from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from infernet.vm.rpc.dispatch import Dispatcher
from infernet.vm.rpc.errors import RpcError
from infernet.vm.rpc.table import Method, Methods, Param
from infernet.vm.rpc.values import decode_number

methods = Methods()


@methods.add("add", Param("left", decode_number), Param("right", decode_number, 1))
def add(caller: str, left: int, right: int) -> int:
    return left + right


@methods.add(("who", "whoever"))
def who(caller: str) -> str:
    return caller


@methods.add("revert")
def revert(caller: str) -> None:
    raise RpcError(3, "execution reverted", "0x1234")


@methods.add("break")
def break_down(caller: str) -> None:
    raise KeyError("secret")


@methods.add("long")
def long(caller: str) -> str:
    return "x" * 600


async def run(method: Method, caller: str, params: list[Any]) -> object:
    await asyncio.sleep(0)
    return method.answer(caller, *params)


async def ask(body: Any, **limits: int) -> Any:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    answer = await Dispatcher(methods, run, **limits).answer(text, "alice")
    return None if answer is None else json.loads(answer)


def request(method: str, *params: Any, number: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


async def code_of(body: Any) -> int:
    return int((await ask(body))["error"]["code"])


async def test_a_request_is_answered() -> None:
    assert await ask(request("add", "0x1", 2)) == {"jsonrpc": "2.0", "id": 1, "result": 3}
    assert await ask(json.dumps(request("who", number="é")).encode()) == {
        "jsonrpc": "2.0",
        "id": "é",
        "result": "alice",
    }
    assert (await ask({"jsonrpc": "2.0", "id": None, "method": "whoever"}))["result"] == "alice"


@pytest.mark.parametrize("right", [(), (None,)])
async def test_a_parameter_that_is_missing_or_null_has_its_default(right: tuple[Any, ...]) -> None:
    assert (await ask(request("add", 1, *right)))["result"] == 2


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ([], "missing value for required argument 0 (left)"),
        ([None, 1], "missing value for required argument 0 (left)"),
        ([1, 2, 3], "too many arguments, want at most 2"),
        ([1, "x"], "invalid argument 1 (right): "),
    ],
)
async def test_a_wrong_parameter_is_named(params: list[Any], said: str) -> None:
    error = (await ask(request("add", *params)))["error"]
    assert error["code"] == -32602
    assert error["message"].startswith(said)


@pytest.mark.parametrize("body", ["", "{", b"\xff", "[" * 100_000, "NaN", '{"id": Infinity}', "1" * 5000])
async def test_what_is_no_json_is_a_parse_error(body: Any) -> None:
    answer = await ask(body)
    assert (answer["error"]["code"], answer["id"]) == (-32700, None)


@pytest.mark.parametrize(
    "body",
    [
        5,
        "null",
        {},
        [],
        {"id": 1, "method": "who"},
        {"jsonrpc": "1.0", "id": 1, "method": "who"},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "id": 1, "method": 5},
        {"jsonrpc": "2.0", "id": [], "method": "who"},
    ],
)
async def test_what_is_no_request_is_invalid(body: Any) -> None:
    assert await code_of(body) == -32600


async def test_parameters_by_name_are_refused() -> None:
    assert await code_of({"jsonrpc": "2.0", "id": 1, "method": "add", "params": {"left": 1}}) == -32602


async def test_an_unknown_method_is_named() -> None:
    error = (await ask(request("eth_foo")))["error"]
    assert error == {"code": -32601, "message": "the method eth_foo does not exist/is not available"}


async def test_an_error_carries_its_data() -> None:
    assert (await ask(request("revert")))["error"] == {"code": 3, "message": "execution reverted", "data": "0x1234"}


async def test_a_fault_of_ours_tells_a_stranger_nothing() -> None:
    error = (await ask(request("break")))["error"]
    assert error["code"] == -32603
    assert "secret" not in error["message"]


async def test_a_notification_has_no_answer() -> None:
    assert await ask({"jsonrpc": "2.0", "method": "who"}) is None
    assert await ask([{"jsonrpc": "2.0", "method": "who"}, {"jsonrpc": "2.0", "method": "break"}]) is None


async def test_a_batch_is_answered_in_its_order() -> None:
    batch = [request("add", number, number=number) for number in range(250)] + [5, request("nothing", number="last")]
    answers = await ask(batch)
    assert [answer["id"] for answer in answers] == [*range(250), None, "last"]
    assert [answer["result"] for answer in answers[:250]] == list(range(1, 251))
    assert [answer["error"]["code"] for answer in answers[250:]] == [-32600, -32601]


async def test_a_batch_has_a_limit() -> None:
    assert (await ask([request("who")] * 3, max_batch=2))["error"]["code"] == -32600


async def test_answers_of_a_batch_have_a_limit_together() -> None:
    answers = await ask([request("long")] * 300, max_response_bytes=1000)
    answered = ["result" in answer for answer in answers]
    assert answered == [True] * sum(answered) + [False] * (300 - sum(answered))
    assert 2 <= sum(answered) <= 10  # what is begun before it is known to be too much
    assert answers[-1]["error"]["code"] == -32003
