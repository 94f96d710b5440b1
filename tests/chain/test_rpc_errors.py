from __future__ import annotations

import pytest

from infernet.chain.rpc_errors import translate_error, translate_status
from infernet.errors import JobRejected, NodeMisconfigured, RetryLater

SAID = [
    ({"code": -32000, "message": "batch too large"}, "chain.batch_too_large", RetryLater),  # geth
    (
        {"code": 31, "message": "Batch of more than 3 requests are not allowed on free tier"},
        "chain.batch_too_large",
        RetryLater,
    ),  # drpc
    # (what an endpoint says, the code it becomes, the class it becomes)
    ({"code": -32000, "message": "already known"}, "tx.already_known", RetryLater),  # geth
    ({"code": -32003, "message": "transaction already imported"}, "tx.already_known", RetryLater),  # anvil
    ({"code": -32010, "message": "AlreadyKnown, tx 0x12"}, "tx.already_known", RetryLater),  # nethermind
    (
        {"code": -32000, "message": "INTERNAL_ERROR: existing tx with same hash"},
        "tx.already_known",
        RetryLater,
    ),  # erigon
    ({"code": -32000, "message": "known transaction: 0xabcd"}, "tx.already_known", RetryLater),  # old geth, bsc
    ({"code": -32000, "message": "nonce too low: next nonce 5, tx nonce 4"}, "tx.nonce_too_low", RetryLater),
    (
        {"code": -32010, "message": "OldNonce, Current nonce: 8, nonce of rejected tx: 2"},
        "tx.nonce_too_low",
        RetryLater,
    ),
    (
        {"code": -32010, "message": "Transaction nonce is too low. Try incrementing the nonce."},
        "tx.nonce_too_low",
        RetryLater,
    ),
    ({"code": -32000, "message": "nonce too high"}, "tx.nonce_too_high", RetryLater),
    ({"code": -32010, "message": "NonceGap, Future nonce. Expected nonce: 3"}, "tx.nonce_too_high", RetryLater),
    ({"code": -32000, "message": "replacement transaction underpriced"}, "tx.replacement_underpriced", RetryLater),
    (
        {"code": -32000, "message": "INTERNAL_ERROR: could not replace existing tx"},
        "tx.replacement_underpriced",
        RetryLater,
    ),
    (
        {"code": -32010, "message": "ReplacementNotAllowed, CompareReplacedTxByFee"},
        "tx.replacement_underpriced",
        RetryLater,
    ),
    (
        {"code": -32000, "message": "transaction underpriced: tip needed 1, tip permitted 0"},
        "tx.underpriced",
        RetryLater,
    ),
    ({"code": -32010, "message": "FeeTooLow, MaxFeePerGas too low"}, "tx.underpriced", RetryLater),
    ({"code": -32003, "message": "max fee per gas less than block base fee"}, "tx.fee_below_base_fee", RetryLater),
    (
        {
            "code": -32000,
            "message": "max fee per gas less than block base fee: address 0xf3, maxFeePerGas: 1, baseFee: 8",
        },
        "tx.fee_below_base_fee",
        RetryLater,
    ),
    ({"code": -32000, "message": "fee cap less than block base fee"}, "tx.fee_below_base_fee", RetryLater),
    ({"code": -32009, "message": "Gas price below configured minimum gas price"}, "tx.underpriced", RetryLater),  # besu
    (
        {"code": -32003, "message": "max priority fee per gas higher than max fee per gas"},
        "tx.tip_above_max_fee",
        JobRejected,
    ),
    ({"code": -32003, "message": "Insufficient funds for gas * price + value"}, "tx.insufficient_funds", RetryLater),
    (
        {"code": -32000, "message": "insufficient funds for gas * price + value: balance 1, tx cost 2, overshot 1"},
        "tx.insufficient_funds",
        RetryLater,
    ),
    ({"code": -32010, "message": "InsufficientFunds, Balance is zero"}, "tx.insufficient_funds", RetryLater),
    ({"code": -32004, "message": "Upfront cost exceeds account balance"}, "tx.insufficient_funds", RetryLater),  # besu
    ({"code": -32000, "message": "txpool is full"}, "tx.pool_full", RetryLater),
    (
        {"code": -32000, "message": "tx fee (3.00 ether) exceeds the configured cap (1.00 ether)"},
        "tx.fee_above_endpoint_cap",
        JobRejected,
    ),
    ({"code": -32000, "message": "exceeds block gas limit"}, "tx.gas_limit_too_high", JobRejected),
    (
        {"code": -32000, "message": "intrinsic gas too high -- tx.gas_limit > env.block.gas_limit"},
        "tx.gas_limit_too_high",
        JobRejected,
    ),
    (
        {"code": -32000, "message": "intrinsic gas too low: gas 20000, minimum needed 21000"},
        "tx.intrinsic_gas_too_low",
        JobRejected,
    ),
    (
        {"code": -32003, "message": "gas floor 50000 exceeds the gas limit 40000"},
        "tx.intrinsic_gas_too_low",
        JobRejected,
    ),
    (
        {"code": -32000, "message": "EVM error; transaction validation error: GasFloorMoreThanGasLimit"},
        "tx.intrinsic_gas_too_low",
        JobRejected,
    ),
    ({"code": -32003, "message": "invalid chain id for signer"}, "tx.wrong_chain_id", NodeMisconfigured),
    ({"code": -32000, "message": "invalid sender: wrong chain id"}, "tx.wrong_chain_id", NodeMisconfigured),
    ({"code": -32000, "message": "oversized data: transaction size 200000, limit 131072"}, "tx.too_large", JobRejected),
    ({"code": -32602, "message": "Failed to decode transaction"}, "tx.malformed", JobRejected),
    (
        {"code": -32005, "message": "query returned more than 10000 results"},
        "chain.range_too_large",
        RetryLater,
    ),  # infura
    (
        {"code": -32602, "message": "range 1000000 exceeds limit of 10000"},
        "chain.range_too_large",
        RetryLater,
    ),  # infura
    (
        {"code": -32602, "message": "Log response size exceeded. You can make"},
        "chain.range_too_large",
        RetryLater,
    ),  # alchemy
    (
        {"code": -32614, "message": "eth_getLogs is limited to a 10,000 range"},
        "chain.range_too_large",
        RetryLater,
    ),  # quicknode
    (
        {"code": -32602, "message": "invalid params", "data": "range 20000 is bigger than range limit 2000"},
        "chain.range_too_large",
        RetryLater,
    ),  # tenderly, thirdweb
    ({"code": -32600, "message": "exceed maximum block range: 5000"}, "chain.range_too_large", RetryLater),  # bsc
    ({"code": -32600, "message": "Block range is too large"}, "chain.range_too_large", RetryLater),  # ankr
    (
        {"code": 35, "message": "ranges over 10000 blocks are not supported on freetier"},
        "chain.range_too_large",
        RetryLater,
    ),  # drpc
    (
        {"code": -32602, "message": "query exceeds max results 20000, retry with the range 1-2"},
        "chain.range_too_large",
        RetryLater,
    ),  # reth
    ({"code": -32000, "message": "header not found"}, "chain.block_unknown", RetryLater),
    ({"code": -32001, "message": "Resource not found"}, "chain.block_unknown", RetryLater),
    ({"code": -32000, "message": "missing trie node 12ab (path )"}, "chain.block_unknown", RetryLater),
    (
        {"code": -32602, "message": "BlockOutOfRangeError: block height is 1 but requested was 256"},
        "chain.block_unknown",
        RetryLater,
    ),
    (
        {"code": -32005, "message": "daily request count exceeded, request rate limited"},
        "chain.rate_limited",
        RetryLater,
    ),
    (
        {"code": 429, "message": "Your app has exceeded its compute units per second capacity."},
        "chain.rate_limited",
        RetryLater,
    ),
    ({"code": -32601, "message": "Method not found"}, "chain.method_unsupported", NodeMisconfigured),
    (
        {"code": -32601, "message": "the method eth_foo does not exist/is not available"},
        "chain.method_unsupported",
        NodeMisconfigured,
    ),
    ({"code": -32002, "message": "request timed out"}, "chain.timeout", RetryLater),
    ({"code": -32603, "message": "EVM error OutOfGas"}, "revert.OutOfGas", JobRejected),
    ({"code": -32603, "message": "EVM error InvalidFEOpcode"}, "revert.InvalidCode", JobRejected),
    ({"code": -32000, "message": "invalid opcode: INVALID"}, "revert.InvalidCode", JobRejected),
    ({"code": 3, "message": "execution reverted", "data": "0x"}, "revert.Empty", JobRejected),
    ({"code": -32000, "message": "execution reverted"}, "revert.Empty", JobRejected),
    (
        {"code": 3, "message": "execution reverted: custom error 0xdeadbeef", "data": "0xdeadbeef"},
        "revert.Unknown",
        JobRejected,
    ),
    (
        {"code": -32015, "message": "VM execution error.", "data": "Reverted 0x"},
        "revert.Empty",
        JobRejected,
    ),  # nethermind, parity
    ({"code": -32000, "message": "what nobody has said before"}, "chain.endpoint_error", RetryLater),
]


@pytest.mark.parametrize(("error", "code", "kind"), SAID, ids=[f"{code}-{i}" for i, (_, code, _) in enumerate(SAID)])
def test_what_endpoints_say_becomes_one_of_our_errors(error: dict, code: str, kind: type) -> None:
    found = translate_error(error, "eth_call", "http://node")
    assert (found.code, type(found)) == (code, kind)
    assert "\n" not in found.message


def test_an_error_that_is_no_object_is_a_bad_answer() -> None:
    assert translate_error("boom", "eth_call", "http://node").code == "chain.bad_answer"
    assert translate_error({}, "eth_call", "http://node").code == "chain.endpoint_error"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, "chain.rate_limited"),
        (401, "chain.unauthorized"),
        (403, "chain.unauthorized"),
        (404, "chain.bad_answer"),
        (413, "chain.request_too_large"),
        (500, "chain.unreachable"),
        (502, "chain.unreachable"),
    ],
)
def test_an_http_status_without_json_is_one_line(status: int, code: str) -> None:
    error = translate_status(status, b"<html>\n<body>no\nway</body></html>", "http://node")
    assert isinstance(error, RetryLater)
    assert error.code == code
    assert "\n" not in error.message


def test_a_good_status_is_no_error() -> None:
    assert translate_status(200, b"", "http://node") is None
